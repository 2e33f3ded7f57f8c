"""REINFORCE with a choice of baselines.

    grad J = E[ sum_t grad log pi(a_t | s_t) (Q_t - b_t) ]     (Williams 1992)

Q_t is the discounted return from step t on. Any b_t that does not depend on a_t leaves the expected gradient
unchanged and changes its variance: none, the mean of the batch's other episodes at the same step (with a single
instance, of earlier episodes), a learned critic, or the return of the greedy episode from the same start
(self-critical training, Rennie et al. 2017). Where the possible return depends on the start, episodes with a common
start are each other's baseline (``episodes_per_start``; Kool et al. 2019). Simple and unbiased; for short episodes.

A truncated episode is worth its rewards until then; ``baseline="critic"`` adds the critic's value of its last
observation (a bootstrap). All instances wait for the longest episode: where lengths differ much, and in long
episodes, ppo and a2c learn more per step.

Without a baseline and with rewards of one sign, a small batch only sharpens the policy, whatever the
rewards are: compare with a run whose rewards are permuted (benchmarks/seqgan_oracle.py does).
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Agent, Metrics, Names
from lhy_rl.agents.common.episode_evaluation import evaluate_episodes
from lhy_rl.agents.common.gradient_step import gradient_step
from lhy_rl.agents.common.reward_model import as_reward_model, resumed_reward_model
from lhy_rl.agents.supervised.mle import MaximumLikelihood
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.saved_states import load_optimizer
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.policy_gradient import finite, masked_mean, reinforce_loss, value_loss
from lhy_rl.functional.returns import discounted_returns, leave_one_out_mean
from lhy_rl.nn.policies.actor_critic import ActorCritic, Evaluation
from lhy_rl.rollouts.full_episodes import Episodes, collect_episodes, truncated_final_values
from lhy_rl.rollouts.normalization import Normalizer
from lhy_rl.rollouts.vector_envs import Environment

SCHEDULES = ("constant", "linear")
BASELINES = ("none", "mean", "critic", "self_critical")


class Reinforce(Agent):
    """Policy gradient over whole episodes. A timestep is an environment step.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable; each update plays one episode in each instance.
        learning_rate: Learning rate of Adam in the policy gradient.
        learning_rate_schedule: ``constant``, or ``linear`` down to 0 at the end of ``learn``.
        gamma: Discount. 1 suits episodes that always end, as sentences do.
        baseline: ``none``, ``mean``, ``critic`` or ``self_critical``.
        episodes_per_start: Number of consecutive instances that share a start; the ``mean`` is over the others of the
            group: 8 for tours or sentences about sources. With 1 starts differ, and the mean is over all instances.
        normalize_advantage: Divide advantages by their standard deviation, so that the rewards' scale does not matter.
        entropy_coef: Bonus on the policy's entropy. Raise it when the policy collapses (0.001 to 0.1).
        kl_coef: Penalty on KL(policy || pretrained policy), in nats per step; needs pretraining.
        likelihood_coef: Weight of the training sentences' log-likelihood, for text tasks; raise it if coverage is lost.
        value_coef: Weight of the critic's loss.
        max_grad_norm: Maximum norm of the gradient; larger gradients are clipped to it.
        adam_epsilon: Epsilon of Adam. The loss here is a mean over the batch's tokens; to match code that sums them, as
            SeqGAN's does, divide its epsilon and ``max_grad_norm`` by the number of tokens. It matters: the smaller it
            is, the more the probabilities of rare actions still change.
        normalize_observations: Bring observations to mean 0 and variance 1; the statistics are saved with the agent.
        reward_model: Rewards in place of the environment's: ``fluency``, the file of a learned reward, ``module:Class``
            of a ``lhy_rl.agents.common.reward_model.RewardModel``, or (in Python) a reward model itself.
        pretrain_epochs: Passes over a text task's sentences by maximum likelihood before the policy gradient
            begins; 0 for other environments.
        pretrain_learning_rate: Learning rate of Adam in pretraining.
        pretrain_batch_size: Sentences per gradient step in pretraining.
        **shared: Options of every agent; ``dropout`` applies to pretraining only.

    Logs ``rollout/ep_rew_mean``, ``rollout/ep_len_mean``, ``train/policy_loss``, ``train/entropy`` (where it is
    computed, otherwise its estimate from the actions taken), ``train/kl``, ``train/value_loss``,
    ``train/advantage_std``, ``train/grad_norm``; in pretraining ``train/nll`` and ``train/epoch``.
    """

    changeable: Names = ("learning_rate", "gamma", "entropy_coef", "kl_coef", "value_coef", "max_grad_norm")

    def __init__(
        self,
        env: Environment,
        *,
        learning_rate: float = 0.01,
        learning_rate_schedule: str = "constant",
        gamma: float = 1.0,
        baseline: str = "mean",
        episodes_per_start: int = 1,
        normalize_advantage: bool = False,
        entropy_coef: float = 0.0,
        kl_coef: float = 0.0,
        likelihood_coef: float = 0.0,
        value_coef: float = 0.5,
        max_grad_norm: float = 5.0,
        adam_epsilon: float = 1e-8,
        normalize_observations: bool = False,
        reward_model: Any = None,
        pretrain_epochs: float = 0.0,
        pretrain_learning_rate: float = 0.01,
        pretrain_batch_size: int = 64,
        **shared: Any,
    ) -> None:
        positive(learning_rate=learning_rate, max_grad_norm=max_grad_norm, adam_epsilon=adam_epsilon)
        positive(pretrain_learning_rate=pretrain_learning_rate)
        check(gamma=(gamma, 0, 1), entropy_coef=(entropy_coef, 0), kl_coef=(kl_coef, 0), value_coef=(value_coef, 0))
        check(likelihood_coef=(likelihood_coef, 0), pretrain_epochs=(pretrain_epochs, 0))
        check(pretrain_batch_size=(pretrain_batch_size, 1), episodes_per_start=(episodes_per_start, 1))
        if baseline not in BASELINES:
            raise suggest(baseline, BASELINES, "baseline")
        if learning_rate_schedule not in SCHEDULES:
            raise suggest(learning_rate_schedule, SCHEDULES, "learning_rate_schedule")
        if kl_coef and not pretrain_epochs:
            raise UserError(f"kl_coef is {kl_coef}, but there is no pretrained policy; set pretrain_epochs above 0")
        if (shared.get("norm") == "batch" or shared.get("dropout")) and not pretrain_epochs:
            raise UserError("norm 'batch' and dropout need pretraining; pretrain_epochs must be above 0")
        if baseline == "critic" and shared.get("critic") == "none":
            raise UserError("baseline 'critic' needs a critic; critic must be shared or separate")
        self.sees_normalized = normalize_observations
        super().__init__(env, **shared)
        self.normalizer = Normalizer(self.env.single_observation_space, self.env.num_envs, 1.0, normalize_observations)
        if (n := self.env.num_envs) % episodes_per_start:
            raise UserError(f"episodes_per_start is {episodes_per_start}; num_envs, {n}, must be a multiple of it")
        self.learning_rate, self.learning_rate_schedule = learning_rate, learning_rate_schedule
        self.gamma, self.max_grad_norm, self.normalize_advantage = gamma, max_grad_norm, normalize_advantage
        self.baseline, self.episodes_per_start = baseline, episodes_per_start
        self.entropy_coef, self.kl_coef, self.value_coef = entropy_coef, kl_coef, value_coef
        self.likelihood_coef = likelihood_coef
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=learning_rate, eps=adam_epsilon, fused=True)
        self.past_return: float | None = None  # the baseline where there is only one instance
        self.pretrained: ActorCritic | None = None
        self.likelihood: MaximumLikelihood | None = None
        self.pretrain_steps = 0
        if pretrain_epochs or likelihood_coef:
            self.likelihood = MaximumLikelihood(
                self.policy, self.task, self.generator, learning_rate=pretrain_learning_rate,
                batch_size=pretrain_batch_size, max_grad_norm=max_grad_norm,
            )  # fmt: skip
            self.pretrain_steps = math.ceil(pretrain_epochs * self.likelihood.steps_per_epoch)
        self.reward_model = as_reward_model(reward_model)
        if self.reward_model is not None:
            with self.randomness():
                self.reward_model.attach(self)

    # ------------------------------------------------------------------ collect
    def update(self) -> Metrics:
        self.played_episodes = []
        if self.preparing:
            return self.prepare()
        self.policy.eval()
        self._seed = self.draw_seed()
        episodes = self.collect(self._seed)
        returns = episodes.rewards.sum(0)  # of the environment's rewards
        relabelled = self.reward_model.train(episodes) if self.reward_model is not None else {}
        metrics = {**self.train_on_batch(episodes), **relabelled}
        self.num_timesteps += int(episodes.valid.sum())
        self.played_episodes = list(zip(returns.tolist(), episodes.lengths.tolist(), strict=True))
        return metrics

    def collect(self, seed: int, deterministic: bool = False) -> Episodes:
        """Collect one episode in each instance; the seed decides how they begin."""

        def observe(obs: Any, counts: np.ndarray | None) -> Any:
            if counts is not None and not deterministic:
                self.normalizer.learn(obs, counts)
            return self.normalizer.observations(obs)

        raw = self.reward_model is not None and self.reward_model.needs_raw_obs
        states = self.reward_model is not None and self.reward_model.needs_states
        alike = self.episodes_per_start
        return collect_episodes(self.env, self.policy, seed, self.generator, deterministic, observe, raw, alike, states)

    def credit(self, episodes: Episodes, values: Tensor) -> tuple[Tensor, Metrics]:
        """Action values Q (T, B), and metrics: discounted returns, unless the reward model gives values of its own.

        Args:
            values: The critic's value of each state, (T, B), without gradient.
        """
        earned = episodes.rewards.sum(0)
        metrics = {"rollout/ep_rew_mean": float(earned.mean()), "rollout/ep_rew_std": float(earned.std(correction=0))}
        if self.reward_model is not None:
            metrics |= self.reward_model.relabel(episodes)
            if (action_values := self.reward_model.action_values(episodes, values)) is not None:
                return action_values, metrics
        rewards = episodes.rewards
        if self.baseline == "critic" and episodes.truncated_final_obs:
            rewards = rewards + self.gamma * truncated_final_values(self.policy, episodes)
        returns = discounted_returns(rewards, self.gamma * episodes.valid.float(), torch.zeros_like(rewards[0]))
        return returns, metrics

    def greedy_returns(self, steps: int) -> Tensor:
        """Returns-to-go (T, B) of greedy episodes from the same starts as the last episodes.

        Beyond the end of a greedy episode the return-to-go of its last step is repeated.
        """
        greedy = self.collect(self._seed, deterministic=True)
        returns, _ = self.credit(greedy, torch.zeros_like(greedy.rewards))
        step = torch.arange(steps, device=returns.device)[:, None]
        return returns.gather(0, torch.minimum(step, greedy.lengths - 1))

    # ------------------------------------------------------------------ update
    def train_on_batch(self, episodes: Episodes) -> Metrics:
        """One gradient step; the policy is in evaluation mode, as it was when it acted."""
        mask, full = episodes.valid, self.kl_coef > 0
        new = evaluate_episodes(self.policy, episodes, full, self.entropy_coef > 0 and not full)
        values = torch.zeros_like(episodes.rewards) if new.value is None else new.value
        returns, metrics = self.credit(episodes, values.detach())
        advantage, deviation = self.advantages(returns, mask, values.detach())
        loss, terms = self.loss(new, advantage, returns, mask, self.reference(episodes) if full else None)
        if self.likelihood is not None and self.likelihood_coef:
            terms["nll"], _ = self.likelihood.loss()
            loss = loss + self.likelihood_coef * terms["nll"]
        share = 1.0 - self.done_share if self.learning_rate_schedule == "linear" else 1.0
        self.optimizer.param_groups[0]["lr"] = self.learning_rate * share
        norm = gradient_step(self.policy, self.optimizer, loss, self.max_grad_norm, self.num_timesteps)
        return {
            "rollout/ep_len_mean": float(episodes.lengths.float().mean()),
            **metrics,
            **{f"train/{name}": float(term.detach()) for name, term in terms.items()},
            "train/advantage_std": float(deviation),
            "train/grad_norm": float(norm),
        }

    def loss(
        self, new: Evaluation, advantage: Tensor, returns: Tensor, mask: Tensor, reference: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, without the training sentences' likelihood, and its terms; ``reference`` is for ``kl_coef``."""
        loss = policy_loss = reinforce_loss(new.log_prob, advantage, mask)
        terms = {"policy_loss": policy_loss, "entropy": -masked_mean(new.log_prob.detach(), mask)}
        if self.baseline == "critic" and new.value is not None:
            terms["value_loss"] = value_loss(new.value, returns, mask)
            loss = loss + self.value_coef * terms["value_loss"]
        entropies = new.entropy
        if reference is not None and new.log_probs is not None:
            log_probs = finite(new.log_probs)
            probabilities = log_probs.exp()
            entropies = -(probabilities * log_probs).sum(-1)
            terms["kl"] = masked_mean((probabilities * (log_probs - finite(reference))).sum(-1), mask)
            loss = loss + self.kl_coef * terms["kl"]
        if entropies is not None:
            terms["entropy"] = masked_mean(entropies, mask)
            loss = loss - self.entropy_coef * terms["entropy"]
        return loss, terms

    def advantages(self, returns: Tensor, mask: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Advantages, the returns minus the baseline, and their standard deviation before normalisation."""
        advantage = returns - self._baseline(returns, mask, values)
        deviation = masked_mean((advantage - masked_mean(advantage, mask)).square(), mask).sqrt()
        return advantage / (deviation + 1e-8) if self.normalize_advantage else advantage, deviation

    def _baseline(self, returns: Tensor, mask: Tensor, values: Tensor) -> Tensor:
        if self.baseline == "mean":
            if returns.shape[1] == 1:
                return self._past_mean(returns, mask)
            return leave_one_out_mean(returns, mask, None if self.episodes_per_start == 1 else self.episodes_per_start)
        if self.baseline == "critic":
            return values
        if self.baseline == "self_critical":
            return self.greedy_returns(len(returns))
        return torch.zeros_like(returns)

    def _past_mean(self, returns: Tensor, mask: Tensor) -> Tensor:
        """Baseline of a single instance: the running mean of earlier episodes' returns-to-go (Williams 1992)."""
        now, past = float(masked_mean(returns, mask)), self.past_return
        self.past_return = now if past is None else 0.9 * past + 0.1 * now
        return torch.full_like(returns, 0.0 if past is None else past)

    @torch.no_grad()
    def reference(self, episodes: Episodes) -> Tensor:
        """(T, B, A) log-probabilities of the pretrained policy."""
        if self.pretrained is None:
            raise UserError("kl_coef needs a pretrained policy; set pretrain_epochs above 0")
        steps = episodes.obs, episodes.actions, self.pretrained.initial_state(episodes.valid.shape[1]), episodes.start
        found = self.pretrained.evaluate(*steps, all_actions=True, action_mask=episodes.action_mask).log_probs
        assert found is not None
        return found

    # ------------------------------------------------------------------ pretraining
    @property
    def preparing(self) -> bool:
        """Whether the policy gradient has not begun."""
        return self.pretrain_steps > 0 and self.pretrained is None

    def prepare(self) -> Metrics:
        """Up to 50 gradient steps of pretraining."""
        assert self.likelihood is not None
        metrics, _ = self.likelihood.update(min(50, self.pretrain_steps - self.likelihood.num_steps))
        if self.likelihood.num_steps == self.pretrain_steps:
            self._keep_pretrained()
        return metrics

    def _keep_pretrained(self) -> ActorCritic:
        self.pretrained = copy.deepcopy(self.policy).eval().requires_grad_(False)
        return self.pretrained

    @property
    def unfinished(self) -> bool:
        return self.preparing or super().unfinished

    @property
    def policies(self) -> dict[str, ActorCritic]:
        if not self.pretrain_steps:
            return super().policies
        if self.pretrained is None:
            return {"mle": self.policy}
        return {"mle": self.pretrained, **super().policies}

    @property
    def phase(self) -> str:
        return "pretrain generator" if self.preparing else super().phase

    @property
    def phase_progress(self) -> tuple[int, int]:
        if self.preparing:
            assert self.likelihood is not None
            return self.likelihood.num_steps, self.pretrain_steps
        return super().phase_progress

    # ------------------------------------------------------------------ predicting, saving, loading
    def observe(self, observation: Any) -> Any:
        return super().observe(self.normalizer.observations(observation))

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "normalizer": self.normalizer.state_dict(),
            "past_return": self.past_return,
            "likelihood": self.likelihood.state_dict() if self.likelihood else None,
            "pretrained": self.pretrained.state_dict() if self.pretrained else None,
            **({} if self.reward_model is None else {"reward_model": self.reward_model.state_dict()}),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        load_optimizer(self.optimizer, state["optimizer"])
        self.normalizer.load_state_dict(state["normalizer"])
        self.past_return = state.get("past_return")
        self.reward_model = resumed_reward_model(self.reward_model, state)
        if self.likelihood is not None:
            self.likelihood.load_state_dict(state["likelihood"])
        self.pretrained = None
        if state["pretrained"] is not None:
            self._keep_pretrained().load_state_dict(state["pretrained"])
        elif self.likelihood is not None and self.likelihood.num_steps >= self.pretrain_steps > 0:
            raise ValueError(f"it has no pretrained policy after {self.likelihood.num_steps} steps of pretraining")
