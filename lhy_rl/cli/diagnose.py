"""``lhy-rl diagnose``: measure the loss of a run's policy around its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lhy_rl.cli.arguments import check_least, output_console, run_parser, starting, whole
from lhy_rl.core.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from lhy_rl.diagnostics.diagnose import Diagnosis


def command_diagnose(arguments: list[str]) -> int:
    made = run_parser("diagnose", "lhy-rl diagnose runs/ppo-cartpole")
    made.add_argument("--steps", type=whole, default=1024, metavar="N", help="steps whose loss is averaged (1024)")
    made.add_argument("--products", type=whole, default=40, metavar="N", help="Hessian-vector products (40)")
    made.add_argument("--batches", type=whole, default=16, metavar="N", help="batches for the gradient's noise (16)")
    made.add_argument("--plane", type=whole, default=15, metavar="N", help="points per side; 0 draws no plane (15)")
    made.add_argument(
        "--memorization-steps",
        type=whole,
        default=1000,
        metavar="N",
        help="maximum of gradient steps on random labels; 0 skips them (1000)",
    )
    made.add_argument(
        "--from",
        dest="other",
        type=Path,
        metavar="CHECKPOINT",
        help="where the line and the plane begin: a checkpoint or a run (default: the run's initial weights)",
    )
    made.add_argument("--seed", type=whole, default=0, help="same seed, same numbers (default: 0)")
    options = made.parse_args(arguments)
    check_least(options, steps=8, products=2, batches=2, plane=0, memorization_steps=0, seed=0)
    if 0 < options.plane < 3:
        raise UserError(f"--plane is {options.plane}; it must be at least 3, or 0 for none")
    with starting(str(options.run)):
        from lhy_rl.diagnostics.diagnose import DiagnosisOptions
        from lhy_rl.diagnostics.of_run import diagnose_run
        from lhy_rl.experiment.run_folder import RunFolder
        from lhy_rl.reporting import agent_figures, report

        place = RunFolder(options.run)
        chosen = DiagnosisOptions(
            options.steps, options.products, options.batches, options.plane, options.memorization_steps, options.seed
        )
        found = diagnose_run(place, options.checkpoint, options.other, chosen)
    print_diagnosis(output_console(), found)
    place.write_json(place.path / "diagnosis.json", found.as_dict())
    folder = place.path / "plots"
    folder.mkdir(exist_ok=True)
    agent_figures.draw(found.figures, folder, place.metrics_file, agent_figures.DIAGNOSIS)
    result = place.result()
    if result is not None:
        print(f"report    {report.write_report(place, result)}")
    print(f"numbers   {place.path / 'diagnosis.json'}, pictures {folder}/{agent_figures.DIAGNOSIS}_*.png")
    return 0


def print_diagnosis(console: Console, found: Diagnosis) -> None:
    """Print the numbers, the layers and the fits, each as a table."""
    from rich.table import Table

    table = Table("what", title=found.what, title_justify="left")
    table.add_column("value", justify="right")
    for name, value in found.numbers.items():
        table.add_row(name, f"{value:.4g}")
    console.print(table)
    if found.layers:
        table = Table("layer", title="outputs of the layers", title_justify="left")
        for heading in ("units", "mean", "variance", "dead"):
            table.add_column(heading, justify="right")
        for layer in found.layers:
            table.add_row(
                layer.name, str(layer.units), f"{layer.mean:.3f}", f"{layer.variance:.3f}", f"{layer.dead:.3f}"
            )
        console.print(table)
    if found.fits:
        table = Table("labels", title="the same network, trained anew on labels", title_justify="left")
        for heading in ("learned", "held out", "gradient steps"):
            table.add_column(heading, justify="right")
        for fit in found.fits:
            table.add_row(fit.labels, f"{fit.learned:.3f}", f"{fit.held_out:.3f}", f"{fit.steps:,}")
        console.print(table)
