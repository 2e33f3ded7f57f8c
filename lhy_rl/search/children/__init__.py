"""The networks that a search trains, by the name of the table that holds their results."""

from lhy_rl.core.registry import Registry

children = Registry(
    "live search",
    {
        "digits-cnn": "lhy_rl.search.children.digits_cnn:digits_cnn",
        "rules-digits": "lhy_rl.search.children.rule_mlp:rules_digits",
    },
)
