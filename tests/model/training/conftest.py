"""A text encoder that costs nothing."""

import pytest
import torch


class Letters(torch.nn.Module):
    """A text encoder of nothing."""

    width, device = 4, torch.device("cpu")

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(4))

    def forward(self, ids, lengths):
        return self.scale * (ids.float().sum(1, keepdim=True) + torch.arange(4.0))

    def tokens(self, texts):
        return [[ord(c) % 7 for c in text[:8]] or [0] for text in texts]

    def freeze(self, layers):
        pass

    def for_service(self):
        return self


@pytest.fixture
def letters():
    """The class of an encoder with the face of ``TextEncoder`` that learns four numbers and loads no file."""
    return Letters


@pytest.fixture(scope="session")
def sk():
    """scikit-learn's metrics; asked for here, since each of pytest-xdist's workers imports every test file."""
    return pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with the train extra")
