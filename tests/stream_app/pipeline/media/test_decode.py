"""Files that lie, break, explode or stand on their head."""

from __future__ import annotations

import contextlib
import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stream_app.pipeline.media.decode import MAX_SCANS, decode
from stream_app.pipeline.media.outcome import NotUsedError
from stream_app.pipeline.media.sniff import sniff, webp_size

LIMIT = 25_000_000


def picture(width=320, height=200, mode="RGB"):
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    return image.convert(mode)


def encoded(image, form="JPEG", **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def noise(width, height):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def small(image):
    return np.asarray(image.resize((32, 32)), dtype=np.uint8)


def png_header(width, height):
    """A PNG that claims to be of that size and holds next to nothing."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def webp_header(width, height):
    body = b"\x10\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = b"WEBPVP8X" + struct.pack("<I", 10) + body
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def refused(data, max_pixels=LIMIT):
    with pytest.raises(NotUsedError) as caught:
        decode(data, small, max_pixels)
    return caught.value


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_an_image_is_decoded(form):
    data = encoded(picture(), form)
    image = decode(data, small, LIMIT)
    assert image.pixels.shape == (32, 32, 3)
    assert image.pixels.dtype == np.uint8
    assert (image.width, image.height) == (320, 200)
    assert image.content_type == f"image/{form.lower()}"
    assert image.sha256 == hashlib.sha256(data).hexdigest()
    assert image.pixels[16, 2, 0] > 200
    assert image.pixels[16, 2, 2] < 60


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "I;16", "1"])
def test_every_mode_becomes_rgb(mode):
    data = encoded(picture().convert("L").convert("I;16") if mode == "I;16" else picture(mode=mode), "PNG")
    assert decode(data, small, LIMIT).pixels.shape == (32, 32, 3)


def test_a_cmyk_jpeg_keeps_its_colours():
    pixels = decode(encoded(picture(mode="CMYK")), small, LIMIT).pixels
    assert pixels[16, 2, 0] > 150 > pixels[16, 2, 2]
    assert pixels[16, 29, 2] > 150 > pixels[16, 29, 0]


@pytest.mark.parametrize(("orientation", "size"), [(1, (320, 200)), (3, (320, 200)), (6, (200, 320)), (8, (200, 320))])
def test_exif_turns_the_image_upright(orientation, size):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = decode(encoded(picture(), exif=exif), small, LIMIT)
    assert (image.width, image.height) == size
    red = {1: (16, 2), 3: (16, 29), 6: (2, 16), 8: (29, 16)}[orientation]
    assert image.pixels[red][0] > 200


def test_orientation_holds_for_a_jpeg_decoded_small():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode(encoded(picture(2000, 1200), exif=exif), small, LIMIT)
    assert (image.width, image.height) == (1200, 2000)
    assert image.pixels[2, 16, 0] > 200


def test_a_large_jpeg_is_decoded_no_larger_than_needed():
    seen = []

    def watch(image):
        seen.append(image.size)
        return small(image)

    image = decode(encoded(picture(4000, 2000)), watch, LIMIT)
    assert seen == [(1000, 500)]
    assert (image.width, image.height) == (4000, 2000)


def test_the_same_photo_at_another_size_has_a_near_hash():
    photo = noise(12, 8).resize((1200, 800), Image.Resampling.BICUBIC)
    hashes = [decode(encoded(photo.resize(size)), small, LIMIT).perceptual_hash for size in ((1200, 800), (600, 400))]
    other = decode(encoded(picture()), small, LIMIT).perceptual_hash
    distances = [(int(hashes[0], 16) ^ int(each, 16)).bit_count() for each in (hashes[1], other)]
    assert distances[0] <= 4 < 12 < distances[1]


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_only_the_first_frame_of_an_animation_counts(form):
    data = encoded(Image.new("RGB", (64, 64), "lime"), form, save_all=True, append_images=[picture(64, 64)] * 20)
    assert (decode(data, small, LIMIT).pixels[..., 1] > 200).all()


@pytest.mark.parametrize("header", [png_header(50_000, 50_000), webp_header(16_000, 16_000), png_header(6000, 6000)])
def test_a_bomb_is_known_by_its_header(header):
    error = refused(header)
    assert error.status == "too_large"
    assert "25,000,000" in error.reason


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (20_000, 100), (100, 2001)])
def test_strips_and_tracking_pixels_are_no_photos(size):
    assert refused(encoded(Image.new("RGB", size), "PNG")).status == "unsupported"


def test_a_strip_is_refused_before_anything_scales_it():
    def never(image):
        raise AssertionError("reached")

    with pytest.raises(NotUsedError, match="no photo"):
        decode(png_header(10_000_000, 2), never, LIMIT)


def test_a_jpeg_of_endless_scans_is_refused():
    data = encoded(noise(64, 64), progressive=True)
    start = data.index(b"\xff\xda")
    scan = data[start : data.index(b"\xff", start + 20)]
    assert refused(data[:-2] + scan * MAX_SCANS + data[-2:]).reason == "the JPEG has more than 100 scans"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(form, part):
    data = encoded(noise(200, 200), form)
    assert refused(data[: int(len(data) * part)]).status == "failed"


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a" + bytes(50), b"<svg/>", b"<html>", b"BM" + bytes(60), b"II*\0" + bytes(60)]
)
def test_other_formats_never_reach_a_decoder(data):
    assert refused(data).status == "unsupported"


def test_a_prepare_that_fails_costs_the_image_only():
    def broken(image):
        raise ZeroDivisionError("no")

    with pytest.raises(NotUsedError) as caught:
        decode(encoded(picture()), broken, LIMIT)
    assert caught.value.status == "failed"


@pytest.mark.parametrize("options", [{"quality": 80}, {"lossless": True}, {"exif": Image.Exif().tobytes()}])
def test_the_size_in_a_webp_header_is_pillows(options):
    data = encoded(noise(123, 77), "WEBP", **options)
    assert webp_size(data) == (123, 77)


@given(data=st.binary(max_size=64))
def test_any_bytes_have_a_format_and_a_size_or_none(data):
    assert sniff(data) in (None, "JPEG", "PNG", "WEBP")
    size = webp_size(data)
    assert size is None or min(size) >= 0


PHOTOS = [encoded(noise(48, 48), form) for form in ("JPEG", "PNG", "WEBP")]


@settings(max_examples=150, deadline=None)
@given(photo=st.sampled_from(PHOTOS), at=st.integers(12, 10_000), junk=st.binary(min_size=1, max_size=40))
def test_damaged_bytes_are_decoded_or_refused_and_nothing_else(photo, at, junk):
    at %= len(photo)
    damaged = photo[:at] + junk + photo[at + len(junk) :]
    with contextlib.suppress(NotUsedError):
        assert decode(damaged, small, LIMIT).pixels.shape == (32, 32, 3)
