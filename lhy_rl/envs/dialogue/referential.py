"""The rules of ``lhy_rl/referential_v0``: a speaker invents words for an object, a listener finds it."""

from __future__ import annotations

import zlib
from string import ascii_lowercase

import numpy as np
from gymnasium.spaces import Box

from lhy_rl.core import validation
from lhy_rl.core.trees import State
from lhy_rl.envs.dialogue.objects import OBJECTS, VALUES, digits, object_name
from lhy_rl.envs.game import BatchedGame

SPLITS = ("train", "held_out", "all")
CHANNELS = ("clear", "shuffled")
HELD_OUT = np.sort(sorted(range(OBJECTS), key=lambda thing: zlib.crc32(f"object {thing}".encode()))[:13])
"""(13,) the objects that ``split="train"`` leaves out: the first by a platform-independent hash."""

SPEAKER, LISTENER = 0, 1
NONE = -1
"""In the state: nothing chosen yet."""


class Referential(BatchedGame):
    """
    ## Description

    The signalling game of Lewis (1969), as studied with networks by Lazaridou et al. (2017, 2018): a speaker observes
    an object, one of 64 with a size, a colour and a shape, and says three symbols, which mean nothing at first. A
    listener hears them and chooses one of four objects. Both are rewarded if it is the speaker's. The two must agree on
    the meaning of the symbols; and 13 objects are held out, to test whether the language describes attributes, which
    also serve for new objects, or is a list of names.

    It is a PettingZoo environment with the agents `speaker_0` and `listener_0`:

    ```python
    >>> from lhy_rl.envs.dialogue import referential_v0
    >>> env = referential_v0.env(render_mode="ansi")
    >>> env.reset(seed=4)
    >>> for agent in env.agent_iter():
    ...     obs, reward, terminated, truncated, info = env.last()
    ...     if terminated or truncated:
    ...         action = None
    ...     elif agent == "speaker_0":  # say the number of size, colour and shape
    ...         heard = obs["observation"][12:36].reshape(3, 8)
    ...         place = int(heard.sum())
    ...         action = int(obs["observation"][4 * place : 4 * place + 4].argmax())
    ...     else:  # the candidate that has these
    ...         heard = obs["observation"][12:36].reshape(3, 8)[:, :4].ravel()
    ...         action = 8 + int((obs["observation"][36:].reshape(4, 12) @ heard).argmax())
    ...     env.step(action)
    >>> print(env.render())
    candidates: tiny red star, small blue ring, huge blue ball, tiny green star
    speaker_0 observes: tiny red star
    speaker_0: a a d
    listener_0: The tiny red star.
    right

    ```

    `referential_v0.raw_env` is the same without PettingZoo's wrappers, `referential_v0.parallel_env` the parallel
    environment, in which only the action of the player whose turn it is counts, and a listener with a memory can hear
    symbol by symbol. `GameBatch(Referential(), num_games=1024)` is the batch for self-play.

    ## Action Space

    `Discrete(12)`: 0 to 7 say a symbol (`a` to `h`; the speaker's), 8 to 11 choose the first to the fourth candidate
    (the listener's).

    ## Observation Space

    `Box(0.0, 1.0, (84,), float32)` under `observation`, and under `action_mask` which of the 12 actions are legal.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 11 | the speaker's object: for size, colour and shape one of 4; zeros for the listener | 0 | 1 |
    | 12 to 35 | the symbols so far, as they were said or, for the listener, are heard: 3 times one of 8 | 0 | 1 |
    | 36 to 83 | the 4 candidates, each as the object above; zeros for the speaker | 0 | 1 |

    ## Rewards

    1 to both if the listener chooses the speaker's object, otherwise 0. An illegal action (possible in `raw_env`,
    `parallel_env` and the batch; `env` ends the game with -1) ends the game, and nobody is rewarded.

    The best return is 1: three symbols make 512 messages, and one for each attribute names its value. Two random
    players (of legal actions) get .25, and so does any pair when `channel="shuffled"`: the listener hears symbols each
    of which is shifted by a random number for every game, so that they carry no information about the message. By
    self-play (`selfplay/referential`, 41 CPU-seconds, three seeds) a pair becomes right in .98 of the games, and in .80
    of those about held-out objects.

    `info` holds `text`, the last utterance, and when the game is over `right`, `object` (0 to 63: 16 size + 4 colour +
    shape) and `message`, the symbols said, read as the digits of a number (0 to 511), from which
    `lhy_rl.functional.topographic_similarity` measures whether similar objects have similar messages.

    ## Starting State

    Different objects of the split are drawn as candidates, uniformly, and one of them as the speaker's.

    ## Episode End

    1. Termination: the listener has chosen, or an action was illegal.
    2. Truncation: never.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `split` | `"train"` | objects and candidates: `"train"` (51), `"held_out"` (13) or `"all"` |
    | `channel` | `"clear"` | `"clear"`, or `"shuffled"`: the symbols heard are independent of the message |
    | `num_symbols` | `8` | different symbols, 2 to 26 |
    | `message_length` | `3` | symbols of a message, 1 to 10 |
    | `num_candidates` | `4` | objects to choose from, 2 to 13 |

    `render_mode` is `None`, `"ansi"` (the transcript) or `"human"` (printed).

    ## Vectorized environment

    `GameBatch(Referential(), num_games=1024)` steps all games at once; `Referential` takes the arguments above.

    ## Version History

    - v0: first version.
    """

    name = "referential_v0"
    players = ("speaker_0", "listener_0")

    def __init__(
        self,
        split: str = "train",
        channel: str = "clear",
        num_symbols: int = 8,
        message_length: int = 3,
        num_candidates: int = 4,
    ) -> None:
        self.split = validation.choice("split", split, SPLITS)
        self.channel = validation.choice("channel", channel, CHANNELS)
        self.num_symbols = validation.integer("num_symbols", num_symbols, 2, len(ascii_lowercase))
        self.message_length = validation.integer("message_length", message_length, 1, 10)
        self.num_candidates = validation.integer("num_candidates", num_candidates, 2, len(HELD_OUT))
        everything = np.arange(OBJECTS)
        held_out = np.isin(everything, HELD_OUT)
        self.objects = {"train": everything[~held_out], "held_out": everything[held_out], "all": everything}[split]
        self._features = np.eye(VALUES, dtype=np.float32)[digits(everything)].reshape(OBJECTS, -1)
        self._symbols = np.eye(num_symbols + 1, num_symbols, dtype=np.float32)  # zeros for no symbol
        size = self._features.shape[1] * (1 + num_candidates) + message_length * num_symbols
        super().__init__(Box(0.0, 1.0, (size,), np.float32), num_symbols + num_candidates)

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        drawn = rng.random((n, len(self.objects))).argsort(1)[:, : self.num_candidates]
        lengths = (n, self.message_length)
        shuffled = self.channel == "shuffled"
        return {
            "candidates": self.objects[drawn],  # (B, C) objects
            "target": rng.integers(self.num_candidates, size=n),  # which of them is the speaker's
            "message": np.full(lengths, self.num_symbols),  # the symbols sent; num_symbols: not sent yet
            "shift": rng.integers(self.num_symbols, size=lengths) if shuffled else np.zeros(lengths, np.int64),
            "num_sent": np.zeros(n, np.int64),  # symbols so far
            "choice": np.full(n, NONE),  # num_candidates: no candidate, since an action was illegal
        }

    def to_move(self, state: State) -> np.ndarray:
        return np.where(state["num_sent"] < self.message_length, SPEAKER, LISTENER)

    def action_mask(self, state: State, player: np.ndarray) -> np.ndarray:
        symbol = np.arange(self.num_actions) < self.num_symbols
        mask: np.ndarray = symbol[None] == (player == SPEAKER)[:, None]
        mask[(self.to_move(state) != player) | self.terminal(state)] = True
        return mask

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        speaks = self.to_move(state) == SPEAKER
        legal = (action < self.num_symbols) == speaks
        message, rows = state["message"].copy(), np.flatnonzero(speaks & legal)
        message[rows, state["num_sent"][rows]] = action[rows]
        chosen = np.where(legal, action - self.num_symbols, self.num_candidates)
        return {
            "candidates": state["candidates"].copy(),
            "target": state["target"].copy(),
            "message": message,
            "shift": state["shift"].copy(),
            "num_sent": state["num_sent"] + (speaks & legal),
            "choice": np.where(speaks & legal, NONE, chosen),
        }

    def observation(self, state: State, player: np.ndarray) -> np.ndarray:
        speaker = (player == SPEAKER)[:, None]
        symbols = np.where(speaker, state["message"], self.heard(state))
        target = self._features[self.target(state)] * speaker
        candidates = self._features[state["candidates"]].reshape(len(player), -1) * ~speaker
        return np.concatenate((target, self._symbols[symbols].reshape(len(player), -1), candidates), 1)

    def heard(self, state: State) -> np.ndarray:
        """(B, T) the symbols as they reach the listener; ``num_symbols`` where none was sent yet."""
        sent = state["message"] < self.num_symbols
        return np.where(sent, (state["message"] + state["shift"]) % self.num_symbols, self.num_symbols)

    def target(self, state: State) -> np.ndarray:
        """(B,) the speaker's object."""
        thing: np.ndarray = state["candidates"][np.arange(len(state["target"])), state["target"]]
        return thing

    # ------------------------------------------------------------------ rewards
    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        right = next_state["choice"] == next_state["target"]
        return np.repeat(right[:, None].astype(float), len(self.players), 1)

    def terminal(self, state: State) -> np.ndarray:
        over: np.ndarray = state["choice"] != NONE
        return over

    # ------------------------------------------------------------------ infos and transcripts
    def info(self, state: State, player: np.ndarray) -> dict[str, np.ndarray]:
        rows = zip(state["message"], state["num_sent"], state["candidates"], state["choice"], strict=True)
        return {"text": np.array([self._last(*row) for row in rows], object)}

    def final_info(self, state: State, player: np.ndarray) -> dict[str, np.ndarray]:
        symbols = np.where(state["message"] < self.num_symbols, state["message"], 0)
        return {
            "right": state["choice"] == state["target"],
            "object": self.target(state),
            "message": symbols @ self.num_symbols ** np.arange(self.message_length)[::-1],
        }

    def _last(self, message: np.ndarray, num_sent: int, candidates: np.ndarray, choice: int) -> str:
        """The last utterance."""
        if choice != NONE:
            return f"The {object_name(candidates[choice])}." if choice < self.num_candidates else ""
        return ascii_lowercase[message[num_sent - 1]] if num_sent else ""

    def transcript(self, state: State) -> list[str]:
        heard = self.heard(state)
        rows = zip(state["candidates"], state["target"], state["message"], heard, state["choice"], strict=True)
        return ["\n".join(self._lines(*row)) for row in rows]

    def _lines(
        self, candidates: np.ndarray, target: int, message: np.ndarray, heard: np.ndarray, choice: int
    ) -> list[str]:
        speaker, listener = self.players
        lines = [f"candidates: {', '.join(map(object_name, candidates))}"]
        lines.append(f"{speaker} observes: {object_name(candidates[target])}")
        lines.append(f"{speaker}: {self._words(message) or '...'}")
        if self.channel == "shuffled":
            lines.append(f"{listener} hears: {self._words(heard) or '...'}")
        if choice != NONE:
            lines.append(f"{listener}: {self._last(message, 0, candidates, choice) or '...'}")
            lines.append("right" if choice == target else "wrong")
        return lines

    def _words(self, message: np.ndarray) -> str:
        """Symbols as letters."""
        return " ".join(ascii_lowercase[symbol] for symbol in message if symbol < self.num_symbols)
