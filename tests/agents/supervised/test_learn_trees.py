"""A tensor network learns to calculate on low trees and goes on to higher ones; a plain one as wide does not."""

from __future__ import annotations

import gymnasium

from lhy_rl.agents import DAgger


def right_at(depth: int, encoder: str) -> float:
    """The share of values right at a depth, after a training on trees of depth 1 and 2."""

    def make(num_envs: int, least: int, most: int) -> gymnasium.vector.VectorEnv:
        options = {"min_depth": least, "max_depth": most, "table_depth": 4, "num_values": 3}
        return gymnasium.make_vec("lhy_rl/TreeCalc-v0", num_envs=num_envs, autoreset_mode="SameStep", **options)

    agent = DAgger(
        make(256, 1, 2), encoder=encoder, embedding_size=12, norm="layer", learning_rate=0.01, max_grad_norm=1.0,
        n_steps=2, gradient_steps=40, core=None, device="cpu", seed=0,
    ).learn(5_000)  # fmt: skip
    envs = make(500, depth, depth)
    obs, _ = envs.reset(seed=1)
    answers, _ = agent.predict(obs, deterministic=True)
    return float((answers == envs.unwrapped.expert_action()).mean())


def test_rntn_values_higher_trees_than_it_was_trained_on() -> None:
    assert right_at(4, "rntn") > 0.9
    assert right_at(4, "recursive") < 0.7
