"""Metadata that is a bomb, a lie or a nuisance never reaches a decoder; which way is up is still known."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from stream_app.pipeline.media.decode import decode
from stream_app.pipeline.media.essential import MAX_PARTS, essential, orientation
from stream_app.pipeline.media.outcome import NotUsedError

LIMIT = 25_000_000
FORMS = ("JPEG", "PNG", "WEBP")
# The fourth corner differs from the others in each way of turning.
CORNERS = Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8))
PICTURE = CORNERS.resize((64, 48), Image.Resampling.NEAREST)


def encoded(form, **options):
    out = io.BytesIO()
    if form != "PNG":
        options.setdefault("quality", 100)
    PICTURE.save(out, form, **options)
    return out.getvalue()


def small(image):
    return np.asarray(image.resize((32, 32)), dtype=np.uint8)


def exif(value, order="<"):
    tags = Image.Exif()
    tags.endian = order
    tags[0x010F] = "a camera"
    tags[0x0112] = value
    return tags.tobytes()


def chunk(kind, body=b""):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def segment(marker, body=b""):
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def directory(entries, size, kind=1):
    """A TIFF directory whose ``entries`` tags all point at the same ``size`` bytes."""
    at = 8 + 2 + 12 * entries + 4
    tags = b"".join(struct.pack("<HHII", 0x1000 + each, kind, size, at) for each in range(entries))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", entries) + tags + bytes(4 + size)


def with_chunks(*chunks):
    data = encoded("PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def with_segments(*segments):
    data = encoded("JPEG")
    return data[:2] + b"".join(segments) + data[2:]


def with_exif(form, tiff):
    if form == "PNG":
        return with_chunks(chunk(b"eXIf", tiff))
    if form == "JPEG":
        return with_segments(
            *(segment(0xE1, b"Exif\0\0" + tiff[at : at + 65_000]) for at in range(0, len(tiff), 65_000))
        )
    return encoded("WEBP", exif=b"Exif\0\0" + tiff)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(form, value, order):
    data = encoded(form, exif=exif(value, order))
    pixels = decode(data, small, LIMIT).pixels.astype(int)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB").resize((32, 32)))
    assert np.abs(pixels - expected).max() <= 2
    assert essential(data, form)[1] == value


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_without_metadata_is_the_same_picture(form):
    data = encoded(form)
    assert essential(data, form) == (data, 1)


@pytest.mark.parametrize(
    "data",
    [
        with_chunks(chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(50_000_000), 9))),
        with_chunks(*(chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1_000_000), 9)) for _ in range(100))),
        with_chunks(chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(bytes(50_000_000), 9))),
        with_chunks(chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)), chunk(b"fcTL", bytes(26))),
        with_segments(segment(0xE2, b"MPF\0" + directory(2000, 20_000, kind=3))),
        with_segments(segment(0xE2, b"ICC_PROFILE\0\1\xff" + bytes(60_000))),
        with_segments(*[segment(0xFE, b"comment")] * 1000),
        with_segments(segment(0xED, b"Photoshop 3.0\x008BIM" + bytes(1000))),
    ],
    ids=["iCCP", "zTXt", "iTXt", "APNG", "MPF", "ICC", "comments", "Photoshop"],
)
def test_what_a_picture_does_not_need_is_left_out(data):
    form = "PNG" if data.startswith(b"\x89PNG") else "JPEG"
    assert essential(data, form) == (encoded(form), 1)
    assert decode(data, small, LIMIT).pixels.shape == (32, 32, 3)


@pytest.mark.parametrize("form", FORMS)
def test_a_bomb_of_tags_costs_nothing_and_leaves_no_warnings_behind(form):
    # Pillow would warn of each tag, and Python remembers each warning: a stranger's way to fill memory.
    data = with_exif(form, directory(5000, 200_000))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert decode(data, small, LIMIT).pixels.shape == (32, 32, 3)
    assert not said


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("JPEG", with_segments(segment(0xFE) * (MAX_PARTS + 1))),
        ("PNG", with_chunks(chunk(b"IDAT") * (MAX_PARTS + 1))),
        ("JPEG", b"\xff\xd8" + b"\xff\xd0" * (MAX_PARTS + 1)),
    ],
)
def test_a_file_in_endless_parts_is_refused(form, data):
    with pytest.raises(NotUsedError, match="more than 10,000 parts") as caught:
        essential(data, form)
    assert caught.value.status == "unsupported"


@pytest.mark.parametrize(
    "data", [b"\xff\xd8\xff", b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe0\0\x10", b"\xff\xd8" + b"\xff" * 99]
)
def test_a_jpeg_that_ends_within_its_head_is_broken(data):
    with pytest.raises(NotUsedError, match="ends within its head") as caught:
        essential(data, "JPEG")
    assert caught.value.status == "failed"


@given(data=st.binary(max_size=300))
def test_any_bytes_have_an_orientation(data):
    for order in (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""):
        assert 1 <= orientation(order + data) <= 8


@settings(deadline=None)
@given(form=st.sampled_from(FORMS), at=st.integers(0, 10_000), junk=st.binary(min_size=1, max_size=30))
def test_damage_never_makes_a_file_longer_and_never_raises_anything_else(form, at, junk):
    data = with_exif(form, directory(3, 40))
    at %= len(data)
    damaged = data[:at] + junk + data[at + len(junk) :]
    with contextlib.suppress(NotUsedError):
        kept, turned = essential(damaged, form)
        assert len(kept) <= len(damaged)
        assert 1 <= turned <= 8


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_an_orientation_written_as_a_long_counts(value, order):
    """Some programs do so; exif.org's example images have it too."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    tiff = mark + struct.pack(f"{order}IHHHII", 8, 1, 0x0112, 4, 1, value) + bytes(4)
    assert orientation(b"Exif\0\0" + tiff) == value
