"""How text layers learn: what of their beginning stays in them, and of whom beside people."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.data.rows import Row
from model.training import text
from model.training.distil import distance
from model.training.text import TARGETS, TextPlan, TextTask, averaged, fine_tune

YES, NO = {"informativeness": "informative"}, {"informativeness": "not_informative"}
ROWS = [
    Row(str(i), i, "e", "train", f"text {i}", of_text=answers, of_post=answers, agreed=answers)
    for i, answers in enumerate([YES, NO] * 4)
]
NUMBERS = st.lists(st.floats(-(2.0**90), 2.0**90, width=32), min_size=1, max_size=9)


@given(NUMBERS, st.floats(0, 1), st.sampled_from([torch.float32, torch.bfloat16]))
def test_the_average_of_weights_with_themselves_is_these_weights(numbers, share, dtype):
    state = {"a": torch.tensor(numbers).to(dtype), "b": torch.tensor(3)}
    found = averaged([state, state], [share, 1 - share])
    assert found.keys() == state.keys()
    for name, value in found.items():
        assert value.dtype == state[name].dtype
        assert torch.equal(value, state[name])


def test_an_average_goes_by_its_shares():
    one, other, third = ({"a": torch.full((2,), value)} for value in (1.0, 5.0, 9.0))
    assert averaged([one, other, third], [0.5, 0.25, 0.25])["a"].tolist() == [4.0, 4.0]


@pytest.mark.parametrize("kept", [0.25, 1.0])
def test_so_much_of_the_layers_they_began_with_is_kept_and_none_of_the_heads(letters, kept):
    new, mixed = (fine_tune(letters(), ROWS, TextPlan(batch=2, rate=0.1, kept=share)) for share in (0.0, kept))
    began = letters().scale
    assert not torch.allclose(new.encoder.scale, began, atol=0.01)
    torch.testing.assert_close(mixed.encoder.scale, (1 - kept) * new.encoder.scale + kept * began)
    for name, value in new.state_dict().items():
        assert name.startswith("encoder.") or torch.equal(value, mixed.state_dict()[name])


@given(st.integers(0, 999), st.integers(1, 5), st.floats(0.1, 9))
def test_a_network_that_is_its_teacher_is_nowhere_from_it_and_learns_nothing(seed, texts, count):
    draw = torch.Generator().manual_seed(seed)
    taught = {"a": 3 * torch.randn(texts, 4, generator=draw), "b": torch.randn(texts, 2, generator=draw)}
    shown = torch.randn(texts, 6, generator=draw)
    logits = {name: z.clone().requires_grad_() for name, z in taught.items()}
    vectors = shown.clone().requires_grad_()
    counts = {"a": count, "b": 1.0}
    loss = distance(logits, vectors, taught, shown, counts)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-5)
    for each in (*logits.values(), vectors):
        assert float(each.grad.abs().max()) < 1e-5
    away = {name: z + torch.randn(z.shape, generator=draw) for name, z in taught.items()}
    assert distance(away, shown, taught, shown, counts) > 0
    assert distance(taught, torch.randn(shown.shape, generator=draw), taught, shown, counts) > 0


def test_the_distance_is_the_divergence_from_the_teacher_and_the_angle_whatever_the_length():
    even, sure = torch.zeros(1, 2), torch.tensor([[3.0, 1.0]]).log()
    right, up = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 7.0]])
    divergence = 0.75 * torch.tensor(1.5).log() + 0.25 * torch.tensor(0.5).log()
    found = distance({"a": even}, right, {"a": sure}, up, {"a": 2.0})
    assert float(found) == pytest.approx(1 + 2 * float(divergence))


def test_without_a_label_text_layers_learn_what_a_teacher_says_and_it_stays_as_it_is(letters):
    rows = [Row(str(i), i, "e", "train", "abcdefg"[: 1 + i % 7]) for i in range(60)]
    torch.manual_seed(5)
    teacher = TextTask(letters()).eval().requires_grad_(False)
    for head in teacher.heads.values():
        torch.nn.init.normal_(head.weight, std=0.1)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    asked = [row.text for row in rows]

    def apart(plan):
        torch.manual_seed(0)
        says, learned = teacher.predict(asked), fine_tune(letters(), rows, plan, teacher=teacher).predict(asked)
        return sum(float((says[t].softmax(1) - learned[t].softmax(1)).abs().mean()) for t in TARGETS)

    untaught, taught = (apart(TextPlan(members=1, epochs=n, head_rate=0.02, rate=0.0, teacher=9)) for n in (0, 60))
    assert taught < untaught / 3
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_beside_a_teacher_peoples_labels_count_as_much_as_asked(letters):
    torch.manual_seed(5)
    teacher = TextTask(letters()).eval().requires_grad_(False)
    answers = {}
    for labels in (0.0, 100.0):
        plan = TextPlan(members=1, epochs=40, batch=8, rate=0.0, head_rate=0.02, labels=labels, teacher=9)
        learned = fine_tune(letters(), [row for row in ROWS if row.agreed == YES], plan, teacher=teacher)
        answers[labels] = float(learned.predict(["text 0"])["informativeness"].softmax(1)[0, 1])
    assert answers[100.0] > 0.9
    assert answers[0.0] == pytest.approx(
        float(teacher.predict(["text 0"])["informativeness"].softmax(1)[0, 1]), abs=0.1
    )


def test_a_teacher_learns_first_once_from_the_packages_layers_in_half_of_the_time(monkeypatch, letters):
    runs, shares = [], []
    run = text._run

    def recorded(task, rows, plan, step, draw, teacher):
        runs.append((task, plan, teacher))
        run(task, rows, plan, step, draw, teacher)

    monkeypatch.setattr(text, "_run", recorded)
    encoder, larger = letters(), letters()
    encoder.larger = {11: larger}.__getitem__
    plan = TextPlan(members=2, rate=5e-5, kept=0.25, minutes=8.0, teacher=11)
    learned = fine_tune(encoder, ROWS, plan, shares.append)
    (teacher, first, none), *members = runs
    assert none is None
    assert teacher.encoder is larger
    assert (first.members, first.kept, first.rate, first.minutes) == (1, 0.0, TextPlan().rate, 4.0)
    assert [(task, each.minutes, taught) for task, each, taught in members] == [(learned, 4.0, teacher)] * 2
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
    assert sum(shares) == pytest.approx(1)


def test_the_vectors_are_turned_to_the_teachers_before_the_angle_is_taken(monkeypatch, letters):
    angles = []

    def recorded(logits, vectors, taught, shown, counts):
        angles.append(float(1 - torch.cosine_similarity(vectors, shown).mean().detach()))
        return distance(logits, vectors, taught, shown, counts)

    monkeypatch.setattr(text, "distance", recorded)
    teacher = TextTask(letters()).eval().requires_grad_(False)
    teacher.encoder.scale.data = torch.tensor([-1.0, 1.0, -1.0, 1.0])
    fine_tune(letters(), ROWS, TextPlan(members=1, epochs=30, rate=0.0, head_rate=0.02, teacher=9), teacher=teacher)
    assert angles[-1] < angles[0] / 2, "by layers that stay as they are"


def test_the_mean_of_the_members_is_kept(monkeypatch, letters):
    steps = iter((1.0, 4.0))

    def moved(task, *_):
        step = next(steps)
        task.load_state_dict({name: value + step for name, value in task.state_dict().items()})

    monkeypatch.setattr(text, "_run", moved)
    task = fine_tune(letters(), ROWS, TextPlan(members=2))
    torch.testing.assert_close(task.encoder.scale.detach(), letters().scale.detach() + 2.5)
    assert float(task.offsets["request"].detach().mean()) == 2.5
