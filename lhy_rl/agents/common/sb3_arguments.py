"""Translates the constructor arguments of Stable-Baselines3: ``PPO("MlpPolicy", env, ent_coef=0.01)``.

Arguments with another name here are renamed, values that would change nothing are accepted, and everything else raises
an error of one line that says what to write. Arguments that are left out have our defaults, not theirs.
"""

from __future__ import annotations

import inspect
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym

from lhy_rl.agents.common.sb3_interface import SB3Interface
from lhy_rl.core.errors import UserError, brief, suggest
from lhy_rl.nn.encoders.select import default_encoder
from lhy_rl.nn.layers.activations import activations

Options = dict[str, Any]

POLICIES: dict[str, Options] = {  # a policy's name to the equivalent options
    "MlpPolicy": {},
    "CnnPolicy": {"encoder": "cnn"},
    "MultiInputPolicy": {"encoder": "dict"},
    "MlpLstmPolicy": {"core": "lstm"},
    "CnnLstmPolicy": {"encoder": "cnn", "core": "lstm"},
    "MultiInputLstmPolicy": {"encoder": "dict", "core": "lstm"},
}
NAMES = {"ent_coef": "entropy_coef", "vf_coef": "value_coef", "rms_prop_eps": "adam_epsilon"}
NO_SDE = "state-dependent exploration (gSDE) is not supported; leave it out, log_std_init sets the Gaussian noise"
NOT_HERE: dict[str, tuple[tuple[Any, ...], str]] = {  # argument: values that change nothing, and advice on others
    "use_sde": ((False,), NO_SDE),
    "sde_sample_freq": ((-1,), NO_SDE),
    "clip_range_vf": ((None,), "the critic's loss is never clipped; leave it out"),
    "rollout_buffer_class": ((None,), "rollouts are kept as arrays, not in a buffer class; leave it out"),
    "rollout_buffer_kwargs": ((None,), "rollouts are kept as arrays, not in a buffer class; leave it out"),
    "stats_window_size": ((100,), "returns are averaged over the last 100 episodes; leave it out"),
    "_init_setup_model": ((True,), "the networks are always built; leave it out"),
    "use_rms_prop": ((True,), "a2c always uses RMSprop, and ppo Adam; leave it out"),
    "monitor_wrapper": ((True, False), ""),
}
POLICY_NAMES = {
    "log_std_init": "log_std_init",
    "ortho_init": "orthogonal",
    "lstm_hidden_size": "hidden_size",
    "n_lstm_layers": "num_layers",
}
POLICY_NOT_HERE: dict[str, tuple[tuple[Any, ...], str]] = {
    **dict.fromkeys(("use_sde", "use_expln", "squash_output"), ((False,), NO_SDE)),
    "full_std": ((True,), NO_SDE),
    "normalize_images": ((True,), "images of bytes are always scaled to 0..1; leave it out"),
    "lstm_kwargs": ((None,), "the LSTM has torch's defaults; leave it out, or give the agent dropout="),
    "optimizer_class": ((None,), "a2c always uses RMSprop, and ppo Adam; leave it out"),
    "features_extractor_kwargs": ((None, {}), "give the agent embedding_size=, encoder_layers=, norm=, pooling="),
}
LOAD_NOT_HERE: dict[str, tuple[tuple[Any, ...], str]] = {
    "custom_objects": ((None, {}), "nothing here is pickled; give options by name: load(path, learning_rate=1e-4)"),
    "print_system_info": ((False,), "a run's result.json has the versions; leave it out"),
    "force_reset": ((True, False), ""),
}
SHARING = ("share_features_extractor", "shared_lstm", "enable_critic_lstm")
EXTRACTORS = {"FlattenExtractor": "auto", "CombinedExtractor": "dict", "NatureCNN": "cnn"}


@dataclass
class SB3Arguments:
    """Arguments that were given, but that our constructors do not take.

    Attributes:
        policy: The policy's name; None where none was given.
        verbose: 1 prints a table after updates.
        tensorboard_log: The folder for TensorBoard.
        schedules: Option to a function of the remaining share of ``learn`` (1 at the beginning, 0 at the end).
    """

    policy: str | None = None
    verbose: int = 0
    tensorboard_log: str | None = None
    schedules: dict[str, Callable[[float], float]] = field(default_factory=dict)

    def apply(self, agent: SB3Interface) -> None:
        """Set them on the agent.

        Raises:
            UserError: the named policy is not for the agent's observations.
        """
        agent.verbose, agent.tensorboard_log, agent.schedules = self.verbose, self.tensorboard_log, self.schedules
        if self.policy in ("MlpPolicy", "MlpLstmPolicy") and "encoder" not in agent.hyperparameters:
            space = agent.env.single_observation_space
            kind = self.policy.removeprefix("Mlp")
            if isinstance(space, gym.spaces.Dict):
                raise UserError(f"{self.policy} does not read Dict observations; write 'MultiInput{kind}'")
            if default_encoder(space).startswith("cnn"):
                raise UserError(f"these observations are images; write 'Cnn{kind}', or encoder='mlp' to flatten them")


def translate(
    kind: type[SB3Interface], allowed: set[str], given: tuple[Any, ...], options: Options
) -> tuple[tuple[Any, ...], Options, SB3Arguments]:
    """Translate the arguments given to an agent's constructor into its own options.

    Args:
        kind: The agent's class.
        allowed: Names of its options.
        given: Positional arguments: the environment, or the policy's name and the environment.
        options: Keyword arguments.

    Raises:
        UserError: an argument of Stable-Baselines3 that is not supported; the message says what to write.
    """
    arguments = SB3Arguments()
    given, options = _policy_and_environment(given, options, arguments)
    found: Options = dict(POLICIES.get(arguments.policy or "", {}))
    for word, value in options.items():
        if word in allowed:
            continue
        if word == "policy_kwargs":
            _enter(found, _policy_options({} if value is None else value, arguments))
        elif word == "verbose":
            if not isinstance(value, int):
                raise UserError(f"verbose is {brief(value)}; it must be 0, or 1 for a table")
            arguments.verbose = int(value)
        elif word == "tensorboard_log":
            arguments.tensorboard_log = None if value is None else os.fspath(value)
        elif NAMES.get(word) in allowed:
            _enter(found, {NAMES[word]: value})
        elif word in NOT_HERE:
            _refuse(word, value, NOT_HERE)
        else:
            found[word] = value  # unknown: the caller raises the error
    own = {word: value for word, value in options.items() if word in allowed}
    implied = POLICIES.get(arguments.policy or "", {})
    if twice := sorted(own.keys() & (found.keys() - implied.keys())):
        raise UserError(f"{twice[0]} is given twice, once under Stable-Baselines3's name; leave one out")
    options = found | own
    for word, value in options.items():
        if word in kind.schedulable and callable(value):
            arguments.schedules[word] = value
            values = [float(value(left)) for left in (1.0, 0.5, 0.0)]
            options[word] = next((rate for rate in values if rate > 0), values[0])
        elif word == "learning_rate" and callable(value):
            raise UserError(f"learning_rate is a function; {kind.__name__} takes a number")
    if "seed" in options and options["seed"] is None:
        options["seed"] = secrets.randbelow(2**31)
    return given, options, arguments


def translate_load(options: Options) -> Options:
    """The options of ``load``, without those arguments of Stable-Baselines3 that change nothing.

    Raises:
        UserError: one of them would change something.
    """
    for word in options.keys() & LOAD_NOT_HERE:
        _refuse(word, options[word], LOAD_NOT_HERE)
    return {word: value for word, value in options.items() if word not in LOAD_NOT_HERE}


def _policy_and_environment(
    given: tuple[Any, ...], options: Options, arguments: SB3Arguments
) -> tuple[tuple[Any, ...], Options]:
    """Take the policy out of what was given, and put the environment first."""
    options = dict(options)
    named = "policy" in options
    policy = options.pop("policy", None)
    if not named and given and (_is_policy(given[0]) or (len(given) == 2 and isinstance(given[0], str))):
        named, policy, given = True, given[0], given[1:]
    if named and not isinstance(policy, str):
        raise UserError(
            f"the policy is {brief(policy)}; write its name, or encoder= and core= for networks of your own"
        )
    if named and policy not in POLICIES:
        raise suggest(policy, POLICIES, "policy")
    arguments.policy = policy
    if "env" in options:
        given = (options.pop("env"), *given)
    if named and not given:
        raise UserError(f"{policy!r} is a policy; give the environment, too: ({policy!r}, 'CartPole-v1')")
    return given, options


def _is_policy(thing: Any) -> bool:
    """Whether this is a policy's name, or a class of Stable-Baselines3's policies."""
    if isinstance(thing, str):
        return thing.endswith("Policy") and "/" not in thing
    return inspect.isclass(thing) and hasattr(thing, "forward")


def _policy_options(given: Any, arguments: SB3Arguments) -> Options:
    """``policy_kwargs`` as options."""
    if not isinstance(given, Mapping):
        raise UserError(f"policy_kwargs is {brief(given)}; it must be a dict")
    found: Options = {}
    with_cnn = (arguments.policy or "").startswith("Cnn")
    for word, value in given.items():
        if word == "net_arch":
            _enter(found, _net_arch(value, arguments))
        elif word == "activation_fn":
            _enter(found, {"activation": _activation(value)})
        elif word == "features_extractor_class":
            name = getattr(value, "__name__", str(value))
            if name not in EXTRACTORS:
                raise UserError(f"features_extractor_class {name} cannot be used here; give the agent encoder= instead")
            if EXTRACTORS[name] != "auto":
                _enter(found, {"encoder": EXTRACTORS[name]})
        elif word == "features_extractor_kwargs" and set(value or {}) == {"features_dim"} and with_cnn:
            _enter(found, {"embedding_size": value["features_dim"]})
        elif word == "optimizer_kwargs":
            if set(value or {}) - {"eps"}:
                raise UserError(f"optimizer_kwargs is {brief(value)}; allowed: eps only")
            _enter(found, {"adam_epsilon": value["eps"]} if value else {})
        elif word in POLICY_NAMES:
            _enter(found, {POLICY_NAMES[word]: value})
        elif word in POLICY_NOT_HERE:
            _refuse(f"policy_kwargs {word}", value, POLICY_NOT_HERE, word)
        elif word not in SHARING:
            known = [*POLICY_NAMES, *POLICY_NOT_HERE, *SHARING, "net_arch", "activation_fn", "features_extractor_class"]
            raise suggest(word, [*known, "optimizer_kwargs"], "policy_kwargs")
    if given.get("enable_critic_lstm") is False and not given.get("shared_lstm"):
        raise UserError(
            "enable_critic_lstm is False; the critic always has a memory if the actor has one: give shared_lstm=True"
        )
    if given.get("shared_lstm") or (with_cnn and given.get("share_features_extractor")):
        _enter(found, {"critic": "shared"})
    elif with_cnn and given.get("share_features_extractor") is False:
        _enter(found, {"critic": "separate"})
    return found


def _net_arch(value: Any, arguments: SB3Arguments) -> Options:
    """``[64, 64]``, or the same for ``pi`` and ``vf``, as widths of an MLP's layers."""
    message = f"net_arch is {brief(value)}"
    if isinstance(value, list | tuple) and len(value) == 1 and isinstance(value[0], Mapping):
        value = value[0]  # as before Stable-Baselines3 1.8
    if isinstance(value, Mapping):
        if list(value.get("pi", [])) != list(value.get("vf", [])) or set(value) - {"pi", "vf"}:
            raise UserError(f"{message}; actor and critic have equal layers here: pi and vf must be equal")
        value = value.get("pi", [])
    if not isinstance(value, list | tuple) or not all(isinstance(size, int) and size > 0 for size in value):
        raise UserError(f"{message}; it must be a list of widths, or dict(pi=[...], vf=[...])")
    if value and arguments.policy not in (None, "MlpPolicy"):
        raise UserError(
            f"{message}: {arguments.policy} has no layers after its encoder or memory here; leave it out, "
            "embedding_size= and hidden_size= set the widths"
        )
    return {"hidden_sizes": list(value)} if value else {"encoder_layers": 0}


def _activation(value: Any) -> str:
    """The name of one of torch's activations."""
    name = getattr(value, "__name__", brief(value))
    for known in activations.names():
        if activations.place(known).endswith(f":{name}"):
            return known
    raise suggest(name, [activations.place(known).partition(":")[2] for known in activations.names()], "activation_fn")


def _enter(found: Options, more: Options) -> None:
    """Add options, each once.

    Raises:
        UserError: an option is there already with another value.
    """
    for word, value in more.items():
        if found.get(word, value) != value:
            raise UserError(f"{word} is given twice, as {brief(found[word])} and as {brief(value)}; leave one out")
        found[word] = value


def _refuse(word: str, value: Any, table: dict[str, tuple[tuple[Any, ...], str]], key: str | None = None) -> None:
    """Accept a value that changes nothing.

    Raises:
        UserError: any other value.
    """
    harmless, advice = table[key or word]
    if not any(value is one or (type(value) is type(one) and value == one) for one in harmless):
        raise UserError(f"{word} is {brief(value)}: {advice}")
