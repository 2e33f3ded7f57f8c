"""Held-out perplexity and speed of the language models on chitchat, with 1,500 and with 5,000 words.

Every model learns from the same 800 conversations (of 1,000 drawn), sentences of up to 19 words, words outside the
vocabulary as the unknown token; n-grams of the orders 2 to 5, Bengio's window of four tokens, a GRU and an LSTM (all
128 wide, three seeds, five epochs with 1,500 words and three with 5,000, the best epoch by the validation sentences).
Perplexity is that of the test sentences, end tokens included.

    python -m benchmarks.language_models [--quick] [--seeds 3] [--words 1500 5000]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import harness
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.data import SentenceData
from lhy_rl.nn.language_models.base import LanguageModel, make_language_model

TASK = "chitchat, {:,} words"
PERPLEXITY, FIT, SPEED = "perplexity", "CPU-seconds to fit", "tokens scored a CPU-second"
LEARNED: dict[str, tuple[str, dict[str, Any]]] = {
    "gru": ("rnn", {"core": "gru"}),
    "window of 4": ("neural", {"order": 5}),
    "lstm": ("rnn", {"core": "lstm"}),
}
EPOCHS = {1500: 5, 5000: 3}
Maker = Callable[[int], LanguageModel]
"""A function of a seed that makes an untrained model."""


def measured(make: Maker, data: SentenceData, seeds: int, repeats: int) -> dict[str, list[float]]:
    """Return each seed's perplexity, CPU-seconds of fitting and tokens scored per CPU-second."""
    test: TokenSequences = data.splits["test"]
    found: dict[str, list[float]] = {PERPLEXITY: [], FIT: [], SPEED: []}
    for seed in range(seeds):
        model = make(seed)
        begun = time.process_time()
        model.fit(data.splits["train"], data.splits["validation"])
        found[FIT].append(time.process_time() - begun)
        found[PERPLEXITY].append(model.perplexity(test))
        (seconds,) = harness.alternate({"score": lambda model=model: model.perplexity(test)}, repeats).values()  # type: ignore[misc]
        found[SPEED] += [int(test.lengths.sum()) / max(second, 1e-9) for second in seconds]
    return found


def contestants(words: int, quick: bool) -> list[tuple[str, str, Maker, bool]]:
    """Return the name, variant and maker of each model, and whether its result depends on the seed."""

    def maker(name: str, options: dict[str, Any]) -> Maker:
        return lambda seed: make_language_model(name, words, **options, **({} if name == "ngram" else {"seed": seed}))

    small = {"epochs": 1, "hidden_size": 32, "embedding_size": 16} if quick else {"epochs": EPOCHS[words]}
    counted = [("ngram", f"order {order}", maker("ngram", {"order": order}), False) for order in (2, 3, 4, 5)]
    learned = [
        (name, variant, maker(name, {"device": "cpu"} | small | options), True)
        for variant, (name, options) in LEARNED.items()
    ]
    return counted + learned


def main() -> None:
    """Measure, save, draw."""
    made = harness.parser(__doc__, seeds=3)
    made.add_argument(
        "--words", type=int, nargs="+", default=list(EPOCHS), choices=list(EPOCHS), help="sizes of the vocabularies"
    )
    common = made.parse_args()
    torch.set_num_threads(1)
    vocabularies = common.words[:1] if common.quick else common.words
    kept = harness.load("language_models", common.output)
    rows = [row for row in kept if row.task not in map(TASK.format, vocabularies)]
    with harness.progress(len(vocabularies) * 7, "language models") as advance:
        for words in vocabularies:
            conversations = 100 if common.quick else 1000
            data = SentenceData.load("chitchat", vocabulary_size=words, conversations=conversations)
            for name, variant, make, random in contestants(words, common.quick):
                seeds = 1 if common.quick or not random else common.seeds
                found = measured(make, data, seeds, 1 if common.quick or random else 5)
                tokens = int(data.splits["train"].lengths.sum())
                for metric, values in found.items():
                    rows.append(harness.summarize(TASK.format(words), name, variant, metric, values, tokens))
                harness.save("language_models", rows, common.output)  # finished rows are kept
                advance(f"{words} words, {name}, {variant}")
    for row in rows:
        print(f"{row.task:24s} {row.agent:8s} {row.variant:12s} {row.metric:28s} {row.value:12,.2f}")
    picture(rows, common.output / "language_models.png")


def picture(rows: list[harness.Row], path: Path) -> None:
    """Plot the perplexity against the CPU-seconds of fitting."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    tasks = list(dict.fromkeys(row.task for row in rows))
    figure, axes = plt.subplots(1, len(tasks), figsize=(4.6 * len(tasks), 3.6), squeeze=False)
    colours = {"ngram": "0.5", "neural": "#e69f00", "rnn": "#0072b2"}
    for axis, task in zip(axes[0], tasks, strict=True):
        found = {(row.agent, row.variant, row.metric): row for row in rows if row.task == task}
        for (name, variant), seconds in {k[:2]: row.value for k, row in found.items() if k[2] == FIT}.items():
            row = found[name, variant, PERPLEXITY]
            spans = [[row.value - row.low], [row.high - row.value]]
            axis.errorbar([seconds], [row.value], yerr=spans, fmt="o", color=colours[name], capsize=3)
            label = variant.replace("order ", "n=")
            axis.annotate(label, (seconds, row.value), (5, 5), textcoords="offset points", fontsize=8)
        axis.set_xscale("log")
        axis.set_xlabel(FIT)
        axis.set_ylabel("held-out perplexity")
        axis.set_title(task, fontsize=10)
        axis.margins(0.18)
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
