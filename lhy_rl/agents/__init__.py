"""The agents, one file per algorithm, chosen by name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lhy_rl.core.registry import Registry

agents = Registry(
    "agent",
    {
        "a2c": "lhy_rl.agents.policy_gradient.a2c:A2C",
        "airl": "lhy_rl.agents.adversarial.airl:AIRL",
        "gan": "lhy_rl.agents.generative.gan:GAN",
        "gail": "lhy_rl.agents.adversarial.gail:GAIL",
        "autoencoder": "lhy_rl.agents.generative.autoencoder:Autoencoder",
        "bc": "lhy_rl.agents.supervised.bc:BC",
        "dagger": "lhy_rl.agents.supervised.dagger:DAgger",
        "distill": "lhy_rl.agents.supervised.distill:Distill",
        "domain_transfer": "lhy_rl.agents.generative.domain_transfer:DomainTransfer",
        "irl": "lhy_rl.agents.inverse_rl.irl:IRL",
        "maxent_irl": "lhy_rl.agents.inverse_rl.maxent_irl:MaxEntIRL",
        "mle": "lhy_rl.agents.supervised.mle:MLE",
        "ppo": "lhy_rl.agents.policy_gradient.ppo:PPO",
        "reinforce": "lhy_rl.agents.policy_gradient.reinforce:Reinforce",
        "selfplay": "lhy_rl.agents.dialogue.self_play:SelfPlay",
        "seqgan": "lhy_rl.agents.adversarial.seqgan:SeqGAN",
        "third_person": "lhy_rl.agents.adversarial.third_person:ThirdPerson",
        "vae": "lhy_rl.agents.generative.vae:VAE",
    },
)

__all__ = [
    "A2C",
    "AIRL",
    "BC",
    "GAIL",
    "GAN",
    "IRL",
    "MLE",
    "PPO",
    "VAE",
    "Agent",
    "Autoencoder",
    "DAgger",
    "Distill",
    "DomainTransfer",
    "MaxEntIRL",
    "Reinforce",
    "SelfPlay",
    "SeqGAN",
    "ThirdPerson",
    "agents",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "Agent":
        return import_module("lhy_rl.agents.common.agent").Agent
    words = {"DomainTransfer": "domain_transfer", "MaxEntIRL": "maxent_irl", "ThirdPerson": "third_person"}
    return agents.get(words.get(name, name.lower()))
