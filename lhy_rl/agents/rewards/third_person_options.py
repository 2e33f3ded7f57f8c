"""The options of third-person imitation: how the discriminator of frames is built and trained."""

from __future__ import annotations

from dataclasses import dataclass

from lhy_rl.core.errors import suggest
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.discriminator_rewards import FORMS
from lhy_rl.nn.discriminators.third_person import ThirdPersonNetworkOptions

CONFUSIONS = ("reversal", "confusion")
DOMAIN_PAIRS = ("matched", "all")


@dataclass(frozen=True, kw_only=True)
class ThirdPersonOptions:
    """How the discriminator of frames is built and trained, and what its score is worth.

    Args:
        ahead: Steps between the frames of a pair; 0 looks at single frames.
        confusion: ``reversal`` of the domain head's gradient, or a ``confusion`` loss, least where it cannot tell.
        domain_steps: Gradient steps of the domain head alone before each one of all. Raise it where a fresh probe tells
            the views and ``train/domain_accuracy`` is near 0.5.
        domain_pairs: What the domain head compares: ``matched``, random behaviour in both views, so that only the view
            tells them apart; or ``all`` frames, as in the paper, where behaviour tells them apart, too.
        reversal: Weight of either, lambda; 0 switches it off. Raise it where the reward follows colours; too high, it
            destroys what tells success from failure.
        reversal_ramp: Let it grow from 0 in the first part of the training.
        recolour: Share of the class head's pairs whose colours are turned at random, so that what is learned of the
            expert's view is not a matter of its colours; the others are for the domain head. 0 switches it off.
        learner_share: Of the learner's own pairs among what is not the expert, in ``discriminator_batch_size``; without
            failures, or random behaviour of one's own, it is 1. Above 0 the class head learns, too, to go by the view,
            against the domain head.
        objective: Of the class head: ``gan``, ``gan_saturating``, ``lsgan``, ``wgan``, ``wgan_gp``, ``ebgan`` or
            ``began``.
        reward: Of a logit: ``probability`` (D, the paper's), ``gail``, ``log_d``, ``logit``, ``fairl``, or
            ``objective``.
        discriminator_encoder: What reads frames: ``cnn_pooled``, which sees what touches what and not where, so that
            a turned camera changes little; ``cnn_small``, ``cnn``; ``mlp`` of the raw pixels.
        discriminator_feature_size: Numbers of a frame's features; few leave little room for what tells the views.
        discriminator_hidden_size: Width of the heads.
        discriminator_dropout: Share of features and hidden units dropped in training.
        discriminator_norm: Of its convolutions and of what follows: ``none``, ``layer`` or ``batch``.
        discriminator_learning_rate: Adam's.
        discriminator_batch_size: Pairs of each kind in a gradient step.
        discriminator_steps: Gradient steps a round.
        discriminator_warmup: Gradient steps before the first round.
        discriminator_decay: Let its learning rate fall to 0 over the training.
        discriminator_weight_decay: Weight decay of its parameters.
        spectral_norm: Divide each weight by its largest singular value, but for the domain head's.
        gradient_penalty: Weight of the penalty on the class score's gradient with respect to the features.
        held_out: Share of the videos of the expert, and of failures, that it does not learn from. The policy learns
            only while their rewards tell the ones from the others (``train/discriminator_accuracy_held_out``): what a
            discriminator knows of other videos than its own is worth following. With fewer than 16 videos held out
            there is no such test, nor with 0.
        replay: Rounds of the learner's frames that it learns from.

    Raises:
        UserError: a number out of its range, or an unknown name.
    """

    ahead: int = 4
    confusion: str = "confusion"
    domain_pairs: str = "matched"
    domain_steps: int = 8
    reversal: float = 1.0
    reversal_ramp: bool = False
    recolour: float = 0.65
    learner_share: float = 0.0
    objective: str = "gan"
    reward: str = "probability"
    discriminator_encoder: str = "cnn_pooled"
    discriminator_feature_size: int = 8
    discriminator_hidden_size: int = 64
    discriminator_dropout: float = 0.0
    discriminator_norm: str = "none"
    discriminator_learning_rate: float = 1e-3
    discriminator_batch_size: int = 48
    discriminator_steps: int = 8
    discriminator_warmup: int = 200
    discriminator_decay: bool = False
    discriminator_weight_decay: float = 0.0
    spectral_norm: bool = False
    gradient_penalty: float = 0.0
    held_out: float = 0.125
    replay: int = 8

    def __post_init__(self) -> None:
        positive(discriminator_learning_rate=self.discriminator_learning_rate)
        limits: dict[str, tuple[float, ...]] = {"ahead": (0,), "reversal": (0,), "gradient_penalty": (0,)}
        limits |= {"discriminator_batch_size": (2,), "discriminator_steps": (0,), "replay": (1,)}
        limits |= {"discriminator_warmup": (0,), "domain_steps": (0,), "recolour": (0, 0.95), "learner_share": (0, 1)}
        limits |= {"held_out": (0, 0.5)}
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
