"""The command ``lhy-rl``. Torch and its like are imported by the commands that need them, not for ``--help``."""

from __future__ import annotations

import argparse
import errno
import io
import os
import re
import shutil
import sys
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lhy_rl.core.errors import UserError, how_to_find, suggest
from lhy_rl.experiment.starting import starting

if TYPE_CHECKING:
    from rich.console import Console

    from lhy_rl.experiment.run import Run

COMMANDS = {
    "list": "what there is: configurations, agents, environments, and their parts",
    "train": "train an agent from a configuration",
    "resume": "continue a run that was stopped or killed",
    "evaluate": "measure a run's policies again",
    "sample": "let a run's policy write sentences",
    "play": "show a run's policy at play: in a window, as text or in a film",
    "record": "write down demonstrations: of a run, an expert, a person at the keyboard or a random policy",
    "report": "draw a run's plots and write its report.html",
    "benchmark": "train configurations over several seeds and compare them",
}

TRAIN_HELP = """\
usage: lhy-rl train CONFIG [--key value ...]
       lhy-rl train AGENT --env.id ID [--key value ...]

Train an agent. CONFIG is the name of a shipped configuration or the path of a YAML file
(the config.yaml of an old run, say). AGENT, a name or a class of your own (module:Class),
takes defaults for all but its environment. Every value can be replaced on the command line.

configurations:
{configurations}

options of a configuration's agent, environment and run, with their meaning:
  lhy-rl train {first} --help

While it trains, "mean return" is the mean sum of rewards of the latest episodes (the last 100, as in
Stable-Baselines3), with drawn actions; the table at the end is measured anew (docs/metrics.md).

examples:
  lhy-rl train {first}
  lhy-rl train {first} --seed 3 --agent.learning_rate 1e-3 --run.folder runs/mine
  lhy-rl train runs/mine/config.yaml
"""


# what numpy and torch say of an array that is larger than the memory, or than can be counted
TOO_LARGE = re.compile("allocate memory|out of memory|array is too big|Maximum allowed dimension|size calculation over")


class Parser(argparse.ArgumentParser):
    """Argparse whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit status: 0, 2 for bad input (one line on standard error says what), 130 after Ctrl-C.
    """
    formatted = warnings.formatwarning
    for stream in (sys.stdout, sys.stderr):  # Chinese on a terminal without it: a question mark, and no traceback
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    warnings.formatwarning = lambda message, *rest, **more: f"warning: {' '.join(str(message).split())}\n"
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())  # where a user's own agents, networks and environments are
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
    finally:
        warnings.formatwarning = formatted


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
    if isinstance(error, MemoryError) or TOO_LARGE.search(str(error)):
        said = " ".join(str(error).split())[:200]
        return f"not enough memory ({said}); lower num_envs, n_steps, or the sizes of the network", 2
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("lhy_rl"):
        package = error.name.partition(".")[0]
        return f"the package {package!r} is not installed: {how_to_find(package)}", 2
    if type(error).__name__ == "Interrupted":
        return str(error), 128 + error.signal  # type: ignore[attr-defined]
    return None, 1


def fail(message: str, status: int) -> int:
    """The line and the status."""
    print(f"lhy-rl: {' '.join(message.split())}", file=sys.stderr)
    return status


def dispatch(arguments: list[str]) -> int:
    """Choose the command."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
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


def whole(text: str) -> int:
    """A whole number as people type it: 200000, 200_000 or 2e5."""
    number = int(text) if text.strip("+-").replace("_", "").isdecimal() else float(text)
    if number != number // 1 or not abs(number) < 2**63:  # torch and numpy keep it in 64 bits
        raise ValueError(text)
    return int(number)


whole.__name__ = "whole number"  # argparse says "invalid whole number value"


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
    kinds = ["configurations", "benchmarks", "agents", "environments", "demonstrations"]
    kinds += ["backbones", "discriminators", "objectives"]
    allowed = f"one of {', '.join(kinds)} (default: everything)"
    made.add_argument("kind", nargs="?", metavar="KIND", choices=kinds, help=allowed)
    chosen = made.parse_args(arguments).kind
    from lhy_rl.cli.listing import listing

    for kind in [chosen] if chosen else kinds:
        print(f"{kind}:\n{table(listing(kind))}")
    return 0


def table(rows: list[tuple[str, str]]) -> str:
    """Names and summaries side by side; on a terminal a long summary goes on below its beginning."""
    width = max((len(name) for name, _ in rows), default=0)
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    return "\n".join(
        textwrap.fill(
            summary,
            max(columns, width + 40),
            initial_indent=f"  {name:{width}}  ",
            subsequent_indent=" " * (width + 4),
            break_long_words=False,
            break_on_hyphens=False,
        )
        or f"  {name}"
        for name, summary in rows
    )


def command_train(arguments: list[str]) -> int:
    config, overrides, wants_help = split_train(arguments)
    if wants_help and config is None:
        from lhy_rl.cli.listing import listing

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
    made = run_parser("resume", "lhy-rl resume runs/ppo-cartpole --total_timesteps 200_000", checkpoint=False)
    made.add_argument(
        "--total_timesteps",
        type=whole,
        metavar="N",
        help="train until there are N in all, also a finished run (default: the configuration's); what falls with the "
        "training, such as a linear learning rate, is stretched over N",
    )
    options = made.parse_args(arguments)
    place = options.run
    with starting(str(place)):
        from lhy_rl.experiment.run import resume

    finished = resume(place, error_console(), options.total_timesteps)
    if finished is None:
        print(f"{place} had finished already; to go on: lhy-rl resume {place} --total_timesteps N")
        return 0
    show_result(finished)
    return 0


def command_evaluate(arguments: list[str]) -> int:
    made = run_parser("evaluate", "lhy-rl evaluate runs/seqgan-chat --checkpoint best")
    made.add_argument(
        "--sentences", type=whole, metavar="N", help="drawn from each policy of a text task (default: the run's)"
    )
    made.add_argument(
        "--episodes", type=whole, metavar="N", help="played, where the task is not text (default: the run's)"
    )
    options = made.parse_args(arguments)
    for name, least in (("sentences", 2), ("episodes", 1)):
        if (value := getattr(options, name)) is not None and value < least:
            raise UserError(f"--{name} is {value}; it must be at least {least}")
    run = loaded(options.run, options.checkpoint)
    from lhy_rl.reporting.terminal import print_result

    judge = run.evaluator
    other = "episodes" if judge.is_text else "sentences"
    if getattr(options, other) is not None:
        task = "a text task" if judge.is_text else "not a text task"
        raise UserError(f"--{other} says nothing here: {run.config.values['env']['id']} is {task}")
    judge.sentences, judge.episodes = options.sentences or judge.sentences, options.episodes or judge.episodes
    print_result(output_console(), run.result())
    if not judge.is_text:
        print(f"{judge.episodes} episodes of the {options.checkpoint} checkpoint, each action the most probable one")
    return 0


def command_sample(arguments: list[str]) -> int:
    made = run_parser("sample", "lhy-rl sample runs/seqgan-chat -n 5 --temperature 0.7")
    made.add_argument("-n", type=whole, default=10, help="sentences (default: 10)")
    made.add_argument(
        "--method",
        choices=["sample", "greedy", "beam"],
        default="sample",
        help="draw them, take the likeliest token each time, or search with a beam of width n (default: sample)",
    )
    made.add_argument("--temperature", type=float, default=1.0, help="below 1: safer, above 1: wilder (default: 1)")
    made.add_argument("--top-k", type=whole, help="draw among the k likeliest tokens only")
    made.add_argument("--policy", help="which of the run's policies: mle, seqgan, ... (default: the newest)")
    made.add_argument("--seed", type=whole, default=0, help="same seed, same sentences (default: 0)")
    options = made.parse_args(arguments)
    run = loaded(options.run, options.checkpoint)
    from lhy_rl.experiment.text_evaluation import write_sentences

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


def command_play(arguments: list[str]) -> int:
    made = run_parser("play", "lhy-rl play runs/ppo-cartpole --checkpoint best --output cartpole.gif")
    made.add_argument("--episodes", type=whole, default=1, metavar="N", help="how many (default: 1)")
    made.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write a film, .gif or .mp4 (default: open a window, or print text where the environment draws none)",
    )
    made.add_argument("--seed", type=whole, default=0, help="same seed, same episodes (default: 0)")
    made.add_argument("--stochastic", action="store_true", help="draw the actions; else the most probable are taken")
    options = made.parse_args(arguments)
    for name, least in (("episodes", 1), ("seed", 0)):
        if getattr(options, name) < least:
            raise UserError(f"--{name} is {getattr(options, name)}; it must be at least {least}")
    from lhy_rl.recording import video

    if options.output is not None:
        video.check(options.output)
    run = loaded(options.run, options.checkpoint)
    from lhy_rl.recording.play import play

    play(run, options.episodes, options.output, options.seed, options.stochastic)
    return 0


def command_record(arguments: list[str]) -> int:
    made = parser("record", "lhy-rl record runs/ppo-cartpole --episodes 20 --output cartpole.npz")
    made.add_argument(
        "who",
        metavar="WHO",
        help="a run folder; a zip of Stable-Baselines3 or of an agent of ours, with --env; or an environment's id, "
        "whose own expert acts (--env.NAME VALUE sets the environment's options)",
    )
    instead = made.add_mutually_exclusive_group()
    instead.add_argument("--random", action="store_true", help="a random policy acts there: a control for imitation")
    instead.add_argument("--keyboard", action="store_true", help="a person acts there: one key, one step")
    made.add_argument("--keys", metavar="KEY=ACTION,...", help="of the person (default: digits, arrows where plain)")
    made.add_argument("--env", dest="env_id", metavar="ID", help="where a zip's policy acts")
    made.add_argument("--episodes", type=whole, default=20, metavar="N", help="how many are kept (default: 20)")
    made.add_argument("--noise", type=float, default=0.0, metavar="P", help="share of random steps (default: 0)")
    made.add_argument(
        "--labels",
        choices=["executed", "expert"],
        default="executed",
        help="which action a random step writes down: the one that happened, or the expert's (default: executed)",
    )
    made.add_argument("--min-return", type=float, metavar="R", help="throw episodes below it away and play others")
    made.add_argument("--seed", type=whole, default=0, help="same seed, same episodes (default: 0)")
    made.add_argument("--checkpoint", choices=["newest", "best"], default="best", help="of a run (default: best)")
    made.add_argument("--stochastic", action="store_true", help="draw the actions; else the most probable are taken")
    made.add_argument(
        "--output",
        metavar="PLACE",
        help="FILE.npz, a Minari id (lhy_rl/CartPole/expert-v0), or a folder, which gets one more file "
        "(default: a file below demonstrations/)",
    )
    ours, given = split_env(arguments)
    options = vars(made.parse_args(ours))
    output = options.pop("output")
    from lhy_rl.recording import record
    from lhy_rl.recording.sources import RecordOptions

    target = options["env_id"] or options["who"]
    if given and (options["env_id"] or not Path(target).exists()):
        from lhy_rl.experiment.config import environment_arguments

        given = environment_arguments(target, given)
    chosen = RecordOptions(**options, env_options=given or None)
    place = record.destination(output, chosen)
    found = record.demonstrate(chosen)
    written, name = record.write(found, place)
    mean, std, floor = found.returns.mean(), found.returns.std(), found.about.get("random_return")
    chance = "" if floor is None else f" (a random policy: {floor:.4g})"
    counts = f"{len(found)} episodes, {found.lengths.sum():,} steps"
    print(f"written {written}: {counts}, return {mean:.4g} +- {std:.3g}{chance}")
    print(f"use it  --agent.demonstrations {name}")
    return 0 if len(found) == chosen.episodes or chosen.keyboard else fail("interrupted; what is written is whole", 130)


def split_env(arguments: list[str]) -> tuple[list[str], dict[str, Any]]:
    """The arguments without ``--env.NAME VALUE``, and those."""
    from lhy_rl.experiment.yaml_files import parse_option

    rest, given = [], {}
    words = iter(arguments)
    for word in words:
        if not word.startswith("--env."):
            rest.append(word)
            continue
        key, equals, value = word.removeprefix("--env.").partition("=")
        following = value if equals else next(words, None)
        if following is None:
            raise UserError(f"option {word} needs a value: {word} VALUE")
        given[key] = parse_option(f"env.{key}", following)
    return rest, given


def command_report(arguments: list[str]) -> int:
    place = run_parser("report", "lhy-rl report runs/seqgan-chat", checkpoint=False).parse_args(arguments).run
    from lhy_rl.experiment.run_folder import RunFolder
    from lhy_rl.reporting import pictures
    from lhy_rl.reporting.report import write_report

    folder = RunFolder(place)
    result = folder.result()
    if result is None or not result["samples"]:  # else it is text, which is not filmed
        run = loaded(place)
        for line in pictures.draw(run, folder.path / "plots"):
            run.note(line)
        result = result or run.result()
    print(write_report(folder, result))
    return 0


def command_benchmark(arguments: list[str]) -> int:
    from lhy_rl.cli.listing import listing

    made = parser("benchmark", "lhy-rl benchmark memory --jobs 2")
    made.epilog = f"benchmarks:\n{table(listing('benchmarks'))}\n\n{made.epilog}"
    made.add_argument("names", nargs="+", metavar="NAME", help="benchmarks (lhy-rl list benchmarks) or configurations")
    made.add_argument("--seeds", type=whole, metavar="N", help="runs behind each number (default: 5; quick: 2)")
    made.add_argument("--jobs", type=whole, default=2, metavar="N", help="runs at the same time (default: 2)")
    made.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where NAME.json, NAME.png and the finished runs go (default: runs/benchmarks; in a checkout of the "
        "repository a shipped benchmark's go to benchmarks/results, and the tables of its documents are written anew)",
    )
    made.add_argument("--quick", action="store_true", help="a fiftieth of the steps: does it work?")
    made.add_argument("--fresh", action="store_true", help="train again what has finished in an earlier call")
    options = made.parse_args(arguments)
    for name in ("seeds", "jobs"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise UserError(f"--{name} is {value}; it must be at least 1")
    from lhy_rl.benchmark import runner, spec
    from lhy_rl.reporting.terminal import print_rows

    for found in spec.find(options.names):
        folder = options.output or runner.default_folder(found, options.quick)
        seeds = options.seeds or (2 if options.quick else 5)
        rows = runner.run(found, folder, seeds, options.jobs, options.quick, options.fresh)
        print_rows(output_console(), found.name, rows)
        pictures = [name for name in (f"{found.name}.png", f"{found.name}.curves.png") if (folder / name).exists()]
        print(f"results   {folder / found.name}.json, {', '.join(pictures)}")
        for path in runner.rewrite_documents(folder):
            print(f"rewritten {path}")
    return 0


def loaded(place: Path, checkpoint: str = "newest") -> Run:
    """A run as a checkpoint has it."""
    with starting(str(place)):
        from lhy_rl.experiment.run import load

        return load(place, checkpoint, error_console())


def show_result(run: Any) -> None:
    """What follows a finished training."""
    from lhy_rl.experiment.run_folder import RunFolder
    from lhy_rl.reporting.terminal import print_next, print_result

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
