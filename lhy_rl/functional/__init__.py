"""Pure maths: returns, policy-gradient losses, adversarial objectives, sampling.

Text metrics are in :mod:`lhy_rl.functional.text_metrics`, which needs sacrebleu and is imported when used.
"""

from lhy_rl.functional.adversarial import Objective, objective, objectives
from lhy_rl.functional.adversarial_penalties import clip_weights, gradient_penalty
from lhy_rl.functional.policy_gradient import (
    actor_critic_loss,
    approximate_kl,
    categorical_entropy,
    categorical_kl,
    clip_fraction,
    clipped_surrogate,
    masked_mean,
    reinforce_loss,
    value_loss,
)
from lhy_rl.functional.returns import discounted_returns, generalized_advantages
from lhy_rl.functional.sampling import sample_categorical
from lhy_rl.functional.topographic_similarity import topographic_similarity

__all__ = [
    "Objective",
    "actor_critic_loss",
    "approximate_kl",
    "categorical_entropy",
    "categorical_kl",
    "clip_fraction",
    "clip_weights",
    "clipped_surrogate",
    "discounted_returns",
    "generalized_advantages",
    "gradient_penalty",
    "masked_mean",
    "objective",
    "objectives",
    "reinforce_loss",
    "sample_categorical",
    "topographic_similarity",
    "value_loss",
]
