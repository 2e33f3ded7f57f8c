"""Names are the field's: the words that were the project's own do not come back."""

import ast
import gc
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PRIVATE = {
    "adversary": "discriminator",
    "appraise": "compute_advantages",
    "cut": "truncated_final_obs",
    "every": "subsample, interval",
    "hears": "callback",
    "imitator": "imitation",
    "improve": "train_on_batch",
    "judge": "discriminator, relabel, evaluate",
    "judged": "scored, evaluated",
    "lane": "packed_row",
    "lanes": "packed_episodes",
    "legal": "action_mask",
    "orders": "gate_inputs",
    "paid": "transformed_rewards",
    "pay": "transform",
    "payment": "reward_transform",
    "pull": "backward",
    "pulled": "grad_log_prob",
    "pushed": "grad_value",
    "said": "stats, evaluation, message",
    "scene": "recording_source",
    "seen": "raw_obs",
    "shown": "demonstrations",
    "slope": "grad",
    "slopes": "grads",
    "solo": "actor_only",
    "told": "log_prob",
    "twins": "manual_gradients",
    "unsaid": "unreported",
    "visits": "state_visitation",
}
"""A word that stood in names, and what the field says; a part of a name, as in `grad_told` or `ToldGrad`, counts."""

CLASSES = {
    "Collector": "RolloutCollector",
    "Examples": "LabelledSteps",
    "Kept": "ResultCache",
    "Line": "BenchmarkRow",
    "Material": "PreparedDataset",
    "Rows": "TransitionFeatures",
    "Scale": "NormalizedScore",
    "Steps": "Rollout",
    "Trial": "SeedRun",
}
"""Names of classes that say too little, or clash with other libraries, and what they are called now."""

ALLOWED = re.compile(
    r"lhy_rl/envs/dialogue/.*:_?(is_)?legal|.*:every_prefix|lhy_rl/search/trial.py:Trial|.*mujoco_camera.py:scene|.*scene_caption.py:SceneCaption(Env)?"
)
"""Names in which such a word is right: a move of a game is legal, a discriminator gives a score to every prefix, what a
search tries is a trial, as in Optuna, and what MuJoCo draws or a picture shows is a scene."""

WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")


def defined(tree: ast.AST) -> Iterator[str]:
    """The names that a file gives: of classes, functions, arguments, variables and attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.alias(asname=str(name)) | ast.MatchAs(name=str(name)):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def private(name: str, file: str = "") -> bool:
    """Whether a name is one of ours, or has a word of ours in it."""
    words = {word.lower() for word in WORD.findall(name)} & PRIVATE.keys()
    return (name.lstrip("_") in CLASSES or bool(words)) and not ALLOWED.fullmatch(f"{file}:{name}")


@pytest.fixture(autouse=True)
def no_garbage_collection() -> Iterator[None]:
    """CPython 3.11 miscounts the depth of a syntax tree (SystemError) where a collection runs while one is built."""
    gc.disable()
    yield
    gc.enable()


def private_names() -> dict[str, Counter[str]]:
    """File to the private names that it gives, and how often."""
    found = {}
    for path in sorted((ROOT / "lhy_rl").rglob("*.py")):
        file, tree = path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))
        if names := Counter(name for name in defined(tree) if private(name, file)):
            found[file] = names
    return found


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("said = 1", ["said"]),
        ("class Adversary: pass", ["Adversary"]),
        ("class SentenceAdversary: pass", ["SentenceAdversary"]),
        ("class Steps: pass", ["Steps"]),
        ("def judge_them(told, *, every): self.seen = told", ["judge_them", "told", "every", "seen"]),
        ("import torch as lanes", ["lanes"]),
        ("class TaskSteps: pass", []),
        ("num_steps = executed = essay = 1", []),
        ("print(said)", []),
    ],
)
def test_private_names_are_found(line, names):
    assert [name for name in defined(ast.parse(line)) if private(name)] == names


def test_names_are_the_fields():
    found = [f"{path}: {', '.join(names)}" for path, names in private_names().items()]
    assert not found, "\n".join(found)


if __name__ == "__main__":
    total = private_names()
    print(sum(sum(names.values()) for names in total.values()), "private names in", len(total), "files")
    for path, names in total.items():
        print(f"{path}: {', '.join(f'{name} {count}' for name, count in names.most_common())}")
