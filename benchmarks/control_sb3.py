"""Classic control: ours beside Stable-Baselines3's PPO with the settings that its zoo has tuned.

Both by the same protocol: every so many steps, after an update, the deterministic policy plays 20 episodes in an
environment of the evaluation's own, begun in the same way each time; these are not counted into the CPU-seconds. A
seed stops at the first evaluation whose mean return reaches the threshold. The two take turns, seed by seed, in one
process with one thread. Finished seeds are kept (``control_sb3.trials.json``), so that a stopped benchmark goes on.

Ours, the thresholds and the steps between evaluations are the rows of ``configs/benchmark/control.yaml``, and
LunarLander besides; the zoo's settings are copied below from rl-baselines3-zoo's ``hyperparams/ppo.yml`` (commit
00128b5; LunarLander-v2 there).

    python -m benchmarks.control_sb3 [--quick] [--seeds 20 --only CartPole-v1]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Row, load, parser, progress, save
from lhy_rl.experiment import build
from lhy_rl.experiment.benchmark_plots import draw
from lhy_rl.experiment.curve import Curve, Recorder
from lhy_rl.experiment.definition import Definition, Entry, find
from lhy_rl.experiment.episodes import play
from lhy_rl.experiment.evaluation import SEED
from lhy_rl.experiment.line import SECONDS, STEPS, Line, lines_of
from lhy_rl.experiment.results import ratio
from lhy_rl.experiment.trial import Kept, Trial, digest

PEER = "Stable-Baselines3, tuned by its zoo"
LANDER = Entry("ppo/lunarlander", threshold=200, every=16_384)  # minutes a seed: not in the control benchmark


@dataclass(frozen=True)
class Zoo:
    """Settings of rl-baselines3-zoo's hyperparams/ppo.yml.

    Attributes:
        n_envs: Copies of the environment.
        options: Of SB3's ``PPO``; a name that begins with ``lin_`` there is a function here.
        steps: Of the whole training.
        normalize: Whether observations and rewards are normalised (``VecNormalize``).
    """

    n_envs: int
    options: dict[str, Any]
    steps: int
    normalize: bool = False


def linear(first: float) -> Any:
    """``lin_``: from the first value down to 0."""
    return lambda remaining: remaining * first


ZOO = {
    "CartPole-v1": Zoo(
        8,
        {"n_steps": 32, "batch_size": 256, "gae_lambda": 0.8, "gamma": 0.98, "n_epochs": 20, "ent_coef": 0.0,
         "learning_rate": linear(1e-3), "clip_range": linear(0.2)},
        steps=100_000,
    ),
    "Acrobot-v1": Zoo(
        16,
        {"n_steps": 256, "gae_lambda": 0.94, "gamma": 0.99, "n_epochs": 4, "ent_coef": 0.0},
        steps=1_000_000,
        normalize=True,
    ),
    "Pendulum-v1": Zoo(
        4,
        {"n_steps": 1024, "gae_lambda": 0.95, "gamma": 0.9, "n_epochs": 10, "ent_coef": 0.0, "learning_rate": 1e-3,
         "clip_range": 0.2, "use_sde": True, "sde_sample_freq": 4},
        steps=100_000,
    ),
    "LunarLander-v3": Zoo(
        16,
        {"n_steps": 1024, "batch_size": 64, "gae_lambda": 0.98, "gamma": 0.999, "n_epochs": 4, "ent_coef": 0.01},
        steps=1_000_000,
    ),
}  # fmt: skip


def sb3_curve(task: str, ours: Trial, steps: int) -> Curve:
    """Train SB3's PPO as the zoo does, with the seed and the evaluations of a trial of ours."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecNormalize

    zoo, seed = ZOO[task], ours.config.values["seed"]
    env: Any = make_vec_env(task, n_envs=zoo.n_envs, seed=seed)
    if zoo.normalize:
        env = VecNormalize(env, gamma=zoo.options["gamma"])
    model = PPO("MlpPolicy", env, seed=seed, device="cpu", **zoo.options)
    test = build.make_environment(ours.test, num_envs=ours.episodes)

    def predict(obs: Any, state: Any, start: np.ndarray, masks: np.ndarray | None) -> tuple[np.ndarray, Any]:
        return model.predict(env.normalize_obs(obs) if zoo.normalize else obs, deterministic=True)

    recorder = Recorder(lambda: float(play(predict, test, ours.episodes, SEED)[0].mean()), ours.every, ours.until)

    class Record(BaseCallback):
        """Evaluates after each update, which is where the next rollout begins; one more step, and it can stop."""

        going = True

        def _on_rollout_start(self) -> None:
            if self.num_timesteps:
                self.going = recorder.after_update(self.num_timesteps)

        def _on_step(self) -> bool:
            return self.going

    record = Record()
    recorder.begin()
    model.learn(steps, callback=record)
    return recorder.end(model.num_timesteps if record.going else recorder.curve.steps)


def our_entries() -> list[Entry]:
    """The rows with our settings."""
    (control,) = find(["control"])
    return [*(entry for entry in control.entries if entry.config.startswith("ppo/") and not entry.overrides), LANDER]


def lines(quick: bool, seeds: int, tasks: Sequence[str]) -> list[tuple[Line, int]]:
    """Our row of each task that is asked for, and how many steps a seed of the zoo's may take."""
    entries = our_entries()
    if quick:
        entries = [entry for entry in entries if entry.config in ("ppo/cartpole", "ppo/acrobot")]
    every = lines_of(Definition("control_sb3", entries), seeds, quick, stop=True)
    found = [line for line in every if line.task in tasks]
    fewer = 50 if quick else 1
    return [(replace(line, variant="lhy_rl"), ZOO[line.task].steps // fewer) for line in found]


def measure(folder: Path, quick: bool, seeds: int, tasks: Sequence[str]) -> list[Row]:
    """Train what is not kept; rows, and of all tasks the picture."""
    kept = Kept(folder / "control_sb3.trials.json")
    found = lines(quick, seeds, tasks)
    with progress(2 * seeds * len(found), "control") as advance:
        for line, steps in found:
            for trial in line.trials:
                peer = partial(sb3_curve, line.task, trial, steps)
                for key, way in ((trial.key, trial.run), (peer_key(line, trial), peer)):
                    if key not in kept.curves:
                        kept.add(key, way())
                    advance(f"{line.task} seed {trial.config.values['seed']}: {kept.curves[key].final:.4g}")
    rows, drawn = [], []
    for line, _ in found:
        mine = [kept.curves[trial.key] for trial in line.trials]
        peers = [kept.curves[peer_key(line, trial)] for trial in line.trials]
        peer = replace(line, agent="ppo", variant=PEER)
        rows += [*line.rows(mine), *peer.rows(peers), *compared(line, mine, peers)]
        drawn += [(line, mine), (peer, peers)]
    if len(tasks) == len(ZOO):
        draw(drawn, folder / "control_sb3.png")
    return rows


def peer_key(line: Line, ours: Trial) -> str:
    """The name under which SB3's seed beside one of ours is kept."""
    import stable_baselines3

    zoo = ZOO[line.task]
    options = {name: value(1.0) if callable(value) else value for name, value in zoo.options.items()}
    seed = ours.config.values["seed"]
    what = [line.task, seed, ours.every, ours.episodes, ours.until, options, zoo.n_envs, zoo.steps]
    return digest([*what, stable_baselines3.__version__, torch.__version__])


def compared(line: Line, mine: list[Curve], peers: list[Curve]) -> list[Row]:
    """How many times the steps and the seconds SB3 takes to the threshold; a seed that never got there counts whole."""
    assert line.threshold is not None
    rows, variant = [], "Stable-Baselines3 over lhy_rl"
    for metric, what in ((STEPS, "steps"), (SECONDS, "cpu_seconds")):
        ours, theirs = (
            [getattr(curve.first(line.threshold) or curve.points[-1], what) for curve in curves]
            for curves in (mine, peers)
        )
        rows.append(Row(line.task, "ppo", variant, f"times the {metric}", *ratio(theirs, ours), len(ours)))
    return rows


def main() -> None:
    """Measure, save, draw."""
    command = parser(__doc__)
    command.add_argument("--only", choices=list(ZOO), action="append", help="a task; all else stays, also the picture")
    options = command.parse_args()
    torch.set_num_threads(1)
    tasks = options.only or list(ZOO)
    rows = measure(options.output, options.quick, min(options.seeds, 1) if options.quick else options.seeds, tasks)
    if options.only:
        rows += [row for row in load("control_sb3", options.output) if row.task not in tasks]
        rows.sort(key=lambda row: list(ZOO).index(row.task))
    save("control_sb3", rows, options.output)
    for row in rows:
        print(f"{row.task:16s} {row.variant:36s} {row.value:10.2f} {row.metric}")


if __name__ == "__main__":
    main()
