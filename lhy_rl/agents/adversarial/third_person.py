"""Third-person imitation: learn from videos of an expert, taken from another viewpoint (Stadie et al. 2017).

    videos          frames of the expert, from its camera and in its colours; no actions
    discriminator   tells whether behaviour looks like the expert's, by features that do not reveal the view (domain)
    generator       PPO or A2C, which maximises the discriminator's reward of its own view

An observation of the environment is a Dict with ``image``, which the discriminator reads, and ``state``, which the
policy reads; ``encoder: image`` lets the policy act from its own pixels. With videos of the learner's own view and
``reversal: 0`` this is first-person imitation from observation. ``lhy_rl.agents.rewards.third_person`` has the loss.

``translation_steps`` is the alternative: the videos are first translated into the learner's own view
(:mod:`~lhy_rl.agents.generative.view_translation`); with ``reversal: 0`` and ``recolour: 0`` the rest is imitation in
one view.

Use it where an expert can only be watched; where its actions were recorded, or the expert's view is the learner's own,
``gail`` needs less.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from lhy_rl.agents.adversarial.filmed_videos import filmed_videos, find_videos, image_space, learner_videos
from lhy_rl.agents.adversarial.gail import GENERATORS
from lhy_rl.agents.adversarial.third_person_figures import EPISODES, figures_of, translation_figure
from lhy_rl.agents.common.agent import Agent, Metrics
from lhy_rl.agents.common.construction import defaults_of
from lhy_rl.agents.common.held_learner import HeldGenerator
from lhy_rl.agents.common.on_policy import OnPolicy
from lhy_rl.agents.generative.view_translation import learn_translation, translated
from lhy_rl.agents.policy_gradient.ppo import PPO
from lhy_rl.agents.rewards.third_person import ThirdPersonReward
from lhy_rl.agents.rewards.third_person_options import ThirdPersonOptions
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.report_figures import ReportFigure
from lhy_rl.core.validation import check
from lhy_rl.data.videos import Videos
from lhy_rl.nn.generative.view_translator import ViewTranslator
from lhy_rl.rollouts.vector_envs import Environment

FIRST_SEED = 1_000_000  # seeds from here on are used by no training and no evaluation


class ThirdPerson(HeldGenerator, Agent):
    """Adversarial imitation of videos. A timestep is an environment step.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable; its observation is a Dict with ``image``.
        expert_videos: A GIF, an MP4, a folder of films or of pictures, an .npz of demonstrations, ``Videos``, or
            ``scripted:DOMAIN``: the environment's own expert, filmed in that domain; ``policy.zip:DOMAIN``: a saved
            policy of the state, of ours or Stable-Baselines3's, or a run's folder. Null: nothing is learned.
        failure_videos: Videos, as above, of failures in the expert's view: ``random:DOMAIN`` films random behaviour.
            Null: there are none, and the discriminator may take the expert's view itself for success.
        videos: Number of episodes to film of each kind.
        video_fps: Frames per second to resample films to; null takes all of their frames.
        random_behaviour: Also film random behaviour in the learner's own view, for the domain head to compare with
            ``failure_videos``.
        translation_steps: Gradient steps of a translator from the expert's view to the learner's own, which is then
            applied to all videos of the expert's view; 0: no translation. It learns from ``failure_videos`` and
            random behaviour in the learner's view, which should show the same behaviour.
        encoder: What the policy reads: ``state``, ``image``, or an encoder as in every agent.
        generator: ``ppo``, or ``a2c``, which takes one gradient step per round and only those options that it has.
        normalize_rewards: Divide learned rewards by the standard deviation of their discounted return.
        n_steps: Steps of each instance in a round; at the episode's length the discriminator sees whole episodes.
        **options: Options of the discriminator, of ``ppo``, and of every agent.

    Logs the metrics of ``ppo`` (``rollout/ep_rew_mean`` is the task's own return, which is not trained on) and
    ``rollout/learned_reward_mean``, ``train/discriminator_loss``, ``train/discriminator_accuracy``,
    ``train/domain_loss``, ``train/domain_accuracy``, ``train/reversal``, and where videos are held out
    ``train/discriminator_accuracy_held_out``. While that is near 0.5 the policy is not trained, and the ``train``
    metrics of ``ppo`` are missing.
    """

    takes_options_of = (ThirdPersonOptions, PPO)
    reports_steps = True
    schedulable = PPO.schedulable
    learner: OnPolicy
    discriminator: ThirdPersonReward

    def __init__(
        self,
        env: Environment,
        *,
        expert_videos: Any = None,
        failure_videos: Any = None,
        videos: int = 256,
        video_fps: float | None = None,
        random_behaviour: bool = True,
        translation_steps: int = 0,
        encoder: Any = "state",
        generator: str = "ppo",
        normalize_rewards: bool = True,
        n_steps: int = 50,
        **options: Any,
    ) -> None:
        if generator not in GENERATORS:
            raise suggest(generator, GENERATORS, "generator")
        check(videos=(videos, 1), translation_steps=(translation_steps, 0))
        names = [field.name for field in fields(ThirdPersonOptions)]
        chosen = ThirdPersonOptions(**{name: options.pop(name) for name in names if name in options})
        kind, ppo = GENERATORS[generator], {**defaults_of(PPO), **options}
        ppo |= {"normalize_rewards": normalize_rewards, "n_steps": n_steps, "encoder": encoder}
        self.learner = kind(env, **{name: ppo[name] for name in defaults_of(kind)})
        space = image_space(self.env)
        filmed: dict[str, Videos | None] = {"expert": None, "failures": None, "random": None}
        for place, (name, source) in enumerate({"expert": expert_videos, "failures": failure_videos}.items()):
            if source is not None:
                filmed[name] = find_videos(source, self.env, videos, FIRST_SEED + 3 * self.seed + place, video_fps)
        if random_behaviour and expert_videos is not None:
            filmed["random"] = filmed_videos("random", self.env, {}, videos, FIRST_SEED + 3 * self.seed + 2)
        self.translator: ViewTranslator | None = None
        self.translation: tuple[Videos, Videos, Videos] | None = None  # expert's, the same translated, learner's
        with self.randomness():
            if translation_steps and expert_videos is not None:
                filmed = self._translated(filmed, translation_steps)
            self.discriminator = ThirdPersonReward(
                space, filmed["expert"], filmed["failures"], filmed["random"], chosen, self.generator, self.device
            )
        self.learner.give_reward_model(self.discriminator)

    def _translated(self, filmed: dict[str, Videos | None], steps: int) -> dict[str, Videos | None]:
        """Translate the videos of the expert's view into the learner's own view."""
        expert, failures, own = filmed.values()
        if expert is None or failures is None or own is None:
            raise UserError(
                "translation_steps needs failure_videos and random_behaviour: the same behaviour in both views"
            )
        self.translator = learn_translation(failures, own, steps, self.generator, self.device)
        drawn = {
            name: translated(videos, self.translator, self.device)
            for name, videos in {"expert": expert, "failures": failures}.items()
        }
        self.translation = (expert, drawn["expert"], own)
        return {**drawn, "random": own}

    def update(self) -> Metrics:
        self.discriminator.progress = self.num_timesteps / max(self.total_timesteps, 1)
        rollout = self.learner.collect()
        metrics = self.discriminator.train(rollout)
        metrics |= self.discriminator.relabel(rollout)
        learned = self.learner.train(rollout) if self.discriminator.knows else self.learner.collector.episode_metrics()
        return {**learned, **metrics}

    def report_figures(self) -> list[ReportFigure]:
        """Frames, accuracies and features, see :mod:`~lhy_rl.agents.adversarial.third_person_figures`."""
        figures = figures_of(self.discriminator, learner_videos(self, self.env, EPISODES, FIRST_SEED - 1))
        return figures if self.translation is None else [translation_figure(*self.translation), *figures]
