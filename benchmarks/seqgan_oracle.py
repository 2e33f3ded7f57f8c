"""SeqGAN on the synthetic language of its paper, beside controls for every other explanation of its results.

The papers report `nll_oracle` alone, and it proves nothing: any sharpening lowers it. So every model here is a point in
the plane (`nll_oracle`, `nll_test`), both in nats a token: the negative log-likelihood of its sentences under the
oracle (quality), and of the oracle's sentences under the model (coverage). Maximum likelihood sampled at different
temperatures gives a front through the plane without any further training. The question is which models lie below it, at
any temperature of their own: `gap_to_front` is a model's `nll_test` minus the front's at the same `nll_oracle`, seed by
seed.

    mle                      two generators: hidden 32 as in the paper, and hidden 64 with dropout
    constant                 reward 1/2 for everything, no baseline: no information at all
    permuted                 SeqGAN's rewards, assigned to the wrong sentences
    true likelihood          reinforce on log p of the oracle itself
    ideal                    the perfect discriminator D = p / (p + q), computable here: as the reward of each prefix,
                             and as its logit log p - log q
    seqgan                   credit (monte_carlo, prefix, critic), baseline on and off, objectives, with the training
                             sentences' likelihood beside the reward, and the paper's discriminator with 16 rollouts

Everything after `mle` begins at the same checkpoint of its seed. Finished pieces are kept in --cache, so that a stopped
benchmark resumes where it stopped.

    python -m benchmarks.seqgan_oracle                          # a seeded oracle of our own
    python -m benchmarks.seqgan_oracle --oracle seqgan_oracle.npz   # the paper's
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

import lhy_rl  # noqa: F401  (registers the environments)
from benchmarks import harness
from lhy_rl.agents import MLE, Reinforce, SeqGAN
from lhy_rl.agents.common.agent import Agent, Metrics
from lhy_rl.core import archive
from lhy_rl.functional.text_metrics import unique_ngrams
from lhy_rl.nn.decoding import sample, token_log_probs
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.full_episodes import Episodes

TEMPERATURES = (1.5, 1.3, 1.2, 1.1, 1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.45, 0.4, 0.3)
SWEEP = (1.0, 0.8, 0.6)  # temperatures at which the trained variants are measured
METRICS = ("nll_oracle", "nll_test", "jsd", "unique_tokens", "unique_4grams", "gap_to_front", "nll_sum")


# ---------------------------------------------------------------------------------------------- controls
class Constant(Reinforce):
    """Every token has reward 1/2."""

    def credit(self, episodes: Episodes, values: Tensor) -> tuple[Tensor, Metrics]:
        return 0.5 * episodes.valid, {}


class Permuted(SeqGAN):
    """The discriminator's rewards, assigned to other sentences."""

    def credit(self, episodes: Episodes, values: Tensor) -> tuple[Tensor, Metrics]:
        credit, metrics = super().credit(episodes, values)
        return credit[:, torch.randperm(credit.shape[1], generator=self.generator)], metrics


class Ideal(Reinforce):
    """The perfect discriminator of the current generator, p / (p + q), computed from both densities.

    With ``logit`` the return of a token is the sum of log p - log q from it on, the gradient of -KL(q || p); otherwise
    it is D of the prefix that the token completes.
    """

    logit = False

    def credit(self, episodes: Episodes, values: Tensor) -> tuple[Tensor, Metrics]:
        tokens = episodes.actions.T
        state = tuple(s[0] for s in episodes.states)
        with torch.no_grad():
            q = self.policy.evaluate(episodes.obs, episodes.actions, state, episodes.start).log_prob  # (T, B)
        p = self.task.oracle.token_log_probs(tokens).T  # type: ignore[attr-defined]
        ratio = p - q
        if self.logit:
            return ratio.flip(0).cumsum(0).flip(0), {}
        return torch.sigmoid(ratio.cumsum(0)), {}


class IdealLogit(Ideal):
    logit = True


# ---------------------------------------------------------------------------------------------- variants
@dataclass(frozen=True)
class Variant:
    """A training that starts from a checkpoint of maximum likelihood."""

    name: str
    kind: type[Agent]
    options: dict[str, Any]
    rounds: int
    start: str = "mle"


def variants(quick: bool) -> list[Variant]:
    """Return all variants; learning rate and gradient clipping are the paper's (0.01, 5), if the name has no others."""
    rounds, policy = (2, 3) if quick else (30, 100)
    game = {
        "discriminator": "cnn_small",
        "rollouts": 1 if quick else 4,
        "discriminator_pretrain_steps": 2 if quick else 300,
        "discriminator_steps": 2 if quick else 8,
        "discriminator_learning_rate": 1e-3,
    }
    few = 1 if quick else 2
    mean, none = {"baseline": "mean"}, {"baseline": "none"}
    recurrent = {**game, "credit": "prefix", "discriminator": "recurrent"}
    critic = {"discriminator": "recurrent", "credit": "critic", "baseline": "critic"}
    energy = {"discriminator": "autoencoder"}
    slow = {**mean, "learning_rate": 1e-3, "likelihood_coef": 0.1, "normalize_advantage": True}
    gentle = {**game, **slow}
    # the paper's code sums the loss over the tokens: for Adam this is a smaller epsilon, and gradients are nearly
    # always clipped
    tokens = 3 * 6 if quick else 64 * 20
    summed = {**none, "max_grad_norm": 5 / tokens, "adam_epsilon": 1e-8 / tokens}
    lagging = {**game, "discriminator_learning_rate": 1e-4, "discriminator_steps": few}
    if not quick:
        lagging["discriminator_pretrain_steps"] = 100
    large = {**lagging, "discriminator": "cnn", "rollouts": 16, "discriminator_steps": 4}
    pairs = {**game, **mean, "rollouts": few}
    rows = [
        Variant("constant, no baseline", Constant, {**none}, policy),
        Variant("permuted, no baseline", Permuted, {**recurrent, **none}, rounds),
        Variant("permuted, mean baseline", Permuted, {**recurrent, **mean}, rounds),
        Variant("true likelihood, mean baseline", Reinforce, {**mean, "learning_rate": 1e-3}, policy),
        Variant("ideal D of prefixes, no baseline", Ideal, {**none}, policy),
        Variant("ideal D of prefixes, mean baseline", Ideal, {**mean}, policy),
        Variant("ideal logit, mean baseline", IdealLogit, {**mean, "learning_rate": 1e-3}, policy),
        Variant("seqgan monte_carlo, no baseline", SeqGAN, {**game, **none}, rounds),
        Variant("seqgan monte_carlo, mean baseline", SeqGAN, {**game, **mean}, rounds),
        Variant("seqgan prefix, no baseline", SeqGAN, {**recurrent, **none}, rounds),
        Variant("seqgan prefix, mean baseline", SeqGAN, {**recurrent, **mean}, rounds),
        Variant("seqgan critic", SeqGAN, {**game, **critic}, rounds),
        *(
            Variant(f"seqgan {name}, mean baseline", SeqGAN, {**pairs, "objective": name}, rounds)
            for name in ("gan_saturating", "lsgan", "wgan", "wgan_gp")
        ),
        *(
            Variant(f"seqgan {name}, mean baseline", SeqGAN, {**pairs, **energy, "objective": name}, rounds)
            for name in ("ebgan", "began")
        ),
        Variant("seqgan + likelihood", SeqGAN, {**gentle}, rounds),
        Variant("permuted + likelihood", Permuted, {**gentle}, rounds),
        Variant("seqgan + likelihood, from hidden 64", SeqGAN, {**gentle}, rounds, "mle hidden 64"),
        Variant("ideal logit + likelihood, from hidden 64", IdealLogit, {**slow}, policy, "mle hidden 64"),
        Variant("seqgan prefix, no baseline, 100 rounds", SeqGAN, {**recurrent, **none}, 100),
        Variant("constant, summed loss", Constant, {**summed}, 60),
        Variant("permuted, summed loss", Permuted, {**lagging, **summed}, 60),
        Variant("seqgan monte_carlo, summed loss", SeqGAN, {**lagging, **summed}, 60),
        Variant("seqgan, paper's cnn, 16 rollouts, summed loss", SeqGAN, {**large, **summed}, 60),
    ]
    return [row for row in rows if row.name in QUICK] if quick else rows


QUICK = ("constant, no baseline", "ideal logit, mean baseline", "seqgan prefix, mean baseline")
GENERATORS = {
    "mle": {"hidden_size": 32, "embedding_size": 32, "init_std": 0.1},
    "mle hidden 64": {"hidden_size": 64, "embedding_size": 64, "init_std": 0.1, "dropout": 0.5},
}
PRETRAINING = {  # learning rate, epochs
    "mle": (0.01, 14),
    "mle hidden 64": (0.01, 16),
}


# ---------------------------------------------------------------------------------------------- measuring
def make_env(settings: dict[str, Any], num_envs: int = 64) -> Any:
    return gymnasium.make_vec("lhy_rl/OracleText-v0", num_envs=num_envs, **settings)


@lru_cache(maxsize=1)
def likelihood_of_test_split(task: Any) -> np.ndarray:
    """Return the oracle's log-likelihoods of the test split, (sentences,) float64; temperature does not change them."""
    return np.asarray(task.log_likelihood(task.sequences("test").tokens))


def measure(policy: ActorCritic, env: Any, seed: int, temperature: float, n: int) -> dict[str, float]:
    """Return a model's place in the plane and its diversity, from n sampled sentences and the test split."""
    task, generator = env.unwrapped, torch.Generator().manual_seed(1000 + seed)
    policy.eval()
    own, test = sample(policy, task, n, generator, temperature), task.sequences("test")
    p_own = task.log_likelihood(own.tokens)
    q_own, q_test = (token_log_probs(policy, s, task, temperature).sum(1, dtype=np.float64) for s in (own, test))
    p_test = likelihood_of_test_split(task)

    def half(own_log: np.ndarray, other_log: np.ndarray) -> float:
        return float((np.log(2) - np.logaddexp(0, other_log - own_log)).mean())

    length = task.max_length
    nll_oracle, nll_test = -p_own.mean() / length, -q_test.mean() / length
    return {
        "nll_oracle": nll_oracle,
        "nll_test": nll_test,
        "nll_sum": nll_oracle + nll_test,
        "jsd": (half(p_test, q_test) + half(q_own, p_own)) / 2,
        "unique_tokens": float(unique_ngrams(own.tokens.tolist(), 1)),
        "unique_4grams": float(unique_ngrams(own.tokens.tolist(), 4)),
    }


def pretrain(start: str, seed: int, settings: dict[str, Any], quick: bool, cache: Path) -> dict[str, Any]:
    """Train by maximum likelihood; save the checkpoint in the cache, and return the front."""
    env, (rate, epochs) = make_env(settings), PRETRAINING[start]
    begun = time.process_time()
    agent = MLE(env, learning_rate=rate, seed=seed, **GENERATORS[start])
    per_epoch = len(env.unwrapped.sequences("train")) * env.unwrapped.max_length
    agent.learn((1 if quick else epochs) * per_epoch)
    seconds = time.process_time() - begun
    archive.write(checkpoint(cache, start, seed), agent.policy.state_dict())
    sentences = 200 if quick else 4000
    front = {str(t): measure(agent.policy, env, seed, t, sentences) for t in TEMPERATURES}
    return {"cpu_seconds": seconds, "steps": agent.num_timesteps, "front": front}


def made(variant: Variant, env: Any, seed: int) -> Any:
    """Make a variant's untrained agent, without the dropout of the pretraining."""
    options = {**({} if not issubclass(variant.kind, SeqGAN) else {"pretrain_epochs": 0}), **variant.options}
    return variant.kind(env, seed=seed, **options, **{**GENERATORS[variant.start], "dropout": 0.0})


def go_on(variant: Variant, seed: int, settings: dict[str, Any], quick: bool, cache: Path) -> dict[str, Any]:
    """Train a variant from its checkpoint; return its final places at several temperatures."""
    env, begun = make_env(settings), time.process_time()
    agent = made(variant, env, seed)
    agent.policy.load_state_dict(archive.read(checkpoint(cache, variant.start, seed)))
    agent.learn(variant.rounds * 64 * env.unwrapped.max_length)
    seconds = time.process_time() - begun
    end = {str(t): measure(agent.policy, env, seed, t, 200 if quick else 3000) for t in SWEEP}
    return {"cpu_seconds": seconds, "steps": agent.num_timesteps, "end": end}


def checkpoint(cache: Path, start: str, seed: int) -> Path:
    return cache / f"{start.replace(' ', '_')}-{seed}.zip"


def cell_file(cache: Path, name: str, seed: int) -> Path:
    return cache / (f"{name}-{seed}".replace(" ", "_").replace(",", "") + ".json")


def cached(path: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the result of a piece, which is computed once."""
    if not path.exists():
        torch.set_num_threads(1)
        path.write_text(json.dumps(work()), "utf-8")
    result: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return result


def piece(job: tuple[str, int], settings: dict[str, Any], quick: bool, cache: Path) -> dict[str, Any]:
    """Run one cell of the table: a start or a variant, with a seed."""
    name, seed = job
    path = cell_file(cache, name, seed)
    if name in GENERATORS:
        return cached(path, lambda: pretrain(name, seed, settings, quick, cache))
    variant = next(v for v in variants(quick) if v.name == name)
    return cached(path, lambda: go_on(variant, seed, settings, quick, cache))


# ---------------------------------------------------------------------------------------------- reporting
def front_at(front: dict[str, dict[str, float]], nll_oracle: float) -> float:
    """Return the front's nll_test at an nll_oracle (NaN outside), by a cubic through its four nearest temperatures.

    The front is convex, so that a line between two points lies above it, by up to 0.03 if they are 0.1 apart.
    """
    x, y = np.array(sorted((p["nll_oracle"], p["nll_test"]) for p in front.values())).T
    if not x[0] <= nll_oracle <= x[-1]:
        return float("nan")
    first = int(np.clip(np.searchsorted(x, nll_oracle) - 2, 0, len(x) - 4))
    near, values = x[first : first + 4], y[first : first + 4]
    others = [np.delete(near, i) for i in range(4)]
    weights = [np.prod((nll_oracle - rest) / (own - rest)) for own, rest in zip(near, others, strict=True)]
    return float(values @ np.array(weights))


def rows(results: dict[str, dict[int, dict[str, Any]]], names: list[str], task: str) -> list[harness.Row]:
    """Return the rows: the front of each start, then each trained variant."""
    table = []

    def add(
        agent: str, variant: str, cells: list[dict[str, float]], runs: list[dict[str, Any]], note: str = ""
    ) -> None:
        for metric in METRICS:
            values = [cell[metric] for cell in cells if metric in cell]
            if values and np.isfinite(values).all():  # gaps outside the front are unknown
                seconds = float(np.mean([run["cpu_seconds"] for run in runs]))
                table.append(harness.summarize(task, agent, variant, metric, values, runs[0]["steps"], seconds, note))

    for start in (name for name in GENERATORS if name in results):
        runs = list(results[start].values())
        for temperature in runs[0]["front"]:
            note = REFERENCES.get((start, temperature), "")
            add("mle", f"{start}, temperature {temperature}", [r["front"][temperature] for r in runs], runs, note)
    for name in names:
        variant = next(v for v in variants(False) if v.name == name)
        runs = results[name]
        for temperature in runs[next(iter(runs))]["end"]:
            cells = []
            for seed, run in runs.items():
                end, front = run["end"][temperature], results[variant.start][seed]["front"]
                cells.append({**end, "gap_to_front": end["nll_test"] - front_at(front, end["nll_oracle"])})
            note = REFERENCES.get((name, temperature), "")
            label = f"{name}, temperature {temperature}"
            add(variant.kind.__name__.lower(), label, cells, list(runs.values()), note)
    return table


REFERENCES = {
    ("mle", "1.0"): "nll_oracle 9.038 in Yu et al. 2017",
    ("mle hidden 64", "1.0"): "best published nll_test 7.54 to 7.60 (Lu et al. 2019; Caccia et al. 2020)",
    ("seqgan monte_carlo, summed loss", "1.0"): "nll_oracle 8.736 in Yu et al. 2017",
    ("seqgan, paper's cnn, 16 rollouts, summed loss", "1.0"): "nll_oracle 8.736 in Yu et al. 2017",
}


def merged(new: list[harness.Row], old: list[harness.Row]) -> list[harness.Row]:
    """Merge the new rows with the old ones of variants that exist but were not run, in the order of the table."""
    order = [*GENERATORS, *(v.name for v in variants(False))]
    fresh = {row.variant for row in new}
    kept = [row for row in old if row.variant not in fresh and name_of(row) in order]
    body = [row for row in (*new, *kept) if row.agent != "oracle"]
    return [*(row for row in new if row.agent == "oracle"), *sorted(body, key=lambda row: order.index(name_of(row)))]


def name_of(row: harness.Row) -> str:
    """Return the start or variant of a row."""
    return row.variant.rpartition(", temperature ")[0]


def picture(table: list[harness.Row], path: Path) -> None:
    """Plot the plane: fronts as lines, variants as points, averaged over the seeds."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    places: dict[str, dict[str, float]] = {}  # variant with its temperature to its place in the plane
    for row in table:
        if row.metric in ("nll_oracle", "nll_test"):
            places.setdefault(row.variant, {})[row.metric] = row.value
    entropy = next(row.value for row in table if row.metric == "entropy")
    fronts = {n: [p for v, p in places.items() if v.startswith(f"{n}, temperature")] for n in GENERATORS}
    names = list(dict.fromkeys(name_of(row) for row in table if row.agent not in ("oracle", "mle")))
    figure, axes = plt.subplots(1, 2, figsize=(15, 6.5), width_ratios=(1, 1.35))
    for axis, near in zip(axes, (False, True), strict=True):
        for (start, front), colour in zip(fronts.items(), ("0.35", "tab:blue"), strict=True):
            x, y = ([place[metric] for place in front] for metric in ("nll_oracle", "nll_test"))
            axis.plot(x, y, "-o", ms=3, color=colour, label=f"{start}, temperatures")
        for k, name in enumerate(names):
            place = places[f"{name}, temperature 1.0"]
            marker = "s" if "seqgan" in name else "X" if "constant" in name or "permuted" in name else "^"
            colour = plt.get_cmap("tab20")(k % 20)
            axis.plot(place["nll_oracle"], place["nll_test"], marker, ms=8, color=colour, mec="k", mew=0.4, label=name)
        if near:
            axis.set(xlim=(8.0, 10.2), ylim=(7.3, 9.2), title="near the start")
            axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
        else:
            axis.plot(entropy, entropy, "k*", ms=14)
            axis.annotate("the oracle itself", (entropy, entropy), textcoords="offset points", xytext=(8, 4))
            axis.set(title="the whole plane")
        axis.set(xlabel="nll_oracle (quality), nats a token", ylabel="nll_test (coverage), nats a token")
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main() -> None:
    command = harness.parser(__doc__, seeds=3)
    command.add_argument("--oracle", metavar="NPZ", help="file of the paper's oracle (default: a seeded oracle)")
    command.add_argument("--cache", type=Path, metavar="FOLDER", help="folder of the finished pieces")
    command.add_argument("--jobs", type=int, default=2, metavar="N", help="number of processes (2)")
    command.add_argument("--only", default="*", metavar="PATTERNS", help="variants to run, separated by ;")
    command.add_argument(
        "--report", action="store_true", help="report the results in the cache without running anything"
    )
    common = command.parse_args()
    quick = common.quick

    settings: dict[str, Any] = {"oracle_path": common.oracle} if common.oracle else {"oracle_seed": 0}
    if quick:
        settings = {"vocabulary_size": 50, "max_length": 6, "train_size": 640, "test_size": 200, "validation_size": 64}
    name = "seqgan_oracle" if common.oracle else "seqgan_own_oracle"
    digest = hashlib.sha256(json.dumps([settings, quick], sort_keys=True).encode()).hexdigest()[:8]
    cache = common.cache or common.output / f".cache-{name}-{digest}"

    names = harness.chosen("seqgan_oracle", [v.name for v in variants(quick)], common.only)
    cache.mkdir(parents=True, exist_ok=True)
    used = {v.start for v in variants(quick) if v.name in names}
    seeds, starts = range(common.seeds), [name for name in GENERATORS if common.only == "*" or name in used]
    results: dict[str, dict[int, dict[str, Any]]] = {n: {} for n in (*starts, *names)}
    stages = [[(n, s) for n in starts for s in seeds], [(n, s) for n in names for s in seeds]]
    if common.report:
        stages = [[(n, s) for n, s in stage if cell_file(cache, n, s).exists()] for stage in stages]
    run = partial(piece, settings=settings, quick=quick, cache=cache)
    with harness.progress(sum(map(len, stages)), "seqgan on the oracle") as advance:
        for stage in stages:
            for (n, seed), result in zip(stage, harness.run_jobs(run, stage, common.jobs), strict=True):
                results[n][seed] = result
                advance(f"{n}, seed {seed}")
    results = {n: dict(sorted(cells.items())) for n, cells in results.items() if cells}
    names = [n for n in names if n in results]

    task_env = make_env(settings).unwrapped
    entropy, error = task_env.oracle.entropy(2000, task_env.max_length, torch.Generator().manual_seed(0))
    task = "paper's oracle" if common.oracle else "own oracle, seed 0"
    table = [
        harness.Row(task, "oracle", "itself", "entropy", entropy, entropy - 2 * error, entropy + 2 * error, 1),
        *rows(results, names, task),
    ]
    if common.only != "*":
        table = merged(table, harness.load(name, common.output))
    harness.save(name, table, common.output)
    picture(table, common.output / f"{name}.png")


if __name__ == "__main__":
    main()
