import json
import re
from pathlib import Path

import pytest
import torch

pytest.importorskip("torchjd", reason="torchjd comes with the train extra")
pytest.importorskip("matplotlib", reason="matplotlib comes with the train extra")

from model.paper import fit as table_fit
from model.paper import tables
from model.paper.data import SOURCES, SPLITS, TableData, paper_split
from model.paper.figures import PAPER
from model.paper.fit import Method, Protocol, fit_cell
from model.paper.report import CLAIMS, order, sentence
from model.paper.tables import FOCAL, METHODS, chosen_methods, references, run_tables
from model.scorer import LABELS

QUICK = Protocol(epochs=2, width=8, trunk=16, projection=4)


def made_up(n: int = 240, seed: int = 0) -> TableData:
    """Posts whose text vector tells informativeness and category, and whose photo tells damage; half lack the photo."""
    g = torch.Generator().manual_seed(seed)
    labels = {c: torch.randint(0, len(names), (n,), generator=g) for c, names in LABELS.items() if c in SOURCES}
    eye = torch.eye(8)
    text = 2 * eye[labels["humanitarian"]] + 3 * eye[5 + labels["informativeness"]]
    vectors = {
        "text": text + 0.3 * torch.randn(n, 8, generator=g),
        "image": 2 * eye[labels["damage"]][:, :5] + 0.3 * torch.randn(n, 5, generator=g),
        "context": torch.randn(n, 3, generator=g),
    }
    mask = torch.ones(n, 3, dtype=torch.bool)
    mask[::2, 1] = False
    vectors["image"][~mask[:, 1]] = float("nan")
    labels["damage"][::2] = -1
    split = tuple(SPLITS[0 if i % 5 < 3 else i % 5 - 2] for i in range(n))
    return TableData(vectors, mask, labels, torch.arange(n) // 2, tuple("ab"[i % 2] for i in range(n)), split)


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> TableData:
    posts = made_up()
    monkeypatch.setattr(tables, "load_table_data", lambda *_: posts)
    return posts


def test_the_rows_are_those_of_the_paper() -> None:
    assert len(METHODS) == 8
    for figures in PAPER.values():
        assert list(figures) == [method.name for method in METHODS]
    assert {name for pair in CLAIMS for name in pair} == {method.name for method in METHODS}


def test_methods_are_chosen_by_name() -> None:
    assert [m.name for m in chosen_methods(["Concat + Dynamic", "Concat + Equal"])] == [
        "Concat + Equal",
        "Concat + Dynamic",
    ]
    assert len(chosen_methods(None, focal=True)) == 10
    with pytest.raises(ValueError, match=r"'Magic'.*Concat"):
        chosen_methods(["Magic"])


@pytest.mark.parametrize("method", [*METHODS, *FOCAL], ids=lambda m: m.name)
def test_every_method_learns_what_can_be_learnt(method: Method) -> None:
    posts = made_up()
    cell = fit_cell(method, posts, Protocol(epochs=12, width=16, trunk=32, projection=4), seed=0)
    test = posts.rows("test")
    for concept, p in cell.probabilities.items():
        known = posts.labels[concept][test] >= 0
        right = (p.argmax(1) == posts.labels[concept][test])[known].float().mean().item()
        assert right > 1.4 / len(LABELS[concept]), (concept, right)
    assert 1 <= cell.best_epoch <= cell.epochs <= 12
    assert (cell.similarity is not None) == ("graph" in method.fusion)


def test_a_seed_fixes_the_result() -> None:
    posts = made_up()
    one, two, other = (fit_cell(METHODS[7], posts, QUICK, seed).probabilities["damage"] for seed in (3, 3, 4))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_training_stops_after_patience_epochs_without_a_better_one(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([3.0, 2.0, 1.0, 5.0, 5.0, 5.0, 0.0])
    monkeypatch.setattr(table_fit, "validation_loss", lambda *_: next(losses))
    cell = fit_cell(METHODS[0], made_up(), Protocol(epochs=8, width=8, trunk=8, patience=3), 0)
    assert (cell.best_epoch, cell.epochs) == (3, 6)


def test_a_run_reports_and_a_second_one_trains_nothing_again(
    data: TableData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run_tables(tmp_path, tmp_path / "out", seeds=2, protocol=QUICK, resamples=20)
    report = (out / "report.md").read_text()
    assert (out / "report.png").stat().st_size > 10_000
    assert f"Only {int(data.mask[:, 1].sum())} of these 240 posts have their photo" in report
    for concept, rows in PAPER.items():
        section = report.split(f"## {concept}")[1].split("## ")[0]
        for name, (f1, hl, average) in rows.items():
            line = next(x for x in section.splitlines() if x.startswith(f"| {name} |"))
            assert re.search(rf"\| {f1:.3f} \| .*\| {hl:.3f} \| .*\| {average:.3f} \|", line)
        assert "| event only |" in section
    assert report.count(": the paper has") == 3 * len(CLAIMS)
    results = json.loads((out / "results.json").read_text())
    for methods in results["figures"].values():
        for figures in methods.values():
            for figure in figures.values():
                assert figure["interval"][0] - 1e-9 <= figure["value"] <= figure["interval"][1] + 1e-9
    monkeypatch.setattr(tables, "fit_cell", lambda *_: pytest.fail("trained a finished cell again"))
    run_tables(tmp_path, out, seeds=2, protocol=QUICK, resamples=20)
    assert (out / "report.md").read_text() == report


def test_a_run_cut_short_goes_on(data: TableData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []

    def stops(method: Method, posts: TableData, protocol: Protocol, seed: int) -> object:
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append((method.name, seed))
        return fit_cell(method, posts, protocol, seed)

    names = ["Concat + Equal", "Concat + Dynamic"]
    monkeypatch.setattr(tables, "fit_cell", stops)
    with pytest.raises(KeyboardInterrupt):
        run_tables(tmp_path, tmp_path / "out", seeds=1, protocol=QUICK, resamples=5, methods=names)
    monkeypatch.setattr(tables, "fit_cell", lambda m, *rest: trained.append((m.name, rest[-1])) or fit_cell(m, *rest))
    run_tables(tmp_path, tmp_path / "out", seeds=1, protocol=QUICK, resamples=5, methods=names)
    assert trained == [("Concat + Equal", 0), ("Concat + Dynamic", 0)]


def test_two_experiments_never_share_a_folder(data: TableData, tmp_path: Path) -> None:
    one = ["Concat + Equal"]
    run_tables(tmp_path, tmp_path / "out", seeds=1, protocol=QUICK, resamples=5, methods=one)
    with pytest.raises(ValueError, match="another experiment"):
        run_tables(tmp_path, tmp_path / "out", seeds=1, protocol=Protocol(epochs=3), resamples=5, methods=one)


def test_sentences_say_what_the_intervals_say() -> None:
    def figures(value: float) -> dict:
        return {"f1": torch.full((3,), value, dtype=torch.float64).numpy()}

    found = {"damage": {name: figures(0.5) for name in PAPER["damage"]}}
    found["damage"]["Concat + Equal"] = figures(0.6)
    found["damage"]["ImprovedGraph + Dynamic"] = figures(0.7)
    claims = {(c["better"], c["worse"]): c for c in order(found)}
    assert claims["Tensor + Equal", "Concat + Equal"]["verdict"] == "differs"
    assert "other way round" in sentence(claims["Tensor + Equal", "Concat + Equal"])
    assert claims["ImprovedGraph + Dynamic", "ImprovedGraph + Equal"]["verdict"] == "agrees"
    assert claims["Graph + Equal", "Tensor + Equal"]["verdict"] == "undecided"


def test_the_papers_own_order_decides_who_is_better() -> None:
    """For the humanitarian concept the paper has Tensor above Graph, for the others below."""
    same = {"f1": torch.tensor([0.5, 0.5, 0.5]).numpy()}
    found = {concept: dict.fromkeys(PAPER[concept], same) for concept in PAPER}
    disputed = {"Graph + Equal", "Tensor + Equal"}
    pairs = {(c["concept"], c["better"]) for c in order(found) if {c["better"], c["worse"]} == disputed}
    assert pairs == {
        ("informativeness", "Graph + Equal"),
        ("humanitarian", "Tensor + Equal"),
        ("damage", "Graph + Equal"),
    }


def test_references_look_only_at_train_labels_and_events() -> None:
    posts = made_up()
    found = references(posts, "humanitarian")
    train = posts.rows("train")
    of_a = posts.labels["humanitarian"][[int(i) for i in train if posts.events[i] == "a"]]
    first = next(k for k, i in enumerate(posts.rows("test")) if posts.events[i] == "a")
    expected = torch.bincount(of_a, minlength=5) / len(of_a)
    torch.testing.assert_close(torch.tensor(found["event only"][first]), expected.double(), rtol=1e-6, atol=0)
    assert (found["majority class"] == found["majority class"][0]).all()


def test_the_papers_split_is_60_20_20_and_keeps_groups_whole() -> None:
    groups = [i // 3 for i in range(3000)]
    split = paper_split(groups)
    shares = [split.count(part) / 3000 for part in SPLITS]
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.01)
    assert all(split[i] == split[i + 1] == split[i + 2] for i in range(0, 3000, 3))
    assert split == paper_split(groups)
