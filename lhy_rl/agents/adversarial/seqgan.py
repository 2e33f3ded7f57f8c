"""SeqGAN: a generator of sentences that is a policy, and a discriminator that is its reward (Yu et al. 2017).

    generator       grad J = E[ sum_t grad log pi(x_t | x_<t) (Q_t - b_t) ]
    discriminator   tells the task's sentences from the generator's, under an objective chosen by name
    credit          Q_t, what token x_t is worth:
        monte_carlo   mean reward of sentences finished from x_<=t by the policy itself (eq. 4)
        prefix        reward of the prefix, from a recurrent discriminator that judges every prefix
        critic        reward of the sentence at its last token, spread by a learned critic (GAE)

A sentence's last token is worth the reward of the sentence. First the generator is trained by maximum
likelihood, then the discriminator on its sentences; then rounds of one policy-gradient step and a few
discriminator steps. :class:`Reinforce` is the policy gradient; this file adds the reward.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.policy_gradient.reinforce import Reinforce, mean_and_std
from lhy_rl.agents.rewards.monte_carlo_search import monte_carlo_credit
from lhy_rl.agents.rewards.sequence_discriminator import SentenceAdversary
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.returns import generalized_advantages
from lhy_rl.nn.decoding import sample
from lhy_rl.rollouts.full_episodes import Episodes
from lhy_rl.rollouts.vector_envs import Environment

CREDITS = ("monte_carlo", "prefix", "critic")


class SeqGAN(Reinforce):
    """Adversarial training of a text generator. A timestep is a token written for the policy gradient.

    Args:
        env: A text environment: an id or a ``VectorEnv``; each round writes one sentence in each instance.
        credit: Who is to blame: ``monte_carlo``, ``prefix`` or ``critic``.
        rollouts: Sentences finished after each prefix, for ``monte_carlo``. More is steadier and slower.
        gae_lambda: Between the critic's word (0) and the sentence's reward (1), for ``critic``.
        objective: ``gan``, ``gan_saturating``, ``lsgan``, ``wgan``, ``wgan_gp``, ``ebgan`` or ``began``.
        discriminator: ``cnn`` (the paper's), ``cnn_small``, ``recurrent`` or ``autoencoder`` (for the energies).
        discriminator_learning_rate: Adam's.
        discriminator_batch_size: Real sentences, and as many written ones, a gradient step.
        discriminator_steps: Gradient steps of the discriminator a round.
        discriminator_pretrain_steps: Its gradient steps before the first round.
        discriminator_embedding_size: Width of its token vectors.
        discriminator_dropout: Share of its features dropped in training.
        discriminator_weight_decay: Pull on its weights. Raise it when it knows the training sentences by heart
            (``train/discriminator_accuracy`` far above ``..._held_out``).
        pretrain_epochs: Passes over the sentences by maximum likelihood before the game.
        baseline: ``none``, ``mean``, ``critic`` or ``self_critical``. The paper's code has none, which sharpens
            the generator whatever the discriminator says.
        **reinforce: Options of ``reinforce`` and of every agent.

    Logs what ``reinforce`` logs (``rollout/ep_rew_mean`` is the discriminator's reward of the sentences) and
    ``train/discriminator_loss``, ``train/discriminator_accuracy``, ``train/discriminator_accuracy_held_out``.
    """

    large = True  # the discriminator is

    def __init__(
        self,
        env: Environment,
        *,
        credit: str = "monte_carlo",
        rollouts: int = 16,
        gae_lambda: float = 0.95,
        objective: str = "gan",
        discriminator: str = "cnn",
        discriminator_learning_rate: float = 1e-4,
        discriminator_batch_size: int = 64,
        discriminator_steps: int = 15,
        discriminator_pretrain_steps: int = 500,
        discriminator_embedding_size: int = 64,
        discriminator_dropout: float = 0.25,
        discriminator_weight_decay: float = 0.01,
        pretrain_epochs: float = 10.0,
        baseline: str = "mean",
        **reinforce: Any,
    ) -> None:
        positive(discriminator_learning_rate=discriminator_learning_rate)
        check(rollouts=(rollouts, 1), gae_lambda=(gae_lambda, 0, 1), pretrain_epochs=(pretrain_epochs, 0))
        check(
            discriminator_batch_size=(discriminator_batch_size, 1),
            discriminator_steps=(discriminator_steps, 1),
            discriminator_pretrain_steps=(discriminator_pretrain_steps, 0),
            discriminator_embedding_size=(discriminator_embedding_size, 1),
            discriminator_dropout=(discriminator_dropout, 0, 0.99),
            discriminator_weight_decay=(discriminator_weight_decay, 0),
        )
        if credit not in CREDITS:
            raise suggest(credit, CREDITS, "credit")
        if credit == "critic" and baseline != "critic":
            raise UserError(f"credit 'critic' needs a critic; set baseline to 'critic', not {baseline!r}")
        super().__init__(env, pretrain_epochs=pretrain_epochs, baseline=baseline, **reinforce)
        self.credit_by = credit
        self.rollouts = rollouts
        self.gae_lambda = gae_lambda
        self.discriminator_steps = discriminator_steps
        self.discriminator_pretrain_steps = discriminator_pretrain_steps
        with self.randomness():
            self.adversary = SentenceAdversary(
                self.task,
                discriminator,
                objective,
                self.generator,
                self.device,
                learning_rate=discriminator_learning_rate,
                batch_size=discriminator_batch_size,
                embedding_size=discriminator_embedding_size,
                dropout=discriminator_dropout,
                weight_decay=discriminator_weight_decay,
                every_prefix=credit == "prefix",
            )

    # ------------------------------------------------------------------ the game
    def update(self) -> Metrics:
        if self.preparing:
            return self.prepare()
        metrics = super().update()
        return {**metrics, **self.train_discriminator(self.discriminator_steps)}

    def train_discriminator(self, steps: int) -> Metrics:
        """Gradient steps of the discriminator on freshly written sentences."""
        self.policy.eval()
        fake = sample(self.policy, self.task, steps * self.adversary.batch_size, self.generator)
        return self.adversary.update(fake)

    # ------------------------------------------------------------------ the reward
    def credit(self, episodes: Episodes, values: Tensor) -> tuple[Tensor, Metrics]:
        tokens, lengths, mask = episodes.sentences(self.task), episodes.lengths, episodes.valid
        judge = self.adversary.sentence_rewards
        if self.credit_by == "critic":
            final = judge(tokens, lengths)
            return self._spread(final, values, mask, lengths), mean_and_std(final)
        if self.credit_by == "monte_carlo":
            credit = monte_carlo_credit(self.policy, self.task, episodes, judge, self.rollouts, self.generator)
        else:
            credit = self.adversary.prefix_rewards(tokens, lengths).T[: len(mask)] * mask
        return credit, mean_and_std(credit[lengths - 1, torch.arange(len(lengths), device=credit.device)])

    def _spread(self, reward: Tensor, values: Tensor, mask: Tensor, lengths: Tensor) -> Tensor:
        """(T, B) targets of the critic, GAE + V, of a reward at the last token."""
        rewards, ended = torch.zeros_like(values), torch.zeros_like(mask)
        last = (lengths - 1, torch.arange(len(lengths), device=values.device))
        rewards[last], ended[last] = reward, True
        following = torch.cat([values[1:], torch.zeros_like(values[:1])])
        advantage = generalized_advantages(
            rewards, values, following, ended, torch.zeros_like(ended), self.gamma, self.gae_lambda
        )
        return (advantage + values) * mask

    def greedy_returns(self, steps: int) -> Tensor:
        greedy = self.collect(self._seed, deterministic=True)
        tokens, lengths = greedy.sentences(self.task), greedy.lengths
        return self.adversary.sentence_rewards(tokens, lengths).expand(steps, -1)

    # ------------------------------------------------------------------ preparation
    @property
    def preparing(self) -> bool:
        return super().preparing or self.adversary.num_steps < self.discriminator_pretrain_steps

    def prepare(self) -> Metrics:
        if super().preparing:
            return super().prepare()
        return self.train_discriminator(min(20, self.discriminator_pretrain_steps - self.adversary.num_steps))

    @property
    def timestep(self) -> str:
        return "tokens written"

    @property
    def phase(self) -> str:
        if Reinforce.preparing.fget(self):  # type: ignore[attr-defined]
            return "pretrain generator"
        return "pretrain discriminator" if self.preparing else "adversarial"

    @property
    def phase_progress(self) -> tuple[int, int]:
        if self.phase == "pretrain discriminator":
            return self.adversary.num_steps, self.discriminator_pretrain_steps
        return super().phase_progress

    # ------------------------------------------------------------------ resume
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "adversary": self.adversary.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.adversary.load_state_dict(state["adversary"])
