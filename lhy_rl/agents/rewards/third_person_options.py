"""Options of third-person imitation: how the discriminator of frames is built and trained."""

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
    """How the discriminator of frames is built and trained, and how its score becomes a reward.

    Args:
        ahead: Steps between the frames of a pair; 0 takes single frames.
        confusion: ``reversal`` of the domain head's gradient, or a ``confusion`` loss, minimal if the head cannot tell.
        domain_steps: Gradient steps of the domain head alone before each joint one. Raise it where a newly trained
            probe tells the views apart although ``train/domain_accuracy`` is near 0.5.
        domain_pairs: Pairs that the domain head compares: ``matched``, random behaviour in both views, so that only the
            view differs; or ``all`` frames, as in the paper, where behaviour differs, too.
        reversal: lambda, weight of the domain loss for the features; 0 switches it off. Raise it where the reward
            depends on colours; too high, it destroys the features that tell success from failure.
        reversal_ramp: Let ``reversal`` grow from 0 in the first part of the training.
        recolour: Share of the class head's pairs in random colours, so that it does not rely on the colours of
            the expert's view; the rest are for the domain head. 0 switches it off.
        learner_share: Number of the learner's own pairs among the non-expert ones, relative to
            ``discriminator_batch_size``; 1 without failures or random behaviour in its own view. Above 0 the class
            head also learns to go by the view, against the domain head.
        objective: Objective of the class head: ``gan``, ``gan_saturating``, ``lsgan``, ``wgan``, ``wgan_gp``, ``ebgan``
            or ``began``.
        reward: Form of the reward for a logit: ``probability`` (D, the paper's), ``gail``, ``log_d``, ``logit``,
            ``fairl``, or ``objective``.
        discriminator_encoder: Encoder of frames: ``cnn_pooled``, which sees local structure but not its position, so
            that a turned camera changes little; ``cnn_small``, ``cnn``; ``mlp`` of the raw pixels.
        discriminator_feature_size: Number of features of a frame; few leave little room for features of the view.
        discriminator_hidden_size: Width of the heads.
        discriminator_dropout: Share of features and hidden units dropped in training.
        discriminator_norm: Normalisation of the convolutions and the layers after them: ``none``, ``layer``, ``batch``.
        discriminator_learning_rate: Adam's.
        discriminator_batch_size: Pairs of each kind per gradient step.
        discriminator_steps: Gradient steps per round.
        discriminator_warmup: Gradient steps before the first round.
        discriminator_decay: Let the discriminator's learning rate fall to 0 over the training.
        discriminator_weight_decay: Weight decay of its parameters.
        spectral_norm: Divide each weight by its largest singular value, except in the domain head.
        gradient_penalty: Weight of the penalty on the class score's gradient with respect to the features.
        held_out: Share of the videos, of the expert and of failures, that is held out. The policy is trained only while
            the rewards tell held-out videos of the expert from those of failures
            (``train/discriminator_accuracy_held_out``). With fewer than 16 videos held out, or 0, there is no test.
        replay: Number of latest rounds whose frames of the learner are trained on.

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
        """The options of the network."""
        return ThirdPersonNetworkOptions(
            self.discriminator_encoder, self.discriminator_feature_size, self.discriminator_hidden_size,
            self.discriminator_dropout, self.spectral_norm, self.objective in ("ebgan", "began"),
            self.discriminator_norm,
        )  # fmt: skip
