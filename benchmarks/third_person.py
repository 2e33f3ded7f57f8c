"""Third-person imitation (Stadie et al. 2017): an expert is watched from another view, and the learner acts in its own.

Every agent has the budget of its configuration (configs/third_person). Its final policy is evaluated with its most
probable actions in 200 fresh episodes; nothing is chosen by its result. `score` is (R - random) / (expert - random),
with the returns of the random policy and of the scripted expert in the learner's own domain; `success` is the share of
episodes that end at the target. PPO acts on the state; only the discriminator sees frames.

    true reward              PPO on the task's own reward
    first person             videos in the learner's own domain, without failures: what the other view costs
    third person             the configuration
    translation              the expert's view is redrawn as the learner's own, without reversal and random colours
    domain of all            as in the paper, the domain head compares all frames, and not random behaviour only
    learner as failure       as in the paper, the class head is shown the learner's frames, too
    no reversal              reversal 0
    no colours               no random colours
    neither                  a first-person discriminator of the expert's domain, applied to the learner's
    no failures              no videos of failures in the expert's view
    raw pixels               two dense layers read the frames, without reversal and random colours
    goal distance            PPO on minus the distance to the mean goal in an embedding (XIRL), without an adversary
    random videos            the "expert" acts at random
    random videos, turned    the same in a domain whose camera is turned, moved and farther away, and not lowered

`domain accuracy` is that of a fresh probe: logistic regression on the frozen features of frames of random behaviour in
both views, tested on other episodes (0.5 is chance); the domain head itself cannot serve, since it has adapted to its
discriminator.

`--sweeps` adds what happens to the point when lambda, the look-ahead or the angle of the expert's camera changes, five
seeds each, the angle for `translation`, too. The options were chosen on seeds 100 to 102.

    python -m benchmarks.third_person [--quick] [--seeds 10] [--only PATTERNS] [--tasks NAMES] [--sweeps]
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import torch

from benchmarks.harness import Row, chosen, load, parser, progress, save, summarize
from benchmarks.third_person_plots import draw, draw_sweeps
from lhy_rl.agents import PPO, agents
from lhy_rl.agents.adversarial.filmed_videos import filmed_videos, find_videos, image_space
from lhy_rl.agents.adversarial.third_person import FIRST_SEED
from lhy_rl.agents.common.construction import defaults_of
from lhy_rl.agents.generative.view_translation import translated
from lhy_rl.agents.rewards.goal_distance import GoalDistance
from lhy_rl.data.videos import Videos
from lhy_rl.experiment import config
from lhy_rl.rollouts.evaluate_policy import SEED
from lhy_rl.rollouts.vector_envs import make_vec

NAME = "third_person"
EPISODES, FILMED, FILMS = 200, 16, 256
PLAIN = {"reversal": 0.0, "recolour": 0.0}
TRANSLATED = {"translation_steps": 600, "domain_steps": 0, **PLAIN}
TURNED = {"expert_videos": "random:turned", "failure_videos": "random:turned"}
TASKS = ("point", "pendulum", "reacher")
ARMS: dict[str, dict[str, Any]] = {
    "true reward": {"name": "ppo"},
    "first person": {"expert_videos": "scripted:own", "failure_videos": None, **PLAIN},
    "third person": {},
    "translation": TRANSLATED,
    "domain of all": {"domain_pairs": "all"},
    "learner as failure": {"learner_share": 1.0},
    "no reversal": {"reversal": 0.0},
    "no colours": {"recolour": 0.0},
    "neither": PLAIN,
    "no failures": {"failure_videos": None},
    "raw pixels": {"discriminator_encoder": "mlp", **PLAIN},
    "goal distance": {"name": "ppo"},
    "random videos": {"expert_videos": "random:"},
    "random videos, turned": TURNED,
}
PAIRS = (  # an arm, and the same without one of its parts
    ("third person", "no reversal"),
    ("third person", "no colours"),
    ("third person", "neither"),
    ("no colours", "neither"),  # the effect of reversal if nothing else makes the views alike
)
WANTED = {
    ("point", "third person", "score"): "wanted: 0.85",
    ("point", "third person", "success"): "wanted: 0.6",
    ("point", "random videos", "score"): "wanted: at most 0.15",
    ("point", "random videos, turned", "score"): "wanted: at most 0.15",
}
SWEEPS: dict[str, dict[str, dict[str, Any]]] = {
    "lambda": {f"{value:g}": {"reversal": value} for value in (0.0, 0.05, 0.2, 0.5, 1.0)},
    "look-ahead": {str(steps): {"ahead": steps} for steps in (0, 1, 4, 8)},
    "angle": {f"{angle}": {"angle": angle} for angle in (0, 15, 30, 45)},
}
QUICK = {"videos": 8, "discriminator_warmup": 10}
SWEPT = 5  # seeds of the sweeps
SWEPT_ARMS: dict[str, tuple[str, ...]] = {"angle": ("third person", "translation")}  # others: only the first


def play(env_id: str, act: Any) -> tuple[float, float]:
    """Return the mean return and success of 200 episodes; ``act`` maps (environment, observations) to actions."""
    env: Any = gymnasium.make_vec(env_id, num_envs=EPISODES, autoreset_mode="Disabled")
    obs, _ = env.reset(seed=SEED)
    returns, truncated = np.zeros(EPISODES), np.zeros(1, bool)
    while not truncated.any():
        obs, reward, _, truncated, info = env.step(act(env, obs))
        returns += reward
    env.close()
    return float(returns.mean()), float(info["success"].mean())


def references(env_id: str) -> tuple[float, float]:
    """Return the returns of a random policy and of the scripted expert."""
    rng = np.random.default_rng(SEED)
    low, _ = play(env_id, lambda env, obs: rng.uniform(-1, 1, env.action_space.shape).astype(np.float32))
    high, _ = play(env_id, lambda env, obs: env.unwrapped.expert_action())
    return low, high


def made(task: str, arm: str, seed: int, changes: dict[str, Any] | None = None) -> Any:
    """Make the agent of an arm, with its options updated by ``changes``."""
    values = config.load(f"third_person/{task}").values
    options = {**values["agent"], **ARMS[arm], **(changes or {}), "seed": seed, "device": "cpu"}
    if options.get("expert_videos") == "random:":
        options["expert_videos"] = options["failure_videos"]
    kind = agents.get(options.pop("name"))
    options |= {"encoder": "state"} if kind is PPO else {}
    if (angle := options.pop("angle", None)) is not None:
        options |= turned(values["env"]["id"], angle, seed, options.get("videos", FILMS))
    known = defaults_of(kind)
    agent = kind(values["env"]["id"], **{name: value for name, value in options.items() if name in known})
    if arm == "goal distance":
        with agent.randomness():
            films = options.get("videos", FILMS)
            expert = find_videos(options["expert_videos"], agent.env, films, FIRST_SEED + 3 * seed, None)
            model = GoalDistance(image_space(agent.env), expert, agent.generator, agent.device, steps=max(10, films))
            agent.give_reward_model(model)
    return agent


def turned(env_id: str, angle: float, seed: int, films: int) -> dict[str, Videos]:
    """Film the expert, and failures, in other colours and with a camera that is turned by ``angle`` degrees."""
    env = make_vec(env_id, 1)
    domain, first = {"name": "colour", "angle": angle}, FIRST_SEED + 3 * seed
    who = {"expert_videos": "scripted", "failure_videos": "random"}
    return {
        name: filmed_videos(player, env, {"domain": domain}, films, first + place)
        for place, (name, player) in enumerate(who.items())
    }


def probed(agent: Any, domain: Any) -> float:
    """Return the accuracy of a fresh probe of the domain on the discriminator's features."""
    from sklearn.linear_model import LogisticRegression

    network = agent.reward_model.network if isinstance(agent, PPO) else agent.discriminator.network
    features, labels = [], []
    for label, name in enumerate(("own", domain)):
        for part in range(2):  # training and test
            films = filmed_videos("random", agent.env, {"domain": name}, FILMED, 5_000_000 + part)
            if label and (translator := getattr(agent, "translator", None)) is not None:
                films = translated(films, translator, agent.device)
            features.append(network.read(torch.as_tensor(films.frames)).numpy())
            labels.append(np.full(len(films.frames), label))
    probe = LogisticRegression(max_iter=1000)
    scale = np.concatenate([features[0], features[2]]).std(0) + 1e-6
    probe.fit(np.concatenate([features[0], features[2]]) / scale, np.concatenate([labels[0], labels[2]]))
    tested = np.concatenate([features[1], features[3]]) / scale
    return float(probe.score(tested, np.concatenate([labels[1], labels[3]])))


def one(
    task: str, arm: str, seed: int, steps: int, bounds: tuple[float, float], changes: dict[str, Any] | None = None
) -> dict[str, float]:
    """Train and evaluate one agent: metric to value."""
    torch.set_num_threads(1)
    values = config.load(f"third_person/{task}").values
    begun = time.process_time()
    agent = made(task, arm, seed, changes)
    agent.learn(steps)
    seconds = time.process_time() - begun
    low, high = bounds
    ret, success = play(values["env"]["id"], lambda env, obs: agent.predict(obs, deterministic=True)[0])
    found = {"score": (ret - low) / (high - low), "return": ret, "success": success, "seconds": seconds}
    if arm not in ("true reward", "first person"):
        films = {**values["agent"], **ARMS[arm]}["failure_videos"] or values["agent"]["failure_videos"]
        angle = (changes or {}).get("angle")
        domain = films.partition(":")[2] if angle is None else {"name": "colour", "angle": angle}
        found["domain accuracy"] = probed(agent, domain)
    return found


def rows_of(task: str, arm: str, results: Sequence[dict[str, float]], steps: int, variant: str = "") -> list[Row]:
    """Return a row for each metric."""
    seconds = float(np.mean([result["seconds"] for result in results]))
    return [
        summarize(
            task, arm, variant, metric, [result[metric] for result in results], steps, seconds,
            "" if variant else WANTED.get((task, arm, metric), ""),
        )
        for metric in results[0]
        if metric != "seconds"
    ]  # fmt: skip


def difference(task: str, arm: str, other: str, scores: dict[tuple[str, str], list[float]], steps: int) -> Row:
    """Return a row of the mean gain in score of an arm over another, paired by seed, and its bootstrap interval."""
    gains = np.array(scores[task, arm]) - np.array(scores[task, other])
    drawn = gains[np.random.default_rng(0).integers(len(gains), size=(2000, len(gains)))].mean(1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    wanted = "wanted: above 0" if other == "no reversal" else ""
    return Row(task, arm, "", f"score minus {other}", float(gains.mean()), low, high, len(gains), steps, None, wanted)


def main() -> None:
    command = parser(__doc__, seeds=10)
    command.add_argument("--only", default="*", metavar="PATTERNS", help="arms to run, separated by ;")
    command.add_argument("--tasks", default=",".join(TASKS), metavar="NAMES")
    command.add_argument("--sweeps", action="store_true", help="run the sweeps on the point instead of the arms")
    args = command.parse_args()
    tasks = ["point"] if args.quick or args.sweeps else chosen(NAME, TASKS, args.tasks, ",")
    arms = swept = chosen(NAME, ARMS, args.only)
    sweeps = SWEEPS if args.sweeps else {}
    if args.quick:
        arms = ["true reward", "third person", "goal distance"]
        sweeps = {"angle": {"45": {"angle": 45, **QUICK}}}
    elif args.sweeps:
        arms = []
    rows = [] if args.quick else load(NAME, args.output)
    jobs = [(task, arm, "", QUICK if args.quick else {}) for task in tasks for arm in arms]
    jobs += [
        ("point", arm, f"{name} {value}", changes)
        for name, sweep in sweeps.items()
        for arm in SWEPT_ARMS.get(name, ("third person",))[: 1 if args.quick else None]
        for value, changes in sweep.items()
        if arm in swept
    ]
    bounds = {task: references(config.load(f"third_person/{task}").values["env"]["id"]) for task in tasks}
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    runs = [1 if args.quick else min(args.seeds, SWEPT) if variant else args.seeds for _, _, variant, _ in jobs]
    with progress(sum(runs), NAME) as advance:
        for (task, arm, variant, changes), seeds in zip(jobs, runs, strict=True):
            steps = 1600 if args.quick else config.load(f"third_person/{task}").values["total_timesteps"]
            results = []
            for seed in range(seeds):
                results.append(one(task, arm, seed, steps, bounds[task], changes))
                advance(f"{task}, {arm} {variant}: {results[-1]['score']:.2f}")
            found = rows_of(task, arm, results, steps, variant)
            if not variant:
                scores[task, arm] = [result["score"] for result in results]
                found += differences(task, arm, scores, steps)
            places = {(row.task, row.agent, row.variant, row.metric) for row in found}
            rows = [row for row in rows if (row.task, row.agent, row.variant, row.metric) not in places] + found
            rows.sort(key=place)
            save(NAME, rows, args.output)
    draw(rows, args.output / f"{NAME}.png")
    draw_sweeps(rows, {name: list(sweep) for name, sweep in SWEEPS.items()}, args.output / f"{NAME}_sweeps.png")


def place(row: Row) -> tuple[int, int]:
    """Return the sort key of a row: the task, then the arm."""
    return ("point", "pendulum", "reacher").index(row.task), list(ARMS).index(row.agent)


def differences(task: str, arm: str, scores: dict[tuple[str, str], list[float]], steps: int) -> list[Row]:
    """Return the gains over ``arm`` of the arms that have one more part, if they were run."""
    pairs = [(more, less) for more, less in PAIRS if less == arm and (task, more) in scores]
    return [difference(task, more, less, scores, steps) for more, less in pairs]


if __name__ == "__main__":
    main()
