"""``lhy_rl/CorpusText-v0``: sentences of a real corpus, rewarded at their end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.protocols import Split, TokenSequences
from lhy_rl.core.trees import State, take
from lhy_rl.data import SentenceData
from lhy_rl.data.tokenizer import KINDS
from lhy_rl.envs.text.base import SingleTextEnv, TextEnv

if TYPE_CHECKING:
    from lhy_rl.functional.text_metrics import BleuScorer

REWARDS = ("bleu", "none")
SPLITS = ("train", "validation", "test")


class CorpusText(TextEnv):
    """
    ## Description

    Write sentences like those of a corpus: conversations between people that come with a package, or any UTF-8 text
    file with one sentence a line. The conversations are dealt to a training, a validation and a test split; no sentence
    is in two of them, also not with other capitals or punctuation. The vocabulary is built from the training
    sentences; rarer words are the unknown token.
    `env.unwrapped.data.describe()` says how many sentences there are and what was left out.

    | Corpus | What it is |
    |--------|------------|
    | `"chitchat"` | 4,018 conversations between two people (chitchat-dataset, MIT) |
    | `"chatterbot-english"` | 2,026 short question-and-answer dialogues (chatterbot-corpus, BSD) |
    | `"chatterbot-chinese"` | 467 of the same kind in Chinese, by character |
    | a path | the user's own text file |

    ## Action Space

    `Discrete(5000)`: the next token. 0 ends the sentence, 1 is the unknown word, 2 and above are words, the frequent
    ones first. The number is `vocabulary_size`, or less where the training text has fewer words.

    ## Observation Space

    `Discrete(5002)`: the last token; before the first it is the start token, whose number is that of the actions
    (5000). The next number (5001) pads sentences after their ends and is never observed.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | last token  | 0   | 5001 |

    The observation alone does not tell the sentence: a policy needs memory.

    ## Rewards

    - `reward="bleu"`: at the sentence's end its BLEU, 0 to 1, of n-grams up to `bleu_order`, smoothed (Chen and Cherry
      2014, method 1), with all training sentences as references; 0 before the end. At the end also in `info["bleu"]`.
    - `reward="none"`: 0, for agents that bring their own reward (SeqGAN's is a discriminator).

    ## Starting State

    No token written, the start token observed. Nothing is random: the reset's seed changes nothing.

    ## Episode End

    1. Termination: the end token (0) is written.
    2. Termination: 20 tokens (`max_length`) are written; the end token counts as one.
    3. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `corpus` | `"chitchat"` | a name of the table above, or a path |
    | `tokenizer` | `None` | `"word"`, `"character"` or `"space"`; None takes what suits the corpus |
    | `max_length` | `20` | most tokens of a sentence, the end token among them, 2 to 10,000; longer ones are left out |
    | `min_length` | `1` | fewest words of a sentence, 1 to `max_length` - 1; shorter ones are left out |
    | `vocabulary_size` | `5000` | most actions: end, unknown and words, at least 3; None takes all words |
    | `min_count` | `1` | words that occur less often in training are unknown; at least 1 |
    | `drop_unknown` | `False` | leave out sentences with unknown words |
    | `unique` | `True` | keep a sentence only once in a split, however often it occurs |
    | `conversations` | `None` | use only this many, at least 3, drawn with `split_seed`; None uses all |
    | `split_seed` | `0` | deals the conversations to the splits |
    | `reward` | `"bleu"` | `"bleu"` or `"none"` |
    | `bleu_order` | `4` | longest n-grams that BLEU counts, 1 to 4 |
    | `render_mode` | `None` | `"ansi"` gives the sentence so far as text |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/CorpusText-v0", corpus="chatterbot-english", vocabulary_size=500)
    >>> env.action_space
    Discrete(500)
    >>> task = env.unwrapped
    >>> task.end_token, task.start_token, task.pad_token
    (0, 500, 501)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/CorpusText-v0", num_envs=64)` steps all sentences at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        corpus: str | os.PathLike[str] = "chitchat",
        tokenizer: str | None = None,
        max_length: int = 20,
        min_length: int = 1,
        vocabulary_size: int | None = 5000,
        min_count: int = 1,
        drop_unknown: bool = False,
        unique: bool = True,
        conversations: int | None = None,
        split_seed: int = 0,
        reward: str = "bleu",
        bleu_order: int = 4,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.reward_name = validation.choice("reward", reward, REWARDS)
        self._order = validation.integer("bleu_order", bleu_order, 1, 4)
        if tokenizer is not None:
            validation.choice("tokenizer", tokenizer, KINDS)
        self.data = SentenceData.load(
            corpus,
            tokenizer=tokenizer,  # type: ignore[arg-type]
            max_length=validation.integer("max_length", max_length, 2, 10_000),
            min_length=validation.integer("min_length", min_length, 1),
            vocabulary_size=None
            if vocabulary_size is None
            else validation.integer("vocabulary_size", vocabulary_size, 3),
            min_count=validation.integer("min_count", min_count, 1),
            drop_unknown=validation.flag("drop_unknown", drop_unknown),
            unique=validation.flag("unique", unique),
            conversations=None if conversations is None else validation.integer("conversations", conversations, 3),
            split_seed=validation.integer("split_seed", split_seed, 0),
        )
        self.tokenizer = self.data.tokenizer
        super().__init__(
            num_envs,
            max_length=max_length,
            **self.tokenizer.task_tokens,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )
        self._scorer: BleuScorer | None = None

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {**super().initial(n, rng), "bleu": np.zeros(n)}

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        after = super().transition(state, action, rng)
        after["bleu"] = np.zeros(len(action))
        if self.reward_name == "bleu" and (ended := self.terminal(after)).any():
            after["bleu"][ended] = self._bleu(take(after, np.flatnonzero(ended)))
        return after

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        return next_state["bleu"]

    def final_info(self, state: State) -> dict[str, Any]:
        if self.reward_name != "bleu":
            return {}
        score = np.where(self.terminal(state), state["bleu"], 0.0)
        if (truncated := np.flatnonzero(~self.terminal(state))).size:  # truncated: the unfinished sentence is scored
            score[truncated] = self._bleu(take(state, truncated))
        return {"bleu": score}

    def _bleu(self, state: State) -> np.ndarray:
        """(B,) BLEU of the sentences so far, without end tokens."""
        from lhy_rl.functional.text_metrics import BleuScorer, unpadded

        if self._scorer is None:  # the references' n-grams are merged once, when first needed
            self._scorer = BleuScorer(self.data.words("train"), self._order)
        return self._scorer.sentence_scores(unpadded(state["tokens"], self.end_token, state["length"]))

    # ------------------------------------------------------------------ the text task
    def sequences(self, split: Split) -> TokenSequences:
        """The corpus's sentences in this split, each closed by the end token.

        Raises:
            UserError: unknown split.
        """
        validation.choice("split", split, SPLITS)
        return self.data.splits[split]

    def decode(self, tokens: np.ndarray) -> str:
        """One sentence, (T,) token ids, as readable text, up to its end."""
        return self.tokenizer.decode(tokens)


class CorpusTextEnv(SingleTextEnv):
    __doc__ = CorpusText.__doc__
    batched = CorpusText
