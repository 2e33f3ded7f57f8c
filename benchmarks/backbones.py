"""How fast the backbones run over sequences with episode starts inside: one call against stepping through time.

Each backbone's ``forward`` (cut at the starts, one call a layer) is timed beside its definition, the step loop of
``lhy_rl.nn.backbones.base.step_by_step``, and beside the loop of sb3-contrib's recurrent policies (torch's own module
called for each step, its state multiplied by 1 - start). A backbone that is not one of torch's layers has no module to
loop over: its definition is the plain loop. Forward and backward, one thread; ``against lstm`` is the time of our
LSTM's one call on the same data, divided by the backbone's.

    python -m benchmarks.backbones [--quick] [--only PATTERN]
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median

import matplotlib
import torch
from torch import Tensor, nn

from benchmarks.harness import Row, alternate, chosen, load, parser, progress, save
from lhy_rl.nn.backbones.base import cores, step_by_step
from lhy_rl.nn.backbones.recurrent import LSTM, Recurrent

STEPS, BATCH = 128, 8
DENSITIES = (1 / 64, 1 / 20)  # share of steps at which an episode begins
TORCHS = ("gru", "lstm", "rnn")
TARGET = "wanted: 5 at T=128, B=8, H=64 with starts"


def sb3_contrib_loop(layer: nn.RNNBase, x: Tensor, state: tuple[Tensor, ...], start: Tensor) -> Tensor:
    """Step through time like sb3-contrib 2.9's ``RecurrentActorCriticPolicy._process_sequence``; state (1, B, H)."""
    outputs = []
    for x_t, start_t in zip(x, start, strict=True):
        keep = (1.0 - start_t.float()).view(1, -1, 1)
        state = tuple(keep * s for s in state)
        y, new = layer(x_t[None], state if len(state) > 1 else state[0])
        state = new if isinstance(new, tuple) else (new,)
        outputs.append(y)
    return torch.cat(outputs)


def candidates(name: str, hidden: int, density: float, steps: int) -> dict[str, Callable[[], None]]:
    """Return functions that run forward and backward in each of the three ways; their results are checked to agree."""
    torch.manual_seed(0)
    core = cores.get(name)(hidden, hidden)
    lstm = LSTM(hidden, hidden)
    x = torch.randn(steps, BATCH, hidden, requires_grad=True)
    start = torch.rand(steps, BATCH) < density
    start[steps // 2, 0] = True  # at least one start, in small sizes, too
    state, zeros = core.initial_state(BATCH), lstm.initial_state(BATCH)
    ways: dict[str, Callable[[], Tensor]] = {
        "one call": lambda: core(x, state, start.clone())[0],  # a new tensor, so that the time of splitting counts
        "step loop": lambda: step_by_step(core, x, state, start)[0],
    }
    if isinstance(core, Recurrent) and isinstance(layer := core.layers[0], nn.RNNBase):
        ways["sb3-contrib loop"] = lambda: sb3_contrib_loop(layer, x, tuple(s.transpose(0, 1) for s in state), start)
    with torch.no_grad():
        expected = ways["step loop"]()
        for way in ways.values():
            torch.testing.assert_close(way(), expected, atol=1e-4, rtol=1e-4)
    ways["lstm"] = lambda: lstm(x, zeros, start.clone())[0]

    def measured(way: Callable[[], Tensor]) -> Callable[[], None]:
        def run() -> None:
            way().sum().backward()
            core.zero_grad(set_to_none=True)
            lstm.zero_grad(set_to_none=True)
            x.grad = None

        return run

    return {variant: measured(way) for variant, way in ways.items()}


def measure(quick: bool, repeats: int, only: str) -> list[Row]:
    """Return the rows of the backbones that match: CPU-seconds (the least of the repeats) and median ratios."""
    steps, sizes = (24, (16,)) if quick else (STEPS, (64, 256))
    own = [name for name in cores.names() if name not in TORCHS]
    cases = [(name, hidden, density) for name in TORCHS for hidden in sizes for density in DENSITIES]
    cases += [(name, sizes[0], DENSITIES[0]) for name in own]
    names = chosen("backbones", cores.names(), only)
    cases = [case for case in cases if case[0] in names]
    rows = []
    with progress(len(cases), "backbones") as advance:
        for name, hidden, density in cases:
            task = f"T={steps}, B={BATCH}, H={hidden}, starts 1/{round(1 / density)}"
            seconds = alternate(candidates(name, hidden, density, steps), repeats)
            lstm = seconds.pop("lstm")
            ratios = [theirs / ours for theirs, ours in zip(lstm, seconds["one call"], strict=True)]
            rows.append(
                Row(
                    task, name, "one call against lstm", "times faster",
                    median(ratios), min(ratios), max(ratios), repeats, steps * BATCH, None,
                )
            )  # fmt: skip
            for variant, times in seconds.items():
                best = min(times)
                rows.append(
                    Row(task, name, variant, "CPU-seconds", best, best, max(times), repeats, steps * BATCH, best)
                )
            for variant in [way for way in seconds if way != "one call"]:
                ratios = [slow / fast for slow, fast in zip(seconds[variant], seconds["one call"], strict=True)]
                wanted = variant == "step loop" and hidden == 64 and name in TORCHS
                reference = TARGET if wanted else ""
                rows.append(
                    Row(
                        task, name, f"one call over {variant}", "times faster",
                        median(ratios), min(ratios), max(ratios), repeats, steps * BATCH, None, reference,
                    )
                )  # fmt: skip
            advance(name)
    return rows


def draw(rows: list[Row], path: Path) -> None:
    """Plot the ratios as bars, with one panel per task."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    ratios = [row for row in rows if row.metric == "times faster" and row.agent in TORCHS]
    tasks = list(dict.fromkeys(row.task for row in ratios))
    figure, axes = plt.subplots(1, len(tasks), figsize=(3.2 * len(tasks), 3.2), sharey=True, squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        for shift, peer in enumerate(("step loop", "sb3-contrib loop")):
            chosen = [row for row in ratios if row.task == task and row.variant.endswith(f"over {peer}")]
            places = [i + 0.4 * shift for i in range(len(chosen))]
            axis.bar(places, [row.value for row in chosen], 0.38, label=f"over the {peer}")
        axis.set_xticks([i + 0.2 for i in range(len(chosen))], [row.agent for row in chosen])
        axis.axhline(1, color="grey", linewidth=0.8)
        axis.set_title(task.replace(", H", "\nH"), fontsize=9)
    axes[0, 0].set_ylabel("times faster (CPU-seconds)")
    axes[0, 0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure, save, draw."""
    command = parser(__doc__, seeds=15)
    command.add_argument(
        "--only", default="*", metavar="PATTERN", help="backbones to measure; the stored rows of others are kept"
    )
    options = command.parse_args()
    torch.set_num_threads(1)
    rows = measure(options.quick, min(options.seeds, 3) if options.quick else options.seeds, options.only)
    if options.only != "*":
        measured = {row.agent for row in rows}
        rows = [row for row in load("backbones", options.output) if row.agent not in measured] + rows
    save("backbones", rows, options.output)
    draw(rows, options.output / "backbones.png")
    for row in rows:
        print(f"{row.task}  {row.agent:5s} {row.variant:30s} {row.value:9.4f} {row.metric}")


if __name__ == "__main__":
    main()
