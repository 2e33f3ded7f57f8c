"""``lhy_rl/LRSchedule-v0``: the learning rate of a training as a decision at every epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.trees import State
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.search.lr_schedule_frame import schedule_frame
from lhy_rl.envs.search.sgd_training import CLASSES, IMAGES, SPLITS, Instances, SGDTraining
from lhy_rl.envs.single import SingleEnv

RATES = 0.003 * 10 ** (np.arange(7) / 2)
FACTORS = np.array([1 / 3, 1.0, 3.0])
ACTIONS = ("rate", "factor")
FIRST_RATE = 0.1  # the rate that the first factor multiplies
CEILING = 2 * float(np.log(CLASSES))  # nats: a training above it counts as diverged


class LRSchedule(BatchedEnv):
    """
    ## Description

    The learning rate of a neural network as the action of an agent that watches the training (Daniel et al. 2016; a
    case of dynamic algorithm configuration, Biedenkapp et al. 2020, as in the SGD benchmark of DACBench, Eimer et al.
    2021). A multi-layer perceptron learns digits (8 x 8 pixels) by plain stochastic gradient descent. Before every
    epoch the agent chooses the learning rate; ten epochs make an episode. A large rate is fast at first but keeps the
    weights noisy later, so a good schedule falls, and when it should fall depends on the training.

    An instance determines which 600 of 1,000 images are learned from, the share of wrong labels (0, 10, 20 or 40 %),
    which labels these are, and the initial weights. There are 1,000 instances for training and 1,000 others for
    testing. The labels of the 400 validation images, on which the reward is computed, are right; the 397 test images
    affect neither rewards nor observations. All instances of the batch are trained at once, as matrices stacked along
    the batch; a snapshot of the environment contains the weights.

    ## Action Space

    `Discrete(7)`: the learning rate of the next epoch, 0.003 to 3, each 3.16 times the previous one. With
    `action="factor"`, `Discrete(3)`: the last rate (0.1 at first) times 1/3, 1 or 3, from 0.003 to 3.

    ## Observation Space

    `Box(0.0, 1.0, (7,), float32)`, clipped to it:

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 | steps so far, as a share of `decisions` | 0 | 1 |
    | 1 | log10(last learning rate / 0.003) / 3 | 0 | 1 |
    | 2 | training loss / 4.6: mean over the last epoch's minibatches | 0 | 1 |
    | 3 | 0.5 + its change since the previous epoch, nats | 0 | 1 |
    | 4 | validation loss / 4.6 | 0 | 1 |
    | 5 | (2 + log10(norm of a minibatch's gradient, mean)) / 4 | 0 | 1 |
    | 6 | share of the gradient's components whose sign differs from the previous minibatch | 0 | 1 |

    ## Rewards

    The decrease of the validation loss, the mean negative log-likelihood in nats; so the return is the initial loss
    (about 2.5) minus the final one. A training that has diverged ends with a loss of 4.6 = 2 ln 10. A random policy
    gets 0.6 on average, the best fixed rate 2.0, PPO (`configs/ppo/lr_schedule`) 2.07 and the best known schedule 2.09:
    0.72, and a fifth of it in the last two epochs.

    ## Starting State

    Weights drawn by the instance (He et al. 2015). The loss and the gradient's norm observed then are those of all 600
    images, its change is 0, and so is the share of signs.

    ## Episode End

    1. Termination: after 10 steps, or as many as `decisions`.
    2. Termination: the validation loss is above 4.6 or NaN.
    3. Truncation: `max_episode_steps` steps, if given.

    In the last step's info: `instance`, `noise` (share of wrong labels), `validation_nll`, `validation_accuracy`,
    `test_nll`, `test_accuracy`.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `split` | `"train"` | instances: `"train"` or `"test"` |
    | `action` | `"rate"` | what is chosen: the `"rate"`, or a `"factor"` of the last one |
    | `noise` | `None` | share of wrong labels in all instances, 0 to 1; None: 0, 0.1, 0.2 or 0.4, by the instance |
    | `decisions` | `10` | steps of an episode, 1 to 1,000 |
    | `epochs` | `1` | passes over the images in a step, 1 to 1,000 |
    | `batch_size` | `20` | images of a gradient step, 1 to 600 |
    | `hidden_size` | `64` | width of the hidden layer, at least 1 |
    | `render_mode` | `None` | `"rgb_array"`: the rates so far and the validation losses |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> envs = gymnasium.make_vec("lhy_rl/LRSchedule-v0", num_envs=4, decisions=2)
    >>> obs, infos = envs.reset(seed=0)
    >>> for action in (5, 3):
    ...     obs, rewards, terminated, truncated, infos = envs.step([action] * 4)
    >>> terminated.all(), (infos["validation_accuracy"] > 0.5).all()
    (np.True_, np.True_)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/LRSchedule-v0", num_envs=256)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`. A reset draws different instances for the
    batch, as far as there are enough.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 2}

    def __init__(
        self,
        num_envs: int = 1,
        split: str = "train",
        action: str = "rate",
        noise: float | None = None,
        decisions: int = 10,
        epochs: int = 1,
        batch_size: int = 20,
        hidden_size: int = 64,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        validation.choice("split", split, SPLITS)
        self.by_factor = validation.choice("action", action, ACTIONS) == "factor"
        self.decisions = validation.integer("decisions", decisions, 1, 1000)
        self.training = SGDTraining(
            validation.integer("hidden_size", hidden_size, 1),
            validation.integer("batch_size", batch_size, 1, IMAGES),
            validation.integer("epochs", epochs, 1, 1000),
        )
        self.instances = Instances(split, None if noise is None else validation.share("noise", noise))
        super().__init__(
            num_envs,
            Box(0.0, 1.0, (7,), np.float32),
            Discrete(len(FACTORS) if self.by_factor else len(RATES)),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        instance = self.instances.draw(n, rng)
        images, labels, noise = self.instances.data(instance)
        parameters = self.training.mlp.initial(instance)
        loss, norm = self.training.at_first(parameters, images, labels)
        nll = np.zeros((n, self.decisions + 1))
        nll[:, 0] = np.minimum(self.training.validation_loss(parameters), CEILING)
        return {
            "instance": instance,
            "noise": noise,
            "images": images,
            "labels": labels,
            "parameters": parameters,
            "decision": np.zeros(n, np.int64),
            "rates": np.zeros((n, self.decisions)),  # the chosen rates
            "nll": nll,  # after each decision, on the validation images
            "loss": loss,
            "change": np.zeros(n),
            "norm": norm,
            "flips": np.zeros(n),
            "diverged": np.zeros(n, bool),
        }

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        rate = self.last_rate(state) * FACTORS[action] if self.by_factor else RATES[action]
        return self.trained(state, rate.clip(RATES[0], RATES[-1]), rng)

    def trained(self, state: State, rate: np.ndarray, rng: np.random.Generator) -> State:
        """The states after a step at learning rates (B,), which need not be among the actions'."""
        rows, decision = np.arange(len(rate)), state["decision"]
        rates, nll = state["rates"].copy(), state["nll"].copy()
        rates[rows, decision] = rate
        epoch = self.training.train(state["parameters"], state["images"], state["labels"], rate, rng)
        loss = self.training.validation_loss(epoch.parameters)
        diverged = ~(loss <= CEILING)  # NaN, too
        nll[rows, decision + 1] = np.where(diverged, CEILING, loss)
        mean_loss = np.where(np.isfinite(epoch.loss), epoch.loss, CEILING)
        return state | {
            "parameters": np.where(diverged[:, None], state["parameters"], epoch.parameters),
            "decision": decision + 1,
            "rates": rates,
            "nll": nll,
            "loss": mean_loss,
            "change": mean_loss - state["loss"],
            "norm": np.where(np.isfinite(epoch.norm), epoch.norm, 0.0),
            "flips": epoch.flips,
            "diverged": diverged,
        }

    def last_rate(self, state: State) -> np.ndarray:
        """(B,) the last learning rate; initially 0.1."""
        decision = state["decision"]
        last = state["rates"][np.arange(len(decision)), np.maximum(decision - 1, 0)]
        return np.where(decision > 0, last, FIRST_RATE)

    def validation_nll(self, state: State) -> np.ndarray:
        """(B,) the validation loss now."""
        now: np.ndarray = state["nll"][np.arange(len(state["nll"])), state["decision"]]
        return now

    def observation(self, state: State) -> np.ndarray:
        features = (
            state["decision"] / self.decisions,
            np.log10(self.last_rate(state) / RATES[0]) / 3,
            state["loss"] / CEILING,
            0.5 + state["change"],
            self.validation_nll(state) / CEILING,
            (2 + np.log10(state["norm"] + 1e-9)) / 4,
            state["flips"],
        )
        return np.stack(features, 1).clip(0, 1).astype(np.float32)

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        decrease: np.ndarray = self.validation_nll(state) - self.validation_nll(next_state)
        return decrease

    def terminal(self, state: State) -> np.ndarray:
        ended: np.ndarray = state["diverged"] | (state["decision"] == self.decisions)
        return ended

    def final_info(self, state: State) -> dict[str, Any]:
        scores = self.training.scores(state["parameters"])
        for name, values in scores.items():
            scores[name] = np.where(state["diverged"], CEILING if name.endswith("nll") else 1 / CLASSES, values)
        return {"instance": state["instance"], "noise": state["noise"], **scores}

    def frame(self, state: State) -> list[Any]:
        return [
            schedule_frame(rates[:decision], nll[: decision + 1], self.decisions)
            for rates, nll, decision in zip(state["rates"], state["nll"], state["decision"].tolist(), strict=True)
        ]


class LRScheduleEnv(SingleEnv):
    __doc__ = LRSchedule.__doc__
    batched = LRSchedule
