"""``lhy_rl/OracleText-v0``: the synthetic language of SeqGAN, with exact likelihoods."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import Split, TokenSequences
from lhy_rl.core.trees import State
from lhy_rl.envs.text.base import SingleTextEnv, TextEnv
from lhy_rl.envs.text.oracle_lstm import OracleLSTM

REWARDS = ("likelihood", "final", "none")
SPLITS = ("train", "validation", "test")


class OracleText(TextEnv):
    """
    ## Description

    Write sentences of the language of a random LSTM. The LSTM (the *oracle*) has weights drawn from N(0, 1) and
    gives every sentence an exact probability, so that a generator can be measured exactly: the task of the
    SeqGAN paper (Yu et al. 2017, section 4.1). All sentences have the same length; there is no end token. With few
    words everything can be enumerated: `oracle.enumerate(max_length)` gives all sentences, their probabilities and the
    optimal values.

    Levels on the paper's own oracle, in nats a token at length 20: its entropy 5.75, uniformly drawn tokens 11.44,
    always the most probable token 2.76.

    ## Action Space

    `Discrete(5000)`: the next token, 0 to `vocabulary_size` - 1.

    ## Observation Space

    `Discrete(5000)`: the last token; before the first it is the start token 0, which is an ordinary token too, as in
    the paper.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | last token  | 0   | 4999 |

    The observation alone does not tell the oracle's state: a policy needs memory.

    ## Rewards

    - `reward="likelihood"`: log p(token | tokens before it) under the oracle, in nats, at every step; an episode's
      return is the sentence's true log-likelihood.
    - `reward="final"`: the same sum, at the last step only; 0 before it.
    - `reward="none"`: 0, for agents that bring their own reward (SeqGAN's is a discriminator).

    At the end `info["log_likelihood"]` holds the sentence's true log-likelihood, whatever the reward.

    ## Starting State

    No token written, the start token observed. Nothing is random: the reset's seed changes nothing.

    ## Episode End

    1. Termination: 20 tokens (`max_length`) are written.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `vocabulary_size` | `5000` | number of tokens, at least 2 |
    | `max_length` | `20` | tokens of every sentence, at least 1 |
    | `hidden_size` | `32` | the oracle's state, at least 1 |
    | `embedding_size` | `32` | the oracle's embedding, at least 1 |
    | `oracle_seed` | `0` | draws the oracle's weights, at least 0 |
    | `oracle_path` | `None` | a `.npz` file of the oracle's 15 arrays, in place of drawn weights; sizes must agree |
    | `reward` | `"likelihood"` | `"likelihood"`, `"final"` or `"none"` |
    | `data_seed` | `0` | draws the sentences that `sequences(split)` gives, at least 0 |
    | `train_size` | `10000` | sentences in `sequences("train")`, at least 1 |
    | `validation_size` | `2000` | sentences in `sequences("validation")`, at least 1 |
    | `test_size` | `2000` | sentences in `sequences("test")`, at least 1 |
    | `render_mode` | `None` | `"ansi"` gives the sentence so far as text |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/OracleText-v0", vocabulary_size=10, max_length=5)
    >>> env.action_space
    Discrete(10)
    >>> env.unwrapped.sequences("test").tokens.shape
    (2000, 5)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/OracleText-v0", num_envs=64)` steps all sentences at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`. A sentence's rewards are the same, bit for
    bit, in a batch of any size.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        vocabulary_size: int = 5000,
        max_length: int = 20,
        hidden_size: int = 32,
        embedding_size: int = 32,
        oracle_seed: int = 0,
        oracle_path: str | None = None,
        reward: str = "likelihood",
        data_seed: int = 0,
        train_size: int = 10_000,
        validation_size: int = 2_000,
        test_size: int = 2_000,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        vocabulary_size = validation.integer("vocabulary_size", vocabulary_size, 2)
        sizes = (
            vocabulary_size,
            validation.integer("embedding_size", embedding_size, 1),
            validation.integer("hidden_size", hidden_size, 1),
        )
        super().__init__(
            num_envs,
            vocabulary_size=vocabulary_size,
            observation_size=vocabulary_size,
            max_length=validation.integer("max_length", max_length, 1),
            start_token=0,
            end_token=None,
            pad_token=vocabulary_size,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )
        self.reward_name = validation.choice("reward", reward, REWARDS)
        self._sizes = {
            "train": validation.integer("train_size", train_size, 1),
            "validation": validation.integer("validation_size", validation_size, 1),
            "test": validation.integer("test_size", test_size, 1),
        }
        oracle_seed = validation.integer("oracle_seed", oracle_seed, 0)
        self._data_seed = validation.integer("data_seed", data_seed, 0)
        self._sequences: dict[str, TokenSequences] = {}
        self.oracle = OracleLSTM.from_seed(*sizes, oracle_seed) if oracle_path is None else _file(oracle_path, sizes)

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        state = super().initial(n, rng)
        state["h"] = np.zeros((n, self.oracle.hidden_size), np.float32)  # the oracle's state, before `token` is read
        state["c"] = np.zeros((n, self.oracle.hidden_size), np.float32)
        state["token_log_likelihood"] = np.zeros(n)
        state["log_likelihood"] = np.zeros(n)
        return state

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        log_prob, h, c = self.oracle.step(state["token"], action, state["h"], state["c"])
        return {
            **super().transition(state, action, rng),
            "h": h,
            "c": c,
            "token_log_likelihood": log_prob,
            "log_likelihood": state["log_likelihood"] + log_prob,
        }

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        if self.reward_name == "likelihood":
            return next_state["token_log_likelihood"]
        if self.reward_name == "final":
            return np.where(self.terminal(next_state), next_state["log_likelihood"], 0.0)
        return np.zeros(len(action))

    def final_info(self, state: State) -> dict[str, Any]:
        return {"log_likelihood": state["log_likelihood"]}

    # ------------------------------------------------------------------ the text task
    def sequences(self, split: Split) -> TokenSequences:
        """Sentences sampled from the oracle, on the first call.

        Raises:
            UserError: unknown split.
        """
        validation.choice("split", split, SPLITS)
        if split not in self._sequences:
            seed = np.random.SeedSequence([self._data_seed, SPLITS.index(split)]).generate_state(1, np.uint64)[0]
            generator = torch.Generator().manual_seed(int(seed >> np.uint64(1)))
            n = self._sizes[split]
            tokens = self.oracle.sample(n, self.max_length, generator).numpy()
            self._sequences[split] = TokenSequences(tokens, np.full(n, self.max_length, np.int64))
        return self._sequences[split]

    def decode(self, tokens: np.ndarray) -> str:
        """The tokens' numbers: this language has no words."""
        return " ".join(str(token) for token in np.asarray(tokens).tolist() if token != self.pad_token)

    def log_likelihood(self, tokens: np.ndarray) -> np.ndarray:
        """(N, T) token ids to (N,) true log-likelihoods, in nats.

        Raises:
            UserError: not an (N, T) array of tokens of the vocabulary.
        """
        array = np.asarray(tokens)
        if array.ndim != 2 or array.dtype.kind not in "iu":
            raise UserError(f"tokens are {array.dtype} of shape {array.shape}; must be whole numbers of shape (N, T)")
        if array.size and (array.min() < 0 or array.max() >= self.vocabulary_size):
            raise UserError(f"tokens must lie in 0 to {self.vocabulary_size - 1}; got {array.min()} to {array.max()}")
        log_probs = self.oracle.token_log_probs(torch.from_numpy(array.astype(np.int64)))
        return log_probs.double().sum(-1).numpy()


class OracleTextEnv(SingleTextEnv):
    __doc__ = OracleText.__doc__
    batched = OracleText

    def log_likelihood(self, tokens: np.ndarray) -> np.ndarray:
        """(N, T) token ids to (N,) true log-likelihoods, in nats."""
        assert isinstance(self.task, OracleText)
        return self.task.log_likelihood(tokens)


def _file(path: str, sizes: tuple[int, int, int]) -> OracleLSTM:
    """Load an oracle from a file, after checking its sizes."""
    oracle = OracleLSTM.from_file(validation.place("oracle_path", path))
    found = (oracle.vocabulary_size, oracle.embedding_size, oracle.hidden_size)
    if found != sizes:
        names = ("vocabulary_size", "embedding_size", "hidden_size")
        wanted = ", ".join(f"{name}={value}" for name, value in zip(names, found, strict=True))
        raise UserError(f"oracle_path {str(path)!r} holds an oracle of other sizes; give {wanted}")
    return oracle
