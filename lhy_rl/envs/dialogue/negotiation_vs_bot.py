"""``lhy_rl/NegotiationVsBot-v0``: divide a pool of items with a scripted partner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.envs.dialogue.negotiation import Negotiation
from lhy_rl.envs.dialogue.negotiation_bots import bayesian, partners
from lhy_rl.envs.dialogue.negotiation_spoken import Spoken
from lhy_rl.envs.dialogue.negotiation_tokens import NegotiationTokens
from lhy_rl.envs.game_versus import Partner, VersusPartner
from lhy_rl.envs.single import SingleEnv

LEVELS = ("moves", "words")


class NegotiationVsBot(VersusPartner):
    """
    ## Description

    The game of Deal or No Deal (Lewis et al. 2017, section 2.1) against a bot. A pool of books, hats and balls is to be
    divided. Each side sees what a type is worth to itself, not to the other; the whole pool is worth 10 points to each.
    Both take turns to name what they would keep, until one agrees to the other's last offer. Without an agreement after
    10 moves of both together both get nothing.

    The bot is chosen by `partner`, which can also be a function (`lhy_rl.envs.game_versus.Partner`). With k from 0 to
    4, the number of its own moves so far, they want:

    - `"random"`: a legal move, drawn uniformly.
    - `"hard"`: everything that is worth something to it; at its own last move it takes 4 points.
    - `"linear"`: 10 - 5 k/4 points.
    - `"boulware"`: 10 - 5 (k/4)^(1/.3) points, so that it concedes at the end (Faratin et al. 1998).
    - `"bayesian"`: as linear; of the offers that reach it the one that is best for both, with the other's values
      inferred from its offers (Hindriks and Tykhonov 2008).

    Two bots of the same kind reach, over all contexts (6,000 games):

    | `partner` | Points of each | Joint | Agreements | Pareto-optimal of these |
    |-----------|----------------|-------|------------|-------------------------|
    | `"random"` | 1.75 | 3.5 | 35 % | 23 % |
    | `"hard"` | 4.9 | 9.7 | 61 % | 100 % |
    | `"linear"` | 6.9 | 13.8 | 97 % | 74 % |
    | `"boulware"` | 6.4 | 12.9 | 92 % | 67 % |
    | `"bayesian"` | 7.4 | 14.7 | 99.6 % | 97 % |

    `lhy_rl/negotiation_v0` is the game for two learners. With `level="words"` actions, observations and masks are those
    of `lhy_rl/negotiation_tokens_v0`: a step is a word, and the bot answers with whole utterances.

    ## Action Space

    `Discrete(121)`, numbered as in OpenSpiel's game `bargaining`: 0 to 119 are the offers to keep some of up to 7
    items (books count fastest: 1 is one book, 8 one hat, 36 one ball), 120 agrees to the other's last offer.

    ## Observation Space

    A Dict: `observation` is `Box(0.0, 1.0, (78,), float32)`, and `action_mask`, `Box(0, 1, (121,), int8)`, says which
    actions are legal: offers that the pool can serve, and to agree once the bot has made an offer. Our agents read it.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 11 | the pool: for each type 4 steps of a thermometer | 0 | 1 |
    | 12 to 41 | own values: for each type 10 steps of a thermometer | 0 | 1 |
    | 42 to 54 | own last offer: whether there is one, and what it keeps, 4 steps for each type | 0 | 1 |
    | 55 to 67 | the bot's last offer: whether there is one, and what it leaves to oneself, likewise | 0 | 1 |
    | 68 to 77 | how many moves were made (one of 10); zeros when the game is over | 0 | 1 |

    ## Rewards

    At an agreement, by `reward`: `"selfish"`, a tenth of one's own points; `"joint"`, a twentieth of both sides'
    points; `"fair"`, a twentieth of one's own and a twentieth of the poorer side's. Without one, 0. An illegal move
    passes the turn on and costs 0.01.

    The exact optima over all 5,295 contexts: the best joint score is 15.06 points; an own score of 10 would be possible
    against a partner that agrees to everything. A random player (of legal moves) gets 2.6 points from the linear bot,
    the Bayesian bot 7.1. On held-out contexts PPO (`configs/ppo/negotiation`, half a CPU-minute) gets 7.1 from the
    linear bot, which itself gets 6.8 in its place.

    `info` holds `text`, the last utterance, and at the end of an episode `agreement`, `own`, `partner` and `joint`
    (points), and `pareto`: the deal is Pareto-optimal.

    ## Starting State

    A context of the split and the first to move are drawn, both uniformly; if that is the bot, it has moved.

    ## Episode End

    1. Termination: an agreement, or 10 moves of both together (`max_moves`).
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `partner` | `"linear"` | `"random"`, `"hard"`, `"linear"`, `"boulware"`, `"bayesian"`, or a function |
    | `reward` | `"selfish"` | `"selfish"`, `"joint"` or `"fair"` |
    | `contexts` | `"all"` | `"all"` 28 pools, or `"lewis"`: the 20 that the released dialogues are about |
    | `split` | `"train"` | `"train"` (4,258 contexts), `"held_out"` (a fifth, chosen by a hash: 1,037) or `"all"` |
    | `max_moves` | `10` | moves of both together, 2 to 100 |
    | `level` | `"moves"` | `"moves"`, or `"words"`: both speak word by word, as in `lhy_rl/negotiation_tokens_v0` |
    | `render_mode` | `None` | `"ansi"`, the transcript, or `"rgb_array"`, a 400 x 400 picture of it |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/NegotiationVsBot-v0", partner="boulware", render_mode="ansi")
    >>> obs, info = env.reset(seed=5)
    >>> info["text"]
    'I want 2 books and 2 hats and 2 balls.'
    >>> over = False
    >>> while not over:
    ...     action = env.unwrapped.expert_action()[0]  # the Bayesian bot's
    ...     obs, reward, over, truncated, info = env.step(action)
    >>> print(env.render())
    pool: 2 books and 2 hats and 2 balls
    bot_0 values: book 3, hat 1, ball 1
    bot_1 values: book 1, hat 1, ball 3
    bot_1: I want 2 books and 2 hats and 2 balls.
    bot_0: I want 2 books and 2 hats and 2 balls.
    bot_1: I want 2 books and 2 hats and 2 balls.
    bot_0: I want 2 books and 1 hat and 2 balls.
    bot_1: I want 2 books and 2 hats and 2 balls.
    bot_0: I want 2 books and 1 hat and 1 ball.
    bot_1: I want 2 books and 1 hat and 2 balls.
    bot_0: I want 2 books and 1 ball.
    bot_1: Deal.
    bot_0 gets 7, bot_1 gets 5
    (the learner is bot_0)
    >>> reward, info["agreement"], info["pareto"]
    (0.7, True, False)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/NegotiationVsBot-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        partner: str | Callable[..., Any] = "linear",
        reward: str = "selfish",
        contexts: str = "all",
        split: str = "train",
        max_moves: int = 10,
        level: str = "moves",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        words = validation.choice("level", level, LEVELS) == "words"
        options = {"reward": reward, "contexts": contexts, "split": split, "max_moves": max_moves}
        game = NegotiationTokens(**options) if words else Negotiation(**options)  # type: ignore[arg-type]
        plays = partners.get(partner) if isinstance(partner, str) else partner
        self.expert: Partner = Spoken(bayesian) if words else bayesian
        super().__init__(
            num_envs,
            game,
            Spoken(plays) if words and isinstance(partner, str) else plays,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )
        self.partner = partner

    def expert_action(self) -> np.ndarray:
        """(B,) the Bayesian bot's actions in the learner's place; see ``ScriptedExpert``."""
        state = self.snapshot()["state"]
        action = self.expert(self.game, state, state["seat"], np.random.default_rng(0))
        return np.where(self.game.terminal(state), 0, action)


class NegotiationVsBotEnv(SingleEnv):
    __doc__ = NegotiationVsBot.__doc__
    batched = NegotiationVsBot
    metadata: dict[str, Any]
