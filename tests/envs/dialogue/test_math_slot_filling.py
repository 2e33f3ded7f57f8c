"""SlotFilling by hand: the belief, the channel, the user, the reward, the rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import ScriptedExpert
from lhy_rl.envs.dialogue.slot_filling import SlotFilling, SlotFillingEnv
from lhy_rl.envs.dialogue.slots import belief, channel, domain, policies, user
from lhy_rl.envs.dialogue.slots import system as speech

ASK, CONFIRM, OFFER, ANSWER, BYE = 0, 3, 6, 7, 8  # with three slots, of the first one
ANY = domain.DONTCARE


def system(kind: int, slot: int = 0, value: int = -1, place: int = user.NO_PLACE, **more: Any) -> user.SystemAct:
    """One act."""
    constraints = np.array([more.get("constraints", [ANY] * 3)])
    details = np.array([more.get("details", [False] * 5)])
    one = [np.array([x]) for x in (kind, slot, value, place)]
    return user.SystemAct(one[0], one[1], one[2], one[3], constraints, details)


def mind(goal: list[int], pending: list[bool], **more: Any) -> dict[str, np.ndarray]:
    """One user, who says the slots in order and wants to know the phone."""
    wanted = [False, True, False, False, False]
    state = {"goal": goal, "rank": [0, 1, 2], "pending": pending, "open": wanted, "wanted": wanted}
    state |= {"patience": 4, "slips": 0, "place": user.NO_PLACE} | more
    return {name: np.array([value]) for name, value in state.items()}


def nothing_heard(n: int = 1) -> channel.Heard:
    return channel.Heard(np.zeros((n, 3, domain.VALUES)), np.zeros((n, 5)), *np.zeros((3, n)))


def answered(goal: list[int], act: user.SystemAct, manners: str = "unfriendly", **more: Any) -> user.Utterance:
    pending = more.pop("pending", [False] * 3)
    places = np.array([[1, 2, 0], [3, 2, 1]])
    said, _ = user.reply(mind(goal, pending, **more), act, places, user.USERS[manners], np.random.default_rng(0))
    return said


def test_the_focus_rule() -> None:
    before = np.zeros((1, 3, domain.VALUES))
    before[0, 0, 2] = 0.5
    heard = nothing_heard()
    heard.values[0, 0, 4] = 0.6
    heard.values[0, 1, ANY] = 0.7
    heard.asks[0, 1] = 0.8
    after, asked = belief.update(before, np.array([[0.5] * 5]), heard, system(user.REQUEST))
    np.testing.assert_allclose(after[0, 0, [2, 4]], [0.4 * 0.5, 0.6])
    assert after[0, 1, ANY] == pytest.approx(0.7) and after[0, 2].sum() == 0
    np.testing.assert_allclose(asked[0, :2], [0.5, 0.5 + 0.5 * 0.8])


@pytest.mark.parametrize(("yes", "no", "expected"), [(0.9, 0.0, 0.1 * 0.4 + 0.9), (0.0, 0.9, 0.1 * 0.4), (0, 0, 0.4)])
def test_yes_says_the_value_again_and_no_takes_from_it(yes: float, no: float, expected: float) -> None:
    before = np.zeros((1, 3, domain.VALUES))
    before[0, 1, 3] = 0.4
    heard = nothing_heard()
    heard.yes[:], heard.no[:] = yes, no
    after, _ = belief.update(before, np.zeros((1, 5)), heard, system(user.CONFIRM, 1, 3))
    assert after[0, 1, 3] == pytest.approx(expected)
    after, _ = belief.update(before, np.zeros((1, 5)), heard, system(user.REQUEST, 1))
    assert after[0, 1, 3] == 0.4, "nothing was to be confirmed"


def test_hypotheses_and_what_is_looked_for() -> None:
    b = np.zeros((1, 3, domain.VALUES))
    b[0, 0, [1, 2]], b[0, 1, ANY], b[0, 2, 0] = [0.6, 0.3], 0.9, 0.2
    seen = belief.hypotheses(b)
    np.testing.assert_allclose(seen.top, [[0.6, 0, 0.2]])
    np.testing.assert_allclose(seen.second, [[0.3, 0, 0]])
    np.testing.assert_allclose(seen.none, [[0.1, 0.1, 0.8]])
    np.testing.assert_array_equal(seen.constraints, [[1, ANY, ANY]])  # of the last slot likelier nothing was heard
    places = np.array([[1, 0, 2], [1, 3, 0], [2, 3, 0]])
    np.testing.assert_array_equal(belief.matches(seen.constraints, places), [[True, True, False]])
    np.testing.assert_array_equal(belief.matches(np.array([[ANY, 3, 0]]), places), [[False, True, True]])


def said_often(n: int) -> user.Utterance:
    values = np.tile([3, 2, 1], (n, 1))
    no = np.zeros(n, bool)
    return user.Utterance(values, np.zeros((n, 5), bool), no, no, no)


def test_the_channels_confidences_are_pydials() -> None:
    n = 20_000
    heard = channel.transmit(said_often(n), domain.sizes(3), 0.0, np.random.default_rng(0))
    right = heard.values[:, [0, 1, 2], [3, 2, 1]]
    assert (heard.values.sum(2) == right).all() and not heard.acts[:, 1:].any(), "nothing else is heard"
    assert right.mean() == pytest.approx(0.869, abs=0.005) and right.var() == pytest.approx(0.029, abs=0.002)
    said = said_often(n)
    said.values[:, 1:] = -1  # one wish, so that no two fall together
    wrong = channel.transmit(said, domain.sizes(3), 1.0, np.random.default_rng(0))
    confidences = wrong.values[wrong.values > 0]
    assert confidences.mean() == pytest.approx(0.762, abs=0.01)
    assert confidences.var() == pytest.approx(0.051, abs=0.003)


def test_the_channels_errors_are_pydials() -> None:
    n = 30_000
    said = said_often(n)
    said.values[:, 1:] = -1  # one wish
    rng = np.random.default_rng(1)
    heard = channel.transmit(said, domain.sizes(3), 1.0, rng)
    assert not heard.values[:, 0, 3].any(), "all are wrong"
    here, elsewhere = heard.values[:, 0].any(1), heard.values[:, 1:].any((1, 2))
    shares = here.mean(), elsewhere.mean(), (~here & ~elsewhere).mean()
    np.testing.assert_allclose(shares, (0.5, 0.3, 0.2), atol=0.01)
    other = heard.acts[~here & ~elsewhere]
    np.testing.assert_allclose((other[:, 1:4] > 0).mean(0), 1 / 3, atol=0.02)  # yes, no, a question
    some = channel.transmit(said, domain.sizes(3), 0.3, rng)
    assert (some.values[:, 0, 3] > 0).mean() == pytest.approx(0.7, abs=0.01)


def test_values_that_a_slot_lacks_are_never_heard() -> None:
    heard = channel.transmit(said_often(20_000), domain.sizes(3), 1.0, np.random.default_rng(2))
    for slot, size in enumerate(domain.sizes(3)):
        assert not heard.values[:, slot, size:ANY].any() and heard.values[:, slot, ANY].any()


def test_the_user_answers_what_is_asked() -> None:
    said = answered([3, 2, ANY], system(user.REQUEST, 1))
    np.testing.assert_array_equal(said.values, [[-1, 2, -1]])
    np.testing.assert_array_equal(answered([3, 2, ANY], system(user.REQUEST, 2)).values, [[-1, -1, ANY]])


@pytest.mark.parametrize(("manners", "corrected"), [("friendly", 3), ("unfriendly", -1)])
def test_the_user_confirms(manners: str, corrected: int) -> None:
    said = answered([3, 2, 1], system(user.CONFIRM, 0, 3), manners)
    assert said.yes and not said.no and (said.values == -1).all()
    said = answered([3, 2, 1], system(user.CONFIRM, 0, 4), manners)
    assert said.no and not said.yes and said.values[0, 0] == corrected
    assert answered([ANY, 2, 1], system(user.CONFIRM, 0, 4), manners).no, "it does not matter to the user"


def test_the_user_judges_places() -> None:
    good = answered([3, 2, ANY], system(user.OFFER, place=1))
    assert not good.no and not good.bye
    np.testing.assert_array_equal(good.asks, [[False, True, False, False, False]])
    bad = answered([3, 2, 0], system(user.OFFER, place=1))
    assert bad.no and not bad.asks.any() and (bad.values == -1).all()
    none = answered([3, 2, 0], system(user.OFFER, place=user.NO_MATCH, constraints=[3, 4, 1]))
    np.testing.assert_array_equal(none.values, [[-1, 2, -1]])  # the first value that is wrong
    done = answered([3, 2, ANY], system(user.ANSWER, place=1), open=[False] * 5)
    assert done.bye


def test_nonsense_is_answered_from_the_agenda() -> None:
    for act in (system(user.ANSWER), system(user.CONFIRM, 0, -1)):
        said = answered([3, 2, 1], act, pending=[False, True, True])
        np.testing.assert_array_equal(said.values, [[-1, 2, -1]])


def test_a_friendly_user_says_more() -> None:
    n = 20_000
    state = {name: np.repeat(array, n, 0) for name, array in mind([3, 2, 1], [True] * 3).items()}
    said, pending = user.opening(state, user.USERS["friendly"], np.random.default_rng(0))
    number = (said.values >= 0).sum(1)
    np.testing.assert_allclose(np.bincount(number)[1:] / n, [0.6, 0.24, 0.16], atol=0.01)
    np.testing.assert_array_equal(pending, said.values < 0)
    said, _ = user.opening(state, user.USERS["unfriendly"], np.random.default_rng(0))
    assert ((said.values >= 0).sum(1) == 1).all()


def test_what_is_told_counts_for_the_place_that_suits() -> None:
    places = np.array([[1, 2, 0], [3, 2, 1]])
    rng = np.random.default_rng(0)
    phone = [False, True, False, False, False]
    there = mind([3, 2, 1], [False] * 3, place=1)
    assert not user.listen(there, system(user.ANSWER, place=1, details=phone), places, rng)["open"].any()
    assert user.listen(there, system(user.OFFER, place=1, details=phone), places, rng)["open"].any()
    other = mind([3, 2, 1], [False] * 3, place=0, open=[False] * 5)
    assert user.listen(other, system(user.OFFER, place=1), places, rng)["open"].any(), "asked for anew"


@pytest.mark.parametrize(("slips", "share"), [(0, 0.0), (1, 1 / 16), (3, 9 / 16), (4, 1.0)])
def test_misunderstandings_tire(slips: int, share: float) -> None:
    places, n = np.array([[1, 2, 0], [3, 2, 1]]), 4000
    state = {name: np.repeat(a, n, 0) for name, a in mind([3, 2, 1], [False] * 3, slips=slips).items()}
    one = system(user.OFFER, place=0)
    wrong = user.SystemAct(*(np.repeat(part, n, 0) for part in one))
    after = user.listen(state, wrong, places, np.random.default_rng(0))
    assert after["gave_up"].mean() == pytest.approx(share, abs=0.03) and (after["slips"] == slips + 1).all()
    right = wrong._replace(place=np.ones(n, np.int64))
    assert not user.listen(state, right, places, np.random.default_rng(0))["gave_up"].any()


def test_the_user_hangs_up_when_an_act_is_repeated() -> None:
    env = SlotFilling(300, error_rate=0.0, autoreset_mode="Disabled")
    env.reset(seed=0)
    patience = env.snapshot()["state"]["patience"]
    assert set(patience) == {4, 5, 6}
    for turn in range(1, 7):
        _, rewards, ended, _, infos = env.step(np.full(300, ASK))
        np.testing.assert_array_equal(ended, patience == turn)
        assert (rewards == -1).all() and not infos.get("success", np.zeros(1)).any()
        if ended.any():
            env.reset(options={"reset_mask": ended})
            patience = np.where(ended, 99, patience)  # these have begun again


@pytest.mark.parametrize(("reward", "good", "bad"), [("pydial", 20, 0), ("tcbot", 80, -40)])
def test_what_is_paid(reward: str, good: float, bad: float) -> None:
    env = SlotFilling(200, error_rate=0.0, reward=reward, autoreset_mode="SameStep")
    env.reset(seed=0)
    for _ in range(12):
        _, rewards, ended, _, infos = env.step(env.expert_action())
        assert (rewards[~ended] == -1).all() and (rewards[ended] == good - 1).all()
        if ended.any():
            assert infos["final_info"]["success"][ended].all()
    env.reset(seed=0)
    _, rewards, ended, _, _ = env.step(np.full(200, BYE))
    assert ended.all() and (rewards == bad - 1).all()


def test_a_dialogue_is_over_after_max_turns() -> None:
    env = SlotFilling(50, max_turns=3, autoreset_mode="Disabled")
    env.reset(seed=0)
    ended = [env.step(np.full(50, action))[2].all() for action in (ASK, ASK + 1, ASK)]
    assert ended == [False, False, True]


def test_places_are_offered_one_after_the_other() -> None:
    env = SlotFilling(1, error_rate=0.0, autoreset_mode="Disabled")
    env.reset(seed=0)
    state = env.snapshot()["state"]
    looked_for = np.array([[2, ANY, ANY]])
    state |= {"found": belief.matches(looked_for, env.places)}
    rows = np.flatnonzero(state["found"][0])
    assert len(rows) > 1
    offered = []
    for _ in range(len(rows) + 2):
        act = speech.act(state, np.array([OFFER]), 3)
        offered.append(int(act.place[0]))
        kept = state["found"]
        state = env.transition(state, np.array([OFFER]), np.random.default_rng(0)) | {"found": kept}
    assert offered == [*rows, user.NO_MATCH, rows[0]]


def played(policy: str | None, n: int = 400, **options: Any) -> tuple[float, float, float]:
    """Share of successes, mean return and mean turns of a policy by name, or of random legal acts."""
    env = SlotFilling(n, autoreset_mode="Disabled", **options)
    obs, infos = env.reset(seed=1)
    rng, total, going, success = np.random.default_rng(0), np.zeros(n), np.ones(n, bool), np.zeros(n, bool)
    turns = np.zeros(n)
    while going.any():
        mask = infos["action_mask"] if env.masks == "info" else np.ones((n, env.layout.num_actions))
        action = (rng.random(mask.shape) * mask).argmax(1)
        if policy is not None:
            action = env.handcrafted_action(obs, policy)
            assert env.masks == "none" or mask[np.arange(n), action][going].all(), "rules take legal acts"
        obs, rewards, ended, _, infos = env.step(action)
        total += rewards * going
        turns += going
        success |= going & ended & infos.get("success", success)
        going &= ~ended
        if ended.any():
            obs, again = env.reset(options={"reset_mask": ended})
            if env.masks == "info":
                infos["action_mask"][ended] = again["action_mask"][ended]
    return success.mean(), total.mean(), turns.mean()


@pytest.mark.parametrize("policy", policies.POLICIES)
@pytest.mark.parametrize("num_slots", [3, 6, 11])
def test_the_rules_fill_all_slots_where_all_is_heard(policy: str, num_slots: int) -> None:
    success, reward, turns = played(policy, 200, num_slots=num_slots, error_rate=0.0)
    assert success == 1 and reward == pytest.approx(20 - turns) and turns < 8


def test_the_rules_as_measured() -> None:
    """PyDial's own numbers: 100 / 14.1 / 5.9 without errors, about 96 / 11 / 8.5 with 15 %."""
    (easy, reward, _), (noisy, worse, turns), (worst, worst_reward, _) = (
        played("handcrafted", 1000, error_rate=rate) for rate in (0.0, 0.15, 0.3)
    )
    assert easy == 1 and 15 < reward < 15.6
    assert 0.94 < noisy < 0.975 and 13 < worse < 13.8 and 5.4 < turns < 6
    assert 0.83 < worst < 0.89 and 10 < worst_reward < 11
    assert played("handcrafted", 1000, user_model="unfriendly")[1] < worse


def test_random_acts_fail() -> None:
    success, reward, _ = played(None, action_masks="none")
    assert success < 0.15 and reward < -3
    assert played(None)[1] < -8


def test_masks_in_the_observation_are_those_of_the_infos() -> None:
    both = [SlotFilling(20, action_masks=masks, autoreset_mode="SameStep") for masks in ("info", "observation")]
    (plain, infos), (with_mask, none) = (env.reset(seed=3) for env in both)
    for _ in range(30):
        np.testing.assert_array_equal(plain, with_mask["observation"])
        np.testing.assert_array_equal(infos["action_mask"], with_mask["action_mask"])
        assert "action_mask" not in none and with_mask["action_mask"][:, :3].all()
        action = both[0].expert_action()
        np.testing.assert_array_equal(action, both[1].expert_action())
        plain, *_, infos = both[0].step(action)
        with_mask, *_, none = both[1].step(action)
    check_env(SlotFillingEnv(action_masks="observation"))
    assert isinstance(both[0], ScriptedExpert)


def test_pydials_settings() -> None:
    """Semantic error rate, masks and user of the benchmark's environments 1 to 6 (Casanueva et al. 2017, table 1)."""
    rates = [0.0, 0.0, 0.15, 0.15, 0.15, 0.30]
    assert list(domain.PYDIAL) == [f"env{number}" for number in range(1, 7)]
    assert [rate for rate, _, _ in domain.PYDIAL.values()] == rates
    for name, (rate, masks, manners) in domain.PYDIAL.items():
        _, infos = SlotFilling(1, error_rate=rate, action_masks=masks, user_model=manners).reset(seed=0)
        assert ("action_mask" in infos) == (name not in ("env2", "env4"))
        assert (manners == "unfriendly") == (name == "env5")


def test_turns_in_words() -> None:
    env = SlotFillingEnv(error_rate=0.0, text=True, render_mode="ansi", action_masks="none")
    _, info = env.reset(seed=1)
    assert info["text"].startswith("system: Hello") and "wish: " in env.render()
    words = "".join(env.step(action)[4]["text"] for action in (0, 3, 6, 7))
    assert "Which food would you like?" in words and "Did you say food" in words and "heard: " in words


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_slots": 4}, "num_slots=4 is not allowed; must be 3, 6 or 11"),
        ({"error_rate": 0.5}, "error_rate=0.5"),
        ({"user_model": "freindly"}, "did you mean 'friendly'"),
        ({"action_masks": True}, "action_masks"),
        ({"reward": "pydail"}, "did you mean 'pydial'"),
        ({"expert": "best"}, "expert"),
        ({"max_turns": 0}, "max_turns=0"),
        ({"database_seed": -1}, "database_seed=-1"),
    ],
    ids=str,
)
def test_bad_arguments_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        SlotFilling(1, **options)
    assert "\n" not in str(caught.value)
