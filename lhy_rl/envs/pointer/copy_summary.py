"""``lhy_rl/CopySummary-v0``: reports with names that no vocabulary has, and a headline to write."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.protocols import SPLITS, Split, TokenSequences
from lhy_rl.core.trees import State
from lhy_rl.envs.pointer import reports
from lhy_rl.envs.pointer.reports import END, NAMES, WORDS, Reports
from lhy_rl.envs.text.base import SingleTextEnv, TextEnv
from lhy_rl.functional.rouge import rouge_l

REWARDS = ("rouge", "token")
HELD_OUT = 300  # reports of the validation split and of the test split
FIRST_NAME = len(WORDS)
VOCABULARY = FIRST_NAME + NAMES
START, PAD = VOCABULARY, VOCABULARY + 1


class CopySummary(TextEnv):
    """
    ## Description

    A report tells of one to three events, and its headline is to be written: a template for the most important event,
    with the names from the report. The names are new in every report, and no vocabulary has them (See et al. 2017): a
    network cannot know them and must copy them. The order of importance is fixed, and must be learned.

    > yesterday the firm Dosegu of Viruvu opened a plant in Fozuva . on monday a court in Pisuru freed Sumada after a
    > plea by Zilose .
    >
    > Pisuru : court frees Sumada

    The tokens are 53 words, and 48 numbers that are assigned to a report's names at random, so a number carries no
    meaning. With `unknown_words: 48` a policy reads them as unknown words, which all look alike; then it can
    distinguish them only by copying (`copy: true`).

    ## Action Space

    `Discrete(101)`: the next token. 0 ends the headline, 1 is the unknown word, 2 to 52 are words, 53 and above names.

    ## Observation Space

    A Dict:

    - `token`: `Discrete(103)`, the last token; before the first it is the start token (101).
    - `source`: `MultiDiscrete` of 45 tokens (15 for each of `events`), the report, the same at every step, padded with
      the pad token (102).
    - `source_mask`: `Box` of 0 and 1, where the source is a token and no pad.

    | Num | Token      | Min | Max |
    |-----|------------|-----|-----|
    | 0   | last token | 0   | 102 |

    ## Rewards

    With `reward="rouge"` the headline's ROUGE-L (F, 0 to 1; Lin 2004) against the right one, at its end. With `"token"`
    each token at its right position gets 1/n, with n the number of tokens of the right headline; the best return is 1
    either way. A random agent gets .07 with `"rouge"`.

    `info`, at the end, holds `score`, the ROUGE-L, `names`, the share of the right headline's names that were written,
    `exact`, whether every token is right, and `text`, report and headline in words.

    ## Starting State

    A report of the split is drawn uniformly; no token is written.

    ## Episode End

    1. Termination: the end token (0) is written.
    2. Termination: 9 tokens are written; the end token counts as one.
    3. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `events` | `3` | most events of a report, 1 to 7 |
    | `reports` | `4000` | reports of the training split, 1 to 100,000 |
    | `split` | `"train"` | the split of the reports: `"train"`, `"validation"` or `"test"`; the last two have 300 |
    | `reward` | `"rouge"` | `"rouge"` or `"token"` |
    | `render_mode` | `None` | `"ansi"` gives report and headline as text |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/CopySummary-v0", events=1, render_mode="ansi")
    >>> obs, info = env.reset(seed=3)
    >>> terminated = False
    >>> while not terminated:
    ...     obs, reward, terminated, truncated, info = env.step(int(env.unwrapped.expert_action()[0]))
    >>> print(env.render())
    late on sunday Naruso won the election in Gifuki against Reduvu .
    -> Naruso beats Reduvu in Gifuki
    >>> reward
    1.0

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/CopySummary-v0", num_envs=64)` steps all headlines at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        events: int = 3,
        reports: int = 4000,
        split: str = "train",
        reward: str = "rouge",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.events = validation.integer("events", events, 1, 7)
        self.reports = validation.integer("reports", reports, 1, 100_000)
        self.reward_name = validation.choice("reward", reward, REWARDS)
        self.drawn = _drawn(self.events, self.reports, validation.choice("split", split, SPLITS))
        super().__init__(
            num_envs,
            vocabulary_size=VOCABULARY,
            observation_size=VOCABULARY + 2,
            max_length=self.drawn.headlines.shape[1],
            start_token=START,
            end_token=END,
            pad_token=PAD,
            source_length=self.drawn.sources.shape[1],
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {**super().initial(n, rng), "report": rng.integers(len(self.drawn.lengths), size=n)}

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        return {**super().transition(state, action, rng), "report": state["report"]}

    def source(self, state: State) -> np.ndarray:
        return self.drawn.sources[state["report"]]

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        if self.reward_name == "rouge":
            return np.where(self.terminal(next_state), self._rouge(next_state), 0.0)
        right = self.drawn.headlines[state["report"], state["length"]] == action
        worth: np.ndarray = right / self.drawn.lengths[state["report"]]
        return worth

    def _rouge(self, state: State) -> np.ndarray:
        report = state["report"]
        return rouge_l(state["tokens"], state["length"], self.drawn.headlines[report], self.drawn.lengths[report])

    def final_info(self, state: State) -> dict[str, Any]:
        right = self.drawn.headlines[state["report"]]
        return {
            "score": self._rouge(state),
            "names": names_recalled(state["tokens"], right),
            "exact": (state["tokens"] == right).all(1),
            "text": np.array(self.frame(state), object),
        }

    def expert_action(self) -> np.ndarray:
        """(B,) the right headline's token at this position; after it the end token."""
        if self._state is None:
            self.observe()  # raises if a reset is missing
        assert self._state is not None
        place = np.minimum(self._state["length"], self.max_length - 1)
        token = self.drawn.headlines[self._state["report"], place]
        return np.where(token == PAD, END, token)

    # ------------------------------------------------------------------ words
    def frame(self, state: State) -> list[str]:
        return [
            f"{self._text(self.drawn.sources[report, : self.drawn.source_lengths[report]], report)}\n"
            f"-> {self._text(tokens[:length], report)}"
            for report, tokens, length in zip(state["report"], state["tokens"], state["length"], strict=True)
        ]

    def _text(self, tokens: np.ndarray, report: int) -> str:
        """Tokens in words, with the names of this report."""
        names = self.drawn.names[report]
        words = (WORDS[i] if i < FIRST_NAME else reports.name(int(names[i - FIRST_NAME])) for i in tokens)
        return " ".join(word for word in words if word != WORDS[END])

    def sequences(self, split: Split) -> TokenSequences:
        """The right headlines of this split, each closed by the end token, and their reports as sources.

        Raises:
            UserError: unknown split.
        """
        drawn = _drawn(self.events, self.reports, validation.choice("split", split, SPLITS))
        return TokenSequences(drawn.headlines, drawn.lengths, drawn.sources, drawn.source_lengths)

    def decode(self, tokens: np.ndarray) -> str:
        """One headline, (T,) token ids, as readable text, up to its end; names by their numbers."""
        tokens = np.asarray(tokens)
        ends = np.flatnonzero((tokens == END) | (tokens >= VOCABULARY))
        words = (
            WORDS[i] if i < FIRST_NAME else f"name{i - FIRST_NAME}" for i in tokens[: ends[0] if ends.size else None]
        )
        return " ".join(words)


def names_recalled(written: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(N,) the share of the names in the right headlines (N, T) that occur in the written ones (N, T')."""
    wanted = (right >= FIRST_NAME) & (right < VOCABULARY)
    found = (written[:, None, :] == right[:, :, None]).any(2) & wanted
    share: np.ndarray = found.sum(1) / np.maximum(wanted.sum(1), 1)
    return share


@functools.lru_cache(maxsize=8)
def _drawn(events: int, count: int, split: str) -> Reports:
    """The reports of a split; always the same ones."""
    rng = np.random.default_rng([[*map(str, SPLITS)].index(split), events])
    return reports.draw(count if split == "train" else HELD_OUT, events, PAD, rng)


class CopySummaryEnv(SingleTextEnv):
    __doc__ = CopySummary.__doc__
    batched = CopySummary
