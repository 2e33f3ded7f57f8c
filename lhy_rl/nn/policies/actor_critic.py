"""The policy of every agent: encoder, then a sequence backbone or none, then an actor head and a critic head."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple, cast

import gymnasium as gym
import torch
from torch import Tensor, nn

from lhy_rl.core.errors import suggest
from lhy_rl.core.protocols import ACTION_MASK
from lhy_rl.core.trees import map_tree
from lhy_rl.core.validation import check
from lhy_rl.nn.acceleration.inventory import Inventory
from lhy_rl.nn.backbones.base import CoreChoice, State
from lhy_rl.nn.encoders.base import EncoderChoice, EncoderOptions
from lhy_rl.nn.heads.categorical import CategoricalHead
from lhy_rl.nn.heads.select import head_for
from lhy_rl.nn.policies.trunk import Trunk, draw_normal
from lhy_rl.nn.policies.unused_options import refuse_unused
from lhy_rl.nn.sources.base import SourceEncoderChoice, SourceOptions, unknown_range

CRITICS = ("shared", "separate", "none")
HEADS = ("auto", "pointer")


class Evaluation(NamedTuple):
    """The result of :meth:`ActorCritic.evaluate`; each tensor is (T, B)."""

    log_prob: Tensor
    value: Tensor | None
    entropy: Tensor | None = None
    """None unless requested."""
    log_probs: Tensor | None = None
    """(T, B, A) of all actions; None unless requested."""
    state: State = ()
    """The memory after the last step, the actor's and the critic's."""


class ActorCritic(nn.Module):
    """An actor and a critic, on shared or separate features.

    Observations are tensors, or dicts and tuples of tensors, as the space is. A dict's key ``action_mask`` is not
    observed but marks the legal actions; its key ``source``, with ``source_mask``, is read once per episode.

    Args:
        observation_space: ``Box`` (numbers or an image), ``Discrete``, ``MultiDiscrete`` or ``MultiBinary`` (tokens),
            or a ``Dict`` or ``Tuple`` of them.
        action_space: ``Discrete``, ``MultiDiscrete``, ``MultiBinary`` or ``Box`` of floats.
        encoder: Network for the observations: ``tokens``, ``mlp``, ``cnn``, ``cnn_small``, ``cnn_pooled``, ``dict``;
            ``capsule``; ``cnn_series`` for series; ``rntn``, ``mv_rnn``, ``recursive`` for trees; ``state`` or
            ``image`` for that part of a Dict alone; ``auto`` to fit the space; the file or the run folder of a trained
            ``vae`` or ``autoencoder``, such as ``vae.zip``; or a class of your own, as ``module:Class`` (a subclass
            of ``lhy_rl.nn.encoders.Encoder``).
        embedding_size: Width of the encoder's output and of an MLP's layers.
        encoder_layers: Number of layers of an MLP encoder.
        hidden_sizes: Widths of the encoder's dense layers, e.g. [64, 64], instead of ``encoder_layers`` layers of
            ``embedding_size``; also of those after a CNN's convolutions.
        activation: The encoder's activation: ``tanh``, ``relu``, ``selu``, ..., or ``auto`` (MLP tanh, CNN relu).
        norm: The encoder's normalisation: ``none``, ``batch`` or ``layer``.
        dense_layers: The encoder's dense layers: ``plain``, or ``highway``, with which dozens of layers train.
        pooling: A CNN encoder's pooling: ``strided``, ``max``, ``average``, ``lp`` or ``fractional``.
        encoder_options: Further options of the encoder: ``spatial_transformer``, ``crop``; ``routing_iterations``, ...;
            ``frozen`` for an encoder from a file, whose weights then stay fixed, ``features`` for the outputs of its
            last convolution instead of its code.
        core: Sequence backbone of the policy: ``rnn``, ``gru``, ``lstm``, ``stack_rnn``, ``memory_network``,
            ``attention``, ``ntm``, ``grid_lstm``, null for none, or a class of your own, as ``module:Class`` (a
            subclass of ``lhy_rl.nn.backbones.base.SequenceBackbone``).
        core_options: Further options of the backbone, e.g. {num_stacks: 1} for a ``stack_rnn``.
        hidden_size: Width of the backbone. A larger one fits more and overfits sooner.
        num_layers: Layers of the backbone, or hops of a memory network, and of a recurrent source encoder.
        dropout: Share of the encoder's and backbone's outputs dropped in training. Raise it against overfitting.
        source_encoder: Network that reads an episode's ``source``, once: ``gru``, ``lstm``, ``mean``, ``transformer``;
            ``hred``, ``hred_tokens`` for turns; ``regions`` for a picture; ``auto``: ``regions`` or ``gru``; null: read
            it at every step like all else; or ``module:Class`` (a subclass of ``lhy_rl.nn.sources.SourceEncoder``).
        source_size: Width of the source encoder's output; null takes ``hidden_size``.
        source_bidirectional: Read a source in both directions, each with half of the width.
        attention: How a step attends to the places of a source: ``dot``, ``additive``; ``coverage``, which knows the
            weight that each place has had and repeats itself less; ``location``, which knows the last step's weights
            and moves on from there, even in sources longer than in training; or ``none``: every step reads only the
            encoder's final output (seq2seq).
        copy: Let the policy also copy words of the source by attention (pointer-generator), even out of vocabulary.
        unknown_words: Number of actions, the last ones, that are out-of-vocabulary words, such as names in a report:
            all are embedded as the same unknown word, and only ``copy`` can tell them apart.
        head: The actor's head: ``auto`` to fit the actions, or ``pointer``: actions 0 to L - 1 are places of the
            source, and any other actions follow them (Vinyals et al. 2015).
        critic: ``shared`` (on the actor's features), ``separate`` (an encoder and a backbone of its own) or ``none``.
        init_std: Draw all weights from N(0, init_std), as SeqGAN's code does with 0.1; null keeps torch's defaults.
        log_std_init: Initial log standard deviation of continuous actions. Lower it (-2) where that much noise makes
            the agent fall over at once.
        orthogonal: Initialise the weights orthogonally, as PPO's code does, so that the first policy is nearly uniform:
            gain sqrt(2) inside, 0.01 in the actor's and 1 in the critic's last layer (Engstrom et al. 2020); biases are
            0, except an LSTM's forget gate's of 1, with which it remembers from the start (Jozefowicz et al. 2015).

    Raises:
        UserError: A name is unknown, or no encoder or head fits a space.
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        *,
        encoder: EncoderChoice = "auto",
        embedding_size: int = 32,
        encoder_layers: int = 2,
        hidden_sizes: Sequence[int] | None = None,
        activation: str = "auto",
        norm: str = "none",
        dense_layers: str = "plain",
        pooling: str = "strided",
        encoder_options: dict[str, Any] | None = None,
        core: CoreChoice | None = "lstm",
        core_options: dict[str, Any] | None = None,
        hidden_size: int = 32,
        num_layers: int = 1,
        dropout: float = 0.0,
        source_encoder: SourceEncoderChoice | None = "auto",
        source_size: int | None = None,
        source_bidirectional: bool = False,
        attention: str = "dot",
        copy: bool = False,
        unknown_words: int = 0,
        head: str = "auto",
        critic: str = "shared",
        init_std: float | None = None,
        log_std_init: float = 0.0,
        orthogonal: bool = False,
    ) -> None:
        super().__init__()
        check(embedding_size=(embedding_size, 1), hidden_size=(hidden_size, 1), init_std=(init_std or 0.0, 0))
        check(encoder_layers=(encoder_layers, 0), num_layers=(num_layers, 1), dropout=(dropout, 0, 0.99))
        for given, allowed, what in ((critic, CRITICS, "critic"), (head, HEADS, "head")):
            if given not in allowed:
                raise suggest(given, allowed, what)
        further = {"hidden_sizes": hidden_sizes, "dense_layers": dense_layers, **(encoder_options or {})}
        options = EncoderOptions(embedding_size, encoder_layers, activation, norm, pooling).with_further(further)
        source = None
        if source_encoder is not None:
            width = hidden_size if source_size is None else source_size
            reading = (source_encoder, width, source_bidirectional, num_layers, attention, copy, head == "pointer")
            source = SourceOptions(*reading, unknown_range(action_space, unknown_words))
        parts = (observation_space, encoder, options, core, hidden_size, num_layers, dropout, source, core_options)
        self.observation_space = observation_space
        self.trunk = Trunk(*parts)
        asked = {"source_encoder": source_encoder, "source_size": source_size, "attention": attention, "copy": copy}
        asked |= {"source_bidirectional": source_bidirectional, "unknown_words": unknown_words, "head": head}
        refuse_unused(self.trunk, parts, asked)
        self.actor = head_for(action_space, self.trunk.output_size, log_std_init, self.trunk.copies, self.trunk.points)
        self.critic_trunk = Trunk(*parts) if critic == "separate" else None
        self.critic = nn.Linear(self.trunk.output_size, 1) if critic != "none" else None
        self.recurrent, self.reads_source = self.trunk.has_memory, self.trunk.source is not None
        if init_std is not None:
            draw_normal(self, init_std)
        if orthogonal:
            for trunk in (self.trunk, self.critic_trunk):
                if trunk is not None:
                    trunk.make_orthogonal()
            for layer, gain in ((self.actor.output, 0.01), (self.critic, 1.0)):
                if layer is not None and layer.out_features:
                    nn.init.orthogonal_(layer.weight, gain)
                    nn.init.zeros_(layer.bias)

    # ------------------------------------------------------------------ properties and memory
    @cached_property
    def inventory(self) -> Inventory:
        """The policy's modules and parameters, and whether one of them has a hook."""
        return Inventory(self)

    @property
    def free(self) -> bool:
        """Whether no parameter is frozen and no hook is registered, so that gradients may be computed by hand."""
        return not self.inventory.listened and not self.inventory.frozen

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return self.actor.output.weight.device

    @property
    def categorical(self) -> CategoricalHead:
        """The actor head of a policy whose actions are tokens."""
        assert isinstance(self.actor, CategoricalHead), "this policy's actions are not tokens"
        return self.actor

    def initial_state(self, batch_size: int) -> State:
        """The memory at the start of an episode: the actor's, then that of a separate critic; empty without one."""
        critic = self.critic_trunk.initial_state(batch_size) if self.critic_trunk is not None else ()
        return (*self.trunk.initial_state(batch_size), *critic)

    def split_state(self, state: State) -> tuple[State, State]:
        """The actor's part of a memory and the critic's."""
        k = len(state) if self.critic_trunk is None else len(state) // 2
        return state[:k], state[k:]

    @torch.no_grad()
    def read_sources(self, obs: Any, state: State) -> State:
        """The memory after reading the sources in the observations (B, ...), where the actor has not read them yet."""
        if not self.reads_source:
            return state
        actor_state, critic_state = self.split_state(state)
        core, _, source = self.trunk.read(map_tree(lambda x: x[None], obs), actor_state, None, 1)
        return (*core, *source, *critic_state)

    # ------------------------------------------------------------------ acting
    def step(self, obs: Any, state: State, start: Tensor | None = None) -> tuple[Tensor, State]:
        """One step of the actor: (B, ...) observations to (B, H) features; without ``start`` (B,) no episode begins.

        A separate critic's part of the memory is unchanged: the critic evaluates whole sequences only.
        """
        actor_state, critic_state = self.split_state(state)
        obs = map_tree(lambda x: x[None], obs)
        h, actor_state = self.trunk(obs, actor_state, start[None] if start is not None else None)
        return h[0], (*actor_state, *critic_state)

    @torch.no_grad()
    def act(
        self,
        obs: Any,
        state: State,
        start: Tensor | None = None,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
        temperature: float = 1.0,
        top_k: int | None = None,
        action_mask: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Choose actions for one step.

        Args:
            obs: (B, ...).
            state: Memory before the step.
            start: (B,) bool: an episode begins with this observation.
            generator: Random generator that actions are sampled with.
            deterministic: Take the most probable action.
            temperature: Temperature of the softmax; 0 is deterministic.
            top_k: Sample among the k most probable actions only.
            action_mask: (B, A) bool; the observation's ``action_mask`` if left out.
            noise: (B, A) from the head's :meth:`~lhy_rl.nn.heads.base.Head.noise`, in place of the generator.

        Returns:
            Actions (B, ...) and the memory after the step.
        """
        h, state = self.step(obs, state, start)
        action_mask = mask_of(obs) if action_mask is None else action_mask
        if noise is not None:
            return self.actor.draw(h, noise, action_mask), state
        return self.actor.sample(h, generator, 0.0 if deterministic else temperature, top_k, action_mask), state

    # ------------------------------------------------------------------ learning
    def evaluate(self, *given: Any, **options: Any) -> Evaluation:
        """Call the module, that is :meth:`forward`, so that hooks on the policy itself fire."""
        return cast(Evaluation, self(*given, **options))

    def forward(
        self,
        obs: Any,
        actions: Tensor,
        state: State,
        start: Tensor,
        mask: Tensor | None = None,
        temperature: float = 1.0,
        all_actions: bool = False,
        entropy: bool = False,
        action_mask: Tensor | None = None,
        features: Tensor | None = None,
        valid: Tensor | None = None,
    ) -> Evaluation:
        """Log-probabilities and values of steps, for learning.

        Args:
            obs: (T, B, ...).
            actions: (T, B, ...).
            state: Memory before the first step.
            start: (T, B) bool.
            mask: (T, B) bool: the steps whose log-probability to compute; it is 0 elsewhere.
            temperature: Temperature of the softmax; must be 1 with ``entropy``.
            all_actions: Also return the log-probabilities of all actions (for entropy and KL), a (T, B, A) tensor.
            entropy: Also return the entropies.
            action_mask: (T, B, A) bool; the observation's ``action_mask`` if left out.
            features: (T, B, H) inputs of the actor's head, if known already: the actor does not read the
                observations again, and its part of the memory is unchanged.
            valid: (T, B) bool: false at padding steps, which ``norm="batch"`` leaves out.

        Returns:
            Log-probability and, with a critic, value of each step, (T, B).
        """
        actor_state, critic_state = self.split_state(state)
        h, actor_state = self.trunk(obs, actor_state, start, valid) if features is None else (features, actor_state)
        value = None
        if self.critic is not None:
            features = h
            if self.critic_trunk is not None:
                features, critic_state = self.critic_trunk(obs, critic_state, start, valid)
            value = self._value_of(features)
        state = (*actor_state, *critic_state)
        action_mask = mask_of(obs) if action_mask is None else action_mask
        if all_actions:
            head = self.categorical
            log_probs = head.log_probs(h, temperature, action_mask)
            log_prob = log_probs.gather(-1, actions[..., None] - head.start)[..., 0]
            return Evaluation(log_prob, value, None, log_probs, state)
        rows = h.flatten(0, 1) if mask is None else h[mask]
        chosen = actions.flatten(0, 1) if mask is None else actions[mask]
        if action_mask is not None:
            action_mask = action_mask.flatten(0, 1) if mask is None else action_mask[mask]
        if entropy:
            log_prob, entropies = self.actor.evaluate(rows, chosen, action_mask)
        else:
            log_prob, entropies = self.actor.log_prob(rows, chosen, temperature, action_mask), None

        def place(x: Tensor) -> Tensor:
            return x.view(start.shape) if mask is None else h.new_zeros(start.shape).masked_scatter(mask, x)

        return Evaluation(place(log_prob), value, None if entropies is None else place(entropies), None, state)

    def value(self, obs: Any, state: State, start: Tensor) -> tuple[Tensor, State]:
        """(T, B, ...) observations to (T, B) values, and the critic's part of the memory after the last step."""
        actor_state, critic_state = self.split_state(state)
        trunk, memory = (self.trunk, actor_state) if self.critic_trunk is None else (self.critic_trunk, critic_state)
        h, memory = trunk(obs, memory, start)
        return self._value_of(h), memory

    def _value_of(self, h: Tensor) -> Tensor:
        """(T, B, H) features to (T, B) values; further columns are inputs of the actor's head only."""
        assert self.critic is not None, "this policy was made with critic='none'"
        features = h[..., : self.trunk.output_size] if h.shape[-1] > self.trunk.output_size else h
        return self.critic(features)[..., 0]  # type: ignore[no-any-return]


def mask_of(obs: Any) -> Tensor | None:
    """The mask of legal actions in an observation, if it has one."""
    return obs[ACTION_MASK].bool() if isinstance(obs, dict) and ACTION_MASK in obs else None
