"""The parts of ``lhy_rl/SlotFilling-v0``: the domain, the user, the channel, the belief, the policies."""
