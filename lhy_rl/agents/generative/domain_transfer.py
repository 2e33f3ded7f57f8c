"""Domain transfer: pictures of one domain are translated into another, without pairs (Taigman et al. 2017).

    f      features of a picture, learned from the source domain beforehand and then fixed
    g      generates a picture from features; G = g(f(.)) translates
    D      tells three kinds of pictures apart: G(s) of a source picture, G(t) of a target picture, and t itself

    L_D = -E[log D_1(G(s))] - E[log D_2(G(t))] - E[log D_3(t)]
    L_G = w_GAN (-E[log D_3(G(s))] - E[log D_3(G(t))]) + w_CONST E|f(s) - f(G(s))|^2
          + w_TID E|t - G(t)|^2 + w_TV TV(G(s))                        (section 4, eqs. 3 to 8)

The discriminator makes drawings (G's pictures) look like the target domain; the constancy loss makes a drawing keep the
content of the photograph; the identity loss keeps pictures of the target domain as they are. All gradients flow through
the drawing, which is the advantage over a policy gradient: the action is a picture, and D's gradient says how to change
each of its pixels.

Use it where there are two unpaired sets of pictures with the same kind of content.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.generative.features import METHODS, FeatureLearner
from lhy_rl.agents.generative.picture_piles import PicturePiles
from lhy_rl.agents.generative.sample_data import sample_task
from lhy_rl.agents.generative.sample_figures import PICTURES, nearest_of
from lhy_rl.agents.generative.sample_learner import SampleLearner, adam, set_gradients
from lhy_rl.core.errors import suggest
from lhy_rl.core.report_figures import PictureRows, ReportFigure
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.domain_transfer import discriminator_loss, generator_loss, total_variation
from lhy_rl.nn.generative.pictures import PictureDiscriminator
from lhy_rl.nn.generative.sample_space import SampleSpace
from lhy_rl.nn.generative.transfer_policy import PictureNetworkOptions, TransferPolicy
from lhy_rl.nn.randomness import OwnRandomness
from lhy_rl.rollouts.vector_envs import Environment

BETAS = (0.5, 0.999)  # of Adam, as usual for adversarial networks (Radford et al. 2016)


class DomainTransfer(SampleLearner):
    """Domain transfer network. A timestep is a photograph (a picture of the source domain) that it learns to draw.

    Args:
        env: A task of one step whose observation and action are pictures, with unpaired samples of both:
            ``lhy_rl/DigitsTransfer-v0``, ``lhy_rl/GlyphTransfer-v0``.
        features: How the features f are learned: ``classification`` of the photographs' labels, as in the paper, or
            ``autoencoder``, which needs no labels: reconstruction of pictures of both domains.
        feature_steps: Gradient steps of f, before the first timestep. 0: f keeps its random weights.
        feature_learning_rate: The highest learning rate of AdamW for f.
        adversarial: Weight of the adversarial loss, w_GAN; 0 switches it off.
        constancy: Weight of the features' constancy, w_CONST. Raise it where drawings look right but have other
            content than the photographs.
        identity: Weight of the identity on the target domain, w_TID.
        variation: Weight of the drawings' total variation, w_TV. Raise it where single pixels flicker.
        learning_rate: Adam's, of the generator; it falls to 0 in the second half of ``learn``.
        discriminator_learning_rate: Adam's, of the discriminator, likewise.
        **shared: Options of the networks, and of every agent that learns from samples; ``batch_size`` counts source
            pictures, and a batch has equally many of the target domain.

    Logs ``train/feature_loss`` and, with labels, ``train/feature_accuracy``; then ``train/constancy``,
    ``train/identity``, ``train/variation``, ``train/discriminator_loss`` and ``train/generator_loss``.
    """

    takes_options_of: tuple[type, ...] = (PictureNetworkOptions,)
    network_options = PictureNetworkOptions
    large = True
    curves = {"train/discriminator_loss": "discriminator", "train/generator_loss": "generator"}
    policy: TransferPolicy
    data: PicturePiles | None  # type: ignore[assignment]

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
        **shared: Any,
    ) -> None:
        positive(learning_rate=learning_rate, discriminator_learning_rate=discriminator_learning_rate)
        positive(feature_learning_rate=feature_learning_rate)
        check(adversarial=(adversarial, 0), constancy=(constancy, 0), identity=(identity, 0), variation=(variation, 0))
        check(feature_steps=(feature_steps, 0))
        if features not in METHODS:
            raise suggest(features, METHODS, "features")
        self.features, self.feature_steps, self.feature_learning_rate = features, feature_steps, feature_learning_rate
        super().__init__(env, **shared)
        self.weights = (adversarial, constancy, identity, variation)
        channels, height, width = self.policy.actor.samples.shape
        with self.randomness():
            self.feature_learner = self._make_feature_learner(2 if self.data is None else self.data.classes)
            self.discriminator = PictureDiscriminator(channels, (height, width), self.networks.generator_width, 3).to(
                self.device
            )
        self.optimizer = self.add_optimizer("optimizer", adam(self.generator_network, learning_rate, BETAS))
        self.discriminator_optimizer = self.add_optimizer(
            "discriminator_optimizer", adam(self.discriminator, discriminator_learning_rate, BETAS)
        )

    def make_policy(self, observation_space: gym.Space[Any], **policy: Any) -> TransferPolicy:
        return TransferPolicy(observation_space, self.env.single_action_space, self.networks)

    def _make_feature_learner(self, classes: int) -> FeatureLearner:
        channels, height, width = self.policy.actor.samples.shape
        learner = FeatureLearner(
            self.policy.trunk.encoder, self.features, classes, (channels, height, width), self.networks.generator_width,
            self.feature_steps, self.feature_learning_rate,
        )  # fmt: skip
        return learner.to(self.device)

    @property
    def generator_network(self) -> torch.nn.Module:
        """g, which maps features to pictures."""
        return self.policy.actor.generator

    def find_data(self) -> None:
        task = sample_task(self.env, "domain_transfer")
        self.data = None if task is None else PicturePiles(task, self.features, self.policy, self.device)

    # ------------------------------------------------------------------ learning
    def update(self) -> Metrics:
        if self.data is not None and self.feature_learner.unfinished:
            return self._learn_features(self.data)
        return super().update()

    def _learn_features(self, data: PicturePiles) -> Metrics:
        """Gradient steps of f, which are not counted as timesteps."""
        self.feature_learner.train()
        losses = []
        for _ in range(min(self.gradient_steps, self.feature_learner.steps - self.feature_learner.done)):
            losses.append(self.feature_learner.step(*data.to_learn_from(self.batch_size, self.generator)))
        metrics = {"train/feature_loss": float(torch.stack(losses).mean())}
        return metrics | self.feature_learner.metrics(*data.held_out)

    def train_step(self, data: PicturePiles) -> dict[str, Tensor]:  # type: ignore[override]
        """A step of g and of D, both with gradients at the weights before the step; f is fixed."""
        self.policy.trunk.eval()
        s, t = (pile.draw(self.batch_size, self.generator) for pile in (data.sources, data.targets))
        losses = self.losses(s, t)
        gan, const, tid, tv = self.weights
        total = const * losses["constancy"] + tid * losses["identity"] + tv * losses["variation"]
        if gan:
            total = total + gan * losses["generator_loss"]
            set_gradients(self.discriminator_optimizer, losses["discriminator_loss"])
        set_gradients(self.optimizer, total)
        self.optimizer.step()
        if gan:
            self.discriminator_optimizer.step()
        return {name: loss.detach() for name, loss in losses.items()}

    def losses(self, s: Tensor, t: Tensor) -> dict[str, Tensor]:
        """The losses of source and target pictures (N, C, H, W) each; the adversarial ones only if w_GAN > 0."""
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

    # ------------------------------------------------------------------ phases, report, saving
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

    def film_samples(self, n: int) -> np.ndarray:
        assert self.data is not None
        test = self.data.test
        return self.predict(test[np.arange(n) % len(test)], deterministic=True)[0]

    def report_figures(self) -> list[ReportFigure]:
        """Held-out pictures, their drawings, and the real pictures that are nearest to the drawings."""
        if self.data is None:
            return []
        observed = self.data.test[:PICTURES]
        drawn = self.predict(observed, deterministic=True)[0]
        real = self.data.targets.stored.cpu().numpy()
        space = self.policy.actor.samples
        rows = {"photograph": SampleSpace(self.policy.trunk.space).as_bytes(observed), "drawing": space.as_bytes(drawn)}
        return [
            PictureRows(
                title="What is drawn",
                caption="Pictures that nothing was learned from, what the policy draws of them, and the picture of the "
                "target domain, of the training, that is nearest to each drawing.",
                rows={**rows, "nearest real": space.as_bytes(nearest_of(drawn, real))},
            ),
            *self.film.figures(),
        ]

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "features": self.feature_learner.saved(),
            "discriminator": self.discriminator.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        if self.data is None and self.features == "classification":  # an absent environment has no classes
            with OwnRandomness(0, self.device):  # its weights are replaced
                self.feature_learner = self._make_feature_learner(len(state["features"]["head"]["bias"]))
        self.feature_learner.load(state["features"])
        self.discriminator.load_state_dict(state["discriminator"])
