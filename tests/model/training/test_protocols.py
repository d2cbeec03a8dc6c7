"""Protocols look only at what they may: single modalities see no other, and calibration learns from dev alone."""

from dataclasses import replace

import pytest
import torch

from model.data.crisis import load_rows
from model.data.rows import LEARNED, Row
from model.training import protocols
from model.training.evaluate import SRI_LANKA
from model.training.fusion import FusionPlan
from model.training.metrics import measure
from model.training.protocols import VIEWS, _calibrated, compare
from model.training.train import Recipe
from model.training.vectors import assemble

ROWS = [
    Row("a", 0, "e", "train", "water", None, None, {"informativeness": "informative"}),
    Row(
        "b",
        1,
        "e",
        "train",
        "fire",
        None,
        None,
        {"informativeness": "informative", "humanitarian": "not_humanitarian"},
        {"informativeness": "not_informative", "humanitarian": "not_humanitarian"},
    ),
]


def vectors():
    return assemble(ROWS, torch.ones(2, 3), torch.ones(2, 4), torch.ones(2, 5))


def test_disputed_labels_of_a_text_are_not_learned_from_the_text():
    labels = vectors().labels(torch.tensor([[True, False, False]] * 2))
    assert labels["informativeness"].tolist() == [LEARNED["informativeness"].index("informative"), -1]
    assert labels["humanitarian"].tolist() == [-1, LEARNED["humanitarian"].index("not_humanitarian")]
    assert ROWS[1].undisputed == {"humanitarian": "not_humanitarian"}


def test_a_view_hides_the_others_and_asks_one_question_whatever_is_seen():
    rows = vectors()
    assert rows.shown(VIEWS["image"]).mask.any().item() is False
    assert rows.shown(VIEWS["text"]).mask[:, 0].all()
    asked = rows.relabelled("informativeness", [{}, {"informativeness": "not_informative"}])
    for mask in ([True, True, False], [True, False, False], [False, True, False]):
        assert asked.labels(torch.tensor([mask] * 2))["informativeness"].tolist() == [-1, 0]
    assert asked.of_text["humanitarian"].equal(rows.of_text["humanitarian"])


def test_calibration_on_dev_mends_the_confidence_of_test():
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 3, (2000,), generator=generator)
    timid = 0.2 * (4.0 * torch.nn.functional.one_hot(truth, 3) + 2 * torch.randn(2000, 3, generator=generator))
    plain = measure(timid[1000:].softmax(1), truth[1000:])
    mended = measure(_calibrated("humanitarian", timid[:1000], truth[:1000], timid[1000:]), truth[1000:])
    assert mended["ece"] < plain["ece"] / 3
    assert abs(mended["accuracy"] - plain["accuracy"]) < 0.02


def test_the_gain_is_over_the_better_single_modality():
    pairs = [Row(str(i), i, "e", "test", "t") for i in range(40)]
    answers = [{"informativeness": "informative" if i % 2 else "not_informative"} for i in range(40)]
    sure = torch.eye(2)[torch.arange(40) % 2]
    half = sure.clone()
    half[:10] = half[:10].flip(1)
    worse = sure.clone()
    worse[:20] = worse[:20].flip(1)
    found = compare({"fusion": sure, "text": worse, "image": half}, pairs, {"either": answers})
    gain = found["either.gain_accuracy"]
    assert (gain["over"], gain["gain"]) == ("image", 0.25)
    assert gain["interval"][0] > 0


def test_text_layers_that_are_kept_are_not_trained_again(tmp_path, monkeypatch, letters):
    monkeypatch.setattr(protocols.TextEncoder, "load", lambda *_: letters())
    rows = [
        Row(str(i), i, "e", "train", f"flood {i}", None, None, {"informativeness": "informative"}) for i in range(8)
    ]
    recipe = Recipe.product().shortened()
    first = protocols._tuned("one", rows, recipe, tmp_path)
    monkeypatch.setattr(protocols, "fine_tune", lambda *_: pytest.fail("trained again"))
    again = protocols._tuned("one", rows, recipe, tmp_path)
    for name, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


@pytest.mark.shared
def test_sri_lankas_folds_answer_every_pair_once_and_say_what_fusion_gains(shared, monkeypatch):
    monkeypatch.setattr(FusionPlan, "few", lambda plan: replace(plan, batch=16, epochs=2))
    rows = [row for row in load_rows(shared) if row.event == SRI_LANKA and row.text and row.image][:80]
    said = [row.of_image["informativeness"] == "informative" for row in rows]
    telling = torch.tensor(said).float().unsqueeze(1) * 4 + torch.randn(len(rows), 6)
    vectors = assemble(rows, torch.randn(len(rows), 5), telling, torch.randn(len(rows), 4))
    recipe = replace(Recipe.product(), fusion=FusionPlan(rate=1e-3))
    found = protocols.srilanka_folds(vectors, rows, recipe)
    assert {name.partition(".")[0] for name in found} == {"image_info", "either", "agreed"}
    assert found["image_info.image"]["n"] == len(rows)
    assert found["image_info.image"]["accuracy"] > found["image_info.text"]["accuracy"]
    assert found["image_info.gain_accuracy"]["over"] == "image"
