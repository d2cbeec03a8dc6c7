"""What EfficientNet-lite0's layers are given for photos of disasters: the bounds of its 8-bit layers, written once.

``python -m model.training.photo_ranges DATA`` writes them for 256 photos of the ``train`` split. They are least,
greatest and mean values of channels; no photo can be had from them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from model.data.crisis import load_rows
from model.encoders.efficientnet import Blocks, folded, watched
from model.encoders.image import RANGES, packaged_state, prepare

_SHOWN = 256
FEWEST = 8
"""Photos looked at together, and the fewest that will do."""


@torch.inference_mode()
def photo_ranges(photos: Sequence[Path], blocks: Blocks) -> list[Tensor]:
    """Of each layer [3, in] float16, for 256 of these photos, ``FEWEST`` at least."""
    pixels = []
    for path in photos[:: max(1, len(photos) // _SHOWN)][:_SHOWN]:
        with Image.open(path) as photo:
            pixels.append(torch.from_numpy(prepare(photo)))
    batches = [torch.stack(pixels[i : i + FEWEST]) for i in range(0, len(pixels) - FEWEST + 1, FEWEST)]
    return [seen.kept() for seen in watched(blocks, batches)]


def main(data: Path) -> None:
    """Write them where the encoder reads them."""
    photos = sorted(row.image for row in load_rows(data) if row.image and row.split == "train")
    found = photo_ranges(photos, folded(packaged_state()))
    save_file({str(i): each for i, each in enumerate(found)}, RANGES)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
