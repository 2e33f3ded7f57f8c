"""The rules of ``lhy_rl/chat_selfplay_v0``: two bots talk with each other."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import SPLITS
from lhy_rl.core.trees import State
from lhy_rl.data.conversations import ConversationData
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.envs.dialogue.chat.rewards import Length, choose_reward, closed
from lhy_rl.envs.dialogue.chat.turns import OVERLAP, DullReplies, overlap
from lhy_rl.envs.game import BatchedGame
from lhy_rl.envs.text.base import source_observation, source_space

MOST_TURNS = 8


class ChatSelfplay(BatchedGame):
    """
    ## Description

    Two bots talk, from an opening that a person wrote, as in Li et al. (2016). A step is one token; an utterance ends
    with the end token, or with its 12th token, and then it is the other's turn. The dialogue is over as soon as one of
    them says something dull or repeats itself, or after 8 utterances. A speaker is rewarded at the end of its
    utterance. Rewards have the same names as in `lhy_rl/ChatReply-v0`, which also has the same observations: a policy
    that learned there from people can play here. `lhy-rl train selfplay/chat` does both: the bots imitate people first,
    and then play.

    ```python
    >>> from lhy_rl.envs.dialogue import chat_selfplay_v0
    >>> env = chat_selfplay_v0.env(corpus="chatterbot-english", render_mode="ansi")
    >>> env.reset(seed=3)
    >>> for text in ("check the cable", "i don't know"):
    ...     for token in env.unwrapped.table.game.tokenizer.encode(text) + [0]:
    ...         env.step(token)
    >>> print(env.render())
    opening: you mumble
    bot_0: check the cable
    bot_1: i don't know
    over: dull, turns 1

    ```

    ## Action Space

    `Discrete(2000)`: the next token. 0 ends the utterance, 1 is the unknown word, 2 and above are words, the frequent
    ones first. The number is `vocabulary_size`, or less where the training turns have fewer words.

    ## Observation Space

    A Dict, the same for both bots, since nothing is hidden:

    - `token`: `Discrete(2002)`, the last token of the present utterance; before its first one the start token (2000).
    - `source`: `MultiDiscrete` of 40 tokens (`context_turns` times `turn_length`), the last utterances, the oldest
      first, each closed by the end token; the same until the utterance ends, padded with the pad token (2001).
    - `source_mask`: `Box` of 0 and 1, where the source is a token and no pad.
    - `action_mask`: `Box` of 0 and 1: the unknown word is never legal, and the end token not before a first token. An
      utterance without a word is dull.

    ## Rewards

    The speaker gets at the end of its utterance R(the last utterances, the new one), chosen by name (`reward`) as in
    `lhy_rl/ChatReply-v0`, plus `length_weight` times min(1, words / 6); all other rewards are 0. With `shared=True`
    both get it. `reward="li"` is exactly the reward of Li et al. (2016), and `"pmi"` is one that is 0 for replies that
    fit every context. Both use a `scorer`, which an agent sets (`game.scorer = ...`), or counts where none is set.

    `info` holds `text`, the present or last utterance, and when the dialogue is over `turns`, the number of utterances
    before the one that ended it, `dull` and `repeated`, and the whole dialogue as `text`. Random tokens hardly repeat,
    so two random bots talk until the last turn, with rewards near 0.

    ## Starting State

    An opening of the split, drawn uniformly from the turns that people answered, and the bot that answers first.

    ## Episode End

    1. Termination: an utterance is dull: more than half of its words are one of the shipped dull replies
       (`lhy_rl/data/dull_replies.yaml`, English and Chinese), or it has none.
    2. Termination: a bot repeats itself: more than 80 % of the words are those of its last utterance, in both.
    3. Termination: `max_turns` utterances, 8. The option `curriculum` of `selfplay` changes it between games.
    4. Truncation: never.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `reward` | `"rules"` | a name, `module:name` or a callable, as in `lhy_rl/ChatReply-v0` |
    | `length_weight` | `0.0` | weight of the length term, 0 to a million |
    | `scorer` | `None` | the models of `"li"` and `"pmi"`: a `ReplyScorer`, `module:Class`, runs as in ChatReply |
    | `shared` | `False` | whether both get the reward of an utterance |
    | `max_turns` | `8` | utterances of both together, 1 to 8 |
    | `split` | `"train"` | the split of the openings: `"train"`, `"validation"` or `"test"` |
    | `corpus` | `"chitchat"` | a name as in `lhy_rl/ChatReply-v0`, or a path |
    | `tokenizer` | `None` | `"word"`, `"character"` or `"space"`; None takes what suits the corpus |
    | `max_length` | `12` | most tokens of an utterance, the end token among them, at least 2 |
    | `turn_length` | `20` | most tokens of a turn of the context, with its end token, `max_length` + 1 to 10,000 |
    | `context_turns` | `2` | most turns of a context, 1 to 100 |
    | `vocabulary_size` | `2000` | most actions: end, unknown and words, at least 3; None takes all words |
    | `conversations` | `None` | use only this many, at least 3, drawn with `split_seed`; None uses all |
    | `split_seed` | `0` | deals the conversations to the splits |

    `render_mode` is `None`, `"ansi"` (the dialogue) or `"human"` (printed).

    ## Vectorized environment

    `GameBatch(ChatSelfplay(), num_games=1024)` steps all dialogues at once.

    ## Version History

    - v0: first version.
    """

    name = "chat_selfplay_v0"
    players = ("bot_0", "bot_1")

    def __init__(
        self,
        reward: Any = "rules",
        length_weight: float = 0.0,
        scorer: Any = None,
        shared: bool = False,
        max_turns: int = MOST_TURNS,
        split: str = "train",
        corpus: str | os.PathLike[str] = "chitchat",
        tokenizer: str | None = None,
        max_length: int = 12,
        turn_length: int = 20,
        context_turns: int = 2,
        vocabulary_size: int | None = 2000,
        conversations: int | None = None,
        split_seed: int = 0,
    ) -> None:
        self.length_weight = validation.share("length_weight", length_weight, 1e6)
        self.shared = validation.flag("shared", shared)
        self.max_turns = max_turns
        validation.choice("split", split, SPLITS)
        self.data = ConversationData.load(
            corpus,
            tokenizer=tokenizer,  # type: ignore[arg-type]
            max_length=max_length,
            turn_length=turn_length,
            context_turns=context_turns,
            vocabulary_size=vocabulary_size,
            drop_unknown=True,
            conversations=conversations,
            split_seed=split_seed,
        )
        if turn_length <= max_length:
            raise UserError(f"turn_length={turn_length} is not allowed; must be above max_length={max_length}")
        self.tokenizer, self.max_length, self.turn_length = self.data.tokenizer, max_length, turn_length
        self.context_turns = context_turns
        self._reward = reward
        self.scorer = scorer
        self.length, self.dull = Length(self.data), DullReplies(self.tokenizer)
        self.openings = self.data.openings(split)  # type: ignore[arg-type]
        if not len(self.openings):
            raise UserError(f"corpus {self.data.name!r} has no {split} opening that is not also in training")
        self.end_token, self.pad_token = self.tokenizer.end_token, self.tokenizer.pad_token
        super().__init__(
            source_space(self.tokenizer.observation_size, context_turns * turn_length), self.tokenizer.vocabulary_size
        )

    @property
    def max_turns(self) -> int:
        """Utterances after which a dialogue is over; a curriculum raises it between games."""
        return self._max_turns

    @max_turns.setter
    def max_turns(self, value: int) -> None:
        self._max_turns = validation.integer("max_turns", value, 1, MOST_TURNS)

    @property
    def scorer(self) -> Any:
        """The frozen models that ``li`` and ``pmi`` use; an agent sets its own."""
        return self._scorer

    @scorer.setter
    def scorer(self, value: Any) -> None:
        self._scorer = value
        self.score = choose_reward(self._reward, self.data, value)

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        opening = self.draw(n, rng)
        spoken = np.full((n, MOST_TURNS + 1, self.turn_length), self.pad_token, np.int32)
        spoken[:, 0] = self.openings.tokens[opening]
        lengths = np.zeros((n, MOST_TURNS + 1), np.int64)
        lengths[:, 0] = self.openings.lengths[opening]
        state: State = {
            "first": rng.integers(2, size=n),  # who answers the opening
            "utterances": spoken,  # the opening, then the bots'
            "lengths": lengths,
            "turns": np.zeros(n, np.int64),  # finished utterances of the bots
            "dull": np.zeros(n, bool),
            "repeated": np.zeros(n, bool),
            "over": np.zeros(n, bool),
            "gained": np.zeros((n, 2)),
            **self._silence(n),
        }
        state["source"] = self._source(state)
        return state

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n,) numbers of the openings."""
        return rng.integers(len(self.openings), size=n)

    def _silence(self, n: int) -> State:
        """An utterance before its first token."""
        return {
            "token": np.full(n, self.tokenizer.start_token, np.int64),
            "tokens": np.full((n, self.max_length), self.pad_token, np.int64),
            "length": np.zeros(n, np.int64),
        }

    def to_move(self, state: State) -> np.ndarray:
        mover: np.ndarray = (state["first"] + state["turns"]) % 2
        return mover

    def action_mask(self, state: State, player: np.ndarray) -> np.ndarray:
        mask = np.ones((len(player), self.num_actions), bool)
        speaks = (self.to_move(state) == player) & ~state["over"]
        mask[speaks, self.tokenizer.unknown_token] = False
        mask[speaks & (state["length"] == 0), self.end_token] = False
        return mask

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        after = {key: array.copy() for key, array in state.items()}
        after["tokens"][np.arange(len(action)), state["length"]] = action
        after["token"], after["length"] = action.astype(np.int64), state["length"] + 1
        after["gained"] = np.zeros((len(action), 2))
        ended = np.flatnonzero((action == self.end_token) | (after["length"] == self.max_length))
        if ended.size:
            self._finish(after, ended)
        return after

    def _finish(self, state: State, rows: np.ndarray) -> None:
        """End the utterances of these dialogues, in place: compute their rewards, and whether the dialogues go on."""
        tokens, length, turn = state["tokens"][rows], state["length"][rows], state["turns"][rows]
        speaker = self.to_move(state)[rows]
        utterance = self.dull.reader.words(tokens, length)
        before = np.maximum(turn - 1, 0)  # the speaker's last utterance; before its first one there is none
        own = self.dull.reader.words(
            state["utterances"][rows, before], np.where(turn > 0, state["lengths"][rows, before], 0)
        )
        worth = self.length_weight * self.length(tokens, tokens, length)
        if self.score is not None:
            worth = worth + self.score(state["source"][rows], tokens, length)
        state["gained"][rows, speaker] = worth
        if self.shared:
            state["gained"][rows, 1 - speaker] = worth
        full = closed(tokens, length, self.tokenizer)
        state["utterances"][rows, turn + 1, : full.tokens.shape[1]] = full.tokens
        state["lengths"][rows, turn + 1] = full.lengths
        state["turns"][rows] = turn + 1
        state["dull"][rows] = self.dull.is_dull(utterance)
        state["repeated"][rows] = overlap(utterance, own) > OVERLAP
        state["over"][rows] = state["dull"][rows] | state["repeated"][rows] | (turn + 1 >= self.max_turns)
        for key, array in self._silence(rows.size).items():
            state[key][rows] = array
        state["source"][rows] = self._source({key: array[rows] for key, array in state.items()})

    def _source(self, state: State) -> np.ndarray:
        """(B, L) the last utterances."""
        numbers = state["turns"][:, None] + np.arange(1 - self.context_turns, 1)  # (B, K), the oldest first
        there = (numbers >= 0)[:, :, None]
        rows, numbers = np.arange(len(numbers))[:, None], np.maximum(numbers, 0)
        tokens = np.where(there, state["utterances"][rows, numbers], self.pad_token).reshape(len(rows), -1)
        order = np.argsort(tokens == self.pad_token, axis=1, kind="stable")
        return np.take_along_axis(tokens, order, 1).astype(np.int64)

    def observation(self, state: State, player: np.ndarray) -> dict[str, np.ndarray]:
        return source_observation(state["token"], state["source"], self.pad_token)

    def renewed(self, state: State) -> np.ndarray:
        begins: np.ndarray = state["length"] == 0  # an utterance, for which the source is read anew
        return begins

    def demonstrations(self) -> Demonstrations:
        """The training replies of people, one token per step; each is an episode."""
        pairs = self.data.pairs["train"]
        assert pairs.sources is not None
        start, episodes = self.tokenizer.start_token, []
        for tokens, length, source in zip(pairs.tokens, pairs.lengths, pairs.sources, strict=True):
            actions = tokens[:length].astype(np.int64)
            observed = source_observation(np.append(start, actions), np.tile(source, (length + 1, 1)), self.pad_token)
            episodes.append(Episode(observed, actions, np.zeros(length), terminated=True, truncated=False))
        return Demonstrations(episodes, self.observation_space, self.action_space, {"env_id": f"lhy_rl/{self.name}"})

    # ------------------------------------------------------------------ rewards, infos and transcripts
    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        return next_state["gained"]

    def terminal(self, state: State) -> np.ndarray:
        return state["over"]

    def info(self, state: State, player: np.ndarray) -> dict[str, np.ndarray]:
        last = state["utterances"][np.arange(len(player)), state["turns"]]
        begun = state["length"] > 0
        pairs = zip(begun, state["tokens"], last, strict=True)
        return {"text": np.array([self.tokenizer.decode(new if now else old) for now, new, old in pairs], object)}

    def final_info(self, state: State, player: np.ndarray) -> dict[str, np.ndarray]:
        ended_by_itself = state["dull"] | state["repeated"]
        return {
            "turns": (state["turns"] - ended_by_itself).astype(float),
            "dull": state["dull"].copy(),
            "repeated": state["repeated"].copy(),
            "text": np.array(self.transcript(state), object),
        }

    def transcript(self, state: State) -> list[str]:
        return [self._text(state, i) for i in range(len(state["turns"]))]

    def _text(self, state: State, i: int) -> str:
        turns, first = int(state["turns"][i]), int(state["first"][i])
        texts = [self.tokenizer.decode(tokens) for tokens in state["utterances"][i, : turns + 1]]
        if not state["over"][i]:
            texts.append(self.tokenizer.decode(state["tokens"][i, : state["length"][i]]))
        names = ("opening", *(self.players[(first + turn) % 2] for turn in range(len(texts) - 1)))
        lines = [f"{name}: {text}" for name, text in zip(names, texts, strict=True)]
        if state["over"][i]:
            reason = "dull" if state["dull"][i] else "repeated" if state["repeated"][i] else "the last turn"
            lines.append(f"over: {reason}, turns {turns - int(reason != 'the last turn')}")
        return "\n".join(lines)
