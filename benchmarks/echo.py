"""A text task with a source, so small that it is learned in seconds: write the source's words again, or backwards, or
each one's translation."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete

from lhy_rl.core.protocols import SOURCE, SOURCE_MASK, TOKEN, Split, TokenSequences
from lhy_rl.core.trees import State
from lhy_rl.envs.base import BatchedEnv

SENTENCES = {"train": 2000, "validation": 200, "test": 200}


class Echo(BatchedEnv):
    """Token 0 ends a sentence, 1 to ``words`` are words; a right token has reward 1 / (words of the source + 1).

    Args:
        words: W, number of words.
        longest: Length of the longest source, in words.
        shortest: Length of the shortest source.
        backwards: Whether the words are written from the last to the first.
        new_words: Number of words that occur in no training sentence; each test and validation sentence has one.
        learned: Length of the longest training and validation sentences; all test sentences then have ``longest``.
        translated: Whether each word is replaced by another one, always the same.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 4}

    def __init__(
        self,
        num_envs: int = 1,
        words: int = 8,
        longest: int = 5,
        shortest: int = 1,
        backwards: bool = True,
        new_words: int = 0,
        learned: int | None = None,
        translated: bool = False,
        **options: Any,
    ) -> None:
        self.words, self.longest, self.shortest, self.learned = words, longest, shortest, learned
        self.backwards, self.new_words = backwards, new_words
        self.dictionary = np.arange(words + 3)  # (tokens,) the translation of each
        if translated:
            self.dictionary[1 : words + 1] = 1 + np.random.default_rng(words).permutation(words)
        self.vocabulary_size, self.observation_size = words + 1, words + 3
        self.max_length, self.start_token, self.end_token, self.pad_token = longest + 1, words + 1, 0, words + 2
        observed = {
            TOKEN: Discrete(self.observation_size),
            SOURCE: MultiDiscrete(np.full(longest, self.observation_size)),
            SOURCE_MASK: Box(0, 1, (longest,), np.int8),
        }
        super().__init__(num_envs, Dict(observed), Discrete(self.vocabulary_size), **options)

    def sources(
        self, n: int, rng: np.random.Generator, known: int, shortest: int, longest: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw (N, L) words below ``known`` and (N,) lengths."""
        lengths = rng.integers(shortest, longest + 1, n)
        tokens = rng.integers(1, known + 1, (n, self.longest))
        return np.where(np.arange(self.longest) < lengths[:, None], tokens, self.pad_token), lengths

    def targets(self, sources: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return (N, L + 1) the right answers, padded after the end token."""
        place = np.arange(self.longest)
        order = np.where(place < lengths[:, None], lengths[:, None] - 1 - place, place) if self.backwards else place
        words = self.dictionary[np.take_along_axis(sources, np.broadcast_to(order, sources.shape), 1)]
        right = np.concatenate([words, np.full((len(words), 1), self.pad_token)], 1)
        right[np.arange(len(right)), lengths] = self.end_token
        return right

    def initial(self, n: int, rng: np.random.Generator) -> State:
        sources, lengths = self.sources(n, rng, self.words, self.shortest, self.longest)
        start = np.full(n, self.start_token)
        return {"source": sources, "source_length": lengths, "token": start, "length": np.zeros(n, np.int64)}

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        return {**state, "token": action.copy(), "length": state["length"] + 1}

    def observation(self, state: State) -> dict[str, np.ndarray]:
        mask = np.arange(self.longest) < state["source_length"][:, None]
        return {SOURCE: state["source"], SOURCE_MASK: mask.astype(np.int8), TOKEN: state["token"]}

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        right = self.targets(state["source"], state["source_length"])
        return (right[np.arange(len(action)), state["length"]] == action) / (state["source_length"] + 1.0)

    def terminal(self, state: State) -> np.ndarray:
        return (state["length"] >= self.max_length) | (state["token"] == self.end_token) & (state["length"] > 0)

    def sequences(self, split: Split) -> TokenSequences:
        rng, n = np.random.default_rng(list(SENTENCES).index(split)), SENTENCES[split]
        known = self.words - self.new_words
        shortest, longest = self.shortest, self.longest
        if self.learned is not None:
            shortest, longest = (longest, longest) if split == "test" else (shortest, self.learned)
        sources, lengths = self.sources(n, rng, known, shortest, longest)
        if self.new_words and split != "train":
            place = rng.integers(0, lengths)
            sources[np.arange(n), place] = rng.integers(known + 1, self.words + 1, n)
        return TokenSequences(self.targets(sources, lengths), lengths + 1, sources, lengths)

    def decode(self, tokens: np.ndarray) -> str:
        tokens = np.asarray(tokens)
        ends = np.flatnonzero(tokens == self.end_token)
        return " ".join(map(str, tokens[: ends[0]] if ends.size else tokens))
