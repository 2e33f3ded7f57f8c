"""The language of SeqGAN's synthetic task: an LSTM with random weights, which knows the probability of every sentence.

    i, f, o = sigmoid(x W + h U + b)      g = tanh(x W + h U + b)      c' = f c + i g      h' = o tanh(c')
    p(next token | tokens so far) = softmax(h' W_out + b_out)            (Yu et al. 2017, section 4.1)

Arrays are those of the paper's own parameter file, in its row-vector convention.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lhy_rl.core.errors import UserError
from lhy_rl.data.npz_members import Members
from lhy_rl.functional.sampling import invert_cumulative, sample_categorical

GATES = (("Wi", "Ui", "bi"), ("Wf", "Uf", "bf"), ("Wc", "Uc", "bc"), ("Wo_gate", "Uo_gate", "bo_gate"))  # i f g o
ROWS = 64  # rows of logits computed at once: 64 x 5000 floats stay in the cache, 1024 x 5000 cost twice as much per row
STEP_ROWS = 16  # see OracleLSTM.step
SAFE_LOGIT = 60.0  # below this a sum of exponentials cannot overflow in float32, and no maximum need be subtracted
MOST_SEQUENCES = 2_000_000


def oracle_shapes(vocabulary_size: int, embedding_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the 15 arrays of an oracle."""
    shapes: dict[str, tuple[int, ...]] = {"emb": (vocabulary_size, embedding_size)}
    for w, u, b in GATES:
        shapes |= {w: (embedding_size, hidden_size), u: (hidden_size, hidden_size), b: (hidden_size,)}
    return shapes | {"W_out": (hidden_size, vocabulary_size), "b_out": (vocabulary_size,)}


class OracleLSTM:
    """A language with a known density. It is never trained, and takes no gradients.

    Args:
        weights: The 15 arrays that :func:`oracle_shapes` names.
        start_token: Read before the first token of a sentence; as in the paper also an ordinary token.
        dtype: float32, or float64 where accuracy matters more than speed.

    Attributes:
        vocabulary_size, embedding_size, hidden_size: Sizes (V, E, H).
    """

    def __init__(
        self, weights: Mapping[str, np.ndarray], start_token: int = 0, dtype: torch.dtype = torch.float32
    ) -> None:
        self.weights = {name: np.asarray(weights[name], dtype=np.float32) for name in oracle_shapes(0, 0, 0)}
        self.start_token = start_token
        self.vocabulary_size, self.embedding_size = self.weights["emb"].shape
        self.hidden_size = self.weights["W_out"].shape[0]
        tensors = {name: torch.from_numpy(array).to(dtype) for name, array in self.weights.items()}
        w, u, b = (torch.cat([tensors[gate[part]] for gate in GATES], -1) for part in range(3))  # (.., 4 H)
        self._read = torch.addmm(b, tensors["emb"], w)  # (V, 4 H): what each token adds to the gates
        self._recurrent = u.contiguous()
        self._out, self._bias = tensors["W_out"].contiguous(), tensors["b_out"]
        # |h| < 1 bounds every logit
        self._bounded = bool((self._out.abs().sum(0) + self._bias.abs()).max() < SAFE_LOGIT)

    @classmethod
    def from_seed(cls, vocabulary_size: int, embedding_size: int, hidden_size: int, seed: int) -> OracleLSTM:
        """An oracle whose weights are all drawn from N(0, 1), as in the paper, by a separate generator."""
        rng = np.random.default_rng(seed)
        shapes = oracle_shapes(vocabulary_size, embedding_size, hidden_size)
        return cls({name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()})

    @classmethod
    def from_file(cls, path: str | Path) -> OracleLSTM:
        """The oracle in a ``.npz`` file of the 15 arrays; nothing is unpickled.

        Raises:
            UserError: no such file, not an .npz file, or an array that is missing, of a wrong shape or not finite.
        """
        return cls(_read_weights(Path(path)))

    # ------------------------------------------------------------------ one token
    def initial_state(self, n: int) -> tuple[Tensor, Tensor]:
        """The state (h, c), each (N, H), before the start token is read."""
        h = self._recurrent.new_zeros(n, self.hidden_size)
        return h, h.clone()

    def advance(self, token: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Read one token (N,) in state (h, c): the next state."""
        gates = torch.addmm(self._read[token], h, self._recurrent)  # (N, 4 H)
        i, f, g, o = gates.chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def logits(self, h: Tensor) -> Tensor:
        """(N, H) to the (N, V) logits of the next token."""
        return torch.addmm(self._bias, h, self._out)

    def step(
        self, last: np.ndarray, token: np.ndarray, h: np.ndarray, c: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read ``last``, then give the log-probability of ``token``. What :class:`OracleText` does at each step.

        The rows are computed in blocks of one fixed size, because matrix products of different heights round
        differently: so a sentence has the same rewards, to the last bit, alone and in any batch.

        Args:
            last, token: (N,) int64.
            h, c: (N, H), the state before ``last`` is read.

        Returns:
            log-probabilities (N,) float64, and h, c after ``last``, each (N, H) float32.
        """
        n = len(token)
        blocks = -(-n // STEP_ROWS)
        size = blocks * STEP_ROWS
        tokens = np.zeros((2, size), np.int64)
        tokens[0, :n], tokens[1, :n] = last, token
        state = np.zeros((2, size, self.hidden_size), np.float32)
        state[0, :n], state[1, :n] = h, c
        both, out = torch.from_numpy(tokens), torch.from_numpy(state)
        log_prob = torch.empty(size)
        for k in range(0, size, STEP_ROWS):
            rows = slice(k, k + STEP_ROWS)
            new_h, new_c = self.advance(both[0, rows], out[0, rows], out[1, rows])
            log_prob[rows] = self._log_prob(new_h, both[1, rows])
            out[0, rows], out[1, rows] = new_h, new_c
        return log_prob[:n].double().numpy(), state[0, :n], state[1, :n]

    def _log_prob(self, h: Tensor, token: Tensor) -> Tensor:
        """log p(token | h), (N,); the logits are overwritten in place."""
        logits = self.logits(h)
        chosen = logits.gather(1, token[:, None])[:, 0]
        if not self._bounded:
            top = logits.amax(-1, keepdim=True)
            logits -= top
            chosen = chosen - top[:, 0]
        return chosen - logits.exp_().sum(-1).log_()

    # ------------------------------------------------------------------ whole sentences
    def _features(self, tokens: Tensor) -> Iterator[tuple[slice, int, Tensor]]:
        """Read sentences (N, T) in blocks: yields the rows, the step t, and the hidden states (B, H) before token t.

        Token t is read when the next step is requested, so that a sampler can fill it in first.
        """
        for first in range(0, len(tokens), ROWS):
            rows = slice(first, first + ROWS)
            last = torch.full((len(tokens[rows]),), self.start_token)
            h, c = self.initial_state(len(last))
            for t in range(tokens.shape[1]):
                h, c = self.advance(last, h, c)
                yield rows, t, h
                last = tokens[rows, t]

    def token_log_probs(self, tokens: Tensor) -> Tensor:
        """(N, T) int64 to (N, T): log p of every token given those before it, in nats."""
        result = self._recurrent.new_empty(tokens.shape)
        for rows, t, h in self._features(tokens):
            result[rows, t] = self._log_prob(h, tokens[rows, t])
        return result

    def log_prob(self, tokens: Tensor) -> Tensor:
        """(N, T) int64 to (N,): log p of every sentence, in nats."""
        return self.token_log_probs(tokens).sum(-1)

    def sample(self, n: int, length: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """Sentences of the language, (N, T) int64; temperature 0 always takes the most probable token."""
        tokens = torch.empty(n, length, dtype=torch.int64)
        for rows, t, h in self._features(tokens):
            logits = self.logits(h)
            if self._bounded and temperature == 1.0:
                tokens[rows, t] = invert_cumulative(logits.exp_(), generator)
            else:
                tokens[rows, t] = sample_categorical(logits, generator, temperature)
        return tokens

    def entropy(self, n: int, length: int, generator: torch.Generator | None = None) -> tuple[float, float]:
        """Entropy in nats a token, and its standard error, from n sampled sentences.

        Rao-Blackwellised: the entropy of the whole next-token distribution is averaged over sampled
        prefixes, not the log-probability of the one token that was drawn.
        """
        tokens = self.sample(n, length, generator)
        sums = torch.zeros(n, dtype=torch.float64)
        for rows, _, h in self._features(tokens):
            log_p = self.logits(h).log_softmax(-1)
            sums[rows] -= torch.linalg.vecdot(log_p.exp(), log_p).double()
        per_token = sums / length
        return float(per_token.mean()), float(per_token.std() / n**0.5) if n > 1 else float("nan")

    # ------------------------------------------------------------------ everything, for small languages
    def enumerate(self, length: int) -> Enumeration:
        """Every sentence of a small language with its probability, in double precision.

        Raises:
            UserError: V ** length is above two million.
        """
        v = self.vocabulary_size
        if v**length > MOST_SEQUENCES:
            raise UserError(
                f"{v} ** {length} sentences are too many to enumerate; at most {MOST_SEQUENCES:,}: "
                "take a smaller vocabulary_size or max_length"
            )
        exact = OracleLSTM(self.weights, self.start_token, torch.float64)
        h, c = exact.initial_state(1)
        last = torch.tensor([self.start_token])
        steps = []
        for _ in range(length):
            h, c = exact.advance(last, h, c)
            steps.append(exact.logits(h).log_softmax(-1).numpy())  # (V ** t, V)
            last = torch.arange(v).repeat(len(h))
            h, c = h.repeat_interleave(v, 0), c.repeat_interleave(v, 0)
        return Enumeration(steps)


@dataclass(frozen=True)
class Enumeration:
    """A distribution over all V ** T sentences of T tokens, of the oracle or of any policy with step probabilities.

    Attributes:
        step_log_probs: T arrays; the t-th, (V ** t, V), holds log p(next token | prefix). A prefix
            or sentence is the number whose digits in base V are its tokens.
    """

    step_log_probs: list[np.ndarray]

    @property
    def tokens(self) -> np.ndarray:
        """(V ** T, T) int64: all sentences, in order of their numbers."""
        v, length = self.step_log_probs[0].shape[1], len(self.step_log_probs)
        tokens: np.ndarray = np.arange(v**length)[:, None] // v ** np.arange(length - 1, -1, -1) % v
        return tokens

    @property
    def log_probs(self) -> np.ndarray:
        """(V ** T,): log p of every sentence; the exponentials sum to 1."""
        total = np.zeros(1)
        for step in self.step_log_probs:
            total = (total[:, None] + step).ravel()
        return total

    def expected_values(self, returns: np.ndarray) -> list[np.ndarray]:
        """E[return | prefix] when the rest of the sentence follows this distribution.

        Args:
            returns: (V ** T,), one for every sentence.

        Returns:
            T + 1 arrays; the t-th, (V ** t,), is over prefixes of t tokens. Q(prefix, token) is the
            entry of the prefix with that token appended.
        """
        values = [np.asarray(returns, dtype=np.float64)]
        for step in reversed(self.step_log_probs):
            values.append((np.exp(step) * values[-1].reshape(step.shape)).sum(-1))
        return values[::-1]


def _read_weights(path: Path) -> dict[str, np.ndarray]:
    """The 15 arrays of a file, checked."""
    arrays = dict(Members(path, "oracle"))
    wanted = oracle_shapes(0, 0, 0)
    if missing := sorted(set(wanted) - set(arrays)):
        raise UserError(f"oracle_path {str(path)!r}: missing arrays {', '.join(missing)}; an oracle has {len(wanted)}")
    emb, out = arrays["emb"], arrays["W_out"]
    if emb.ndim != 2 or out.ndim != 2 or emb.shape[0] < 2 or 0 in emb.shape + out.shape:
        raise UserError(
            f"oracle_path {str(path)!r}: emb has shape {emb.shape} and W_out {out.shape}; "
            "must be (V, E) and (H, V) with V at least 2"
        )
    for name, shape in oracle_shapes(emb.shape[0], emb.shape[1], out.shape[0]).items():
        array = arrays[name]
        if array.shape != shape:
            raise UserError(f"oracle_path {str(path)!r}: {name} has shape {array.shape}, must be {shape}")
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise UserError(f"oracle_path {str(path)!r}: {name} must hold finite floating-point numbers only")
    return {name: arrays[name] for name in wanted}
