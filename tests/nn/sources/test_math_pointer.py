"""Pointing: by hand, at sources of any length and order, and in blocks in which episodes begin."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete
from torch.testing import assert_close

import lhy_rl
from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import map_tree
from lhy_rl.nn.heads.pointer import PointerHead
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.nn.sources import SourceEncoder
from lhy_rl.rollouts.record_episodes import record

POINTER = {"head": "pointer", "core": None, "hidden_size": 16, "num_layers": 2, "source_encoder": "transformer"}


def spaces(n, actions=None):
    source = {"source": Box(0, 1, (n, 2)), "observation": Box(-1, 1, (4,)), "action_mask": Box(0, 1, (n,), np.int8)}
    return Dict(source), Discrete(n if actions is None else actions)


def make_policy(n=6, seed=0, **options):
    torch.manual_seed(seed)
    return ActorCritic(*spaces(n), **{**POINTER, **options}).eval()


def observed(steps=5, batch=4, n=6, seed=0):
    """Observations and starts; a source stays the same until the next start."""
    rng = np.random.default_rng(seed)
    start = rng.random((steps, batch)) < 0.4
    start[0] = True
    source = np.empty((steps, batch, n, 2), np.float32)
    for t, b in np.ndindex(steps, batch):
        source[t, b] = rng.random((n, 2)) if start[t, b] else source[t - 1, b]
    mask = (rng.random((steps, batch, n)) < 0.6).astype(np.int8)
    mask[..., 0] = 1
    obs = {"source": source, "observation": rng.random((steps, batch, 4), np.float32), "action_mask": mask}
    return map_tree(torch.from_numpy, obs), torch.from_numpy(start)


def test_the_head_by_hand():
    head = PointerHead(2, places=3, num_actions=4)
    with torch.no_grad():
        head.output.weight.copy_(torch.tensor([[1.0, -1.0]]))
        head.output.bias.zero_()
    features = torch.tensor([[0.5, 0.5, 1.0, 2.0, 3.0]])  # two features, the logits of three places; the fourth gets 0
    assert_close(head.logits(features), torch.tensor([[1.0, 2.0, 3.0, 0.0]]))
    mask = torch.tensor([[True, False, True, False]])
    expected = torch.softmax(torch.tensor([1.0, 3.0]), 0)
    actions = torch.tensor([0, 2])
    log_prob = head.log_prob(features.expand(2, -1), actions, action_mask=mask.expand(2, -1))
    assert_close(log_prob.exp(), expected)
    assert_close(head.evaluate(features.expand(2, -1), actions, mask.expand(2, -1)).log_prob, log_prob)
    assert head.noise((5,), None, torch.device("cpu")).shape == (5, 4)
    assert set(head.sample(features.expand(300, -1), action_mask=mask.expand(300, -1)).tolist()) == {0, 2}


@pytest.mark.parametrize("core", [None, "gru"])
def test_one_step_at_a_time_equals_the_whole_block(core):
    policy, (obs, start) = make_policy(core=core, critic="shared"), observed()
    actions = obs["action_mask"].float().argmax(-1)
    whole = policy.evaluate(obs, actions, policy.initial_state(4), start, entropy=True)
    state, parts = policy.initial_state(4), []
    for t in range(len(start)):
        now = slice(t, t + 1)
        obs_t = map_tree(lambda x, n=now: x[n], obs)
        parts.append(policy.evaluate(obs_t, actions[now], state, start[now], entropy=True))
        state = parts[-1].state
    for name in ("log_prob", "value", "entropy"):
        assert_close(getattr(whole, name), torch.cat([getattr(part, name) for part in parts]), atol=1e-5, rtol=1e-4)


def test_the_order_of_the_source_does_not_matter():
    policy, (obs, start) = make_policy(), observed()
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    moved = {**obs, "source": obs["source"][:, :, order], "action_mask": obs["action_mask"][..., order]}
    state, no_action = policy.initial_state(4), torch.zeros(5, 4, dtype=torch.int64)
    one, two = (policy.evaluate(x, no_action, state, start, all_actions=True).log_probs for x in (obs, moved))
    assert_close(two, one[..., order], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("encoder", ["transformer", "lstm"])
def test_weights_of_short_sources_read_long_ones(encoder):
    short, long = make_policy(4, 0, source_encoder=encoder), make_policy(9, 1, source_encoder=encoder)
    long.load_state_dict(short.state_dict())
    obs, start = observed(n=9)
    actions, _ = long.act(map_tree(lambda x: x[0], obs), long.initial_state(4), start[0], deterministic=True)
    assert obs["action_mask"][0].gather(1, actions[:, None]).all()


class Counting(SourceEncoder):
    """Remembers how many sources it read."""

    def __init__(self, space, options):
        super().__init__()
        self.inner = lhy_rl.nn.sources.source_encoders.get("mean")(space, options)

    def forward(self, source, mask):
        self.read = len(source)
        return self.inner(source, mask)


def test_equal_sources_side_by_side_are_read_once():
    policy, (obs, start) = make_policy(source_encoder=Counting), observed()
    first = map_tree(lambda x: x[:1, [0, 0, 1, 1, 1, 0]], obs)
    state, actions = policy.initial_state(6), torch.zeros(1, 6, dtype=torch.int64)
    together = policy.evaluate(first, actions, state, start[:1, [0] * 6]).log_prob
    assert policy.trunk.source.encoder.read == 3
    apart = []
    for i in range(6):
        one = map_tree(lambda x, i=i: x[:, i : i + 1], first)
        apart.append(policy.evaluate(one, actions[:, :1], policy.initial_state(1), start[:1, :1]).log_prob)
    assert_close(together, torch.cat(apart, 1))


def test_bad_input_is_one_line():
    with pytest.raises(UserError, match=r"needs an action for each of 6 places, Discrete\(6\), not Discrete\(5\)"):
        ActorCritic(*spaces(6, 5), **POINTER)
    with pytest.raises(UserError, match="there is no key 'source'"):
        ActorCritic(Box(0, 1, (3,)), Discrete(3), head="pointer")
    with pytest.raises(UserError, match="attention must not be none"):
        make_policy(attention="none")
    with pytest.raises(UserError, match="did you mean 'pointer'"):
        make_policy(head="pointr")
    policy, (obs, start) = make_policy(6), observed(n=8)
    with pytest.raises(UserError, match="a source has 8 positions, but this network was made for at most 6"):
        policy.act(map_tree(lambda x: x[0], obs), policy.initial_state(4), start[0])


def test_every_agent_takes_it():
    from lhy_rl.agents import A2C, BC, PPO, DAgger, Reinforce

    env = gymnasium.make_vec("lhy_rl/Tour-v0", num_envs=4, num_cities=5, autoreset_mode="SameStep")
    known, steps = record(env, lambda *_: (env.unwrapped.expert_action(), None), 8), {"n_steps": 10}
    options = {PPO: steps, A2C: steps, Reinforce: {}, BC: {"demonstrations": known, "gradient_steps": 3}}
    for kind, own in {**options, DAgger: {**steps, "gradient_steps": 3}}.items():
        agent = kind(env, **POINTER, seed=0, **own).learn(40)
        assert isinstance(agent.policy.actor, PointerHead) and agent.num_timesteps >= 40


@pytest.mark.parametrize("attention", ["dot", "additive", "coverage", "location"])
def test_where_no_place_is_open_nothing_is_found_whether_or_not_the_weights_are_kept(attention):
    torch.manual_seed(0)
    space, _ = spaces(7)
    policy = ActorCritic(space, Discrete(7), **{**POINTER, "attention": attention}, critic="shared").eval()
    (obs, start) = observed(n=6)
    longer = {**obs, "source": torch.cat([obs["source"], torch.rand(5, 4, 1, 2)], 2)}
    longer["action_mask"] = torch.cat([obs["action_mask"], torch.zeros(5, 4, 1, dtype=torch.int8)], 2)
    longer["action_mask"][2] = 0
    actions = torch.zeros(5, 4, dtype=torch.int64)
    values = []
    for kept in (False, True):
        policy.trunk.source.keeps_weights = kept
        values.append(policy.evaluate(longer, actions, policy.initial_state(4), start).value)
    assert_close(values[0], values[1])
    assert policy.trunk.source.kept_weights[2].abs().sum() == 0
