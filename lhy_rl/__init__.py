"""Reinforcement and imitation learning as a suite: environments, backbones, agents. Importing it registers the ids."""

from lhy_rl.envs.registration import register

__version__ = "0.1.0"

register()
