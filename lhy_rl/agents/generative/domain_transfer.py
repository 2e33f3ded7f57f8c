"""Domain transfer: pictures of one domain are drawn as pictures of another, without pairs (Taigman et al. 2017).

    f      features of a picture, learned from the source domain beforehand and then fixed
    g      draws a picture of features; G = g(f(.)) translates
    D      tells three kinds of pictures: G(s) of a source picture, G(t) of a target picture, and t itself

    L_D = -E[log D_1(G(s))] - E[log D_2(G(t))] - E[log D_3(t)]
    L_G = w_GAN (-E[log D_3(G(s))] - E[log D_3(G(t))]) + w_CONST E|f(s) - f(G(s))|^2
          + w_TID E|t - G(t)|^2 + w_TV TV(G(s))                        (section 4, eqs. 3 to 8)

The discriminator makes drawings look like the target domain; the constancy makes a drawing show what the photograph
shows; the identity, that what is of the target domain already stays as it is. The gradient of all runs through the
drawing, which is what this has over a policy gradient: the action is a picture, and D knows in which direction to
change each of its pixels.

Use it where there are two piles of pictures of the same kind of thing, and nobody knows which belongs to which.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
import torch.nn.functional as F
from torch import Tensor

from lhy_rl.agents.common.agent import Agent, Metrics
from lhy_rl.agents.common.gradient_step import diverged
from lhy_rl.agents.generative.features import METHODS, FeatureLearner
from lhy_rl.agents.generative.picture_piles import PicturePiles, as_bytes, find_piles, nearest_of
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.report_figures import PictureRows, ReportFigure
from lhy_rl.core.saved_states import load_optimizer
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.domain_transfer import discriminator_loss, generator_loss, total_variation
from lhy_rl.nn.generative.pictures import PictureDiscriminator
from lhy_rl.nn.generative.transfer_policy import PictureNetworkOptions, TransferPolicy
from lhy_rl.rollouts.vector_envs import Environment

BETAS = (0.5, 0.999)  # of Adam, as usual for adversarial networks (Radford et al. 2016)
LEAST_RATE = 0.02  # of the learning rates, at the end
PICTURES = 24  # pictures in a report


class DomainTransfer(Agent):
    """Domain transfer network. A timestep is a photograph (a picture of the source domain) that it learns to draw.

    Args:
        env: A task of one step that observes a picture, whose action is one, and that has unpaired samples of both:
            ``lhy_rl/DigitsTransfer-v0``, ``lhy_rl/GlyphTransfer-v0``.
        features: From what the features f are learned: ``classification`` of the photographs' labels, as in the paper,
            or ``autoencoder``, which needs none: they draw pictures of both domains again.
        feature_steps: Gradient steps of that, before the first timestep. 0: f stays as it was drawn.
        feature_learning_rate: AdamW's, at its highest.
        adversarial: Weight of the discriminator's judgement, w_GAN; 0 switches it off.
        constancy: Weight of the features' constancy, w_CONST. Raise it where drawings look right and show something
            else.
        identity: Weight of the identity on the target domain, w_TID.
        variation: Weight of the drawings' total variation, w_TV. Raise it where single pixels flicker.
        learning_rate: Adam's, of the generator; it falls to 0 in the second half of ``learn``.
        discriminator_learning_rate: Adam's, of the discriminator, likewise.
        batch_size: Photographs, and as many pictures of the target domain, a gradient step.
        gradient_steps: Gradient steps an update, between two rows of metrics.
        **shared: Options of the networks, and of every agent.

    Logs ``train/feature_loss`` and, with labels, ``train/feature_accuracy``; then ``train/constancy``,
    ``train/identity``, ``train/variation``, ``train/discriminator_loss`` and ``train/generator_loss``.
    """

    takes_options_of = (PictureNetworkOptions,)
    large = True
    policy: TransferPolicy

    def __init__(
        self,
        env: Environment,
        *,
        features: str = "classification",
        feature_steps: int = 1200,
        feature_learning_rate: float = 3e-3,
        adversarial: float = 1.0,
        constancy: float = 30.0,
        identity: float = 30.0,
        variation: float = 0.0,
        learning_rate: float = 1e-3,
        discriminator_learning_rate: float = 1e-3,
        batch_size: int = 64,
        gradient_steps: int = 25,
        num_envs: int = 64,
        seed: int | None = 0,
        device: str = "auto",
        **networks: Any,
    ) -> None:
        positive(learning_rate=learning_rate, discriminator_learning_rate=discriminator_learning_rate)
        positive(feature_learning_rate=feature_learning_rate)
        check(adversarial=(adversarial, 0), constancy=(constancy, 0), identity=(identity, 0), variation=(variation, 0))
        check(feature_steps=(feature_steps, 0), batch_size=(batch_size, 2), gradient_steps=(gradient_steps, 1))
        if features not in METHODS:
            raise suggest(features, METHODS, "features")
        self.networks = PictureNetworkOptions(**networks)
        super().__init__(env=env, num_envs=num_envs, seed=seed, device=device)
        self.weights = (adversarial, constancy, identity, variation)
        self.learning_rate, self.discriminator_learning_rate = learning_rate, discriminator_learning_rate
        self.batch_size, self.gradient_steps = batch_size, gradient_steps
        self.features, self.feature_steps, self.feature_learning_rate = features, feature_steps, feature_learning_rate
        self.data = find_piles(self.env, features, self.policy, self.device)
        height, width, channels = self.policy.actor.shape
        with self.randomness():
            self.feature_learner = self._make_feature_learner(2 if self.data is None else self.data.classes)
            self.discriminator = PictureDiscriminator(channels, (height, width), self.networks.generator_width, 3).to(
                self.device
            )
        self.optimizer, self.discriminator_optimizer = (
            torch.optim.Adam(network.parameters(), betas=BETAS, fused=True)
            for network in (self.generator_network, self.discriminator)
        )

    def make_policy(self, observation_space: gym.Space[Any], **policy: Any) -> TransferPolicy:
        return TransferPolicy(observation_space, self.env.single_action_space, self.networks)

    def _make_feature_learner(self, classes: int) -> FeatureLearner:
        height, width, channels = self.policy.actor.shape
        learner = FeatureLearner(
            self.policy.trunk.encoder, self.features, classes, (channels, height, width), self.networks.generator_width,
            self.feature_steps, self.feature_learning_rate,
        )  # fmt: skip
        return learner.to(self.device)

    @property
    def generator_network(self) -> torch.nn.Module:
        """g, from features to pictures."""
        return self.policy.actor.generator

    # ------------------------------------------------------------------ learning
    def update(self) -> Metrics:
        if self.data is None:
            raise UserError("there is no environment to learn from; give one: load(path, env), or set_env(env)")
        if self.feature_learner.unfinished:
            return self._learn_features(self.data)
        return self._learn_to_draw(self.data)

    def _learn_features(self, data: PicturePiles) -> Metrics:
        """Gradient steps of f. They count no timesteps."""
        self.feature_learner.train()
        losses = []
        for _ in range(min(self.gradient_steps, self.feature_learner.steps - self.feature_learner.done)):
            losses.append(self.feature_learner.step(*data.to_learn_from(self.batch_size, self.generator)))
        metrics = {"train/feature_loss": float(torch.stack(losses).mean())}
        return metrics | self.feature_learner.metrics(*data.held_out)

    def _learn_to_draw(self, data: PicturePiles) -> Metrics:
        """Gradient steps of g and D, each down its loss at the same weights; f is fixed."""
        self.policy.trunk.eval()
        self._set_rates(max(LEAST_RATE, min(1.0, 2 - 2 * self.num_timesteps / self.total_timesteps)))
        rows, n = [], self.batch_size
        for _ in range(self.gradient_steps):
            s, t = (pile.draw(n, self.generator) for pile in (data.sources, data.targets))
            losses = self.losses(s, t)
            gan, const, tid, tv = self.weights
            total = const * losses["constancy"] + tid * losses["identity"] + tv * losses["variation"]
            if gan:
                total = total + gan * losses["generator_loss"]
                set_gradients(self.discriminator, losses["discriminator_loss"])
            set_gradients(self.generator_network, total)
            self.optimizer.step()
            if gan:
                self.discriminator_optimizer.step()
            rows.append(torch.stack([loss.detach() for loss in losses.values()]))
            self.num_timesteps += n
        means = torch.stack(rows).mean(0)
        if not bool(means.isfinite().all()):
            raise diverged(self.num_timesteps // n)
        return {f"train/{name}": value for name, value in zip(losses, means.tolist(), strict=True)}

    def losses(self, s: Tensor, t: Tensor) -> dict[str, Tensor]:
        """Of source and target pictures (N, C, H, W) each; the discriminator's only where it counts."""
        f, g, n = self.policy.trunk.encoder, self.generator_network, len(s)
        with torch.no_grad():
            features = f(torch.cat([s, t]))  # (2N, F)
        drawn = g(features)
        losses = {
            "constancy": F.mse_loss(f(drawn[:n]), features[:n]),
            "identity": F.mse_loss(drawn[n:], t),
            "variation": total_variation(drawn[:n]),
        }
        if self.weights[0]:
            logits = self.discriminator(torch.cat([drawn, t]))
            from_source, from_target, real = logits[:n], logits[n : 2 * n], logits[2 * n :]  # (N, 3) each
            losses["discriminator_loss"] = discriminator_loss(from_source, from_target, real)
            losses["generator_loss"] = generator_loss(from_source, from_target)
        return losses

    def _set_rates(self, share: float) -> None:
        """Learning rates, as a share of what they are at first."""
        for optimizer, rate in (
            (self.optimizer, self.learning_rate),
            (self.discriminator_optimizer, self.discriminator_learning_rate),
        ):
            optimizer.param_groups[0]["lr"] = rate * share

    # ------------------------------------------------------------------ manners
    @property
    def phase(self) -> str:
        return "features" if self.feature_learner.unfinished else "training"

    @property
    def phase_progress(self) -> tuple[int, int]:
        learner = self.feature_learner
        return (learner.done, learner.steps) if learner.unfinished else super().phase_progress

    @property
    def timestep(self) -> str:
        return "photographs learned from"

    def report_figures(self) -> list[ReportFigure]:
        """Held-out pictures, what is drawn of them, and the real pictures that are nearest to that."""
        if self.data is None:
            return []
        observed = self.data.test[:PICTURES]
        drawn = self.predict(observed, deterministic=True)[0]
        real = self.data.targets.stored.cpu().numpy()
        space = self.policy.actor.pictures
        rows = {"photograph": as_bytes(observed, self.policy.trunk.space), "drawing": as_bytes(drawn, space)}
        return [
            PictureRows(
                title="What is drawn",
                caption="Pictures that nothing was learned from, what the policy draws of them, and the picture of the "
                "target domain, of the training, that is nearest to each drawing.",
                rows={**rows, "nearest real": as_bytes(nearest_of(drawn, real), space)},
            )
        ]

    def set_env(self, env: Environment) -> None:
        super().set_env(env)
        self.data = find_piles(self.env, self.features, self.policy, self.device)

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "features": self.feature_learner.saved(),
            "discriminator": self.discriminator.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        if self.data is None and self.features == "classification":  # an absent environment has no classes
            self.feature_learner = self._make_feature_learner(len(state["features"]["head"]["bias"]))
        self.feature_learner.load(state["features"])
        self.discriminator.load_state_dict(state["discriminator"])
        load_optimizer(self.optimizer, state["optimizer"])
        load_optimizer(self.discriminator_optimizer, state["discriminator_optimizer"])


def set_gradients(network: torch.nn.Module, loss: Tensor) -> None:
    """Give the network's parameters the loss's gradient, and nobody else's."""
    network.zero_grad(set_to_none=True)
    loss.backward(retain_graph=True, inputs=list(network.parameters()))  # type: ignore[no-untyped-call]
