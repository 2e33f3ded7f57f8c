"""Capsule networks for pictures: two layers of capsules, with dynamic routing (Sabour, Frosst and Hinton 2017)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import gymnasium as gym
import torch
from torch import Tensor, nn

from lhy_rl.core.errors import UserError
from lhy_rl.functional.capsules import routing, squash
from lhy_rl.nn.encoders.base import EncoderOptions
from lhy_rl.nn.encoders.convolutional import Convolution, ConvolutionalEncoder
from lhy_rl.nn.encoders.image_spaces import SMALLEST_IMAGE

PRIMARY_SIZE = 8  # numbers in a capsule of the lower layer


class CapsuleEncoder(ConvolutionalEncoder):
    """Images to K capsules of D numbers, (..., E) with E = K D; a capsule's length is at most 1.

    A convolution of 32 maps is followed by a second one whose 64 maps are, at each place, 8 capsules u_i of 8 numbers.
    Each of these predicts each of the K capsules v_k by a matrix of its own, and v_k is what the predictions agree on:

        v_k = squash(sum_i c_ik W_ik u_i),    c_i = softmax_k(b_i),    b_ik += W_ik u_i . v_k

    ``embedding_size`` is E, ``capsule_size`` D and ``routing_iterations`` the number of times c is computed; with 1 all
    predictions have the same weight. Large images have many capsules, and a matrix for each.
    """

    name = "capsule"
    smallest = SMALLEST_IMAGE
    plan = (Convolution(32, 5, 2, 2), Convolution(8 * PRIMARY_SIZE, 5, 2, 2))
    shared: ClassVar[bool] = False
    """Whether the matrices are the same at all places."""

    def __init__(self, space: gym.Space[Any], options: EncoderOptions) -> None:
        if options.embedding_size % options.capsule_size:
            raise UserError(
                f"embedding_size={options.embedding_size} is not allowed; must be a multiple of capsule_size, "
                f"{options.capsule_size}"
            )
        super().__init__(space, replace(options, hidden_sizes=()))
        pooled = options.pooling != "strided" and self.plan[-1].stride > 1
        after = self.after[-1]
        assert isinstance(after, nn.Sequential)
        self.after[-1] = after[-1] if pooled else nn.Identity()  # the capsules' own nonlinearity squashes them
        below, self.count = self.output_size // PRIMARY_SIZE, options.embedding_size // options.capsule_size
        self.iterations = options.routing_iterations
        kinds = self.plan[-1].maps // PRIMARY_SIZE if self.shared else below
        self.below = below // kinds, kinds, PRIMARY_SIZE  # L places where matrices are shared, or 1; their kinds
        matrices = torch.randn(kinds, self.count, options.capsule_size, PRIMARY_SIZE)
        self.matrices = nn.Parameter(matrices / PRIMARY_SIZE**0.5)  # W, (I or kinds of I, K, D, 8)
        self.output_size = options.embedding_size

    def capsules(self, obs: Tensor) -> Tensor:
        """(N, *space.shape) images to (N, K, D)."""
        below = squash(self.flat(self.maps(obs)).reshape(len(obs), *self.below))
        expected = torch.einsum("nlip,ikdp->nlikd", below, self.matrices)
        return routing(expected.flatten(1, 2), self.iterations)

    def forward(self, obs: Tensor) -> Tensor:
        leading = obs.shape[: -len(self.shape)]
        capsules = self.capsules(obs.reshape(leading.numel(), *self.shape))
        return capsules.reshape(*leading, self.output_size)


class SharedCapsuleEncoder(CapsuleEncoder):
    """Capsules whose matrices W_ik are the same at all places (Hinton, Sabour and Frosst 2018, section 4).

    The same thing at another place gives the same predictions, and large images need no more weights. Only the second
    convolution halves the image, so that moving a picture by two pixels moves its lower capsules by one place.
    """

    name = "capsule_shared"
    plan = (Convolution(32, 5, 1, 2), Convolution(8 * PRIMARY_SIZE, 5, 2, 2))
    shared = True
