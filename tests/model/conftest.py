"""An end of the photo encoder's own, as a model may bring one."""

import pytest


@pytest.fixture(scope="session")
def packaged_end():
    """The packaged end itself, under the names of a bundle's ``image.*``."""
    from safetensors.torch import load_file

    from model.encoders.efficientnet import folded
    from model.encoders.image import RANGES, packaged_state

    end, seen = folded(packaged_state())[-1], load_file(RANGES)
    first = len(seen) - len(end)
    return {
        name: value
        for i, layer in enumerate(end)
        for name, value in (
            (f"{i}.weight", layer.weight),
            (f"{i}.bias", layer.bias),
            (f"{i}.seen", seen[f"{first + i}"]),
        )
    }
