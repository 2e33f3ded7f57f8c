"""Processes of their own, which a server forks that has imported torch and its like: once, not in each of them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["lhy_rl.cli.train", "lhy_rl.agents.adversarial.seqgan", "torch._dynamo"])


def start(function: Callable[..., Any], *arguments: Any) -> ForkServerProcess:
    """A process in which the function runs, in the working folder of this one."""
    process = CONTEXT.Process(target=function, args=arguments)
    process.start()
    return process


def result_of(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns in a process of its own, whose hashes are others than ours."""
    receiver, sender = CONTEXT.Pipe(duplex=False)
    process = start(_send, sender, function, *arguments)
    sender.close()
    found = receiver.recv()  # EOFError where it failed; why, it printed
    process.join()
    return found


def _send(sender: Any, function: Callable[..., Any], *arguments: Any) -> None:
    sender.send(function(*arguments))
