"""Generative adversarial networks (Goodfellow et al. 2014): the generator is a policy whose reward is differentiable.

    G      maps noise z and a condition c, if there is one, to a sample: x' = G(z, c)
    D      tells real samples from generated ones; the objective defines its score

    L_D = the objective's discriminator loss of D(x, c) and D(G(z, c), c), with its penalty
    L_G = w_GAN (the objective's generator loss of D(G(z, c), c)) + w_REC E|x - G(z, c)|     (Isola et al. 2017, eq. 4)
          + w_PT (pulling-away term of the codes of G(z, c))                                  (EBGAN: Zhao et al. 2017)

D takes its step first, and G's loss uses the new D. With ``one_stage`` both losses use the same scores, and one pass of
D over the generated samples gives both gradients (Shen et al. 2021, "Training generative adversarial networks in one
stage").

Objectives are chosen by name (:mod:`lhy_rl.functional.adversarial`): gan, lsgan, wgan, wgan_gp, ebgan, began. The
action is a sample, a point or a picture, and the gradient flows through it, unlike in a policy gradient.

Use it where samples must look real and their probability is not needed; otherwise, or if modes are lost, use ``vae``.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from torch import Tensor

from lhy_rl.agents.generative.sample_data import SampleData
from lhy_rl.agents.generative.sample_learner import SampleLearner, adam, frozen, set_gradients
from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import leaves, map_tree
from lhy_rl.core.validation import check, positive
from lhy_rl.functional import adversarial as objectives
from lhy_rl.functional.adversarial import BEGAN, EBGAN, WassersteinObjective
from lhy_rl.functional.adversarial_penalties import clip_weights, gradient_penalty, pulling_away
from lhy_rl.nn.generative.generator_policy import GeneratorPolicy
from lhy_rl.nn.generative.sample_discriminator import SampleDiscriminator
from lhy_rl.rollouts.vector_envs import Environment


class GAN(SampleLearner):
    """A generator and its discriminator. A timestep is a real sample in the batch of a generator's step.

    Args:
        env: A task of one step that has samples: ``lhy_rl/Ring-v0``, ``lhy_rl/Digits-v0``.
        objective: ``gan``, ``gan_saturating``, ``lsgan``, ``wgan``, ``wgan_gp``, ``ebgan`` or ``began``.
        objective_options: Further options of the objective, {margin: 0.5} for ``ebgan``, say.
        discriminator_steps: Gradient steps of the discriminator for each of the generator. ``wgan`` and ``wgan_gp``
            need 5.
        one_stage: Compute the generator's gradient from the discriminator's own pass instead of another pass after its
            step: less arithmetic, and both are updated at once. Not for ``ebgan`` and ``began``.
        learning_rate: Adam's, of the generator.
        discriminator_learning_rate: Adam's, of the discriminator.
        beta1: Adam's beta1, of both. 0 for ``wgan``.
        beta2: Adam's beta2, of both. Lower it, to 0.9, where a critic takes many steps.
        adversarial: Weight of the adversarial loss, w_GAN; 0 switches it off.
        reconstruction: Weight of the distance of a sample to the real one of its condition, w_REC. Take 0 where a
            condition has many right samples: their mean would be learned.
        pulling_away: Weight of the pulling-away term that keeps an ``ebgan``'s samples apart, w_PT; not used by others.
        energy_code_size: Size of the code of the autoencoder that is the discriminator of ``ebgan`` and ``began``;
            ``None`` takes the size of the noise, ``code_size``. With a code as large as a sample it may learn to copy
            every input, and tells nothing apart.
        augmentation: Maximum shift, in pixels, of pictures, real and generated ones alike, before the discriminator
            reads them, so that it does not overfit the real ones (Zhao et al. 2020). 0 for points.
        mismatched_pairs: For tasks with conditions, also show the discriminator real samples with the conditions of
            others, so that it uses the condition (Reed et al. 2016, algorithm 1).
        **shared: Options of the networks, and of every agent that learns from samples.

    Logs ``train/discriminator_loss``, ``train/discriminator_accuracy`` and ``train/generator_loss``;
    ``train/reconstruction`` if w_REC > 0; ``train/wasserstein_distance`` for ``wgan`` and ``wgan_gp``;
    ``train/balance`` and ``train/convergence`` for ``began``.
    """

    curves = {"train/discriminator_loss": "discriminator", "train/generator_loss": "generator"}
    policy: GeneratorPolicy

    changeable = (*SampleLearner.changeable, "discriminator_steps")

    def __init__(
        self,
        env: Environment,
        *,
        objective: str = "gan",
        objective_options: dict[str, Any] | None = None,
        discriminator_steps: int = 1,
        one_stage: bool = False,
        learning_rate: float = 1e-3,
        discriminator_learning_rate: float = 1e-3,
        beta1: float = 0.5,
        beta2: float = 0.999,
        adversarial: float = 1.0,
        reconstruction: float = 0.0,
        pulling_away: float = 0.1,
        energy_code_size: int | None = None,
        augmentation: int = 0,
        mismatched_pairs: bool = True,
        **shared: Any,
    ) -> None:
        positive(learning_rate=learning_rate, discriminator_learning_rate=discriminator_learning_rate)
        check(discriminator_steps=(discriminator_steps, 1), beta1=(beta1, 0, 0.999), beta2=(beta2, 0, 0.99999))
        check(energy_code_size=(1 if energy_code_size is None else energy_code_size, 1))
        check(adversarial=(adversarial, 0), reconstruction=(reconstruction, 0), pulling_away=(pulling_away, 0))
        if not adversarial + reconstruction:
            raise UserError("adversarial and reconstruction are both 0, so there is no loss; one must be above 0")
        check(augmentation=(augmentation, 0, 8))
        self.objective = objectives.objective(objective, **(objective_options or {}))
        super().__init__(env, **shared)
        self.adversarial, self.reconstruction, self.pulling_away = adversarial, reconstruction, pulling_away
        self.discriminator_steps, self.mismatched_pairs = discriminator_steps, mismatched_pairs
        self.augmentation, self.one_stage = augmentation, one_stage
        if one_stage and not adversarial:
            raise UserError("one_stage: true needs the discriminator's gradient; adversarial is 0 and must be above 0")
        if one_stage and self.objective.gradient_ratio(torch.zeros(1)) is None:
            raise UserError(
                f"one_stage: true is not for {objective}, whose discriminator loss has gradient 0 at some scores; "
                "allowed: gan, gan_saturating, lsgan, wgan, wgan_gp"
            )
        if augmentation and not self.policy.actor.samples.is_picture:
            raise UserError("augmentation shifts images, which these samples are not; augmentation must be 0")
        if reconstruction and self.data is not None and not self.data.conditional:
            raise UserError("reconstruction needs a condition for each real sample; this task has none")
        with self.randomness():
            self.discriminator = SampleDiscriminator(
                self.env.single_observation_space,
                self.policy.actor.samples,
                self.networks,
                self.objective.kind,
                energy_code_size,
            ).to(self.device)
        self.balance = self.objective.initial_balance
        betas = (float(beta1), float(beta2))
        self.optimizer = self.add_optimizer("optimizer", adam(self.policy, learning_rate, betas))
        self.discriminator_optimizer = self.add_optimizer(
            "discriminator_optimizer", adam(self.discriminator, discriminator_learning_rate, betas)
        )

    def make_policy(self, observation_space: gym.Space[Any], **policy: Any) -> GeneratorPolicy:
        return GeneratorPolicy(observation_space, self.env.single_action_space, self.networks)

    # ------------------------------------------------------------------ learning
    def train_step(self, data: SampleData) -> dict[str, Tensor]:
        """Steps of D, then one of G on the samples of D's last step."""
        found: dict[str, Tensor] = {}
        steps = self.discriminator_steps if self.adversarial else 1
        for step in range(steps):
            last = step == steps - 1
            x, c = data.rows(self.draw_rows())
            with torch.set_grad_enabled(last):
                fake = self.generate(c)
            if self.adversarial:
                detached = fake.detach().requires_grad_(last and self.one_stage)
                found, scores = self.train_discriminator(x, detached, c)
        total = x.new_zeros(())
        if self.adversarial:
            loss, descent = self.same_pass(fake, detached, scores) if self.one_stage else self.another_pass(fake, c)
            found["generator_loss"], total = loss, self.adversarial * descent
        if self.reconstruction:
            found["reconstruction"] = distance = (x - fake).abs().mean()
            total = total + self.reconstruction * distance
        set_gradients(self.optimizer, total)
        self.optimizer.step()
        return {name: value.detach() for name, value in found.items()}

    def generate(self, conditions: Any) -> Tensor:
        """(N, *shape) samples of conditions (N, ...), with gradient."""
        h = self.policy.trunk.encoder(conditions)
        return self.policy.actor.write(h, self.policy.actor.noise((len(h),), self.generator, self.device))

    def train_discriminator(self, x: Tensor, fake: Tensor, c: Any) -> tuple[dict[str, Tensor], Tensor]:
        """One step down L_D; returns the metrics to log, and the scores of the generated samples, (N,).

        If ``fake`` requires a gradient, it gets that of the part of L_D in which samples have their own conditions.
        """
        n, samples, conditions = len(x), torch.cat([x, fake]), joined(c, c)
        mismatched = self.mismatched_pairs and self.data is not None and self.data.conditional
        if mismatched:  # x with the condition of another sample
            others = map_tree(lambda a: a.roll(1, 0), c)
            samples, conditions = torch.cat([samples, x]), joined(conditions, others)
        scores = self.discriminator(self.shifted(samples), conditions)
        real, generated = scores[:n], scores[n : 2 * n]
        loss = self.objective.discriminator_loss(real, generated, self.balance)
        parts = 1
        if mismatched and (other := differs(c, others)).any():
            parts = 2
            loss = (loss + self.objective.discriminator_loss(real, scores[2 * n :][other], self.balance)) / parts
        total = loss
        if self.objective.penalty_weight:
            penalty = gradient_penalty(lambda z: self.discriminator(z, c), x, fake, self.generator)
            total = loss + self.objective.penalty_weight * penalty
        set_gradients(self.discriminator_optimizer, total, *[fake] if fake.requires_grad else [])
        if fake.grad is not None:
            fake.grad *= parts  # the share of the loss that these scores are in was 1 / parts
        self.discriminator_optimizer.step()
        if self.objective.weight_clip is not None:
            clip_weights(self.discriminator.parameters(), self.objective.weight_clip)
        return self.diagnostics(loss.detach(), real.detach(), generated.detach()), generated.detach()

    def shifted(self, samples: Tensor) -> Tensor:
        """Pictures (N, C, H, W), shifted down and to the right by random numbers of pixels, with gradient."""
        if not self.augmentation:
            return samples
        most = self.augmentation
        moves = torch.randint(-most, most + 1, (2,), generator=self.generator).tolist()
        return samples.roll(moves, (2, 3))

    @torch.no_grad()
    def diagnostics(self, loss: Tensor, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """The discriminator's metrics before its step; also updates BEGAN's balance."""
        found = {"discriminator_loss": loss, "discriminator_accuracy": self.accuracy(real, fake)}
        if isinstance(self.objective, WassersteinObjective):
            found["wasserstein_distance"] = real.mean() - fake.mean()
        if isinstance(self.objective, BEGAN):
            found["convergence"] = self.objective.convergence(real, fake)
            self.balance = self.objective.next_balance(self.balance, real, fake)
            found["balance"] = torch.tensor(self.balance, device=loss.device)
        return found

    def accuracy(self, real: Tensor, fake: Tensor) -> Tensor:
        """Share of logits with the right sign; for other scores, how often the real sample ranks above."""
        if self.objective.kind == "logit":
            return ((real > 0).float().mean() + (fake <= 0).float().mean()) / 2
        above = real < fake if self.objective.kind == "energy" else real > fake
        return above.float().mean()

    def another_pass(self, fake: Tensor, c: Any) -> tuple[Tensor, Tensor]:
        """L_G without reconstruction, by the present D: objective loss, without and with the pulling-away term."""
        with frozen(self.discriminator_optimizer):
            scores, codes = self.discriminator.score(self.shifted(fake), c)
        loss = self.objective.generator_loss(scores)
        if self.pulling_away and isinstance(self.objective, EBGAN):
            return loss, loss + self.pulling_away * pulling_away(codes)
        return loss, loss

    def same_pass(self, fake: Tensor, detached: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """The generator's loss of the scores (N,) of D's own pass, and a scalar with its gradient in ``fake``.

        Each score depends on its own sample only, so that dL_G / dg = (dL_G / ds) / (dL_D / ds) dL_D / dg, where
        dL_D / dg is the gradient of ``detached``.
        """
        ratio = self.objective.gradient_ratio(scores)
        assert ratio is not None and detached.grad is not None
        gradient = detached.grad * ratio.view(-1, *[1] * (detached.dim() - 1))
        return self.objective.generator_loss(scores), (fake * gradient).sum()

    # ------------------------------------------------------------------ saving, loading
    def state_dict(self) -> dict[str, Any]:
        state = {**super().state_dict(), "discriminator": self.discriminator.state_dict()}
        return state | ({} if self.balance is None else {"balance": self.balance})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.discriminator.load_state_dict(state["discriminator"])
        if self.balance is not None:
            check(balance=(state["balance"], 0, 1))
            self.balance = float(state["balance"])


def joined(first: Any, second: Any) -> Any:
    """Two batches of conditions as one."""
    return map_tree(lambda a, b: torch.cat([a, b]), first, second)


def differs(first: Any, second: Any) -> Tensor:
    """(N,) bool: whether the two conditions of a row differ."""
    pairs = zip(leaves(first), leaves(second), strict=True)
    return torch.stack([(a != b).flatten(1).any(1) if a.dim() > 1 else a != b for a, b in pairs]).any(0)
