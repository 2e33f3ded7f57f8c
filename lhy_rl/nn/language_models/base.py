"""The base class of language models: the probability of each token of a sentence, given those before it.

    log p(x_1 ... x_T) = sum_t log p(x_t | x_1 ... x_t-1)

A model learns from sentences (:meth:`LanguageModel.fit`) and scores others. Its scores are a measure of fluency, a
reward for a generator (:mod:`lhy_rl.agents.rewards.fluency`), and their mean over held-out text gives its perplexity.
"""

from __future__ import annotations

import inspect
import math
import os
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.core.registry import Registry, names_from_a_file, place_of
from lhy_rl.core.saved_states import fitting
from lhy_rl.core.signatures import option_sources
from lhy_rl.core.validation import integer

language_models = Registry(
    "language_model",
    {
        "ngram": "lhy_rl.nn.language_models.ngram:NGramModel",
        "neural": "lhy_rl.nn.language_models.neural:NeuralModel",
        "rnn": "lhy_rl.nn.language_models.rnn:RecurrentModel",
    },
)

KIND = "language model"  # the kind of archive that it is saved in


class LanguageModel(ABC):
    """Base class, made as ``X(vocabulary_size, ...)``; a subclass implements :meth:`fit`, :meth:`score` and its state.

    Tokens are 0 to V - 1, including the end token if sentences have one; each model has its own start token. Every
    argument of the constructor must be kept as an attribute of the same name, from which a model is saved.

    Args:
        vocabulary_size: V, number of tokens that may come next: ``task.vocabulary_size`` of a text task.
    """

    def __init__(self, vocabulary_size: int) -> None:
        self.vocabulary_size = integer("vocabulary_size", vocabulary_size, 1)

    @abstractmethod
    def fit(self, sequences: TokenSequences, validation: TokenSequences | None = None) -> Self:
        """Fit the model to sentences, from scratch.

        Args:
            sequences: The training sentences.
            validation: Sentences by which a model trained in epochs chooses when to stop.

        Raises:
            UserError: There is no sentence, or a token is not in the vocabulary.
        """

    @abstractmethod
    def score(self, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """As :meth:`log_probs`, for sentences that were checked before, none of them empty."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """The learned state: a tree of arrays, tensors and plain values."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a learned state.

        Raises:
            UserError: It does not come from a model with these options.
        """

    def log_probs(self, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Log-probability in nats of each token given those before it.

        Args:
            tokens: (N, T) token ids; values after the ends are ignored.
            lengths: (N,) number of tokens of each sentence, 0 to T.

        Returns:
            (N, T) float64, 0 after the ends.

        Raises:
            UserError: The shapes differ, or a token is not in the vocabulary.
        """
        tokens, lengths = self.checked(tokens, lengths)
        result, some = np.zeros(tokens.shape), lengths > 0
        if some.any():
            result[some] = self.score(tokens[some], lengths[some])
        return result

    def perplexity(self, sequences: TokenSequences) -> float:
        """exp of the mean negative log-probability of a token, end tokens included.

        Raises:
            UserError: There is no token, or one is not in the vocabulary.
        """
        number = int(np.sum(sequences.lengths))
        if not number:
            raise UserError("the perplexity needs at least one sentence; none was given")
        return math.exp(-float(self.log_probs(sequences.tokens, sequences.lengths).sum()) / number)

    def checked(self, tokens: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tokens (N, T), 0 after the ends, and lengths (N,) as int64.

        Raises:
            UserError: The shapes differ, or a token is not in the vocabulary.
        """
        tokens, lengths = np.asarray(tokens), np.asarray(lengths)
        whole = tokens.dtype.kind in "iu" and lengths.dtype.kind in "iu"
        if not whole or tokens.ndim != 2 or lengths.shape != tokens.shape[:1]:
            raise UserError(
                f"tokens are {tokens.dtype} of shape {tokens.shape}, lengths {lengths.dtype} of shape {lengths.shape}; "
                "they must be whole numbers (N, T) and (N,)"
            )
        if len(lengths) and not (lengths.min() >= 0 and lengths.max() <= tokens.shape[1]):
            raise UserError(f"lengths go from {lengths.min()} to {lengths.max()}; allowed: 0 to {tokens.shape[1]}")
        tokens = np.where(np.arange(tokens.shape[1]) < lengths[:, None], tokens, 0).astype(np.int64)
        if tokens.size and not (tokens.min() >= 0 and tokens.max() < self.vocabulary_size):
            odd = tokens.min() if tokens.min() < 0 else tokens.max()
            raise UserError(f"token {odd} is not in the vocabulary; allowed: 0 to {self.vocabulary_size - 1}")
        return tokens, lengths.astype(np.int64)

    def training_sentences(self, sequences: TokenSequences) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`checked`, for training sentences, with empty ones left out.

        Raises:
            UserError: There is none.
        """
        if not np.sum(sequences.lengths):
            raise UserError(f"{type(self).__name__} has no sentence to learn from; give at least one")
        tokens, lengths = self.checked(sequences.tokens, sequences.lengths)
        return tokens[lengths > 0], lengths[lengths > 0]

    # ------------------------------------------------------------------ its file
    @property
    def options(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        sources = [inspect.signature(source.__init__).parameters for source in option_sources(type(self))]  # type: ignore[misc]
        names = {name: p for parameters in reversed(sources) for name, p in parameters.items() if name != "self"}
        return {name: getattr(self, name) for name, p in names.items() if p.kind is not p.VAR_KEYWORD}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the model to a file, JSON and safetensors in a zip; ``.zip`` is added to a path without a suffix.

        Raises:
            OSError: The file cannot be written.
        """
        own = [name for name in language_models if language_models.place(name) == place_of(type(self))]
        name = own[0] if own else place_of(type(self))
        tree = {"kind": KIND, "name": name, "options": self.options, "state": self.state_dict()}
        archive.write(archive.zipped(path), tree)

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{type(self).__name__}({options})"


def load_language_model(path: str | os.PathLike[str], kind: type[LanguageModel] | None = None) -> LanguageModel:
    """The model that :meth:`LanguageModel.save` wrote; nothing is unpickled, and the file names no module to import.

    Args:
        kind: The class, if it is a custom one.

    Raises:
        UserError: There is no such file, or it holds no language model.
    """
    path = archive.zipped(path)
    tree = archive.read(path)
    if not isinstance(tree, dict) or tree.get("kind") != KIND:
        raise UserError(f"{str(path)!r} holds no language model")
    with fitting(f"{str(path)!r} is not a language model of this version of lhy_rl"), names_from_a_file():
        made = kind or language_models.choose(tree["name"], LanguageModel)
        model: LanguageModel = made(**tree["options"])
        model.load_state_dict(tree["state"])
    return model


def make_language_model(given: Any, vocabulary_size: int, **options: Any) -> LanguageModel:
    """A language model: the given one, a new one by name or class (untrained), or one from a file.

    Args:
        given: A :class:`LanguageModel`, its class, a name of :data:`language_models`, ``module:Class`` or a ``.zip``.
        vocabulary_size: V that it must have.
        **options: Options of the constructor, for a new one.

    Raises:
        UserError: The name is unknown, or the vocabulary has another size.
    """
    if isinstance(given, os.PathLike) or str(given).endswith(".zip"):
        given = load_language_model(given)
    if not isinstance(given, LanguageModel):
        if not isinstance(given, str | type):
            raise UserError(
                f"language_model is {brief(given)}; allowed: a LanguageModel, its module:Class, a .zip, or a name: "
                f"{', '.join(language_models.names())}"
            )
        return language_models.choose(given, LanguageModel)(vocabulary_size, **options)  # type: ignore[no-any-return]
    if given.vocabulary_size != vocabulary_size:
        raise UserError(
            f"the language model has a vocabulary of {given.vocabulary_size}, and the text one of {vocabulary_size}; "
            "fit one on this text"
        )
    return given
