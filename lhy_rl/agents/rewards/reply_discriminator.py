"""A discriminator of replies as a reward model: is this a person's reply to this context?

It reads the context and then the reply, token by token, and scores after every token how much the beginning of the
reply looks like a person's (Li et al. 2017, "Adversarial learning for neural dialogue generation"). In training,
people's replies to other contexts ("strays") count as generated, too, so that a reply must fit its context. It learns
while the policy learns:

    lhy-rl train reinforce --env.id lhy_rl/ChatReply-v0 --env.reward none \\
        --agent.reward_model lhy_rl.agents.rewards.reply_discriminator:ReplyDiscriminator
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Agent, Metrics
from lhy_rl.agents.rewards.discriminator_trainer import DiscriminatorTrainer
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import SOURCE, SOURCE_MASK
from lhy_rl.core.validation import check, choice, positive
from lhy_rl.nn.discriminators.sequence import RecurrentDiscriminator
from lhy_rl.rollouts.full_episodes import Episodes

PLACES = ("end", "token")


class ReplyDiscriminator(DiscriminatorTrainer):
    """Learns to tell people's replies from a policy's, and rewards the policy for replies that pass as a person's.

    Args:
        reward_at: ``end``, at a reply's last token, or ``token``: at each token, by how much it raises the reward of
            the prefix. The two sums differ by the reward of the context alone, which no reply changes.
        steps: Gradient steps per rollout, each on as many people's replies as were written, and half as many strays.
        objective: Name of the objective, of logits: ``gan``, ``lsgan``, ...
        learning_rate: Adam's.
        embedding_size, hidden_size: Widths of the network.
        dropout: Share of the network's features dropped in training.
        weight_decay: Weight decay of the network's parameters (AdamW).
    """

    network: RecurrentDiscriminator
    needs_raw_obs = False

    def __init__(
        self,
        reward_at: str = "end",
        steps: int = 1,
        objective: str = "gan",
        learning_rate: float = 0.001,
        embedding_size: int = 64,
        hidden_size: int = 64,
        dropout: float = 0.25,
        weight_decay: float = 0.01,
    ) -> None:
        positive(learning_rate=learning_rate)
        check(steps=(steps, 1), embedding_size=(embedding_size, 1), hidden_size=(hidden_size, 1))
        check(dropout=(dropout, 0, 0.99), weight_decay=(weight_decay, 0))
        self.reward_at = choice("reward_at", reward_at, PLACES)
        self.steps, self.objective_name = steps, objective
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.sizes = {"embedding_size": embedding_size, "hidden_size": hidden_size, "dropout": dropout}

    def attach(self, agent: Agent) -> None:
        self.task, self.real = agent.task, agent.task.sequences("train")
        if self.real.sources is None or self.real.source_lengths is None:
            raise UserError("ReplyDiscriminator needs a task with contexts to reply to, such as lhy_rl/ChatReply-v0")
        width = self.real.sources.shape[1] + self.task.max_length
        with agent.randomness():
            network = RecurrentDiscriminator(self.task.observation_size, width, **self.sizes)  # type: ignore[arg-type]
        super().__init__(
            network.to(agent.device), "recurrent", self.objective_name, agent.generator, agent.device,
            learning_rate=self.learning_rate, weight_decay=self.weight_decay,
        )  # fmt: skip

    # ------------------------------------------------------------------ learning
    def train(self, rollout: Episodes) -> Metrics:
        """Gradient steps on the latest replies; returns the loss, and the accuracy on people's and the policy's."""
        self.network.train()
        fake, n = self._written(rollout), len(rollout.lengths)
        loss_sum = right_sum = torch.zeros((), device=self.device)
        for _ in range(self.steps):
            drawn, stray = self._draw(n), self._draw(max(2, n // 2 + 1))  # a stray needs another context
            others = np.roll(stray, 1)
            real, wrong = self._people(drawn, drawn), self._people(stray, others)
            scores = [self._final(*rows) for rows in (real, fake, wrong)]
            loss = self.objective.discriminator_loss(scores[0], torch.cat(scores[1:]), self.balance)
            if self.objective.penalty_weight:
                ends = torch.maximum(real[1], fake[1])
                loss = loss + self.objective.penalty_weight * self.network.penalty(real[0], fake[0], ends)
            self.descend(loss, scores[0], scores[1])
            loss_sum = loss_sum + loss.detach()
            right_sum = right_sum + self.accuracy(scores[0].detach(), scores[1].detach())
        return {
            "train/discriminator_loss": float(loss_sum) / self.steps,
            "train/discriminator_accuracy": float(right_sum) / self.steps,
        }

    def _draw(self, n: int) -> np.ndarray:
        return torch.randint(len(self.real), (n,), generator=self.generator, device=self.generator.device).cpu().numpy()

    def _people(self, contexts: np.ndarray, replies: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Contexts and replies of the training pairs with these indices, as :meth:`_joined` gives them."""
        assert self.real.sources is not None and self.real.source_mask is not None
        rows = self.real.sources[contexts], self.real.source_mask[contexts], self.real.tokens[replies]
        sources, mask, tokens = (torch.as_tensor(x, device=self.device) for x in rows)
        return self._joined(sources, mask, tokens, torch.as_tensor(self.real.lengths[replies], device=self.device))

    def _written(self, episodes: Episodes) -> tuple[Tensor, Tensor, Tensor]:
        obs = episodes.obs
        return self._joined(obs[SOURCE][0], obs[SOURCE_MASK][0].bool(), episodes.sentences(self.task), episodes.lengths)

    def _joined(self, sources: Tensor, mask: Tensor, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Context and reply as one row (N, L + T), the lengths of both (N,), and where the reply begins (N,)."""
        together = torch.cat([sources, tokens], 1)
        there = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        order = torch.cat([mask, there], 1).logical_not().to(torch.int8).argsort(stable=True, dim=1)
        begins = mask.sum(1)
        return together.gather(1, order), begins + lengths, begins

    def _final(self, tokens: Tensor, lengths: Tensor, begins: Tensor) -> Tensor:
        """(N,) scores of whole replies."""
        scores: Tensor = self.network(tokens, lengths)
        return scores

    # ------------------------------------------------------------------ the reward
    def relabel(self, rollout: Episodes) -> Metrics:
        """Replace the environment's rewards."""
        potentials = self.potentials(rollout)  # (T + 1, B)
        lengths, each = rollout.lengths, torch.arange(len(rollout.lengths), device=self.device)
        final = potentials[lengths, each]
        rewards = torch.zeros_like(rollout.rewards)
        if self.reward_at == "token":
            rewards = (potentials[1:] - potentials[:-1]) * rollout.valid
        else:
            rewards[lengths - 1, each] = final
        rollout.rewards = rewards
        return {"rollout/ep_rew_mean": float(final.mean()), "rollout/ep_rew_std": float(final.std(correction=0))}

    @torch.no_grad()
    def potentials(self, rollout: Episodes) -> Tensor:
        """(T + 1, B) rewards of the replies so far, before the first token and after each token."""
        self.network.eval()
        tokens, lengths, begins = self._written(rollout)
        scores = self.objective.reward(self.network.prefixes(tokens, lengths))  # (B, L + T)
        steps = torch.arange(len(rollout.valid) + 1, device=self.device)
        places = (begins[:, None] + steps - 1).clamp(max=scores.shape[1] - 1)
        return scores.gather(1, places).T
