"""The referential game: how well a speaker and a listener with separate policies understand each other by self-play.

Both learn (configs/selfplay/referential) on 51 of the 64 objects and then play, with their most probable actions, games
about these and games whose objects were all held out. They are compared with a random pair; with the same pair when the
messages are shuffled before the listener receives them, which removes only the channel; and with a pair that learned
with such a channel, for a quarter of the steps. Topographic similarity and the number of different messages are of all
64 objects. The capacity of the channel is 512 messages, so that the optimum is 1; chance is one of four candidates.

    python -m benchmarks.referential [--quick] [--seeds 3]
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from benchmarks import harness
from lhy_rl.agents.dialogue.self_play import SelfPlay
from lhy_rl.envs.dialogue.objects import OBJECTS, digits
from lhy_rl.envs.dialogue.referential import Referential
from lhy_rl.experiment.yaml_files import find_config, read_yaml
from lhy_rl.functional import topographic_similarity
from lhy_rl.rollouts.games import BatchedGames
from lhy_rl.rollouts.self_play import Player, PolicyPlayer, RandomPlayer, play_games

CONFIG = "selfplay/referential"
TASK, RIGHT = "referential", "right"
SIMILARITY, MESSAGES = "topographic similarity", "different messages"
CONDITIONS: dict[str, dict[str, str]] = {
    "training objects": {"split": "train"},
    "held-out objects": {"split": "held_out"},
    "training objects, channel shuffled": {"split": "train", "channel": "shuffled"},
}
WANTED = {"training objects": "wanted: 0.95", "held-out objects": "wanted: 0.75"}
WANTED |= {"training objects, channel shuffled": "wanted: 0.25 +- 0.03", "learned with it": "wanted: 0.25 +- 0.03"}
LEARNED_WITH_IT = "training objects, learned with a shuffled channel"


def ends(players: list[Player], games: int, **options: str) -> dict[str, np.ndarray]:
    """Play games between a speaker and a listener; return their final infos, each of shape (N,)."""
    rules = Referential(**options)
    made = BatchedGames(rules)
    made.seed(2017)
    play_games(made, games, players, np.tile(np.arange(2) % len(players), (games, 1)))
    return rules.final_info(made.final_states(), np.zeros(games, np.int64))


def pair(agent: SelfPlay) -> list[Player]:
    """Return the policies of an agent as players that take their most probable actions."""
    generator = torch.Generator().manual_seed(0)
    return [PolicyPlayer(policy.eval(), generator, deterministic=True) for policy in agent.all_policies]


def language(players: list[Player], num_symbols: int = 8, length: int = 3) -> dict[str, float]:
    """Return the topographic similarity and the number of different messages, over all objects."""
    found = ends(players, 40 * OBJECTS, split="all")
    message_of = dict(zip(found["object"].tolist(), found["message"].tolist(), strict=True))
    objects, numbers = np.array(sorted(message_of)), np.array([message_of[thing] for thing in sorted(message_of)])
    symbols = numbers[:, None] // num_symbols ** np.arange(length)[::-1] % num_symbols
    return {
        SIMILARITY: topographic_similarity(digits(objects), symbols),
        MESSAGES: float(len(set(numbers.tolist()))),
    }


def learned(seed: int, steps: int, **options: str) -> tuple[SelfPlay, float]:
    """Train a pair; return it and its CPU-seconds."""
    settings = {key: value for key, value in read_yaml(find_config(CONFIG))["agent"].items() if key != "name"}
    agent = SelfPlay(Referential(**options), seed=seed, device="cpu", **settings)
    begun = time.process_time()
    agent.learn(steps)
    return agent, time.process_time() - begun


def steps_of() -> int:
    """Return the number of moves of the training."""
    steps: int = read_yaml(find_config(CONFIG))["total_timesteps"]
    return steps


def main() -> None:
    """Measure and save."""
    common = harness.arguments(__doc__, seeds=3)
    torch.set_num_threads(1)
    seeds, games, steps = (1, 1_000, 20_000) if common.quick else (common.seeds, 10_000, steps_of())
    rows: list[harness.Row] = []

    def add(agent: str, variant: str, metric: str, values: list[float], **facts: Any) -> None:
        rows.append(harness.summarize(TASK, agent, variant, metric, values, **facts))

    for variant, options in CONDITIONS.items():
        add("random", variant, RIGHT, [float(ends([RandomPlayer()], games, **options)["right"].mean())])
    with harness.progress(2 * seeds, "referential") as advance:
        pairs, seconds, used = [], [], 0
        for seed in range(seeds):
            agent, spent = learned(seed, steps)
            used = agent.num_timesteps
            pairs.append(pair(agent))
            seconds.append(spent)
            advance("clear channel")
        facts = {"steps": used, "cpu_seconds": float(np.mean(seconds))}
        for variant, options in CONDITIONS.items():
            values = [float(ends(players, games, **options)["right"].mean()) for players in pairs]
            add("selfplay", variant, RIGHT, values, reference=WANTED[variant], **facts)
        spoken = [language(players) for players in pairs]
        for metric in spoken[0]:
            add("selfplay", "all objects", metric, [measures[metric] for measures in spoken], **facts)
        values = []
        for seed in range(seeds):
            agent, _ = learned(seed, steps // 4, channel="shuffled")
            values.append(
                float(ends(pair(agent), games, **CONDITIONS["training objects, channel shuffled"])["right"].mean())
            )
            advance("shuffled channel")
        add("selfplay", LEARNED_WITH_IT, RIGHT, values, reference=WANTED["learned with it"], steps=steps // 4)
    harness.save("referential", rows, common.output)
    for row in rows:
        print(f"{row.agent:10s} {row.variant:52s} {row.metric:24s} {row.value:8.3f} [{row.low:.3f}, {row.high:.3f}]")


if __name__ == "__main__":
    main()
