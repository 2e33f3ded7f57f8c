"""After an evaluation each part of a network is in the mode that it was in."""

from torch import nn

from lhy_rl.nn.layers.eval_mode import evaluating


def test_a_part_that_was_frozen_stays_frozen():
    network = nn.Sequential(nn.Dropout(), nn.Sequential(nn.BatchNorm1d(2), nn.Dropout()), nn.Dropout())
    for training in (True, False):
        network.train(training)
        network[1].train(not training)
        before = [module.training for module in network.modules()]
        with evaluating(network):
            assert not any(module.training for module in network.modules())
        assert [module.training for module in network.modules()] == before
