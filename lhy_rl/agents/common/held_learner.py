"""An agent around a learner: it decides what the learner learns from, and acts and counts through it."""

from __future__ import annotations

from typing import Any, ClassVar

COUNTERS = frozenset({"num_timesteps", "total_timesteps", "stopped", "callback", "own_randomness"})


class HeldLearner:
    """A mixin for agents that hold another agent as ``learner``: state that both share is stored in the learner only.

    An attribute that the agent itself lacks is read from the learner (``agent.gamma``, ``agent.collector``). Those
    named in ``shared`` are written there, too (there is one policy, one environment, one count of steps), and so are
    the learner's options, but for those that are ``fixed`` because other parts of the agent keep their value.
    """

    fixed: ClassVar[tuple[str, ...]] = ()
    options_made_with: frozenset[str]
    hyperparameters: dict[str, Any]
    shared: ClassVar[frozenset[str]] = COUNTERS | {
        "env", "env_id", "seed", "device", "policy", "generator", "predict_generator", "num_updates", "schedules",
    }  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        learner = vars(self).get("learner")
        if learner is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(learner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        learner: Any = vars(self).get("learner")
        own = name in vars(self) or name in self.fixed or name not in self.options_made_with
        if not own and name in learner.options_made_with:
            for one in vars(self).get("learners", [learner]):
                setattr(one, name, value)
            self.hyperparameters[name] = getattr(learner, name)
        elif learner is not None and name in self.shared:
            setattr(learner, name, value)
        else:
            super().__setattr__(name, value)
        if name == "learner" and value is not None:
            for common in self.shared:
                vars(self).pop(common, None)


class HeldGenerator(HeldLearner):
    """A mixin for adversarial agents: the learner is the generator. It holds all of the agent's state, with the
    discriminator as its reward model."""

    fixed = ("gamma",)  # the reward of absorbing states and shaped discriminators is made for one discount

    def set_env(self, env: Any) -> None:
        self.learner.set_env(env)

    def observe(self, observation: Any) -> Any:
        return self.learner.observe(observation)

    @property
    def _n_updates(self) -> int:
        updates: int = self.learner._n_updates
        return updates

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = self.learner.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state)
