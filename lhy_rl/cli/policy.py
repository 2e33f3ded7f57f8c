"""``lhy-rl evaluate``, ``sample`` and ``play``: evaluate a run's policy, sample sentences from it, or watch it play."""

from __future__ import annotations

from pathlib import Path

from lhy_rl.cli.arguments import check_least, loaded, output_console, run_parser, whole
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import Conversational


def command_evaluate(arguments: list[str]) -> int:
    made = run_parser("evaluate", "lhy-rl evaluate runs/seqgan-chat --checkpoint best", files=True)
    made.add_argument(
        "--sentences", type=whole, metavar="N", help="drawn from each policy of a text task (default: the run's)"
    )
    made.add_argument(
        "--episodes", type=whole, metavar="N", help="played, where the task is not text (default: the run's)"
    )
    options = made.parse_args(arguments)
    check_least(options, sentences=2, episodes=1)
    run = loaded(options.run, options.checkpoint, options.env_id)
    from lhy_rl.reporting.terminal import print_result

    evaluator = run.evaluator
    other = "episodes" if evaluator.is_text else "sentences"
    if getattr(options, other) is not None:
        task = "a text task" if evaluator.is_text else "not a text task"
        raise UserError(f"--{other} has no effect: {run.config.values['env']['id']} is {task}")
    evaluator.sentences = options.sentences or evaluator.sentences
    evaluator.episodes = options.episodes or evaluator.episodes
    print_result(output_console(), run.result())
    if not evaluator.is_text:
        of = str(options.run) if options.run.is_file() else f"the {options.checkpoint} checkpoint"
        print(f"{evaluator.episodes} episodes of {of}, always with the most probable action")
    return 0


def command_sample(arguments: list[str]) -> int:
    made = run_parser("sample", "lhy-rl sample runs/seqgan-chat -n 5 --temperature 0.7", files=True)
    made.add_argument("-n", type=whole, default=10, help="sentences (default: 10)")
    made.add_argument(
        "--method",
        choices=["sample", "greedy", "beam"],
        default="sample",
        help="draw them, take the likeliest token each time, or search with a beam of width n (default: sample)",
    )
    made.add_argument("--temperature", type=float, default=1.0, help="below 1 less random, above 1 more (default: 1)")
    made.add_argument("--top-k", type=whole, help="draw among the k likeliest tokens only")
    made.add_argument("--policy", help="which of the run's policies: mle, seqgan, ... (default: the newest)")
    made.add_argument("--seed", type=whole, default=0, help="same seed, same sentences (default: 0)")
    options = made.parse_args(arguments)
    run = loaded(options.run, options.checkpoint, options.env_id)
    from lhy_rl.experiment.text_evaluation import write_sentences

    for sentence in write_sentences(
        run.agent,
        run.env,
        options.n,
        options.policy,
        options.method,
        options.temperature,
        options.top_k,
        options.seed,
    ):
        print(sentence)
    return 0


def command_play(arguments: list[str]) -> int:
    made = run_parser("play", "lhy-rl play runs/ppo-cartpole --checkpoint best --output cartpole.gif", files=True)
    made.add_argument("--episodes", type=whole, default=1, metavar="N", help="how many (default: 1)")
    made.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write a film, .gif or .mp4 (default: open a window, or print text where the environment draws none)",
    )
    made.add_argument("--seed", type=whole, default=0, help="same seed, same episodes (default: 0)")
    made.add_argument("--stochastic", action="store_true", help="sample the actions; without it the most probable")
    options = made.parse_args(arguments)
    check_least(options, episodes=1, seed=0)
    from lhy_rl.recording import film

    if options.output is not None:
        film.check(options.output)
    run = loaded(options.run, options.checkpoint, options.env_id)
    if options.output is None and isinstance(run.env.unwrapped, Conversational):
        from lhy_rl.recording.talk import talk

        talk(run.agent, run.env.unwrapped, options.seed, options.stochastic)
        return 0
    if run.evaluator.is_game:
        if options.output is not None:
            raise UserError("--output writes a film, and a game of several players is text; leave it out")
        from lhy_rl.recording.game_with_person import play_with_person

        play_with_person(run.agent, options.episodes, options.seed, options.stochastic)
        return 0
    from lhy_rl.recording.play import play

    play(run.agent, run.config, options.episodes, options.output, options.seed, options.stochastic)
    return 0
