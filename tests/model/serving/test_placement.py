import pytest
import torch

from model.kernels import int8
from model.kernels.precision import fastest_format
from model.scorer import DeviceError
from model.serving.placement import placed


@pytest.fixture
def gpus(monkeypatch):
    """Two GPUs, as far as torch's own questions go."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_it_is_the_processor_and_its_fastest_format():
    assert placed() == (torch.device("cpu"), fastest_format())
    assert placed("cpu", "float32") == (torch.device("cpu"), "float32")


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("asked", "got"), [("auto", "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1"), ("cpu", "cpu")]
)
def test_with_gpus(asked, got):
    device, number_format = placed(asked)
    assert device == torch.device(got)
    assert number_format == ("bfloat16" if got != "cpu" else fastest_format())


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    ("asked", "what"), [("cuda:0", "torch sees no GPU here"), ("mps", "not supported"), ("tpu?", "is none")]
)
def test_a_device_that_is_not_there_is_an_error_and_not_another_device(asked, what):
    with pytest.raises(DeviceError, match=what):
        placed(asked)


@pytest.mark.usefixtures("gpus")
def test_a_gpu_too_many_and_a_format_it_has_not():
    with pytest.raises(DeviceError, match=r"2 GPU\(s\) here, the last is cuda:1"):
        placed("cuda:2")
    with pytest.raises(DeviceError, match="int8 is for CPUs"):
        placed("cuda", "int8")


@pytest.mark.parametrize(
    ("bfloat16", "eight", "expected"),
    [(True, True, "bfloat16"), (False, True, "int8"), (False, False, "float32")],
)
def test_the_fastest_format_is_told_by_what_the_processor_can_do(monkeypatch, bfloat16, eight, expected):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bfloat16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(int8, "works", lambda: eight)
    assert fastest_format(torch.device("cpu")) == expected
    assert fastest_format(torch.device("meta")) == ("bfloat16" if bfloat16 else "float32")
