"""The command ``lhy-rl``. Each command imports torch and other large packages itself, so that ``--help`` is fast."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import warnings
from collections.abc import Sequence

from lhy_rl.cli.arguments import COMMANDS
from lhy_rl.core.errors import UserError, how_to_find
from lhy_rl.core.registry import Registry

commands = Registry(
    "command",
    {
        "list": "lhy_rl.cli.listing:command_list",
        "train": "lhy_rl.cli.train:command_train",
        "resume": "lhy_rl.cli.train:command_resume",
        "evaluate": "lhy_rl.cli.policy:command_evaluate",
        "sample": "lhy_rl.cli.policy:command_sample",
        "play": "lhy_rl.cli.policy:command_play",
        "record": "lhy_rl.cli.record:command_record",
        "report": "lhy_rl.cli.train:command_report",
        "diagnose": "lhy_rl.cli.diagnose:command_diagnose",
        "benchmark": "lhy_rl.cli.benchmark:command_benchmark",
        "search": "lhy_rl.cli.search:command_search",
        "sweep": "lhy_rl.cli.search:command_sweep",
    },
)

# messages of numpy and torch for an array that is too large for the memory or for a 64-bit size
TOO_LARGE = re.compile("allocate memory|out of memory|array is too big|Maximum allowed dimension|size calculation over")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit status: 0, 2 for bad input (one line on standard error says what), 130 after Ctrl-C.
    """
    formatted = warnings.formatwarning
    for stream in (sys.stdout, sys.stderr):  # print ? for a character that the terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    warnings.formatwarning = lambda message, *rest, **more: f"warning: {' '.join(str(message).split())}\n"
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())  # where a user's own agents, networks and environments are
    try:
        return dispatch(list(sys.argv[1:] if arguments is None else arguments))
    except BrokenPipeError:  # the reader of our output has closed the pipe (| head)
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
    """One line and an exit status for an error that the user can solve; None in place of the line for a bug of ours."""
    import gymnasium

    if isinstance(error, UserError | gymnasium.error.DependencyNotInstalled):
        return str(error), 2
    if isinstance(error, OSError):
        what = error.strerror or str(error)
        where = f": {error.filename}" if error.filename else ""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "; free some space; a run keeps its complete checkpoints (lhy-rl resume)" if full else ""
        return f"{what}{where}{advice}", 2
    if isinstance(error, MemoryError) or TOO_LARGE.search(str(error)):
        message = " ".join(str(error).split())[:200]
        return f"not enough memory ({message}); lower num_envs, n_steps, or the sizes of the network", 2
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("lhy_rl"):
        package = error.name.partition(".")[0]
        return f"the package {package!r} is not installed: {how_to_find(package)}", 2
    if type(error).__name__ == "Interrupted":
        return str(error), 128 + error.signal  # type: ignore[attr-defined]
    return None, 1


def fail(message: str, status: int) -> int:
    """Print the line of an error and return the status."""
    print(f"lhy-rl: {' '.join(message.split())}", file=sys.stderr)
    return status


def dispatch(arguments: list[str]) -> int:
    """Run the command that the first argument names."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print_help()
        return 0
    if arguments[0] == "--version":
        import lhy_rl

        print(f"lhy-rl {lhy_rl.__version__}")
        return 0
    return int(commands.get(arguments[0])(arguments[1:]))


def print_help() -> None:
    """Print what ``lhy-rl --help`` shows."""
    print("usage: lhy-rl COMMAND ...\n\nTrain agents, look at what they learned.\n\ncommands:")
    for name, what in COMMANDS.items():
        print(f"  {name:9} {what}")
    print("\nexamples:")
    print("  lhy-rl train seqgan/chat          train a SeqGAN on human chat")
    print("  lhy-rl train --help               all configurations")
    print("  lhy-rl COMMAND --help             a command's options")
