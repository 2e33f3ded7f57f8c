"""Stable-Baselines3's SAC as the generator: ``AdversarialReward`` with ``FreshRewards``, beside its controls.

Pendulum-v1, whose horizon is fixed. SAC with SB3's own settings plays against our discriminator; its replay buffer
recomputes the rewards of the sampled steps with the present discriminator. The controls are the same with ten
trajectories of a random policy, and with rewards that stay as they were when the steps were played. The value is the
return of the deterministic policy in 50 episodes afterwards.

    python -m benchmarks.sb3_gail [--quick]
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

from benchmarks import harness
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.interop.demonstrations import load_demonstrations
from lhy_rl.rollouts.record_episodes import Act, random_policy, record

TASK, EXPERT, TRAJECTORIES = "Pendulum-v1", "pendulum-expert", 10
STEPS, EPISODES, TEST_SEED = 6_000, 50, 20_170_101


@dataclass(frozen=True)
class Part:
    """One row.

    Attributes:
        useless: Whether the demonstrations are those of a random policy.
        fresh: Whether the buffer recomputes the rewards of sampled steps.
    """

    variant: str
    useless: bool = False
    fresh: bool = True


PARTS = (
    Part("10 trajectories"),
    Part("10 trajectories, rewards as they were", fresh=False),
    Part("random, 10", useless=True),
)


def instances(count: int) -> Any:
    """Make instances of the task, with the resets that SB3 needs."""
    vector = {"autoreset_mode": "SameStep"}
    return gymnasium.make_vec(TASK, num_envs=count, vectorization_mode="sync", vector_kwargs=vector)


def demonstrations_of(part: Part, seed: int) -> Demonstrations:
    """Return the demonstrations of a seed."""
    env = instances(TRAJECTORIES)
    if part.useless:
        return record(env, random_policy(env.single_action_space, seed), TRAJECTORIES, seed=seed)
    return load_demonstrations(EXPERT, env).take(TRAJECTORIES)


def run(part: Part, seed: int, steps: int, episodes: int) -> tuple[float, float, float]:
    """Return the mean return, the discriminator's accuracy in its last round, and the CPU-seconds of training."""
    from stable_baselines3 import SAC

    from lhy_rl.agents.adversarial.sb3_vec_reward import AdversarialReward, FreshRewards
    from lhy_rl.interop.sb3 import to_sb3

    given = {"n_steps": min(256, steps), "gamma": 0.99, "seed": seed}
    rewarded = AdversarialReward(to_sb3(instances(4)), demonstrations_of(part, seed), **given)
    buffer: dict[str, Any] = {"replay_buffer_class": FreshRewards, "replay_buffer_kwargs": {"venv": rewarded}}
    begun = time.process_time()
    model = SAC("MlpPolicy", rewarded, gradient_steps=-1, seed=seed, device="cpu", **(buffer if part.fresh else {}))
    model.learn(steps)
    seconds = time.process_time() - begun

    def act(obs: Any, state: Any, start: np.ndarray, action_mask: np.ndarray | None) -> tuple[Any, Any]:
        return model.predict(obs, deterministic=True)

    return mean_return(act, episodes), rewarded.metrics["train/discriminator_accuracy"], seconds


def mean_return(act: Act, episodes: int) -> float:
    return float(record(instances(10), act, episodes, seed=TEST_SEED).returns.mean())


def main() -> None:
    options = harness.arguments(__doc__)
    torch.set_num_threads(1)
    steps, seeds, episodes = (240, 1, 10) if options.quick else (STEPS, options.seeds, EPISODES)
    random_return = mean_return(random_policy(instances(1).single_action_space, 1), episodes)
    expert = float(load_demonstrations(EXPERT).take(TRAJECTORIES).returns.mean())
    references = (("random", random_return), ("expert", expert))
    table = [harness.summarize(TASK, who, "", "mean return", [value]) for who, value in references]
    with harness.progress(len(PARTS) * seeds, "sb3_gail") as advance:
        for part in PARTS:
            cells = []
            for seed in range(seeds):
                cells.append(run(part, seed, steps, episodes))
                advance(f"{part.variant}: {cells[-1][0]:.4g}")
            returns, accuracies, costs = zip(*cells, strict=True)
            cost = round(float(np.mean(costs)), 2)
            for metric, values in (("mean return", returns), ("discriminator accuracy", accuracies)):
                table.append(harness.summarize(TASK, "SAC", part.variant, metric, list(values), steps, cost))
    harness.save("sb3_gail", table, options.output)
    picture(table, options.output / "sb3_gail.png")


def picture(table: list[harness.Row], path: Path) -> None:
    """Plot the returns, with lines for a random policy and the expert."""
    import matplotlib
    from matplotlib.figure import Figure

    from lhy_rl.reporting.plots import COLOURS, DPI, GREY, STYLE

    rows = [row for row in table if row.metric == "mean return" and row.variant]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.5, 2.2))
        ax = figure.subplots()
        for place, row in enumerate(rows):
            ax.plot([row.low, row.high], [place, place], color=GREY)
            ax.plot(row.value, place, "o", color=COLOURS[0])
        for row in table[:2]:
            ax.axvline(row.value, color=GREY, linestyle="--", linewidth=1)
            ax.text(row.value, 1.02, row.agent, ha="center", fontsize=8, color=GREY, transform=ax.get_xaxis_transform())
        ax.set_yticks(range(len(rows)), [row.variant for row in rows])
        ax.locator_params(axis="x", nbins=6)
        ax.invert_yaxis()
        ax.set_xlabel(f"mean return in {TASK} after {rows[0].steps:,} steps of SAC")
        figure.savefig(path, dpi=DPI)


if __name__ == "__main__":
    main()
