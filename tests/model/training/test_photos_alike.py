"""All photos come to the network through one resize and one JPEG step, so that it cannot tell their source by these."""

import numpy as np
import pytest
from PIL import Image

from model.training.vectors import SHORT_SIDE, alike


@pytest.mark.parametrize("size", [(1200, 900), (320, 500), (40, 30), (7900, 320)])
def test_every_photo_has_the_same_short_side_and_is_a_jpeg(size):
    made = alike(Image.new("RGBA", size, "red"))
    assert min(made.size) == SHORT_SIDE
    assert made.format == "JPEG"
    assert made.width / made.height == pytest.approx(size[0] / size[1], rel=0.05)


def test_a_lossless_picture_looks_like_a_compressed_one():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (320, 400, 3), dtype=np.uint8))
    assert alike(noise).tobytes() != noise.tobytes()
