"""Captions of drawn scenes (SceneCaption-v0): the value of attention over regions, and of training on the metric.

Held out: 4,000 pictures with captions, maximum likelihood, and 500 test pictures, each of which has a combination of
colour and shape that no training picture has; greedy captions. `exact` is the share of captions that name everything in
the picture and nothing else, `score` the score of the parser, `known` the share of exact captions of 500 fresh pictures
with combinations from the training. `mass` is the share of the attention that lies on the region of the thing whose
colour or shape is being written, with the right words before.

    attention     a CNN makes a vector of each of 9 regions, and each word looks at them, and knows how much the words
                  before have looked at each (`attention: coverage`)
    mean pool     the same regions' mean is all that each word has
    no picture    the same network, and all pictures are black; a quarter of the steps

Few captions: pictures of up to two things, 500 with captions, or a hundred, with which maximum likelihood leaves
something to be learned; 200 fresh pictures of the same combinations. Self-critical training (Rennie et al. 2017) starts
from that network and continues on pictures without captions: the parser's score of a sampled caption is the reward, and
that of the greedy caption the baseline. Scheduled sampling (Bengio et al. 2015) takes as many steps as maximum
likelihood does; beam search has width 4. `gain` is the score's relative gain over maximum likelihood.

All learn with a learning rate that decays to 0, and three of ten input words are hidden. The options were chosen on
seeds 100 to 103.

    python -m benchmarks.captions [--quick] [--seeds 3] [--only PATTERN]
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import harness
from lhy_rl.agents import MLE, Reinforce
from lhy_rl.agents.supervised.attention_figures import shaded
from lhy_rl.core.protocols import Split, TokenSequences
from lhy_rl.envs.vision.captions import GRID, THING, WORDS
from lhy_rl.envs.vision.scene_caption import SceneCaption
from lhy_rl.nn.decoding import attention_weights, beam_search, sample
from lhy_rl.nn.policies.actor_critic import ActorCritic

NAME = "captions"
HELD_OUT = "held out"
FEW, HUNDRED = "few captions", "a hundred captions"
CAPTIONS = {FEW: 500, HUNDRED: 100}
SHARED: dict[str, Any] = {
    "core": "gru", "hidden_size": 128, "embedding_size": 32, "attention": "coverage", "critic": "none", "device": "cpu"
}  # fmt: skip
LEARNING: dict[str, Any] = {
    "dropout": 0.5, "learning_rate": 0.004, "learning_rate_schedule": "linear", "weight_decay": 0.1, "word_dropout": 0.3
}  # fmt: skip
STAIRS = 20
"""Updates of a training; the learning rate decreases after each."""
STEPS, FEW_STEPS, FEW_OBJECTS = 2000, 600, 2
SELF_CRITICAL: dict[str, Any] = {"num_envs": 64, "learning_rate": 1e-3, "baseline": "self_critical"}
UPDATES, WIDTH, FRESH = 200, 4, 200
BLIND = "no picture"
ARMS: dict[str, dict[str, Any]] = {"attention": {}, "mean pool": {"attention": "none"}, BLIND: {}}
WANTED = {
    ("attention", "exact"): "wanted: 0.9",
    (BLIND, "exact"): "wanted: at most 0.1",
    ("attention", "mass"): "wanted: 0.7",
    ("self-critical", "gain"): "wanted: 0.05",
}


class Black(SceneCaption):
    """The same captions with black images."""

    def sequences(self, split: Split) -> TokenSequences:
        real = super().sequences(split)
        assert real.sources is not None
        return TokenSequences(real.tokens, real.lengths, np.zeros_like(real.sources))


def greedy(policy: ActorCritic, task: SceneCaption, split: Split, count: int) -> TokenSequences:
    """Decode greedy captions of the first pictures of a split."""
    answered = task.sequences(split)[:count]
    return sample(policy.eval(), task, len(answered), temperature=0.0, answered=answered)


def beam(policy: ActorCritic, task: SceneCaption, split: Split, count: int) -> TokenSequences:
    """Decode captions of the first pictures of a split by beam search."""
    answered, policy = task.sequences(split)[:count], policy.eval()
    best = [beam_search(policy, task, WIDTH, answered[[row]])[0] for row in range(len(answered))]
    return TokenSequences(*(np.concatenate([getattr(one, name)[:1] for one in best]) for name in ("tokens", "lengths")))


def worth(task: SceneCaption, written: TokenSequences, split: Split) -> dict[str, float]:
    """Return the mean of each measure over the captions."""
    cells = task.cells(split)[: len(written)]
    score, bleu = (task.scored(written.tokens, written.lengths, cells, reward) for reward in ("parser", "bleu"))
    return {"exact": float((score == 1).mean()), "score": float(score.mean()), "BLEU-4": float(bleu.mean())}


def mass(policy: ActorCritic, task: SceneCaption, words: tuple[int, ...] = (1, 2)) -> float:
    """Return the share of the attention on the region of the thing whose colour or shape is the word."""
    weights = attention_weights(policy.eval(), task, task.sequences("test"))
    found = [
        weights[picture, number * (THING + 1) + word, place]
        for picture, cells in enumerate(task.cells("test"))
        for number, place in enumerate(np.flatnonzero(cells >= 0))
        for word in words
    ]
    return float(np.mean(found))


def learned(task: SceneCaption, steps: int, seed: int, **options: Any) -> MLE:
    """Train a network for this number of gradient steps of maximum likelihood."""
    agent = MLE(task, gradient_steps=max(1, steps // STAIRS), seed=seed, **{**SHARED, **LEARNING, **options})
    tokens = task.sequences("train").lengths.sum() / agent.likelihood.steps_per_epoch  # tokens per gradient step
    return agent.learn(int(0.99 * steps * tokens))  # an update is 5 % of the training, so that the last one is complete


def held_out(arm: str, steps: int, seed: int) -> tuple[dict[str, float], ActorCritic]:
    """Train one network by maximum likelihood: metric to value."""
    kind = Black if arm == BLIND else SceneCaption
    task, begun = kind(4), time.process_time()
    agent = learned(task, steps, seed, **ARMS[arm])
    seconds = time.process_time() - begun
    found = worth(task, greedy(agent.policy, task, "test", 500), "test")
    found["known"] = worth(task, greedy(agent.policy, task, "validation", 500), "validation")["exact"]
    if arm == "attention":
        found["mass"] = mass(agent.policy, task)
    return {**found, "seconds": seconds}, agent.policy


def few_captions(few: str, steps: int, updates: int, count: int, seed: int) -> dict[str, dict[str, float]]:
    """Train the arms that learn from few captions: arm to metric to value."""
    task = SceneCaption(
        SELF_CRITICAL["num_envs"], captions=CAPTIONS[few], objects=FEW_OBJECTS, autoreset_mode="Disabled"
    )
    found: dict[str, dict[str, float]] = {}

    def add(arm: str, written: TokenSequences, seconds: float) -> None:
        found[arm] = {**worth(task, written, "validation"), "seconds": seconds}
        found[arm]["gain"] = found[arm]["score"] / max(found["maximum likelihood"]["score"], 1e-6) - 1

    def add_both(arm: str, policy: ActorCritic, seconds: float) -> None:
        add(arm, greedy(policy, task, "validation", count), seconds)
        if few == FEW:
            add(f"{arm}, beam", beam(policy, task, "validation", count), seconds)

    schedules = {"maximum likelihood": "none", "scheduled sampling": "inverse_sigmoid"}
    for arm, schedule in schedules.items() if few == FEW else [("maximum likelihood", "none")]:
        options = {"scheduled_sampling": schedule, "scheduled_sampling_half_life": steps / 2}
        begun = time.process_time()
        agent = learned(task, steps, seed, **options)
        seconds = time.process_time() - begun
        add_both(arm, agent.policy, seconds)
        if schedule == "none":
            first = agent.policy.state_dict()
    options = {key: value for key, value in SELF_CRITICAL.items() if key != "num_envs"}
    begun = time.process_time()
    critical = Reinforce(task, seed=seed, **SHARED, **options)
    critical.policy.load_state_dict(first)
    for _ in range(updates):
        critical.update()
    seconds = found["maximum likelihood"]["seconds"] + time.process_time() - begun
    add_both("self-critical", critical.policy, seconds)
    return found


def picture(policy: ActorCritic, path: Path) -> None:
    """Plot three test pictures, and the attention of each word of their captions."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    task = SceneCaption(4)
    test = task.sequences("test")
    chosen = test[np.flatnonzero(test.lengths == 2 * (THING + 1))[:3]]
    weights = attention_weights(policy.eval(), task, chosen)
    assert chosen.sources is not None
    columns = int(chosen.lengths[0])
    figure, axes = plt.subplots(len(chosen), columns, figsize=(columns * 1.05, len(chosen) * 1.25))
    for row, image in enumerate(chosen.sources):
        axes[row, 0].imshow(image)
        for word in range(columns - 1):  # without the end token
            axes[row, word + 1].imshow(shaded(image, weights[row, word], (GRID, GRID)))
            axes[row, word + 1].set_title(WORDS[chosen.tokens[row, word]], fontsize=9)
        for ax in axes[row]:
            ax.axis("off")
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, save."""
    common = harness.parser(__doc__, seeds=3)
    common.add_argument(
        "--only",
        default="*",
        metavar="PATTERN",
        help="which of 'held out/ARM', 'few captions' and 'a hundred captions' to run; stored rows of others are kept",
    )
    options = common.parse_args()
    torch.set_num_threads(1)
    seeds = 1 if options.quick else options.seeds
    names = harness.chosen(NAME, [*(f"{HELD_OUT}/{arm}" for arm in ARMS), *CAPTIONS], options.only)
    steps, few_steps, updates, count = (8, 8, 2, 8) if options.quick else (STEPS, FEW_STEPS, UPDATES, FRESH)
    options.output.mkdir(parents=True, exist_ok=True)
    before = harness.load(NAME, options.output) if options.only != "*" else []
    runs: dict[tuple[str, str], list[dict[str, float]]] = {}

    def add(task: str, arm: str, seed: int, found: dict[str, float]) -> None:
        runs.setdefault((task, arm), []).append(found)
        print(f"{task}, {arm}, seed {seed}: { ({key: round(value, 3) for key, value in found.items()}) }", flush=True)
        kept = [row for row in before if (row.task, row.variant) not in runs]
        harness.save(NAME, kept + rows_of(runs), options.output)

    for arm in ARMS:
        for seed in range(seeds) if f"{HELD_OUT}/{arm}" in names else ():
            found, policy = held_out(arm, steps // 4 if arm == BLIND else steps, seed)
            add(HELD_OUT, arm, seed, found)
            if arm == "attention" and seed == 0:
                picture(policy, options.output / f"{NAME}.png")
    for few in CAPTIONS:
        for seed in range(seeds) if few in names else ():
            for arm, found in few_captions(few, few_steps, updates, count, seed).items():
                add(few, arm, seed, found)


def rows_of(runs: dict[tuple[str, str], list[dict[str, float]]]) -> list[harness.Row]:
    """Return the rows of a table, given the values of the runs of each task and arm."""
    rows = []
    for (task, arm), values in runs.items():
        seconds = float(np.mean([value["seconds"] for value in values]))
        agent = "reinforce" if arm.startswith("self-critical") else "mle"
        steps = (STEPS // 4 if arm == BLIND else STEPS) if task == HELD_OUT else FEW_STEPS
        for metric in values[0]:
            if metric != "seconds":
                wanted, each = WANTED.get((arm, metric), ""), [value[metric] for value in values]
                rows.append(harness.summarize(task, agent, arm, metric, each, steps, seconds, wanted))
    return rows


if __name__ == "__main__":
    main()
