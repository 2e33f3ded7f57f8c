"""``lhy-rl record``: record demonstrations of a policy, an expert or a person."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from lhy_rl.cli.arguments import parser, whole
from lhy_rl.core.errors import UserError


def command_record(arguments: list[str]) -> int:
    made = parser("record", "lhy-rl record runs/ppo-cartpole --episodes 20 --output cartpole.npz")
    made.add_argument(
        "who",
        metavar="WHO",
        help="a run folder; a file that agent.save wrote; a zip of Stable-Baselines3, with --env; or an "
        "environment's id, whose own expert is recorded (--env.NAME VALUE sets the environment's options)",
    )
    instead = made.add_mutually_exclusive_group()
    instead.add_argument("--random", action="store_true", help="record a random policy, a control for imitation")
    instead.add_argument("--keyboard", action="store_true", help="record a person at the keyboard: one key, one step")
    made.add_argument("--keys", metavar="KEY=ACTION,...", help="for --keyboard (default: digits; arrows if obvious)")
    made.add_argument(
        "--env", dest="env_id", metavar="ID", help="environment of a zip's policy (default for lhy_rl's: as saved)"
    )
    made.add_argument("--episodes", type=whole, default=20, metavar="N", help="how many are kept (default: 20)")
    made.add_argument("--noise", type=float, default=0.0, metavar="P", help="share of random steps (default: 0)")
    made.add_argument(
        "--labels",
        choices=["executed", "expert"],
        default="executed",
        help="which action is recorded for a random step: the executed one, or the expert's (default: executed)",
    )
    made.add_argument("--min-return", type=float, metavar="R", help="discard episodes below it and play others")
    made.add_argument("--seed", type=whole, default=0, help="same seed, same episodes (default: 0)")
    made.add_argument("--checkpoint", choices=["newest", "best"], default="best", help="of a run (default: best)")
    made.add_argument("--stochastic", action="store_true", help="sample the actions; without it the most probable")
    made.add_argument(
        "--output",
        metavar="PLACE",
        help="FILE.npz, a Minari id (lhy_rl/CartPole/expert-v0), or a folder, which gets one more file "
        "(default: a file below demonstrations/)",
    )
    ours, given = split_env(arguments)
    options = vars(made.parse_args(ours))
    output = options.pop("output")
    from lhy_rl.recording import record
    from lhy_rl.recording.sources import RecordOptions

    target = options["env_id"] or options["who"]
    if given and (options["env_id"] or not Path(target).exists()):
        from lhy_rl.experiment.config import environment_arguments

        given = environment_arguments(target, given)
    chosen = RecordOptions(**options, env_options=given or None)
    place = record.destination(output, chosen)
    found = record.demonstrate(chosen)
    written, name = record.write(found, place)
    mean, std, floor = found.returns.mean(), found.returns.std(), found.about.get("random_return")
    comparison = "" if floor is None else f" (a random policy: {floor:.4g})"
    counts = f"{len(found)} episodes, {found.lengths.sum():,} steps"
    print(f"written {written}: {counts}, return {mean:.4g} +- {std:.3g}{comparison}")
    print(f"use it  --agent.demonstrations {name}")
    if len(found) == chosen.episodes or chosen.keyboard:
        return 0
    print("lhy-rl: interrupted; the episodes recorded so far are written", file=sys.stderr)
    return 130


def split_env(arguments: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Split the arguments into those other than ``--env.NAME VALUE``, and the environment's options."""
    from lhy_rl.experiment.yaml_files import parse_option

    rest, given = [], {}
    words = iter(arguments)
    for word in words:
        if not word.startswith("--env."):
            rest.append(word)
            continue
        key, equals, value = word.removeprefix("--env.").partition("=")
        following = value if equals else next(words, None)
        if following is None:
            raise UserError(f"option {word} needs a value: {word} VALUE")
        given[key] = parse_option(f"env.{key}", following)
    return rest, given
