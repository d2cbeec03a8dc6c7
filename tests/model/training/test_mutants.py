"""What nobody notices when it is wrong: who is learned from, who is stopped, calibrated and judged by, and how.

Each test fails when the code does the forbidden thing; docs/method-tests.md names the mutant of each. Training itself
is replaced by a recorder, so all of this takes a second.
"""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from model.data.rows import LEARNED, Row
from model.data.sentences import EVENT as SENTENCES
from model.multitask.dynamic import DynamicMultitask
from model.network import FusionNetwork, NetworkConfig
from model.scorer import LABELS
from model.serving.calibration import FEWEST, Calibration
from model.training import evaluate, fusion, protocols, text, train
from model.training.fusion import FusionPlan, fit, validation_loss
from model.training.refit import agreeing
from model.training.text import TextPlan, TextTask
from model.training.train import Recipe
from model.training.vectors import Vectors

DIMS = {"text": 4, "image": 3, "context": 2}
CONFIG = NetworkConfig.product(DIMS, {str(c): names for c, names in LABELS.items()}, width=8)
YES, NO = {"informativeness": "informative"}, {"informativeness": "not_informative"}


def row(i, split="train", event="a", answers=None, **fields):
    answers = answers or (YES if i % 2 else NO)
    return Row(str(i), i, event, split, f"text {i}", of_text=answers, of_post=answers, agreed=answers, **fields)


def numbered(rows):
    """Vectors whose first entry is the row's key, so that it is seen who came where."""
    n = len(rows)
    values = {name: torch.zeros(n, d) for name, d in DIMS.items()}
    values["text"][:, 0] = torch.tensor([float(r.key) for r in rows])
    labels = {c: torch.zeros(n, dtype=torch.long) for c in LEARNED}
    return Vectors(values, torch.ones(n, 3, dtype=torch.bool), labels, labels, labels)


def keys(vectors):
    return {int(k) for k in vectors.values["text"][:, 0].tolist()}


class Recorded(Exception):  # noqa: N818 - no error: it ends a training that would begin
    pass


@pytest.fixture
def fits(monkeypatch):
    """Who ``fit`` was given to learn from and to stop by, and whom the calibration got."""
    seen = []

    def record(config, learned, stopped, plan, **_):
        seen.append(SimpleNamespace(train=keys(learned), dev=keys(stopped), plan=plan))
        return FusionNetwork(CONFIG).eval()

    for module in (train, protocols):
        monkeypatch.setattr(module, "fit", record)
        monkeypatch.setattr(
            module, "calibrated", lambda _, dev, *__: setattr(seen[-1], "calibrated", keys(dev)) or calibration()
        )
    return seen


def calibration():
    return Calibration({concept: len(names) for concept, names in LABELS.items()}).requires_grad_(False)


SPLITS = ["train"] * 6 + ["dev"] * 3 + ["test"] * 3 + ["held"]
ROWS = [row(i, split) for i, split in enumerate(SPLITS)]


def of(split):
    return {int(r.key) for r in ROWS if r.split == split}


def test_the_fusion_learns_from_train_stops_and_calibrates_on_dev_and_sees_no_test(fits):
    train.learn_fusion(numbered(ROWS), ROWS, Recipe.product(), None)
    (found,) = fits
    assert found.train == of("train")
    assert found.dev == found.calibrated == of("dev")


@pytest.mark.parametrize("strangers", [FEWEST - 1, FEWEST])
def test_sentences_of_our_own_calibrate_only_where_there_is_hardly_anything_else(fits, strangers):
    rows = [*ROWS, *(row(100 + i, "dev") for i in range(strangers - len(of("dev")))), row(99, "dev", SENTENCES)]
    train.learn_fusion(numbered(rows), rows, Recipe.product(), None)
    (found,) = fits
    assert 99 in found.dev
    assert (99 in found.calibrated) == (strangers < FEWEST)


def test_the_text_layers_learn_from_train_less_what_is_held_out(monkeypatch, tmp_path):
    copies = [row(90), replace(row(91), group=10), replace(row(92), text="TEXT 11 https://t.co/x")]
    given = []

    def record(_, rows, *__):
        given.extend(rows)
        raise Recorded

    monkeypatch.setattr(train, "fine_tune", record)
    bar = SimpleNamespace(add_task=lambda *_, **__: 0, advance=lambda *_: None)
    with pytest.raises(Recorded):
        train.tune(None, [*ROWS, *copies], Recipe.product(), tmp_path, bar)
    assert {int(r.key) for r in given} == of("train") | {90}


def test_the_official_protocol_learns_no_row_of_the_splits_and_calibrates_on_dev(monkeypatch):
    rows = [replace(r, official={"informativeness": r.split}) if r.split in ("dev", "test") else r for r in ROWS]
    learned, asked = {}, []

    def tuned(name, rows, *_):
        learned[name] = {int(r.key) for r in rows}
        return SimpleNamespace(predict=lambda texts: {c: torch.full((len(texts), len(LABELS[c])), 1.0) for c in LABELS})

    def fit_calibration(_, logits, *__):
        asked.append(len(next(iter(logits.values()))))

    monkeypatch.setattr(protocols, "_tuned", tuned)
    monkeypatch.setattr(Calibration, "fit", fit_calibration)
    affected = {"humanitarian": "affected_individuals"}
    both = {"informativeness": "test", "humanitarian": "test"}
    more = [
        row(50, official=both, answers={**YES, **affected}),
        row(51, official={"humanitarian": "dev"}, answers=affected),
    ]
    protocols.official([*rows, *more], Recipe.product())
    assert not learned["informativeness"] & (of("dev") | of("test") | {50})
    assert asked == [3, 1], "as many as the dev part has; the test part of the first has four"


def test_the_official_protocol_that_begins_with_a_model_asks_nothing_that_this_has_learned(monkeypatch):
    """Of the official dev part half lies in the unified train part, which shipped models learn from."""
    dev = {"informativeness": "dev", "humanitarian": "dev"}
    rows = [row(1, official=dev, answers=YES), row(2, official=dev, answers=YES, split="dev"), row(3, answers=YES)]
    asked, begun = [], []

    def tuned(name, rows, recipe, work, start):
        begun.append(start)
        return SimpleNamespace(
            predict=lambda t: asked.append(t) or {c: torch.ones(len(t), len(LABELS[c])) for c in LABELS}
        )

    monkeypatch.setattr(protocols, "_tuned", tuned)
    monkeypatch.setattr(Calibration, "fit", lambda *_: None)
    monkeypatch.setattr(protocols, "figures", lambda *_: {})
    start = object()
    protocols.official(rows, Recipe.product(), start=start)
    assert begun == [start, start]
    assert asked[0] == [rows[1].text], "what the dev part holds and the model has not learned"


def test_a_fold_neither_learns_nor_stops_nor_calibrates_on_what_it_answers(fits, monkeypatch):
    pairs = [row(i) for i in range(80)]
    answered = []

    def logits(_, held, *__):
        answered.append(keys(held))
        return {"informativeness": torch.zeros(len(held), 1)}

    monkeypatch.setattr(protocols, "logits_of", logits)
    protocols._folds(numbered(pairs), pairs, Recipe.product(), lambda: None)
    assert set.union(*answered) == {int(r.key) for r in pairs}
    for found, held in zip(fits, answered, strict=True):
        assert not held & (found.train | found.dev | found.calibrated)
        assert not found.train & found.dev
        assert found.calibrated == found.dev


def test_an_event_that_is_left_out_is_neither_learned_nor_stopped_nor_calibrated_by(fits, monkeypatch):
    rows = [row(i, split, event) for i, (split, event) in enumerate([(s, e) for e in "ab" for s in SPLITS])]
    texts = []
    monkeypatch.setattr(protocols.ImageEncoder, "load", lambda *_: None)
    monkeypatch.setattr(protocols, "encode_images", lambda _, rows: torch.zeros(len(rows), 3))
    monkeypatch.setattr(protocols, "encode", lambda _, rows, **__: (numbered(rows), None))
    monkeypatch.setattr(protocols, "_text_without", lambda learning, *_: texts.append({int(r.key) for r in learning}))
    protocols.leave_one_out(rows, Recipe.product())
    for event, found, text_rows in zip("ab", fits, texts, strict=True):
        own = {int(r.key) for r in rows if r.event == event}
        assert not own & (found.train | found.dev | found.calibrated | text_rows)
        assert found.train
        assert found.dev


def test_a_source_that_is_left_out_is_not_learned_nor_what_stands_for_the_seen(monkeypatch):
    rows = [row(i, "train", f"e{i % 3}", source="A" if i < 40 else "B") for i in range(100)]
    learned, asked = {}, {}

    def tuned(name, rows, *_):
        learned[name] = rows

        def predict(texts):
            asked.setdefault(name, []).append(texts)
            return {c: torch.randn(len(texts), len(LABELS[c])) for c in LABELS}

        return SimpleNamespace(predict=predict)

    monkeypatch.setattr(protocols, "_tuned", tuned)
    found = protocols.leave_one_source_out(rows, Recipe.product(), only=["A"])
    (names,) = learned
    assert {r.source for r in learned[names]} == {"B"}
    unseen, seen = asked[names]
    assert len(unseen) == 40
    assert seen
    assert not set(seen) & {r.text for r in learned[names]}
    assert {"A.informativeness.unseen", "A.informativeness.seen", "A.informativeness.gap"} <= found.keys()
    with pytest.raises(ValueError, match="no message is of the source 'C'; there are A, B"):
        protocols.leave_one_source_out(rows, Recipe.product(), only=["C"])


def test_a_served_model_is_judged_on_test_alone_and_on_unseen_events_of_other_sources(monkeypatch):
    asked = []

    def served(_, rows):
        asked.append({int(r.key) for r in rows})
        return {c: torch.rand(len(rows), len(LABELS[c])) for c in LABELS}

    monkeypatch.setattr(evaluate, "_served", served)
    evaluate.unified(ROWS, None)
    evaluate.unseen_events([replace(r, source="A", language="es") for r in ROWS], None)
    assert asked == [of("test"), of("test")]


def test_two_number_formats_are_compared_on_held_out_rows_view_by_view(monkeypatch):
    asked = []

    def served(name, rows):
        asked.append([({int(r.key) for r in rows}, {(bool(r.text), r.image is not None) for r in rows})])
        tables = {c: torch.eye(len(LABELS[c]))[torch.zeros(len(rows), dtype=torch.long)] for c in LABELS}
        if name == "8 bit":
            tables["request"][0] = torch.tensor([0.0, 1.0])
        tables["damage"][0] = torch.nan  # it has no answer there, so there is none to compare
        return tables

    monkeypatch.setattr(evaluate, "_served", served)
    rows = [replace(r, text="flood", image=Path("x.jpg") if int(r.key) % 2 else None) for r in ROWS]
    found = evaluate.formats(rows, "float32", "8 bit")
    held = of("dev") | of("test")
    pairs = {key for key in held if key % 2}
    assert asked == [
        [(held, {(True, False)})],
        [(held, {(True, False)})],
        [(pairs, {(False, True)})],
        [(pairs, {(False, True)})],
        [(pairs, {(True, True)})],
        [(pairs, {(True, True)})],
    ]
    assert found["text.all"] == {"n": len(held), "same": pytest.approx(1 - 1 / len(held), abs=1e-4)}
    assert found["photo.request"]["same"] == pytest.approx(1 - 1 / len(pairs), abs=1e-4)
    assert found["post.damage"]["same"] == 1


def test_intervals_resample_groups_not_rows():
    truth = torch.tensor([0, 1] * 20)
    table = torch.eye(2)[torch.tensor([0, 1, 1, 1] * 10)]
    one = evaluate.figures(table, truth, [7] * 40)
    assert one["accuracy_interval"][0] == one["accuracy_interval"][1], "one group comes or stays away as a whole"
    many = evaluate.figures(table, truth, range(40))
    assert many["accuracy_interval"][0] < many["accuracy_interval"][1]


def few(n=12):
    generator = torch.Generator().manual_seed(0)
    values = {name: torch.randn(n, d, generator=generator) for name, d in DIMS.items()}
    labels = {c: torch.arange(n) % len(names) for c, names in LEARNED.items()}
    return Vectors(values, torch.ones(n, 3, dtype=torch.bool), labels, labels, labels)


def test_training_uses_the_focal_loss_and_judging_does_not(monkeypatch):
    betas, plain = [], FusionNetwork.losses
    monkeypatch.setattr(FusionNetwork, "losses", lambda *a: betas.append(a[3] if len(a) > 3 else 0.0) or plain(*a))
    fit(CONFIG, few(), few(), FusionPlan(epochs=1, batch=6))
    assert betas == [2.0, 2.0, 0.0]


def test_every_epoch_ends_with_a_rebalance(monkeypatch):
    ends = []
    monkeypatch.setattr(DynamicMultitask, "end_epoch", lambda *_: ends.append(1))
    fit(CONFIG, few(), few(), FusionPlan(epochs=3, batch=6, patience=9))
    assert len(ends) == 3


def test_modalities_are_hidden_in_training_and_not_in_judging(monkeypatch):
    masks, plain = [], FusionNetwork.forward
    monkeypatch.setattr(
        FusionNetwork, "forward", lambda self, v, m: masks.append((self.training, m)) or plain(self, v, m)
    )
    fit(CONFIG, few(60), few(), FusionPlan(epochs=1, batch=60, drop=0.3))
    learned = torch.cat([m for training, m in masks if training])
    judged = torch.cat([m for training, m in masks if not training])
    assert not learned.all()
    assert judged.all()


def test_a_task_with_few_dev_rows_does_not_decide_when_to_stop():
    network, rows = FusionNetwork(CONFIG).eval(), few(40)
    rare = {**rows.of_post, "damage": torch.where(torch.arange(40) < 2, rows.of_post["damage"], -1)}
    rows = replace(rows, of_post=rare, of_text=rare, of_image=rare)
    losses = network.losses(network(rows.values, rows.mask), rows.labels(rows.mask))
    enough = losses.rows >= 30
    assert 0 < int(enough.sum()) < len(enough)
    assert validation_loss(network, rows, 30) == pytest.approx(float(losses.values[enough].mean().detach()), rel=1e-5)
    assert validation_loss(network, rows, 99) == pytest.approx(float(losses.values.mean().detach()), rel=1e-5)


def test_the_plan_decides_where_w_is_and_the_paper_means_the_head(monkeypatch):
    seen = []
    monkeypatch.setattr(fusion, "DynamicMultitask", lambda *_, at: seen.append(at) or DynamicMultitask(*_, at=at))
    for plan in (FusionPlan(epochs=1), FusionPlan.paper(epochs=1)):
        fit(CONFIG, few(), few(), plan)
    assert seen == ["trunk", "head"]
    assert Recipe.literal().config(few()).norm == "none"


def test_labels_that_the_reference_would_not_give_are_not_learned_from_other_sources():
    rows = [row(0, source="S"), row(1, source="S"), row(2), row(3, "dev", source="S")]
    vectors = numbered(rows)
    heads = {}
    for target in ("informativeness", "humanitarian", "request"):
        k = len(LABELS[target])
        heads[f"{target}.weight"], heads[f"{target}.bias"] = torch.zeros(k, 4), torch.zeros(k)
        heads[f"{target}.weight"][1, 0] = 1.0  # the second class for all but the row whose number is 0
    found = agreeing(vectors, rows, heads).of_text["informativeness"]
    assert found.tolist() == [0, -1, 0, 0]
    assert agreeing(vectors, rows, {}) is vectors


def test_a_source_has_an_offset_in_training_that_is_left_off_in_service(letters):
    task = TextTask(letters(), ["S"]).eval()
    torch.nn.init.constant_(task.offsets["request"], 5.0)
    with torch.no_grad():
        task.offsets["request"][:, 1] = -5.0
    ids, lengths = torch.ones(2, 3, dtype=torch.long), torch.tensor([3, 3])
    served = task(ids, lengths)
    reference, other = (task(ids, lengths, torch.full((2,), source)) for source in (0, 1))
    assert torch.equal(served["request"], reference["request"])
    assert torch.allclose(other["request"] - served["request"], torch.tensor([[5.0, -5.0]] * 2))
    task.offsets["request"].data.zero_()
    asked = task.predict(["abc"])["request"]
    torch.nn.init.constant_(task.offsets["request"], 5.0)
    assert torch.equal(task.predict(["abc"])["request"], asked)


def test_a_missed_plea_is_graver_than_a_false_one():
    wrong = {"request": torch.tensor([[3.0, -3.0], [-3.0, 3.0]])}
    one = torch.ones(1)
    missed = text._loss({"request": wrong["request"][:1]}, {"request": torch.tensor([1])}, one, 0.0)
    false = text._loss({"request": wrong["request"][1:]}, {"request": torch.tensor([0])}, one, 0.0)
    assert float(missed) == pytest.approx(2 * float(false))


def test_text_layers_learn_what_is_drawn_and_no_longer_than_they_may(monkeypatch, letters):
    rows = [row(i) for i in range(8)]
    shares, drawn = [], []

    def draw(rows, seed):
        drawn.append(seed)
        return [0, 1, 1]

    task = text.fine_tune(letters(), rows, TextPlan(members=2, epochs=2, batch=2), shares.append, draw)
    assert drawn == [0, 1, 2, 3], "another draw for each epoch and member"
    assert sum(shares) == pytest.approx(1)
    assert not task.training
    clock = iter(range(0, 10_000, 61))
    monkeypatch.setattr(text.time, "monotonic", lambda: next(clock))
    batches = []
    monkeypatch.setattr(text, "_loss", lambda *a: batches.append(1) or a[2].sum() * letters().scale.sum())
    text.fine_tune(letters(), rows, TextPlan(members=1, epochs=9, batch=1, minutes=3))
    assert len(batches) == 2, "three minutes by a clock that goes on by one at each look"


def test_a_model_says_which_languages_it_learned():
    rows = [row(i, language=name) for i, name in enumerate(["es"] * 60 + ["fr"] * 49 + [None] * 70)]
    start = SimpleNamespace(manifest=SimpleNamespace(languages=("uk",)))
    assert train.languages(rows) == ("en", "es")
    assert train.languages(rows, start) == ("en", "es", "uk")
    assert train.languages([replace(r, split="test") for r in rows]) == ()


def test_rows_of_which_none_is_dev_leave_the_calibration_as_it_was():
    none = numbered(ROWS).take([])
    assert len(none) == 0
    start = {name: value + 1 for name, value in calibration().state_dict().items()}
    kept = train.calibrated(FusionNetwork(CONFIG), none, start).state_dict()
    assert all(torch.equal(value, start[name]) for name, value in kept.items())
