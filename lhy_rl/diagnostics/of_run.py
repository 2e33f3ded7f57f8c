"""The diagnosis of a run: its agent as a checkpoint has it, and the weights that it began with."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from lhy_rl.core.errors import UserError
from lhy_rl.diagnostics.agent_losses import subject_of
from lhy_rl.diagnostics.diagnose import Diagnosis, DiagnosisOptions, diagnose
from lhy_rl.experiment.load import load, load_untrained
from lhy_rl.experiment.run_folder import RunFolder
from lhy_rl.nn.randomness import OwnRandomness


def diagnose_run(
    place: RunFolder, checkpoint: str = "newest", other: Path | None = None, options: DiagnosisOptions | None = None
) -> Diagnosis:
    """Diagnose a run's policy.

    Args:
        checkpoint: ``newest`` or ``best``.
        other: A checkpoint or a run whose weights the line begins at; None takes the run's first weights.
        options: Left out, the usual ones.

    Raises:
        UserError: no such run or checkpoint, an agent whose loss is not known, or weights of another network.
    """
    options = DiagnosisOptions() if options is None else options
    with OwnRandomness(options.seed, torch.device("cpu")):
        agent = load(place.path, device="cpu", checkpoint=checkpoint)
        begun = load_untrained(place.path, device="cpu") if other is None else load(other, device="cpu")
        initial = flat(begun.policy)
        begun.close()
        subject = subject_of(agent, options.steps, torch.Generator().manual_seed(options.seed))
        if len(initial) != len(subject.weights()):
            sizes = f"{len(initial):,} weights, not the {len(subject.weights()):,}"
            raise UserError(f"{str(other)!r} has {sizes} of {str(place.path)!r}")
        try:
            return diagnose(subject, initial, options)
        finally:
            agent.close()


def flat(network: nn.Module) -> Tensor:
    """All parameters, one behind the other."""
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]).double()
