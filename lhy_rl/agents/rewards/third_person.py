"""A reward from watching somebody else: what looks like what the expert does, whoever's view it is.

A discriminator learns from pairs of frames, ``ahead`` steps apart, to tell what the expert does from everything else.
The expert is seen from another viewpoint and in other colours, so it would learn to tell the views; a second head,
which tells them, turns its gradient round before the features, which forget whose view they are of (Stadie et al.
2017):

    L = L_class(C(F(o_t), F(o_{t+n}))) + L_domain(D(R_lambda(F(o_t)))),     R_lambda: the gradient times -lambda

Four kinds of frames: the expert, which the class head is to recognise among the learner's own rollouts and somebody in
the expert's view who cannot do it, without whom that view would be a sign of success; and random behaviour in the
learner's own view. The domain head compares random behaviour in both views, so that nothing but the view tells them
apart. (In the paper it sees all frames; then it can go by behaviour, and the features forget that, too.) The reward of
a step is the class score of the pair that begins with it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.rewards.discriminator_trainer import DiscriminatorTrainer
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.validation import check, positive
from lhy_rl.data.videos import Videos
from lhy_rl.functional.adversarial import gradient_penalty
from lhy_rl.functional.discriminator_rewards import FORMS
from lhy_rl.functional.gradient_reversal import confusion_loss, reversal_ramp, reverse_gradient
from lhy_rl.nn.discriminators.third_person import ThirdPersonDiscriminator, ThirdPersonNetworkOptions
from lhy_rl.nn.rewards.learned_reward import RewardTransform
from lhy_rl.rollouts.rollout import Rollout

IMAGE = "image"
CONFUSIONS = ("reversal", "confusion")
DOMAIN_PAIRS = ("matched", "all")
NEGATIVE = ("failures", "learner")  # what the class head learns not to reward


@dataclass(frozen=True, kw_only=True)
class ThirdPersonOptions:
    """How the discriminator of frames is built and trained, and what its score is worth.

    Args:
        ahead: Steps between the frames of a pair; 0 looks at single frames.
        confusion: ``reversal`` of the domain head's gradient, or a ``confusion`` loss, least where it cannot tell.
        domain_pairs: What the domain head compares: ``matched``, random behaviour in both views, so that only the view
            tells them apart; or ``all`` frames, as in the paper, where behaviour tells them apart, too.
        reversal: Weight of either, lambda; 0 switches it off. Raise it where the reward follows colours; too high, it
            destroys what tells success from failure.
        reversal_ramp: Let it grow from 0 in the first part of the training.
        objective: Of the class head: ``gan``, ``gan_saturating``, ``lsgan``, ``wgan``, ``wgan_gp``, ``ebgan`` or
            ``began``.
        reward: Of a logit: ``probability`` (D, the paper's), ``gail``, ``log_d``, ``logit``, ``fairl``, or
            ``objective``.
        discriminator_encoder: What reads frames: ``cnn_pooled``, which sees what touches what and not where, so that
            a turned camera changes little; ``cnn_small``, ``cnn``; ``mlp`` of the raw pixels.
        discriminator_feature_size: Numbers of a frame's features.
        discriminator_hidden_size: Width of the heads.
        discriminator_dropout: Share of features and hidden units dropped in training.
        discriminator_norm: Of its convolutions and of what follows: ``none``, ``layer`` or ``batch``.
        discriminator_learning_rate: Adam's.
        discriminator_batch_size: Pairs of each kind in a gradient step.
        discriminator_steps: Gradient steps a round.
        discriminator_weight_decay: Weight decay of its parameters.
        spectral_norm: Divide each weight by its largest singular value.
        gradient_penalty: Weight of the penalty on the class score's gradient with respect to the features.
        replay: Rounds of the learner's frames that it learns from.

    Raises:
        UserError: a number out of its range, or an unknown name.
    """

    ahead: int = 4
    confusion: str = "reversal"
    domain_pairs: str = "matched"
    reversal: float = 1.0
    reversal_ramp: bool = False
    objective: str = "gan"
    reward: str = "probability"
    discriminator_encoder: str = "cnn_pooled"
    discriminator_feature_size: int = 64
    discriminator_hidden_size: int = 64
    discriminator_dropout: float = 0.0
    discriminator_norm: str = "none"
    discriminator_learning_rate: float = 1e-3
    discriminator_batch_size: int = 48
    discriminator_steps: int = 8
    discriminator_weight_decay: float = 0.0
    spectral_norm: bool = True
    gradient_penalty: float = 0.0
    replay: int = 8

    def __post_init__(self) -> None:
        positive(discriminator_learning_rate=self.discriminator_learning_rate)
        limits: dict[str, tuple[float, ...]] = {"ahead": (0,), "reversal": (0,), "gradient_penalty": (0,)}
        limits |= {"discriminator_batch_size": (1,), "discriminator_steps": (0,), "replay": (1,)}
        limits |= {"discriminator_feature_size": (2,), "discriminator_hidden_size": (1,)}
        limits |= {"discriminator_dropout": (0, 0.99), "discriminator_weight_decay": (0,)}
        check(**{name: (getattr(self, name), *limit) for name, limit in limits.items()})
        for given, allowed, what in (
            (self.confusion, CONFUSIONS, "confusion"),
            (self.domain_pairs, DOMAIN_PAIRS, "domain_pairs"),
            (self.reward, ("objective", *FORMS), "reward"),
        ):
            if given not in allowed:
                raise suggest(given, allowed, what)

    def network(self) -> ThirdPersonNetworkOptions:
        """How the network is built."""
        return ThirdPersonNetworkOptions(
            self.discriminator_encoder, self.discriminator_feature_size, self.discriminator_hidden_size,
            self.discriminator_dropout, self.spectral_norm, self.objective in ("ebgan", "began"),
            self.discriminator_norm,
        )  # fmt: skip


class FramePairs:
    """Frames on the device, and the pairs of them.

    Args:
        frames: (F, H, W, 3) uint8.
        pairs: (N, 2) places in them.
    """

    def __init__(self, frames: np.ndarray | Tensor, pairs: np.ndarray, device: torch.device) -> None:
        self.frames = torch.as_tensor(frames).to(device)
        self.pairs = torch.as_tensor(pairs, device=device)

    @classmethod
    def of(cls, videos: Videos, ahead: int, device: torch.device) -> FramePairs:
        """All pairs of videos."""
        return cls(videos.frames, videos.pairs(ahead), device)

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """n pairs with replacement: frames now and later, (n, H, W, 3)."""
        chosen = self.pairs[torch.randint(len(self.pairs), (n,), generator=generator)]
        return self.frames[chosen[:, 0]], self.frames[chosen[:, 1]]


class ThirdPersonReward(DiscriminatorTrainer):
    """Learns what the expert does from its videos, and forgets whose view it is.

    Args:
        space: Of the learner's frames.
        expert: The expert's videos; None where nothing is to be learned any more.
        failures: Videos in the expert's view of somebody who cannot do it; None: there are none.
        own: The learner's view of random behaviour; None: its rollouts are all that it has.
        options: How the discriminator is built and trained.
        generator: Owner of the batches' randomness.
        device: Where the network is.

    Attributes:
        progress: Of the training, from 0 to 1; the ramp of the reversal follows it.
    """

    network: ThirdPersonDiscriminator

    def __init__(
        self,
        space: gym.Space[Any],
        expert: Videos | None,
        failures: Videos | None,
        own: Videos | None,
        options: ThirdPersonOptions,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        network = ThirdPersonDiscriminator(space, options.network()).to(device)
        super().__init__(
            network,
            "autoencoder" if network.is_energy else "cnn",
            options.objective,
            generator,
            device,
            learning_rate=options.discriminator_learning_rate,
            weight_decay=options.discriminator_weight_decay,
        )
        self.options = options
        self.transform = RewardTransform(
            options.objective, options.reward if self.objective.kind == "logit" else "objective"
        )
        self.penalty = max(options.gradient_penalty, self.objective.penalty_weight)
        self.progress = 0.0
        kinds = {"expert": expert, "failures": failures, "random": own}
        self.kinds = {
            name: FramePairs.of(videos, options.ahead, device) for name, videos in kinds.items() if videos is not None
        }
        self.replay: deque[Tensor] = deque(maxlen=options.replay)  # (N, 2, H, W, 3) pairs of each round

    # ------------------------------------------------------------------ learning
    def train(self, rollout: Rollout) -> Metrics:
        """Gradient steps on pairs of all kinds, as many of each."""
        if "expert" not in self.kinds:
            raise UserError("there is nothing to imitate; give expert_videos")
        frames, pairs = rollout_pairs(rollout, self.options.ahead)
        self.replay.append(torch.as_tensor(frames[pairs]))
        played = torch.cat(list(self.replay))
        learner = FramePairs(played.flatten(0, 1), np.arange(2 * len(played)).reshape(-1, 2), self.device)
        kinds = {**self.kinds, "learner": learner}
        strength = self.options.reversal * (reversal_ramp(self.progress) if self.options.reversal_ramp else 1.0)
        n, sums = self.options.discriminator_batch_size, torch.zeros(4, device=self.device)
        compared, theirs = self._views(list(kinds), n)
        others = torch.cat([torch.arange(n) + n * place for place, name in enumerate(kinds) if name in NEGATIVE])
        self.network.train()
        for _ in range(self.options.discriminator_steps):
            drawn = [kind.draw(n, self.generator) for kind in kinds.values()]
            now, later = zip(*drawn, strict=True)
            f_now, f_later = self.network.features(torch.cat([*now, *later])).chunk(2)
            scores = self.network.class_scores(f_now, f_later)
            real, fake = scores[:n], scores[others]  # the expert's pairs are the first
            loss = self.objective.discriminator_loss(real, fake, self.balance)
            if self.penalty:
                loss = loss + self.penalty * self._gradient_penalty(f_now, f_later, n)
            domain_loss, logits = self._domain_loss(f_now[compared], theirs, strength)
            self.descend(loss + domain_loss, real, fake)
            with torch.no_grad():
                right = ((logits > 0) == (theirs > 0)).float()
                domain = (right[theirs > 0].mean() + right[theirs == 0].mean()) / 2
                sums += torch.stack([loss, self.accuracy(real, fake), domain_loss, domain])
        names = ("discriminator_loss", "discriminator_accuracy", "domain_loss", "domain_accuracy")
        means = (sums / max(self.options.discriminator_steps, 1)).tolist()
        metrics = {f"train/{name}": value for name, value in zip(names, means, strict=True)}
        return {**metrics, "train/reversal": strength}

    def _views(self, kinds: list[str], n: int) -> tuple[Tensor, Tensor]:
        """Which of a batch the domain head is shown (M,), and which of those are in the expert's view, (M,) 0 or 1."""
        matched = self.options.domain_pairs == "matched" and {"failures", "random"} <= set(kinds)
        chosen = [name in ("failures", "random") or not matched for name in kinds]
        theirs = [float(name in ("expert", "failures")) for name in kinds]
        compared = torch.tensor(chosen, device=self.device).repeat_interleave(n).nonzero()[:, 0]
        return compared, torch.tensor(theirs, device=self.device).repeat_interleave(n)[compared]

    def _domain_loss(self, features: Tensor, theirs: Tensor, strength: float) -> tuple[Tensor, Tensor]:
        """What teaches the domain head to tell, and the features that it cannot; and the head's logits."""
        weight = torch.where(theirs > 0, 0.5 / theirs.mean(), 0.5 / (1 - theirs.mean()))  # both views count alike
        if self.options.confusion == "reversal":
            logits = self.network.domain_logits(reverse_gradient(features, strength))
            return F.binary_cross_entropy_with_logits(logits, theirs, weight), logits
        logits = self.network.domain_logits(features.detach())
        loss = F.binary_cross_entropy_with_logits(logits, theirs, weight)
        fixed = {name: p.detach() for name, p in self.network.domain_head.named_parameters()}
        confused = torch.func.functional_call(self.network.domain_head, fixed, (features,))
        return loss + strength * confusion_loss(confused[..., 0]), logits

    def _gradient_penalty(self, now: Tensor, later: Tensor, n: int) -> Tensor:
        """Of the class score, between the expert's features and others (Gulrajani et al. 2017)."""
        pairs = torch.cat([now, later], -1).detach()
        others = pairs[n:][torch.randint(len(pairs) - n, (n,), generator=self.generator)]
        return gradient_penalty(lambda x: self.network.class_scores(*x.chunk(2, -1)), pairs[:n], others)

    # ------------------------------------------------------------------ the reward
    def relabel(self, rollout: Rollout) -> Metrics:
        frames, pairs = rollout_pairs(rollout, self.options.ahead)
        features = self.network.read(torch.as_tensor(frames).to(self.device))
        rewards = self.transform(self.network.score(features[pairs[:, 0]], features[pairs[:, 1]]))
        rollout.rewards = torch.zeros_like(rollout.rewards).masked_scatter(rollout.valid, rewards)
        return {"rollout/learned_reward_mean": float(rewards.mean())}

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "replay": list(self.replay), "progress": self.progress}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.replay = deque(state["replay"], maxlen=self.options.replay)
        self.progress = state["progress"]


def rollout_pairs(rollout: Rollout, ahead: int) -> tuple[np.ndarray, np.ndarray]:
    """The frames of a rollout, and for each of its valid steps, in the order of ``rollout.valid``, a pair of them.

    Returns:
        (F, H, W, 3) frames and (N, 2) places: a step's frame, and the one ``ahead`` steps later, or the last of the
        episode or of the rollout.
    """
    images = rollout.raw_obs[IMAGE]  # (T + 1, B, H, W, 3)
    steps, count = images.shape[0] - 1, images.shape[1]
    places = np.arange(steps + 1)[:, None] * count + np.arange(count)  # (T + 1, B) of each frame
    frames = [images.reshape(-1, *images.shape[2:])]
    valid = rollout.valid.cpu().numpy()
    done = (rollout.terminated | rollout.truncated).cpu().numpy() & valid
    final = {(t, i): places.size + k for k, (t, i, _) in enumerate(rollout.final_obs)}
    frames += [np.asarray(obs[IMAGE])[None] for _, _, obs in rollout.final_obs]
    after = places[1:].copy()  # the frame behind each step
    for (t, i), place in final.items():
        after[t, i] = place
    later = np.empty((steps, count), np.int64)
    stop = np.full(count, steps - 1)  # the last step of the episode or of the rollout
    for t in range(steps - 1, -1, -1):
        stop = np.where(done[t], t, stop)
        reached = np.minimum(t + ahead - 1, stop)
        later[t] = after[reached, np.arange(count)] if ahead else places[t]
    pairs = np.stack([places[:-1], later], -1)
    return np.concatenate(frames), pairs[valid]
