"""Domain transfer (Taigman, Polyak and Wolf 2017): what a classifier of the target domain reads from drawings.

Photographs of digits are drawn as clean digits, and photographs of letters in another font, without paired examples.
`accuracy` is the share of 1,500 photographs of the test split, of digits that no network was trained on, whose drawings
a classifier assigns to the right class. The classifier is a convolutional network that learned the real pictures of the
target domain; its accuracy on real pictures of the test split and on the photographs themselves is given as well.
`features` is the share of photographs whose class is recognised from the features f, before anything is drawn.

    full                        the configuration
    no constancy                w_CONST = 0
    no identity                 w_TID = 0
    no discriminator            w_GAN = 0
    no constancy, no identity   both 0: only the look is learned

All variants with the same seed share its features. The options were chosen on the validation split with seed 100.

    python -m benchmarks.domain_transfer [--quick] [--seeds 3] [--tasks digits,glyphs] [--only PATTERNS]
"""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.harness import Row, chosen, load, parser, progress, save, summarize
from lhy_rl.agents.generative.domain_transfer import DomainTransfer
from lhy_rl.core.protocols import Samples
from lhy_rl.experiment import config
from lhy_rl.nn.generative.pictures import PictureDiscriminator
from lhy_rl.rollouts.vector_envs import make_vec

NAME = "domain_transfer"
TASKS = ("digits", "glyphs")
ARMS: dict[str, dict[str, Any]] = {
    "full": {},
    "no constancy": {"constancy": 0.0},
    "no identity": {"identity": 0.0},
    "no discriminator": {"adversarial": 0.0},
    "no constancy, no identity": {"constancy": 0.0, "identity": 0.0},
}
WANTED = {"full": "wanted: 0.80; SVHN to MNIST: 0.91, a reproduction 0.86", "no constancy": "wanted: at most 0.30"}
REFERENCES = ("real pictures", "photographs as they are")
CLASSIFIER_STEPS, CLASSIFIER_BATCH = 800, 64
NUM_DRAWN = 14  # drawings of each arm in the figure


class Classifier:
    """A convolutional classifier that learned the real pictures of the target domain, shifted by a pixel at most."""

    def __init__(self, train: Samples, steps: int) -> None:
        torch.manual_seed(0)
        assert train.sample_labels is not None
        pictures, labels = self.tensor(train.samples), torch.as_tensor(train.sample_labels)
        self.network = PictureDiscriminator(3, (16, 16), 32, int(labels.max()) + 1)
        optimizer = torch.optim.AdamW(self.network.parameters(), 2e-3, weight_decay=0.05)
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = 2e-3 * (1 - step / steps)
            rows = torch.randint(len(labels), (CLASSIFIER_BATCH,))
            down, right = torch.randint(-1, 2, (2,)).tolist()
            loss = F.cross_entropy(self.network(pictures[rows].roll((down, right), (2, 3))), labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    def tensor(self, pictures: np.ndarray) -> torch.Tensor:
        """Convert (N, H, W, 3) bytes, or numbers from -1 to 1, to the network's input."""
        stored = torch.as_tensor(pictures).permute(0, 3, 1, 2).float()
        return stored / 127.5 - 1 if pictures.dtype == np.uint8 else stored

    @torch.no_grad()
    def accuracy(self, pictures: np.ndarray, labels: np.ndarray | None) -> float:
        """Return the share of the pictures that it classifies correctly."""
        assert labels is not None
        return float((self.network(self.tensor(pictures)).argmax(1).numpy() == labels).mean())


def agent_of(task: str, arm: str, seed: int, sizes: dict[str, int]) -> DomainTransfer:
    """Make the untrained agent of an arm; ``sizes`` may set its gradient steps and the number of photographs."""
    values = config.load(f"domain_transfer/{task}").values
    options = {**values["agent"], **ARMS[arm], "seed": seed, "device": "cpu"}
    options |= {name: value for name, value in sizes.items() if name == "feature_steps"}
    del options["name"]
    return DomainTransfer(make_env(values["env"]["id"], sizes), **options)


def make_env(env_id: str, sizes: dict[str, int]) -> Any:
    """Make one instance of the task."""
    return make_vec(env_id, 1, **{name: value for name, value in sizes.items() if name == "photographs"})


def with_features(agent: DomainTransfer) -> tuple[DomainTransfer, float, float]:
    """Train the agent's features; return it with their accuracy on held-out photographs, and the CPU-seconds."""
    begun, found = time.process_time(), {"train/feature_accuracy": float("nan")}
    while agent.feature_learner.unfinished:
        with agent.randomness():
            found = agent.update()
    return agent, found["train/feature_accuracy"], time.process_time() - begun


def one(
    task: str,
    arm: str,
    seed: int,
    classifier: Classifier,
    test: Samples,
    sizes: dict[str, int],
    features: dict[str, Any],
) -> tuple[dict[str, float], np.ndarray]:
    """Train an agent; return metric to value, and its drawings of the first photographs.

    Args:
        features: Trained features of this seed, filled in when they are first needed.
    """
    torch.set_num_threads(1)
    agent = agent_of(task, arm, seed, sizes)
    if seed not in features:
        learned, *rest = with_features(agent_of(task, "full", seed, sizes))
        features[seed] = (learned.state_dict(), *rest)
    state, accuracy, seconds = features[seed]
    agent.load_state_dict(state)
    begun = time.process_time()
    agent.learn(sizes["total_timesteps"])
    seconds += time.process_time() - begun
    assert test.conditions is not None
    drawn = agent.predict(test.conditions, deterministic=True)[0]
    found = {"accuracy": classifier.accuracy(drawn, test.condition_labels), "features": accuracy, "seconds": seconds}
    return found, agent.policy.actor.samples.as_bytes(drawn[:NUM_DRAWN])


def references(task: str, classifier: Classifier, test: Samples) -> list[Row]:
    """Return the classifier's accuracy on real pictures and on photographs."""
    assert test.conditions is not None
    real = classifier.accuracy(test.samples, test.sample_labels)
    photographs = classifier.accuracy(test.conditions, test.condition_labels)
    return [
        summarize(task, "real pictures", "", "accuracy", [real], 0, 0.0, ""),
        summarize(task, "photographs as they are", "", "accuracy", [photographs], 0, 0.0, ""),
    ]


def main() -> None:
    command = parser(__doc__, seeds=3)
    command.add_argument("--only", default="*", metavar="PATTERNS", help="arms to run, separated by ;")
    command.add_argument("--tasks", default=",".join(TASKS), metavar="NAMES")
    command.add_argument("--first-seed", type=int, default=0, metavar="N", help="first seed (0)")
    args = command.parse_args()
    tasks, seeds, arms = chosen(NAME, TASKS, args.tasks, ","), args.seeds, chosen(NAME, ARMS, args.only)
    small: dict[str, int] = {}
    if args.quick:
        tasks, seeds, arms = ["glyphs"], 1, ["full", "no constancy"]
        small = {"feature_steps": 40, "total_timesteps": 800, "photographs": 800}
    torch.set_num_threads(1)
    kept = [] if args.quick else load(NAME, args.output)
    rows = [row for row in kept if row.task not in tasks or row.agent not in (*arms, *REFERENCES)]
    with progress(len(tasks) * len(arms) * seeds, NAME) as advance:
        for task in tasks:
            values = config.load(f"domain_transfer/{task}").values
            budget = {"total_timesteps": values["total_timesteps"], **small}
            env = make_env(values["env"]["id"], budget).unwrapped
            classifier, test = (
                Classifier(env.samples("train"), 50 if args.quick else CLASSIFIER_STEPS),
                env.samples("test"),
            )
            rows += references(task, classifier, test)
            results: dict[str, list[dict[str, float]]] = defaultdict(list)
            drawings, features = {"photographs": test.conditions[:NUM_DRAWN]}, {}
            for seed in range(args.first_seed, args.first_seed + seeds):
                for arm in arms:
                    found, drawn = one(task, arm, seed, classifier, test, budget, features)
                    results[arm].append(found)
                    drawings.setdefault(arm, drawn)
                    advance(f"{task}, {arm}: {found['accuracy']:.2f}")
                finished = [row for arm in arms for row in rows_of(task, arm, results[arm], budget["total_timesteps"])]
                save(NAME, [*rows, *finished], args.output)
            rows += finished
            draw(drawings, args.output / f"{NAME}_{task}.png")


def rows_of(task: str, arm: str, results: list[dict[str, float]], steps: int) -> list[Row]:
    """Return a row for each metric."""
    seconds = float(np.mean([found["seconds"] for found in results]))
    wanted = {"accuracy": WANTED.get(arm, "")}
    return [
        summarize(task, arm, "", metric, [found[metric] for found in results], steps, seconds, wanted.get(metric, ""))
        for metric in ("accuracy", "features")
    ]


def draw(drawings: dict[str, np.ndarray], path: Path) -> None:
    """Plot photographs of the test split and the drawings of each arm with the first seed."""
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(8.4, 0.2 + 0.5 * len(drawings)))
    lines = [np.concatenate(list(pictures), 1) for pictures in drawings.values()]
    side = len(lines[0])
    ax.imshow(np.concatenate(lines), interpolation="nearest")
    ax.set_yticks([(i + 0.5) * side - 0.5 for i in range(len(lines))], list(drawings))
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


if __name__ == "__main__":
    main()
