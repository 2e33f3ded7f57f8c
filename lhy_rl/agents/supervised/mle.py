"""Maximum likelihood, with scheduled sampling.

L = -E[log pi(x_t | x_<t)] over the training sentences of a text task. It is the baseline and the pretraining of all
agents that train text by reward. Sentences that answer a source are learned conditioned on it: seq2seq (Sutskever et
al. 2014), with attention and with copying where the policy has them. With scheduled sampling (Bengio et al. 2015) the
inputs are more and more often the model's own tokens, as in generation; the targets stay the true tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Agent, Metrics
from lhy_rl.agents.common.gradient_step import gradient_step
from lhy_rl.agents.supervised.attention_figures import attention_figures
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.protocols import SOURCE_MASK, TOKEN, TextTask, TokenSequences
from lhy_rl.core.report_figures import ReportFigure
from lhy_rl.core.saved_states import load_optimizer
from lhy_rl.core.trees import map_tree
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.coverage import coverage_loss, doubly_stochastic_loss
from lhy_rl.functional.policy_gradient import masked_mean
from lhy_rl.functional.schedules import true_token_probability
from lhy_rl.nn.decoding import starts, teacher_forcing
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.vector_envs import Environment

PENALTIES = ("none", "coverage", "doubly_stochastic")
SCHEDULES = ("none", "linear", "exponential", "inverse_sigmoid")
LEARNING_RATES = ("constant", "linear")


class MLE(Agent):
    """Maximum likelihood on a text task. A timestep is a token learned from.

    Args:
        env: A text environment: an id or a ``VectorEnv``.
        learning_rate: Adam's. 0.01 is fast for small generators; 0.005 with more hidden units and dropout.
        learning_rate_schedule: ``constant``, or ``linear`` down to 0 at the end of ``learn``, changed once per update:
            less noisy where the last few steps at a large rate are better or worse by chance.
        weight_decay: Weight decay of all parameters (AdamW). Raise it (to 0.1) where generated sentences must combine
            words as no training sentence does: mere habits of the training language fade then.
        batch_size: Sentences per gradient step.
        max_grad_norm: Maximum norm of the gradient; larger gradients are clipped to it.
        gradient_steps: Gradient steps per update, between two rows of metrics.
        scheduled_sampling: ``none``, ``linear``, ``exponential`` or ``inverse_sigmoid``: how the share of true
            inputs falls.
        scheduled_sampling_half_life: Gradient steps until half of the inputs are the model's own.
        word_dropout: Share of the input words that are replaced by the start token (Bowman et al. 2016, section 3.1).
            Raise it (to 0.3) where words are guessed from the words before instead of read from the source.
        attention_penalty: ``none``; ``coverage``: penalises attending to the same place again (See et al. 2017);
            ``doubly_stochastic``: attention at each place of a source should sum to 1 (Xu et al. 2015).
        attention_penalty_coef: Weight of the penalty, beside nats per token. Raise it when words are repeated.
        **shared: Options of every agent.

    Logs ``train/nll`` (nats per token), ``train/epoch``, with scheduled sampling ``train/true_token_probability`` and
    with a penalty ``train/attention_penalty``.
    """

    changeable = ("learning_rate", "gradient_steps")

    def __init__(
        self,
        env: Environment,
        *,
        learning_rate: float = 0.01,
        learning_rate_schedule: str = "constant",
        weight_decay: float = 0.0,
        batch_size: int = 64,
        max_grad_norm: float = 5.0,
        gradient_steps: int = 50,
        scheduled_sampling: str = "none",
        scheduled_sampling_half_life: float = 1000.0,
        word_dropout: float = 0.0,
        attention_penalty: str = "none",
        attention_penalty_coef: float = 1.0,
        **shared: Any,
    ) -> None:
        positive(learning_rate=learning_rate, max_grad_norm=max_grad_norm, half_life=scheduled_sampling_half_life)
        check(batch_size=(batch_size, 1), gradient_steps=(gradient_steps, 1), weight_decay=(weight_decay, 0))
        if learning_rate_schedule not in LEARNING_RATES:
            raise suggest(learning_rate_schedule, LEARNING_RATES, "learning_rate_schedule")
        super().__init__(env, **shared)
        self.gradient_steps = gradient_steps
        self.learning_rate, self.learning_rate_schedule = learning_rate, learning_rate_schedule
        self.likelihood = MaximumLikelihood(
            self.policy,
            self.task,
            self.generator,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            batch_size=batch_size,
            max_grad_norm=max_grad_norm,
            scheduled_sampling=scheduled_sampling,
            half_life=scheduled_sampling_half_life,
            word_dropout=word_dropout,
            attention_penalty=attention_penalty,
            attention_penalty_coef=attention_penalty_coef,
        )

    @property
    def timestep(self) -> str:
        return "tokens learned from"

    def update(self) -> Metrics:
        share = 1.0 - self.done_share if self.learning_rate_schedule == "linear" else 1.0
        self.likelihood.optimizer.param_groups[0]["lr"] = self.learning_rate * share
        metrics, tokens = self.likelihood.update(self.gradient_steps)
        self.num_timesteps += tokens
        return metrics

    def report_figures(self) -> list[ReportFigure]:
        """Figures of the attention over captioned pictures."""
        return attention_figures(self.policy, self.task)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "likelihood": self.likelihood.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.likelihood.load_state_dict(state["likelihood"])


class MaximumLikelihood:
    """Gradient steps on L = -E[log pi(x_t | x_<t)] over shuffled sentences.

    Args:
        policy: The network that learns.
        task: The text task with the training sentences.
        generator: Random numbers for shuffling, scheduled sampling and word dropout.
        learning_rate, weight_decay: Options of AdamW.
        batch_size: Sentences per gradient step.
        max_grad_norm: Maximum norm of the gradient; larger gradients are clipped to it.
        scheduled_sampling: ``none`` or a schedule of Bengio et al. 2015.
        half_life: Gradient steps until half of the inputs are the model's own.
        word_dropout, attention_penalty, attention_penalty_coef: As of :class:`MLE`.

    Raises:
        UserError: no training sentences, an unknown schedule or penalty, or a penalty without an attention.
    """

    def __init__(
        self,
        policy: ActorCritic,
        task: TextTask,
        generator: torch.Generator,
        *,
        learning_rate: float,
        batch_size: int,
        max_grad_norm: float,
        weight_decay: float = 0.0,
        scheduled_sampling: str = "none",
        half_life: float = 1000.0,
        word_dropout: float = 0.0,
        attention_penalty: str = "none",
        attention_penalty_coef: float = 1.0,
    ) -> None:
        if attention_penalty not in PENALTIES:
            raise suggest(attention_penalty, PENALTIES, "attention_penalty")
        check(attention_penalty_coef=(attention_penalty_coef, 0), word_dropout=(word_dropout, 0, 0.99))
        self.attention_penalty, self.attention_penalty_coef = attention_penalty, attention_penalty_coef
        self.reader = policy.trunk.source
        if attention_penalty != "none":
            if self.reader is None or self.reader.attention is None:
                raise UserError("attention_penalty needs a source and an attention; attention must not be none")
            self.reader.keeps_weights = True
        if scheduled_sampling not in SCHEDULES:
            raise suggest(scheduled_sampling, SCHEDULES, "scheduled_sampling")
        self.policy = policy
        self.task = task
        self.generator = generator
        self.sentences = task.sequences("train")
        if not len(self.sentences):
            raise UserError("the training split holds no sentences; give a larger corpus or a larger max_length")
        self.batch_size = batch_size
        self.max_grad_norm = max_grad_norm
        self.scheduled_sampling = scheduled_sampling
        self.half_life = half_life
        self.word_dropout = word_dropout
        self.optimizer = torch.optim.AdamW(policy.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True)
        self.order = torch.empty(0, dtype=torch.int64)  # the remaining sentences of this epoch
        self.num_steps = 0

    @property
    def steps_per_epoch(self) -> int:
        """Gradient steps in one pass over the sentences."""
        return -(-len(self.sentences) // self.batch_size)

    def update(self, steps: int) -> tuple[dict[str, float], int]:
        """Take ``steps`` gradient steps; returns metrics and the number of tokens learned from."""
        self.policy.train()
        total, penalties, tokens = torch.zeros((), device=self.policy.device), 0.0, 0
        for _ in range(steps):
            nll, learned = self.loss()
            loss = nll
            if self.attention_penalty != "none":
                penalty = self.penalty(*self._evaluated)
                loss = nll + self.attention_penalty_coef * penalty
                penalties += float(penalty.detach()) / steps
            gradient_step(self.policy, self.optimizer, loss, self.max_grad_norm, self.num_steps)
            total += nll.detach()
            tokens += learned
            self.num_steps += 1
        metrics = {"train/nll": float(total) / steps, "train/epoch": self.num_steps / self.steps_per_epoch}
        if self.attention_penalty != "none":
            metrics["train/attention_penalty"] = penalties
        if self.scheduled_sampling != "none":
            metrics["train/true_token_probability"] = self._epsilon()
        return metrics, tokens

    def loss(self) -> tuple[Tensor, int]:
        """Mean negative log-likelihood of the next batch's tokens, with gradient, and the number of tokens."""
        batch = self.sentences[self._next_batch().numpy()]
        obs, actions, mask = self.inputs(batch)
        state = self.policy.initial_state(mask.shape[1])
        log_prob = self.policy.evaluate(obs, actions, state, starts(mask), mask, valid=mask).log_prob
        self._evaluated = obs, mask
        return -masked_mean(log_prob, mask), int(batch.lengths.sum())

    def inputs(self, batch: TokenSequences) -> tuple[Any, Tensor, Tensor]:
        """Inputs (after scheduled sampling and word dropout, if any), target tokens, and their mask, of sentences."""
        obs, actions, mask = teacher_forcing(batch, self.task, self.policy)
        if self.scheduled_sampling != "none":
            obs = self._mix_in_own_tokens(obs)
        if self.word_dropout:
            obs = self._hide_words(obs)
        return obs, actions, mask

    def penalty(self, obs: Any, mask: Tensor) -> Tensor:
        """The attention penalty of the batch evaluated last."""
        assert self.reader is not None and self.reader.kept_weights is not None
        weights = self.reader.kept_weights
        if self.attention_penalty == "coverage":
            return coverage_loss(weights, mask)
        places = obs[SOURCE_MASK][0].bool() if SOURCE_MASK in obs else weights.new_ones(weights.shape[1:]).bool()
        return doubly_stochastic_loss(weights[..., : places.shape[1]], mask, places)

    def _next_batch(self) -> Tensor:
        if not len(self.order):
            self.order = torch.randperm(len(self.sentences), generator=self.generator)
        batch, self.order = self.order[: self.batch_size], self.order[self.batch_size :]
        return batch

    def _epsilon(self) -> float:
        return true_token_probability(self.scheduled_sampling, self.num_steps, self.half_life)

    @torch.no_grad()
    def _mix_in_own_tokens(self, obs: Any) -> Any:
        """Inputs partly replaced by the policy's samples given the mixed inputs before (Bengio et al. 2015, fig. 1)."""
        tokens = obs[TOKEN] if isinstance(obs, dict) else obs
        mixed = tokens.clone()
        inputs = {**obs, TOKEN: mixed} if isinstance(obs, dict) else mixed
        true = torch.rand(tokens.shape, generator=self.generator).to(tokens.device) < self._epsilon()
        state = self.policy.initial_state(tokens.shape[1])
        self.policy.eval()
        for t in range(len(tokens) - 1):
            own, state = self.policy.act(map_tree(lambda x, t=t: x[t], inputs), state, generator=self.generator)
            mixed[t + 1] = torch.where(true[t + 1], tokens[t + 1], own)
        self.policy.train()
        return inputs

    def _hide_words(self, obs: Any) -> Any:
        """Inputs of which a random share is replaced by the start token."""
        tokens = obs[TOKEN] if isinstance(obs, dict) else obs
        hidden = (torch.rand(tokens.shape, generator=self.generator) < self.word_dropout).to(tokens.device)
        read = torch.where(hidden, torch.full_like(tokens, self.task.start_token), tokens)
        return {**obs, TOKEN: read} if isinstance(obs, dict) else read

    def state_dict(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict(), "order": self.order, "num_steps": self.num_steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        load_optimizer(self.optimizer, state["optimizer"])
        self.order = state["order"]
        self.num_steps = state["num_steps"]
