"""A former name of :mod:`lhy_rl.agents.adversarial.sb3_vec_reward`, which the documentation has shown."""

from lhy_rl.agents.adversarial.sb3_vec_reward import AdversarialReward, FreshRewards

__all__ = ["AdversarialReward", "FreshRewards"]
