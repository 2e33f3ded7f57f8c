"""The parts of ``lhy_rl/SlotFilling-v0``: what is talked about, the user, the channel, the belief, the policies."""
