"""DriveCorridor from above, with the paths of several drivers on the same road."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from lhy_rl.envs.drive import road
from lhy_rl.experiment.config import environment_options
from lhy_rl.experiment.evaluation import EXPERT, RANDOM
from lhy_rl.reporting.plots import COLOURS, GREY
from lhy_rl.rollouts.evaluate_policy import SEED, play_episode
from lhy_rl.rollouts.record_episodes import random_policy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lhy_rl.experiment.run import Run

VERGE, RAIL = "#c6dcc0", "#718096"


@dataclass
class Drive:
    """One episode.

    Attributes:
        waves: (3, 2) parameters of the road.
        offsets: (T + 1,) distance to the right of the road's middle, before every step and at the end.
        reward: The return.
    """

    waves: np.ndarray
    offsets: np.ndarray
    reward: float


class ActionSource:
    """Wrap a function of the environment as an agent with ``predict``."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self.action = action

    def predict(self, obs: Any, state: Any, **options: Any) -> tuple[Any, None]:
        """Return the function's action; the observation is ignored."""
        return self.action(), None


def drive(driver: Any, env: gymnasium.Env[Any, Any], seed: int = SEED) -> Drive:
    """Drive one episode; the same seed gives the same road.

    Args:
        driver: An agent, or another object with ``predict``.
        env: A single DriveCorridor.
    """
    offsets: list[float] = []
    task: Any = env.unwrapped

    def note_offset(step: int, total: float, over: bool) -> None:
        offsets.append(float(task.snapshot()["state"]["offset"][0]))

    played = play_episode(driver, env, seed, on_step=note_offset)
    return Drive(task.snapshot()["state"]["waves"][0], np.array(offsets), played.reward)


def drives(run: Run) -> dict[str, Drive]:
    """The run's policy, the expert and a random driver on the same road."""
    env_id = run.config.values["env"]["id"]
    env: gymnasium.Env[Any, Any] = gymnasium.make(env_id, **environment_options(run.config))
    task: Any = env.unwrapped
    act = random_policy(env.action_space, SEED)
    random = ActionSource(lambda: act(None, None, np.ones(1, bool), None)[0][0])
    drivers = {RANDOM: random, EXPERT: ActionSource(lambda: task.expert_action()[0]), run.evaluator.newest: run.agent}
    found = {name: drive(driver, env) for name, driver in drivers.items()}
    env.close()
    return found


def roads(found: dict[str, Drive]) -> Figure:
    """The road from above; below, straightened, how far each driver is from its middle."""
    from matplotlib.figure import Figure

    first = next(iter(found.values()))
    steps = len(first.offsets) - 1
    fine = np.linspace(0, steps, 12 * steps + 1)
    edges = {offset: road.from_above(first.waves, fine, np.full(len(fine), float(offset))) for offset in (-2, -1, 1, 2)}
    corners = np.concatenate(list(edges.values()))
    wide = np.ptp(corners[:, 0]) / max(float(np.ptp(corners[:, 1])), 1.0)  # for one unit ahead
    figure = Figure(figsize=(10.8, 3.9 + 9.5 * wide))
    above, straight = figure.subplots(2, 1, height_ratios=[9.5 * wide, 2.6])
    looks = dict(
        zip([n for n in found if n not in (EXPERT, RANDOM)], [COLOURS[0], COLOURS[1], *COLOURS[3:]], strict=False)
    )
    looks |= {EXPERT: COLOURS[2], RANDOM: GREY}
    outline = {offset: (edge[:, 1], -edge[:, 0]) for offset, edge in edges.items()}  # ahead is to the right, left is up
    for ax, lines in ((above, outline), (straight, {x: (fine, np.full(len(fine), -x)) for x in outline})):
        for outer, colour in ((2, VERGE), (1, "#cbd5e0")):
            (x, y), (back_x, back_y) = lines[-outer], lines[outer]
            ax.fill(np.r_[x, back_x[::-1]], np.r_[y, back_y[::-1]], color=colour, linewidth=0, zorder=0)
        for rail in (-2, 2):
            ax.plot(*lines[rail], color=RAIL, linewidth=1, zorder=1)
        ax.grid(visible=False)
    for name, drive in found.items():
        place = np.arange(len(drive.offsets), dtype=float)
        path = road.from_above(drive.waves, place, drive.offsets)
        style: dict[str, Any] = {"color": looks[name], "linewidth": 1.1 if name == RANDOM else 2}
        style |= {"linestyle": (0, (3, 2)) if name == EXPERT else "-", "zorder": 3 if name == EXPERT else 2}
        above.plot(path[:, 1], -path[:, 0], label=f"{name}: return {drive.reward:.4g}", **style)
        straight.plot(place, -drive.offsets, **style)
    above.set_aspect("equal")
    above.set_axis_off()
    above.set_title("Seen from above, driven from left to right; beside the road is grass, then a rail", loc="left")
    straight.set_title("The same road, straightened", loc="left")
    straight.set(xlabel="step", ylabel="offset to the left", xlim=(0, steps), yticks=[-2, -1, 0, 1, 2])
    figure.legend(loc="outside lower center", ncols=len(found))
    return figure
