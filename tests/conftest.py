"""One thread: small networks are slower with two, and much slower when the cores are shared."""

import torch

torch.set_num_threads(1)
