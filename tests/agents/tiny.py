"""A language so small that everything can be enumerated, and a policy for it."""

import itertools

import gymnasium
import numpy as np
import torch

import lhy_rl  # noqa: F401
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.nn.decoding import token_log_probs
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.full_episodes import Episodes

V, T = 4, 4


def make_env(num_envs=64, **options):
    options = {"vocabulary_size": V, "max_length": T, "hidden_size": 4, "embedding_size": 4, **options}
    return gymnasium.make_vec("lhy_rl/OracleText-v0", num_envs=num_envs, **options)


def make_policy(env, seed=0, std=1.0):
    torch.manual_seed(seed)
    return ActorCritic(
        env.single_observation_space, env.single_action_space, hidden_size=6, embedding_size=4, init_std=std
    ).eval()


def all_sentences(v=V, t=T):
    tokens = np.array(list(itertools.product(range(v), repeat=t)))
    return TokenSequences(tokens, np.full(len(tokens), t))


def probabilities(policy, task, sentences):
    return np.exp(token_log_probs(policy, sentences, task).sum(1, dtype=np.float64))


def replay(policy, task, sentences):
    """The episodes in which a policy would have written these sentences."""
    tokens = torch.as_tensor(sentences.tokens)
    state, states = policy.initial_state(len(tokens)), []
    obs, seen = torch.full_like(tokens[:, 0], task.start_token), []
    for t in range(tokens.shape[1]):
        states.append(state)
        seen.append(obs)
        with torch.no_grad():
            _, state = policy.act(obs, state)
        obs = tokens[:, t]
    return Episodes(
        torch.stack(seen),
        tokens.T,
        torch.zeros(tokens.T.shape),
        torch.as_tensor(sentences.mask).T,
        tuple(torch.stack(s) for s in zip(*states, strict=True)),
    )


def hashed_reward(tokens, lengths):
    """An arbitrary reward of whole sentences, between 0 and 1."""
    place = torch.arange(1, tokens.shape[1] + 1)
    return torch.frac(torch.sin((tokens * place * place).sum(1).double() + 0.3) * 43.7).abs().float()
