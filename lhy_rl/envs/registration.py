"""The table of environments. A row drives registration, tests and documentation; nothing is imported before use."""

from __future__ import annotations

import sys

import gymnasium

from lhy_rl.envs.games_table import GAMES as GAMES
from lhy_rl.envs.games_table import GameRow as GameRow
from lhy_rl.envs.table_row import Row as Row
from lhy_rl.envs.vision_table import VISION

TABLE: tuple[Row, ...] = (
    Row(
        "lhy_rl/OracleText-v0",
        "lhy_rl.envs.text.oracle:OracleTextEnv",
        "lhy_rl.envs.text.oracle:OracleText",
        "SeqGAN's synthetic language: sentences of a random LSTM, with exact likelihoods",
        small={"vocabulary_size": 20, "max_length": 6, "hidden_size": 8, "embedding_size": 8},
    ),
    Row(
        "lhy_rl/CorpusText-v0",
        "lhy_rl.envs.text.corpus:CorpusTextEnv",
        "lhy_rl.envs.text.corpus:CorpusText",
        "sentences of a real corpus, rewarded by BLEU at their end",
        small={"corpus": "chatterbot-english", "max_length": 8},
    ),
    Row(
        "lhy_rl/RepeatPrevious-v0",
        "lhy_rl.envs.memory.repeat_previous:RepeatPreviousEnv",
        "lhy_rl.envs.memory.repeat_previous:RepeatPrevious",
        "POPGym's RepeatPrevious: name the suit of the card seen k cards back",
        small={"num_ranks": 2, "k": 3},
    ),
    Row(
        "lhy_rl/RepeatFirst-v0",
        "lhy_rl.envs.memory.repeat_first:RepeatFirstEnv",
        "lhy_rl.envs.memory.repeat_first:RepeatFirst",
        "POPGym's RepeatFirst: name the suit of the card seen first",
        small={"num_ranks": 2},
    ),
    Row(
        "lhy_rl/Reverse-v0",
        "lhy_rl.envs.memory.reverse:ReverseEnv",
        "lhy_rl.envs.memory.reverse:Reverse",
        "see a string of symbols, then write it backwards",
        small={"max_length": 3},
    ),
    Row(
        "lhy_rl/Copy-v0",
        "lhy_rl.envs.memory.copy_string:CopyEnv",
        "lhy_rl.envs.memory.copy_string:Copy",
        "see a string of symbols, then write it again",
        small={"max_length": 3},
    ),
    Row(
        "lhy_rl/RepeatCopy-v0",
        "lhy_rl.envs.memory.repeat_copy:RepeatCopyEnv",
        "lhy_rl.envs.memory.repeat_copy:RepeatCopy",
        "see a string and a number, then write the string that many times",
        small={"max_length": 2},
    ),
    Row(
        "lhy_rl/DuplicatedInput-v0",
        "lhy_rl.envs.memory.duplicated_input:DuplicatedInputEnv",
        "lhy_rl.envs.memory.duplicated_input:DuplicatedInput",
        "see a string in which each symbol is repeated, then write each once",
        small={"max_length": 2},
    ),
    Row(
        "lhy_rl/ReversedAddition-v0",
        "lhy_rl.envs.memory.reversed_addition:ReversedAdditionEnv",
        "lhy_rl.envs.memory.reversed_addition:ReversedAddition",
        "add numbers digit by digit, the least significant digit first",
        small={"max_length": 2},
    ),
    Row(
        "lhy_rl/Dyck-v0",
        "lhy_rl.envs.memory.dyck:DyckEnv",
        "lhy_rl.envs.memory.dyck:Dyck",
        "see brackets of several kinds, then close those that are open",
        small={"max_depth": 2, "max_pairs": 1},
    ),
    Row(
        "lhy_rl/Catch-v0",
        "lhy_rl.envs.memory.catch:CatchEnv",
        "lhy_rl.envs.memory.catch:Catch",
        "catch a falling ball, seen in pixels, anywhere on a larger canvas",
        small={"field": 7},
    ),
    Row(
        "lhy_rl/TreeCalc-v0",
        "lhy_rl.envs.reasoning.tree_calc:TreeCalcEnv",
        "lhy_rl.envs.reasoning.tree_calc:TreeCalc",
        "evaluate an expression, given as a tree or as a string; train on shallow trees, test on deeper ones",
        small={"max_depth": 2, "table_depth": 3},
        held_out={"split": {"train": "test"}},
    ),
    Row(
        "lhy_rl/BabiRoom-v0",
        "lhy_rl.envs.reasoning.babi_room:BabiRoomEnv",
        "lhy_rl.envs.reasoning.babi_room:BabiRoom",
        "bAbI's first tasks: read who goes where and takes what, then answer where a person or an object is",
        small={"num_questions": 2},
        held_out={"split": "test"},
    ),
    Row(
        "lhy_rl/Gridworld-v0",
        "lhy_rl.envs.grid.gridworld:GridworldEnv",
        "lhy_rl.envs.grid.gridworld:Gridworld",
        "a grid whose regions have rewards; with known tables, for inverse reinforcement learning",
        small={"size": 4},
    ),
    Row(
        "lhy_rl/Objectworld-v0",
        "lhy_rl.envs.grid.objectworld:ObjectworldEnv",
        "lhy_rl.envs.grid.objectworld:Objectworld",
        "a grid of coloured objects that determine the reward; with known tables, for inverse reinforcement learning",
        small={"size": 5, "num_objects": 4},
    ),
    Row(
        "lhy_rl/DriveCorridor-v0",
        "lhy_rl.envs.drive.corridor:DriveCorridorEnv",
        "lhy_rl.envs.drive.corridor:DriveCorridor",
        "steer along a winding road, where small errors of a cloned policy grow and an expert can be queried",
        small={"horizon": 6},
    ),
    Row(
        "lhy_rl/PointMassPixels-v0",
        "lhy_rl.envs.third_person.point_mass:PointMassPixelsEnv",
        "lhy_rl.envs.third_person.point_mass:PointMassPixels",
        "push a point to a target; rendered in several colours and from several cameras, for third-person imitation",
        small={"size": 16, "horizon": 6},
    ),
    Row(
        "lhy_rl/ReacherPixels-v0",
        "lhy_rl.envs.third_person.reacher:ReacherPixelsEnv",
        "lhy_rl.envs.third_person.reacher:ReacherPixels",
        "reach for a target with a two-link arm; rendered in several ways, for third-person imitation",
        small={"size": 16, "horizon": 6},
    ),
    Row(
        "lhy_rl/PendulumPixels-v0",
        "lhy_rl.envs.third_person.pendulum:PendulumPixelsEnv",
        "lhy_rl.envs.third_person.pendulum:PendulumPixels",
        "lift a pendulum and hold it upright; rendered in several ways, for third-person imitation",
        small={"size": 16, "horizon": 6},
    ),
    *VISION,
    Row(
        "lhy_rl/NegotiationVsBot-v0",
        "lhy_rl.envs.dialogue.negotiation_vs_bot:NegotiationVsBotEnv",
        "lhy_rl.envs.dialogue.negotiation_vs_bot:NegotiationVsBot",
        "divide books, hats and balls with a bot that values them differently; the exact optima are known",
        small={"max_moves": 6},
    ),
    Row(
        "lhy_rl/SlotFilling-v0",
        "lhy_rl.envs.dialogue.slot_filling:SlotFillingEnv",
        "lhy_rl.envs.dialogue.slot_filling:SlotFilling",
        "find a restaurant in a dialogue, although some of the user's words are misrecognised",
        small={"max_turns": 6},
    ),
    Row(
        "lhy_rl/TwentyQuestions-v0",
        "lhy_rl.envs.dialogue.twenty_questions:TwentyQuestionsEnv",
        "lhy_rl.envs.dialogue.twenty_questions:TwentyQuestions",
        "guess an object by yes-or-no questions; only the last answer is observed",
        small={"max_questions": 3},
    ),
    Row(
        "lhy_rl/ChatBandit-v0",
        "lhy_rl.envs.dialogue.chat_bandit:ChatBanditEnv",
        "lhy_rl.envs.dialogue.chat_bandit:ChatBandit",
        "a chat with one reply, and every reply has a positive reward: why policy gradients need a baseline",
        small={"num_prompts": 4, "num_replies": 3},
    ),
    Row(
        "lhy_rl/ChatReply-v0",
        "lhy_rl.envs.dialogue.chat_reply:ChatReplyEnv",
        "lhy_rl.envs.dialogue.chat_reply:ChatReply",
        "reply to the last turns of a conversation, token by token; the reward is chosen by name",
        small={"corpus": "chatterbot-english", "max_length": 8},
    ),
    Row(
        "lhy_rl/Tour-v0",
        "lhy_rl.envs.pointer.tour:TourEnv",
        "lhy_rl.envs.pointer.tour:Tour",
        "the travelling salesman problem: choose the next city; the shortest tours are known",
        small={"num_cities": 4},
    ),
    Row(
        "lhy_rl/ConvexHull-v0",
        "lhy_rl.envs.pointer.convex_hull:ConvexHullEnv",
        "lhy_rl.envs.pointer.convex_hull:ConvexHull",
        "name the corners of the convex hull of a set of points, one after the other, and stop",
        small={"num_points": 4},
    ),
    Row(
        "lhy_rl/CopySummary-v0",
        "lhy_rl.envs.pointer.copy_summary:CopySummaryEnv",
        "lhy_rl.envs.pointer.copy_summary:CopySummary",
        "write the headline of a report whose names are in no vocabulary: they can only be copied",
        small={"events": 1, "reports": 20},
        held_out={"split": "test"},
    ),
    Row(
        "lhy_rl/HPOToken-v0",
        "lhy_rl.envs.search.hpo_token:HPOTokenEnv",
        "lhy_rl.envs.search.hpo_token:HPOToken",
        "write a configuration choice by choice; tables hold the scores that training with it reached",
    ),
    Row(
        "lhy_rl/UpdateRule-v0",
        "lhy_rl.envs.search.update_rule:UpdateRuleEnv",
        "lhy_rl.envs.search.update_rule:UpdateRule",
        "write the update rule of an optimizer as a formula; a table holds the accuracy of a network trained with each",
    ),
    Row(
        "lhy_rl/ActivationSearch-v0",
        "lhy_rl.envs.search.activation_search:ActivationSearchEnv",
        "lhy_rl.envs.search.activation_search:ActivationSearch",
        "write an activation function as a formula; a table holds the accuracy of a network with each",
    ),
    Row(
        "lhy_rl/HPOTrial-v0",
        "lhy_rl.envs.search.hpo_trial:HPOTrialEnv",
        "lhy_rl.envs.search.hpo_trial:HPOTrial",
        "hyperparameter search: every action is a configuration to try; trained on some tables, tested on others",
        small={"tables": ["hpobench-car", "hpobench-kc1"], "num_trials": 6},
        held_out={
            "tables": {"hpobench-train": "hpobench-test", "nb201-train": "nb201-test", "fcnet-train": "fcnet-test"}
        },
    ),
    Row(
        "lhy_rl/LRSchedule-v0",
        "lhy_rl.envs.search.lr_schedule:LRScheduleEnv",
        "lhy_rl.envs.search.lr_schedule:LRSchedule",
        "choose a network's learning rate, epoch by epoch; hundreds of networks are trained at once",
        small={"decisions": 3, "batch_size": 100, "hidden_size": 8},
        held_out={"split": "test"},
    ),
    Row(
        "lhy_rl/MultiFidelity-v0",
        "lhy_rl.envs.search.multi_fidelity:MultiFidelityEnv",
        "lhy_rl.envs.search.multi_fidelity:MultiFidelity",
        "spend a budget of epochs: which training to continue, which to abandon, and when to start another",
        small={"budget": 12, "slots": 3},
    ),
)

WRAPPED: tuple[Row, ...] = (
    Row(
        "lhy_rl/FixedHorizon-v0",
        "lhy_rl.envs.wrappers.fixed_horizon:make_single",
        "lhy_rl.envs.wrappers.fixed_horizon:make_vector",
        "any environment with episodes of a fixed length, so that the length carries no information for imitation",
    ),
    Row(
        "lhy_rl/MujocoViews-v0",
        "lhy_rl.envs.third_person.mujoco_views:MujocoViews",
        "lhy_rl.envs.third_person.mujoco_views:make_vector",
        "any MuJoCo environment, rendered from several cameras and in several colours, for third-person imitation",
        small={"size": 16, "horizon": 6},
    ),
)
"""Ids that put a wrapper around any environment, so that a configuration can name it."""


def register() -> None:
    """Register the ids with Gymnasium; calling it again does no harm."""
    for row in TABLE + WRAPPED:
        if row.id not in gymnasium.registry:
            gymnasium.register(row.id, entry_point=row.single, vector_entry_point=row.batched, kwargs=dict(row.kwargs))
    if "pettingzoo" in sys.modules:
        register_games()


def register_games() -> None:
    """Register the games with PettingZoo; calling it again does no harm.

    ``import lhy_rl`` does so where PettingZoo has been imported before, and so does every game's module.
    """
    try:
        import pettingzoo
    except ModuleNotFoundError:
        return
    for row in GAMES:
        known = row.id.replace("_v", "-v")  # as PettingZoo's registry writes it
        if known not in pettingzoo.aec_registry:
            pettingzoo.register("aec", row.id, f"{row.module}:env")
            pettingzoo.register("parallel", row.id, f"{row.module}:parallel_env")
