"""The rules of ``lhy_rl/negotiation_tokens_v0``: the negotiation, spoken word by word."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import MultiDiscrete

from lhy_rl.core import validation
from lhy_rl.core.trees import State
from lhy_rl.envs.dialogue import negotiation_grammar as grammar
from lhy_rl.envs.dialogue.negotiation import NOTHING, Negotiation
from lhy_rl.envs.dialogue.negotiation_contexts import AGREE, MOST_ITEMS, NUM_OFFERS, WORTH, offer_number
from lhy_rl.envs.game import BatchedGame

MASKS = ("legal", "none")


class NegotiationTokens(BatchedGame):
    """
    ## Description

    `lhy_rl/negotiation_v0` word by word: a move is an utterance, and a step is one word of it. Two divide a pool of
    books, hats and balls that they value differently, as in Deal or No Deal (Lewis et al. 2017, section 2.1). An
    utterance ends with `<eos>`, or with its 12th word, and is then parsed by an LL(1) grammar:

        utterance  ->  accept <eos>  |  "no" <eos>  |  "no" offer <eos>  |  offer <eos>
        accept     ->  "deal"  |  "yes"  |  "ok"
        offer      ->  "i" verb items ["you" "get" "the" "rest"]
        verb       ->  "want"  |  "get"  |  "take"  |  "keep"  |  "need"
        items      ->  number noun {"and" number noun}  |  "nothing"
        number     ->  "0"  |  "1"  |  "2"  |  "3"  |  "4"  |  "a"  |  "all"
        noun       ->  "book"  |  "books"  |  "hat"  |  "hats"  |  "ball"  |  "balls"

    Types that an offer does not name are left to the other. An utterance that is not in the grammar, an offer of more
    than the pool has or that names a type twice, and accepting without an offer pass the turn on and cost 0.01. A plain
    "no" passes the turn on and costs nothing.

    ```python
    >>> from lhy_rl.envs.dialogue import negotiation_tokens_v0
    >>> from lhy_rl.envs.dialogue.negotiation_grammar import tokens_of
    >>> env = negotiation_tokens_v0.env(render_mode="ansi")
    >>> env.reset(seed=4)
    >>> for token in tokens_of("no i want 1 ball and a book") + tokens_of("ok"):
    ...     env.step(token)
    >>> print(env.render())
    pool: 2 books and 4 hats and 1 ball
    bot_0 values: book 2, hat 0, ball 6
    bot_1 values: book 2, hat 1, ball 2
    bot_1: no i want 1 ball and a book
    bot_0: ok
    bot_0 gets 2, bot_1 gets 4

    ```

    ## Action Space

    `Discrete(29)`: the words of `negotiation_grammar.WORDS`, 0 is `<eos>`.

    ## Observation Space

    `MultiDiscrete` of whole numbers under `observation`, and under `action_mask` which words may follow: with
    `masks="legal"` those with which the utterance can still become a legal one of at most 12 words, with `"none"` all.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 2 | the pool: books, hats, balls | 0 | 4 |
    | 3 to 5 | own values of a book, a hat, a ball | 0 | 10 |
    | 6 | how many utterances were made | 0 | 10 |
    | 7 to 18 | the other's last utterance; 29 where there is no word | 0 | 29 |
    | 19 to 30 | own last utterance | 0 | 29 |
    | 31 to 42 | the present utterance so far | 0 | 29 |

    ## Rewards

    As in `lhy_rl/negotiation_v0` (`reward`), at the agreement; -0.01 for an utterance that means nothing. The exact
    optima are the same: the best joint score is 15.06 points. Two random players (of legal words) reach an agreement
    in 99.9 % of the games, most of them at once, and 10.0 points together, since three of the five legal words accept.

    `info` holds `text`, the present or last utterance, and when the game is over `agreement`, `own`, `partner`
    and `joint` (points), and `pareto`: the deal is Pareto-optimal.

    ## Starting State

    A context of the split and the first to speak are drawn, both uniformly.

    ## Episode End

    1. Termination: an agreement, or 10 utterances (`max_moves`).
    2. Truncation: never.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `reward` | `"selfish"` | `"selfish"`, `"joint"` or `"fair"` |
    | `contexts` | `"all"` | `"all"` 28 pools, or `"lewis"`: the 20 that the released dialogues are about |
    | `split` | `"train"` | `"train"` (4,258 contexts), `"held_out"` (1,037) or `"all"` |
    | `max_moves` | `10` | utterances of both together, 2 to 100 |
    | `masks` | `"legal"` | `"legal"`, or `"none"`, with which the language must be learned, too |

    `render_mode` is `None`, `"ansi"` (the transcript) or `"human"` (printed).

    ## Vectorized environment

    `GameBatch(NegotiationTokens(), num_games=1024)` steps all games at once.

    ## Version History

    - v0: first version.
    """

    name = "negotiation_tokens_v0"
    players = ("bot_0", "bot_1")

    def __init__(
        self,
        reward: str = "selfish",
        contexts: str = "all",
        split: str = "train",
        max_moves: int = 10,
        masks: str = "legal",
    ) -> None:
        self.rules = Negotiation(reward, contexts, split, max_moves)
        self.contexts, self.max_moves = self.rules.contexts, self.rules.max_moves
        self.masked = validation.choice("masks", masks, MASKS) == "legal"
        words = [grammar.NUM_WORDS + 1] * (3 * grammar.LONGEST)
        sizes = [MOST_ITEMS + 1] * 3 + [WORTH + 1] * 3 + [self.max_moves + 1, *words]
        super().__init__(MultiDiscrete(sizes), grammar.NUM_WORDS)

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {
            **self.rules.initial(n, rng),
            "utterances": np.full((n, self.max_moves, grammar.LONGEST), grammar.PAD, np.int8),
            **self._silence(n),
        }

    def _silence(self, n: int) -> State:
        """The state of an utterance before its first word."""
        return {
            "length": np.zeros(n, np.int64),  # words so far
            "form": np.full(n, grammar.BEGIN, np.int64),  # the grammar's state
            "amount": np.zeros(n, np.int64),  # the last number word
            "items": np.full((n, 3), -1, np.int64),  # named so far; -1 where a type is not named
            "accepts": np.zeros(n, bool),
            "offers": np.zeros(n, bool),
            "broken": np.zeros(n, bool),  # names a type twice
        }

    def to_move(self, state: State) -> np.ndarray:
        return self.rules.to_move(state)

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        rows = np.arange(len(action))
        utterances, items = state["utterances"].copy(), state["items"].copy()
        utterances[rows, state["moves"], state["length"]] = action
        length = state["length"] + 1
        form = grammar.NEXT[state["form"], action]
        amount = np.where(grammar.AMOUNT[action] >= 0, grammar.AMOUNT[action], state["amount"])
        kind = grammar.KIND[action]
        named = np.flatnonzero((kind >= 0) & (form == grammar.NOUN))
        which = kind[named]
        broken = state["broken"].copy()
        broken[named] |= items[named, which] >= 0
        pool = self.contexts.pool[state["context"][named], which]
        items[named, which] = np.where(amount[named] == grammar.ALL, pool, amount[named])
        after: State = {
            **{key: array.copy() for key, array in state.items()},
            "utterances": utterances,
            "length": length,
            "form": form,
            "amount": amount,
            "items": items,
            "accepts": state["accepts"] | grammar.ACCEPTING[action],
            "offers": state["offers"] | (action == grammar.TOKEN["i"]),
            "broken": broken,
            "illegal": np.zeros(len(action), bool),
        }
        ended = np.flatnonzero((action == grammar.TOKEN[grammar.END]) | (length == grammar.LONGEST))
        if ended.size:
            self._understand(after, ended, rng)
        return after

    def _understand(self, state: State, rows: np.ndarray, rng: np.random.Generator) -> None:
        """Make the moves that the finished utterances of these games mean, in place."""
        part = {key: array[rows] for key, array in state.items()}
        move = self.rules.transition(part, self._meaning(part), rng)
        refusal = (part["form"] == grammar.FINISHED) & ~part["accepts"] & ~part["offers"]
        move["illegal"] &= ~refusal
        for key, array in {**move, **self._silence(rows.size)}.items():
            state[key][rows] = array

    def _meaning(self, state: State) -> np.ndarray:
        """(B,) the action of ``negotiation_v0`` that finished utterances mean; an illegal one where they mean none."""
        number = offer_number(np.minimum(np.maximum(state["items"], 0), MOST_ITEMS))
        means = (state["form"] == grammar.FINISHED) & ~state["broken"]
        impossible = NUM_OFFERS - 1  # seven balls
        offer = np.where(means & state["offers"] & (number >= 0), number, impossible)
        action: np.ndarray = np.where(means & state["accepts"], AGREE, offer)
        return action

    def action_mask(self, state: State, player: np.ndarray) -> np.ndarray:
        mask = np.ones((len(player), grammar.NUM_WORDS), bool)
        rows = np.flatnonzero((self.to_move(state) == player) & ~self.terminal(state))
        if self.masked and rows.size:
            mask[rows] = self._legal({key: array[rows] for key, array in state.items()}, player[rows])
        return mask

    def _legal(self, state: State, player: np.ndarray) -> np.ndarray:
        """(B, words) bool: the words with which the utterance can still become a legal one."""
        form, left = grammar.NEXT[state["form"]], grammar.LONGEST - state["length"]
        legal: np.ndarray = grammar.TO_END[form] < left[:, None]
        pool = self.contexts.pool[state["context"]]
        free = np.where(state["items"] < 0, pool, -1)  # of types not yet named
        offered = state["offer"][np.arange(len(player)), 1 - player] != NOTHING
        legal &= offered[:, None] | ~grammar.ACCEPTING[: grammar.NUM_WORDS]
        asked = grammar.AMOUNT[: grammar.NUM_WORDS]
        asked = np.where(asked == grammar.ALL, 0, asked)
        legal &= asked <= free.max(1, keepdims=True)  # a number that some type can serve
        kind = grammar.KIND[: grammar.NUM_WORDS]
        amount = np.where(state["amount"] == grammar.ALL, 0, state["amount"])
        served = free[:, np.maximum(kind, 0)] >= amount[:, None]
        legal &= (kind < 0) | served
        legal[:, grammar.TOKEN["and"]] &= (free >= 0).any(1)
        legal[:, grammar.TOKEN[grammar.END]] |= ~legal.any(1)  # the utterance cannot become legal any more
        return legal

    def observation(self, state: State, player: np.ndarray) -> np.ndarray:
        context, moves = state["context"], state["moves"]
        speaks = (self.to_move(state) == player)[:, None]
        last, before = self._utterance(state, moves - 1), self._utterance(state, moves - 2)
        parts = (
            self.contexts.pool[context],
            self.contexts.values[context, player],
            moves[:, None],
            np.where(speaks, last, before),
            np.where(speaks, before, last),
            self._utterance(state, moves),
        )
        return np.concatenate(parts, 1).astype(np.int64)

    def _utterance(self, state: State, number: np.ndarray) -> np.ndarray:
        """(B, 12) the words of this utterance of each game; empty where it does not exist."""
        there = (number >= 0) & (number < self.max_moves)
        words = state["utterances"][np.arange(len(number)), np.where(there, number, 0)]
        utterance: np.ndarray = np.where(there[:, None], words, grammar.PAD)
        return utterance

    # ------------------------------------------------------------------ rewards, infos and transcripts
    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        return self.rules.reward(state, action, next_state)

    def terminal(self, state: State) -> np.ndarray:
        return self.rules.terminal(state)

    def info(self, state: State, player: np.ndarray) -> dict[str, np.ndarray]:
        which = np.where(state["length"] > 0, state["moves"], np.maximum(state["moves"] - 1, 0))
        last = state["utterances"][np.arange(len(player)), which]
        return {"text": np.array([grammar.text_of(tokens) for tokens in last], object)}

    def final_info(self, state: State, player: np.ndarray) -> dict[str, np.ndarray]:
        return self.rules.final_info(state, player)

    def move_names(self) -> list[str]:
        return list(grammar.WORDS)

    def read_move(self, state: State, text: str) -> list[int]:
        return grammar.tokens_of(" ".join(grammar.words_of(text)))

    def transcript(self, state: State) -> list[str]:
        counts = (state["moves"] + (state["length"] > 0)).tolist()
        games = zip(state["utterances"], counts, strict=True)
        return self.rules.transcript_of(
            state, [[grammar.text_of(tokens) for tokens in spoken[:n]] for spoken, n in games]
        )
