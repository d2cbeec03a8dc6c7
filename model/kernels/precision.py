"""Which number format this machine multiplies fastest."""

from __future__ import annotations

import torch


def fastest_dtype(device: torch.device | None = None) -> torch.dtype:
    """bfloat16 where the hardware multiplies it (AVX512_BF16, AMX, CUDA from compute capability 8), else float32."""
    if device is not None and device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001
    return torch.bfloat16 if native else torch.float32
