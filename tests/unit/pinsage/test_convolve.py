"""The convolution computes what the paper writes down, by hand and by PyG's own message passing."""

from __future__ import annotations

import numpy as np
import torch

from engine.models.pinsage.convolve import Convolve


def test_a_convolution_worked_out_by_hand() -> None:
    layer = Convolve(1, 1)
    with torch.no_grad():
        layer.project.weight.fill_(2.0)
        layer.project.bias.fill_(-1.0)
        layer.combine.weight.copy_(torch.tensor([[3.0, 0.5]]))
        layer.combine.bias.fill_(-2.0)
    inputs = torch.tensor([[1.0], [2.0], [0.25]])
    # Messages ReLU(2h - 1): 1, 3, 0. Node 0 pools .75 * 3 + .25 * 0 = 2.25, so 3 * 1 + .5 * 2.25 - 2 = 2.125.
    messages = layer.messages(inputs)
    assert messages.flatten().tolist() == [1.0, 3.0, 0.0]
    pooled = layer.pool(messages, torch.tensor([[1, 2]]), torch.tensor([[0.75, 0.25]]))
    assert pooled.item() == 2.25
    combined = layer.combine(torch.cat([inputs[:1], pooled], dim=1))
    assert combined.item() == 2.125
    assert layer.update_nodes(inputs[:1], pooled).item() == 1.0  # of length 1


def test_the_fused_path_equals_message_passing_over_edges() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    layer, nodes, width = Convolve(6, 5), 12, 4
    inputs = torch.randn(nodes, 6)
    neighbours = torch.from_numpy(rng.integers(0, nodes, (nodes, width)))
    weight = torch.rand(nodes, width)
    weight[3] = 0  # a node without neighbours
    edges = torch.stack([neighbours.flatten(), torch.arange(nodes).repeat_interleave(width)])
    fused = layer(inputs, torch.arange(nodes), neighbours, weight)
    assert torch.allclose(fused, layer.over_edges(inputs, edges, weight.flatten()), atol=1e-6)


def test_gradients_reach_every_weight_and_the_inputs_correctly() -> None:
    torch.manual_seed(1)
    layer = Convolve(3, 4).double()
    inputs = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    own, neighbours = torch.tensor([0, 2, 4]), torch.tensor([[1, 2], [0, 4], [3, 3]])
    weight = torch.tensor([[0.5, 0.5], [0.9, 0.1], [1.0, 0.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda h: layer(h, own, neighbours, weight), (inputs,))
    layer(inputs, own, neighbours, weight).square().sum().backward()
    for name, value in layer.named_parameters():
        assert value.grad is not None, name
        assert torch.isfinite(value.grad).all(), name
