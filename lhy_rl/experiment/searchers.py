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
        "controller": "lhy_rl.agents.search.controller:Controller",
        "controller_paper": "lhy_rl.agents.search.controller:PaperController",
        "controller_ppo": "lhy_rl.agents.search.controller:PPOController",
        "tpe": "lhy_rl.interop.optuna:TPE",
        "cma": "lhy_rl.interop.optuna:CMA",
    },
)
