"""Self-play: a policy learns in games against itself.

Each player's own moves are an episode, and the other players are its environment; every policy that learns maximises
the return of its own seat with PPO (Schulman et al. 2017). The players improve together, each as the other's opponent,
as in AlphaGo (Silver et al. 2016) and in negotiating dialogue agents (Lewis et al. 2017, section 4).

    opponents   the current policy; or, in a share of the games, one from a pool of frozen earlier versions, so that
                it keeps beating them; or, with ``alternation``, one side frozen for some updates
    imitation   a player to imitate first, and one supervised step after every few updates, so that the language is
                preserved (Lewis et al. 2017: one per four)
    reference   KL(pi || pi_reference) at the visited states is measured, and may be a penalty on the reward:
                r - kl_coef (log pi(a|s) - log pi_reference(a|s))

With common interests (``reward: joint``) it finds a common language for a good division. With selfish interests it
finds the equilibrium that favours the first mover, not a fair one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lhy_rl.agents.common.agent import Agent, Metrics
from lhy_rl.agents.common.construction import defaults_of
from lhy_rl.agents.common.held_learner import HeldLearner
from lhy_rl.agents.dialogue.curriculum import Curriculum
from lhy_rl.agents.dialogue.language_drift import Imitation, penalize_drift, with_dropout
from lhy_rl.agents.dialogue.opponents import OpponentPool, frozen
from lhy_rl.agents.policy_gradient.ppo import PPO
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.saved_states import check_like
from lhy_rl.core.validation import check
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.checks import check_memory
from lhy_rl.rollouts.evaluate_games import evaluate_policies, summarize_games
from lhy_rl.rollouts.evaluate_policy import SEED
from lhy_rl.rollouts.game_sources import make_games, make_player
from lhy_rl.rollouts.games import Games
from lhy_rl.rollouts.pettingzoo_games import mask_in, without_mask
from lhy_rl.rollouts.rollout import Rollout
from lhy_rl.rollouts.self_play import PlayedGames, PolicyPlayer, play_games

POLICIES = ("shared", "independent")
OPPONENTS = ("current", "pool")
OF_VECTOR_ENVIRONMENTS = ("reward_model", "normalize_observations", "normalize_rewards")


class SelfPlay(HeldLearner, Agent):
    """Policies that learn by playing games with each other. A timestep is a move that was learned from.

    Args:
        env: The id of a game (``lhy_rl/negotiation_v0``), its rules (``BatchedGame``), an AEC or parallel environment
            of PettingZoo, its id there, or a callable that makes one. All players have the same spaces, and Discrete
            actions.
        n_games: Games that an update learns from, played to their ends.
        policies: ``shared``, one policy in all seats, or ``independent``, one for each.
        opponents: ``current``: the current policies play all seats; or ``pool``: in a share of the games frozen earlier
            versions play all seats but one, and their moves are not learned from.
        pool_size: Number of earlier versions that are kept.
        pool_interval: Updates between two additions to the pool.
        pool_share: Share of the games that are played against the pool.
        alternation: Independent policies: number of updates for which one side is frozen, then the other. A shared
            policy: updates until its frozen copy, the opponent in every game, is renewed. Null: all learn.
        demonstrations: What to imitate: the name of a scripted player of the game (``linear``), or in Python a function
            of the game's state; or recorded moves, an .npz or ``Demonstrations``, each episode one player's of a game;
            or ``people``, whose moves some games provide.
        imitation_updates: Supervised gradient steps before the first game is played.
        imitation_interval: Updates between further supervised steps; null: no further steps.
        imitation_games: Games of the demonstrator with itself, or recorded ones, per supervised step.
        imitation_learning_rate: Initial rate of those before the first game, falling to ``learning_rate`` (null: that).
        curriculum: Rules that change in training: the name of an attribute of the game's rules, and the values that it
            takes one after the other, each for an equal share of the moves: ``{max_turns: [2, 5, 8]}``.
        reference: The file of a saved ``selfplay`` agent, from which the KL penalty is measured; null takes the policy
            after imitation, if there was any.
        kl_coef: Weight of the KL penalty to the reference, usually 0.001 to 0.1; 0 only measures it.
        partners: Scripted players that an evaluation also plays with.
        num_envs: Copies of a PettingZoo environment that play side by side; our own games need none.
        **ppo: Options of ``ppo`` and of every agent; ``dropout`` applies to the supervised steps only.

    Logs the metrics of ``ppo`` (``rollout/ep_rew_mean`` is the mean score of the seats that learn,
    ``rollout/ep_len_mean`` the moves of a game), ``game/first_mover_return``, ``game/other_return``, the mean of each
    number that games end with (``game/agreement``), with independent policies ``game/return_<player>``, and
    ``train/imitation_loss`` and ``train/reference_kl`` (nats per move) if there is imitation or a reference.
    """

    takes_options_of = (PPO,)
    schedulable, changeable = PPO.schedulable, ("kl_coef",)
    learner: PPO

    def __init__(
        self,
        env: Any,
        *,
        n_games: int = 256,
        policies: str = "shared",
        opponents: str = "current",
        pool_size: int = 10,
        pool_interval: int = 10,
        pool_share: float = 0.5,
        alternation: int | None = None,
        demonstrations: Any = None,
        imitation_updates: int = 0,
        imitation_interval: int | None = None,
        imitation_games: int = 128,
        imitation_learning_rate: float | None = None,
        curriculum: Mapping[str, Sequence[Any]] | None = None,
        reference: str | None = None,
        kl_coef: float = 0.0,
        partners: Sequence[str] = (),
        num_envs: int = 8,
        batch_size: int = 1024,
        n_epochs: int = 4,
        gamma: float = 1.0,
        **ppo: Any,
    ) -> None:
        check(n_games=(n_games, 1), pool_size=(pool_size, 1), pool_interval=(pool_interval, 1), kl_coef=(kl_coef, 0))
        check(pool_share=(pool_share, 0, 1))
        check(alternation=(1 if alternation is None else alternation, 1))
        for name, given, allowed in (("policies", policies, POLICIES), ("opponents", opponents, OPPONENTS)):
            if given not in allowed:
                raise suggest(given, allowed, name)
        if alternation and opponents == "pool":
            raise UserError('opponents="pool" and alternation exclude each other; alternation must be None')
        for name in OF_VECTOR_ENVIRONMENTS:
            if ppo.get(name):
                raise UserError(f"{name} is {ppo[name]!r}; self-play uses the game's own observations and rewards")
        options = {"batch_size": batch_size, "n_epochs": n_epochs, "gamma": gamma, **ppo}
        dropout = options.pop("dropout", 0.0)
        check(dropout=(dropout, 0, 0.99))
        options = {name: options[name] for name in defaults_of(PPO) if name in options}
        games = make_games(env, num_envs)
        check_memory(games, n_games=n_games)
        count = 1 if policies == "shared" else len(games.players)
        seed = options.get("seed", 0) or 0
        self.learners = [with_dropout(PPO(games, **{**options, "seed": seed + i}), dropout) for i in range(count)]
        for learner in self.learners:
            vars(learner)["n_steps"] = 0  # steps are counted when they have been learned from
        self.learner = self.learners[0]
        self.env_id = env if isinstance(env, str) else None
        self.n_games = n_games
        self.opponents = opponents
        self.pool_interval, self.pool_share = pool_interval, pool_share
        self.alternation = alternation
        self.kl_coef = kl_coef
        self.partners = tuple(partners)
        for name in self.partners:
            make_player(games, name)
        self.imitation = Imitation(
            demonstrations, games, imitation_updates, imitation_interval, imitation_games, imitation_learning_rate
        )
        self.curriculum = Curriculum(curriculum, games)
        self.reference = None if reference is None else self.policies_of(reference)
        self.pool = OpponentPool(self.all_policies, 1 if alternation else pool_size)
        games.seed(seed)

    @property
    def games(self) -> Games:
        """The games that are played."""
        assert isinstance(self.learner.env, Games)
        return self.learner.env

    # ------------------------------------------------------------------ the game
    def update(self) -> Metrics:
        for learner in self.learners:
            learner.tie_parameters()
        if self.imitation.unfinished:
            return self.imitate()
        if self.reference is None and (self.imitation.done or self.kl_coef):
            self.reference = [frozen(policy) for policy in self.all_policies]
        self.set_stage()
        seats = self.take_seats()
        played = play_games(self.games, self.n_games, self.players(), seats)
        metrics = self.summary(played, seats)
        whose = seats[played.game, played.player]  # the player that made each move
        learned = 0
        for number, learner in enumerate(self.learners):
            moves = whose == number
            if moves.any() and self.learns(number):
                metrics |= self.train_learner(learner, number, played.rollout(moves, learner.policy))
                learned += int(moves.sum())
        if self.imitation.is_due(self.num_updates + 1):
            metrics |= self.imitate()
        self.num_timesteps += learned
        return metrics

    def set_stage(self) -> None:
        """Set the rules of the curriculum's current stage."""
        self.curriculum.apply(self.games, self.num_timesteps / max(self.total_timesteps, 1))

    def take_seats(self) -> np.ndarray:
        """(N, P) number of the policy in each seat: the policies that learn come first, then those of the pool."""
        shape = self.n_games, len(self.games.players)
        seats = np.zeros(shape, np.int64) if len(self.learners) == 1 else np.tile(np.arange(shape[1]), (shape[0], 1))
        shared_and_alternating = bool(self.alternation) and len(self.learners) == 1
        if self.opponents == "pool" or shared_and_alternating:
            interval = self.alternation or self.pool_interval
            if not len(self.pool) or (self.num_updates - self.imitation.first_updates) % interval == 0:
                self.pool.add()
            self.pool.seat(seats, 1.0 if shared_and_alternating else self.pool_share, self.games.rng)
        return seats

    def learns(self, number: int) -> bool:
        """Whether it is this policy's turn to learn."""
        if not self.alternation or len(self.learners) == 1:
            return True
        return (self.num_updates // self.alternation) % len(self.learners) == number

    def train_learner(self, learner: PPO, number: int, rollout: Rollout) -> Metrics:
        """Let one policy learn from its own moves, as PPO does."""
        metrics = {}
        if self.reference is not None:
            kl = penalize_drift(learner.policy, self.reference[number], rollout, self.kl_coef)
            metrics["train/reference_kl"] = kl
        learner.num_timesteps, learner.total_timesteps = self.num_timesteps, self.total_timesteps
        metrics |= learner.train(rollout)
        learner.collector.state = learner.policy.initial_state(self.env.num_envs)  # games do not go on into the next
        return metrics

    # ------------------------------------------------------------------ the language
    def imitate(self) -> Metrics:
        """One supervised step of each policy."""
        return {"train/imitation_loss": self.imitation.step(self.learners, self.games)}

    def policies_of(self, path: str) -> list[ActorCritic]:
        """The policies of a saved agent of the same kind, frozen, as the reference."""
        other = type(self).load(path, self.games.held_out(), self.device.type)
        if len(other.learners) != len(self.learners):
            raise UserError(f"reference {path!r} has {len(other.learners)} policies, not {len(self.learners)}")
        return [frozen(policy) for policy in other.all_policies]

    # ------------------------------------------------------------------ who plays
    @property
    def all_policies(self) -> list[ActorCritic]:
        """The policies that learn: one, or one for each seat."""
        return [learner.policy for learner in self.learners]

    @property
    def policies(self) -> dict[str, ActorCritic]:
        names = ["selfplay"] if len(self.learners) == 1 else list(self.games.players)
        return dict(zip(names, self.all_policies, strict=True))

    def players(self) -> list[PolicyPlayer]:
        """The policies that learn, followed by those of the pool."""
        for policy in self.all_policies:
            policy.eval()
        return [PolicyPlayer(policy, self.generator) for policy in [*self.all_policies, *self.pool.players]]

    def summary(self, played: PlayedGames, seats: np.ndarray) -> Metrics:
        """Metrics of the games of an update."""
        found = summarize_games(played, seats < len(self.learners))
        named = {"mean_return": "rollout/ep_rew_mean", "mean_episode_length": "rollout/ep_len_mean"}
        metrics = {named.get(key, f"game/{key}"): value for key, value in found.items() if key != "std_return"}
        if len(self.learners) > 1:
            each = zip(self.games.players, played.scores.mean(0).tolist(), strict=True)
            metrics |= {f"game/return_{name}": score for name, score in each}
        return metrics

    # ------------------------------------------------------------------ evaluation
    def evaluate(
        self, n_games: int = 1000, partner: Any = None, env: Any = None, seed: int = SEED, deterministic: bool = True
    ) -> dict[str, float]:
        """Mean results of the policies, in held-out games if there are any.

        Args:
            n_games: Number of games to play.
            partner: ``random``, or a scripted player of the game, in all seats but one; None plays with itself.
            env: Other games of the same spaces.
            seed: Seed of the games; same seed, same games.
            deterministic: Take the most probable actions.

        Returns:
            See :func:`lhy_rl.rollouts.evaluate_games.summarize_games`; with a partner, of the policy's own seat.
        """
        return self.play_evaluation(n_games, partner, env, seed, deterministic)[0]

    def play_evaluation(
        self, n_games: int, partner: Any = None, env: Any = None, seed: int = SEED, deterministic: bool = True
    ) -> tuple[dict[str, float], list[str]]:
        """As :meth:`evaluate`, with the transcripts of the games."""
        games = self.games.held_out() if env is None else make_games(env, self.env.num_envs)
        other = None if partner is None else make_player(games, partner)
        return evaluate_policies(games, n_games, self.all_policies, other, seed, deterministic)

    # ------------------------------------------------------------------ phases, predicting, saving
    @property
    def phase(self) -> str:
        return "imitation" if self.imitation.unfinished else "training"

    @property
    def phase_progress(self) -> tuple[int, int]:
        imitation = self.imitation
        return (imitation.done, imitation.first_updates) if imitation.unfinished else super().phase_progress

    @property
    def timestep(self) -> str:
        return "moves learned from"

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Any]:
        """As in every agent; also takes an observation of PettingZoo with its ``action_mask``.

        With independent policies the first player's policy acts; ``agent.learners`` has all.
        """
        mask = mask_in(observation, {}) if action_masks is None else action_masks
        return super().predict(without_mask(observation), state, episode_start, deterministic, mask)

    def set_env(self, env: Any) -> None:
        games = make_games(env, self.env.num_envs)
        if len(games.players) != len(self.games.players):
            raise UserError(f"the new game has {len(games.players)} players, not {len(self.games.players)}")
        for name in ("single_observation_space", "single_action_space"):
            if getattr(games, name) != getattr(self.env, name):
                raise UserError(f"the new game's {name} is {getattr(games, name)}, not {getattr(self.env, name)}")
        games.rng = self.games.rng
        for learner in self.learners:
            learner.env = games
        self.env_id = env if isinstance(env, str) else None

    def state_dict(self) -> dict[str, Any]:
        return {
            "learners": [learner.state_dict() for learner in self.learners],
            "games": self.games.rng.bit_generator.state,
            "pool": self.pool.state_dict(),
            "reference": None if self.reference is None else [policy.state_dict() for policy in self.reference],
            "imitated": self.imitation.done,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if len(state["learners"]) != len(self.learners):
            raise ValueError(f"it has {len(state['learners'])} policies, not {len(self.learners)}")
        for learner, one in zip(self.learners, state["learners"], strict=True):
            learner.load_state_dict(one)
        self.games.rng.bit_generator.state = state["games"]
        self.set_stage()
        self.pool.load_state_dict(state["pool"])
        self.imitation.done = int(state["imitated"])
        self.reference = None
        if state["reference"] is not None:
            self.reference = [frozen(policy) for policy in self.all_policies]
            for policy, weights in zip(self.reference, state["reference"], strict=True):
                check_like(weights, policy.state_dict(), "reference", shapes=True)
                policy.load_state_dict(weights)
