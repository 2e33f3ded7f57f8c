"""Games so small that their best moves are known: Nim in our rules, matching pennies in PettingZoo's."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from pettingzoo.utils.env import ParallelEnv

from lhy_rl.core.trees import State
from lhy_rl.envs.game import BatchedGame


class Nim(BatchedGame):
    """Take one to three of a heap; who takes the last one wins. To leave a multiple of four wins."""

    name = "nim_v0"

    def __init__(self, heap: int = 5) -> None:
        self.heap = heap
        super().__init__(Box(0.0, 1.0, (heap + 1,), np.float32), 3)

    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {"left": np.full(n, self.heap), "turn": np.zeros(n, np.int64)}

    def to_move(self, state: State) -> np.ndarray:
        return state["turn"]

    def action_mask(self, state: State, player: np.ndarray) -> np.ndarray:
        mask = np.arange(3) < state["left"][:, None]
        mask[(state["turn"] != player) | self.terminal(state)] = True
        return mask

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        return {"left": np.maximum(state["left"] - action - 1, 0), "turn": 1 - state["turn"]}

    def observation(self, state: State, player: np.ndarray) -> np.ndarray:
        return np.eye(self.heap + 1, dtype=np.float32)[state["left"]]

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        won = np.where(self.terminal(next_state), 1.0, 0.0)
        mine = np.arange(2) == state["turn"][:, None]
        return np.where(mine, won[:, None], -won[:, None])

    def terminal(self, state: State) -> np.ndarray:
        return state["left"] == 0

    def final_info(self, state: State, player: np.ndarray) -> dict[str, np.ndarray]:
        return {"won": state["turn"] != player}

    def transcript(self, state: State) -> list[str]:
        return [f"{left} left" for left in state["left"]]


class Pennies(ParallelEnv):
    """Both show a side at once, ``rounds`` times: player 0 wins where they are equal."""

    metadata = {"name": "pennies_v0"}

    def __init__(self, rounds: int = 2, truncate: bool = False) -> None:
        self.possible_agents = ["player_0", "player_1"]
        self.rounds, self.truncate = rounds, truncate
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> Any:
        return Box(0.0, 9.0, (1,), np.float32)

    def action_space(self, agent: str) -> Any:
        return Discrete(2)

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.agents, self.round = list(self.possible_agents), 0
        return {name: np.zeros(1, np.float32) for name in self.agents}, {name: {} for name in self.agents}

    def step(self, actions: dict[str, Any]) -> Any:
        self.round += 1
        gain = 1.0 if actions["player_0"] == actions["player_1"] else -1.0
        over, agents = self.round == self.rounds, self.agents
        self.agents = [] if over else agents
        return (
            {name: np.full(1, self.round, np.float32) for name in agents},
            dict(zip(agents, (gain, -gain), strict=True)),
            dict.fromkeys(agents, over and not self.truncate),
            dict.fromkeys(agents, over and self.truncate),
            {name: {"rounds": self.round} for name in agents},
        )
