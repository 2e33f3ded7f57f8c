"""The part that `dagger` and `distill` share: rounds in which an expert labels the states that the learner visits."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.supervised.base import SupervisedImitation
from lhy_rl.agents.supervised.experts import Expert
from lhy_rl.agents.supervised.labelled_steps import LabelledSteps, as_action
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.saved_states import guarded
from lhy_rl.core.trees import map_tree
from lhy_rl.core.validation import check
from lhy_rl.data.spaces import misfit
from lhy_rl.functional.schedules import expert_share
from lhy_rl.rollouts.checks import check_memory
from lhy_rl.rollouts.fixed_length import Actor, PlayedStep, RolloutCollector
from lhy_rl.rollouts.normalization import Normalizer
from lhy_rl.rollouts.vector_envs import Environment

if TYPE_CHECKING:
    Imitation = SupervisedImitation  # the class that the mixin is used with
else:
    Imitation = object
BETAS = ("first", "linear", "exponential", "always")


class LabellingRounds(Imitation):
    """The rounds of dataset aggregation, a mixin for imitation agents. A timestep is an environment step.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable; episodes go on from round to round.
        n_steps: Steps of each instance in a round.
        gradient_steps: Gradient steps per round, on the whole dataset so far.
        first_gradient_steps: Gradient steps on the demonstrations before the first round; without demonstrations none.
        max_labels: Stop after this many labels of the expert; demonstrations are not counted. null never stops.
        label_interval: Query the expert at every n-th step only; at every step where it acts. Consecutive steps are
            similar: the same number of labels teaches more when they are further apart (at best spread over a whole
            episode), and tires a person less. Then begin with demonstrations: a first round played by the expert costs
            many labels.
        beta: How the share of steps in which the expert acts falls: ``first`` (1 in the first round if there are no
            demonstrations, then 0), ``linear`` or ``exponential``; or ``always`` (1): the states are the expert's own.
            Where the expert acts, it also labels.
        beta_rounds: Rounds until a ``linear`` share is 0.
        beta_decay: Factor by which an ``exponential`` share falls in each round.
        stochastic: Sample the learner's actions while it plays, instead of taking the most probable ones.
        **imitation: Options of ``bc`` and ``dagger``, and of every agent.
    """

    reports_steps = True

    former_names = {**SupervisedImitation.former_names, "label_every": "label_interval"}

    def __init__(
        self,
        env: Environment,
        *,
        n_steps: int = 32,
        gradient_steps: int = 200,
        first_gradient_steps: int = 500,
        max_labels: int | None = None,
        label_interval: int = 1,
        beta: str = "first",
        beta_rounds: int = 10,
        beta_decay: float = 0.5,
        stochastic: bool = False,
        num_envs: int = 4,
        **imitation: Any,
    ) -> None:
        check(n_steps=(n_steps, 1), gradient_steps=(gradient_steps, 1), first_gradient_steps=(first_gradient_steps, 1))
        check(label_interval=(label_interval, 1), beta_rounds=(beta_rounds, 1), beta_decay=(beta_decay, 0, 1))
        check(max_labels=(1 if max_labels is None else max_labels, 1))
        if beta not in BETAS:
            raise suggest(beta, BETAS, "beta")
        super().__init__(env, num_envs=num_envs, **imitation)
        check_memory(self.env, n_steps=n_steps)
        self.expert = self.find_expert()
        self.n_steps, self.gradient_steps, self.first_gradient_steps = n_steps, gradient_steps, first_gradient_steps
        self.max_labels, self.label_interval = max_labels, label_interval
        self.beta, self.beta_rounds, self.beta_decay = beta, beta_rounds, beta_decay
        self.stochastic = stochastic
        self.round = 0
        self.labels = 0  # number of labels so far
        self.pieces: list[LabelledSteps] = []  # (T, B, ...) steps of each round
        self.collector = self.make_collector()
        self.cloned = False  # whether the demonstrations have been learned

    @abstractmethod
    def find_expert(self) -> Expert:
        """Make the expert for the current environment."""

    def make_collector(self) -> LabellingCollector:
        """Make the collector of labelled steps in the current environment."""
        return LabellingCollector(self)

    # ------------------------------------------------------------------ the rounds
    def update(self) -> Metrics:
        if self.demonstrated is not None and not self.cloned:
            self.cloned = True
            return self.learn_everything(self.first_gradient_steps)
        before = self.labels
        self.policy.eval()
        self.collector.expert_share = self.expert_share  # beta_i
        self.pieces.append(self.collector.labelled(self.n_steps))  # play the mixture, label the states visited
        self.round += 1
        metrics: Metrics = {"rollout/labels": self.labels, "rollout/expert_share": self.collector.expert_share}
        if recent := self.collector.recent:
            metrics["rollout/ep_rew_mean"] = sum(r for r, _ in recent) / len(recent)
            metrics["rollout/ep_len_mean"] = sum(n for _, n in recent) / len(recent)
        if self.labels == before:
            return metrics
        return metrics | self.collector.agreement() | self.learn_everything(self.gradient_steps)

    @property
    def everything(self) -> LabelledSteps:
        """D: the demonstrations and all labels so far."""
        parts = [] if self.demonstrated is None else [self.demonstrated]
        if self.pieces:
            parts.append(LabelledSteps.of_rounds(self.pieces))
        return LabelledSteps.concatenate(parts)

    def learn_everything(self, steps: int) -> Metrics:
        """Take gradient steps on D."""
        everything = self.everything
        self.measure(everything)
        self.learn_from(self.prepared(everything))
        rate = self.present_rate
        metrics, _ = self.take_gradient_steps(steps)
        return metrics | {"train/learning_rate": rate}

    @property
    def expert_share(self) -> float:
        """beta of this round."""
        if self.beta == "first" and self.demonstrated is not None:
            return 0.0
        return expert_share(self.beta, self.round, self.beta_rounds, self.beta_decay)

    def on_step(self, played: PlayedStep) -> bool:
        """Count and report one step of the environments; returns whether to go on."""
        self.num_timesteps += self.env.num_envs
        going = (not self.callback.wants_steps or self.report_step(played)) and not self.expert.gone
        self.stopped |= not going
        return going and not self.spent

    @property
    def done_share(self) -> float:
        asked = self.labels / self.max_labels if self.max_labels is not None else 0.0
        return max(asked, super().done_share)

    @property
    def spent(self) -> bool:
        """Whether the expert has given ``max_labels`` labels."""
        return self.max_labels is not None and self.labels >= self.max_labels

    @property
    def unfinished(self) -> bool:
        return super().unfinished and not self.spent

    @property
    def phase(self) -> str:
        return "training" if self.cloned or self.demonstrated is None else "cloning"

    # ------------------------------------------------------------------ saving, loading
    def set_env(self, env: Environment) -> None:
        super().set_env(env)
        self.expert = self.find_expert()
        self.collector = self.make_collector()

    def state_dict(self) -> dict[str, Any]:
        """The state, with all labels, so that no state is labelled twice."""
        return {
            **super().state_dict(),
            "collector": self.collector.state_dict(),
            "teacher": self.expert.state,
            "demonstrated": None if self.demonstrated is None else self.demonstrated.state_dict(),
            "pieces": [piece.state_dict() for piece in self.pieces],
            "round": self.round,
            "labels": self.labels,
            "cloned": self.cloned,
        }

    @guarded
    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        demonstrated, spaces = state["demonstrated"], (self.env.single_observation_space, self.env.single_action_space)
        self.demonstrated = None if demonstrated is None else LabelledSteps.of_state(demonstrated, *spaces)
        self.pieces = [LabelledSteps.of_state(piece, *spaces) for piece in state["pieces"]]
        self.round, self.labels, self.cloned = state["round"], state["labels"], state["cloned"]
        self.collector.load_state_dict(state["collector"])
        memory, count = state.get("teacher"), self.env.num_envs  # older files of dagger have none
        if self.collector.obs is None:  # new episodes begin
            self.expert.state = None
        elif memory is None or all(count in part.shape[:2] for part in memory):
            self.expert.state = memory
        else:
            raise ValueError(f"teacher is not a memory of {count} environments")


class LabellingCollector(RolloutCollector):
    """Collects steps that the learner and the expert play, with the expert's actions as labels.

    Args:
        agent: The agent whose policy plays and whose expert labels.
    """

    def __init__(self, agent: LabellingRounds) -> None:
        raw = Normalizer(agent.env.single_observation_space, agent.env.num_envs, 1.0)
        super().__init__(agent.env, agent.policy, agent.generator, agent.seed, raw)
        self.agent = agent
        self.expert_share = 0.0
        self.labels: list[np.ndarray] = []  # of each step, (B, ...)
        self.labelled_steps: list[np.ndarray] = []  # (B,) bool
        self.agreed: list[np.ndarray] = []

    def labelled(self, n_steps: int) -> LabelledSteps:
        """Play on and label; returns (T, B, ...) steps, with at most as many labels as ``max_labels`` leaves."""
        self.labels, self.labelled_steps, self.agreed = [], [], []
        rollout = self.collect(n_steps, self.agent.on_step)
        return LabelledSteps(
            map_tree(lambda x: x[:-1].cpu(), rollout.obs),
            as_action(np.stack(self.labels)),
            rollout.start[:-1].cpu(),
            torch.from_numpy(np.stack(self.labelled_steps)),
        )

    def ask(self, t: int, start: np.ndarray, wanted: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        """The expert's actions now, (B, ...), in step ``t`` of the round."""
        return self.agent.expert.label(self.obs, start, wanted)

    def agreement(self) -> dict[str, float]:
        """How often the learner's action is the expert's, for discrete actions."""
        if self.labels[0].dtype.kind == "f":
            return {}
        return {"rollout/agreement": float(np.stack(self.agreed)[np.stack(self.labelled_steps)].mean())}

    def _actor(self, noise: Tensor) -> Actor:
        agent = self.agent
        learner = super()._actor(noise if agent.stochastic else torch.zeros_like(noise))
        draws = torch.rand(noise.shape[:2], generator=agent.generator).numpy()

        def act(t: int, obs: Any, start: np.ndarray, action_mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
            normalized = map_tree(lambda x: x.cpu().numpy(), agent.observe(obs)) if agent.moments else obs
            action, env_action = learner(t, normalized, start, action_mask)
            expert_acts = draws[t] < self.expert_share
            wanted = (expert_acts | ((self.steps_done + t) % agent.label_interval == 0)) & ~self.stepper.resetting
            if agent.max_labels is not None:
                wanted &= np.cumsum(wanted) <= agent.max_labels - agent.labels
            label = self.ask(t, start, wanted, action_mask)
            if label.shape != env_action.shape:
                raise UserError(f"the expert's actions have shape {label.shape}; must be {env_action.shape}")
            if wanted.any() and (why := misfit(label[wanted], agent.env.single_action_space)) is not None:
                raise UserError(f"the expert's actions are not in the environment's action space: {why}")
            agent.labels += int(wanted.sum())
            self.labels.append(label)
            self.labelled_steps.append(wanted)
            self.agreed.append((env_action == label).reshape(len(wanted), -1).all(1))
            replaced = (expert_acts & wanted).reshape(-1, *[1] * (env_action.ndim - 1))
            return np.where(replaced, label, action), np.where(replaced, label, env_action)

        return act
