"""A discriminator of sentences as a reward model: it distinguishes a task's sentences from a generator's.

The option ``credit`` says how the value Q_t of token x_t is computed:

    monte_carlo   mean reward of the policy's own completions of x_<=t (Yu et al. 2017, eq. 4)
    prefix        reward of the prefix, from a recurrent discriminator that scores every prefix
    critic        reward of the sentence at its last token, spread by a learned critic (GAE)

The value of a sentence's last token is the reward of the sentence.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.rewards.discriminator_trainer import DiscriminatorTrainer, fitting_objective
from lhy_rl.agents.rewards.monte_carlo_search import monte_carlo_credit
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import TextTask, TokenSequences
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.returns import generalized_advantages
from lhy_rl.nn.decoding import sample
from lhy_rl.nn.discriminators.sequence import Discriminator, discriminators
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.full_episodes import Episodes

CREDITS = ("monte_carlo", "prefix", "critic")


class SequenceDiscriminatorReward(DiscriminatorTrainer):
    """Learns to tell a task's sentences from a policy's, and rewards the policy for sentences that pass as real.

    Where sentences answer a source, it does not read the source: it tells if they sound real, not if they fit.

    Args:
        policy: The generator.
        task: The text task; its training sentences are the real ones, its validation sentences are never trained on.
        discriminator: Name of the network.
        objective_name: Name of the objective.
        generator: Random numbers for the batches.
        learning_rate: Adam's.
        batch_size: Real sentences, and as many generated ones, per gradient step.
        embedding_size: Width of the discriminator's token vectors.
        dropout: Share of the discriminator's features dropped in training.
        weight_decay: Weight decay of the discriminator's parameters (AdamW).
        credit: ``monte_carlo``, ``prefix`` or ``critic``; with ``prefix`` the discriminator is trained on all prefixes.
        rollouts: Completions of each prefix, for ``monte_carlo``.
        gamma, gae_lambda: Discount and lambda of the advantages, for ``critic``.

    Raises:
        UserError: unknown names; a network that the objective or the credit cannot use.
    """

    network: Discriminator
    needs_raw_obs = False

    def __init__(
        self,
        policy: ActorCritic,
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
        credit: str,
        rollouts: int,
        gamma: float,
        gae_lambda: float,
    ) -> None:
        positive(discriminator_learning_rate=learning_rate)
        check(rollouts=(rollouts, 1), gae_lambda=(gae_lambda, 0, 1), discriminator_batch_size=(batch_size, 1))
        check(discriminator_embedding_size=(embedding_size, 1), discriminator_dropout=(dropout, 0, 0.99))
        check(discriminator_weight_decay=(weight_decay, 0))
        kind: type[Discriminator] = discriminators.get(discriminator)
        fitting_objective(objective_name, discriminator, kind.is_energy)
        if credit == "prefix" and not kind.scores_prefixes:
            raise UserError(
                f"credit 'prefix' needs a discriminator that scores prefixes, 'recurrent', not {discriminator!r}"
            )
        tokens = max(task.observation_size, task.pad_token + 1)
        super().__init__(
            kind(tokens, task.max_length, embedding_size=embedding_size, dropout=dropout).to(device),
            discriminator,
            objective_name,
            generator,
            device,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
        )
        self.policy, self.task, self.batch_size = policy, task, batch_size
        self.needs_states = credit == "monte_carlo"
        self.credit, self.rollouts, self.gamma, self.gae_lambda = credit, rollouts, gamma, gae_lambda
        self.real = task.sequences("train")
        self.held_out = task.sequences("validation")
        self._credited: Tensor | None = None  # (T, B) of the episodes that were relabelled last

    # ------------------------------------------------------------------ learning
    def train_on_samples(self, steps: int) -> Metrics:
        """Gradient steps on sentences freshly sampled from the policy."""
        self.policy.eval()
        n = steps * self.batch_size
        answered = None if self.real.sources is None else self._draw(self.real, n)
        return self.train_on(sample(self.policy, self.task, n, self.generator, answered=answered))

    def train_on(self, fake: TokenSequences) -> Metrics:
        """Gradient steps on generated sentences, each batch beside as many real ones drawn at random.

        Returns:
            ``train/discriminator_loss``, ``train/discriminator_accuracy`` on the batches before each step (a logit of
            the right sign; for critics and energies, a real sentence ranked above a generated one) and
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

    def _draw(self, sentences: TokenSequences, n: int) -> TokenSequences:
        return sentences[torch.randint(len(sentences), (n,), generator=self.generator).numpy()]

    def _scores(self, real: TokenSequences, fake: TokenSequences) -> tuple[Tensor, Tensor, Tensor | float]:
        """Scores of both kinds and the gradient penalty, in one pass through the network, which is faster."""
        n = len(real)
        tokens = torch.cat([torch.as_tensor(s.tokens, device=self.device) for s in (real, fake)])
        lengths = torch.cat([torch.as_tensor(s.lengths, device=self.device) for s in (real, fake)])
        if self.credit == "prefix":
            scores = self.network.prefixes(tokens, lengths)
            mask = torch.arange(tokens.shape[1], device=self.device) < lengths[:, None]
            of_real, of_fake = scores[:n][mask[:n]], scores[n:][mask[n:]]
        else:
            of_real, of_fake = self.network(tokens, lengths).split(n)
        penalty: Tensor | float = 0.0
        if self.objective.penalty_weight and self.network.training:
            ends = torch.maximum(lengths[:n], lengths[n:])
            if self.credit == "prefix":  # one random prefix of each pair
                ends = (torch.rand(n, generator=self.generator).to(self.device) * ends).long() + 1
            penalty = self.objective.penalty_weight * self.network.penalty(tokens[:n], tokens[n:], ends)
        return of_real, of_fake, penalty

    # ------------------------------------------------------------------ the reward
    def relabel(self, episodes: Episodes) -> Metrics:
        """Put the reward of a sentence at its last token."""
        tokens, lengths, mask = episodes.sentences(self.task), episodes.lengths, episodes.valid
        last = lengths - 1, torch.arange(len(lengths), device=lengths.device)
        self._credited = None
        if self.credit == "critic":
            final = self.sentence_rewards(tokens, lengths)
        else:
            if self.credit == "monte_carlo":
                score = self.sentence_rewards
                self._credited = monte_carlo_credit(
                    self.policy, self.task, episodes, score, self.rollouts, self.generator
                )
            else:
                self._credited = self.prefix_rewards(tokens, lengths).T[: len(mask)] * mask
            final = self._credited[last]
        episodes.rewards = torch.zeros_like(episodes.rewards)
        episodes.rewards[last] = final
        return {"rollout/ep_rew_mean": float(final.mean()), "rollout/ep_rew_std": float(final.std(correction=0))}

    def action_values(self, episodes: Episodes, values: Tensor) -> Tensor:
        """(T, B) values of the tokens of the relabelled sentences; with ``critic`` the critic's targets, GAE + V."""
        if self._credited is not None:
            return self._credited
        mask = episodes.valid
        ended = torch.zeros_like(mask)
        ended[episodes.lengths - 1, torch.arange(mask.shape[1], device=mask.device)] = True
        following = torch.cat([values[1:], torch.zeros_like(values[:1])])
        advantage = generalized_advantages(
            episodes.rewards, values, following, ended, torch.zeros_like(ended), self.gamma, self.gae_lambda
        )
        return (advantage + values) * mask

    def sentence_rewards(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(N, T) tokens and (N,) lengths to rewards (N,)."""
        return self.objective.reward(self.network.score(tokens, lengths))

    @torch.no_grad()
    def prefix_rewards(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(N, T) rewards of every prefix."""
        self.network.eval()
        return self.objective.reward(self.network.prefixes(tokens, lengths))
