"""Answering questions about past observations: the base classes of the memory environments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete, Space

from lhy_rl.core import validation
from lhy_rl.core.trees import State
from lhy_rl.envs import drawing
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.memory.difficulty import MOST

SUITS = "♠♦♣♥"
"""POPGym's suits, in its order."""


class Recall(BatchedEnv):
    """A row of symbols passes by, one a step, and some steps ask for one of those that have passed.

    The state holds ``symbols`` (B, L) int8, all that is observed in the episode; ``position`` (B,), the place of the
    symbol observed now; ``questions`` (B,), how many the episode asks; ``right`` (B,), how many were answered rightly;
    ``action`` (B,) and ``verdict`` (B,), the last action and +1, -1 or, where nothing was asked, 0. A subclass defines
    the symbols and the questions: :meth:`draw` and :meth:`answer`.

    Args:
        num_actions: Number of symbols that can be asked for.
        names: A character for each symbol that can be observed; if observations are no single symbols, a name per
            answer.
        observation_space: Space of the observations; a symbol if left out.
        **base: Arguments of :class:`BatchedEnv`.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}

    def __init__(
        self,
        num_envs: int,
        *,
        num_actions: int,
        names: Sequence[str],
        observation_space: Space[Any] | None = None,
        **base: Any,
    ) -> None:
        super().__init__(num_envs, observation_space or Discrete(len(names)), Discrete(num_actions), **base)
        self._names = names
        self._instances = np.arange(self.num_envs)

    # ------------------------------------------------------------------ what a subclass defines
    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """(n, L, ...) int8 symbols of n new episodes, and (n,) how many questions each asks."""
        raise NotImplementedError

    def answer(self, state: State) -> np.ndarray:
        """(B,) the right action in these states; -1 where nothing is asked."""
        raise NotImplementedError

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        return self.begin(*self.draw(n, rng))

    def begin(self, symbols: np.ndarray, questions: np.ndarray) -> State:
        """The first states of episodes with these symbols, (n, L), and these numbers of questions, (n,)."""
        n = len(symbols)
        return {
            "symbols": symbols,
            "position": np.zeros(n, np.int64),
            "questions": questions,
            "right": np.zeros(n, np.int64),
            "action": np.full(n, -1, np.int64),
            "verdict": np.zeros(n, np.int64),
        }

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        answer = self.answer(state)
        right = action == answer
        return {
            **state,
            "position": state["position"] + 1,
            "right": state["right"] + right,
            "action": action,
            "verdict": (2 * right - 1) * (answer >= 0),
        }

    def observation(self, state: State) -> np.ndarray:
        return self.symbols_at(state, state["position"]).astype(np.int64)

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        return next_state["verdict"] / next_state["questions"]

    def terminal(self, state: State) -> np.ndarray:
        last: np.ndarray = state["position"] == state["symbols"].shape[1] - 1
        return last

    def final_info(self, state: State) -> dict[str, Any]:
        return {"accuracy": state["right"] / state["questions"]}

    def expert_action(self) -> np.ndarray:
        """(B,) the right actions in the present states, 0 where nothing is asked; see ``ScriptedExpert``."""
        answer: np.ndarray = np.maximum(self.answer(self.snapshot()["state"]), 0)
        return answer.astype(np.int64)

    def symbols_at(self, state: State, place: np.ndarray) -> np.ndarray:
        """(B, ...) the symbols at these places."""
        symbols = state["symbols"]
        found: np.ndarray = symbols[self._instances[: len(symbols)], place]
        return found

    # ------------------------------------------------------------------ pictures
    def frame(self, state: State) -> list[Any]:
        rows = zip(state["symbols"], state["position"], state["action"], state["verdict"], strict=True)
        return [self._text(*row) if self.render_mode == "ansi" else self._picture(*row) for row in rows]

    def _text(self, symbols: np.ndarray, position: int, action: int, verdict: int) -> str:
        """The step, the last symbols seen, the last action and whether it was right."""
        history = "".join(self._names[s] for s in symbols[max(0, position - 39) : position + 1])
        outcome = f", action {self._names[action]} {('not asked', 'right', 'wrong')[verdict]}" if action >= 0 else ""
        return f"step {position} of {len(symbols) - 1}: {'…' if position > 39 else ''}{history}{outcome}"

    def cards(self) -> list[drawing.Card]:
        """The card of each symbol: letters on colours; symbols that are no answers, such as the delimiter, on grey."""
        count = int(self.single_action_space.n)  # type: ignore[attr-defined]
        letters = zip(self._names, drawing.palette(count).tolist(), strict=False)
        made = [drawing.Card(name, (r, g, b), drawing.BLACK) for name, (r, g, b) in letters]
        others = self._names[count:]
        greys = np.linspace((220, 220, 226), (90, 90, 96), max(2, len(others))).astype(int).tolist()
        return made + [
            drawing.Card(name, (r, g, b), drawing.BLACK) for name, (r, g, b) in zip(others, greys, strict=False)
        ]

    def _picture(self, symbols: np.ndarray, position: int, action: int, verdict: int) -> np.ndarray:
        """The symbols seen so far; below, the present one and the last action, framed green if right, red if wrong."""
        looks = self.cards()
        picture = drawing.blank()
        drawing.cards(picture, [looks[symbol] for symbol in symbols.tolist()], position + 1)
        drawing.paste(picture, drawing.card_picture(looks[symbols[position]], 76, 96), 282, 90)
        drawing.label(picture, "seen now", 380, 128, 14)
        if action >= 0:
            frame = (drawing.EMPTY, drawing.RIGHT, drawing.WRONG)[verdict]
            drawing.paste(picture, drawing.card_picture(looks[action], 76, 96, frame), 282, 234)
            words = ("not asked", "right", "wrong")[verdict]
            drawing.label(picture, f"last answer: {words}", 380, 272, 14)
        return picture


class CardRecall(Recall):
    """Shuffled decks of cards of four suits are dealt, a card a step; the suits are the symbols.

    Args:
        num_decks: Decks shuffled together.
        num_ranks: Cards of each suit in a deck.
        **base: Arguments of :class:`BatchedEnv`.
    """

    def __init__(self, num_envs: int, *, num_decks: int, num_ranks: int, **base: Any) -> None:
        super().__init__(num_envs, num_actions=4, names=SUITS, **base)
        copies = validation.integer("num_decks", num_decks, 1) * validation.integer("num_ranks", num_ranks, 1, MOST)
        self.num_cards = 4 * copies
        self.num_questions = self.num_cards - 1  # in every episode; a subclass may ask fewer

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        decks = np.tile(np.arange(4, dtype=np.int8), (n, self.num_cards // 4))
        return rng.permuted(decks, axis=1), np.full(n, self.num_questions)

    def cards(self) -> list[drawing.Card]:
        """Playing cards."""
        inks = (drawing.BLACK, drawing.RED, drawing.BLACK, drawing.RED)
        return [drawing.Card(suit, drawing.PAPER, ink) for suit, ink in zip(SUITS, inks, strict=True)]
