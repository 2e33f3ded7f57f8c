"""Teachers: experts that give not only an action, but the probability of each action."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from lhy_rl.agents.common.agent import Agent
from lhy_rl.agents.supervised.experts import Expert, saved_policy
from lhy_rl.agents.supervised.labelled_steps import LabelledSteps
from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.trees import map_tree
from lhy_rl.nn.heads.base import Head, mask_logits
from lhy_rl.nn.layers.eval_mode import evaluating
from lhy_rl.nn.policies.actor_critic import ActorCritic, mask_of

ALLOWED = "the path of a run, or of an agent saved by lhy_rl or Stable-Baselines3, an agent, an SB3 model"


class Teacher(Expert):
    """Distributions of actions for a batch of states, with its own memory of each episode.

    Args:
        head: The student's head, which defines the form of a distribution.
    """

    def __init__(self, head: Head) -> None:
        self.head = head

    @abstractmethod
    def answer(self, obs: Any, start: np.ndarray) -> Tensor:
        """Distributions (B, P); also advances the teacher's memory."""

    @torch.no_grad()
    def distribution(self, obs: Any, start: np.ndarray, action_mask: np.ndarray | None = None) -> Tensor:
        """Distributions (B, P) in the form of the student's head, on the CPU.

        Args:
            obs: (B, ...) as the environment gives them.
            start: (B,) bool: an episode begins with this observation.
            action_mask: (B, A) bool; the observation's ``action_mask`` if left out.

        Raises:
            UserError: the teacher's actions are of another kind.
        """
        found = self.answer(obs, start).float().cpu()
        mask = mask_of(map_tree(torch.as_tensor, obs)) if action_mask is None else torch.from_numpy(action_mask)
        wanted = self.head.space
        discrete = not isinstance(wanted, gym.spaces.Box)
        if found.shape[-1] != self.head.num_logits * (1 if discrete else 2):
            raise UserError(f"the teacher's actions are not in the student's action space, {brief(wanted)}")
        return mask_logits(found, mask) if discrete else found

    def label(self, obs: Any, start: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return self.choose(self.distribution(obs, start), torch.zeros(len(start), self.head.num_logits))

    def choose(self, distribution: Tensor, noise: Tensor) -> np.ndarray:
        """Actions (B, ...) of distributions (B, P), sampled with noise (B, A); the most probable ones where it is 0."""
        return self.head.for_environment(self.head.draw_from(distribution, noise))

    def of_steps(self, steps: LabelledSteps) -> Tensor:
        """Distributions (N, P) at recorded steps; the teacher's memory is reset afterwards."""
        spans = steps.episodes
        lengths = torch.tensor([end - first for first, end in spans])
        rows = torch.tensor([first for first, _ in spans])
        found: Tensor | None = None
        self.state = None
        for t in range(int(lengths.max())):
            inside = t < lengths  # for an episode that is over, the last step is evaluated again
            now = rows + torch.minimum(lengths - 1, torch.tensor(t))
            obs = map_tree(lambda x, now=now: x[now].numpy(), steps.obs)
            answers = self.distribution(obs, np.full(len(rows), t == 0))
            if found is None:
                found = answers.new_zeros(len(steps), answers.shape[-1])
            found[now[inside]] = answers[inside]
        self.state = None
        assert found is not None
        return found


class NoTeacher(Teacher):
    """No teacher, for a student that only acts."""

    def answer(self, obs: Any, start: np.ndarray) -> Tensor:
        raise UserError(f"distill needs a teacher to learn from; allowed: {ALLOWED}")


class AgentTeacher(Teacher):
    """One of our agents as the teacher."""

    def __init__(self, agent: Agent, head: Head) -> None:
        super().__init__(head)
        self.agent = agent

    def answer(self, obs: Any, start: np.ndarray) -> Tensor:
        agent, policy = self.agent, self.agent.policy
        space = agent.env.single_observation_space
        if isinstance(space, gym.spaces.Dict):
            obs = {key: obs[key] for key in space.spaces}  # without other keys
        observed = agent.observe(obs)
        known = policy.initial_state(len(start)) if self.state is None else self.state
        state = tuple(part.to(policy.device) for part in known)
        begins = torch.as_tensor(start, device=policy.device) if policy.recurrent else None
        with evaluating(policy):
            h, state = policy.step(observed, state, begins)
        self.state = list(state)
        return policy.actor.distribution(h)


class SB3Teacher(Teacher):
    """A policy of Stable-Baselines3: a softmax, a normal distribution, or the action values of a DQN as logits.

    Rusu et al. 2015 (Policy Distillation) take action values at a low temperature, 0.01.
    """

    def __init__(self, expert: Any, head: Head) -> None:
        super().__init__(head)
        self.expert = expert

    def answer(self, obs: Any, start: np.ndarray) -> Tensor:
        found, state = self.expert.distribution(obs, None if self.state is None else tuple(self.state), start)
        self.state = None if state is None else list(state)
        return torch.as_tensor(found)


def teacher_for(given: Any, head: Head, env: VectorEnv[Any, Any, Any]) -> Teacher:
    """Make a teacher of an agent's option.

    Args:
        given: A :class:`Teacher`, a path, an agent, or a model of Stable-Baselines3; None for no teacher.
        head: The student's head.
        env: The environment in which teacher and student act.

    Raises:
        UserError: it gives no probabilities.
    """
    if given is None:
        return NoTeacher(head)
    if isinstance(given, Teacher):
        return given
    found = given
    if isinstance(given, str | Path):
        missing = f"there is no teacher {str(given)!r}; train it first, or give another: {ALLOWED}"
        found = saved_policy(Path(given), env, missing)
    if isinstance(found, Agent):
        if not isinstance(found.policy, ActorCritic):
            raise UserError(f"{type(found).__name__} has no action probabilities to distill; use dagger instead")
        if found.env.single_action_space != env.single_action_space:
            theirs, ours = brief(found.env.single_action_space), brief(env.single_action_space)
            raise UserError(f"the teacher's actions are {theirs}, not {ours}")
        return AgentTeacher(found, head)
    if hasattr(found, "predict"):
        from lhy_rl.interop.sb3_experts import SB3Expert, load_expert

        return SB3Teacher(found if isinstance(found, SB3Expert) else load_expert(found, env), head)
    raise UserError(f"{brief(given)} is not a teacher; allowed: {ALLOWED}")
