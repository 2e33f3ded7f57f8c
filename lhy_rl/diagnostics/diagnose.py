"""Everything that is measured of a policy's loss, as numbers, tables and figures for the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lhy_rl.core.report_figures import LinePlot, ReportFigure, Surface
from lhy_rl.diagnostics.activations import LayerStatistics, layer_statistics
from lhy_rl.diagnostics.hessian import extreme_eigenvalues, noise_of
from lhy_rl.diagnostics.landscape import filter_normalized_direction, loss_on_line, loss_on_plane
from lhy_rl.diagnostics.loss_examples import PolicySubject
from lhy_rl.diagnostics.memorization import Fit, memorization

LINE = np.linspace(-0.5, 1.5, 41)
ENDS = 3  # eigenvalues at each end


@dataclass(frozen=True)
class DiagnosisOptions:
    """What is measured, and how closely.

    Args:
        steps: Steps of the environment, or of the data, that the loss is the mean of.
        products: Products with the Hessian, of which its extreme eigenvalues are found. More find them more exactly.
        batches: Into so many separate batches the examples are cut to measure the gradient's noise.
        plane: Points along each side of the plane; 0 draws none.
        memorization_steps: Most gradient steps with random labels; 0 leaves that out.
        seed: Of everything that is drawn.
    """

    steps: int = 1024
    products: int = 40
    batches: int = 16
    plane: int = 15
    memorization_steps: int = 1000
    seed: int = 0


@dataclass
class Diagnosis:
    """What was found.

    Attributes:
        what: The loss, and on how much.
        numbers: By their names.
        layers: From the input to the output.
        fits: With true labels and with random ones; empty where that was left out.
        figures: For the report.
    """

    what: str
    numbers: dict[str, float]
    layers: list[LayerStatistics]
    fits: list[Fit] = field(default_factory=list)
    figures: list[ReportFigure] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a JSON file."""
        rows = {"layers": [layer._asdict() for layer in self.layers], "fits": [fit._asdict() for fit in self.fits]}
        return {"loss": self.what, "numbers": self.numbers, **rows}


def diagnose(subject: PolicySubject, initial: Tensor, options: DiagnosisOptions | None = None) -> Diagnosis:
    """Measure a policy's loss around its weights.

    Args:
        subject: The policy as it is now, and its loss.
        initial: (P,) other weights, usually those before the training: the line begins there.
        options: Left out, the usual ones.
    """
    options = DiagnosisOptions() if options is None else options
    generator = torch.Generator().manual_seed(options.seed)
    policy, x, now = subject.policy, subject.examples, subject.weights()
    initial = initial.to(now)
    begin = float(subject.losses(initial[None])[0])
    numbers = {"loss": float(subject.loss(None).detach()), "loss at the other weights": begin}
    numbers["length of the gradient"] = float(subject.gradient().norm())
    numbers["length of the weights"] = float(now.norm())
    numbers["distance from the other weights"] = float((now - initial).norm())
    spectrum = extreme_eigenvalues(subject, options.products, generator)
    ends = [*range(min(ENDS, len(spectrum.eigenvalues))), *range(-ENDS, 0)]
    for i in sorted(set(ends)):
        if -len(spectrum.eigenvalues) <= i:
            side = f"{-i}. greatest" if i < 0 else f"{i + 1}. smallest"
            numbers[f"{side} eigenvalue of the Hessian"] = float(spectrum.eigenvalues[i])
    numbers["residual of the greatest"] = float(spectrum.residuals[-1])
    numbers["residual of the smallest"] = float(spectrum.residuals[0])
    if subject.count >= 2:
        noise = noise_of(subject, min(options.batches, subject.count), generator)
        numbers["gradient noise scale"] = noise.scale
        numbers["examples"] = float(subject.count)
    layers = layer_statistics(policy, lambda: policy.trunk(x.obs, policy.split_state(x.state)[0], x.start), x.valid)
    found = Diagnosis(f"{subject.what}; {int(x.valid.sum()):,} steps", numbers, layers)
    found.figures.append(_line(subject, initial, now))
    if options.plane:
        found.figures.append(_plane(subject, initial, now, options.plane, generator))
    if layers:
        found.figures.append(_layers(layers))
    if options.memorization_steps and subject.count >= 4:
        found.fits = memorization(subject, initial, options.memorization_steps, generator=generator)
    return found


def _line(subject: PolicySubject, initial: Tensor, now: Tensor) -> LinePlot:
    losses = loss_on_line(subject, initial, now, torch.from_numpy(LINE))
    caption = (
        "The loss on the straight line from the other weights (0), those before the training unless others were named, "
        "to the present ones (1). A hill between them would separate two valleys."
    )
    series = {"loss": (LINE, losses.numpy())}
    return LinePlot(
        title="The loss on a line", caption=caption, series=series, axes=("place", "loss"), marks=(0.0, 1.0)
    )


def _plane(subject: PolicySubject, initial: Tensor, now: Tensor, points: int, generator: torch.Generator) -> Surface:
    up = filter_normalized_direction(subject.network, generator)
    x, y = np.linspace(-0.5, 1.5, points), np.linspace(-1, 1, points)
    losses = loss_on_plane(subject, initial, now - initial, up, torch.from_numpy(x), torch.from_numpy(y))
    caption = (
        "Across, the line from the other weights (left mark) to the present ones (right mark); up, a random direction "
        "in which each unit's weights are as long as they are (Li et al. 2018)."
    )
    return Surface(
        title="The loss on a plane", caption=caption, values=losses.numpy(), x=x, y=y,
        axes=("from the other weights to the present ones", "a random direction"),
        points={"other": (0.0, 0.0), "present": (1.0, 0.0)},
    )  # fmt: skip


def _layers(layers: list[LayerStatistics]) -> LinePlot:
    place = np.arange(1, len(layers) + 1, dtype=float)
    series = {
        name: (place, np.array([getattr(layer, name) for layer in layers])) for name in ("mean", "variance", "dead")
    }
    caption = (
        "Of each layer's outputs on the examples, from the input to the output: mean and variance, and the share of "
        "the units that put out the same on every example."
    )
    return LinePlot(title="Layers", caption=caption, series=series, axes=("layer", ""), counts=True)
