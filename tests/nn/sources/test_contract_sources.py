"""All source encoders, attentions and heads: one step at a time or all at once, and what a memory is."""

import gymnasium
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import SOURCE, SOURCE_MASK, TOKEN
from lhy_rl.core.trees import map_tree
from lhy_rl.nn.backbones.base import index_state, repeat_state
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.nn.sources import Reading, SourceEncoder, source_encoders
from lhy_rl.nn.sources.attention import attentions
from tests.nn.sources.blocks import TASK, L, block, make_policy

SETS = ("mean", "transformer")  # read in no direction
VARIANTS = [
    {"source_encoder": name, "attention": attention, "copy": copy}
    for name in source_encoders
    if name != "regions"  # of pictures
    for attention in ("none", *attentions)
    for copy in (False, True)
    if not (copy and (attention == "none" or name == "hred"))
]
TOGETHER = [
    *(
        {**variant, "source_bidirectional": variant["attention"] == "dot" and variant["source_encoder"] not in SETS}
        for variant in VARIANTS
    ),
    {"core": "lstm", "critic": "separate", "copy": True},
    {"core": None, "critic": "separate", "attention": "additive"},
    {"core": "lstm", "num_layers": 2, "source_encoder": "lstm", "source_bidirectional": True},
]


def named(options):
    return "-".join(str(value) for value in options.values())


@pytest.mark.parametrize("options", TOGETHER, ids=named)
def test_one_step_at_a_time_equals_the_whole_block(options):
    policy, (before, _, actions) = make_policy(**options), block(3, seed=1)
    start = torch.zeros(3, 5, dtype=torch.bool)
    start[0] = True
    state = policy.evaluate(before, actions, policy.initial_state(5), start).state  # other sources have been read
    obs, start, actions = block()
    whole = policy.evaluate(obs, actions, state, start, entropy=True)
    parts, after = [], state
    for t in range(len(start)):
        now = slice(t, t + 1)
        parts.append(
            policy.evaluate(map_tree(lambda x, n=now: x[n], obs), actions[now], after, start[now], entropy=True)
        )
        after = parts[-1].state
    for name in ("log_prob", "value", "entropy"):
        assert_close(getattr(whole, name), torch.cat([getattr(p, name) for p in parts]), atol=1e-5, rtol=1e-4)
    assert_close(whole.state, after, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("options", VARIANTS, ids=named)
def test_places_that_are_not_real_have_no_influence(options):
    policy, (obs, start, actions) = make_policy(**options), block()
    start[0] = True
    other = {
        **obs,
        SOURCE: torch.where(obs[SOURCE_MASK].bool(), obs[SOURCE], (obs[SOURCE] + 3) % TASK.observation_size),
    }
    assert not torch.equal(other[SOURCE], obs[SOURCE])
    state = policy.initial_state(5)
    for name in ("log_prob", "value"):
        one, two = (getattr(policy.evaluate(x, actions, state, start), name) for x in (obs, other))
        assert torch.equal(one, two)


@pytest.mark.parametrize("options", VARIANTS, ids=named)
def test_a_source_has_influence_on_its_episode_only(options):
    policy, (obs, start, actions) = make_policy(**options), block()
    start[0] = True
    start[4] = torch.tensor([True, False, False, False, False])
    source, mask = obs[SOURCE].clone(), obs[SOURCE_MASK].clone()
    source[4:, 0], mask[4:, 0] = torch.tensor([1, 2, 0, 3, 4]), 1
    obs = {**obs, SOURCE: source, SOURCE_MASK: mask}
    changed = {**obs, SOURCE: source.clone()}
    changed[SOURCE][4:, 0, 1] = 5
    end = next((t for t in range(5, len(start)) if start[t, 0]), len(start))
    state = policy.initial_state(5)
    one, two = (policy.evaluate(x, actions, state, start).log_prob for x in (obs, changed))
    differs = (one != two).detach()
    assert differs[4:end, 0].all() and not differs[:4].any() and not differs[:, 1:].any()


@pytest.mark.parametrize("options", [{}, {"copy": True}, {"attention": "none"}], ids=named)
def test_a_source_is_read_once_and_rides_in_the_memory(options):
    policy, (obs, _, _) = make_policy(**options), block(4, starts=0.0)
    calls = []
    policy.trunk.source.encoder.register_forward_hook(lambda *x: calls.append(len(x[1][0])))
    state, features = policy.initial_state(5), []
    with torch.no_grad():
        for t in range(4):
            seen = map_tree(lambda x, t=t: x[t], obs) if t == 0 else {TOKEN: obs[TOKEN][t]}  # it is not asked for again
            h, state = policy.step(seen, state)
            features.append(h)
        assert calls == [5]
        assert all(len(tensor) == 5 for tensor in state)
        # rows that are picked and repeated go on as they would have
        rows, seen = torch.tensor([4, 1]), {TOKEN: torch.tensor([3, 3, 2, 2])}
        picked, _ = policy.step(seen, repeat_state(index_state(state, rows), 2))
        alone, _ = policy.step({TOKEN: torch.tensor([1, 2, 1, 1, 3])}, state)
        assert_close(picked[2], alone[1], atol=1e-6, rtol=1e-5)
        assert calls == [5]
        # once it is read beforehand, nothing is read at the first step
        known = policy.read_sources(map_tree(lambda x: x[0], obs), policy.initial_state(5))
        h, _ = policy.step({TOKEN: obs[TOKEN][0]}, known)
        assert_close(h, features[0], atol=1e-6, rtol=1e-5)


def test_sources_at_the_starts_of_a_block_are_read_in_one_call():
    policy, (obs, start, actions) = make_policy(), block()
    start[0] = torch.tensor([True, True, False, True, True])
    calls = []
    policy.trunk.source.encoder.register_forward_hook(lambda *x: calls.append(len(x[1][0])))
    state = policy.read_sources(map_tree(lambda x: x[0], obs), policy.initial_state(5))
    policy.evaluate(obs, actions, state, start)
    assert calls == [5, int(start.sum())]


def test_only_the_reader_sees_the_source():
    policy = make_policy()
    assert policy.trunk.encoder.embedding.num_embeddings == TASK.observation_size  # of the one token, without layers
    masked = gymnasium.spaces.Dict(
        {**TASK.single_observation_space.spaces, "action_mask": gymnasium.spaces.MultiBinary(9)}
    )
    assert type(ActorCritic(masked, TASK.single_action_space).trunk.encoder) is type(policy.trunk.encoder)
    several = gymnasium.spaces.Dict({**masked.spaces, "step": gymnasium.spaces.Box(0, 1, (1,))})
    assert ActorCritic(several, TASK.single_action_space).trunk.encoder.keys == ["step", "token"]
    each_step = make_policy(source_encoder=None, source_size=None)
    assert each_step.trunk.source is None and each_step.trunk.encoder.keys == ["source", "source_mask", "token"]


class First(SourceEncoder):
    """A class of one's own: the first place of a set of vectors."""

    def __init__(self, space, options):
        super().__init__()
        self.linear = torch.nn.Linear(space.shape[1], options.size)

    def forward(self, source, mask):
        annotations = self.linear(source) * mask[..., None]
        return Reading(annotations[:, 0], annotations, mask)


class Regions(SourceEncoder):
    """A class of one's own: the four quarters of a picture."""

    places = 4

    def __init__(self, space, options):
        super().__init__()
        self.convolution = torch.nn.Conv2d(space.shape[0], options.size, 4, 4)

    def forward(self, source, mask):
        annotations = self.convolution(source.float() / 255).flatten(2).transpose(1, 2)  # (N, 4, E)
        return Reading(annotations.mean(1), annotations, annotations.new_ones(len(source), 4, dtype=torch.bool))


def test_pictures_are_read_into_regions():
    spaces = {TOKEN: gymnasium.spaces.Discrete(4), SOURCE: gymnasium.spaces.Box(0, 255, (3, 8, 8), np.uint8)}
    policy = ActorCritic(gymnasium.spaces.Dict(spaces), gymnasium.spaces.Discrete(4), source_encoder=Regions)
    obs = {TOKEN: torch.zeros(3, 2, dtype=torch.int64), SOURCE: torch.randint(256, (3, 2, 3, 8, 8), dtype=torch.uint8)}
    start = torch.tensor([[True, True], [False, True], [False, False]])
    new = policy.evaluate(obs, torch.zeros(3, 2, dtype=torch.int64), policy.initial_state(2), start)
    assert [tensor.shape for tensor in new.state] == [tensor.shape for tensor in policy.initial_state(2)]
    new.log_prob.sum().backward()
    assert policy.trunk.source.encoder.convolution.weight.grad.any()


@pytest.mark.parametrize("encoder", ["gru", "mean", First])
def test_a_source_of_vectors_and_an_encoder_of_ones_own(encoder):
    spaces = {"place": gymnasium.spaces.Discrete(4), SOURCE: gymnasium.spaces.Box(0, 1, (L, 2))}  # a set of points
    policy = ActorCritic(
        gymnasium.spaces.Dict(spaces), gymnasium.spaces.Discrete(3), source_encoder=encoder, attention="additive"
    )
    obs = {"place": torch.zeros(2, 3, dtype=torch.int64), SOURCE: torch.rand(2, 3, L, 2)}
    start = torch.tensor([[True] * 3, [False, True, False]])
    log_prob = policy.evaluate(obs, torch.zeros(2, 3, dtype=torch.int64), policy.initial_state(3), start).log_prob
    assert log_prob.shape == (2, 3) and log_prob.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": "dto"}, "unknown attention 'dto'; did you mean 'dot'?"),
        ({"source_encoder": "gur"}, "unknown source_encoder 'gur'; did you mean 'gru'?"),
        (
            {"copy": True, "source_encoder": None, "source_size": None},
            "copy is only for a source, but source_encoder is None",
        ),
        ({"copy": True, "attention": "none"}, "attention must not be none"),
        (
            {"copy": True, "source_encoder": "hred"},
            "allowed: a source of tokens, read by gru, lstm, mean or hred_tokens",
        ),
        (
            {"source_size": 5, "source_bidirectional": True},
            "source_size is 5; must be even with source_bidirectional",
        ),
        ({"source_size": 0}, "source_size is 0; allowed: at least 1"),
        (
            {"source_encoder": "mean", "source_bidirectional": True},
            "source_bidirectional is for gru, lstm, hred, hred_tokens; source_encoder 'mean' has no directions",
        ),
    ],
)
def test_options_that_cannot_be_used(options, message):
    with pytest.raises(UserError) as error:
        make_policy(**options)
    assert message in str(error.value)


@pytest.mark.parametrize("space", [gymnasium.spaces.Box(0, 1, (3,)), gymnasium.spaces.MultiDiscrete([2, 3])])
def test_a_source_that_cannot_be_read(space):
    observed = gymnasium.spaces.Dict({TOKEN: gymnasium.spaces.Discrete(3), SOURCE: space})
    with pytest.raises(UserError, match="source_encoder=None reads the key 'source' at every step as any other"):
        ActorCritic(observed, gymnasium.spaces.Discrete(2))
    with pytest.raises(UserError, match="copy needs a Discrete action space of words"):
        ActorCritic(TASK.single_observation_space, gymnasium.spaces.Box(0, 1, (1,), np.float32), copy=True)


def test_both_directions_of_no_source_are_refused():
    with pytest.raises(UserError, match="source_bidirectional is only for a source, but there is no key 'source'"):
        ActorCritic(gymnasium.spaces.Discrete(3), gymnasium.spaces.Discrete(2), source_bidirectional=True)
