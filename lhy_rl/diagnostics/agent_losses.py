"""The loss of an agent as it is now, on steps that it plays or on its data: a function for each kind of agent.

What has a loss of its own is registered with ``@subject_of.register``; an agent that is held by another (GAIL's
generator) is diagnosed in its place.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Agent
from lhy_rl.agents.common.episode_evaluation import evaluate_episodes
from lhy_rl.agents.common.held_learner import HeldLearner
from lhy_rl.agents.common.on_policy import OnPolicy
from lhy_rl.agents.policy_gradient.ppo import PPO
from lhy_rl.agents.policy_gradient.reinforce import Reinforce
from lhy_rl.agents.supervised.action_likelihood import CensoredGaussianLikelihood, LabelledFeatures
from lhy_rl.agents.supervised.base import SupervisedImitation
from lhy_rl.agents.supervised.mle import MLE, MaximumLikelihood
from lhy_rl.agents.supervised.rounds import LabellingRounds
from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import map_tree
from lhy_rl.diagnostics.loss_examples import LossExamples, PolicySubject, subject_of_policy
from lhy_rl.functional.policy_gradient import (
    actor_critic_loss,
    clipped_surrogate,
    masked_mean,
    value_loss,
)
from lhy_rl.nn.decoding import starts
from lhy_rl.nn.policies.actor_critic import ActorCritic, mask_of
from lhy_rl.rollouts.games import Games

FEWEST = 8  # episodes, where a memory reads whole ones


@singledispatch
def subject_of(agent: Any, steps: int, generator: torch.Generator) -> PolicySubject:
    """The loss of an agent's policy on about so many steps, which stay the same.

    The agent is used up by it: it plays on in its environment, and its policy becomes one of double precision.

    Args:
        agent: As a checkpoint has it.
        steps: Of the environment, or of its data; what is drawn of them is drawn with the generator.

    Raises:
        UserError: nobody knows this agent's loss, or it has no data.
    """
    if isinstance(agent, HeldLearner) and isinstance(agent.learner, Agent) and not isinstance(agent.env, Games):
        return subject_of(agent.learner, steps, generator)
    known = "ppo, a2c, reinforce, bc, dagger, distill, mle; gail and airl by their generator"
    raise UserError(f"{type(agent).__name__}'s loss is not known here; agents that can be diagnosed: {known}")


@subject_of.register
def _of_on_policy(agent: OnPolicy, steps: int, generator: torch.Generator) -> PolicySubject:
    """Fresh steps, with the critic's advantages; for PPO the ratio is to the policy as it is."""
    played = max(agent.n_steps, -(-steps // agent.env.num_envs))
    agent.policy.eval()
    rollout = agent.collector.collect(played - played % agent.bptt_steps)
    agent.tie_parameters()
    if agent.reward_model is not None:
        agent.reward_model.relabel(rollout)
    rollout.normalize_rewards(agent.normalizer)
    batch = agent.compute_advantages(rollout)
    if agent.normalize_advantage:
        batch = batch.standardized()
    valid = torch.ones(batch.shape, dtype=torch.bool) if batch.valid is None else batch.valid
    others = {"log_prob": batch.log_prob, "advantages": batch.advantages, "returns": batch.returns}
    examples = LossExamples(batch.obs, batch.actions, batch.start, valid, batch.state, batch.action_mask, others)

    def loss(policy: ActorCritic, x: LossExamples) -> Tensor:
        new = policy.evaluate(x.obs, x.actions, x.state, x.start, entropy=True, action_mask=x.action_mask)
        assert new.value is not None and new.entropy is not None
        advantages, returns = x.others["advantages"], x.others["returns"]
        coefficients = agent.value_coef, agent.entropy_coef
        if not isinstance(agent, PPO):
            return actor_critic_loss(new.log_prob, advantages, new.value, returns, new.entropy, *coefficients, x.valid)
        ratio = new.log_prob - x.others["log_prob"]
        policy_loss = clipped_surrogate(ratio, advantages, agent.clip_range, x.valid)
        critic_loss = value_loss(new.value, returns, x.valid)
        return policy_loss + agent.value_coef * critic_loss - agent.entropy_coef * masked_mean(new.entropy, x.valid)

    name = "clipped surrogate" if isinstance(agent, PPO) else "policy gradient"
    return subject_of_policy(agent.policy, examples, loss, f"{name}, critic and entropy on fresh steps")


@subject_of.register
def _of_reinforce(agent: Reinforce, steps: int, generator: torch.Generator) -> PolicySubject:
    """Fresh episodes, one in each instance, and training sentences where the loss has their likelihood, too."""
    if agent.preparing:
        assert agent.likelihood is not None
        return _of_sentences(agent.likelihood, steps, generator)
    agent.policy.eval()
    agent._seed = agent.draw_seed()
    episodes = agent.collect(agent._seed)
    with torch.no_grad():
        now = evaluate_episodes(agent.policy, episodes, False, False)
        values = torch.zeros_like(episodes.rewards) if now.value is None else now.value
        returns, _ = agent.credit(episodes, values)
        advantages, _ = agent.advantages(returns, episodes.valid, values)
    others = {"advantages": advantages, "returns": returns}
    if agent.kl_coef:
        others["reference"] = agent.reference(episodes)
    held = None
    if agent.likelihood is not None and agent.likelihood_coef:
        held = _sentences(agent.likelihood, steps, generator).cast(torch.float64)
    state = tuple(s[0] for s in episodes.states)
    examples = LossExamples(
        episodes.obs, episodes.actions, episodes.start, episodes.valid, state, episodes.action_mask, others
    )

    def loss(policy: ActorCritic, x: LossExamples) -> Tensor:
        reference = x.others.get("reference")
        asked = {"all_actions": reference is not None, "entropy": reference is None and agent.entropy_coef > 0}
        new = policy.evaluate(x.obs, x.actions, x.state, x.start, action_mask=x.action_mask, **asked)
        total, _ = agent.loss(new, x.others["advantages"], x.others["returns"], x.valid, reference)
        return total if held is None else total + agent.likelihood_coef * _nll(policy, held)

    what = "policy gradient on fresh episodes" + ("" if held is None else " and likelihood of training sentences")
    return subject_of_policy(agent.policy, examples, loss, what)


@subject_of.register
def _of_imitation(agent: SupervisedImitation, steps: int, generator: torch.Generator) -> PolicySubject:
    """Labelled steps: demonstrations, and what was asked of an expert or a teacher."""
    if isinstance(agent, LabellingRounds) and (agent.pieces or agent.demonstrated is not None):
        agent.learn_from(agent.prepared(agent.everything))
    if not hasattr(agent, "dataset"):
        raise UserError(f"{type(agent).__name__} has no data in this checkpoint; train further, or give demonstrations")
    data = agent.dataset
    if agent.policy.recurrent:
        order = torch.randperm(len(data.episodes), generator=generator).tolist()
        chosen: list[tuple[int, int]] = []
        for i in order:
            if len(chosen) < FEWEST or sum(end - first for first, end in chosen) < steps:
                chosen.append(data.episodes[i])
        rows = torch.full((max(end - first for first, end in chosen), len(chosen)), -1)
        for column, (first, end) in enumerate(chosen):
            rows[: end - first, column] = torch.arange(first, end)
    else:
        drawn = torch.randperm(len(data.labelled_rows), generator=generator)[:steps]
        rows = data.labelled_rows[drawn][None]
    inside = rows.clamp(min=0)
    start = data.steps.start[inside]
    start[0] = True
    valid = (rows >= 0) & data.steps.labelled[inside]
    others = {} if data.steps.targets is None else {"targets": data.steps.targets[inside]}
    obs = map_tree(lambda x: x[inside], data.obs)
    state = agent.policy.initial_state(rows.shape[1])
    examples = LossExamples(obs, data.steps.actions[inside], start, valid, state, None, others)

    def loss(policy: ActorCritic, x: LossExamples) -> Tensor:
        h, _ = policy.trunk(x.obs, policy.split_state(x.state)[0], x.start)
        mask, targets = mask_of(x.obs), x.others.get("targets")
        parts = (None if part is None else part[x.valid] for part in (mask, targets))
        return agent.batch_loss(LabelledFeatures(h[x.valid], x.actions[x.valid], *parts))[0]

    if isinstance(agent.likelihood, CensoredGaussianLikelihood):
        agent.likelihood.scale = agent.likelihood.scale.double()
    return subject_of_policy(agent.policy, examples, loss, "the agent's loss on its labelled steps", True)


@subject_of.register
def _of_likelihood(agent: MLE, steps: int, generator: torch.Generator) -> PolicySubject:
    """Training sentences."""
    return _of_sentences(agent.likelihood, steps, generator)


def _of_sentences(likelihood: MaximumLikelihood, steps: int, generator: torch.Generator) -> PolicySubject:
    def loss(policy: ActorCritic, x: LossExamples) -> Tensor:
        nll = _nll(policy, x)
        if likelihood.attention_penalty == "none":
            return nll
        return nll + likelihood.attention_penalty_coef * likelihood.penalty(x.obs, x.valid)

    what = "negative log-likelihood of training sentences"
    if likelihood.attention_penalty != "none":
        what += f" and attention_penalty {likelihood.attention_penalty!r}"
    return subject_of_policy(likelihood.policy, _sentences(likelihood, steps, generator), loss, what, True)


def _sentences(likelihood: MaximumLikelihood, steps: int, generator: torch.Generator) -> LossExamples:
    """Sentences of so many tokens as they are read now, with words hidden or drawn if they are: what is drawn stays."""
    order = torch.randperm(len(likelihood.sentences), generator=generator).numpy()
    enough = int(np.searchsorted(np.cumsum(likelihood.sentences.lengths[order]), steps)) + 1
    obs, actions, mask = likelihood.inputs(likelihood.sentences[order[:enough]])
    return LossExamples(obs, actions, starts(mask), mask, likelihood.policy.initial_state(mask.shape[1]))


def _nll(policy: ActorCritic, x: LossExamples) -> Tensor:
    return -masked_mean(policy.evaluate(x.obs, x.actions, x.state, x.start, x.valid).log_prob, x.valid)
