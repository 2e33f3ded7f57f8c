"""Protocols between environments and agents beyond Gymnasium's. Neither side imports the other; both import this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
ACTION_MASK = "action_mask"
"""Key of a Dict observation or of an info that marks the legal actions; no encoder reads it."""
TOKEN = "token"
"""Key of a text task's Dict observation: the previous token."""
SOURCE = "source"
"""Key of a Dict observation: the subject of the episode (L, ...), the same at every step. A policy reads it once, at
the start."""
SOURCE_MASK = "source_mask"
"""Key of a Dict observation: (L,), 1 where the source is real and 0 where it is padded."""


@dataclass(frozen=True)
class TokenSequences:
    """Sentences as token ids.

    Attributes:
        tokens: (N, T) int64, padded after each sentence's end with the task's pad token.
        lengths: (N,) int64, tokens per sentence, including the end token if the task has one.
        sources: (N, L) int64, the tokens that each sentence answers to, padded with the pad token; None without
            sources. If a source has several turns, each ends with the end token. Or (N, H, W, C), the picture that each
            sentence describes.
        source_lengths: (N,) int64, tokens per source; None for pictures.
    """

    tokens: np.ndarray
    lengths: np.ndarray
    sources: np.ndarray | None = None
    source_lengths: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def __repr__(self) -> str:
        return f"<TokenSequences: {len(self):,} sentences, {int(self.lengths.sum()):,} tokens>"

    def __getitem__(self, index: Any) -> TokenSequences:
        return TokenSequences(
            self.tokens[index],
            self.lengths[index],
            None if self.sources is None else self.sources[index],
            None if self.source_lengths is None else self.source_lengths[index],
        )

    @property
    def mask(self) -> np.ndarray:
        """(N, T) bool: true where a token belongs to its sentence."""
        return np.arange(self.tokens.shape[1]) < self.lengths[:, None]

    @property
    def source_mask(self) -> np.ndarray | None:
        """(N, L) bool: true where a token belongs to its source; None without sources and for pictures."""
        if self.sources is None or self.source_lengths is None:
            return None
        return np.arange(self.sources.shape[1]) < self.source_lengths[:, None]


@dataclass(frozen=True)
class Samples:
    """Training data of a generator: real samples, and conditions.

    Attributes:
        samples: (M, ...) real samples, in the task's action space.
        conditions: (N, ...) conditions of samples, in the task's observation space; None without conditions.
        paired: Whether sample i belongs to condition i; else the two are unrelated.
        condition_labels: (N,) int64 classes of the conditions, if known. They are not observed.
        sample_labels: (M,) int64 classes of the samples.
    """

    samples: np.ndarray
    conditions: np.ndarray | None = None
    paired: bool = False
    condition_labels: np.ndarray | None = None
    sample_labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        conditions = 0 if self.conditions is None else len(self.conditions)
        return f"<Samples: {len(self):,} samples, {conditions:,} conditions, {'' if self.paired else 'not '}paired>"


@runtime_checkable
class Snapshot(Protocol):
    """An environment whose state can be saved and restored."""

    def snapshot(self, indices: np.ndarray | None = None) -> dict[str, Any]: ...

    def restore(self, snapshot: dict[str, Any], indices: np.ndarray | None = None) -> None: ...


@runtime_checkable
class ScriptedExpert(Protocol):
    """An environment with an expert of its own, which sees the whole state, not only the observation."""

    def expert_action(self) -> np.ndarray:
        """The expert's actions (B, ...) in the current states of all instances; the states are not changed."""
        ...


@runtime_checkable
class Tabular(Protocol):
    """An environment given by its transition probabilities; an observation is the index of a state, 0 to S - 1.

    The reward of a step is that of the state that it leads to.

    Attributes:
        transitions: (S, A, S) probabilities of the next state. Rows of terminal states are 0.
        features: (S, F) features of the states.
        state_rewards: (S,) the true reward of entering a state.
        starts: (S,) probabilities of the initial state.
        max_episode_steps: T, after which an episode is truncated; None without a time limit.
    """

    transitions: np.ndarray
    features: np.ndarray
    state_rewards: np.ndarray
    starts: np.ndarray
    max_episode_steps: int | None


@runtime_checkable
class TextTask(Protocol):
    """An environment in which a sentence is written token by token: actions are tokens, an episode is a sentence.

    The observation is the previous token. If sentences have sources, it is a Dict: ``token``, and under :data:`SOURCE`
    and :data:`SOURCE_MASK` the text that the sentence answers to, the same at every step; or under :data:`SOURCE` alone
    the picture that it describes.

    Attributes:
        vocabulary_size: Number of actions: the words, and the end and unknown tokens if the task has them.
        observation_size: Number of token ids that can be observed, start and pad included.
        max_length: Longest sentence, in tokens.
        start_token: The observation before the first token.
        end_token: The action that ends a sentence; None if all sentences have ``max_length`` tokens.
        pad_token: The padding after the ends of the sentences in a batch.
    """

    vocabulary_size: int
    observation_size: int
    max_length: int
    start_token: int
    end_token: int | None
    pad_token: int

    def sequences(self, split: Split) -> TokenSequences:
        """The task's sentences; the same at every call."""
        ...

    def decode(self, tokens: np.ndarray) -> str:
        """One sentence, (T,) token ids, as readable text."""
        ...


@runtime_checkable
class DrawnText(TextTask, Protocol):
    """A text task whose sentences are pictures, which a report shows instead of their tokens."""

    def picture_of(self, tokens: np.ndarray) -> np.ndarray:
        """One sentence, (T,) token ids, as a picture (H, W, 3) uint8."""
        ...


@runtime_checkable
class SampleTask(Protocol):
    """An environment whose action is a sample: a picture, a point. An episode is one step.

    The observation is the sample's condition. A generator is a policy there, and may be trained by gradients through
    the action.
    """

    def samples(self, split: Split) -> Samples:
        """Real samples and conditions; the same at every call."""
        ...


@runtime_checkable
class Conversational(TextTask, Protocol):
    """A text task whose sentences are replies, so that a person can talk with a policy of it."""

    def answered(self, turns: Sequence[str]) -> TokenSequences:
        """The last turns of a conversation, the newest last, as the source (1, L) of a sentence not yet written."""
        ...

    def known_words(self, text: str) -> tuple[list[str], list[str]]:
        """The words of a text without punctuation: those in the vocabulary, and those outside it."""
        ...


@runtime_checkable
class ReplyScorer(Protocol):
    """Frozen models of how probable a reply is, which an agent gives to an environment."""

    def forward(self, pairs: TokenSequences) -> np.ndarray:
        """(N,) log p(reply | source) in nats, including the end token."""
        ...

    def backward(self, pairs: TokenSequences) -> np.ndarray:
        """(N,) log p(last turn of the source | reply) in nats, including the end token."""
        ...

    def similarity(self, first: TokenSequences, second: TokenSequences) -> np.ndarray:
        """(N,) cosine similarity of two utterances' representations, -1 to 1."""
        ...


@runtime_checkable
class KnownDensity(Protocol):
    """A text task whose true distribution is known."""

    def log_likelihood(self, tokens: np.ndarray) -> np.ndarray:
        """(N, T) token ids to (N,) true log-likelihoods in nats."""
        ...


@runtime_checkable
class Phased(Protocol):
    """A vector environment whose episodes all have the same length, so that its instances would end together."""

    def stagger(self) -> None:
        """End the instances' next episodes at different times, so that a learner sees all phases at once."""
        ...
