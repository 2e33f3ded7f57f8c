"""``lhy-rl search`` and ``sweep``: find the best configuration of a table, of a user's function, or of an agent."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lhy_rl.cli.arguments import check_least, error_console, output_console, parser, starting, table, whole
from lhy_rl.core.errors import UserError, suggest

if TYPE_CHECKING:
    from lhy_rl.search.early_stopping import Hyperband
    from lhy_rl.search.objective import Objective
    from lhy_rl.search.sweep_yaml import Sweep
    from lhy_rl.search.trial import Trial

METRIC = "eval/mean_return"  # what a sweep of an agent maximises
COMPARED = {"random": 20, "tpe": 5}  # searchers that the report compares it with, and the number of their seeds


def command_search(arguments: list[str]) -> int:
    made = parser("search", "lhy-rl search controller/nb201 --trials 200 --elite 5")
    from lhy_rl.experiment.search_run import EXECUTORS
    from lhy_rl.experiment.searchers import searchers
    from lhy_rl.search.children import children
    from lhy_rl.search.table import table_names

    made.epilog = (
        f"searchers:\n{table([(name, '') for name in searchers.names()])}\n\n"
        f"tables (the beginning of a name is enough):\n{table([(name, '') for name in table_names()])}\n\n"
        f"--live trains:\n{table([(name, '') for name in children.names()])}\n\n"
        f"A searcher's own options are given as --OPTION VALUE.\n\n{made.epilog}"
    )
    made.add_argument("what", metavar="SEARCHER/TABLE", help="or SEARCHER alone, with --space and --function")
    made.add_argument("--trials", type=whole, metavar="N", help="the budget (default: 200, or the space's run_cap)")
    made.add_argument("--seed", type=whole, default=0, metavar="N", help="of the search (default: 0)")
    made.add_argument("--live", action="store_true", help="train each trial instead of reading a table")
    made.add_argument("--space", type=Path, metavar="YAML", help="the search space, in the format of a wandb sweep")
    made.add_argument(
        "--function", metavar="MODULE:FUNCTION", help="returns a configuration's score: function(values, seed)"
    )
    made.add_argument("--folder", type=Path, help="a new one, or that of a search to continue (default: below runs/)")
    add_executor(made, EXECUTORS)
    options, own = split_options(made, arguments)
    check_least(options, trials=1, seed=0)
    with starting(options.what):
        from lhy_rl.experiment.search_run import SearchRun

        name, objective, trials, unit, early = objective_of(options)
        folder = options.folder or free_folder(f"search-{options.what}")
        run = SearchRun(
            folder, name, objective, options.trials or trials, options.seed, own, early_terminate=hyperband(early)
        )
    result = run_search(run, options, f"{name} on {unit}")
    others = compared(objective, run.num_trials, name)
    from lhy_rl.reporting.search_report import write_search_report

    report = write_search_report(folder, objective.space, result, others, unit)
    return print_found(result, others, unit, folder, report)


def command_sweep(arguments: list[str]) -> int:
    from lhy_rl.cli.train import split_train
    from lhy_rl.experiment.search_run import EXECUTORS
    from lhy_rl.experiment.searchers import searchers

    made = parser("sweep", "lhy-rl sweep ppo/cartpole --trials 20 --total_timesteps 20_000")
    made.epilog = f"Every value can be replaced for all trials, as in lhy-rl train: --key VALUE.\n\n{made.epilog}"
    made.add_argument("config", metavar="CONFIG", help="whose agent is tuned, as in lhy-rl train")
    made.add_argument("--space", type=Path, metavar="YAML", help="a wandb sweep (default: the agent's usual options)")
    made.add_argument("--trials", type=whole, metavar="N", help="the budget (default: the sweep's run_cap, or 20)")
    made.add_argument("--searcher", choices=searchers.names(), help="default: the sweep's method, or evolution")
    made.add_argument("--search_seed", type=whole, default=0, metavar="N", help="of the search (default: 0)")
    made.add_argument("--again", type=whole, default=3, metavar="N", help="fresh seeds at the end (default: 3)")
    made.add_argument("--folder", type=Path, help="a new one, or that of a sweep to continue (default: below runs/)")
    add_executor(made, EXECUTORS)
    options, rest = made.parse_known_args(arguments)
    _, overrides, _ = split_train(rest)
    check_least(options, trials=1, again=0, search_seed=0)
    with starting(options.config):
        from lhy_rl.benchmark import sweep as tuning
        from lhy_rl.core import archive
        from lhy_rl.experiment.config import load
        from lhy_rl.experiment.search_run import BEST, SearchRun
        from lhy_rl.experiment.yaml_files import read_yaml
        from lhy_rl.search.sweep_yaml import Sweep, read_sweep

        config = load(options.config, overrides)
        if options.space is None:
            asked = Sweep(tuning.usual_space(config), "evolution", run_cap=20)
        else:
            asked = read_sweep(read_yaml(options.space))
            check_metric(asked)
        early = hyperband(given_early(options) or asked.early_terminate)
        early = None if early is None else tuning.in_environment_steps(early, config)
        rungs = () if early is None else early.rungs
        objective = tuning.training_objective(options.config, overrides, asked.space, rungs)
        folder = options.folder or free_folder(f"sweep-{config.values['run']['name']}")
        trials = options.trials or asked.run_cap or 20
        searcher = options.searcher or asked.searcher
        run = SearchRun(folder, searcher, objective, trials, options.search_seed, early_terminate=early)
    result = run_search(run, options, options.config)
    from lhy_rl.reporting.terminal import progress

    if result["best"] is not None:
        archive.write_bytes(folder / BEST, tuning.best_config(options.config, overrides, result["best"]).encode())
        if options.again:
            with progress(2 * options.again, "trained again") as advance:
                result["again"] = tuning.trained_again(
                    options.config, overrides, result["best"], options.again, advance
                )
            run.save(result)
    from lhy_rl.reporting.search_report import write_search_report

    report = write_search_report(folder, objective.space, result, {}, "mean return")
    status = print_found(result, {}, "mean return", folder, report)
    if result["best"] is not None:
        print(f"try next  lhy-rl train {folder / BEST}")
    return status


def add_executor(made: argparse.ArgumentParser, executors: tuple[str, ...]) -> None:
    """Add the options that say where trials run."""
    made.add_argument("--executor", choices=executors, default="in_process", help="where trials run (default: here)")
    made.add_argument("--workers", type=whole, metavar="N", help="trials at once (default: one per core)")
    made.add_argument("--time_limit", type=float, metavar="SECONDS", help="of a trial; one that takes longer fails")
    made.add_argument(
        "--address", metavar="ADDRESS", help="Ray's: auto, or ray://HOST:10001 (default: its own cluster)"
    )
    made.add_argument(
        "--early_terminate",
        metavar="YAML",
        help="stop bad trials: hyperband, or {type: hyperband, min_iter: 3}",
    )


def given_early(options: argparse.Namespace) -> Any:
    """The value of ``--early_terminate``; None where it is not given."""
    from lhy_rl.experiment.yaml_files import parse_option

    return None if options.early_terminate is None else parse_option("early_terminate", options.early_terminate)


def hyperband(given: Any) -> Hyperband | None:
    """The rule of early stopping; None where trials are never stopped early."""
    from lhy_rl.search.early_stopping import read_hyperband

    return None if given is None else read_hyperband(given)


def split_options(made: argparse.ArgumentParser, arguments: list[str]) -> tuple[argparse.Namespace, dict[str, Any]]:
    """Split the arguments into the command's options and the searcher's, whose values are parsed as YAML."""
    from lhy_rl.experiment.yaml_files import parse_option

    options, rest = made.parse_known_args(arguments)
    own: dict[str, Any] = {}
    words = iter(rest)
    for word in words:
        key, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--"):
            raise UserError(f"unexpected argument {word!r}; expected: lhy-rl search SEARCHER/TABLE --OPTION VALUE ...")
        if not equals:
            following = next(words, None)
            if following is None:
                raise UserError(f"option --{key} needs a value: --{key} VALUE")
            value = following
        own[key] = parse_option(key, value)
    return options, own


def objective_of(options: argparse.Namespace) -> tuple[str, Objective, int, str, Any]:
    """The searcher's name, the objective, the default budget, the unit of a score, and the rule of early stopping."""
    from lhy_rl.experiment.search_run import find_table, live_objective
    from lhy_rl.search.objective import FunctionObjective, TableObjective
    from lhy_rl.search.sweep_yaml import read_sweep
    from lhy_rl.search.table import load_table

    name, slash, rest = options.what.partition("/")
    if slash and (options.space or options.function):
        raise UserError("--space and --function do not go with a table; give SEARCHER/TABLE, or SEARCHER with both")
    if options.live and not slash:
        raise UserError(f"--live needs the name of what to train: lhy-rl search {name}/digits-cnn --live")
    if options.live:
        live = live_objective(rest)
        return name, live, 200, str(live.about["score"]), given_early(options)
    if slash:
        found = load_table(find_table(rest))
        return name, TableObjective(found), 200, str(found.about.get("score", "score")), given_early(options)
    if not options.space or not options.function:
        raise UserError(
            f"search needs a table: lhy-rl search {name}/nb201, or --space YAML and --function MODULE:FUNCTION"
        )
    from lhy_rl.experiment.yaml_files import read_yaml

    sweep = read_sweep(read_yaml(options.space))
    module, _, attribute = options.function.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError, ValueError) as error:
        raise UserError(
            f"no function {options.function!r} ({error}); its folder must be the working directory"
        ) from None
    sign = -1 if sweep.goal == "minimize" else 1
    about = {"function": options.function, **({"metric": sweep.metric, "goal": sweep.goal} if sweep.metric else {})}
    objective = FunctionObjective(sweep.space, function, about, metric=sweep.metric, sign=sign)
    unit = ("-" if sign < 0 else "") + (sweep.metric or "score")
    return name, objective, sweep.run_cap or 200, unit, given_early(options) or sweep.early_terminate


def check_metric(sweep: Sweep) -> None:
    """Refuse a sweep of an agent whose metric is not the mean return."""
    if sweep.goal == "minimize":
        raise UserError(
            "the goal of the sweep is minimize, wandb's default for a metric without a goal; "
            "allowed: {name: eval/mean_return, goal: maximize}"
        )
    if sweep.metric not in ("", METRIC):
        raise suggest(sweep.metric, [METRIC], "metric of a sweep")


def free_folder(name: str) -> Path:
    """The first folder of that name below runs/ that does not exist yet."""
    from lhy_rl.experiment.run_folder import choose_path

    return choose_path(name.replace("/", "-").removesuffix(".npz"), None)


def run_search(run: Any, options: argparse.Namespace, title: str) -> dict[str, Any]:
    """Run a search with a progress bar."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from lhy_rl.experiment.search_run import make_executor

    columns = [TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    executor = make_executor(options.executor, run.objective, options.workers, options.time_limit, options.address)
    best: list[float] = []
    with (
        executor,
        Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[now]}"), console=error_console()) as bar,
    ):
        task = bar.add_task(title, total=run.num_trials, now="")

        def on_trial(trial: Trial) -> None:
            if trial.score is not None and not trial.stopped:
                best[:] = [max([trial.score, *best])]
            bar.update(task, advance=1, now=f"best {best[0]:.4f}" if best else "")

        found: dict[str, Any] = run.run(executor, on_trial)
    return found


def compared(objective: Objective, num_trials: int, name: str) -> dict[str, Any]:
    """Regrets of other searchers on a table; a searcher whose library is missing is left out."""
    from lhy_rl.experiment.search_run import regret_curves
    from lhy_rl.search.objective import TableObjective

    if not isinstance(objective, TableObjective):
        return {}
    found = {}
    for other, seeds in COMPARED.items():
        if other != name:
            try:
                found[other] = regret_curves(objective.table.about["name"], other, num_trials, seeds)
            except UserError:  # Optuna is not installed
                continue
    return found


def print_found(result: dict[str, Any], others: dict[str, Any], unit: str, folder: Path, report: Path) -> int:
    """Print the result of a finished search; return the exit status, 1 where every trial failed."""
    console = output_console()
    if result["best"] is None:
        failures = [trial["failure"] for trial in result["trials"] if trial["failure"]]
        console.print(f"{len(failures)} of {len(result['trials'])} trials failed; the first: {failures[0]}")
    else:
        values = ", ".join(f"{name}={value}" for name, value in result["best"].items())
        if result["formula"] is not None:
            console.print(f"formula   {result['formula']}", highlight=False, soft_wrap=True)
        console.print(f"best      {values}", highlight=False, soft_wrap=True)
        console.print(f"score     {result['score']:.4f} ({unit})", highlight=False)
    if result["stopped"]:
        cost = sum(trial["epochs"] for trial in result["trials"])
        line = f"{result['stopped']} of {len(result['trials'])} trials, after {cost:,.0f} {result['cost']} in all"
        console.print(f"stopped   {line}", highlight=False)
    if "regret" in result:
        beside = "".join(
            f", {name} {curves[:, -1].mean():.4g} (mean of {len(curves)})" for name, curves in others.items()
        )
        console.print(f"regret    {result['regret'][-1]:.4g}{beside}", highlight=False, soft_wrap=True)
    if "again" in result:
        means = ", ".join(f"{who} {sum(scores) / len(scores):.4g}" for who, scores in result["again"].items())
        console.print(f"again     {means} (means of {len(result['again']['found'])} fresh seeds)", highlight=False)
    console.print(f"report    {report}", highlight=False, soft_wrap=True)
    return 1 if result["best"] is None else 0
