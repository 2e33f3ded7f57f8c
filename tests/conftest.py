"""One thread: small networks are slower with two, and much slower when the cores are shared. What hypothesis tries is
the same in every run, and may take as long as a busy machine makes it."""

import torch
from hypothesis import settings

from tests.tiny_runs import same, tiny  # noqa: F401  (fixtures)

torch.set_num_threads(1)
settings.register_profile("lhy_rl", derandomize=True, deadline=None, database=None)
settings.load_profile("lhy_rl")
