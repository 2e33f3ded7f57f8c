"""One thread: small networks are slower with two, and much slower when the cores are shared."""

import torch

from tests.tiny_runs import same, tiny  # noqa: F401  (fixtures)

torch.set_num_threads(1)
