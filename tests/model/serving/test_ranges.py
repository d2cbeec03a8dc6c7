"""A model carries the bounds of its 8-bit text layers; one without them works all the same."""

import pytest
import torch

from model.encoders.text import TextEncoder
from model.kernels import int8
from model.network import NetworkConfig
from model.serving import fused, ranges
from model.serving.bundle import Bundle, load_bundle, save_bundle
from model.serving.ranges import RANGES, add_ranges

CONFIG = NetworkConfig.product({"text": 4, "image": 3, "context": 2}, {"informativeness": ("no", "yes")}, width=8)


@pytest.mark.parametrize("before", [{}, {f"{RANGES}.0.old": torch.ones(2)}])
def test_bounds_are_written_into_a_model_that_is_there(tmp_path, monkeypatch, before):
    tensors = {"network.w": torch.arange(3.0), "text.w": torch.ones(1), **before}
    old = save_bundle(tmp_path, tensors, name="n", version="1", network=CONFIG, text_model="minilm", data="ours")
    bounds = torch.tensor([[0.0], [1.0], [0.5]]).half()
    monkeypatch.setattr(ranges, "text_ranges", lambda model, tuned: {f"{RANGES}.0.{model}.{len(tuned)}": bounds})
    new = add_ranges(tmp_path)
    assert new.model_copy(update={"sha256": old.sha256}) == old
    bundle = load_bundle(tmp_path)
    assert torch.equal(bundle.part("network")["w"], torch.arange(3.0))
    assert {name: each.tolist() for name, each in bundle.part(RANGES).items()} == {"0.minilm.1": bounds.tolist()}


class StopLoadingError(Exception):
    """A scorer's text encoder is loaded, and the rest of it is of no interest."""


@pytest.fixture
def sentences(monkeypatch):
    """How often a model had sentences shown to its layers; after that its loading ends."""
    if not int8.works():
        pytest.skip("no 8-bit products on this processor")

    def load(*_, own, **__):
        assert own.keys() == {"0.bias"}, "a bundle's image.*"
        raise StopLoadingError

    shown = []
    monkeypatch.setattr(fused, "sample", lambda: shown.append(1) or ["The bridge is gone", "coffee"])
    monkeypatch.setattr(fused.ImageEncoder, "load", load)
    return shown


def test_a_model_without_bounds_shows_itself_sentences_the_shipped_one_none_and_another_ones_are_refused(sentences):
    shipped = load_bundle("default")
    others = {name: each for name, each in shipped.tensors.items() if not name.startswith("image.")}
    whole = Bundle(shipped.manifest, others | {"image.0.bias": torch.zeros(1)})
    bare = {name: each for name, each in whole.tensors.items() if not name.startswith(RANGES)}
    for tensors, times in ((whole.tensors, 0), (bare, 1)):
        with pytest.raises(StopLoadingError):
            fused.FusedScorer(Bundle(whole.manifest, tensors), threads=1, number_format="int8")
        assert len(sentences) == times
    wrong = {f"{RANGES}.0.project": torch.zeros(3, 7).half()}
    with pytest.raises(ValueError, match="are another one's"):
        fused.FusedScorer(Bundle(whole.manifest, bare | wrong), threads=1, number_format="int8")


def test_bounds_are_named_and_shaped_as_the_layers_want_them():
    if not int8.works():
        pytest.skip("no 8-bit products on this processor")
    encoder = TextEncoder.serve("minilm", None, number_format="int8")
    bounds = encoder.ranges(["The bridge is gone", "coffee"])
    assert bounds["0.project"].shape == (3, 384)
    encoder.quicken(bounds)
    exact, quick = (encoder.encode(["The bridge is gone"], quick=each) for each in (False, True))
    assert 0 < (quick - exact).norm() < 0.2 * exact.norm()
