"""InceptionV3's pooled features, the paper's image extractor. Its weights are the user's to supply."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Self, cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

SIZE = 299
"""Side of the square it takes, in pixels."""
WIDTH = 2048
"""Length of its feature vector."""
_UNUSED = ("fc.", "AuxLogits.")


class InceptionV3(nn.Module):
    """Frozen InceptionV3 (Szegedy et al. 2016) without its classifier: [b, 299, 299, 3] uint8 to [b, 2048].

    ``state`` holds its tensors under timm's names; :meth:`load` reads them from a file.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.body = empty_body()
        _fill(self.body, state)
        self.requires_grad_(False).eval()

    @classmethod
    def load(cls, weights: Path, sha256: str | None = None) -> Self:
        """Load ImageNet weights under timm's names from a safetensors file, checked against ``sha256`` if given.

        Raises:
            FileNotFoundError: no such file; the message says where such weights come from.
            ValueError: the hash or the tensors are not those of an InceptionV3.
        """
        if not weights.is_file():
            raise FileNotFoundError(
                f"there is no {weights}: InceptionV3 needs ImageNet weights as safetensors, for example the "
                "model.safetensors of timm/inception_v3.tv_in1k; they are not shipped with this project"
            )
        if sha256 and (found := hashlib.sha256(weights.read_bytes()).hexdigest()) != sha256.lower():
            raise ValueError(f"{weights} has SHA-256 {found}, expected {sha256}: it is another file or was damaged")
        state = {name: t for name, t in load_file(weights).items() if not name.startswith(_UNUSED)}
        try:
            return cls(state)
        except (ValueError, RuntimeError) as error:  # RuntimeError is torch's word for tensors of another shape
            raise ValueError(f"{weights} is not an InceptionV3 under timm's names: {error}") from error

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Tensor:
        """Features of RGB images; pixels are scaled to -1..1, as timm's default for these weights has it."""
        scaled = images.permute(0, 3, 1, 2).float() / 127.5 - 1
        return cast("Tensor", self.body(scaled))


def empty_body() -> nn.Module:
    """The network without numbers (on torch's meta device): drawing random ones would take seconds for nothing."""
    import timm

    with torch.device("meta"):
        return cast("nn.Module", timm.create_model("inception_v3", pretrained=False, num_classes=0))


def _fill(body: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give ``body`` its tensors; the batch counters, which ports from TensorFlow lack, do not matter."""
    counters = {name: torch.tensor(0) for name in body.state_dict() if name.endswith("num_batches_tracked")}
    missing, unexpected = body.load_state_dict({**counters, **state}, strict=False, assign=True)
    if missing or unexpected:
        raise ValueError(
            f"{len(missing)} tensors are missing ({', '.join(missing[:3])}), "
            f"{len(unexpected)} unknown ({', '.join(unexpected[:3])})"
        )
