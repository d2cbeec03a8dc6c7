"""What is given as a reason is what the network weighed, not something like it."""

import torch

from model.serving.fused import explain


def test_the_weights_told_are_those_of_the_fusion_by_name():
    attention = torch.tensor([[0.7, 1.9, 0.4], [0.6, 0.0, 1.4]])
    pairs = torch.tensor([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
    both, text = explain(attention, pairs, torch.tensor([[True, True, True], [True, False, True]]))
    assert {name: round(w, 4) for name, w in both.attention.items()} == {"text": 0.7, "image": 1.9, "context": 0.4}
    told = {name: round(w, 4) for name, w in both.pairs.items()}
    assert told == {"text+image": 0.2, "text+context": 0.5, "image+context": 0.3}
    assert set(text.attention) == {"text", "context"}
    assert text.pairs == {"text+context": 1.0}
