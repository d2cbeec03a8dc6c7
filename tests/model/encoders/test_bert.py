import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel

from model.encoders.bert import ServedBert
from model.encoders.text import TextEncoder, pad

TINY = {"vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return BertModel(BertConfig(**TINY), add_pooling_layer=False).double().eval()


@given(st.lists(st.lists(st.integers(1, 49), min_size=1, max_size=20), min_size=1, max_size=6))
@settings(deadline=None, max_examples=40)
def test_its_states_are_those_of_transformers(network, rows):
    ids, lengths = pad(rows)
    mask = torch.arange(ids.shape[1]) < lengths.unsqueeze(1)
    with torch.inference_mode():
        ours = ServedBert(network)(ids, lengths)
        theirs = network(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    torch.testing.assert_close(ours[mask], theirs[mask], atol=1e-6, rtol=1e-6)


def test_the_packaged_encoder_runs_on_it_and_says_the_same():
    texts = ["The river has burst its banks", "help", "Twenty people are missing after the bridge collapsed " * 4]
    served = TextEncoder.load().for_service()
    assert served._served is not None
    sooner = served.encode(texts)
    served._served = None
    assert torch.cosine_similarity(sooner, served.encode(texts)).min() > 0.999


def test_another_architecture_is_left_to_transformers():
    config = DistilBertConfig(vocab_size=50, dim=24, n_layers=1, n_heads=3, hidden_dim=40)
    assert not ServedBert.fits(DistilBertModel(config))
