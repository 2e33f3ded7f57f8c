"""A memory network as a backbone: the episode's observations are kept, and read by attention in several hops.

    u_1     = B x_t                                              the query is the current observation
    p_k     = softmax(u_k . (A_k x_i + a_k(t - i)))              over the observations i before t
    o_k     = sum_i p_k,i (C_k x_i + c_k(t - i)),   u_{k+1} = u_k + o_k        (Sukhbaatar et al. 2015, eq. 1, 2, 4)

with one vector for each age t - i (its time encoding, section 4.1), and the layers' embeddings tied as in its section
2.2, "adjacent": A_{k+1} = C_k and B = A_1. A hop finds what the query is about, and the next one queries with that. The
gradient reaches every observation in one step. If the inputs are bags of words, equal words match from the beginning;
if a word has a different vector for each position in a sentence, that has to be learned first.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.core.errors import UserError
from lhy_rl.core.validation import choice, integer
from lhy_rl.nn.backbones.base import SequenceBackbone, State


class MemoryNetwork(SequenceBackbone):
    """Attention over the observations of the episode so far, several times.

    The state is one tensor (B, slots + 1, E + 1), the last observations with the latest one last; the last number of
    each is 1 if the slot is filled. A whole sequence is read at once, without a loop over time.

    Args:
        input_size: E, width of the inputs.
        hidden_size: H, width of the embeddings and of the output.
        num_layers: Hops, usually 1 to 3: the number of facts that an answer combines.
        slots: Observations before the current one that can be read.
        overflow: If an episode has more: ``error``, or ``forget`` the oldest.

    Raises:
        UserError: An episode has more observations than slots, and ``overflow`` is ``error``.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, slots: int = 128, overflow: str = "error"
    ) -> None:
        super().__init__()
        self.input_size, self.output_size = input_size, hidden_size
        self.slots = integer("slots", slots, 1)
        self.forgets = choice("overflow", overflow, ("error", "forget")) == "forget"
        # the embeddings A_1 (= B), A_2 = C_1, ..., C_K of an observation, and those of its age, the oldest first
        self.embeddings = nn.ModuleList([nn.Linear(input_size, hidden_size, bias=False) for _ in range(num_layers + 1)])
        self.ages = nn.ParameterList([0.1 * torch.randn(slots, hidden_size) for _ in range(num_layers + 1)])

    def initial_state(self, batch_size: int) -> State:
        return (self.ages[0].new_zeros(batch_size, self.slots + 1, self.input_size + 1),)

    def forward(self, x: Tensor, state: State, start: Tensor) -> tuple[Tensor, State]:
        y, _, state = self.attend(x, state, start)
        return y, state

    def attend(self, x: Tensor, state: State, start: Tensor) -> tuple[Tensor, Tensor, State]:
        """:meth:`forward`, with the attention weights (hops, T, B, K) as a second result.

        K is at most ``slots``, the most observations that any step can read here, the oldest first.
        """
        (before,) = state
        steps, instances, _ = x.shape
        ever = (before[..., -1] > 0.5).any(0)  # slots filled in any row
        past = len(ever) - int(ever.int().argmax()) if bool(ever.any()) else 0
        new = torch.cat([x, torch.ones_like(x[..., :1])], -1).transpose(0, 1)  # (B, T, E + 1)
        memory = torch.cat([before[:, len(ever) - past :], new], 1)  # (B, P + T, E + 1)
        episode = torch.cat([start.new_zeros(past, instances), start]).cumsum(0).T  # of each observation
        known = (memory[..., -1] > 0.5)[:, None] & (episode[:, None] == episode[:, past:, None])  # (B, T, P + T)
        place = past + torch.arange(steps, device=x.device)  # of each step in the memory
        if not self.forgets and bool(known.diagonal(past - self.slots - 1, 1, 2).any()):
            raise UserError(
                f"memory_network has {self.slots} slots, fewer than this episode has observations; "
                "core_options={'slots': as many as an episode has steps} keeps all, {'overflow': 'forget'} the latest"
            )
        count = max(1, min(self.slots, past + steps - 1))  # K
        slot = place[:, None] - count + torch.arange(count, device=x.device)  # (T, K)
        inside, slot = slot >= 0, slot.clamp(min=0).expand(instances, -1, -1)
        known = known.gather(2, slot) & inside
        embedded = [embedding(memory[..., :-1]) for embedding in self.embeddings]  # (B, P + T, H) each
        aged = [ages[-count:] for ages in self.ages]  # (K, H) each
        u, hops = embedded[0][:, past:], []  # (B, T, H)
        for k in range(len(embedded) - 1):
            match = (u @ embedded[k].transpose(1, 2)).gather(2, slot) + u @ aged[k].T  # (B, T, K)
            p = known * match.masked_fill(~known, -1e9).softmax(-1)  # 0 where nothing is known
            spread = p.new_zeros(instances, steps, past + steps).scatter_add(2, slot, p)
            u = u + spread @ embedded[k + 1] + p @ aged[k + 1]
            hops.append(p.transpose(0, 1))
        kept = memory * (episode == episode[:, -1:])[..., None]
        kept = F.pad(kept, (0, 0, max(0, len(ever) - kept.shape[1]), 0))[:, -len(ever) :]
        return u.transpose(0, 1), torch.stack(hops), (kept,)
