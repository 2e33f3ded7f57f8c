"""The searchers by name: classical ones, the controllers, and those of libraries."""

from __future__ import annotations

from lhy_rl.core.registry import Registry

searchers = Registry(
    "searcher",
    {
        "grid": "lhy_rl.search.searchers.simple:Grid",
        "random": "lhy_rl.search.searchers.simple:Random",
        "surrogate": "lhy_rl.search.searchers.surrogate:Surrogate",
        "evolution": "lhy_rl.search.searchers.evolution:Evolution",
        "local": "lhy_rl.search.searchers.evolution:Local",
        "portfolio": "lhy_rl.search.searchers.portfolio:Portfolio",
        "controller": "lhy_rl.agents.search.controller:Controller",
        "controller_paper": "lhy_rl.agents.search.controller:PaperController",
        "controller_ppo": "lhy_rl.agents.search.controller:PPOController",
        "controller_transfer": "lhy_rl.agents.search.transfer:TransferController",
        "policy": "lhy_rl.experiment.policy_searcher:PolicySearcher",
        "tpe": "lhy_rl.interop.optuna:TPE",
        "tpe_transfer": "lhy_rl.interop.optuna:WarmTPE",
        "cma": "lhy_rl.interop.optuna:CMA",
        "sb3_ppo": "lhy_rl.interop.sb3_searchers:SB3PPO",
        "sb3_a2c": "lhy_rl.interop.sb3_searchers:SB3A2C",
        "sb3_dqn": "lhy_rl.interop.sb3_searchers:SB3DQN",
    },
)
