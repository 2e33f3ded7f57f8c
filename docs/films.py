"""Film an episode of each environment for its page, docs/environments/films/: all of them, or those that are named.

python docs/films.py [Catch-v0 ...]
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

FOLDER = Path(__file__).parent / "environments" / "films"
sys.path.insert(0, str(Path(__file__).parents[1]))

import lhy_rl  # noqa: E402, F401  (registers the environments)
from lhy_rl.core import graphics  # noqa: E402
from lhy_rl.envs.registration import TABLE, WRAPPED  # noqa: E402
from lhy_rl.recording import film, rendering  # noqa: E402
from lhy_rl.rollouts.scripted_controllers import EXPERTS  # noqa: E402

WIDTH, BYTES = 300, 150_000
HELD = 1.2  # seconds for which the last frame of an episode is shown
Act = Callable[[Any, Any, int], Any]
"""A function of (environment, observation, step of the episode) that returns an action."""


def expert(env: Any, obs: Any, step: int) -> Any:
    """Return the action of the environment's own expert."""
    return env.unwrapped.expert_action()[0]


def catcher(env: Any, obs: Any, step: int) -> int:
    """Move to where the ball falls."""
    state = env.unwrapped.snapshot()["state"]
    return int(np.sign(state["ball"][0, 1] - state["paddle"][0])) + 1


def writer(env: Any, obs: Any, step: int) -> int:
    """Copy the task's held-out sentences, a different one in each episode."""
    env.sentence = getattr(env, "sentence", -1) + (step == 0)
    return int(env.unwrapped.sequences("test").tokens[env.sentence, step])


def balancer(env: Any, obs: Any, step: int) -> int:
    """Balance the pole for a while, then push to the right only."""
    return int(EXPERTS["CartPole-v1"]()(obs[None])[0]) if step < 50 else 1


def anybody(env: Any, obs: Any, step: int) -> Any:
    """Draw random actions with a fixed seed."""
    if step == 0:
        env.action_space.seed(0)
    return env.action_space.sample()


def scheduler(env: Any, obs: Any, step: int) -> int:
    """Set a large learning rate for seven epochs, then smaller ones."""
    return 5 if step < 7 else 4 - (step > 7)


@dataclass(frozen=True)
class FilmPlan:
    """The plan of a film.

    Attributes:
        act: The policy.
        name: Name of the policy in the caption.
        options: Options of the environment.
        episodes: Number of episodes.
        stride: Number of steps per frame.
        fps: Frames per second.
    """

    act: Act = expert
    name: str = "expert"
    options: dict[str, Any] = field(default_factory=dict)
    episodes: int = 1
    stride: int = 1
    fps: float = 4


OTHERS = FilmPlan(anybody, "random", episodes=2)
PLANS: dict[str, FilmPlan] = {
    "OracleText-v0": FilmPlan(writer, "oracle", episodes=2),
    "CorpusText-v0": FilmPlan(writer, "people", episodes=4),
    "RepeatPrevious-v0": FilmPlan(options={"num_ranks": 5}, fps=2.5),
    "RepeatFirst-v0": FilmPlan(options={"num_ranks": 5}, fps=2.5),
    "Reverse-v0": FilmPlan(options={"min_length": 4}, episodes=2, fps=2),
    "Copy-v0": FilmPlan(options={"min_length": 4}, episodes=2, fps=2),
    "DuplicatedInput-v0": FilmPlan(options={"max_length": 3, "min_length": 2}, episodes=2, fps=2),
    "Dyck-v0": FilmPlan(options={"max_depth": 3, "max_pairs": 2}, episodes=2, fps=2),
    "Catch-v0": FilmPlan(catcher, "scripted", episodes=4, fps=5),
    "TreeCalc-v0": FilmPlan(options={"min_depth": 3}, episodes=4, fps=0.8),
    "BabiRoom-v0": FilmPlan(options={"num_facts": 2}, fps=0.8),
    "Gridworld-v0": FilmPlan(options={"walls": 0.15, "max_episode_steps": 25}),
    "Objectworld-v0": FilmPlan(options={"max_episode_steps": 25}),
    "DriveCorridor-v0": FilmPlan(options={"horizon": 40}, stride=2, fps=5),
    "NegotiationVsBot-v0": FilmPlan(expert, "bayesian", {"partner": "linear"}, episodes=2, fps=1),
    "SlotFilling-v0": FilmPlan(fps=0.4),
    "TwentyQuestions-v0": FilmPlan(fps=1.2),
    "ChatBandit-v0": FilmPlan(episodes=4, fps=0.8),
    "Tour-v0": FilmPlan(options={"num_cities": 20, "expert": "shortest"}, episodes=2, fps=4),
    "ConvexHull-v0": FilmPlan(options={"num_points": 12}, episodes=3, fps=2),
    "CopySummary-v0": FilmPlan(episodes=3, fps=1.5),
    "HPOToken-v0": FilmPlan(anybody, "random", episodes=3, fps=1.5),
    "UpdateRule-v0": FilmPlan(anybody, "random", episodes=3, fps=1.5),
    "ActivationSearch-v0": FilmPlan(anybody, "random", episodes=4, fps=1.2),
    "HPOTrial-v0": FilmPlan(anybody, "random", {"num_trials": 12}, fps=1.2),
    "LRSchedule-v0": FilmPlan(scheduler, "fast, then slow", episodes=2, fps=2.5),
    "MultiFidelity-v0": FilmPlan(anybody, "random", {"budget": 20, "slots": 5}, fps=1.5),
    "ChatReply-v0": FilmPlan(expert, "people", episodes=3),
    "PointMassPixels-v0": FilmPlan(options={"horizon": 25}, episodes=2, fps=8),
    "ReacherPixels-v0": FilmPlan(options={"horizon": 25}, episodes=2, fps=8),
    "PendulumPixels-v0": FilmPlan(options={"horizon": 25}, episodes=2, fps=8),
    "MujocoViews-v0": FilmPlan(options={"env_id": "Reacher-v5", "horizon": 20}, fps=8),
    "DigitsTransfer-v0": FilmPlan(episodes=4, fps=1),
    "GlyphTransfer-v0": FilmPlan(episodes=4, fps=1),
    "Ring-v0": FilmPlan(episodes=8, fps=2),
    "Grid25-v0": FilmPlan(episodes=8, fps=2),
    "Digits-v0": FilmPlan(episodes=4, fps=1),
    "GlyphGlimpse-v0": FilmPlan(options={"difficulty": "medium"}, episodes=4, fps=1),
    "SceneCaption-v0": FilmPlan(episodes=2, fps=3),
    "CaptionToImage-v0": FilmPlan(episodes=4, fps=1),
    "SketchToImage-v0": FilmPlan(episodes=4, fps=1),
    "PixelDigits-v0": FilmPlan(writer, "people", episodes=3, stride=4, fps=6),
    "FixedHorizon-v0": FilmPlan(balancer, "scripted", {"horizon": 84}, stride=2, fps=12),
}


def shot(name: str) -> bytes:
    """Film an environment; return the bytes of a GIF.

    Args:
        name: Name of the environment, without its package.
    """
    plan, env_id = PLANS.get(name, OTHERS), f"lhy_rl/{name}"
    graphics.without_a_screen()
    mode = rendering.choose_mode(env_id, rendering.render_modes(env_id, plan.options), filmed=True)
    env: Any = gymnasium.make(env_id, render_mode=mode, **plan.options)
    images, durations = [], []
    for image, seconds in taken(env, plan):
        images.append(film.reduced(image, quick=True))
        durations.append(round(1000 * seconds))
    env.close()
    written = io.BytesIO()
    film.write_gif(images, durations, written)
    return written.getvalue()


def taken(env: Any, plan: FilmPlan) -> Iterator[tuple[np.ndarray, float]]:
    """Yield the frames and the duration of each."""
    for episode in range(plan.episodes):
        obs, _ = env.reset(seed=3 + episode)
        step, total, over = 0, 0.0, False
        yield rendering.frame(env.render(), plan.name, 0, 0.0, WIDTH), 1 / plan.fps
        while not over:
            obs, reward, terminated, truncated, _ = env.step(plan.act(env, obs, step))
            step, total, over = step + 1, total + float(reward), terminated or truncated
            if over or step % plan.stride == 0:
                duration = HELD if over else 1 / plan.fps
                yield rendering.frame(env.render(), plan.name, step, total, WIDTH), duration


def main(names: list[str], folder: Path = FOLDER) -> None:
    """Write the films."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or [row.id.partition("/")[2] for row in TABLE + WRAPPED]:
        data = shot(name)
        (folder / f"{name}.gif").write_bytes(data)
        print(f"{name}.gif  {len(data) / 1000:.0f} kB")
        assert len(data) < BYTES, "too large for a page"


if __name__ == "__main__":
    main(sys.argv[1:])
