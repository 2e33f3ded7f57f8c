"""Writing a sentence token by token: the base class of all text environments."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete

from lhy_rl.core.protocols import SOURCE, SOURCE_MASK, TOKEN, Split, TokenSequences
from lhy_rl.core.trees import State
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.single import SingleEnv


class TextEnv(BatchedEnv):
    """A sentence is an episode, a token an action; the observation is the last token, and a source if there is one.

    The state holds ``token`` (B,), the last token; ``tokens`` (B, T), all so far; ``length`` (B,), their number.
    A subclass adds the reward and its own part of the state.

    Args:
        vocabulary_size: Number of actions.
        observation_size: Number of tokens that can be observed.
        max_length: Longest sentence, in tokens.
        start_token: Observed before the first token.
        end_token: The action that ends a sentence, or None.
        pad_token: Fills ``tokens`` after the end.
        source_length: L, if a sentence answers a source: then the observation is a Dict of the last token and of the
            tokens from :meth:`source`. None: there is no source.
        **base: Arguments of :class:`BatchedEnv`.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 4}
    picture: Box | None = None
    """The space of pictures, if each sentence describes one: the observation is a Dict of the last token and the
    picture from :meth:`source`."""

    def __init__(
        self,
        num_envs: int,
        *,
        vocabulary_size: int,
        observation_size: int,
        max_length: int,
        start_token: int,
        end_token: int | None,
        pad_token: int,
        source_length: int | None = None,
        **base: Any,
    ) -> None:
        space: Any = Discrete(observation_size)
        if source_length is not None:
            space = source_space(observation_size, source_length)
        elif self.picture is not None:
            space = Dict({TOKEN: space, SOURCE: self.picture})
        super().__init__(num_envs, space, Discrete(vocabulary_size), **base)
        self.source_length = source_length
        self.vocabulary_size = vocabulary_size
        self.observation_size = observation_size
        self.max_length = max_length
        self.start_token = start_token
        self.end_token = end_token
        self.pad_token = pad_token

    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {
            "token": np.full(n, self.start_token, np.int64),
            "tokens": np.full((n, self.max_length), self.pad_token, np.int64),
            "length": np.zeros(n, np.int64),
        }

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        tokens = state["tokens"].copy()
        tokens[np.arange(len(action)), state["length"]] = action
        return {"token": action.copy(), "tokens": tokens, "length": state["length"] + 1}

    def observation(self, state: State) -> Any:
        if self.picture is not None:
            return {TOKEN: state["token"], SOURCE: self.source(state)}
        if self.source_length is None:
            return state["token"]
        return source_observation(state["token"], self.source(state), self.pad_token)

    def source(self, state: State) -> np.ndarray:
        """(B, L) the tokens that each sentence answers, padded at the end, or (B, H, W, C) the picture that it
        describes.

        They are the same at every step of an episode.
        """
        raise NotImplementedError

    def terminal(self, state: State) -> np.ndarray:
        full = state["length"] >= self.max_length
        return full if self.end_token is None else full | (state["token"] == self.end_token)

    def frame(self, state: State) -> list[str]:
        return [self.decode(tokens[:length]) for tokens, length in zip(state["tokens"], state["length"], strict=True)]

    def sequences(self, split: Split) -> TokenSequences:
        """The task's sentences; the same at every call."""
        raise NotImplementedError

    def decode(self, tokens: np.ndarray) -> str:
        """One sentence, (T,) token ids, as readable text, up to its end."""
        raise NotImplementedError


def source_space(observation_size: int, source_length: int) -> Dict:
    """The observation space of sentences that answer a source of at most this many tokens."""
    return Dict(
        {
            TOKEN: Discrete(observation_size),
            SOURCE: MultiDiscrete([observation_size] * source_length),
            SOURCE_MASK: Box(0, 1, (source_length,), np.int8),
        }
    )


def source_observation(token: np.ndarray, source: np.ndarray, pad_token: int) -> dict[str, np.ndarray]:
    """The observation of the last tokens (B,) and the sources (B, L)."""
    return {TOKEN: token, SOURCE: source, SOURCE_MASK: (source != pad_token).astype(np.int8)}


class SingleTextEnv(SingleEnv):
    """One sentence at a time; it has the text task's attributes as the batched environment does."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        task = self.batched_env
        assert isinstance(task, TextEnv)
        self.task: TextEnv = task
        self.vocabulary_size = task.vocabulary_size
        self.observation_size = task.observation_size
        self.max_length = task.max_length
        self.start_token = task.start_token
        self.end_token = task.end_token
        self.pad_token = task.pad_token

    def sequences(self, split: Split) -> TokenSequences:
        """The task's sentences; the same at every call."""
        return self.task.sequences(split)

    def decode(self, tokens: np.ndarray) -> str:
        """One sentence, (T,) token ids, as readable text, up to its end."""
        return self.task.decode(tokens)
