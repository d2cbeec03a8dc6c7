"""Files that lie, break, explode or stand on their head."""

from __future__ import annotations

import contextlib
import hashlib
import io
import struct
import subprocess
import sys
import threading
import zlib
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stream_app.pipeline.media.avif import avif_pixels, without_metadata
from stream_app.pipeline.media.cut import CUT_SHORT
from stream_app.pipeline.media.decode import MAX_SCANS, decode
from stream_app.pipeline.media.gate import PixelGate
from stream_app.pipeline.media.outcome import NotUsedError
from stream_app.pipeline.media.sniff import sniff, webp_size

LIMIT = 25_000_000
FORMS = ("JPEG", "PNG", "WEBP", "AVIF")


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


@pytest.mark.parametrize("form", FORMS)
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


@pytest.mark.parametrize(("form", "part"), [*product(FORMS, [0.1, 0.5]), ("PNG", 0.9), ("WEBP", 0.9), ("AVIF", 0.9)])
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
    assert sniff(data) in (None, *FORMS)
    size = webp_size(data)
    assert size is None or min(size) >= 0


PHOTOS = [encoded(noise(48, 48), form) for form in FORMS]


@settings(max_examples=150, deadline=None)
@given(photo=st.sampled_from(PHOTOS), at=st.integers(12, 10_000), junk=st.binary(min_size=1, max_size=40))
def test_damaged_bytes_are_decoded_or_refused_and_nothing_else(photo, at, junk):
    at %= len(photo)
    damaged = photo[:at] + junk + photo[at + len(junk) :]
    with contextlib.suppress(NotUsedError):
        assert decode(damaged, small, LIMIT).pixels.shape == (32, 32, 3)


def test_a_grey_png_of_16_bits_is_as_bright_as_it_is():
    slope = np.tile(np.linspace(0, 65535, 64, dtype=np.uint16), (64, 1))
    pixels = decode(encoded(Image.fromarray(slope), "PNG"), np.asarray, LIMIT).pixels
    assert abs(pixels[..., 0].astype(int) - slope // 256).max() == 0
    other = Image.fromarray(np.ascontiguousarray(slope[:, ::-1]))
    hashes = {decode(encoded(each, "PNG"), small, LIMIT).perceptual_hash for each in (Image.fromarray(slope), other)}
    assert len(hashes) == 2


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "L", "RGB", "I;16"])
def test_what_is_transparent_stands_on_white(mode):
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((200, 0, 0, 255), (0, 0, 32, 64))
    if mode == "P":
        data = encoded(image.quantize(4), "PNG")
    elif mode in ("RGB", "L", "I;16"):
        key = (0, 0, 0) if mode == "RGB" else 0
        plain = image.convert("RGB") if mode == "RGB" else image.convert("L")
        data = encoded(plain if mode != "I;16" else plain.convert("I;16"), "PNG", transparency=key)
    else:
        data = encoded(image.convert("LA" if mode == "PA" else mode), "PNG")
    pixels = decode(data, np.asarray, LIMIT).pixels
    assert (pixels[:, 40:] == 255).all()
    assert (pixels[:, :30, 2] < 128).all()


def test_a_large_transparent_picture_stands_on_white_too():
    image = Image.new("RGBA", (2000, 2000), (0, 0, 0, 0))
    pixels = decode(encoded(image, "WEBP", lossless=True), small, LIMIT).pixels
    assert (pixels == 255).all()


def smooth(width=640, height=480):
    return noise(16, 12).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_cut_in_its_last_tenth_is_used_and_marked(progressive):
    data = encoded(smooth(), quality=90, progressive=progressive)
    whole = decode(data, small, LIMIT)
    cut = decode(data[: int(len(data) * 0.92)], small, LIMIT)
    assert (whole.flaw, cut.flaw) == (None, CUT_SHORT)
    assert (cut.width, cut.height) == (640, 480)
    assert (int(whole.perceptual_hash, 16) ^ int(cut.perceptual_hash, 16)).bit_count() <= 12


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_of_which_more_is_missing_is_refused(progressive):
    data = encoded(smooth(), quality=90, progressive=progressive)
    assert refused(data[: int(len(data) * 0.4)]).status == "failed"


def avif(width=640, height=480, **options):
    return encoded(picture(width, height), "AVIF", speed=10, **options)


def patched(data, width, height):
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def test_an_avifs_size_is_known_by_its_header():
    assert avif_pixels(avif()) == ((640, 480), 640 * 480)
    error = refused(patched(avif(), 50_000, 50_000))
    assert (error.status, "25,000,000" in error.reason) == ("too_large", True)


def test_an_avif_that_lies_about_its_size_is_known_by_its_sequence_header():
    data = patched(avif(1000, 1000), 64, 64)
    assert avif_pixels(data) == ((1000, 1000), 1_000_000)
    assert refused(data, max_pixels=500_000).status == "too_large"


def test_an_avif_animation_is_refused():
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "AVIF", save_all=True, append_images=frames[1:])
    assert refused(data).status == "unsupported"


@pytest.mark.parametrize(("orientation", "size"), [(1, (640, 480)), (6, (480, 640)), (3, (640, 480))])
def test_an_avif_is_turned_by_its_own_property_and_its_metadata_is_not_read(orientation, size):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "a camera"
    data = avif(exif=exif, xmp=b"<x:xmpmeta/>")
    image = decode(data, small, LIMIT)
    assert (image.width, image.height) == size
    assert image.pixels[{1: (16, 2), 3: (16, 29), 6: (2, 16)}[orientation]][0] > 200
    bare = without_metadata(data)
    assert len(bare) == len(data)
    with Image.open(io.BytesIO(bare)) as opened:
        assert b"a camera" not in opened.info.get("exif", b"")
        assert "xmp" not in opened.info


@pytest.mark.parametrize("brands", [b"heic\0\0\0\0mif1heic", b"mif1\0\0\0\0mif1heic"])
def test_heic_is_named(brands):
    data = struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + bytes(64)
    assert "HEIC" in refused(data).reason


def test_a_gate_lets_in_what_fits_and_a_large_one_has_its_turn():
    gate, inside, most, lock = PixelGate(), [0], [0], threading.Lock()

    def work(pixels):
        with gate.hold(pixels, 10):
            with lock:
                inside[0] += pixels
                most[0] = max(most[0], inside[0])
            threading.Event().wait(0.002)
            with lock:
                inside[0] -= pixels

    threads = [threading.Thread(target=work, args=(pixels,)) for pixels in [3, 10, 4, 12, 1, 0, 10, 5] * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (most[0], inside[0]) == (12, 0), "12 is more than the limit and went alone"


MEMORY = """
import resource, sys, threading
from PIL import Image
from model.encoders.image import prepare
from stream_app.pipeline.media.decode import decode
data = sys.stdin.buffer.read()
prepare(Image.new("RGB", (300, 300)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
threads = [threading.Thread(target=decode, args=(data, prepare, 25_000_000)) for _ in range(4)]
for each in threads: each.start()
for each in threads: each.join()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kB on Linux only")
def test_large_webps_are_decoded_one_at_a_time_within_their_memory():
    out = io.BytesIO()
    Image.new("RGB", (5000, 5000), "teal").save(out, "WEBP", quality=20, method=0)
    done = subprocess.run([sys.executable, "-c", MEMORY], input=out.getvalue(), capture_output=True, check=True)
    assert int(done.stdout) < 700
