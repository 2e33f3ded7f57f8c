"""Steps of the environments per CPU-second: one instance at a time, and many at once.

A single environment is made by ``gymnasium.make``, wrappers and all; a batch by ``gymnasium.make_vec``. Actions are
drawn beforehand from the action space, whether the state allows them or not. Resets count as time, and not as steps.
Each runs in alternation with Gymnasium's single CartPole, which shows how fast the machine was: ``against CartPole`` is
the ratio of both speeds in the same turn. A batch is measured where a single environment makes at least 10,000 steps a
second. One thread.

    python -m benchmarks.environments [--quick] [--only PATTERN] [--num-envs 4096]
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import gymnasium
import torch

import lhy_rl  # noqa: F401
from benchmarks.harness import Row, chosen, load, parser, progress, save
from lhy_rl.envs.registration import TABLE

NAME = "environments"
CARTPOLE = "CartPole-v1"
ACTIONS, ENOUGH = 512, 10_000
WANTED = {
    ("HPOToken-v0", "single", "steps/s"): "wanted: 50,000",
    ("HPOToken-v0", "batch", "steps/s"): "wanted: 1,000,000",
}


class Stepped:
    """An environment and actions for it.

    Args:
        id: Id of the environment in Gymnasium.
        num_envs: Number of instances; None makes a single environment.
    """

    def __init__(self, id: str, num_envs: int | None) -> None:
        self.env: Any = gymnasium.make(id) if num_envs is None else gymnasium.make_vec(id, num_envs)
        self.num_envs = num_envs
        self.env.action_space.seed(0)
        self.actions = [self.env.action_space.sample() for _ in range(ACTIONS if num_envs is None else 16)]
        self.env.reset(seed=0)

    def rate(self, seconds: float) -> float:
        """Return the steps per CPU-second, measured over so many CPU-seconds."""
        env, steps, single = self.env, 0, self.num_envs is None
        env.reset(seed=0)
        begun = time.process_time()
        while (spent := time.process_time() - begun) < seconds:
            for action in self.actions:
                _, _, terminated, truncated, _ = env.step(action)
                if single and (terminated or truncated):
                    env.reset()
                steps += self.num_envs or 1
                if not single and time.process_time() - begun >= seconds:
                    break
        return steps / spent


def measure(ids: list[str], num_envs: int, seconds: float, repeats: int) -> list[Row]:
    """Measure these environments in alternation with CartPole, and return their rows."""
    rows: list[Row] = []
    with progress(len(ids), NAME) as advance:
        for id in ids:
            for variant, many in (("single", None), ("batch", num_envs)):
                if many is not None and rows[-2].value < ENOUGH:
                    break
                ours, theirs = Stepped(id, many), Stepped(CARTPOLE, None)
                turns = [(ours.rate(seconds), theirs.rate(seconds)) for _ in range(repeats + 1)][1:]
                rates, ratios = [rate for rate, _ in turns], [rate / other for rate, other in turns]
                ours.env.close()
                name = id.removeprefix("lhy_rl/")
                what = variant if many is None else f"batch of {many:,}"
                for metric, values in (("steps/s", rates), ("against CartPole", ratios)):
                    spread = median(values), min(values), max(values)
                    wanted = WANTED.get((name, variant, metric), "")
                    rows.append(Row(name, "random", what, metric, *spread, repeats, None, seconds, wanted))
            advance(name)
    return rows


def main() -> None:
    """Measure and save; the stored rows of other environments are kept."""
    command = parser(__doc__, seeds=5)
    command.add_argument("--only", default="*", metavar="PATTERN", help="environments to measure, such as HPO*")
    command.add_argument("--num-envs", type=int, default=4096, metavar="N", help="instances of a batch (4096)")
    command.add_argument("--seconds", type=float, default=0.2, metavar="S", help="CPU-seconds of each turn (0.2)")
    options = command.parse_args()
    torch.set_num_threads(1)
    names = chosen(NAME, [row.id.removeprefix("lhy_rl/") for row in TABLE], options.only)
    if options.quick:
        rows = measure(["lhy_rl/HPOToken-v0", "lhy_rl/RepeatPrevious-v0"], 64, 0.02, 2)
    else:
        rows = measure([f"lhy_rl/{name}" for name in names], options.num_envs, options.seconds, options.seeds)
        known = load(NAME, options.output)
        made = {(row.task, row.variant, row.metric) for row in rows}
        rows = [row for row in known if (row.task, row.variant, row.metric) not in made] + rows
    save(NAME, rows, options.output)
    for row in rows:
        print(f"{row.task:24s} {row.variant:16s} {row.value:14.3f} {row.metric}  {row.reference}")


if __name__ == "__main__":
    main()
