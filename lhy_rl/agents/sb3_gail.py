"""A former name of :mod:`lhy_rl.agents.adversarial.sb3_vec_reward`, kept because the documentation showed it."""

from lhy_rl.agents.adversarial.sb3_vec_reward import AdversarialReward, FreshRewards

__all__ = ["AdversarialReward", "FreshRewards"]
