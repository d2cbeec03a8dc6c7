"""Last layers fitted anew: to whom they listen, that they get better by it, and that nothing else moves."""

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from model.data.rows import LEARNED, Row
from model.data.sentences import EVENT as SENTENCES
from model.network import FusionNetwork, NetworkConfig
from model.scorer import LABELS
from model.training import refit, train
from model.training.fusion import FusionPlan, fit
from model.training.refit import CONCEPTS, fit_last, refitted, surprise, targets
from model.training.train import Recipe, calibrated, learn_fusion
from model.training.vectors import Vectors

DIMS = {"text": 6, "image": 5, "context": 3}
PLAN = FusionPlan(epochs=1, refit=0.5)


def config(heads="linear", granularity="binary"):
    return NetworkConfig.product(
        DIMS, {str(c): k for c, k in LABELS.items()}, width=8, heads=heads, granularity=granularity
    )


def vectors(n, seed):
    """Rows whose text tells the class of each concept; a third have a photo, which tells nothing."""
    g = torch.Generator().manual_seed(seed)
    values = {name: torch.randn(n, d, generator=g) for name, d in DIMS.items()}
    mask = torch.tensor([[True, i % 3 == 0, True] for i in range(n)])
    labels = {c: values["text"][:, : len(k)].argmax(1) for c, k in LEARNED.items()}
    return Vectors(values, mask, labels, dict(labels), dict(labels))


def rows_of(n, event="e", **fields):
    return [Row(str(i), i, event, "train", f"text {i}", **fields) for i in range(n)]


def heads(favourite):
    """Text heads that always say this class."""
    found = {}
    for concept in CONCEPTS:
        count = len(LABELS[concept])
        found[f"{concept}.weight"] = torch.zeros(count, 6)
        found[f"{concept}.bias"] = 9.0 * torch.eye(count)[favourite]
    return found


TRAIN, DEV = vectors(300, 0), vectors(200, 1)


@pytest.mark.parametrize("kind", [("linear", "binary"), ("linear", "group"), ("interaction", "binary")])
def test_only_the_last_layers_of_what_texts_answer_move_and_they_answer_better(kind):
    network = fit(config(*kind), TRAIN, DEV, PLAN)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    anew = refitted(network, TRAIN, rows_of(300), {}, PLAN)
    moved = {name for name, value in anew.state_dict().items() if not torch.equal(value, before[name])}
    place = "heads.last" if kind[0] == "interaction" else "heads"
    assert moved == {f"{place}.{concept}.{part}" for concept in CONCEPTS for part in ("weight", "bias")}
    assert train.same(network.state_dict(), before), "it is a copy that was fitted"
    one, other = (surprise(each, calibrated(each, DEV), DEV) for each in (network, anew))
    assert other < one - 0.03


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 2), st.booleans()), min_size=1, max_size=9), st.floats(0, 1))
def test_what_is_right_is_shared_by_people_and_heads_as_asked(cases, share):
    truth, hears = (torch.tensor(column) for column in zip(*cases, strict=True))
    heard = torch.full((len(cases), 3), 1 / 3)
    right = targets(truth, 3, heard, hears, share)
    for row, (label, hearing) in zip(right, cases, strict=True):
        part = 0.0 if not hearing else share if label >= 0 else 1.0
        people = torch.eye(3)[label] if label >= 0 else torch.zeros(3)
        torch.testing.assert_close(row, part / 3 + (1 - part) * people)
    assert targets(truth, 3, None, hears, share).sum() == (truth >= 0).sum()


@pytest.mark.parametrize("columns", [1, 2])
def test_a_last_layer_answers_as_rows_do_by_their_weights_unless_it_is_held(columns):
    inputs, right = torch.zeros(3, 4), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    layer = nn.Linear(4, columns)
    weight = layer.weight.detach().clone()
    fit_last(layer, inputs, right, torch.tensor([1.0, 3.0, 99.0]), 0.0)
    z = layer(inputs[:1]).detach()
    yes = torch.sigmoid(z[:, 0] if columns == 1 else z[:, 1] - z[:, 0])
    assert float(yes) == pytest.approx(0.75, abs=1e-3)
    one, other = copy.deepcopy(layer), copy.deepcopy(layer)
    apart = torch.tensor([[1.0], [-1.0], [1.0]]).expand(3, 4)
    fit_last(one, apart, right, torch.tensor([1.0, 1.0, 9.0]), 0.1)
    fit_last(other, apart[:2], right[:2], torch.ones(2), 0.1)
    torch.testing.assert_close(one.weight, other.weight)
    fit_last(layer, torch.randn(3, 4), right, torch.ones(3), 1e9)
    torch.testing.assert_close(layer.weight.detach(), weight, atol=1e-4, rtol=0)
    known = layer.weight.detach().clone()
    fit_last(layer, inputs, torch.zeros(3, 2), torch.ones(3), 0.0)
    assert torch.equal(layer.weight, known), "of rows that nobody judged nothing is learned"


def test_heads_are_heard_of_texts_alone_and_not_of_our_own_sentences_nor_of_requests(monkeypatch):
    asked = []
    monkeypatch.setattr(refit, "targets", lambda *a: asked.append(a) or targets(*a))
    seen = [[True, False, True], [False, True, False], [True, True, True], [True, False, True]]
    rows = replace(TRAIN.take(range(4)), mask=torch.tensor(seen))
    index, views = rows.views()
    assert index.tolist() == [0, 1, 2, 3, 2, 2], "a post with both is seen by each side alone, too"
    assert views.mask.tolist() == [*seen, [True, False, True], [False, True, False]]
    refitted(FusionNetwork(config()), rows, [*rows_of(3), *rows_of(1, event=SENTENCES)], heads(1), PLAN)
    for truth, _, heard, hears, _ in asked:
        assert hears.tolist() == [True, False, False, False, True, False]
        assert heard.argmax(1).tolist() == [1] * 6
        assert len(truth) == 6
    assert [share for *_, share in asked] == [0.5, 0.5, 0.0]


def test_english_of_other_sources_counts_half():
    labels = {c: torch.arange(300) % 2 for c in LEARNED}
    alike = Vectors({m: torch.ones_like(v) for m, v in TRAIN.values.items()}, TRAIN.mask.clone(), *[labels] * 3)
    alike.mask[:, 1] = False
    rows = rows_of(300)
    rows[1::2] = [replace(row, source="S", language="en") for row in rows[1::2]]
    anew = refitted(fit(config(), TRAIN, DEV, PLAN), alike, rows, {}, replace(PLAN, pull=0.0))
    with torch.no_grad():
        says = {c: z[0] for c, z in anew(alike.values, alike.mask).logits.items()}
    assert float(torch.sigmoid(says["informativeness"])) == pytest.approx(1 / 3, abs=0.01)
    assert float(torch.sigmoid(says["request"])) == pytest.approx(1 / 2, abs=0.01), "a missed plea is twice as grave"


@pytest.fixture
def learned(monkeypatch):
    """A run on messages of which heads say otherwise, given the figures of both networks, and what is fitted to."""
    rows = [*rows_of(300, source="S"), *(replace(row, split="dev") for row in rows_of(200))]
    values = {m: torch.cat((v, DEV.values[m])) for m, v in TRAIN.values.items()}
    labels = {c: torch.cat((y, DEV.of_text[c])) for c, y in TRAIN.of_text.items()}
    both = Vectors(values, torch.cat((TRAIN.mask, DEV.mask)), *(dict(labels) for _ in range(3)))
    seen = []

    def run(*figures, share=0.5):
        left = iter(figures)
        monkeypatch.setattr(train, "surprise", lambda *_: next(left))
        monkeypatch.setattr(train, "refitted", lambda n, v, *a: seen.append(v) or refitted(n, v, *a))
        recipe = replace(Recipe.product(), fusion=replace(PLAN, refit=share), changes={"width": 8})
        return learn_fusion(both, rows, recipe, None, heads=heads(0)).network.state_dict()

    return run, seen


def test_a_fit_that_is_no_better_by_dev_is_not_kept(learned):
    run, _ = learned
    plain = run(share=None)
    assert train.same(plain, run(1.0, 1.0))
    assert not train.same(plain, run(0.9, 1.0))


def test_last_layers_learn_all_that_people_said_of_the_train_part(learned):
    run, seen = learned
    run(1.0, 1.0)
    (rows,) = seen
    assert torch.equal(rows.of_text["informativeness"], TRAIN.of_text["informativeness"])
