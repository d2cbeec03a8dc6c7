import random
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.encoders.bert import ServedBert, _Tokens
from model.encoders.text import TextEncoder, _folder, buckets, pad
from model.kernels.device import Device
from model.kernels.sizes import few

TINY = {
    "hidden_act": "gelu",
    "vocab_size": 50,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
}


@pytest.fixture(scope="module")
def network():
    from transformers import BertConfig, BertModel  # here: each of pytest-xdist's workers imports every test file

    torch.manual_seed(0)
    return BertModel(BertConfig(**TINY), add_pooling_layer=False).double().eval()


@given(st.lists(st.lists(st.integers(1, 49), min_size=1, max_size=20), min_size=1, max_size=6))
@settings(deadline=None, max_examples=40)
def test_its_states_are_those_of_transformers(network, rows):
    ids, lengths = pad(rows)
    mask = torch.arange(ids.shape[1]) < lengths.unsqueeze(1)
    with torch.inference_mode():
        ours = ServedBert(network.state_dict(), network.config.to_dict())(ids, lengths)
        theirs = network(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    torch.testing.assert_close(ours[mask], theirs[mask], atol=1e-6, rtol=1e-6)
    assert not ours[~mask].any()


@given(st.lists(st.integers(1, 70), min_size=1, max_size=20))
@settings(deadline=None, max_examples=40)
def test_its_layers_see_no_padding_and_few_numbers_of_tokens(lengths):
    rows = [list(range(1, length + 1)) for length in lengths]
    ids, counts = pad(rows)
    tokens = _Tokens(ids, counts, heads=1)
    together = [number for row in rows for number in row]
    assert tokens.ids[: sum(lengths)].tolist() == together
    assert tokens.positions[: sum(lengths)].tolist() == [number - 1 for number in together]
    assert len(tokens.ids) in (sum(lengths), few(sum(lengths), 8, 16))
    assert len(tokens.ids) % 16 == 0 or len({*lengths}) == 1
    first = ids[:, :1]
    assert torch.equal(tokens.apart(tokens.ids.unsqueeze(-1)).squeeze(-1), torch.where(ids == 0, first, ids))
    assert torch.equal(tokens.padding, ids == 0) if len({*lengths}) > 1 else tokens.padding is None


def test_batches_of_all_sizes_ask_for_few_kernels():
    draw = random.Random(0)
    layers, attention = set(), set()
    for _ in range(400):
        rows = [list(range(draw.randint(1, 96))) or [1] for _ in range(draw.randint(1, 64))]
        for chosen in buckets([len(row) for row in rows]):
            tokens = _Tokens(*pad([rows[i] for i in chosen], length=Device.length), heads=1)
            layers.add(len(tokens.ids))
            attention.add(tokens.mask.shape if tokens.mask is not None else tokens.ids.shape)
    assert len(layers) <= 40
    assert len(attention) <= 90


TEXTS = [
    "The river has burst its banks",
    "help",
    "Twenty people are missing after the bridge collapsed " * 4,
    "RT @user: #Inundación en Perú 😱 https://t.co/x — ayuda!",
    "洪水です。",
]


def test_the_packaged_encoder_runs_on_it_and_says_the_same():
    encoder = TextEncoder.load().for_service()
    assert encoder._served is not None
    by_transformers = TextEncoder.load().eval()
    assert by_transformers._served is None
    assert torch.cosine_similarity(encoder.encode(TEXTS), by_transformers.encode(TEXTS)).min() > 0.999


def test_loaded_for_service_it_is_the_one_that_was_trained():
    trained = TextEncoder.load()
    assert not [name for name in trained.state_dict() if "pooler" in name]
    tuned = {name: value * 1.01 for name, value in trained.tuned_state().items()}
    trained.load_tuned(tuned)
    served = TextEncoder.serve(tuned=tuned)
    assert served.tokens(TEXTS) == trained.tokens(TEXTS)
    torch.testing.assert_close(served.encode(TEXTS), trained.for_service().encode(TEXTS), rtol=0, atol=0)


def test_a_folder_of_another_architecture_is_served_by_transformers(tmp_path):
    from transformers import DistilBertConfig, DistilBertModel

    config = DistilBertConfig(vocab_size=30522, dim=24, n_layers=1, n_heads=3, hidden_dim=40)
    DistilBertModel(config).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(_folder("minilm") / name, tmp_path)
    trained = TextEncoder.load(str(tmp_path))
    tuned = {name: value + 0.1 for name, value in trained.tuned_state().items()}
    assert tuned
    plain, other = TextEncoder.serve(str(tmp_path)), TextEncoder.serve(str(tmp_path), tuned)
    assert plain._served is None
    assert plain.encode(TEXTS).shape == (len(TEXTS), 24)
    assert not torch.allclose(plain.encode(TEXTS), other.encode(TEXTS))


@pytest.mark.parametrize(
    "other",
    [{"model_type": "distilbert"}, {"hidden_act": "relu"}, {"is_decoder": True}, {"position_embedding_type": "rotary"}],
)
def test_what_it_cannot_run_is_not_claimed(other):
    from transformers import BertConfig

    plain = BertConfig(**TINY).to_dict()
    assert ServedBert.fits(plain)
    assert not ServedBert.fits(plain | other)
