"""Our GAIL beside that of the library ``imitation``, on the same demonstrations, in the same number of steps.

CartPole with a fixed horizon of 500 steps, ten and one of the shipped trajectories, and ten of a random policy as the
control. After the task's end the pole swings on without reward. In one more row the library plays
``seals/CartPole-v0``, on which it is tuned; that gives reward again when the pole swings back. Ours has the settings of
``configs/gail/cartpole``, the library those of its tutorial (``benchmarks/imitation_peer.py``). They take turns, seed
by seed, each with one thread; the CPU-seconds are those of making the trainer and training. The value is the return of
the deterministic policy in 50 episodes.

The library needs older versions of nearly all packages and therefore a virtual environment of its own:

    python -m venv peer
    peer/bin/pip install imitation==1.0.1 torch==2.13.0 'numpy<2'
    python -m benchmarks.gail_imitation --peer-python peer/bin/python [--quick] [--seeds 5]
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import harness
from benchmarks.gail import EPISODES, ONE, RANDOM, TEN, Part, mean_return
from lhy_rl.benchmark.benchmark_row import COST, RETURN
from lhy_rl.benchmark.results import ratio
from lhy_rl.core.errors import UserError
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.experiment import build
from lhy_rl.experiment.demonstrations import resolve_demonstrations
from lhy_rl.rollouts.demonstrators import trained_policy

TASK = "CartPole, fixed horizon"
SEALS = "10 trajectories, the library in seals/CartPole-v0"
DEMONSTRATIONS = {"10 trajectories": TEN, "1 trajectory": ONE, "random, 10": RANDOM, SEALS: TEN}
SCRIPT = Path(__file__).parent / "imitation_peer.py"
STEPS, QUICK_STEPS = 100_000, 2_048


def ours(variant: str, seed: int, quick: bool) -> tuple[dict[str, Any], Demonstrations, dict[str, Any]]:
    """Train our agent; return its results, the demonstrations, and the options of its environment."""
    config = Part(TASK, variant, "gail/cartpole", DEMONSTRATIONS[variant]).resolved(seed, quick)
    env = build.make_environment(config)
    found = resolve_demonstrations(config, env)
    assert found is not None
    demonstrations = found.take(config.values["agent"]["trajectories"])
    begun = time.process_time()
    agent = build.make_agent(config, env, demonstrations)
    agent.learn(QUICK_STEPS if quick else STEPS)
    seconds = time.process_time() - begun
    best = mean_return(trained_policy(agent, True, masks=False), config, 4 if quick else EPISODES)
    result = {"return": best, "cpu": seconds, "steps": agent.num_timesteps}
    return result, demonstrations, config.values["env"]


def theirs(python: Path, shared: Demonstrations, seed: int, task: dict[str, Any], quick: bool) -> dict[str, Any]:
    """Train the library's agent on the same demonstrations, in its own Python.

    Raises:
        UserError: the other Python does not have the library, or the training fails.
    """
    steps, episodes = (QUICK_STEPS, 10) if quick else (STEPS, EPISODES)
    with tempfile.TemporaryDirectory() as folder:
        demonstrations, output = Path(folder, "demonstrations.npz"), Path(folder, "output.json")
        observations = np.stack([episode.observations for episode in shared.episodes])  # (E, T + 1, ...)
        np.savez(demonstrations, observations=observations, actions=np.stack([e.actions for e in shared.episodes]))
        numbers = {
            "steps": steps,
            "seed": seed,
            "episodes": episodes,
            "horizon": task["horizon"],
            "after": task["after"],
        }
        options = [word for name, value in numbers.items() for word in (f"--{name}", str(value))]
        command = [str(python), str(SCRIPT), str(demonstrations), str(output), *options]
        surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        surroundings |= {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=surroundings, check=False)
        if done.returncode or not output.exists():
            last = (done.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
            raise UserError(f"{python} could not train the peer ({last}); it needs imitation==1.0.1")
        result: dict[str, Any] = json.loads(output.read_text("utf-8"))
    return result


def measure(python: Path, seeds: int, quick: bool) -> list[harness.Row]:
    """Train both sides in alternation on all demonstrations, and return the rows."""
    rows = []
    variants = ["10 trajectories"] if quick else list(DEMONSTRATIONS)
    with harness.progress(2 * seeds * len(variants), "gail beside imitation") as advance:
        for variant in variants:
            cells: dict[str, list[dict[str, Any]]] = {"lhy_rl": [], "imitation": []}
            for seed in range(seeds):
                found, demonstrations, task = ours(variant, seed, quick)
                cells["lhy_rl"].append(found)
                advance(f"{variant}, ours: {found['return']:.4g}")
                task = task | ({"after": "seals"} if variant == SEALS else {})
                cells["imitation"].append(theirs(python, demonstrations, seed, task, quick))
                advance(f"{variant}, imitation: {cells['imitation'][-1]['return']:.4g}")
            rows += rows_of(variant, cells)
    return rows


def rows_of(variant: str, cells: dict[str, list[dict[str, Any]]]) -> list[harness.Row]:
    """Return the rows of both sides, and the ratio of their seconds."""
    rows = []
    peer = f"imitation {cells['imitation'][0]['version']}"
    for who, some in (("lhy_rl", cells["lhy_rl"]), (peer, cells["imitation"])):
        steps, cost = max(cell["steps"] for cell in some), float(np.mean([cell["cpu"] for cell in some]))
        for metric, key in ((RETURN, "return"), (COST, "cpu")):
            values = [cell[key] for cell in some]
            rows.append(harness.summarize(TASK, "gail", f"{variant}: {who}", metric, values, steps, cost))
    seconds = [[cell["cpu"] for cell in cells[who]] for who in ("imitation", "lhy_rl")]
    times = f"{variant}: {peer} over lhy_rl"
    return [*rows, harness.Row(TASK, "gail", times, f"times the {COST}", *ratio(*seconds), len(cells["lhy_rl"]))]


def picture(rows: list[harness.Row], path: Path) -> None:
    """Plot the returns of both sides."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return_rows = [row for row in rows if row.metric == RETURN]
    names, values = [row.variant for row in return_rows], [row.value for row in return_rows]
    spans = np.array([[max(row.value - row.low, 0), max(row.high - row.value, 0)] for row in return_rows]).T
    figure, axis = plt.subplots(figsize=(6.5, 1 + 0.4 * len(return_rows)))
    axis.errorbar(values, names, xerr=spans, fmt="o", ecolor="0.5", capsize=3)
    axis.invert_yaxis()
    axis.set(xlabel="mean return of the deterministic policy", xlim=(0, 520))
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    command = harness.parser(__doc__)
    command.add_argument(
        "--peer-python", type=Path, required=True, metavar="PATH", help="a Python that has imitation 1.0.1"
    )
    options = command.parse_args()
    torch.set_num_threads(1)
    try:
        rows = measure(options.peer_python, 1 if options.quick else options.seeds, options.quick)
    except (UserError, OSError) as error:
        command.error(str(error))
    harness.save("gail_imitation", rows, options.output)
    picture(rows, options.output / "gail_imitation.png")
    for row in rows:
        print(f"{row.variant:50s} {row.value:9.2f} [{row.low:.2f}, {row.high:.2f}] {row.metric}")


if __name__ == "__main__":
    main()
