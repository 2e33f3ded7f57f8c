"""SeqGAN: the generator of sentences is a policy, and a discriminator is its reward (Yu et al. 2017).

    generator       grad J = E[ sum_t grad log pi(x_t | x_<t) (Q_t - b_t) ]
    discriminator   tells the task's sentences from the generator's, under an objective chosen by name
    credit          Q_t, the value of token x_t: by Monte-Carlo search, by the prefix, or by a critic

First the generator is trained by maximum likelihood, then the discriminator on its sentences; then rounds of one
policy-gradient step and a few discriminator steps. :class:`Reinforce` is the policy gradient, and
:class:`SequenceDiscriminatorReward` the reward model that is given to it.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.policy_gradient.reinforce import Reinforce
from lhy_rl.agents.rewards.sequence_discriminator import CREDITS, SequenceDiscriminatorReward
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.validation import check
from lhy_rl.rollouts.vector_envs import Environment


class SeqGAN(Reinforce):
    """Adversarial training of a text generator. A timestep is a token written for the policy gradient.

    Args:
        env: A text environment: an id or a ``VectorEnv``; each round writes one sentence in each instance.
        credit: Value of a token: ``monte_carlo`` (the mean reward of sentences that the policy completes after it),
            ``prefix`` (the reward of the prefix, from a recurrent discriminator that scores every prefix) or
            ``critic`` (the reward of the sentence at its last token, spread by a learned critic).
        rollouts: Completions sampled after each prefix, for ``monte_carlo``. More are less noisy and slower.
        gae_lambda: lambda of GAE, for ``critic``: 0 trusts the critic, 1 the sentence's reward.
        objective: ``gan``, ``gan_saturating``, ``lsgan``, ``wgan``, ``wgan_gp``, ``ebgan`` or ``began``.
        discriminator: ``cnn`` (the paper's), ``cnn_small``, ``recurrent`` or ``autoencoder`` (for the energies).
        discriminator_learning_rate: Adam's.
        discriminator_batch_size: Real sentences, and as many generated ones, per gradient step.
        discriminator_steps: Gradient steps of the discriminator per round.
        discriminator_pretrain_steps: Gradient steps of the discriminator before the first round.
        discriminator_embedding_size: Width of the discriminator's token vectors.
        discriminator_dropout: Share of the discriminator's features dropped in training.
        discriminator_weight_decay: Weight decay of its parameters. Raise it when the discriminator overfits the
            training sentences (``train/discriminator_accuracy`` far above ``..._held_out``).
        pretrain_epochs: Passes over the sentences by maximum likelihood before the game.
        baseline: ``none``, ``mean``, ``critic`` or ``self_critical``. The paper's code has none, which sharpens
            the generator whatever the discriminator's scores are.
        **reinforce: Options of ``reinforce`` and of every agent.

    Logs the metrics of ``reinforce`` (``rollout/ep_rew_mean`` is the discriminator's reward of the sentences) and
    ``train/discriminator_loss``, ``train/discriminator_accuracy``, ``train/discriminator_accuracy_held_out``.
    """

    large = True  # because of the discriminator
    changeable = ("learning_rate", "entropy_coef", "kl_coef", "value_coef", "max_grad_norm", "discriminator_steps")
    reward_model: SequenceDiscriminatorReward

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
        check(discriminator_steps=(discriminator_steps, 1), pretrain_epochs=(pretrain_epochs, 0))
        check(discriminator_pretrain_steps=(discriminator_pretrain_steps, 0))
        if credit not in CREDITS:
            raise suggest(credit, CREDITS, "credit")
        if credit == "critic" and baseline != "critic":
            raise UserError(f"credit 'critic' needs a critic; set baseline to 'critic', not {baseline!r}")
        super().__init__(env, pretrain_epochs=pretrain_epochs, baseline=baseline, **reinforce)
        self.discriminator_steps = discriminator_steps
        self.discriminator_pretrain_steps = discriminator_pretrain_steps
        with self.randomness():
            self.reward_model = self.discriminator = SequenceDiscriminatorReward(
                self.policy,
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
                credit=credit,
                rollouts=rollouts,
                gamma=self.gamma,
                gae_lambda=gae_lambda,
            )

    # ------------------------------------------------------------------ the game
    def update(self) -> Metrics:
        if self.preparing:
            return self.prepare()
        metrics = super().update()
        return {**metrics, **self.discriminator.train_on_samples(self.discriminator_steps)}

    def greedy_returns(self, steps: int) -> Tensor:
        greedy = self.collect(self._seed, deterministic=True)
        return self.discriminator.sentence_rewards(greedy.sentences(self.task), greedy.lengths).expand(steps, -1)

    # ------------------------------------------------------------------ preparation
    @property
    def preparing(self) -> bool:
        return super().preparing or self.discriminator.num_steps < self.discriminator_pretrain_steps

    def prepare(self) -> Metrics:
        if super().preparing:
            return super().prepare()
        return self.discriminator.train_on_samples(
            min(20, self.discriminator_pretrain_steps - self.discriminator.num_steps)
        )

    @property
    def timestep(self) -> str:
        return "tokens written"

    @property
    def phase(self) -> str:
        if super().preparing:
            return "pretrain generator"
        return "pretrain discriminator" if self.preparing else "adversarial"

    @property
    def phase_progress(self) -> tuple[int, int]:
        if self.phase == "pretrain discriminator":
            return self.discriminator.num_steps, self.discriminator_pretrain_steps
        return super().phase_progress

    # ------------------------------------------------------------------ resume
    def load_state_dict(self, state: dict[str, Any]) -> None:
        if "adversary" in state:  # an older file, whose discriminator was not yet the reward model
            state = {**state, "reward_model": state["adversary"]}
        super().load_state_dict(state)
