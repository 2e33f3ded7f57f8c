"""What frames and the discriminator of third-person imitation cost, beside Gymnasium's pygame and the paper's network.

Frames: 64 instances of each of our pixel tasks are drawn at once, and Gymnasium's Pendulum-v1 and CartPole-v1 render
`rgb_array` frames, which Pillow resizes to the same size, as is usual for learning from small frames.

MuJoCo frames: `MujocoViews-v0` and Gymnasium's own renderer at 48x48, one instance after the other, where this machine
can draw them.

An update: 192 pairs of frames (48 of each of four kinds), forward, backward and Adam, for both heads. The network of
Stadie et al. (2017) is two convolutions of five 3x3 filters, each with max-pooling, a dense layer of 128 and heads
128-128-2, written here in plain PyTorch; ours is the agent's own discriminator with its defaults, but shown the
learner's pairs, too, and the same without random colours and without the domain head's own steps.

CPU-seconds, one thread, all candidates in turns; a ratio is of the same turn.

    python -m benchmarks.third_person_speed [--quick]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import gymnasium
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from benchmarks.harness import Row, alternate, arguments, progress, save
from lhy_rl.agents.adversarial.third_person import ThirdPerson
from lhy_rl.core.errors import UserError
from lhy_rl.functional.gradient_reversal import reverse_gradient
from lhy_rl.rollouts.vector_envs import make_vec

NAME = "third_person_speed"
TASKS = ("PointMassPixels-v0", "ReacherPixels-v0", "PendulumPixels-v0")
PEERS = ("Pendulum-v1", "CartPole-v1")
MUJOCO = ("InvertedPendulum-v5", "Reacher-v5", "Hopper-v5")
SIZES = (16, 32, 48)
AT_ONCE, ROUNDS = 64, 20  # frames that are drawn at once, and repetitions in a turn
PEER_FRAMES = 40
STEPS = 8  # gradient steps in a turn
PAPER = "paper's network"
OURS, BARE = "third_person", "third_person, recolour: 0, domain_steps: 0"
WANTED = {"frame": "wanted: 30", "update": "wanted: 2"}


class PaperNetwork(nn.Module):
    """Stadie et al. 2017, section 5 and their code: features of a frame, a head for the class and one for the view."""

    def __init__(self, size: int) -> None:
        super().__init__()
        pooled = size // 4
        self.features = nn.Sequential(
            nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 5, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(5 * pooled * pooled, 128), nn.ReLU(),
        )  # fmt: skip
        self.class_head, self.domain_head = _head(256), _head(128)


def _head(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2))


def drawing(task: str, size: int) -> Callable[[], object]:
    """Return a function that draws 64 states of one of our tasks, twenty times."""
    env: Any = make_vec(f"lhy_rl/{task}", AT_ONCE, size=size, observation="image")
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(10):
        env.step(env.action_space.sample())
    state = env.unwrapped.snapshot()["state"]
    return lambda: [env.unwrapped.observation(state) for _ in range(ROUNDS)]


def rendering(env_id: str, size: int) -> Callable[[], object]:
    """Return a function that renders 40 steps of a Gymnasium environment and resizes the frames."""
    env = gymnasium.make(env_id, render_mode="rgb_array")
    env.reset(seed=0)

    def render() -> list[np.ndarray]:
        frames = []
        for _ in range(PEER_FRAMES):
            picture: Any = env.render()
            frames.append(np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BOX)))
        return frames

    return render


def frames(size: int, repeats: int) -> list[Row]:
    """Return rows of the microseconds per frame, and the ratio of theirs to ours."""
    candidates = {task: drawing(task, size) for task in TASKS} | {peer: rendering(peer, size) for peer in PEERS}
    seconds = alternate(candidates, repeats)
    each = {
        name: np.array(taken) / (AT_ONCE * ROUNDS if name in TASKS else PEER_FRAMES) for name, taken in seconds.items()
    }
    task = f"a frame, {size}x{size}"
    rows = [row(task, name, "microseconds", 1e6 * taken) for name, taken in each.items()]
    wanted = WANTED["frame"] if size == 32 else ""
    rows += [
        replace(row(task, ours, f"times faster than {peer}", each[peer] / each[ours]), reference=wanted)
        for ours in TASKS
        for peer in PEERS
    ]
    return rows


def mujoco_frames(repeats: int) -> list[Row]:
    """Return the same rows for MuJoCo's frames, or no rows if they cannot be rendered."""
    rows: list[Row] = []
    for env_id in MUJOCO:
        ours: Any = gymnasium.make("lhy_rl/MujocoViews-v0", env_id=env_id, size=48, observation="image").unwrapped
        try:
            ours.reset(seed=0)
        except UserError as error:
            print(f"no MuJoCo frames: {error}")
            return []
        theirs = gymnasium.make(env_id, render_mode="rgb_array", width=48, height=48)
        theirs.reset(seed=0)
        candidates: dict[str, Callable[[], object]] = {
            "MujocoViews-v0": lambda ours=ours: [
                ours.cameras.picture(ours.env.unwrapped, 48) for _ in range(PEER_FRAMES)
            ],
            "Gymnasium": lambda theirs=theirs: [theirs.render() for _ in range(PEER_FRAMES)],
        }
        each = {name: np.array(taken) / PEER_FRAMES for name, taken in alternate(candidates, repeats).items()}
        task = f"a frame of {env_id}, 48x48"
        rows += [row(task, name, "microseconds", 1e6 * taken) for name, taken in each.items()]
        rows.append(
            row(task, "MujocoViews-v0", "times faster than Gymnasium", each["Gymnasium"] / each["MujocoViews-v0"])
        )
        ours.close(), theirs.close()
    return rows


def made(size: int, **options: Any) -> tuple[ThirdPerson, Any]:
    """Make an agent, and a rollout of its own to train on."""
    env = make_vec("lhy_rl/PointMassPixels-v0", 32, size=size)
    agent = ThirdPerson(
        env, expert_videos="scripted:expert", failure_videos="random:expert", videos=16, core=None,
        discriminator_warmup=0, discriminator_steps=STEPS, discriminator_batch_size=48, learner_share=1.0, **options,
    )  # fmt: skip
    rollout = agent.learner.collect()
    agent.discriminator.train(rollout)
    return agent, rollout


def our_updates(agent: ThirdPerson, rollout: Any) -> Callable[[], object]:
    """Return a function that takes eight gradient steps of our discriminator, as in a round of the agent."""
    return lambda: agent.discriminator.train(rollout)


def their_updates(agent: ThirdPerson, rollout: Any, size: int) -> Callable[[], object]:
    """Return a function that takes eight gradient steps of the paper's network on the same frames."""
    network = PaperNetwork(size)
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    kinds = [
        *agent.discriminator.kinds.values(),
        agent.discriminator.kinds["random"],
    ]  # the fourth is in place of the learner's
    classes = torch.tensor([1, 0, 0, 0]).repeat_interleave(48)
    views = torch.tensor([1, 1, 0, 0]).repeat_interleave(48)
    generator = torch.Generator().manual_seed(0)

    def read(parts: Sequence[Tensor]) -> Tensor:
        found: Tensor = network.features(torch.cat(list(parts)).permute(0, 3, 1, 2) / 255.0)
        return found

    def update() -> None:
        for _ in range(STEPS):
            now, later = zip(*[kind.draw(48, generator) for kind in kinds], strict=True)
            f_now, f_later = read([*now, *later]).chunk(2)
            loss = F.cross_entropy(network.class_head(torch.cat([f_now, f_later], 1)), classes)
            loss = loss + F.cross_entropy(network.domain_head(reverse_gradient(f_now, 0.2)), views)
            adam.zero_grad()
            loss.backward()
            adam.step()

    return update


def updates(size: int, repeats: int) -> list[Row]:
    """Return rows of the milliseconds per update, and the ratio of the paper's to ours."""
    agent, rollout = made(size)
    candidates = {
        OURS: our_updates(agent, rollout),
        BARE: our_updates(*made(size, recolour=0.0, domain_steps=0)),
        PAPER: their_updates(agent, rollout, size),
    }
    each = {name: np.array(taken) / STEPS for name, taken in alternate(candidates, repeats).items()}
    task = f"an update of 192 pairs, {size}x{size}"
    rows = [row(task, name, "milliseconds", 1e3 * taken) for name, taken in each.items()]
    wanted = WANTED["update"] if size == 32 else ""
    rows += [
        replace(row(task, ours, f"times faster than the {PAPER}", each[PAPER] / each[ours]), reference=wanted)
        for ours in (OURS, BARE)
    ]
    return rows


def row(task: str, agent: str, metric: str, values: np.ndarray) -> Row:
    """Return a row of the median of all turns and their range."""
    return Row(task, agent, "", metric, median(values), values.min(), values.max(), len(values), None, None, "")


def main() -> None:
    """Measure and save."""
    options = arguments(__doc__, seeds=7)
    torch.set_num_threads(1)
    sizes, repeats = ((32,), 1) if options.quick else (SIZES, options.seeds)
    rows: list[Row] = []
    with progress(2 * len(sizes), NAME) as advance:
        for kind in (frames, updates):
            for size in sizes:
                rows += kind(size, repeats)
                advance(f"{kind.__name__}, {size}x{size}")
    rows += mujoco_frames(repeats) if not options.quick else []
    save(NAME, rows, options.output)
    for found in rows:
        print(f"{found.task:34s} {found.agent:36s} {found.value:10.2f} {found.metric}  {found.reference}")


if __name__ == "__main__":
    main()
