"""Training steps a second beside Stable-Baselines3 and sb3-contrib, at equal settings, taking turns in one process.

Both sides step the same environments: Gymnasium's, one after the other in Python, each in a loop. In rows with that
suffix, ours uses the batched CartPole that Gymnasium ships and Stable-Baselines3 does not support; these rows measure
what our users get, and do not compare learners.

One thread, CPU-seconds. Each candidate trains for some updates, then the next, and so on, several times; a ratio is of
the same turn, so that it holds on a busy machine too. A step is one that is learned from: those with which a
``CartPoleVectorEnv`` only resets an instance do not count. The bound is the matrix products that these settings
require, at the rate of a large product measured in the same minutes: each step is acted on once, read once by both
networks, and learned from in every epoch (forward, and twice as much backward).

    python -m benchmarks.speed [--quick]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import gymnasium
import matplotlib
import numpy as np
import sb3_contrib
import stable_baselines3
import torch
from stable_baselines3.common.env_util import make_vec_env
from torch import nn

from benchmarks.harness import Row, arguments, progress, save
from benchmarks.seqgan_speed import rates
from lhy_rl.agents import A2C, PPO
from lhy_rl.agents.common.on_policy import OnPolicy
from lhy_rl.agents.common.rollout_batch import Batch
from lhy_rl.nn.encoders.convolutional import ConvolutionalEncoder
from lhy_rl.nn.encoders.image_spaces import image_size

SB3 = f"stable-baselines3 {stable_baselines3.__version__}"
CONTRIB = f"sb3-contrib {sb3_contrib.__version__}"
EQUAL = {"n_steps": 128, "batch_size": 256, "n_epochs": 4, "seed": 0}
BATCHED = "; ours in Gymnasium's batched CartPole"


class Frames(gymnasium.Env[np.ndarray, int]):
    """Noise in the format of Atari frames, a stack of four with 84x84 bytes: nothing to learn, and fast to step."""

    observation_space = gymnasium.spaces.Box(0, 255, (4, 84, 84), np.uint8)
    action_space = gymnasium.spaces.Discrete(6)

    def __init__(self) -> None:
        self.frames = np.random.default_rng(0).integers(0, 256, (16, 4, 84, 84), dtype=np.uint8)
        self.time = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.time = 0
        return self.frames[0], {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.time += 1
        return self.frames[self.time % 16], float(action == 0), False, self.time == 200, {}


@dataclass(frozen=True)
class Case:
    """Settings that both sides train with.

    Attributes:
        name: Name of the task.
        agent: ``ppo`` or ``a2c``.
        ours: Function that makes our agent.
        theirs: Function that makes the peer's agent; None compares with the peer of the first case.
        peer: Name of the peer.
        steps: Steps of one turn.
        epochs: Epochs per update.
        wanted: The target: how many times as fast ours should be.
    """

    name: str
    agent: str
    ours: Callable[[], OnPolicy]
    theirs: Callable[[], Any] | None
    peer: str
    steps: int
    epochs: int = 4
    wanted: float | None = None


def cartpole(num_envs: int) -> Any:
    """Make the peer's vector environment."""
    return make_vec_env("CartPole-v1", num_envs, seed=0)


def one() -> gymnasium.Env[Any, Any]:
    """Make one of the peer's environments; the peer adds its own ``Monitor``."""
    return gymnasium.make("CartPole-v1")


def contrib(width: int) -> Callable[[], Any]:
    """Return a function that makes sb3-contrib's agent, with an LSTM for the actor and one for the critic."""
    options = {"n_steps": 128, "batch_size": 256, "n_epochs": 4, "policy_kwargs": {"lstm_hidden_size": width}}
    return lambda: sb3_contrib.RecurrentPPO("MlpLstmPolicy", cartpole(8), seed=0, **options)


def cases() -> list[Case]:
    """Return all cases; those without a peer are compared with the peer of the first one."""
    poles = on_cartpole(one, "")
    batched = [replace(case, wanted=None) for case in on_cartpole("CartPole-v1", BATCHED)]
    options = {"critic": "shared", "encoder": "cnn", "embedding_size": 512, "num_envs": 8, **EQUAL}
    images = Case(
        "84x84x4 images, Nature CNN", "ppo", lambda: PPO(Frames, **options),
        lambda: stable_baselines3.PPO("CnnPolicy", make_vec_env(Frames, 8), **EQUAL), SB3, 1024, wanted=1.1,
    )  # fmt: skip
    return [*poles, images, *batched]


def on_cartpole(env: Any, suffix: str) -> list[Case]:
    """Return the cases on CartPole, with ours in ``env``: the peer's environments, or Gymnasium's batched CartPole."""
    shipped, wide = {**EQUAL, "batch_size": 64, "n_epochs": 10}, {**EQUAL, "batch_size": 2048}
    ppo, eight = partial(stable_baselines3.PPO, "MlpPolicy"), {"num_envs": 8}

    def recurrent(core: str, width: int) -> Callable[[], OnPolicy]:
        return lambda: PPO(env, core=core, hidden_size=width, **eight, **EQUAL)

    found = [
        Case("8 environments", "ppo", lambda: PPO(env, **eight, **EQUAL), lambda: ppo(cartpole(8), **EQUAL), SB3,
             6 * 1024, wanted=3.3),
        Case("8 environments, minibatches of 64, 10 epochs", "ppo", lambda: PPO(env, **eight, **shipped),
             lambda: ppo(cartpole(8), **shipped), SB3, 2 * 1024, 10),
        Case("64 environments, minibatches of 2048, over 8 of the peer's", "ppo",
             lambda: PPO(env, num_envs=64, **wide), None, SB3, 6 * 8192),
        Case("64 environments, minibatches of 2048", "ppo",
             lambda: PPO(env, num_envs=64, **wide), lambda: ppo(cartpole(64), **wide), SB3, 2 * 8192, wanted=2.5),
        Case("8 environments, 5 steps", "a2c", lambda: A2C(env, **eight, seed=0),
             lambda: stable_baselines3.A2C("MlpPolicy", cartpole(8), seed=0), SB3, 6 * 1024, 1, wanted=2.5),
        Case("LSTM 64, T=128", "ppo", recurrent("lstm", 64), contrib(64), CONTRIB, 3 * 1024, wanted=6),
        Case("LSTM 256, T=128", "ppo", recurrent("lstm", 256), contrib(256), CONTRIB, 3 * 1024, wanted=5),
        Case("GRU 64, T=128, over the peer's LSTM", "ppo", recurrent("gru", 64), contrib(64), CONTRIB, 3 * 1024),
    ]  # fmt: skip
    return [replace(case, name=f"CartPole-v1, {case.name}{suffix}") for case in found]


class Ours:
    """Our agent, the number of steps that it learned from, and the seconds of its parts.

    Args:
        agent: The agent, whose environment's ``step`` and own ``descend`` are timed.
    """

    def __init__(self, agent: OnPolicy) -> None:
        self.agent, self.learned, self.seconds = agent, 0, {"environment": 0.0, "learning": 0.0}
        self._watch(agent.env, "step", "environment")
        self._watch(agent, "descend", "learning")

    def _watch(self, owner: Any, name: str, what: str) -> None:
        method = getattr(owner, name)

        def watched(argument: Any) -> Any:
            begun = time.process_time()
            result = method(argument)
            self.seconds[what] += time.process_time() - begun
            if isinstance(argument, Batch):
                self.learned += argument.returns.numel() if argument.valid is None else int(argument.valid.sum())
            return result

        setattr(owner, name, watched)

    def learn(self, steps: int) -> int:
        """Train; return the number of steps that were learned from."""
        before = self.learned
        self.agent.learn(steps, reset_num_timesteps=False)
        return self.learned - before


def flop(agent: OnPolicy, epochs: int) -> float:
    """Return the FLOP in matrix products for one step that is learned from."""

    def forward(*modules: nn.Module | None) -> int:
        """Return the FLOP of one forward pass of one step."""
        total = 0
        for module in (m for top in modules if top is not None for m in top.modules()):
            if isinstance(module, ConvolutionalEncoder):
                height, width = image_size(agent.env.single_observation_space)[1:]
                for convolution in module.convolutions:
                    places = convolution(torch.zeros(1, convolution.in_channels, height, width))
                    height, width = places.shape[2:]
                    total += 2 * convolution.weight.numel() * height * width
            elif isinstance(module, nn.Linear | nn.RNNBase):
                total += sum(2 * p.numel() for p in module.parameters() if p.dim() == 2)
        return total

    policy = agent.policy
    actor = forward(policy.trunk, policy.actor.output)
    both = actor + forward(policy.critic_trunk, policy.critic)
    return actor + both + 3.0 * epochs * both


def turns(case: Case, repeats: int, steps: int) -> tuple[list[float], list[float], dict[str, float]]:
    """Return the steps per second of ours and of the peer's in each turn, and the shares of our time."""
    ours = Ours(case.ours())
    theirs = case.theirs() if case.theirs is not None else None
    fast, slow, spent = [], [], 0.0
    for turn in range(repeats + 1):  # the first is not measured
        if turn == 1:
            ours.seconds = dict.fromkeys(ours.seconds, 0.0)
        begun = time.process_time()
        learned = ours.learn(steps)
        taken = time.process_time() - begun
        if turn:
            fast.append(learned / taken)
            spent += taken
        if theirs is not None:
            before, begun = theirs.num_timesteps, time.process_time()
            theirs.learn(steps, reset_num_timesteps=False)
            if turn:
                slow.append((theirs.num_timesteps - before) / (time.process_time() - begun))
    ours.agent.close()
    return fast, slow, {what: seconds / spent for what, seconds in ours.seconds.items()}


def measure(repeats: int, share: float) -> list[Row]:
    """Measure and return all rows.

    Args:
        share: Share of each case's steps; 1 is the benchmark.
    """
    rows: list[Row] = []
    reference: list[float] = []
    made = cases()
    with progress(len(made), "speed") as advance:
        for case in made:
            steps, rate = max(int(case.steps * share), 1), rates()[0]
            fast, slow, parts = turns(case, repeats, steps)
            slow = slow or reference
            reference = reference or slow
            bound_flop = flop(case.ours(), case.epochs)
            bound = max(rate, rates()[0]) / bound_flop
            wanted = f"wanted: {case.wanted:g}" if case.wanted and share == 1 else ""
            arithmetic = f"{bound_flop / 1e3:,.0f} kFLOP a step at {bound * bound_flop / 1e9:.0f} GFLOP/s"
            measured: list[tuple[str, str, list[float], str]] = [
                ("lhy_rl", "steps/s", fast, ""),
                (case.peer, "steps/s", slow, ""),
                ("arithmetic bound", "steps/s", [bound], arithmetic),
                (f"lhy_rl over {case.peer}", "times faster", [a / b for a, b in zip(fast, slow, strict=True)], wanted),
                ("lhy_rl / bound", "share", [x / bound for x in fast], ""),
                *((f"lhy_rl: {what}", "share of the time", [part], "") for what, part in parts.items()),
            ]
            for variant, metric, values, note in measured:
                spread = median(values), min(values), max(values)
                rows.append(Row(case.name, case.agent, variant, metric, *spread, len(values), steps, None, note))
            advance(case.name)
    return rows


def draw(rows: list[Row], path: Path) -> None:
    """Plot bars of the steps per second in the same environments: the peer, ours, the bound."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    tasks = list(dict.fromkeys(row.task for row in rows if not row.task.endswith(BATCHED)))
    figure, axis = plt.subplots(figsize=(8.5, 6))
    for shift, (label, variants) in enumerate(
        {
            "Stable-Baselines3, sb3-contrib": (SB3, CONTRIB),
            "lhy_rl": ("lhy_rl",),
            "arithmetic": ("arithmetic bound",),
        }.items()
    ):
        values = [
            next(r.value for r in rows if r.task == task and r.metric == "steps/s" and r.variant in variants)
            for task in tasks
        ]
        bars = axis.barh([i + 0.27 * shift for i in range(len(tasks))], values, 0.25, label=label)
        axis.bar_label(bars, fmt="{:,.0f}", fontsize=8, padding=2)
    names = [next(r.agent for r in rows if r.task == task) + ": " + task.replace(", ", "\n", 1) for task in tasks]
    axis.set_yticks([i + 0.27 for i in range(len(tasks))], names, fontsize=8)
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.set_xlabel("steps learned from a CPU-second, one thread, more is better")
    axis.legend(fontsize=8)
    axis.margins(x=0.17)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure, save, draw."""
    options = arguments(__doc__, seeds=7)
    torch.set_num_threads(1)
    rows = measure(1, 0.1) if options.quick else measure(options.seeds, 1.0)
    save("speed", rows, options.output)
    draw(rows, options.output / "speed.png")
    for row in rows:
        print(f"{row.task:72s} {row.variant:36s} {row.value:11.3f} {row.metric}  {row.reference}")


if __name__ == "__main__":
    main()
