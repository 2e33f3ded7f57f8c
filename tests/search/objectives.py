"""Objectives for tests, in a module, so that processes can import them."""

import math
import os
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


def objective(function):
    return FunctionObjective(SPACE, function, {"function": function.__name__})
