import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from model.encoders.inception import SIZE, WIDTH, InceptionV3, empty_body


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights under timm's names, with the classifier a published file has."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("inception") / "model.safetensors"
    state = {}
    for name, tensor in empty_body().state_dict().items():
        if "num_batches_tracked" not in name:
            scale = (2 / max(tensor[0].numel(), 1)) ** 0.5
            ones = name.endswith(("bn.weight", "running_var"))
            state[name] = torch.ones(tensor.shape) if ones else torch.randn(tensor.shape) * scale * ("conv" in name)
    save_file({**state, "fc.weight": torch.zeros(1000, WIDTH), "fc.bias": torch.zeros(1000)}, path)
    return path


def test_pools_photos_to_2048_numbers_from_the_files_weights(weights: Path) -> None:
    model = InceptionV3.load(weights)
    photos = torch.randint(0, 256, (2, SIZE, SIZE, 3), dtype=torch.uint8)
    photos[0] = 0
    features = model(photos)
    assert features.shape == (2, WIDTH)
    assert features.isfinite().all()
    assert not torch.allclose(features[0], features[1])
    torch.testing.assert_close(features[1:], InceptionV3.load(weights)(photos[1:]), atol=1e-4, rtol=1e-4)
    assert not any(p.requires_grad for p in model.parameters())


def test_absent_weights_are_explained(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.safetensors: InceptionV3 needs ImageNet weights .* not shipped"):
        InceptionV3.load(tmp_path / "no.safetensors")


def test_the_hash_is_checked(weights: Path) -> None:
    InceptionV3.load(weights, hashlib.sha256(weights.read_bytes()).hexdigest().upper())
    with pytest.raises(ValueError, match="SHA-256"):
        InceptionV3.load(weights, "0" * 64)


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"not an InceptionV3 .* tensors are missing .* 1 unknown \(conv1\.weight\)"):
        InceptionV3.load(tmp_path / "other.safetensors")
    save_file({"Conv2d_1a_3x3.conv.weight": torch.zeros(1)}, tmp_path / "shape.safetensors")
    with pytest.raises(ValueError, match="not an InceptionV3"):
        InceptionV3.load(tmp_path / "shape.safetensors")
