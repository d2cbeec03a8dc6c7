import json
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import nn

from model.encoders.elmo import CharacterEncoder, Elmo, ElmoOptions, ProjectedLstm, ScalarMix, batch_ids, word_ids

h5py = pytest.importorskip("h5py", reason="h5py comes with the train extra")

SHARED = Path(__file__).parents[4] / "shared" / "data" / "elmo"
OPTIONS = {
    "lstm": {
        "cell_clip": 3,
        "proj_clip": 3,
        "use_skip_connections": True,
        "n_layers": 2,
        "projection_dim": 6,
        "dim": 10,
    },
    "char_cnn": {
        "embedding": {"dim": 3},
        "filters": [[1, 4], [2, 5]],
        "n_highway": 2,
        "n_characters": 262,
        "max_characters_per_token": 12,
        "activation": "relu",
    },
}


def write_weights(path: Path) -> None:
    """Random weights in the official layout."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"char_embed": (261, 3), "CNN_proj/W_proj": (9, 6), "CNN_proj/b_proj": (6,)}
    for i, (width, channels) in enumerate(OPTIONS["char_cnn"]["filters"]):
        shapes |= {f"CNN/W_cnn_{i}": (1, width, 3, channels), f"CNN/b_cnn_{i}": (channels,)}
        shapes |= {f"CNN_high_{i}/{n}": (9, 9) for n in ("W_carry", "W_transform")}
        shapes |= {f"CNN_high_{i}/{n}": (9,) for n in ("b_carry", "b_transform")}
    for d in range(2):
        for layer in range(2):
            cell = f"RNN_{d}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
            shapes |= {f"{cell}/W_0": (12, 40), f"{cell}/B": (40,), f"{cell}/W_P_0": (10, 6)}
    with h5py.File(path, "w") as file:
        for name, shape in shapes.items():
            file[name] = torch.randn(*shape, generator=generator).numpy()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("elmo")
    (folder / "options.json").write_text(json.dumps(OPTIONS))
    write_weights(folder / "weights.hdf5")
    return folder / "options.json", folder / "weights.hdf5"


@pytest.fixture(scope="module")
def elmo(files: tuple[Path, Path]) -> Elmo:
    return Elmo.load(*files)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the official small ELMo of ../shared/data/elmo is not here")
def test_matches_the_official_reference_embeddings() -> None:
    model = Elmo.load(SHARED / "options.json", SHARED / "lm_weights.hdf5")
    texts = json.loads((SHARED / "sentences.json").read_text())
    state = None
    with h5py.File(SHARED / "lm_embeddings_0.hdf5") as reference:
        for i, batch in zip(count(), zip(*texts, strict=True), strict=False):
            ids, lengths = batch_ids([sentence.split() for sentence in batch], model.options.characters)
            activations, state = model(ids, lengths, state)
            forward, backward = torch.from_numpy(reference[str(i)][...])
            top = activations[-1, 0, 1 : lengths[0] - 1]
            torch.testing.assert_close(top, torch.cat((forward, backward), dim=-1), atol=1e-6, rtol=1e-6)
        assert i == len(reference) - 1


def test_a_word_is_its_bytes_between_marks() -> None:
    assert word_ids("hé", 7) == [259, ord("h") + 1, 0xC3 + 1, 0xA9 + 1, 260, 261, 261]
    assert word_ids("abcdefgh", 5) == [259, 98, 99, 100, 260]


def test_sentences_stand_between_marks_and_are_padded_with_zero() -> None:
    ids, lengths = batch_ids([["a", "b"], []], 5)
    assert ids.shape == (2, 4, 5)
    assert lengths.tolist() == [4, 2]
    assert ids[0, 0].tolist() == [259, 257, 260, 261, 261]
    assert ids[1, 1].tolist() == [259, 258, 260, 261, 261]
    assert not ids[1, 2:].any()


def test_the_cell_is_torchs_projected_lstm_where_nothing_is_clipped() -> None:
    """An independent implementation: torch orders its gates i, f, g, o and has no forget bias of its own."""
    torch.manual_seed(0)
    options = ElmoOptions(((1, 4),), 12, 3, 1, 1, 10, 6, 1e9, 1e9, skip=True)
    ours, theirs = ProjectedLstm(options), nn.LSTM(6, 10, proj_size=6, batch_first=True)

    def reorder(w: torch.Tensor) -> torch.Tensor:
        i, j, f, o = w.chunk(4)
        return torch.cat((i, f, j, o))

    with torch.no_grad():
        theirs.weight_ih_l0.copy_(reorder(ours.input.weight))
        theirs.weight_hh_l0.copy_(reorder(ours.recurrent.weight))
        theirs.bias_ih_l0.copy_(reorder(ours.input.bias))
        theirs.bias_hh_l0.zero_()[10:20] = 1
        theirs.weight_hr_l0.copy_(ours.project.weight)
    x, state = torch.randn(3, 7, 6), (torch.randn(3, 6), torch.randn(3, 10))
    got, (h, c) = ours(x, torch.tensor([7, 7, 7]), state)
    expected, (h_expected, c_expected) = theirs(x, tuple(s.unsqueeze(0) for s in state))
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(h, h_expected[0])
    torch.testing.assert_close(c, c_expected[0])


def test_cell_and_projection_are_clipped(elmo: Elmo) -> None:
    lstm = elmo.lstms[0]
    torch.manual_seed(0)
    out, (_, c) = lstm(100 * torch.randn(8, 20, 6), torch.full((8,), 20), (torch.zeros(8, 6), torch.zeros(8, 10)))
    assert c.abs().max().item() == pytest.approx(3)
    assert out.abs().max().item() == pytest.approx(3)


def test_the_character_encoder_written_out_for_one_word(elmo: Elmo) -> None:
    words: CharacterEncoder = elmo.words
    ids = torch.tensor([word_ids("flood", 12)])
    x = words.embed.weight[ids[0]]
    parts = []
    for conv in words.convolutions:
        width = conv.kernel_size[0]
        windows = torch.stack([x[p : p + width].T.flatten() for p in range(12 - width + 1)])
        parts.append((windows @ conv.weight.flatten(1).T + conv.bias).amax(0).relu())
    y = torch.cat(parts)
    for carry, transform in zip(words.carries, words.transforms, strict=True):
        g = torch.sigmoid(carry.weight @ y + carry.bias)
        y = g * (transform.weight @ y + transform.bias).relu() + (1 - g) * y
    torch.testing.assert_close(words(ids)[0], words.project.weight @ y + words.project.bias)


def test_padding_changes_nothing(elmo: Elmo) -> None:
    short, long = ["help", "us"], ["a", "much", "longer", "sentence", "here"]
    ids, lengths = batch_ids([short, long], 12)
    together, _ = elmo(ids, lengths)
    alone, _ = elmo(*batch_ids([short], 12))
    torch.testing.assert_close(together[:, 0, :4], alone[:, 0])
    assert not together[:, 0, 4:].any()


def test_the_first_layer_knows_no_context_and_the_others_do(elmo: Elmo) -> None:
    one, _ = elmo(*batch_ids([["water", "rises"]], 12))
    two, _ = elmo(*batch_ids([["fire", "rises"]], 12))
    torch.testing.assert_close(one[0, 0, 2], two[0, 0, 2])
    assert not torch.allclose(one[1, 0, 2], two[1, 0, 2])


def test_the_backward_half_reads_from_the_end(elmo: Elmo) -> None:
    """What comes later reaches only the backward half of a word, what came before only the forward half."""
    base, later, earlier = (
        elmo(*batch_ids([words], 12))[0][2, 0, 2] for words in (["a", "b", "c"], ["a", "b", "x"], ["x", "b", "c"])
    )
    forward, backward = slice(0, 6), slice(6, 12)
    torch.testing.assert_close(base[forward], later[forward])
    assert not torch.allclose(base[backward], later[backward])
    torch.testing.assert_close(base[backward], earlier[backward])
    assert not torch.allclose(base[forward], earlier[forward])


def test_carried_state_continues_the_reading(elmo: Elmo) -> None:
    ids, lengths = batch_ids([["one", "two", "three", "four"]], 12)
    whole, _ = elmo(ids, lengths)
    _, state = elmo(ids[:, :3], torch.tensor([3]))
    rest, _ = elmo(ids[:, 3:], lengths - 3, state)
    torch.testing.assert_close(rest[:, 0, :, :6], whole[:, 0, 3:, :6])  # the forward half reads on
    fresh, _ = elmo(ids[:, 3:], lengths - 3)
    assert not torch.allclose(rest[2], fresh[2])


def test_encode_is_the_mean_over_words_without_marks(elmo: Elmo) -> None:
    posts = [["flood", "in", "town"], ["ok"], []]
    means = elmo.encode(posts)
    assert means.shape == (3, 3, 12)
    for i, words in enumerate(posts):
        activations, _ = elmo(*batch_ids([words], 12))
        inner = activations[:, 0, 1:-1] if words else activations[:, 0]
        torch.testing.assert_close(means[i], inner.mean(1))


def test_scalar_mix_of_means_is_the_mean_of_mixes() -> None:
    mix = ScalarMix(3)
    with torch.no_grad():
        mix.scores.copy_(torch.tensor([0.3, -1.0, 2.0]))
        mix.gamma.fill_(1.7)
    layers = torch.randn(5, 3, 12, 8)  # words b, layers, posts T, width
    mixed = torch.stack([mix(layers[:, :, t]) for t in range(12)], dim=1).mean(1)
    torch.testing.assert_close(mix(layers.mean(2)), mixed)
    torch.testing.assert_close(ScalarMix(3)(layers.mean(2)), layers.mean((1, 2)))


def test_nothing_of_it_learns_but_the_mix(elmo: Elmo) -> None:
    assert not any(p.requires_grad for p in elmo.parameters())
    assert all(p.requires_grad for p in ScalarMix(3).parameters())


def test_absent_files_are_named(tmp_path: Path, files: tuple[Path, Path]) -> None:
    with pytest.raises(FileNotFoundError, match=r"official .* there is no .*nowhere\.hdf5"):
        Elmo.load(files[0], tmp_path / "nowhere.hdf5")


def test_another_activation_is_refused(tmp_path: Path) -> None:
    options = {**OPTIONS, "char_cnn": {**OPTIONS["char_cnn"], "activation": "tanh"}}
    (tmp_path / "o.json").write_text(json.dumps(options))
    with pytest.raises(ValueError, match="'tanh'"):
        ElmoOptions.read(tmp_path / "o.json")
