"""The discriminator of sentences, that plays against a text generator."""

from __future__ import annotations

import torch
from torch import Tensor

from lhy_rl.agents.rewards.discriminator_trainer import DiscriminatorTrainer, fitting_objective
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import TextTask, TokenSequences
from lhy_rl.functional.adversarial import gradient_penalty
from lhy_rl.nn.discriminators.sequence import Discriminator, discriminators


class SentenceAdversary(DiscriminatorTrainer):
    """Learns to tell a task's sentences from a generator's, and pays the generator for what passes.

    Args:
        task: Whose training sentences are the real ones; its validation sentences are never trained on.
        discriminator: Name of the network.
        objective_name: Name of the objective.
        generator: Owner of the batches' randomness.
        learning_rate: Adam's.
        batch_size: Real sentences, and as many written ones, a gradient step.
        embedding_size: Width of the discriminator's token vectors.
        dropout: Share of its features dropped in training.
        weight_decay: Pull on its weights (AdamW).
        every_prefix: Train on all prefixes, not on whole sentences only.

    Raises:
        UserError: unknown names; a network that the objective or ``every_prefix`` cannot use.
    """

    def __init__(
        self,
        task: TextTask,
        discriminator: str,
        objective_name: str,
        generator: torch.Generator,
        device: torch.device,
        *,
        learning_rate: float,
        batch_size: int,
        embedding_size: int,
        dropout: float,
        weight_decay: float,
        every_prefix: bool,
    ) -> None:
        kind: type[Discriminator] = discriminators.get(discriminator)
        fitting_objective(objective_name, discriminator, kind.is_energy)
        if every_prefix and not kind.scores_prefixes:
            raise UserError(
                f"credit 'prefix' needs a discriminator that scores prefixes, 'recurrent', not {discriminator!r}"
            )
        tokens = max(task.observation_size, task.pad_token + 1)
        self.network = kind(tokens, task.max_length, embedding_size=embedding_size, dropout=dropout).to(device)
        super().__init__(
            self.network,
            discriminator,
            objective_name,
            generator,
            device,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
        )
        self.real = task.sequences("train")
        self.held_out = task.sequences("validation")
        self.batch_size = batch_size
        self.every_prefix = every_prefix

    def update(self, fake: TokenSequences) -> dict[str, float]:
        """Gradient steps on written sentences, each batch beside as many real ones drawn at random.

        Returns:
            ``train/discriminator_loss``, ``train/discriminator_accuracy`` on the batches before each step (a logit on
            its right side; for critics and energies, a real sentence ranked above a written one) and
            ``train/discriminator_accuracy_held_out``, the same with real sentences that are never trained on.
        """
        self.network.train()
        steps = 0
        loss_sum, right_sum = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for first in range(0, len(fake), self.batch_size):
            written = fake[first : first + self.batch_size]
            real, fake_scores, penalty = self._scores(self._draw(self.real, len(written)), written)
            loss = self.objective.discriminator_loss(real, fake_scores, self.balance) + penalty
            self.descend(loss, real, fake_scores)
            loss_sum += loss.detach()
            right_sum += self.accuracy(real.detach(), fake_scores.detach())
            steps += 1
        metrics = {
            "train/discriminator_loss": float(loss_sum) / steps,
            "train/discriminator_accuracy": float(right_sum) / steps,
        }
        if len(self.held_out):
            with torch.no_grad():
                self.network.eval()
                written = fake[: self.batch_size]
                real, fake_scores, _ = self._scores(self._draw(self.held_out, len(written)), written)
                metrics["train/discriminator_accuracy_held_out"] = float(self.accuracy(real, fake_scores))
        if self.balance is not None:
            metrics["train/balance"] = self.balance
        return metrics

    def sentence_rewards(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(N, T) tokens and (N,) lengths to rewards (N,)."""
        return self.objective.reward(self.network.score(tokens, lengths))

    @torch.no_grad()
    def prefix_rewards(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(N, T) rewards of every prefix."""
        self.network.eval()
        return self.objective.reward(self.network.prefixes(tokens, lengths))

    def _draw(self, sentences: TokenSequences, n: int) -> TokenSequences:
        return sentences[torch.randint(len(sentences), (n,), generator=self.generator).numpy()]

    def _scores(self, real: TokenSequences, fake: TokenSequences) -> tuple[Tensor, Tensor, Tensor | float]:
        """Scores of both kinds and the gradient penalty; one pass through the network, for it is faster."""
        n = len(real)
        tokens = torch.cat([torch.as_tensor(s.tokens, device=self.device) for s in (real, fake)])
        lengths = torch.cat([torch.as_tensor(s.lengths, device=self.device) for s in (real, fake)])
        if self.every_prefix:
            scores = self.network.prefixes(tokens, lengths)
            mask = torch.arange(tokens.shape[1], device=self.device) < lengths[:, None]
            return scores[:n][mask[:n]], scores[n:][mask[n:]], 0.0
        embedded = self.network.embed(tokens)
        scores = self.network.forward_embedded(embedded, lengths)
        penalty: Tensor | float = 0.0
        if self.objective.penalty_weight and self.network.training:
            longer = torch.maximum(lengths[:n], lengths[n:])
            penalty = self.objective.penalty_weight * gradient_penalty(
                lambda z: self.network.forward_embedded(z, longer), embedded[:n], embedded[n:]
            )
        return scores[:n], scores[n:], penalty
