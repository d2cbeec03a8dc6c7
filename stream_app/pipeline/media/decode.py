"""Bytes to pixels, within limits that are checked on the header before a pixel is decoded."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import AvifImagePlugin, Image
from PIL.Image import Transpose

from stream_app.pipeline.media.avif import avif_pixels
from stream_app.pipeline.media.cut import CUT_SHORT, MAX_MISSING, ended, is_whole_but_less_sharp, rows_there
from stream_app.pipeline.media.essential import essential, orientation
from stream_app.pipeline.media.gate import DECODING
from stream_app.pipeline.media.outcome import MediaOutcome, NotUsedError, brief
from stream_app.pipeline.media.sniff import CONTENT_TYPES, Format, not_read, sniff, webp_size

Prepare = Callable[[Image.Image], NDArray[np.uint8]]

MIN_SIDE = 16
"""Pixels; below it is a tracking pixel or an icon."""

MAX_ASPECT = 20
"""Long side over short side. Scaling the short side of a 25,000,000 x 1 image to a model's input would be a bomb."""

MAX_SCANS = 100
"""Scans of a progressive JPEG, thumbnails' included; each is a pass over the image (libjpeg-turbo: "Two Issues")."""

DRAFT_SIDE = 448
"""Pixels: an image is made 1/2, 1/4 or 1/8 as large while both sides stay at least this, twice what models take. A JPEG
is decoded so; others are made smaller before anything else takes a copy of them."""


AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # our own threads are enough, and each of a decoder's holds memory

_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What turns an image of each EXIF orientation upright."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A usable image: ``pixels`` as ``prepare`` made them, ``width`` x ``height`` of the original, upright.

    ``perceptual_hash`` is the 64-bit DCT hash of ``pixels`` in hex (imagehash.phash; Zauner 2010, section 3.2.1).
    ``flaw`` says what is wrong with an image that is used all the same.
    """

    pixels: NDArray[np.uint8]
    content_type: str
    width: int
    height: int
    sha256: str
    perceptual_hash: str
    flaw: str | None = None

    def outcome(self, url: str, size_bytes: int) -> MediaOutcome:
        """What became of the image at ``url``, of so many bytes: it is used."""
        return MediaOutcome(
            url,
            "used",
            self.flaw,
            content_type=self.content_type,
            size_bytes=size_bytes,
            width=self.width,
            height=self.height,
            sha256=self.sha256,
            perceptual_hash=self.perceptual_hash,
            image=self.pixels,
        )


def decode(data: bytes, prepare: Prepare, max_pixels: int) -> Decoded:
    """Decode the first frame of a JPEG, PNG, WebP or AVIF: upright, in RGB, on white where it is transparent.

    Blocks, and waits for its turn: all decoders of the process have ``max_pixels`` in hand together. Runs in a thread.

    Raises:
        NotUsedError: too large, unsupported, or failed when the file is truncated or broken.
    """
    form = sniff(data)
    if form is None:
        raise NotUsedError("unsupported", not_read(data))
    picture, turned = essential(data, form)
    try:
        image = _picture(picture, form, max_pixels, turned)
        pixels = prepare(image.upright)
    except NotUsedError:
        raise
    except Image.DecompressionBombError as error:
        raise NotUsedError("too_large", f"more than {max_pixels:,} pixels") from error
    except Exception as error:  # a decoder fed by strangers may raise anything
        raise NotUsedError("failed", f"the image is broken: {brief(error)}") from error
    return Decoded(
        pixels,
        CONTENT_TYPES[form],
        *image.size,
        hashlib.sha256(data).hexdigest(),
        perceptual_hash(pixels),
        image.flaw,
    )


def perceptual_hash(pixels: NDArray[np.uint8]) -> str:
    """The 64-bit DCT hash of [S, S, 3] in hex. Its first call imports scipy's transforms: half a second of a core."""
    return str(imagehash.phash(Image.fromarray(pixels)))


@dataclass(frozen=True, slots=True)
class _Picture:
    """An image in RGB the right way up, perhaps made smaller; the original's ``size``, upright, and its flaw."""

    upright: Image.Image
    size: tuple[int, int]
    flaw: str | None = None


def _check_header(data: bytes, form: Format, max_pixels: int) -> tuple[int, Image.Image | None]:
    """Check an image's size by its header: how many pixels it takes to decode at once, and a JPEG or PNG, open already.

    A JPEG takes none, unless it is progressive: it is made small while it is decoded. A WebP's size is read by
    ourselves because Pillow reserves its canvas on opening it, an AVIF's because its decoder does not go by that alone.
    """
    if form == "WEBP":
        size = webp_size(data) or (0, 0)
        _check_size(size, max_pixels)
        return size[0] * size[1], None
    if form == "AVIF":
        size, coded = avif_pixels(data)
        _check_size(size, max_pixels)
        if coded > 2 * max_pixels:  # the picture and how transparent it is
            raise NotUsedError("too_large", f"its parts have more than {2 * max_pixels:,} pixels together")
        return coded, None
    if form == "JPEG" and data.count(b"\xff\xda") > MAX_SCANS:
        raise NotUsedError("unsupported", f"the JPEG has more than {MAX_SCANS} scans")
    image = _open(data, form)
    _check_size(image.size, max_pixels)
    return (image.width * image.height if form == "PNG" or image.info.get("progressive") else 0), image


def _open(data: bytes, form: Format) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=[form])


def _picture(data: bytes, form: Format, max_pixels: int, turned: int) -> _Picture:
    taken, opened = _check_header(data, form, max_pixels)
    try:
        with DECODING.hold(taken, max_pixels):
            return _load(opened or _open(data, form), form, max_pixels, turned)
    except OSError:
        whole = ended(data) if form == "JPEG" else None
        if whole is None or (taken and not is_whole_but_less_sharp(data)):
            raise
    with DECODING.hold(taken, max_pixels):
        came = _load(_open(whole, form), form, max_pixels, turned, _what_came)
    return replace(came, flaw=CUT_SHORT)


def _load(
    image: Image.Image,
    form: Format,
    max_pixels: int,
    turned: int,
    keep: Callable[[Image.Image], Image.Image] | None = None,
) -> _Picture:
    """Decode; when it returns, the decoder and the large copies are gone, so that the next may have its turn."""
    with image:
        _check_size(image.size, max_pixels)
        if form == "AVIF":
            turned = orientation(image.info.get("exif", b""))
        size = image.size[::-1] if turned >= 5 else image.size
        image.draft("RGB", (DRAFT_SIDE, DRAFT_SIDE))
        flat = _flat(image)
        return _Picture(_upright(keep(flat) if keep else flat, turned), size)


def _flat(image: Image.Image) -> Image.Image:
    """Load an image, make it no larger than needed, and lay it on white, in RGB."""
    image.load()
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    elif image.mode in ("P", "1") or "transparency" in image.info:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    factor = next((each for each in (8, 4, 2) if min(image.size) >= each * DRAFT_SIDE), 1)
    small = image.reduce(factor) if factor > 1 else image
    if small.mode in ("RGBA", "LA"):
        white = Image.new("RGB", small.size, "white")
        white.paste(small.convert("RGB"), mask=small.getchannel("A"))
        return white
    return small if small.mode == "RGB" else small.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """A grey image of 16 bits a pixel in 8: Pillow's own conversion cuts all that is above 255 off."""
    values = np.asarray(image)
    grey = Image.fromarray((values >> 8).astype(np.uint8))
    if isinstance(key := image.info.get("transparency"), int):
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey


def _what_came(image: Image.Image) -> Image.Image:
    """The rows that came of an image whose end is missing.

    Raises:
        OSError: too many are missing.
    """
    rows = rows_there(np.asarray(image))
    if rows < (1 - MAX_MISSING) * image.height:
        raise OSError(f"only {rows / image.height:.0%} of its rows are there")
    return image.crop((0, 0, image.width, rows))


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    short, long = sorted(size)
    if short * long > max_pixels:
        raise NotUsedError("too_large", f"{size[0]} x {size[1]} is more than {max_pixels:,} pixels")
    if short < MIN_SIDE or long > MAX_ASPECT * short:
        raise NotUsedError("unsupported", f"{size[0]} x {size[1]} pixels is no photo")


def _upright(image: Image.Image, turned: int) -> Image.Image:
    return image.transpose(_UPRIGHT[turned]) if turned in _UPRIGHT else image
