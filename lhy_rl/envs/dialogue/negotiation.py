"""The rules of ``lhy_rl/negotiation_v0``: two divide a pool of items that they value differently."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box

from lhy_rl.core import validation
from lhy_rl.core.trees import State
from lhy_rl.envs.dialogue.negotiation_contexts import (
    AGREE,
    MOST_ITEMS,
    NUM_ACTIONS,
    NUM_OFFERS,
    OFFERS,
    TYPES,
    WORTH,
    Contexts,
    enumerate_contexts,
    offer_number,
)
from lhy_rl.envs.dialogue.negotiation_grammar import spoken_action
from lhy_rl.envs.game import BatchedGame

REWARDS = ("selfish", "joint", "fair")
ILLEGAL = -0.01
"""Reward of an illegal move, which passes the turn on and does nothing else."""
NOTHING = NUM_ACTIONS
"""In the state: no offer yet, no move yet."""


def steps(most: int) -> np.ndarray:
    """(most + 1, most) float32 thermometers: row k has k ones."""
    return np.tri(most + 1, most, -1, dtype=np.float32)


def offer_features() -> np.ndarray:
    """(122, 13) float32: a one followed by an offer's items as thermometers; zeros where there is no offer."""
    table = np.zeros((NUM_ACTIONS + 1, 1 + 3 * MOST_ITEMS), np.float32)
    table[:NUM_OFFERS, 0] = 1
    table[:NUM_OFFERS, 1:] = steps(MOST_ITEMS)[np.minimum(OFFERS, MOST_ITEMS)].reshape(NUM_OFFERS, -1)
    return table


def phrase(items: np.ndarray) -> str:
    """``2 books and 1 ball``."""
    named = [f"{n} {name}{'s' * (n > 1)}" for n, name in zip(items.tolist(), TYPES, strict=True) if n]
    return " and ".join(named) or "nothing"


SENTENCES = np.array([f"I want {phrase(offer)}." for offer in OFFERS] + ["Deal.", ""], object)
"""(122,) the sentence for each action, and an empty one for no move."""


class Negotiation(BatchedGame):
    """
    ## Description

    The game of Deal or No Deal (Lewis et al. 2017, section 2.1). A pool of books, hats and balls is to be divided. A
    player sees what each type is worth to itself, not to the other; the whole pool is worth 10 points to each. The
    players take turns to name what they would keep, until one agrees to the other's last offer. Without an agreement
    after 10 moves both get nothing.

    It is a PettingZoo environment with the agents `bot_0` and `bot_1`:

    ```python
    >>> from lhy_rl.envs.dialogue import negotiation_v0
    >>> env = negotiation_v0.env(render_mode="ansi")
    >>> env.reset(seed=4)
    >>> for agent in env.agent_iter():
    ...     obs, reward, terminated, truncated, info = env.last()
    ...     if terminated or truncated:
    ...         action = None
    ...     elif obs["action_mask"][120]:  # agree
    ...         action = 120
    ...     else:
    ...         action = 1  # keep one book
    ...     env.step(action)
    >>> print(env.render())
    pool: 2 books and 4 hats and 1 ball
    bot_0 values: book 2, hat 0, ball 6
    bot_1 values: book 2, hat 1, ball 2
    bot_1: I want 1 book.
    bot_0: Deal.
    bot_0 gets 8, bot_1 gets 2

    ```

    `negotiation_v0.raw_env` is the same without PettingZoo's wrappers, `negotiation_v0.parallel_env` the parallel
    environment, in which only the action of the player whose turn it is counts. `lhy_rl/NegotiationVsBot-v0` is the
    Gymnasium environment against a bot, and `GameBatch(Negotiation(), num_games=1024)` the batch for self-play.

    The contexts (a pool, and the values of both) are all 5,295 that obey the rules of the released dialogues: 1 to 4
    items of a type and 5 to 7 in all; whole values of at least 0 with which the pool is worth 10; every type is worth
    something to a player, and some type to both. A fifth of them is held out by a hash (`split`).

    ## Action Space

    `Discrete(121)`, numbered as in OpenSpiel's game `bargaining`: 0 to 119 are the offers to keep some of up to 7
    items (books count fastest: 1 is one book, 8 one hat, 36 one ball), 120 agrees to the other's last offer.

    ## Observation Space

    `Box(0.0, 1.0, (78,), float32)` under `observation`, and under `action_mask` which of the 121 actions are legal:
    offers that the pool can serve, and to agree once the other has made an offer. For a player who is not to move all
    are 1.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 11 | the pool: for each type 4 steps of a thermometer | 0 | 1 |
    | 12 to 41 | own values: for each type 10 steps of a thermometer | 0 | 1 |
    | 42 to 54 | own last offer: whether there is one, and what it keeps, 4 steps for each type | 0 | 1 |
    | 55 to 67 | the other's last offer: whether there is one, and what it leaves to oneself, likewise | 0 | 1 |
    | 68 to 77 | how many moves were made (one of 10); zeros when the game is over | 0 | 1 |

    ## Rewards

    At an agreement, by `reward`: `"selfish"`, a tenth of a player's own points; `"joint"`, a twentieth of both players'
    points to each; `"fair"`, a twentieth of the own points and a twentieth of the poorer player's. Without one, 0. An
    illegal move (possible in `raw_env`, `parallel_env` and the batch; `env` ends the game with -1) passes the turn
    on and costs 0.01.

    The exact optima on the 5,295 contexts, in points: best joint score 15.06; Nash's product 15.01 (the poorer gets
    6.44); the egalitarian 14.86 (the poorer gets 6.58). A division drawn at random is worth 10.00 to both together, and
    .23 of them are Pareto-optimal. Two random players (of legal moves) reach an agreement in 35 % of the games and 3.5
    points together. People reached 13.2 in the released dialogues.

    `info` holds `text`, the last utterance, and when the game is over `agreement`, `own`, `partner` and `joint`
    (points), and `pareto`: the deal is Pareto-optimal.

    ## Starting State

    A context of the split and the first to move are drawn, both uniformly.

    ## Episode End

    1. Termination: an agreement, or 10 moves (`max_moves`).
    2. Truncation: never.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `reward` | `"selfish"` | `"selfish"`, `"joint"` or `"fair"` |
    | `contexts` | `"all"` | `"all"` 28 pools, or `"lewis"`: the 20 that the released dialogues are about |
    | `split` | `"train"` | `"train"` (4,258 contexts), `"held_out"` (1,037) or `"all"` |
    | `max_moves` | `10` | moves of both together, 2 to 100 |

    `render_mode` is `None`, `"ansi"` (the transcript) or `"human"` (printed).

    ## Vectorized environment

    `GameBatch(Negotiation(), num_games=1024)` steps all games at once; `Negotiation` takes the arguments above.

    ## Version History

    - v0: first version.
    """

    name = "negotiation_v0"
    players = ("bot_0", "bot_1")

    def __init__(
        self, reward: str = "selfish", contexts: str = "all", split: str = "train", max_moves: int = 10
    ) -> None:
        self.rewarded = validation.choice("reward", reward, REWARDS)
        self.contexts: Contexts = enumerate_contexts(contexts, split)
        self.max_moves = validation.integer("max_moves", max_moves, 2, 100)
        self._pools = steps(MOST_ITEMS)[self.contexts.pool].reshape(len(self.contexts), -1)
        self._values = steps(WORTH)[self.contexts.values].reshape(len(self.contexts), 2, -1)
        self._offers = offer_features()
        self._moves = np.eye(self.max_moves + 1, self.max_moves, dtype=np.float32)
        size = self._pools.shape[1] + self._values.shape[2] + 2 * self._offers.shape[1] + self.max_moves
        super().__init__(Box(0.0, 1.0, (size,), np.float32), NUM_ACTIONS)

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {
            "context": rng.integers(len(self.contexts), size=n),
            "first": rng.integers(2, size=n),  # who moves first
            "moves": np.zeros(n, np.int64),  # made so far
            "history": np.full((n, self.max_moves), NOTHING, np.int16),
            "offer": np.full((n, 2), NOTHING, np.int64),  # each player's last
            "agreed": np.zeros(n, bool),  # whether the last move was to agree
            "illegal": np.zeros(n, bool),  # whether the last move was illegal
        }

    def to_move(self, state: State) -> np.ndarray:
        turn: np.ndarray = (state["first"] + state["moves"]) % 2
        return turn

    def action_mask(self, state: State, player: np.ndarray) -> np.ndarray:
        rows = np.arange(len(player))
        mask = np.empty((len(player), NUM_ACTIONS), bool)
        mask[:, :NUM_OFFERS] = self.contexts.legal[state["context"]]
        mask[:, AGREE] = state["offer"][rows, 1 - player] != NOTHING
        mask[(self.to_move(state) != player) | self.terminal(state)] = True
        return mask

    def is_legal(self, state: State, action: np.ndarray) -> np.ndarray:
        """(B,) bool, for the players whose turn it is."""
        offered = state["offer"][np.arange(len(action)), 1 - self.to_move(state)] != NOTHING
        possible = self.contexts.legal[state["context"], np.minimum(action, NUM_OFFERS - 1)]
        legal: np.ndarray = np.where(action == AGREE, offered, possible)
        return legal

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        rows, mover = np.arange(len(action)), self.to_move(state)
        legal = self.is_legal(state, action)
        offers = legal & (action != AGREE)
        history, offer = state["history"].copy(), state["offer"].copy()
        history[rows, state["moves"]] = np.where(legal, action, NOTHING)
        offer[rows[offers], mover[offers]] = action[offers]
        return {
            "context": state["context"].copy(),
            "first": state["first"].copy(),
            "moves": state["moves"] + 1,
            "history": history,
            "offer": offer,
            "agreed": legal & (action == AGREE),
            "illegal": ~legal,
        }

    def observation(self, state: State, player: np.ndarray) -> np.ndarray:
        context, rows = state["context"], np.arange(len(player))
        theirs = state["offer"][rows, 1 - player]
        moves = np.where(self.terminal(state), self.max_moves, state["moves"])
        parts = (
            self._pools[context],
            self._values[context, player],
            self._offers[state["offer"][rows, player]],
            self._offers[self.left(context, theirs)],
            self._moves[moves],
        )
        return np.concatenate(parts, 1)

    def left(self, context: np.ndarray, offer: np.ndarray) -> np.ndarray:
        """(B,) the number of the complementary offer, which keeps what this one leaves; NOTHING for NOTHING."""
        there = offer != NOTHING
        rest = self.contexts.pool[context] - OFFERS[np.where(there, offer, 0)]
        return np.where(there, offer_number(rest), NOTHING)

    # ------------------------------------------------------------------ points
    def points(self, state: State) -> np.ndarray:
        """(B, 2) int64: both players' points; 0 without an agreement."""
        allocation = self._allocation(state)
        return np.where(state["agreed"][:, None], self.contexts.scores[state["context"], allocation], 0)

    def _allocation(self, state: State) -> np.ndarray:
        """(B,) the number of the offer that player 0 keeps in the deal; 0 without one."""
        agreed, proposer = state["agreed"], self.to_move(state)  # whoever agreed moved last: it is the proposer's turn
        offer = np.where(agreed, state["offer"][np.arange(len(agreed)), proposer], 0)
        return np.where(proposer == 0, offer, self.left(state["context"], offer))

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        own = self.points(next_state).astype(float)
        if self.rewarded == "joint":
            own[:] = own.mean(1, keepdims=True)
        elif self.rewarded == "fair":
            own = 0.5 * own + 0.5 * own.min(1, keepdims=True)
        rewards: np.ndarray = own / WORTH
        rows = np.flatnonzero(next_state["illegal"])
        rewards[rows, self.to_move(state)[rows]] += ILLEGAL
        return rewards

    def terminal(self, state: State) -> np.ndarray:
        over: np.ndarray = state["agreed"] | (state["moves"] >= self.max_moves)
        return over

    # ------------------------------------------------------------------ infos and transcripts
    def info(self, state: State, player: np.ndarray) -> dict[str, np.ndarray]:
        last = state["history"][np.arange(len(player)), np.maximum(state["moves"] - 1, 0)]
        return {"text": SENTENCES[last]}

    def final_info(self, state: State, player: np.ndarray) -> dict[str, np.ndarray]:
        points, rows = self.points(state).astype(float), np.arange(len(player))
        optimal = self.contexts.pareto[state["context"], self._allocation(state)] & state["agreed"]
        return {
            "agreement": state["agreed"].copy(),
            "own": points[rows, player],
            "partner": points[rows, 1 - player],
            "joint": points.sum(1),
            "pareto": optimal,
        }

    def move_names(self) -> list[str]:
        return [str(sentence) for sentence in SENTENCES[:NUM_ACTIONS]]

    def read_move(self, state: State, text: str) -> list[int]:
        return [spoken_action(text, self.contexts.pool[state["context"][0]])]

    def transcript(self, state: State) -> list[str]:
        games = zip(state["history"], state["moves"].tolist(), strict=True)
        return self.transcript_of(state, [list(SENTENCES[history[:n]]) for history, n in games])

    def transcript_of(self, state: State, utterances: list[list[str]]) -> list[str]:
        """Each game as text, given its utterances."""
        points, over = self.points(state), self.terminal(state)
        return ["\n".join(self._lines(state, i, texts, points[i], bool(over[i]))) for i, texts in enumerate(utterances)]

    def _lines(self, state: State, i: int, utterances: list[str], points: np.ndarray, over: bool) -> list[str]:
        context = state["context"][i]
        lines = [f"pool: {phrase(self.contexts.pool[context])}"]
        for name, values in zip(self.players, self.contexts.values[context].tolist(), strict=True):
            worth = ", ".join(f"{item} {value}" for item, value in zip(TYPES, values, strict=True))
            lines.append(f"{name} values: {worth}")
        for k, text in enumerate(utterances):
            lines.append(f"{self.players[(state['first'][i] + k) % 2]}: {text or '...'}")
        if over and state["agreed"][i]:
            lines.append(f"{self.players[0]} gets {points[0]}, {self.players[1]} gets {points[1]}")
        elif over:
            lines.append("no deal")
        return lines
