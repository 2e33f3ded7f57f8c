"""The command ``lhy-rl``. Torch and its like are imported by the commands that need them, not for ``--help``."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lhy_rl.errors import UserError, suggest

if TYPE_CHECKING:
    from rich.console import Console

COMMANDS = {
    "list": "what there is: configurations, agents, environments, and their parts",
    "train": "train an agent from a configuration",
    "resume": "continue a run that was stopped or killed",
    "evaluate": "measure a run's policies again",
    "sample": "let a run's policy write sentences",
    "report": "draw a run's plots and write its report.html",
}

TRAIN_HELP = """\
usage: lhy-rl train CONFIG [--key value ...]

Train an agent. CONFIG is the name of a shipped configuration or the path of a YAML file
(the config.yaml of an old run, say). Every value in it can be replaced on the command line.

configurations:
{configurations}

options of a configuration's agent, environment and run, with their meaning:
  lhy-rl train {first} --help

examples:
  lhy-rl train {first}
  lhy-rl train {first} --seed 3 --agent.learning_rate 1e-3 --run.folder runs/mine
  lhy-rl train runs/mine/config.yaml
"""


class Parser(argparse.ArgumentParser):
    """Argparse whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit status: 0, 2 for bad input (one line on standard error says what), 130 after Ctrl-C.
    """
    try:
        return dispatch(list(sys.argv[1:] if arguments is None else arguments))
    except BrokenPipeError:  # the reader of our output went away (| head)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return fail("interrupted", 130)
    except Exception as error:
        message, status = explain(error)
        if message is None:
            raise
        return fail(message, status)


def explain(error: Exception) -> tuple[str | None, int]:
    """One line and an exit status for an error that is the user's to solve; None for a bug of ours."""
    import gymnasium

    if isinstance(error, UserError | gymnasium.error.DependencyNotInstalled):
        return str(error), 2
    if isinstance(error, OSError):
        what = error.strerror or str(error)
        where = f": {error.filename}" if error.filename else ""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "; make room: a run that had begun keeps its whole checkpoints (lhy-rl resume)" if full else ""
        return f"{what}{where}{advice}", 2
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("lhy_rl"):
        package = error.name.partition(".")[0]
        return f"the package {package!r} is not installed: pip install 'lhy-rl[all]', or {package} alone", 2
    if type(error).__name__ == "Interrupted":
        return str(error), 128 + error.signal  # type: ignore[attr-defined]
    return None, 1


def fail(message: str, status: int) -> int:
    """The line and the status."""
    print(f"lhy-rl: {' '.join(message.split())}", file=sys.stderr)
    return status


def dispatch(arguments: list[str]) -> int:
    """Choose the command."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print_help()
        return 0
    if arguments[0] == "--version":
        import lhy_rl

        print(f"lhy-rl {lhy_rl.__version__}")
        return 0
    command, rest = arguments[0], arguments[1:]
    if command not in COMMANDS:
        raise suggest(command, COMMANDS, "command")
    run: Any = globals()[f"command_{command}"]
    return int(run(rest))


def print_help() -> None:
    """What ``lhy-rl --help`` says."""
    print("usage: lhy-rl COMMAND ...\n\nTrain agents, look at what they learned.\n\ncommands:")
    for name, what in COMMANDS.items():
        print(f"  {name:9} {what}")
    print("\nexamples:")
    print("  lhy-rl train seqgan/chat          train a SeqGAN on human chat")
    print("  lhy-rl train --help               all configurations")
    print("  lhy-rl COMMAND --help             a command's options")


def parser(command: str, example: str) -> Parser:
    """A command's parser, with an example below its help."""
    return Parser(
        prog=f"lhy-rl {command}",
        description=COMMANDS[command][0].upper() + COMMANDS[command][1:] + ".",
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def run_parser(command: str, example: str, checkpoint: bool = True) -> Parser:
    """A parser with RUN and the choice of a checkpoint."""
    made = parser(command, example)
    made.add_argument("run", metavar="RUN", type=Path, help="a run folder, for example runs/seqgan-chat")
    if checkpoint:
        made.add_argument(
            "--checkpoint", choices=["newest", "best"], default="newest", help="which checkpoint (default: newest)"
        )
    return made


def command_list(arguments: list[str]) -> int:
    made = parser("list", "lhy-rl list agents")
    kinds = ["configurations", "agents", "environments", "backbones", "discriminators", "objectives"]
    made.add_argument("kind", nargs="?", choices=kinds, help="only these (default: everything)")
    chosen = made.parse_args(arguments).kind
    from lhy_rl.experiment.listing import listing

    for kind in [chosen] if chosen else kinds:
        rows = listing(kind)
        print(f"{kind}:")
        width = max((len(name) for name, _ in rows), default=0)
        for name, summary in rows:
            print(f"  {name:{width}}  {summary}".rstrip())
    return 0


def command_train(arguments: list[str]) -> int:
    config, overrides, wants_help = split_train(arguments)
    if wants_help and config is None:
        from lhy_rl.experiment.listing import listing

        rows = listing("configurations")
        text = "\n".join(f"  {name:18} {summary}" for name, summary in rows)
        print(TRAIN_HELP.format(configurations=text, first="seqgan/chat" if rows else "CONFIG"), end="")
        return 0
    if config is None:
        raise UserError("train needs a configuration: lhy-rl train seqgan/chat (lhy-rl train --help lists them)")
    from lhy_rl.experiment import config as configuration

    if wants_help:
        configuration.help_parser(config, overrides).print_help()
        return 0
    checked = configuration.load(config, overrides)
    from lhy_rl.experiment.run import train

    show_result(train(checked, error_console()))
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
            raise UserError(f"what is {word!r}? expected: lhy-rl train CONFIG --section.option VALUE ...")
        else:
            config = word
    return config, overrides, wants_help


def command_resume(arguments: list[str]) -> int:
    place = run_parser("resume", "lhy-rl resume runs/seqgan-chat", checkpoint=False).parse_args(arguments).run
    from lhy_rl.experiment.run import resume

    finished = resume(place, error_console())
    if finished is None:
        print(f"{place} had finished already; to train again: lhy-rl train {place}/config.yaml")
        return 0
    show_result(finished)
    return 0


def command_evaluate(arguments: list[str]) -> int:
    made = run_parser("evaluate", "lhy-rl evaluate runs/seqgan-chat --checkpoint best")
    made.add_argument("--sentences", type=int, help="sentences drawn from each policy (default: the run's)")
    options = made.parse_args(arguments)
    if options.sentences is not None and options.sentences < 2:
        raise UserError(f"--sentences is {options.sentences}; it must be at least 2")
    from lhy_rl.experiment.run import load
    from lhy_rl.experiment.tables import print_result

    run = load(options.run, options.checkpoint, error_console())
    run.evaluator.sentences = options.sentences or run.evaluator.sentences
    print_result(output_console(), run.result())
    return 0


def command_sample(arguments: list[str]) -> int:
    made = run_parser("sample", "lhy-rl sample runs/seqgan-chat -n 5 --temperature 0.7")
    made.add_argument("-n", type=int, default=10, help="sentences (default: 10)")
    made.add_argument(
        "--method",
        choices=["sample", "greedy", "beam"],
        default="sample",
        help="draw them, take the likeliest token each time, or search with a beam of width n (default: sample)",
    )
    made.add_argument("--temperature", type=float, default=1.0, help="below 1: safer, above 1: wilder (default: 1)")
    made.add_argument("--top-k", type=int, help="draw among the k likeliest tokens only")
    made.add_argument("--policy", help="which of the run's policies: mle, seqgan, ... (default: the newest)")
    made.add_argument("--seed", type=int, default=0, help="same seed, same sentences (default: 0)")
    options = made.parse_args(arguments)
    from lhy_rl.experiment.evaluation import write_sentences
    from lhy_rl.experiment.run import load

    run = load(options.run, options.checkpoint, error_console())
    for sentence in write_sentences(
        run.agent,
        run.env,
        options.n,
        options.policy,
        options.method,
        options.temperature,
        options.top_k,
        options.seed,
    ):
        print(sentence)
    return 0


def command_report(arguments: list[str]) -> int:
    place = run_parser("report", "lhy-rl report runs/seqgan-chat", checkpoint=False).parse_args(arguments).run
    from lhy_rl.experiment.folder import RunFolder
    from lhy_rl.experiment.report import write_report
    from lhy_rl.experiment.run import load

    folder = RunFolder(place)
    print(write_report(folder, folder.result() or load(place, console=error_console()).result()))
    return 0


def show_result(run: Any) -> None:
    """What follows a finished training."""
    from lhy_rl.experiment.folder import RunFolder
    from lhy_rl.experiment.tables import print_next, print_result

    place = RunFolder(run.path)
    result = place.result() or {}
    print_result(output_console(), result)
    print_next(output_console(), place, bool(result.get("samples")))


def error_console() -> Console:
    """For progress and notes."""
    from rich.console import Console

    return Console(stderr=True)


def output_console() -> Console:
    """For results; as wide as needed where nobody's terminal sets a width."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=180)


if __name__ == "__main__":
    sys.exit(main())
