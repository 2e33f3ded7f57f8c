"""A reward from videos of an expert in another view: behaviour that looks like the expert's, whatever the view.

A discriminator learns from pairs of frames, ``ahead`` steps apart, to tell the expert's behaviour from failures. Both
are seen from another viewpoint and in other colours than the learner's own view, so a second head, which tells the
views (domains) apart, is used to make the features invariant to the view (Stadie et al. 2017):

    L = L_class(C(F(o_t), F(o_{t+n}))) + L_domain(D(F(o)))      F also ascends lambda L_domain, by gradient reversal,
                                                                or descends to where D cannot tell (Tzeng et al. 2015)

The domain head compares random behaviour in both views, so that only the view differs. (In the paper it gets all
frames; then behaviour differs, too, and the features lose it.) Three options that are not in the paper help to make the
features invariant:

    recolour         most frames of the class head are recoloured at random, so that it learns shapes and contacts;
                     the domain head sees the true colours
    learner_share    0: the class head never gets the learner's frames; all of them would be negative examples,
                     so that it would learn to take the learner's view for failure
    domain_steps     extra steps of the domain head, so that it keeps up with the features

The reward of a step is the class score of the pair that begins with it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import gymnasium as gym
import torch
import torch.nn.functional as F
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.rewards.discriminator_trainer import DiscriminatorTrainer
from lhy_rl.agents.rewards.frame_pairs import FramePairs, PairSource, ReplayedPairs, rollout_pairs
from lhy_rl.agents.rewards.held_out_videos import HeldOutVideos, held_out
from lhy_rl.agents.rewards.third_person_options import ThirdPersonOptions
from lhy_rl.core.errors import UserError
from lhy_rl.data.videos import Videos
from lhy_rl.functional.adversarial_penalties import gradient_penalty
from lhy_rl.functional.gradient_reversal import confusion_loss, reversal_ramp, reverse_gradient
from lhy_rl.nn.discriminators.third_person import ThirdPersonDiscriminator, random_colours
from lhy_rl.nn.rewards.learned_reward import RewardTransform
from lhy_rl.rollouts.rollout import Rollout

DOMAIN_SPEED = 3.0  # learning rate of the domain head, relative to that of the features
MOMENTUM = (0.5, 0.999)  # Adam's betas; with beta1 = 0.9 adversaries oscillate


class ThirdPersonReward(DiscriminatorTrainer):
    """Learns to recognise the expert's behaviour from its videos, with features invariant to the view.

    Args:
        space: Space of the learner's frames.
        expert: The expert's videos; None if nothing more is to be learned.
        failures: Videos of failures in the expert's view; None: there are none.
        own: Random behaviour in the learner's view; None: only the learner's rollouts are used.
        options: How the discriminator is built and trained.
        generator: Random numbers for the batches.
        device: Device of the network.

    Attributes:
        progress: Share of the training that is done, from 0 to 1; the ramp of the reversal follows it.
        knows: Whether the rewards tell held-out videos of the expert from those of failures; true if none are held out.
    """

    network: ThirdPersonDiscriminator

    def __init__(
        self,
        space: gym.Space[Any],
        expert: Videos | None,
        failures: Videos | None,
        own: Videos | None,
        options: ThirdPersonOptions,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        self.options = options
        network = ThirdPersonDiscriminator(space, options.network()).to(device)
        super().__init__(
            network,
            "autoencoder" if network.is_energy else "cnn",
            options.objective,
            generator,
            device,
            learning_rate=options.discriminator_learning_rate,
            weight_decay=options.discriminator_weight_decay,
        )
        heads = list(network.domain_head.parameters())
        rest = [p for name, p in network.named_parameters() if not name.startswith("domain_head")]
        self.optimizer = torch.optim.AdamW(
            [{"params": rest}, {"params": heads}], betas=MOMENTUM, weight_decay=options.discriminator_weight_decay,
            fused=True,
        )  # fmt: skip
        self.transform = RewardTransform(
            options.objective, options.reward if self.objective.kind == "logit" else "objective"
        )
        self.penalty = max(options.gradient_penalty, self.objective.penalty_weight)
        self.progress = 0.0
        self.held_out: HeldOutVideos | None = None
        if expert is not None and failures is not None:
            expert, failures = self._hold_out(expert, failures)
        kinds = {"expert": expert, "failures": failures, "random": own}
        self.kinds = {
            name: FramePairs.of(videos, options.ahead, device) for name, videos in kinds.items() if videos is not None
        }
        self.replay: deque[Tensor] = deque(maxlen=options.replay)  # (N, 2, H, W, 3) pairs of each round
        self.knows = True  # whether held-out videos, if any, are distinguished

    def _hold_out(self, expert: Videos, failures: Videos) -> tuple[Videos, Videos]:
        """Hold videos out for the test; returns the videos to learn from."""
        (expert, theirs), (failures, others) = (
            held_out(videos, self.options.held_out) for videos in (expert, failures)
        )
        if theirs is not None and others is not None:
            self.held_out = HeldOutVideos(theirs, others, self.options.ahead, self.device)
        return expert, failures

    # ------------------------------------------------------------------ learning
    def train(self, rollout: Rollout) -> Metrics:
        """Gradient steps on pairs of all kinds; the first round has more of them (the warm-up)."""
        if "expert" not in self.kinds:
            raise UserError("third-person imitation needs expert_videos; none were given")
        kinds, counts = self._drawn_from(rollout)
        of = {name: self._mask(counts, name) for name in kinds}
        others = ~of["expert"] & ~of["random"] if "random" in of else ~of["expert"]
        true_colours = self._true_colours(of)
        compared, theirs = self._views(of, true_colours)
        strength = self.options.reversal * (reversal_ramp(self.progress) if self.options.reversal_ramp else 1.0)
        self._set_learning_rates()
        self.network.train()
        steps = self.options.discriminator_steps + (0 if self.num_steps else self.options.discriminator_warmup)
        sums = torch.zeros(4, device=self.device)
        for _ in range(steps):
            f_now, f_later = self._features(kinds, counts, true_colours)
            scores = self.network.class_scores(f_now, f_later)
            real, fake = scores[of["expert"]], scores[others]
            loss = self.objective.discriminator_loss(real, fake, self.balance)
            if self.penalty:
                loss = loss + self.penalty * self._gradient_penalty(f_now, f_later, len(real))
            views = torch.cat([f_now[compared], f_later[compared]])
            self._train_domain_head(views.detach(), theirs)
            domain_loss, logits = self._domain_loss(views, theirs, strength)
            self.descend(loss + domain_loss, real, fake)
            with torch.no_grad():
                right = ((logits > 0) == (theirs > 0)).float()
                domain = (right[theirs > 0].mean() + right[theirs == 0].mean()) / 2
                sums += torch.stack([loss, self.accuracy(real, fake), domain_loss, domain])
        names = ("discriminator_loss", "discriminator_accuracy", "domain_loss", "domain_accuracy")
        metrics = {f"train/{name}": value for name, value in zip(names, (sums / max(steps, 1)).tolist(), strict=True)}
        return {**metrics, **self._test(), "train/reversal": strength}

    def _test(self) -> Metrics:
        """Test whether the rewards tell held-out videos apart."""
        if self.held_out is None:
            return {}
        share = self.held_out.ranked(self._rewards)
        self.knows = self.held_out.is_sure(share)
        return {"train/discriminator_accuracy_held_out": share}

    def _rewards(self, now: Tensor, later: Tensor) -> Tensor:
        """Rewards (N,) of pairs of frames (N, H, W, 3)."""
        f_now, f_later = self.network.read(torch.cat([now, later])).chunk(2)
        return self.transform(self.network.score(f_now, f_later))

    def _drawn_from(self, rollout: Rollout) -> tuple[dict[str, PairSource], dict[str, int]]:
        """The sources of the pairs in a gradient step, and the number of pairs of each; the expert's come first."""
        kinds: dict[str, PairSource] = dict(self.kinds)
        n = self.options.discriminator_batch_size
        learners = max(2, round(n * self.options.learner_share)) if self.options.learner_share else 0
        learners = learners if {"failures", "random"} <= kinds.keys() else n
        if learners:
            frames, pairs = rollout_pairs(rollout, self.options.ahead)
            self.replay.append(torch.as_tensor(frames[pairs]))
            kinds["learner"] = ReplayedPairs(list(self.replay), self.device)
        return kinds, {name: learners if name == "learner" else n for name in kinds}

    def _mask(self, counts: dict[str, int], kind: str) -> Tensor:
        """(N,) bool: the pairs of a gradient step that are of a kind."""
        return torch.tensor([name == kind for name, n in counts.items() for _ in range(n)], device=self.device)

    def _true_colours(self, of: dict[str, Tensor]) -> Tensor:
        """(N,) bool: the pairs in true colours: random behaviour, and the last of every other kind."""
        true = torch.zeros_like(of["expert"])
        for name, mask in of.items():
            places = mask.nonzero()[:, 0]
            true[places[0 if name == "random" else int(len(places) * self.options.recolour) :]] = True
        return true

    def _views(self, of: dict[str, Tensor], true_colours: Tensor) -> tuple[Tensor, Tensor]:
        """Indices (M,) of the domain head's pairs, and (2 M,) 1 for their frames in the expert's view, 0 for others."""
        matched = self.options.domain_pairs == "matched" and {"failures", "random"} <= of.keys()
        chosen = of["failures"] | of["random"] if matched else torch.ones_like(true_colours)
        compared = (chosen & true_colours).nonzero()[:, 0]
        theirs = of["expert"] | of["failures"] if "failures" in of else of["expert"]
        return compared, theirs[compared].float().repeat(2)

    def _features(self, kinds: dict[str, PairSource], counts: dict[str, int], true: Tensor) -> tuple[Tensor, Tensor]:
        """Draw pairs; returns the features (N, F) of their frames now, and of their frames later."""
        drawn = [kind.draw(counts[name], self.generator) for name, kind in kinds.items()]
        frames = torch.cat([torch.cat(now_or_later) for now_or_later in zip(*drawn, strict=True)])
        if not self.options.ahead:
            frames = frames[: len(true)]
        colours = None
        if self.options.recolour:
            colours = random_colours(len(frames), 1.0, self.generator, self.device)
            colours[true.repeat(len(frames) // len(true))] = torch.eye(3, device=self.device)
        features = self.network.features(frames, colours)
        return features[: len(true)], features[-len(true) :]

    def _set_learning_rates(self) -> None:
        """Set the learning rates of features and class head, and of the domain head, which must keep up with them."""
        left = 1 - self.progress if self.options.discriminator_decay else 1.0
        for group, speed in zip(self.optimizer.param_groups, (1, DOMAIN_SPEED), strict=True):
            group["lr"] = self.options.discriminator_learning_rate * speed * left

    def _train_domain_head(self, features: Tensor, theirs: Tensor) -> None:
        """Gradient steps of the domain head alone, on fixed features."""
        for _ in range(self.options.domain_steps):
            self.optimizer.zero_grad(set_to_none=True)
            F.binary_cross_entropy_with_logits(
                self.network.domain_logits(features), theirs, _balance(theirs)
            ).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()

    def _domain_loss(self, features: Tensor, theirs: Tensor, strength: float) -> tuple[Tensor, Tensor]:
        """The loss that trains the domain head to tell the views and the features to hide them; and the logits."""
        if self.options.confusion == "reversal":
            logits = self.network.domain_logits(reverse_gradient(features, strength))
            return F.binary_cross_entropy_with_logits(logits, theirs, _balance(theirs)), logits
        logits = self.network.domain_logits(features.detach())
        loss = F.binary_cross_entropy_with_logits(logits, theirs, _balance(theirs))
        fixed = {name: p.detach() for name, p in self.network.domain_head.named_parameters()}
        confused = torch.func.functional_call(self.network.domain_head, fixed, (features,))
        return loss + strength * confusion_loss(confused[..., 0]), logits

    def _gradient_penalty(self, now: Tensor, later: Tensor, n: int) -> Tensor:
        """Gradient penalty of the class score, between the expert's features and others (Gulrajani et al. 2017)."""
        pairs = torch.cat([now, later], -1).detach()
        others = pairs[n:][torch.randint(len(pairs) - n, (n,), generator=self.generator)]
        return gradient_penalty(lambda x: self.network.class_scores(*x.chunk(2, -1)), pairs[:n], others)

    # ------------------------------------------------------------------ the reward
    def relabel(self, rollout: Rollout) -> Metrics:
        frames, pairs = rollout_pairs(rollout, self.options.ahead)
        features = self.network.read(torch.as_tensor(frames).to(self.device))
        rewards = self.transform(self.network.score(features[pairs[:, 0]], features[pairs[:, 1]]))
        rollout.rewards = torch.zeros_like(rollout.rewards).masked_scatter(rollout.valid, rewards)
        return {"rollout/learned_reward_mean": float(rewards.mean())}

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "replay": list(self.replay), "progress": self.progress}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.replay = deque(state["replay"], maxlen=self.options.replay)
        self.progress = state["progress"]


def _balance(theirs: Tensor) -> Tensor:
    """Weights (N,) that balance the two views, given 1 for frames in the expert's view and 0 for others."""
    return torch.where(theirs > 0, 0.5 / theirs.mean(), 0.5 / (1 - theirs.mean()))
