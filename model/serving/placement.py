"""Where a model runs and what it multiplies in: what was asked for, made sure of."""

from __future__ import annotations

from typing import Literal

import torch

from model.kernels import int8
from model.kernels.precision import Format, fastest_format
from model.scorer import DeviceError


def placed(device: str = "auto", number_format: Format | Literal["auto"] = "auto") -> tuple[torch.device, Format]:
    """The device and the number format that are meant: ``auto`` is the first GPU or the CPU, and its fastest format.

    Raises:
        DeviceError: there is no such device, or it does not know the format.
    """
    where = _device(device)
    if number_format == "auto":
        return where, fastest_format(where)
    if number_format == "int8" and where.type != "cpu":
        raise DeviceError(f"model.number_format int8 is for CPUs; on {where} use auto, bfloat16 or float32")
    if number_format == "int8" and not int8.works():
        raise DeviceError("this processor, or its build of torch, has no 8-bit products (AVX2 at least): use auto")
    return where, number_format


def _device(name: str) -> torch.device:
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda:0" if there else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"model.device {name!r} is none: use auto, cpu, cuda or cuda:0, cuda:1, ...") from None
    if device.type == "cuda":
        device = torch.device("cuda", device.index or 0)
        if not there:
            raise DeviceError(
                f"model.device is {name}, but torch sees no GPU here: is the driver there, and is this torch's build "
                "one for CUDA? With auto the CPU is used"
            )
        if (device.index or 0) >= there:
            raise DeviceError(
                f"model.device is {name}, but torch sees {there} GPU(s) here, the last is cuda:{there - 1}"
            )
    elif device.type != "cpu":
        raise DeviceError(f"model.device {name!r} is not supported: use auto, cpu, cuda or cuda:0, cuda:1, ...")
    return device
