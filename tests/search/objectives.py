"""Objectives for tests, in a module, so that processes can import them."""

import math
import os
import signal
import sys
import time

from lhy_rl.search.objective import FunctionObjective
from lhy_rl.search.space import Choice, Space

SPACE = Space([Choice("a", tuple(range(8)), ordinal=True), Choice("b", tuple(range(6)), ordinal=True)])


def hill(configuration, seed):
    """Best at a = 5, b = 2."""
    return -((configuration["a"] - 5) ** 2) - (configuration["b"] - 2) ** 2


def faulty(configuration, seed):
    """Every value of a from 1 to 4 fails in another way."""
    match configuration["a"]:
        case 1:
            return math.nan
        case 2:
            raise ValueError("no such\nnetwork")
        case 3:
            os._exit(1)
        case 4:
            time.sleep(100)
    return float(configuration["b"])


def faultier(configuration, seed):
    """More ways to fail; what is printed is none."""
    match configuration["a"]:
        case 1:
            os.kill(os.getpid(), signal.SIGKILL)
        case 2:
            return bytearray(2**60)
        case 3:
            sys.exit("no such file")
        case 4:
            print("\x00\x1b[2J" + "rubbish" * 2000)
            print(b"\xff\xfe", file=sys.stderr)
        case 5:
            return {"loss": 1.0}
        case 6:
            return "0.5 or so"
        case 7:
            return faultier(configuration, seed)
    return {"accuracy": 0.5}


FAULTIER = {
    2: "MemoryError",
    3: "SystemExit: no such file",
    5: "UserError: unknown metric 'accuracy'",
    6: "UserError: an objective must return a number; given: '0.5 or so'",
    7: "RecursionError: ",
}
"""Value of a to the beginning of its trial's failure; 1 fails as its executor says, 0 and 4 do not."""


def climbing(configuration, seed, report):
    """Reaches what hill gives in nine steps."""
    for step in range(1, 10):
        if not report(step, hill(configuration, seed) - (9 - step)):
            break
    return hill(configuration, seed)


def slow(configuration, seed):
    """Computes for a tenth of a second of CPU time."""
    begin = time.process_time()
    while time.process_time() - begin < 0.1:
        pass
    return hill(configuration, seed)


def unhurried(configuration, seed):
    """Sleeps for half a second."""
    time.sleep(0.5)
    return hill(configuration, seed)


def of_accuracy(function):
    """An objective that reads the accuracy among the function's metrics."""
    space = Space([Choice("a", tuple(range(8)), ordinal=True)])
    return FunctionObjective(space, function, {}, metric="accuracy")


def objective(function):
    return FunctionObjective(SPACE, function, {"function": function.__name__})
