"""Which number format this machine multiplies fastest."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from model.kernels import int8

Format = Literal["float32", "bfloat16", "int8"]
"""``int8``: texts' and photos' layers in 8-bit integers (:mod:`model.kernels.int8`), all else in float32."""
FORMATS: tuple[Format, ...] = get_args(Format)


def fastest_format(device: torch.device | None = None) -> Format:
    """The format for the device, by what it can do and not by a clock: two starts on one machine give the same labels.

    bfloat16 where the hardware multiplies it (AVX512_BF16, AMX, CUDA from compute capability 8), int8 on other CPUs
    with AVX2, else float32. Beside bfloat16, int8 does not pay: its products take half the time, but all else is in
    float32, and so is what is asked again (docs/performance.md).
    """
    if fastest_dtype(device) is torch.bfloat16:
        return "bfloat16"
    return "int8" if (device is None or device.type == "cpu") and int8.works() else "float32"


def fastest_dtype(device: torch.device | None = None) -> torch.dtype:
    """The fastest float: bfloat16 where the hardware multiplies it, else float32."""
    if device is not None and device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001
    return torch.bfloat16 if native else torch.float32


def dtype_of(number_format: Format) -> torch.dtype:
    """What is not multiplied in integers is kept and multiplied in this."""
    return torch.bfloat16 if number_format == "bfloat16" else torch.float32
