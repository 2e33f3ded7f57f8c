"""An algorithm can be read: few files, few lines, at most two levels of classes above Agent."""

from pathlib import Path

import pytest

from lhy_rl.agents import Agent, agents

PACKAGE = Path(__file__).parent.parent / "lhy_rl"
PPO = ["agents/policy_gradient/ppo", "agents/common/on_policy", "functional/returns", "nn/policies/actor_critic"]
GAIL = ["agents/adversarial/gail", "agents/rewards/transition_discriminator"]


@pytest.mark.parametrize(("files", "most"), [(PPO, 900), (PPO + GAIL, 1_400)], ids=["ppo", "gail"])
def test_an_algorithm_takes_few_files(files, most):
    lines = {file: len((PACKAGE / f"{file}.py").read_text("utf-8").splitlines()) for file in files}
    assert sum(lines.values()) < most, lines


@pytest.mark.parametrize("name", agents.names())
def test_an_agent_is_at_most_two_levels_above_agent(name):
    levels = [base.__name__ for base in agents.get(name).__mro__ if issubclass(base, Agent) and base is not Agent]
    assert len(levels) <= 2, levels
