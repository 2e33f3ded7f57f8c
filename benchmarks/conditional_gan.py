"""Conditional generative adversarial networks: pictures of captions, colours for sketches; what each part is for.

Captions (`CaptionToImage-v0`): a generator draws the shape of which a caption names colour and place. `mismatched
pairs`: its discriminator sees real pictures with the captions of others, too (Reed et al. 2016, algorithm 1); in the
other row it does not. `right` is the share of colours, shapes and places in pictures that agree with their captions; by
chance it is 0.21.

Sketches (`SketchToImage-v0`): a generator fills the outline of a shape; two colours are right, complements of each
other, and their mean is grey. `saturation` is how colourful the shapes are, as a share of what they should be (Isola et
al. 2017, section 4.2: minimising the distance alone gives grey); `first colour` is the share of pictures that are
nearer to the first colour, half for real pictures.

The settings are those of `configs/gan/captions.yaml` and `configs/gan/sketches.yaml`, chosen on seeds of 100 and above.
Measured on 2,000 fresh conditions.

    python -m benchmarks.conditional_gan [--quick] [--seeds 3] [--only PATTERN]
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Row, parser, run_cases, summarize
from lhy_rl.experiment import build, config

NAME = "conditional_gan"
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "captions/mismatched pairs": ("gan/captions", "captions", {"mismatched_pairs": True}),
    "captions/no mismatched pairs": ("gan/captions", "captions", {"mismatched_pairs": False}),
    "sketches/distance and discriminator": ("gan/sketches", "sketches", {}),
    "sketches/distance alone": ("gan/sketches", "sketches", {"adversarial": 0.0}),
}
"""Configuration, task, and changes to the agent's options."""
WANTED = {
    ("captions/mismatched pairs", "right"): "wanted: 0.85",
    ("captions/no mismatched pairs", "right"): "wanted: 0.1 lower",
    ("sketches/distance and discriminator", "saturation"): "wanted: at least 0.85",
    ("sketches/distance alone", "saturation"): "wanted: at most 0.6",
}
DRAWN, SEED_OF_CONDITIONS = 2000, 17
QUICK = {"total_timesteps": 800, "agent.gradient_steps": 5, "agent.width": 4, "agent.num_envs": 50}


def judged(agent: Any, chosen: config.Config, task: str, drawn: int) -> dict[str, float]:
    """Return the task's metrics of samples for fresh conditions: metric to value."""
    env = build.make_environment(chosen, drawn)
    obs, _ = env.reset(seed=SEED_OF_CONDITIONS)
    _, reward, _, _, info = env.step(agent.predict(obs)[0])
    info = info["final_info"]
    env.close()
    if task == "captions":
        shares = info["right"].mean(0)
        return {
            "right": float(reward.mean()),
            **dict(zip(("colour", "shape", "place"), map(float, shares), strict=True)),
        }
    first = float((info["colour"] == 0).mean())
    return {"saturation": float(np.mean(info["saturation"])), "reward": float(reward.mean()), "first colour": first}


def trained(name: str, seed: int, quick: bool) -> dict[str, float]:
    """Train one agent: metric to value."""
    configuration, task, changed = CASES[name]
    options: dict[str, Any] = {f"agent.{option}": value for option, value in changed.items()}
    chosen = config.load(configuration, {**options, "seed": seed, "device": "cpu", **(QUICK if quick else {})})
    env = build.make_environment(chosen)
    begun = time.process_time()
    agent = build.make_agent(chosen, env).learn(chosen.values["total_timesteps"])
    seconds = time.process_time() - begun
    env.close()
    found = judged(agent, chosen, task, 100 if quick else DRAWN)
    return {**found, "steps": agent.num_timesteps, "seconds": seconds}


def rows_of(name: str, results: Sequence[dict[str, float]]) -> list[Row]:
    """Return a row for each metric."""
    task, variant = name.split("/")
    seconds = float(np.mean([result["seconds"] for result in results]))
    return [
        summarize(
            task, "gan", variant, metric, [result[metric] for result in results], int(results[0]["steps"]), seconds,
            WANTED.get((name, metric), ""),
        )
        for metric in results[0]
        if metric not in ("steps", "seconds")
    ]  # fmt: skip


def main() -> None:
    command = parser(__doc__, seeds=3)
    command.add_argument("--only", default="*", metavar="PATTERN", help="rows to run, such as 'captions/*'")
    args = command.parse_args()
    torch.set_num_threads(1)
    cases = {name: partial(trained, name, quick=args.quick) for name in CASES}
    run_cases(NAME, cases, rows_of, args)


if __name__ == "__main__":
    main()
