"""The memory tasks: small episodes by hand, what a perfect, a memoryless and a random player get, levels, pictures."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.core.errors import UserError
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.drawing import BACK, BLACK, NOW, PAPER, RED, RIGHT, WRONG
from lhy_rl.envs.memory.catch import Catch
from lhy_rl.envs.memory.copy_string import Copy
from lhy_rl.envs.memory.recall import Recall
from lhy_rl.envs.memory.repeat_first import RepeatFirst, RepeatFirstEnv
from lhy_rl.envs.memory.repeat_previous import RepeatPrevious, RepeatPreviousEnv
from lhy_rl.envs.memory.reverse import Reverse
from lhy_rl.envs.single import SingleEnv

RECALL: list[type[Recall]] = [RepeatPrevious, RepeatFirst, Reverse, Copy]


def place(env: BatchedEnv, **arrays: Any) -> None:
    """Begin episodes in which these parts of the state are given."""
    env.reset(seed=0)
    snapshot = env.snapshot()
    for name, array in arrays.items():
        snapshot["state"][name] = np.array(array, snapshot["state"][name].dtype)
    env.restore(snapshot)


def play(env: BatchedEnv, actions: list[int]) -> tuple[list[int], list[float], list[bool]]:
    """What is observed, beginning with now, the rewards and the ends of a batch of one."""
    seen, rewards, ends = [int(env.observe()[0])], [], []
    for action in actions:
        obs, reward, terminated, truncated, _ = env.step(np.array([action]))
        seen.append(int(obs[0]))
        rewards.append(float(reward[0]))
        ends.append(bool(terminated[0]))
        assert not truncated[0]
    return seen, rewards, ends


def returns(env: BatchedEnv, player: Any, episodes: int = 1) -> tuple[np.ndarray, int, dict[str, Any]]:
    """(episodes, B) returns of ``player(obs, state) -> actions``, the steps of an episode, the last infos."""
    total = []
    for episode in range(episodes):
        obs, _ = env.reset(seed=1 if episode == 0 else None)
        total.append(np.zeros(env.num_envs))
        steps, done = 0, np.zeros(1, bool)
        while not done.any():
            obs, reward, done, _, infos = env.step(player(obs, env.snapshot()["state"]))
            total[-1] += reward
            steps += 1
        assert done.all()  # the horizon is fixed
    return np.stack(total), steps, infos


def perfect(env: Recall) -> Any:
    return lambda obs, state: np.maximum(env.answer(state), 0)


def uniform(env: BatchedEnv) -> Any:
    rng, n = np.random.default_rng(2), int(env.single_action_space.n)  # type: ignore[attr-defined]
    return lambda obs, state: rng.integers(n, size=env.num_envs)


# ---------------------------------------------------------------------- by hand
def test_repeat_previous_by_hand() -> None:
    """k = 3: the first question comes when three cards are seen, and asks for the first; 8 - 3 questions."""
    env = RepeatPrevious(1, num_ranks=2, k=3)
    place(env, symbols=[[2, 0, 1, 3, 3, 0, 1, 2]])
    seen, rewards, ends = play(env, [2, 2, 2, 0, 0, 3, 3])
    assert seen == [2, 0, 1, 3, 3, 0, 1, 2]
    assert rewards == [0, 0, 0.2, 0.2, -0.2, 0.2, 0.2]
    assert ends == [False] * 6 + [True]


def test_repeat_previous_with_k_1_asks_for_what_is_seen() -> None:
    env = RepeatPrevious(5, num_ranks=2, k=1)
    total, steps, _ = returns(env, lambda obs, state: obs)
    assert steps == 7
    np.testing.assert_allclose(total, 1.0)


def test_repeat_first_by_hand() -> None:
    env = RepeatFirst(1, num_ranks=1)
    place(env, symbols=[[3, 0, 2, 1]])
    seen, rewards, ends = play(env, [3, 0, 3])
    assert seen == [3, 0, 2, 1] and ends == [False, False, True]
    np.testing.assert_allclose(rewards, [1 / 3, -1 / 3, 1 / 3])


@pytest.mark.parametrize(("made", "right"), [(Reverse, [1, 0, 0]), (Copy, [0, 0, 1])])
def test_strings_by_hand(made: Any, right: list[int]) -> None:
    """The pages' example: A A B, a longest length of 4, 4 symbols; the last symbol is written wrongly."""
    env = made(1, max_length=4)
    answers = [[-1, -1, -1, *right, -1, -1, -1]]
    place(env, symbols=[[0, 0, 1, 4, 5, 5, 5, 5, 5]], questions=[3], answers=answers)
    wrong = 3 - right[2]
    seen, rewards, ends = play(env, [1, 1, 1, right[0], right[1], wrong, 1, 1])
    assert seen == [0, 0, 1, 4, 5, 5, 5, 5, 5]
    np.testing.assert_allclose(rewards, [0, 0, 0, 1 / 3, 1 / 3, -1 / 3, 0, 0])
    assert ends == [False] * 7 + [True]


@pytest.mark.parametrize(("made", "direction"), [(Reverse, -1), (Copy, 1)])
def test_the_string_is_to_be_written_behind_its_delimiter(made: Any, direction: int) -> None:
    symbols, answers = made(1, max_length=4).problem(200, np.random.default_rng(0))
    lengths = set()
    for observed, wanted in zip(symbols.tolist(), answers.tolist(), strict=True):
        n = observed.index(4)
        lengths.add(n)
        assert observed[n + 1 :] == [5] * (8 - n) and max(observed[:n]) < 4
        assert wanted == [-1] * n + observed[:n][::direction] + [-1] * (9 - 2 * n)
    assert lengths == {1, 2, 3, 4}


@pytest.mark.parametrize("made", [Reverse, Copy])
def test_a_wrong_symbol_ends_an_episode_where_it_is_to(made: Any) -> None:
    for ends_at_error in (True, False):
        env = made(1, min_length=3, max_length=3, ends_at_error=ends_at_error)
        env.reset(seed=0)
        for _ in range(3):
            assert not env.step([0])[2][0]
        wrong = (int(env.expert_action()[0]) + 1) % 4
        assert env.step([wrong])[2][0] == ends_at_error


def test_catch_by_hand() -> None:
    """Two cells of two pixels on 6 x 6 pixels, the field at row 1 and column 2."""
    env = Catch(1, canvas=6, field=2, cell=2)
    place(env, place=[[1, 2]], ball=[[0, 0]], paddle=[1])
    o, f, p, b = 0, 40, 150, 255
    empty = [o] * 6
    first = [empty, [o, o, b, b, f, f], [o, o, b, b, f, f], [o, o, f, f, p, p], [o, o, f, f, p, p], empty]
    obs = env.observe()
    assert obs.dtype == np.uint8 and obs.shape == (1, 1, 6, 6)
    assert obs[0, 0].tolist() == first
    start = env.snapshot()
    last = [empty, [o, o, f, f, f, f], [o, o, f, f, f, f], [o, o, b, b, f, f], [o, o, b, b, f, f], empty]
    obs, reward, terminated, _, _ = env.step(np.array([0]))
    assert obs[0, 0].tolist() == last and reward[0] == 1 and terminated[0]
    for action in (1, 2):
        env.restore(start)
        obs, reward, terminated, _, _ = env.step(np.array([action]))
        assert obs[0, 0, 3].tolist() == [o, o, b, b, p, p] and reward[0] == -1 and terminated[0]


# ---------------------------------------------------------------------- POPGym's definition, card by card
class Dealer:
    """POPGym's game as a loop over a hand of cards, to compare with; ``back`` None asks for the first card."""

    def __init__(self, suits: list[int], back: int | None) -> None:
        self.deck, self.hand, self.back = suits[1:], suits[:1], back

    def step(self, action: int) -> tuple[int, float, bool]:
        cards = len(self.deck) + len(self.hand)
        reward, questions = 0.0, cards - (self.back or 1)
        if self.back is None or len(self.hand) >= self.back:
            right = action == self.hand[0 if self.back is None else -self.back]
            reward = 1 / questions if right else -1 / questions
        self.hand.append(self.deck.pop(0))
        return self.hand[-1], reward, not self.deck


@pytest.mark.parametrize(("difficulty", "cards", "k"), [("easy", 52, 4), ("medium", 104, 32), ("hard", 156, 64)])
def test_repeat_previous_is_popgyms(difficulty: str, cards: int, k: int) -> None:
    assert plays_like_popgym(RepeatPreviousEnv(difficulty=difficulty), cards, k)


@pytest.mark.parametrize(("difficulty", "cards"), [("easy", 52), ("medium", 416), ("hard", 832)])
def test_repeat_first_is_popgyms(difficulty: str, cards: int) -> None:
    assert plays_like_popgym(RepeatFirstEnv(difficulty=difficulty), cards, None)


@pytest.mark.parametrize("name", ["RepeatPrevious", "RepeatFirst"])
def test_popgym_itself_terminates_there(name: str) -> None:
    pytest.importorskip("popgym")
    theirs = gymnasium.make(f"popgym-{name}Easy-v0", disable_env_checker=True)
    theirs.reset(seed=0)
    ends = [theirs.step(0)[2:4] for _ in range(51)]
    assert ends == [(False, False)] * 50 + [(True, False)]


def plays_like_popgym(env: SingleEnv, cards: int, k: int | None) -> bool:
    """Whether each card's observation, reward and end are those of POPGym's definition."""
    obs, _ = env.reset(seed=4)
    suits = env.snapshot()["state"]["symbols"][0].tolist()
    assert obs == suits[0]
    assert np.bincount(suits).tolist() == [cards // 4] * 4
    game, rng = Dealer(suits, k), np.random.default_rng(0)
    for t in range(1, cards):
        action = int(rng.integers(4))
        theirs, ours = game.step(action), env.step(action)
        assert ours[0] == theirs[0] and ours[1] == pytest.approx(theirs[1], abs=1e-15) and ours[2] == theirs[2]
        assert ours[2] == (t == cards - 1)
    return game.hand == suits


# ---------------------------------------------------------------------- players
@pytest.mark.parametrize("difficulty", ["easy", "medium", "hard"])
@pytest.mark.parametrize("made", RECALL)
def test_a_perfect_player_gets_one(made: Any, difficulty: str) -> None:
    env = made(20, difficulty=difficulty)
    total, _, infos = returns(env, perfect(env))
    np.testing.assert_allclose(total, 1.0, atol=1e-12)
    assert (infos["accuracy"] == 1).all()
    total, _, infos = returns(env, lambda obs, state: (np.maximum(env.answer(state), 0) + 1) % 4)
    np.testing.assert_allclose(total, -1.0, atol=1e-12)
    assert (infos["accuracy"] == 0).all()


@pytest.mark.parametrize("made", RECALL)
def test_a_random_player_gets_minus_a_half(made: Any) -> None:
    env = made(1000)
    total, _, infos = returns(env, uniform(env), 4)
    # A question's reward has a standard deviation of 0.87 / questions; strings have as few as one question.
    assert abs(total.mean() + 0.5) < 5 * total.std() / np.sqrt(total.size)
    np.testing.assert_allclose(2 * infos["accuracy"] - 1, total[-1], atol=1e-12)


def test_a_player_without_memory_stays_near_chance() -> None:
    """Suits are drawn without replacement: to repeat the card seen now is worse than chance, by hardly anything."""
    env = RepeatPrevious(2000)
    total, _, _ = returns(env, lambda obs, state: obs)
    # P(same suit) = 12/51 for two cards of a deck: 2 * 12/51 - 1 = -0.5294
    assert abs(total.mean() - (2 * 12 / 51 - 1)) < 5 * total.std() / np.sqrt(total.size)


@pytest.mark.parametrize(("difficulty", "field", "steps"), [("easy", 7, 6), ("medium", 10, 9), ("hard", 14, 13)])
def test_catch_players(difficulty: str, field: int, steps: int) -> None:
    env = Catch(300, difficulty)

    def follow(obs: np.ndarray, state: Any) -> np.ndarray:
        """From the pixels: the mean column of the ball against that of the paddle."""
        columns = np.arange(obs.shape[-1])
        ball, paddle = ((obs[:, 0] == level).any(1) for level in (255, 150))
        difference = (ball * columns).sum(1) / ball.sum(1) - (paddle * columns).sum(1) / np.maximum(paddle.sum(1), 1)
        action: np.ndarray = 1 + np.sign(difference).astype(int)
        return action

    total, length, _ = returns(env, follow)
    assert length == steps and (total == 1).all()
    total, _, _ = returns(env, uniform(env), 20)
    expected = 2 / field - 1  # the ball's column is uniform, whatever the paddle does
    assert abs(total.mean() - expected) < 5 * total.std() / np.sqrt(total.size)


# ---------------------------------------------------------------------- what is drawn
def test_decks_are_shuffled_evenly() -> None:
    env = RepeatFirst(4000, num_ranks=2)
    env.reset(seed=0)
    symbols = env.snapshot()["state"]["symbols"]
    assert (np.sort(symbols, 1) == np.repeat(np.arange(4), 2)).all()
    share = np.stack([(symbols == suit).mean(0) for suit in range(4)])  # (4, 8)
    assert (abs(share - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 4000)).all()


@pytest.mark.parametrize("made", [Reverse, Copy])
def test_strings_are_drawn_evenly(made: Any) -> None:
    env = made(6000, min_length=2, max_length=4, num_symbols=3)
    env.reset(seed=0)
    state = env.snapshot()["state"]
    length, symbols = state["questions"], state["symbols"]
    assert (abs(np.bincount(length, minlength=5)[2:] / 6000 - 1 / 3) < 0.04).all()
    place = np.arange(9)
    assert ((symbols == 3) == (place == length[:, None])).all()  # one delimiter, behind the string
    assert ((symbols == 4) == (place > length[:, None])).all()
    string = symbols[symbols < 3]
    assert (abs(np.bincount(string) / len(string) - 1 / 3) < 0.02).all()


def test_catch_stands_everywhere() -> None:
    env = Catch(20_000, canvas=8, field=3, cell=2)
    obs, _ = env.reset(seed=0)
    inside = obs[:, 0] > 0
    assert (inside.sum((1, 2)) == 36).all()
    corners = np.stack([inside.any(2).argmax(1), inside.any(1).argmax(1)], 1)
    np.testing.assert_array_equal(corners, env.snapshot()["state"]["place"])
    assert (abs(np.bincount(3 * corners[:, 0] + corners[:, 1], minlength=9) / 20_000 - 1 / 9) < 0.012).all()
    assert (np.bincount(env.snapshot()["state"]["ball"][:, 1], minlength=3) > 6000).all()


def test_truncation_counts_unanswered_questions_as_not_right() -> None:
    env = RepeatFirst(1, num_ranks=1, max_episode_steps=1)
    place(env, symbols=[[3, 0, 2, 1]])
    _, _, terminated, truncated, infos = env.step(np.array([3]))
    assert truncated[0] and not terminated[0] and infos["accuracy"][0] == pytest.approx(1 / 3)


# ---------------------------------------------------------------------- arguments and pictures
@pytest.mark.parametrize(
    ("made", "arguments", "message"),
    [
        (RepeatPrevious, {"difficulty": "eazy"}, "unknown difficulty 'eazy'; did you mean 'easy'"),
        (RepeatPrevious, {"k": 52}, "k=52 is not allowed; must be a whole number from 1 to 51"),
        (RepeatPrevious, {"k": 0}, "k=0"),
        (RepeatPrevious, {"num_ranks": 0}, "num_ranks=0"),
        (RepeatFirst, {"num_decks": 0}, "num_decks=0"),
        (RepeatFirst, {"num_decks": 1.5}, "num_decks=1.5"),
        (Reverse, {"max_length": 0}, "max_length=0"),
        (Copy, {"min_length": 6}, "min_length=6 is not allowed; must be a whole number from 1 to 5"),
        (Copy, {"num_symbols": 1}, "num_symbols=1 is not allowed; must be a whole number from 2 to 26"),
        (Catch, {"canvas": 20}, "canvas=20 is not allowed; must hold 7 cells of 3 pixels, at least 21"),
        (Catch, {"field": 1}, "field=1"),
        (Catch, {"cell": 0}, "cell=0"),
    ],
    ids=str,
)
def test_bad_arguments(made: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        made(**arguments)
    assert "\n" not in str(caught.value)


def test_given_sizes_win_over_the_difficulty() -> None:
    assert (env := RepeatPrevious(difficulty="hard", k=5)).k == 5 and env.num_cards == 156
    assert (env2 := Reverse(difficulty="medium", num_symbols=26)).max_length == 10 and env2.num_symbols == 26
    assert Catch(difficulty="hard", canvas=50).single_observation_space.shape == (1, 50, 50)


def test_text_of_an_episode() -> None:
    env = RepeatPrevious(1, num_ranks=2, k=2, render_mode="ansi")
    place(env, symbols=[[2, 0, 1, 3, 3, 0, 1, 2]])
    texts = list(env.render() or ())
    for action in (1, 2, 3):
        env.step(np.array([action]))
        texts += env.render() or ()
    assert texts == [
        "step 0 of 7: ♣",
        "step 1 of 7: ♣♠, action ♦ not asked",
        "step 2 of 7: ♣♠♦, action ♣ right",
        "step 3 of 7: ♣♠♦♥, action ♥ wrong",
    ]
    ball = Catch(1, canvas=6, field=3, cell=2, render_mode="ansi")
    place(ball, place=[[0, 0]], ball=[[1, 2]], paddle=[1])
    assert ball.render() == ("field at 0, 0\n...\n..o\n.=.",)
    ball.step(np.array([2]))
    assert ball.render() == ("field at 0, 0\n...\n...\n..*",)


def test_pictures_frame_right_and_wrong() -> None:
    env = RepeatFirst(2, num_ranks=1, render_mode="rgb_array")
    place(env, symbols=[[3, 0, 2, 1]] * 2)
    env.step(np.array([3, 0]))
    right, wrong = env.render() or ()
    assert right.shape == wrong.shape == (400, 400, 3)
    assert (right == RIGHT).all(2).sum() == (wrong == WRONG).all(2).sum() > 500
    assert not (right == WRONG).all(2).any() and not (wrong == RIGHT).all(2).any()


def test_suits_are_drawn_as_cards() -> None:
    """White cards with a suit in red or black; what is not yet dealt lies face down."""
    env = RepeatFirst(2, num_ranks=1, render_mode="rgb_array")
    place(env, symbols=[[0, 0, 2, 1], [1, 0, 2, 1]])
    black, red = env.render() or ()
    for picture, ink, other in ((black, BLACK, RED), (red, RED, BLACK)):
        assert (picture == PAPER).all(2).sum() > 5000
        assert (picture == ink).all(2).sum() > 300 and not (picture == other).all(2).any()
        assert (picture == BACK).all(2).sum() > 4000 and (picture == NOW).all(2).sum() > 100


@pytest.mark.parametrize("name", ["RepeatPrevious", "RepeatFirst", "Reverse", "Copy", "Catch"])
def test_every_size_can_be_drawn(name: str) -> None:
    sizes: list[dict[str, Any]] = [{"difficulty": level} for level in ("easy", "medium", "hard")]
    sizes += {"Reverse": [{"num_symbols": 26}], "Catch": [{"canvas": 401}, {"canvas": 900, "field": 300}]}.get(name, [])
    for size in sizes:
        env = gymnasium.make(f"lhy_rl/{name}-v0", render_mode="rgb_array", **size)
        env.reset(seed=0)
        picture: Any = env.render()
        assert picture.shape == (400, 400, 3) and picture.dtype == np.uint8 and len(np.unique(picture)) > 3
