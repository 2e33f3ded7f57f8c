"""``lhy-rl train``, ``resume`` and ``report``: the commands that write into a run's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lhy_rl.cli.arguments import error_console, loaded, output_console, run_parser, starting, table, whole
from lhy_rl.cli.listing import listing
from lhy_rl.core.errors import UserError

if TYPE_CHECKING:
    from lhy_rl.experiment.run import Run

TRAIN_HELP = """\
usage: lhy-rl train CONFIG [--key value ...]
       lhy-rl train AGENT --env.id ID [--key value ...]

Train an agent. CONFIG is the name of a shipped configuration or the path of a YAML file
(such as the config.yaml of an earlier run). AGENT, a name or a class of your own (module:Class),
needs only its environment; other options have defaults. Every value can be replaced on the command line.

configurations:
{configurations}

options of a configuration's agent, environment and run, with their meaning:
  lhy-rl train {first} --help

While it trains, "mean return" is the mean sum of rewards of the latest episodes (the last 100, as in
Stable-Baselines3), with sampled actions; the table at the end is from a new evaluation (docs/metrics.md).

examples:
  lhy-rl train {first}
  lhy-rl train {first} --seed 3 --agent.learning_rate 1e-3 --run.folder runs/mine
  lhy-rl train runs/mine/config.yaml
"""


def command_train(arguments: list[str]) -> int:
    config, overrides, wants_help = split_train(arguments)
    if wants_help and config is None:
        rows = listing("configurations")
        print(TRAIN_HELP.format(configurations=table(rows), first="seqgan/chat" if rows else "CONFIG"), end="")
        return 0
    if config is None:
        raise UserError("train needs a configuration: lhy-rl train seqgan/chat (lhy-rl train --help lists them)")
    from lhy_rl.experiment import config as configuration

    if wants_help:
        configuration.help_parser(config, overrides).print_help()
        return 0
    with starting(config):
        checked = configuration.load(config, overrides)
        from lhy_rl.experiment import start_run

        run = start_run.prepare(checked, error_console())
    run.train(start_run.make_folder(run, checked), write_report)
    show_result(run)
    return 0


def split_train(arguments: list[str]) -> tuple[str | None, dict[str, str], bool]:
    """The configuration, the dotted options with their values as text, and whether help is wanted."""
    config, overrides, wants_help = None, {}, False
    rest = iter(arguments)
    for word in rest:
        if word in ("-h", "--help"):
            wants_help = True
        elif word.startswith("--") and len(word) > 2:
            key, equals, value = word[2:].partition("=")
            if not equals:
                following = next(rest, None)
                if following is None or following.startswith("--"):
                    raise UserError(f"option --{key} needs a value: --{key} VALUE")
                value = following
            overrides[key] = value
        elif word.startswith("-") or config is not None:
            raise UserError(f"unexpected argument {word!r}; expected: lhy-rl train CONFIG --section.option VALUE ...")
        else:
            config = word
    return config, overrides, wants_help


def command_resume(arguments: list[str]) -> int:
    made = run_parser("resume", "lhy-rl resume runs/ppo-cartpole --total_timesteps 200_000", checkpoint=False)
    made.add_argument(
        "--total_timesteps",
        type=whole,
        metavar="N",
        help="train until N in all, also a finished run (default: the configuration's); schedules, such as a linear "
        "learning rate, are stretched over N",
    )
    options = made.parse_args(arguments)
    place = options.run
    with starting(str(place)):
        from lhy_rl.experiment.run_folder import RunFolder
        from lhy_rl.experiment.start_run import reopen

        run = reopen(place, error_console(), options.total_timesteps)
    if run is None:
        print(f"{place} has already finished; to train on: lhy-rl resume {place} --total_timesteps N")
        return 0
    run.train(RunFolder(place), write_report)
    show_result(run)
    return 0


def command_report(arguments: list[str]) -> int:
    place = run_parser("report", "lhy-rl report runs/seqgan-chat", checkpoint=False).parse_args(arguments).run
    from lhy_rl.experiment.run_folder import RunFolder
    from lhy_rl.reporting import report

    folder = RunFolder(place)
    result = folder.result()
    if result is None or not result["samples"]:  # otherwise it is text, which is not filmed
        run = loaded(place)
        draw_pictures(run)
        result = result or run.result()
    print(report.write_report(folder, result))
    return 0


def write_report(run: Run, result: dict[str, Any]) -> None:
    """Draw the pictures of a run and write its report.html."""
    from lhy_rl.experiment.run_folder import RunFolder
    from lhy_rl.reporting import report

    draw_pictures(run)
    report.write_report(RunFolder(run.folder), result)


def draw_pictures(run: Run) -> None:
    """Draw the pictures that need the agent; a line is noted for each that could not be made."""
    from lhy_rl.recording.film import clip_of
    from lhy_rl.reporting import report

    for line in report.draw_pictures(run, run.folder / "plots", lambda: clip_of(run.agent, run.config).gif()):
        run.note(line)


def show_result(run: Run) -> None:
    """Print the result of a finished training, and what to try next."""
    from lhy_rl.experiment.run_folder import RunFolder
    from lhy_rl.reporting.terminal import print_next, print_result

    place = RunFolder(run.folder)
    result = place.result() or {}
    print_result(output_console(), result)
    print_next(output_console(), place, bool(result.get("samples")), bool(result.get("is_game")))
