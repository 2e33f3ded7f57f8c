"""What all agents share: learning, predicting, saving and loading around one method, :meth:`Agent.update`."""

from __future__ import annotations

import math
import os
import time
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Self, cast

import gymnasium as gym
import torch
from threadpoolctl import threadpool_limits

from lhy_rl.agents.common import saved
from lhy_rl.agents.common.callbacks import Callback, make_callback
from lhy_rl.agents.common.construction import AgentClass, changed, defaults_of
from lhy_rl.agents.common.construction import Names as Names
from lhy_rl.agents.common.sb3_arguments import translate_load
from lhy_rl.agents.common.sb3_interface import Metrics as Metrics
from lhy_rl.agents.common.sb3_interface import SB3Interface
from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.protocols import TextTask
from lhy_rl.core.saved_states import check_whole, guarded
from lhy_rl.core.validation import check, plain
from lhy_rl.nn.device import choose_device, is_large
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.nn.randomness import OwnRandomness
from lhy_rl.rollouts.fixed_length import PlayedStep
from lhy_rl.rollouts.normalization import normalized_space
from lhy_rl.rollouts.vector_envs import Environment, make_vector_env

if TYPE_CHECKING:
    from lhy_rl.agents.common.progress import ProgressDisplay

DEFAULT_INTERVAL = -1  # the log_interval that stands for ``usual_log_interval``
PREDICTING = 2**32  # added to the seed, so that predictions and training draw different numbers


class Agent(SB3Interface, metaclass=AgentClass):
    """A policy and a way to improve it.

    Constructors also take the arguments of Stable-Baselines3's (:mod:`lhy_rl.agents.common.sb3_arguments`). Options
    named in ``changeable`` may be set later, too: ``agent.learning_rate = 1e-4``.

    Args:
        env: An id, a Gymnasium ``Env``, a ``VectorEnv``, a ``VecEnv`` of Stable-Baselines3, or a callable that makes an
            ``Env``.
        num_envs: Instances that step together, where ``env`` is an id or a callable.
        seed: Same seed, same weights, bit for bit, on one device and with one version of everything; None draws one.
        device: ``cpu``, ``cuda``, ..., or ``auto``: a GPU where there is one and the networks are large (convolutions,
            or layers wider than 256); small ones on vectors are several times faster on the CPU. ``agent.device`` is
            the device chosen.
        **policy: Options of the policy (:class:`~lhy_rl.nn.policies.actor_critic.ActorCritic`).

    Raises:
        UserError: an environment, a name or a number cannot be used; the message says why in one line.
    """

    takes_options_of: tuple[type, ...] = (ActorCritic,)
    sees_normalized = False  # whether the policy reads normalised observations
    large = False  # whether an agent has large networks besides its policy, for which ``auto`` chooses a GPU
    reports_steps = False  # whether ``update`` calls :meth:`report_step` after every step
    changeable: Names = ()  # options that may be set on an agent that is made; every update reads them
    options_made_with: frozenset[str] = frozenset()  # the names of all options, as soon as the agent is made
    loading = half_loaded = False  # whether a state is being, or was half, loaded (:mod:`lhy_rl.core.saved_states`)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "load_state_dict" in vars(cls):
            cls.load_state_dict = guarded(cls.load_state_dict)  # type: ignore[method-assign]

    def __init__(
        self,
        env: Environment,
        *,
        num_envs: int = 64,
        seed: int | None = 0,
        device: str = "auto",
        **policy: Any,
    ) -> None:
        check(num_envs=(num_envs, 1), seed=(seed or 0, 0))
        self.env = make_vector_env(env, num_envs)
        self.env_id = env if isinstance(env, str) else None
        self.seed = 0 if seed is None else seed  # where the user gave None, the metaclass has drawn a seed
        self.device = torch.device("cpu")  # until the size of the policy is known
        self.generator = torch.Generator().manual_seed(self.seed)
        # a separate generator, so that predicting in the middle of a training does not change the training
        self.predict_generator = torch.Generator().manual_seed(self.seed + PREDICTING)
        self.own_randomness: OwnRandomness | None = None  # set while an update runs
        self.num_timesteps = 0
        self.num_updates = 0
        self.total_timesteps = 0
        self.callback = Callback()
        self.stopped = False
        self.schedules = {}
        space = self.env.single_observation_space
        with self.randomness():
            obs_space = normalized_space(space) if self.sees_normalized else space
            self.policy = self.make_policy(obs_space, **policy)
        self._warn_of_unread_width()
        self.device = choose_device(device, self.large or is_large(self.policy))
        self.policy.to(self.device)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, changed(self, name, value) if name in self.options_made_with else value)

    def _warn_of_unread_width(self) -> None:
        width = self.hyperparameters.get("hidden_size")
        if width in (None, defaults_of(type(self)).get("hidden_size")) or not isinstance(self.policy, ActorCritic):
            return
        if not self.policy.recurrent and not self.policy.reads_source:
            warnings.warn(
                f"hidden_size is {width}, the width of a backbone, but has no effect because core is None; "
                "embedding_size or hidden_sizes set the layers of a policy without memory",
                stacklevel=2,
            )

    # ------------------------------------------------------------------ what an algorithm gives
    def make_policy(self, observation_space: gym.Space[Any], **policy: Any) -> ActorCritic:
        """The policy, untrained."""
        return ActorCritic(observation_space, self.env.single_action_space, **policy)

    @abstractmethod
    def update(self) -> Metrics:
        """One iteration: collect, learn, count ``num_timesteps``; returns metrics under SB3's names."""

    @property
    def policies(self) -> dict[str, ActorCritic]:
        """The policies that an evaluation compares, by name."""
        return {type(self).__name__.lower(): self.policy}

    @property
    def phase(self) -> str:
        """What the agent is doing, for the progress bar."""
        return "training"

    @property
    def timestep(self) -> str:
        """What ``num_timesteps`` counts, for the axis of a curve."""
        return "environment steps"

    @property
    def phase_progress(self) -> tuple[int, int]:
        """Done and total of the phase."""
        return self.num_timesteps, self.total_timesteps

    @property
    def done_share(self) -> float:
        """The share of ``learn`` that is done, from 0 to 1."""
        return min(1.0, self.num_timesteps / max(self.total_timesteps, 1))

    # ------------------------------------------------------------------ learning, saving, loading
    def learn(
        self,
        total_timesteps: int,
        callback: Any = None,
        log_interval: int | None = DEFAULT_INTERVAL,
        tb_log_name: str | None = None,
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Update until ``num_timesteps`` has reached the total.

        Args:
            total_timesteps: Steps to learn from. Preparations (pretraining) are not counted.
            callback: Called as ``callback(agent, metrics)`` after every update; False stops. Or a callback of
                Stable-Baselines3 (``EvalCallback``, ``CheckpointCallback``, wandb's ``WandbCallback``), or a list;
                agents that collect rollouts of fixed length call it after every step of the environments, all others
                after every update.
            log_interval: Updates between two dumps of the logger, if there is one (``verbose``, ``tensorboard_log``,
                ``set_logger``); None leaves them to ``LogEveryNTimesteps``. The default is 1, and 100 for ``a2c``.
            tb_log_name: The run's name below ``tensorboard_log``; the default is the name of the agent's class.
            reset_num_timesteps: Count from zero; otherwise train for ``total_timesteps`` more.
            progress_bar: Show a progress bar on the terminal.

        Numpy's matrix products get as many threads as torch has. By default they use one thread per core, and these
        busy-wait between the small products of acting: a quarter more CPU-seconds with an LSTM of 256 on two cores.

        Raises:
            UserError: the environment is closed, or its observations or rewards cannot be learned from.
        """
        check_whole(self)
        check(total_timesteps=(plain(total_timesteps), 0))
        if self.env.closed:
            raise UserError("the environment is closed; give a new one with set_env")
        if reset_num_timesteps:
            self.begin_anew()
        self.total_timesteps = self.num_timesteps + math.ceil(total_timesteps)
        self.start_time, self._num_timesteps_at_start = time.perf_counter(), self.num_timesteps
        name = type(self).__name__ if tb_log_name is None else tb_log_name
        if self.has_logger:
            self.open_logger(name, reset_num_timesteps)
        interval = self.usual_log_interval if log_interval == DEFAULT_INTERVAL else log_interval
        self.live_episodes = None
        self.callback = make_callback(self, callback, self.total_timesteps, interval, name)
        self.stopped = False
        self.callback.on_training_start()
        with _display(progress_bar) as display, threadpool_limits(torch.get_num_threads(), "blas"):
            while self.unfinished and not self.stopped:
                self.callback.on_rollout_start()
                with self.randomness():
                    metrics = {key: plain(value) for key, value in self.update().items()}
                self.num_updates += 1
                metrics |= self.times()
                if display is not None:
                    display.update(self, metrics)
                if not self.reports_steps and self.callback.wants_steps:
                    self.stopped |= not self.callback.on_step()
                self.stopped |= not self.callback.on_update(metrics)
        self.callback.on_training_end()
        return self

    def begin_anew(self) -> None:
        """Reset the count of timesteps; the policy is kept."""
        self.num_timesteps = 0
        if self._collector is not None and self.others_played:
            self._collector.forget()  # its last observation is out of date

    @property
    def unfinished(self) -> bool:
        """Whether there is something left to learn."""
        return self.num_timesteps < self.total_timesteps

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed training depends on: tensors, arrays and plain values."""
        return {
            "policy": self.policy.state_dict(),
            "generator": self.generator.get_state(),
            "predict_generator": self.predict_generator.get_state(),
            "num_timesteps": self.num_timesteps,
            "num_updates": self.num_updates,
            "total_timesteps": self.total_timesteps,
        }

    @guarded
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where :meth:`state_dict` was taken.

        An override is guarded as well (:mod:`lhy_rl.core.saved_states`): it simply reads the keys that it needs, and
        an exception where one is missing becomes the UserError.

        Raises:
            UserError: the state is of another agent or of other sizes.
        """
        self.policy.load_state_dict(state["policy"])
        self.generator.set_state(state["generator"])
        if "predict_generator" in state:  # older files have none
            self.predict_generator.set_state(state["predict_generator"])
        self.num_timesteps = state["num_timesteps"]
        self.num_updates = state["num_updates"]
        self.total_timesteps = state["total_timesteps"]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the agent to a file: JSON and safetensors in a zip. A path without an ending gets ``.zip``."""
        check_whole(self)
        saved.write(self, path)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], env: Environment | None = None, device: str = "auto", **options: Any
    ) -> Self:
        """Load an agent from a file that :meth:`save` wrote, or from a run: its folder, or one of its checkpoints.

        Args:
            path: The file; a path without an ending gets ``.zip``.
            env: An environment with the spaces of training. None takes the one that the file or the run names. An agent
                made with an environment object, not an id, names none: it can predict, and learn after ``set_env``.
            device: As in the constructor.
            **options: Options to change, or that a file cannot hold: demonstrations, an expert, a function, or your own
                class of a network (``encoder=MyEncoder``), which is never imported because a file names it.

        Raises:
            UserError: the file is damaged, or of another class or other spaces, or the agent needs an environment.
        """
        return saved.load(cls, path, env, device, translate_load(options))

    def __repr__(self) -> str:
        base = self.env.unwrapped
        inner = getattr(base, "envs", [base])[0]  # the first of a SyncVectorEnv
        spec = self.env.spec or getattr(inner, "spec", None)
        of = getattr(base, "name", type(inner.unwrapped).__name__) if spec is None else spec.id  # games have a name
        size = sum(parameter.numel() for parameter in self.policy.parameters())
        done = f"{self.num_timesteps:,} timesteps, {size:,} parameters, {self.device}"
        return f"<{type(self).__name__} on {of}, num_envs={self.env.num_envs}: {done}>"

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def set_env(self, env: Environment) -> None:
        """Continue in another environment with the same spaces; new episodes begin.

        Raises:
            UserError: the spaces differ.
        """
        new = make_vector_env(env, self.env.num_envs)
        for name in ("single_observation_space", "single_action_space"):
            if getattr(new, name) != getattr(self.env, name):
                was, now = brief(getattr(self.env, name)), brief(getattr(new, name))
                raise UserError(f"the new environment's {name} is {now}, not {was}")
        self.env, self.env_id = new, env if isinstance(env, str) else None

    # ------------------------------------------------------------------ for algorithms
    @property
    def task(self) -> TextTask:
        """The environment as a text task.

        Raises:
            UserError: it is not one.
        """
        task = self.env.unwrapped
        if not isinstance(task, TextTask):
            raise UserError(
                f"{type(self).__name__} needs a text environment, not {task}; allowed: "
                "lhy_rl/CorpusText-v0, lhy_rl/ChatReply-v0, lhy_rl/SceneCaption-v0 and others (core.protocols.TextTask)"
            )
        return cast(TextTask, task)

    @contextmanager
    def randomness(self) -> Iterator[None]:
        """Context in which torch functions without a generator (dropout, initialisation) draw from the agent's seed."""
        with OwnRandomness(self.draw_seed(), self.device) as self.own_randomness:
            try:
                yield
            finally:
                self.own_randomness = None

    def report_step(self, played: PlayedStep) -> bool:
        """Call the callback during an update, with torch's global random state restored; returns whether to go on."""
        with nullcontext() if self.own_randomness is None else self.own_randomness.given_back():
            return self.callback.on_step(played)

    def draw_seed(self) -> int:
        """Draw a seed for another component from the agent's generator."""
        return int(torch.randint(2**31 - 1, (), generator=self.generator))


def _display(wanted: bool) -> AbstractContextManager[ProgressDisplay | None]:
    if not wanted:
        return nullcontext()
    from lhy_rl.agents.common.progress import ProgressDisplay

    return ProgressDisplay()
