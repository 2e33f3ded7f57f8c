"""Classic control: ours beside Stable-Baselines3's PPO, with the settings that its zoo has tuned and with ours.

All follow the same protocol: at fixed intervals, after an update, the deterministic policy plays 20 episodes in a
separate evaluation environment, with the same initial states each time; evaluations do not count towards the
CPU-seconds. A seed stops at the first evaluation whose mean return reaches the threshold. The three take turns, seed by
seed, in one process with one thread, and step the same environments, Gymnasium's, one after the other in Python.
Finished seeds are kept (``control_sb3.trials.json``), so that a stopped benchmark can be resumed.

Our settings, the thresholds and the steps between evaluations are the rows of ``configs/benchmark/control.yaml``, and
LunarLander besides; they were tuned on seeds from 100 up, and the seeds here begin at 0. The zoo's settings are copied
below from rl-baselines3-zoo's ``hyperparams/ppo.yml`` (commit 00128b5; LunarLander-v2 there); on which seeds they were
tuned is not known.

    python -m benchmarks.control_sb3 [--quick] [--seeds 20 --only CartPole-v1] [--way ours --way "our settings"]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
import torch

from benchmarks.harness import Row, load, parser, progress, save
from lhy_rl.benchmark.benchmark_row import SECONDS, STEPS, BenchmarkRow, rows_of
from lhy_rl.benchmark.curve_plots import draw
from lhy_rl.benchmark.learning_curve import Curve, Recorder
from lhy_rl.benchmark.results import ratio
from lhy_rl.benchmark.seed_run import ResultCache, SeedRun, digest
from lhy_rl.benchmark.spec import Definition, Entry, find
from lhy_rl.experiment import build
from lhy_rl.rollouts.evaluate_policy import SEED, play
from lhy_rl.rollouts.sync_vector_env import SameStepVectorEnv

PEER = "Stable-Baselines3, tuned by its zoo"
SAME = "Stable-Baselines3, our settings"
# SB3's make_vec_env sets a render mode, and LunarLander then simulates sparks that only rendering removes: three times
# the time after 100,000 steps.
NOT_DRAWN = {"render_mode": None}
WAYS = {"ours": "lhy_rl", "zoo": PEER, "our settings": SAME}
LANDER = Entry(
    "ppo/lunarlander", threshold=200, evaluation_interval=16_384
)  # takes minutes per seed, so that it is not in the control benchmark


@dataclass(frozen=True)
class Settings:
    """The settings of Stable-Baselines3's PPO.

    Attributes:
        n_envs: Number of environments.
        options: Options of SB3's ``PPO``; a schedule is a function of the remaining progress.
        steps: Steps of the whole training.
        norm_obs, norm_reward: Options of ``VecNormalize``.
    """

    n_envs: int
    options: dict[str, Any]
    steps: int
    norm_obs: bool = False
    norm_reward: bool = False


def linear(first: float) -> Any:
    """Return a schedule from the first value to 0, ``lin_`` in the zoo."""
    return lambda remaining: remaining * first


ZOO = {
    "CartPole-v1": Settings(
        8,
        {"n_steps": 32, "batch_size": 256, "gae_lambda": 0.8, "gamma": 0.98, "n_epochs": 20, "ent_coef": 0.0,
         "learning_rate": linear(1e-3), "clip_range": linear(0.2)},
        steps=100_000,
    ),
    "Acrobot-v1": Settings(
        16,
        {"n_steps": 256, "gae_lambda": 0.94, "gamma": 0.99, "n_epochs": 4, "ent_coef": 0.0},
        steps=1_000_000,
        norm_obs=True,
        norm_reward=True,
    ),
    "Pendulum-v1": Settings(
        4,
        {"n_steps": 1024, "gae_lambda": 0.95, "gamma": 0.9, "n_epochs": 10, "ent_coef": 0.0, "learning_rate": 1e-3,
         "clip_range": 0.2, "use_sde": True, "sde_sample_freq": 4},
        steps=100_000,
    ),
    "LunarLander-v3": Settings(
        16,
        {"n_steps": 1024, "batch_size": 64, "gae_lambda": 0.98, "gamma": 0.999, "n_epochs": 4, "ent_coef": 0.01},
        steps=1_000_000,
    ),
}  # fmt: skip


def translated(ours: SeedRun) -> Settings:
    """Translate our settings to Stable-Baselines3's; those that it does not have are the same on both sides anyway."""
    values = ours.config.values["agent"]
    widths = values["hidden_sizes"] or [values["embedding_size"]] * values["encoder_layers"]
    same = (
        "n_steps",
        "batch_size",
        "n_epochs",
        "gamma",
        "gae_lambda",
        "normalize_advantage",
        "max_grad_norm",
        "target_kl",
    )
    options = {name: values[name] for name in same} | {
        "ent_coef": values["entropy_coef"],
        "vf_coef": values["value_coef"],
        "policy_kwargs": {
            "net_arch": list(widths),
            "log_std_init": values["log_std_init"],
            "ortho_init": values["orthogonal"],
            "optimizer_kwargs": {"eps": values["adam_epsilon"]},
        },
    }
    for name in ("learning_rate", "clip_range"):
        falls = values[f"{name}_schedule"] == "linear"
        options[name] = linear(values[name]) if falls else values[name]
    normalized = values["normalize_observations"], values["normalize_rewards"]
    return Settings(values["num_envs"], options, ours.config.values["total_timesteps"], *normalized)


def sb3_curve(task: str, ours: SeedRun, settings: Settings, steps: int) -> Curve:
    """Train SB3's PPO with these settings, and with the seed and evaluations of one of our runs."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecNormalize

    seed = ours.config.values["seed"]
    env: Any = make_vec_env(task, n_envs=settings.n_envs, seed=seed, env_kwargs=NOT_DRAWN)
    if settings.norm_obs or settings.norm_reward:
        rules = {"norm_obs": settings.norm_obs, "norm_reward": settings.norm_reward}
        env = VecNormalize(env, gamma=settings.options["gamma"], **rules)
    return evaluated(PPO("MlpPolicy", env, seed=seed, device="cpu", **settings.options), ours, steps)


def evaluated(model: Any, ours: SeedRun, steps: int, read: Callable[[Any], Any] = lambda obs: obs) -> Curve:
    """Train an SB3 model with the evaluations of one of our runs; ``read`` converts observations for the model."""
    from stable_baselines3.common.callbacks import BaseCallback

    test = build.make_environment(ours.test, num_envs=ours.episodes)
    normalizer = model.get_vec_normalize_env()

    def predict(obs: Any, state: Any, start: np.ndarray, masks: np.ndarray | None) -> tuple[np.ndarray, Any]:
        return model.predict(read(obs) if normalizer is None else normalizer.normalize_obs(obs), deterministic=True)

    recorder = Recorder(lambda: float(play(predict, test, ours.episodes, SEED)[0].mean()), ours.interval, ours.until)

    class Record(BaseCallback):
        """Evaluates after each update, when the next rollout begins; it can stop the training a step later."""

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
    """Return the benchmark rows with our settings."""
    (control,) = find(["control"])
    return [*(entry for entry in control.entries if entry.config.startswith("ppo/") and not entry.overrides), LANDER]


def our_rows(quick: bool, seeds: int, tasks: Sequence[str]) -> list[tuple[BenchmarkRow, int]]:
    """Return our row of each requested task, with the maximum number of steps with the zoo's settings."""
    entries = our_entries()
    if quick:
        entries = [entry for entry in entries if entry.config in ("ppo/cartpole", "ppo/acrobot")]
    benchmark_rows = rows_of(Definition("control_sb3", entries), seeds, quick, stop=True)
    found = [row for row in benchmark_rows if row.task in tasks]
    if quick:  # an update or two, with one evaluation episode at the beginning and one at the end
        short = {"interval": 1_000_000, "episodes": 1}
        found = [replace(row, seed_runs=[replace(run, **short) for run in row.seed_runs]) for row in found]
    fewer = 250 if quick else 1
    return [(replace(row, variant="lhy_rl"), ZOO[row.task].steps // fewer) for row in found]


def our_curve(task: str, ours: SeedRun) -> Curve:
    """Train our agent in environments like SB3's."""
    return ours.run(SameStepVectorEnv([lambda: gymnasium.make(task)] * ours.config.values["agent"]["num_envs"]))


def measure(folder: Path, quick: bool, seeds: int, tasks: Sequence[str], ways: Sequence[str]) -> list[Row]:
    """Train the runs that are not in the cache; return the rows, and plot all cached runs."""
    cache = ResultCache(folder / "control_sb3.trials.json")
    found = our_rows(quick, seeds, tasks)
    with progress(len(ways) * seeds * len(found), "control") as advance:
        for row, steps in found:
            for seed_run in row.seed_runs:
                for way in ways:
                    key = key_of(way, row.task, seed_run)
                    if key not in cache.curves:
                        cache.add(key, train(way, row.task, seed_run, steps))
                    advance(f"{row.task} seed {seed_run.config.values['seed']}, {way}: {cache.curves[key].final:.4g}")
    rows: list[Row] = []
    for row, _ in found:
        whole = finished(cache, row)
        for way, our_curves in whole.items():
            rows += replace(row, agent="ppo", variant=WAYS[way]).rows(our_curves)
            if way != "ours" and "ours" in whole:
                rows += compared(row, whole["ours"], our_curves, WAYS[way])
    pictured = our_rows(quick, min(seeds, 5), list(ZOO))  # five seeds of every task that has them
    draw(
        [
            (replace(row, agent="ppo", variant=WAYS[way]), our_curves)
            for row, _ in pictured
            for way, our_curves in finished(cache, row).items()
        ],
        folder / "control_sb3.png",
    )
    return rows


def finished(cache: ResultCache, row: BenchmarkRow) -> dict[str, list[Curve]]:
    """Return the curves of each way whose seeds have all finished."""
    curves = {way: [cache.curves.get(key_of(way, row.task, seed_run)) for seed_run in row.seed_runs] for way in WAYS}
    return {way: [c for c in some if c is not None] for way, some in curves.items() if None not in some}


def train(way: str, task: str, seed_run: SeedRun, steps: int) -> Curve:
    """Train one seed of a way."""
    if way == "ours":
        return our_curve(task, seed_run)
    if way == "zoo":
        return sb3_curve(task, seed_run, ZOO[task], steps)
    return sb3_curve(task, seed_run, translated(seed_run), seed_run.config.values["total_timesteps"])


def key_of(way: str, task: str, ours: SeedRun) -> str:
    """Return the key of a seed in the cache."""
    if way == "ours":
        return digest(["one after the other", ours.key])
    settings = ZOO[task] if way == "zoo" else translated(ours)
    options = {name: value(1.0) if callable(value) else value for name, value in settings.options.items()}
    falling = sorted(name for name, value in settings.options.items() if callable(value))
    what = [task, ours.config.values["seed"], ours.interval, ours.episodes, ours.until, options, falling]
    what += [settings.n_envs, settings.steps, settings.norm_obs, settings.norm_reward]
    return digest([*what, stable_baselines3.__version__, torch.__version__])


def compared(row: BenchmarkRow, our_curves: list[Curve], peers: list[Curve], peer: str) -> list[Row]:
    """Return SB3's steps and seconds to the threshold over ours; a failed seed counts with its whole run."""
    assert row.threshold is not None
    rows, variant = [], f"{peer}, over lhy_rl"
    for metric, what in ((STEPS, "steps"), (SECONDS, "cpu_seconds")):
        ours, theirs = (
            [getattr(curve.first(row.threshold) or curve.points[-1], what) for curve in curves]
            for curves in (our_curves, peers)
        )
        rows.append(Row(row.task, "ppo", variant, f"times the {metric}", *ratio(theirs, ours), len(ours)))
    return rows


def main() -> None:
    """Measure, save, draw."""
    command = parser(__doc__)
    command.add_argument(
        "--only", choices=list(ZOO), action="append", help="a task to run; the stored rows of others are kept"
    )
    command.add_argument(
        "--way", choices=list(WAYS), action="append", help="settings to run; the stored rows of others are kept"
    )
    options = command.parse_args()
    torch.set_num_threads(1)
    tasks = options.only or list(ZOO)
    seeds = min(options.seeds, 1) if options.quick else options.seeds
    rows = measure(options.output, options.quick, seeds, tasks, options.way or list(WAYS))
    if options.only or options.way:
        new = {(row.task, row.variant) for row in rows}
        rows += [row for row in load("control_sb3", options.output) if (row.task, row.variant) not in new]
        rows.sort(key=lambda row: (list(ZOO).index(row.task), "over" in row.variant))
    save("control_sb3", rows, options.output)
    for row in rows:
        print(f"{row.task:16s} {row.variant:48s} {row.value:10.2f} {row.metric}")


if __name__ == "__main__":
    main()
