"""``lhy_rl/ChatBandit-v0``: a chat of one reply, in which every reply is rewarded."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.trees import State
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.single import SingleEnv

LOW, HIGH = 5.0, 10.0
PROMPTS = (
    "How are you?", "What is your name?", "Where do you live?", "What do you do?", "Do you like music?",
    "What did you eat?", "Have you seen the film?", "Is it raining?", "Who won the game?", "Are you tired?",
    "What are you reading?", "Do you have a cat?", "Shall we meet?", "What time is it?", "Can you cook?",
    "Do you play chess?", "Did you sleep well?", "Where were you?", "Do you believe me?", "Tell me a joke.",
)  # fmt: skip
REPLIES = (
    "I don't know.", "Fine, and you?", "See you.", "Yes, I do.", "No, not at all.",
    "I would love to.", "Ask me later.", "That is a long story.", "By the river.", "Just call me Bo.",
    "Rice and beans.", "I teach children.", "It was great.", "Not yet.", "Only on Sundays.",
    "Why do you ask?", "Nearly noon.", "Nobody knows.", "Like a stone.", "Knock, knock.",
)  # fmt: skip


class ChatBandit(BatchedEnv):
    """
    ## Description

    A prompt comes, one of 20 replies is given, and the pair is rewarded with R(x, y): the smallest world in which the
    lecture's remark on policy gradients shows (Hung-yi Lee 2017, lecture 17). All rewards are positive, between 5
    and 10, so every reply that is tried becomes likelier, and the others less likely, whether it was good or bad. On
    average that does no harm; in a sample it does, for a bad reply that happened to be drawn becomes likelier, too.
    With R(x, y) - b, a reply that is worse than the average becomes less likely: the same mean, and a variance that is
    28 times less at the uniform policy.

    ## Action Space

    `Discrete(20)`: the reply y, 0 to `num_replies` - 1.

    ## Observation Space

    `Discrete(20)`: the prompt x, 0 to `num_prompts` - 1.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | prompt      | 0   | 19  |

    ## Rewards

    R(x, y), a table that is drawn uniformly from 5 to 10 when the environment is made, with the seed `table_seed`.
    `reward_table` holds it, (X, Y). The best policy gives each prompt its best reply (`expert_action()`); a random one
    gets the table's mean, 7.65 with `table_seed=0`. `best_reward` and `random_reward` are these two numbers, and at the
    end `info["score"]` is the reward normalised with them: 0 for the random policy, 1 for the best, on average.

    ## Starting State

    A prompt, drawn uniformly.

    ## Episode End

    1. Termination: with the reply.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `num_prompts` | `20` | prompts, 1 to 20 |
    | `num_replies` | `20` | replies, 2 to 20 |
    | `table_seed` | `0` | draws the table of rewards, at least 0 |
    | `text` | `False` | whether `info["text"]` holds prompt and reply in words |
    | `render_mode` | `None` | `"ansi"`, prompt and reply in words |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/ChatBandit-v0", render_mode="ansi")
    >>> obs, info = env.reset(seed=0)
    >>> obs, reward, *_ = env.step(5)
    >>> print(env.render())
    - Where were you?
    - I would love to. (5.4)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/ChatBandit-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 2}

    def __init__(
        self,
        num_envs: int = 1,
        num_prompts: int = 20,
        num_replies: int = 20,
        table_seed: int = 0,
        text: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.num_prompts = validation.integer("num_prompts", num_prompts, 1, len(PROMPTS))
        self.num_replies = validation.integer("num_replies", num_replies, 2, len(REPLIES))
        drawn = np.random.default_rng(validation.integer("table_seed", table_seed, 0))
        self.reward_table = drawn.uniform(LOW, HIGH, (self.num_prompts, self.num_replies))
        self.best_reward = float(self.reward_table.max(1).mean())
        self.random_reward = float(self.reward_table.mean())
        self.text = validation.flag("text", text)
        super().__init__(
            num_envs,
            Discrete(self.num_prompts),
            Discrete(self.num_replies),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {"prompt": rng.integers(self.num_prompts, size=n), "reply": np.full(n, -1)}

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        return {"prompt": state["prompt"], "reply": action}

    def observation(self, state: State) -> np.ndarray:
        return state["prompt"]

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        rewards: np.ndarray = self.reward_table[state["prompt"], action]
        return rewards

    def terminal(self, state: State) -> np.ndarray:
        replied: np.ndarray = state["reply"] >= 0
        return replied

    def info(self, state: State) -> dict[str, Any]:
        return {"text": np.array(self.frame(state), object)} if self.text else {}

    def final_info(self, state: State) -> dict[str, Any]:
        reward = self.reward_table[state["prompt"], state["reply"]]
        return {"score": (reward - self.random_reward) / (self.best_reward - self.random_reward)}

    def expert_action(self) -> np.ndarray:
        """(B,) the best replies."""
        best: np.ndarray = self.reward_table.argmax(1)[self.observe()]
        return best

    def frame(self, state: State) -> list[str]:
        lines = []
        for prompt, reply in zip(state["prompt"].tolist(), state["reply"].tolist(), strict=True):
            answer = f"{REPLIES[reply]} ({self.reward_table[prompt, reply]:.1f})" if reply >= 0 else ""
            lines.append(f"- {PROMPTS[prompt]}\n- {answer}")
        return lines


class ChatBanditEnv(SingleEnv):
    __doc__ = ChatBandit.__doc__
    batched = ChatBandit
