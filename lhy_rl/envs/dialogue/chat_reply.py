"""``lhy_rl/ChatReply-v0``: write a reply to the last turns of a conversation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.protocols import SPLITS, Split, TokenSequences
from lhy_rl.core.trees import State
from lhy_rl.data.conversations import ConversationData, turns_of
from lhy_rl.envs.dialogue.chat.rewards import choose_reward
from lhy_rl.envs.text.base import SingleTextEnv, TextEnv

REWARD_AT = ("end", "token")
DIRECTIONS = ("forward", "backward")


class ChatReply(TextEnv):
    """
    ## Description

    The last turns of a conversation between two people are given, and a reply is written, token by token (Hung-yi Lee
    2017, lecture 17). The reward of the reply is chosen by name: its overlap with the people's replies, hand-made
    rules, the ratings that people gave, two frozen dialogue models, or a user's function.

    | Corpus | What it is |
    |--------|------------|
    | `"chitchat"` | 4,018 conversations between two people (chitchat-dataset, MIT) |
    | `"chatterbot-english"` | 2,026 short dialogues (chatterbot-corpus, BSD) |
    | `"chatterbot-chinese"` | 467 of the same kind in Chinese, by character |
    | a path | the user's own UTF-8 text file |

    A turn is everything that one person says before the other speaks. In a text file a turn is a line, with an empty
    line between two conversations, or a conversation is a line with tabs between its turns.

    The conversations are dealt to a training, a validation and a test split. No pair of a turn and its reply is in two
    of them, also not with other capitals or punctuation. The vocabulary is that of the training turns.
    `env.unwrapped.data.describe()` says how many pairs there are and what was left out.

    ## Action Space

    `Discrete(2000)`: the next token. 0 ends the reply, 1 is the unknown word, 2 and above are words, the frequent ones
    first. The number is `vocabulary_size`, or less where the training turns have fewer words.

    ## Observation Space

    A Dict:

    - `token`: `Discrete(2002)`, the last token; before the first it is the start token (2000).
    - `source`: `MultiDiscrete` of 40 tokens (`context_turns` times `turn_length`), the turns that are answered, the
      oldest first, each closed by the end token; the same at every step, padded with the pad token (2001).
    - `source_mask`: `Box` of 0 and 1, where the source is a token and no pad.

    | Num | Token      | Min | Max |
    |-----|------------|-----|-----|
    | 0   | last token | 0   | 2001 |

    ## Rewards

    R(context, reply), by name (`reward`):

    - `"rules"`: fluency (.2 ease + .2 flow + .4 coherence + .2 length), each of 0 to 1 and counted, without a network:
      not dull (by a shipped list, in both languages), not repeating the speaker's previous turn, words related to those
      of the previous turn, 6 words, and bigrams that occur in the training split. At most 1. The people's own replies
      get .59 in training contexts and .48 in held-out ones, uniformly random ones .03, "i don't know" .33.
    - `"bleu"`: BLEU, 0 to 1, of n-grams up to 2, smoothed, against the people's replies to this very context.
    - `"rating"`: how typical its words are of conversations that people rated as witty, interesting and upbeat
      (chitchat only).
    - `"li"`: ease of answering, information flow and semantic coherence, exactly as in Li et al. (2016), from a scorer.
      It does not encourage variety.
    - `"pmi"`: 2 (log p(a; context) - log p(a; another context)) / N, from a scorer.

      The default scorer of both counts words. Policies that learned from people are given in a configuration or on the
      command line as a run, `--env.scorer runs/mle-chatreply`; `"li"` needs two, `{forward: RUN, backward: RUN}`, of
      which the second was trained with `--env.direction backward`.
    - `"relevance"`: how closely the reply's different words are related to those of the previous turn, summed and
      divided by 6.
    - `"length"`: min(1, words / 6).
    - `"none"`: 0, for agents that bring their own reward, such as a discriminator that learns with them:
      `reward_model="lhy_rl.agents.rewards.reply_discriminator:ReplyDiscriminator"`.
    - `"module:function"`, or in Python a callable: `(contexts (N, L), replies (N, T), lengths (N,)) -> (N,)`, token ids
      padded at the end; a class is instantiated with the data first.

    With `reward_at="end"` it is given with the last token. With `"token"` every token gets R(prefix) - R(prefix before
    it), where R of the empty prefix is 0: the same sum, so the same optimal policy, and less noisy returns-to-go
    (`benchmarks.chat_rewards`: `"relevance"` reaches .54 in 240,000 steps, with the reward at the end .39). Monte-Carlo
    estimates of a token's value are computed by the agent: `credit="monte_carlo"` of SeqGAN,
    `lhy_rl.agents.rewards.monte_carlo_search`.

    `info`, at the end, holds `score`, R of the reply, and `text`, context and reply in words.

    ## Starting State

    A pair of the split is drawn uniformly; no token is written.

    ## Episode End

    1. Termination: the end token (0) is written.
    2. Termination: 12 tokens (`max_length`) are written; the end token counts as one.
    3. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `corpus` | `"chitchat"` | a name of the table above, or a path |
    | `tokenizer` | `None` | `"word"`, `"character"` or `"space"`; None takes what suits the corpus |
    | `max_length` | `12` | most tokens of a reply, the end token among them, 2 to 10,000; longer ones are left out |
    | `turn_length` | `20` | most tokens of a turn of the context, its end token among them, 2 to 10,000 |
    | `context_turns` | `2` | most turns of a context, 1 to 100 |
    | `vocabulary_size` | `2000` | most actions: end, unknown and words, at least 3; None takes all words |
    | `drop_unknown` | `True` | leave out the people's replies with unknown words |
    | `conversations` | `None` | use only this many, at least 3, drawn with `split_seed`; None uses all |
    | `split_seed` | `0` | deals the conversations to the splits |
    | `split` | `"train"` | the split of the contexts: `"train"`, `"validation"` or `"test"` |
    | `reward` | `"rules"` | see above |
    | `reward_at` | `"end"` | `"end"` or `"token"` |
    | `scorer` | `None` | the models of `"li"` and `"pmi"`: a `ReplyScorer`, `module:Class`, runs, or None for counts |
    | `direction` | `"forward"` | `"backward"`: a reply is read, and the turn that it answers is written |
    | `render_mode` | `None` | `"ansi"` gives context and reply as text |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/ChatReply-v0", corpus="chatterbot-english", render_mode="ansi")
    >>> obs, info = env.reset(seed=1)
    >>> terminated = False
    >>> while not terminated:  # say what people said
    ...     obs, reward, terminated, truncated, info = env.step(int(env.unwrapped.expert_action()[0]))
    >>> print(env.render())
    - my system is overheating.
    - ensure air vents aren't blocked and clean any dust.

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/ChatReply-v0", num_envs=64)` steps all replies at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        corpus: str | os.PathLike[str] = "chitchat",
        tokenizer: str | None = None,
        max_length: int = 12,
        turn_length: int = 20,
        context_turns: int = 2,
        vocabulary_size: int | None = 2000,
        drop_unknown: bool = True,
        conversations: int | None = None,
        split_seed: int = 0,
        split: str = "train",
        reward: Any = "rules",
        reward_at: str = "end",
        scorer: Any = None,
        direction: str = "forward",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.reward_at = validation.choice("reward_at", reward_at, REWARD_AT)
        validation.choice("split", split, SPLITS)
        self.data = ConversationData.load(
            corpus,
            tokenizer=tokenizer,  # type: ignore[arg-type]
            max_length=max_length,
            turn_length=turn_length,
            context_turns=context_turns,
            vocabulary_size=vocabulary_size,
            drop_unknown=drop_unknown,
            conversations=conversations,
            split_seed=split_seed,
        )
        self.tokenizer = self.data.tokenizer
        if validation.choice("direction", direction, DIRECTIONS) == "backward":
            self.data = self.data.backward()
        self.score = choose_reward(reward, self.data, scorer)
        pairs = self.data.pairs[split]  # type: ignore[index]
        assert pairs.sources is not None
        self.pairs, self.contexts = pairs, pairs.sources
        super().__init__(
            num_envs,
            max_length=max_length,
            **self.tokenizer.task_tokens,
            source_length=self.contexts.shape[1],
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {
            **super().initial(n, rng),
            "pair": rng.integers(len(self.pairs), size=n),
            "worth": np.zeros(n),  # R of the reply so far that has been rewarded already
            "gained": np.zeros(n),
        }

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        after = {**super().transition(state, action, rng), "pair": state["pair"].copy(), "worth": state["worth"].copy()}
        rows = np.flatnonzero(self.terminal(after)) if self.reward_at == "end" else np.arange(len(action))
        if self.score is not None and rows.size:
            after["worth"][rows] = self._worth(after, rows)
        after["gained"] = after["worth"] - state["worth"]
        return after

    def source(self, state: State) -> np.ndarray:
        return self.contexts[state["pair"]]

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        return next_state["gained"]

    def _worth(self, state: State, rows: np.ndarray) -> np.ndarray:
        """R of the replies so far in these rows of a state."""
        assert self.score is not None
        return self.score(self.contexts[state["pair"][rows]], state["tokens"][rows], state["length"][rows])

    def final_info(self, state: State) -> dict[str, Any]:
        score = state["worth"].copy()
        truncated = np.flatnonzero(~self.terminal(state))
        if self.score is not None and truncated.size:  # the unfinished reply is scored
            score[truncated] = self._worth(state, truncated)
        return {"score": score, "text": np.array(self.frame(state), object)}

    def frame(self, state: State) -> list[str]:
        pads = (self.contexts[state["pair"]] != self.pad_token).sum(1)
        lines = []
        for pair, length, reply in zip(state["pair"], pads, super().frame(state), strict=True):
            turns = turns_of(self.contexts[pair, :length].tolist(), self.tokenizer.end_token)
            lines.append("\n".join(f"- {text}" for text in (*map(self.tokenizer.decode, turns), reply)))
        return lines

    # ------------------------------------------------------------------ the text task
    def sequences(self, split: Split) -> TokenSequences:
        """The people's replies in this split, each closed by the end token, with their contexts as sources.

        Raises:
            UserError: unknown split.
        """
        validation.choice("split", split, SPLITS)
        return self.data.pairs[split]

    def decode(self, tokens: np.ndarray) -> str:
        """One reply, (T,) token ids, as readable text, up to its end."""
        return self.tokenizer.decode(tokens)

    def answered(self, turns: Sequence[str]) -> TokenSequences:
        """The last turns of a conversation in words, the newest last, as the source (1, L) of a reply to write."""
        source, length = self.data.context(map(self.tokenizer.encode, turns))
        nothing = np.full((1, self.max_length), self.pad_token)
        return TokenSequences(nothing, np.zeros(1, np.int64), source[None], np.array([length]))

    def known_words(self, text: str) -> tuple[list[str], list[str]]:
        """The words of a text, marks left out: those in the vocabulary, and those outside it."""
        words = [word for word in self.tokenizer.split(text) if any(map(str.isalnum, word))]
        known = [i != self.tokenizer.unknown_token for i in self.tokenizer.ids(words)]
        return [w for w, k in zip(words, known, strict=True) if k], [
            w for w, k in zip(words, known, strict=True) if not k
        ]

    def expert_action(self) -> np.ndarray:
        """(B,) the tokens of the people's reply at the present position; after its end its last token."""
        if self._state is None:
            self.observe()  # raises if a reset is missing
        assert self._state is not None
        pair = self._state["pair"]
        tokens: np.ndarray = self.pairs.tokens[pair, np.minimum(self._state["length"], self.pairs.lengths[pair] - 1)]
        return tokens


class ChatReplyEnv(SingleTextEnv):
    __doc__ = ChatReply.__doc__
    batched = ChatReply
