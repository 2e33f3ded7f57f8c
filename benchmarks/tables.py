"""Write the tables of README.md and docs/*.md from the benchmarks' results (see lhy_rl/benchmark/tables.py).

python -m benchmarks.tables
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness import RESULTS
from lhy_rl.benchmark.tables import documents, rewrite

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Rewrite the documents, and print those that changed."""
    for path in rewrite(documents(ROOT), RESULTS):
        print(f"rewritten: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
