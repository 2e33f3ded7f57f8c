"""A memory network finds the fact that a question asks for."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from lhy_rl.agents import DAgger

ENV = "lhy_rl/BabiRoom-v0"


def right_answers(core: str) -> float:
    """The share of right answers in stories that are held out, after 300 gradient steps on 256 stories."""

    def make(num_envs: int, **options: Any) -> Any:
        return gymnasium.make_vec(ENV, num_envs=num_envs, autoreset_mode="SameStep", observation="bag", **options)

    agent = DAgger(
        make(128), core=core, hidden_size=24, embedding_size=24, encoder_layers=0, learning_rate=0.01, batch_size=480,
        max_grad_norm=1.0, n_steps=30, gradient_steps=300, learning_rate_schedule="constant", device="cpu", seed=0,
    ).learn(3_840)  # fmt: skip
    envs = make(300, split="test")
    obs, _ = envs.reset(seed=1)
    memory, start, over = None, np.ones(300, bool), np.zeros(1, bool)
    while not over.any():
        answers, memory = agent.predict(obs, memory, start, deterministic=True)
        obs, _, over, _, infos = envs.step(answers)
        start = np.zeros(300, bool)
    return float(infos["final_info"]["accuracy"].mean())


def test_a_memory_network_answers_what_an_lstm_does_not() -> None:
    assert right_answers("memory_network") > 0.95
    assert right_answers("lstm") < 0.7
