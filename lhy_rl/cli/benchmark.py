"""``lhy-rl benchmark``: train configurations with several seeds and compare them."""

from __future__ import annotations

from pathlib import Path

from lhy_rl.cli.arguments import check_least, output_console, parser, table, whole
from lhy_rl.cli.listing import listing


def command_benchmark(arguments: list[str]) -> int:
    made = parser("benchmark", "lhy-rl benchmark memory --jobs 2")
    made.epilog = f"benchmarks:\n{table(listing('benchmarks'))}\n\n{made.epilog}"
    made.add_argument("names", nargs="+", metavar="NAME", help="benchmarks (lhy-rl list benchmarks) or configurations")
    made.add_argument("--seeds", type=whole, metavar="N", help="runs behind each number (default: 5; quick: 2)")
    made.add_argument("--jobs", type=whole, default=2, metavar="N", help="runs at the same time (default: 2)")
    made.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where NAME.json, NAME.png and the finished runs go (default: runs/benchmarks; in a checkout of the "
        "repository a shipped benchmark's go to benchmarks/results, and the tables of its documents are written anew)",
    )
    made.add_argument("--quick", action="store_true", help="a fiftieth of the steps, to see whether it works")
    made.add_argument("--fresh", action="store_true", help="also train again what finished in an earlier call")
    options = made.parse_args(arguments)
    check_least(options, seeds=1, jobs=1)
    from lhy_rl.benchmark import runner, spec
    from lhy_rl.benchmark.tables import print_rows

    for found in spec.find(options.names):
        folder = options.output or runner.default_folder(found, options.quick)
        seeds = options.seeds or (2 if options.quick else 5)
        rows = runner.run(found, folder, seeds, options.jobs, options.quick, options.fresh)
        print_rows(output_console(), found.name, rows)
        pictures = [name for name in (f"{found.name}.png", f"{found.name}.curves.png") if (folder / name).exists()]
        print(f"results   {folder / found.name}.json, {', '.join(pictures)}")
        for path in runner.rewrite_documents(folder):
            print(f"rewritten {path}")
    return 0
