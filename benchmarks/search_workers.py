"""How much faster two worker processes are than one: our executor `processes`, beside joblib's.

A trial is a fixed amount of work, about 0.3 s on an idle core: a loop in Python, or the training of a small network by
torch with one thread. The workers are started, and have run a trial, before timing begins. `speed-up` is the wall time
of one worker divided by that of two, measured in alternation; it needs two idle cores, so `load` (of the minute before)
is given beside it. `busy` does not need idle cores: it is the time that the workers spent in trials, divided by the
wall time times the number of workers, and its difference from 1 is the cost of the executor. Twice `busy` is the
speed-up where both cores are idle.

    python -m benchmarks.search_workers [--quick]
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable

from benchmarks.harness import Row, arguments, save
from lhy_rl.search.executors.processes import Processes
from lhy_rl.search.objective import FunctionObjective
from lhy_rl.search.run import Search
from lhy_rl.search.searchers.simple import Grid
from lhy_rl.search.space import Choice, Scalar, Space

SPACE = Space([Choice("trial", tuple(range(256)))])
SIZES = {"loop": 3_000_000, "torch": 500}  # iterations and gradient steps that make about 0.3 s
WORKERS = 2


def loop(configuration: dict[str, Scalar], seed: int, share: float = 1.0) -> float:
    """Run a loop in Python."""
    total = 0.0
    for i in range(int(SIZES["loop"] * share)):
        total += i % 7
    return total


def train(configuration: dict[str, Scalar], seed: int) -> float:
    """Train a small network on random data with one thread."""
    import torch

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(256, 64, generator=generator), torch.randint(10, (256,), generator=generator)
    network = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.Adam(network.parameters())
    for _ in range(SIZES["torch"]):
        loss = torch.nn.functional.cross_entropy(network(x), y)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return -loss.item()


def small_loop(configuration: dict[str, Scalar], seed: int) -> float:
    """Run a sixth of the loop."""
    return loop(configuration, seed, 1 / 6)


Child = Callable[[dict[str, Scalar], int], float]


def ours(child: Child, trials: int, workers: int) -> tuple[float, float]:
    """Return the wall time of so many trials in our processes, and the share of it in which the workers were busy."""
    objective = FunctionObjective(SPACE, child, {})
    with Processes(objective, workers) as executor:
        Search(Grid(SPACE, num_trials=workers), executor).run(workers)
        begun = time.perf_counter()
        history = Search(Grid(SPACE, num_trials=trials), executor).run(trials)
        wall = time.perf_counter() - begun
    return wall, sum(trial.seconds for trial in history.trials) / (wall * workers)


def timed(child: Child, number: int) -> float:
    """Return the seconds of one trial."""
    begun = time.perf_counter()
    child({"trial": number}, number)
    return time.perf_counter() - begun


def joblib(child: Child, trials: int, workers: int) -> tuple[float, float]:
    """Return the same for joblib's processes."""
    from joblib import Parallel, delayed

    with Parallel(n_jobs=workers) as pool:
        pool(delayed(timed)(child, number) for number in range(4 * workers))  # each worker has run a trial
        begun = time.perf_counter()
        seconds = pool(delayed(timed)(child, number) for number in range(trials))
        wall = time.perf_counter() - begun
    return wall, math.fsum(seconds) / (wall * workers)


def main() -> None:
    """Measure, print and save."""
    options = arguments(__doc__, seeds=3)
    children: dict[str, Child] = {"loop in Python": loop, "training in torch": train}
    trials, repeats = 16, options.seeds
    if options.quick:
        children, trials, repeats = {"loop in Python": small_loop}, 6, 1
    rows = []
    for task, child in children.items():
        for name, run in {"processes": ours, "joblib": joblib}.items():
            load = os.getloadavg()[0]
            turns = [(run(child, trials, 1), run(child, trials, WORKERS)) for _ in range(repeats)]
            found = {
                "seconds of 1 worker": [one[0] for one, _ in turns],
                f"seconds of {WORKERS} workers": [two[0] for _, two in turns],
                "speed-up": [one[0] / two[0] for one, two in turns],
                "busy": [two[1] for _, two in turns],
                "load": [load],
            }
            for metric, values in found.items():
                middle = sorted(values)[len(values) // 2]
                rows.append(Row(task, name, f"{trials} trials", metric, middle, min(values), max(values), len(values)))
                print(
                    f"{task:18} {name:10} {metric:20} {middle:8.3f} [{min(values):.3f}, {max(values):.3f}]", flush=True
                )
    save("search_workers", rows, options.output)


if __name__ == "__main__":
    main()
