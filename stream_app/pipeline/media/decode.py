"""Bytes to pixels, within limits that are checked on the header before a pixel is decoded."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Transpose

from stream_app.pipeline.media.essential import essential
from stream_app.pipeline.media.outcome import NotUsedError, brief
from stream_app.pipeline.media.sniff import CONTENT_TYPES, sniff, webp_size

Prepare = Callable[[Image.Image], NDArray[np.uint8]]

MIN_SIDE = 16
"""Pixels; below it is a tracking pixel or an icon."""

MAX_ASPECT = 20
"""Long side over short side. Scaling the short side of a 25,000,000 x 1 image to a model's input would be a bomb."""

MAX_SCANS = 100
"""Scans of a progressive JPEG, thumbnails' included; each is a pass over the image (libjpeg-turbo: "Two Issues")."""

DRAFT_SIDE = 448
"""Pixels: a JPEG is decoded at 1/2, 1/4 or 1/8 as long as both sides stay at least this, twice what models take."""


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
    """

    pixels: NDArray[np.uint8]
    content_type: str
    width: int
    height: int
    sha256: str
    perceptual_hash: str


def decode(data: bytes, prepare: Prepare, max_pixels: int) -> Decoded:
    """Decode the first frame of a JPEG, PNG or WebP, upright, in RGB. Blocks; runs in a thread.

    Raises:
        NotUsedError: too large, unsupported, or failed when the file is truncated or broken.
    """
    form = sniff(data)
    if form is None:
        raise NotUsedError("unsupported", "not a JPEG, PNG or WebP image")
    if form == "WEBP":
        _check_size(webp_size(data) or (0, 0), max_pixels)
    if form == "JPEG" and data.count(b"\xff\xda") > MAX_SCANS:
        raise NotUsedError("unsupported", f"the JPEG has more than {MAX_SCANS} scans")
    picture, orientation = essential(data, form)
    try:
        with Image.open(io.BytesIO(picture), formats=[form]) as image:
            _check_size(image.size, max_pixels)
            width, height = image.size[::-1] if orientation >= 5 else image.size
            image.draft("RGB", (DRAFT_SIDE, DRAFT_SIDE))
            pixels = prepare(_upright(image, orientation))
    except NotUsedError:
        raise
    except Image.DecompressionBombError as error:
        raise NotUsedError("too_large", f"more than {max_pixels:,} pixels") from error
    except Exception as error:  # a decoder fed by strangers may raise anything
        raise NotUsedError("failed", f"the image is broken: {brief(error)}") from error
    return Decoded(
        pixels,
        CONTENT_TYPES[form],
        width,
        height,
        hashlib.sha256(data).hexdigest(),
        str(imagehash.phash(Image.fromarray(pixels))),
    )


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    short, long = sorted(size)
    if short * long > max_pixels:
        raise NotUsedError("too_large", f"{size[0]} x {size[1]} is more than {max_pixels:,} pixels")
    if short < MIN_SIDE or long > MAX_ASPECT * short:
        raise NotUsedError("unsupported", f"{size[0]} x {size[1]} pixels is no photo")


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    """In RGB and the right way up, with no more copies than that takes: one of 25 megapixels is 100 MB."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return rgb.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else rgb
