import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from model.multitask.losses import UNKNOWN, focal_binary, focal_softmax, task_counts, task_losses

finite = st.floats(-30, 30)


@given(st.lists(finite, min_size=1, max_size=20), st.integers(0, 2**31))
def test_beta_0_is_binary_cross_entropy(logits: list[float], seed: int) -> None:
    z = torch.tensor(logits, dtype=torch.float64)
    y = torch.randint(0, 2, z.shape, generator=torch.Generator().manual_seed(seed)).double()
    expected = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    torch.testing.assert_close(focal_binary(z, y, 0.0), expected)


@given(finite, st.sampled_from([0.0, 1.0]), st.floats(0, 5))
def test_equation_10_as_printed(z: float, y: float, beta: float) -> None:
    p = torch.sigmoid(torch.tensor(z, dtype=torch.float64))
    p_d = p if y == 1 else 1 - p
    if p_d < 1e-6 or p_d > 1 - 1e-6:  # where the printed form loses its digits
        return
    got = focal_binary(torch.tensor(z, dtype=torch.float64), torch.tensor(y), beta)
    torch.testing.assert_close(got, -((1 - p_d) ** beta) * p_d.log(), rtol=1e-6, atol=1e-12)


def test_focal_survives_logits_that_overflow_the_printed_form() -> None:
    z = torch.tensor([-1e4, 1e4], requires_grad=True)
    loss = focal_binary(z, torch.tensor([1.0, 1.0]), 2.0)
    loss.sum().backward()
    assert loss.tolist() == [1e4, 0.0]
    assert z.grad.isfinite().all()


def test_easy_samples_count_less_than_in_cross_entropy_and_hard_ones_about_the_same() -> None:
    y = torch.ones(2)
    z = torch.tensor([4.0, -4.0])
    share = focal_binary(z, y, 2.0) / focal_binary(z, y, 0.0)
    assert share[0] < 0.001
    assert share[1] > 0.96


def test_group_with_beta_0_is_softmax_cross_entropy_and_with_two_classes_the_binary_form() -> None:
    z, y = torch.randn(8, 5), torch.randint(0, 5, (8,))
    torch.testing.assert_close(focal_softmax(z, y, 0.0), F.cross_entropy(z, y, reduction="none"))
    z, y = torch.randn(8, 2), torch.randint(0, 2, (8,))
    binary = focal_binary(z[:, 1] - z[:, 0], y.float(), 2.0)
    torch.testing.assert_close(focal_softmax(z, y, 2.0), binary)


@pytest.mark.parametrize("granularity", ["binary", "group"])
def test_an_unlabelled_row_takes_no_part(granularity: str) -> None:
    k = 1 if granularity == "binary" else 2
    z = {"a": torch.randn(6, k), "b": torch.randn(6, 3)}
    labels = {"a": torch.tensor([0, 1, UNKNOWN, 1, UNKNOWN, 0]), "b": torch.tensor([2, UNKNOWN, 1, 0, 0, UNKNOWN])}
    got = task_losses(z, labels, granularity).values
    parts = []
    for concept in z:
        rows = labels[concept] != UNKNOWN
        parts.append(task_losses({concept: z[concept][rows]}, {concept: labels[concept][rows]}, granularity).values)
    torch.testing.assert_close(got, torch.cat(parts))


def test_an_unlabelled_row_gets_no_gradient() -> None:
    z = torch.tensor([[0.3], [1e4]], requires_grad=True)
    task_losses({"a": z}, {"a": torch.tensor([1, UNKNOWN])}, "binary", 2.0).values.sum().backward()
    assert z.grad[0] != 0
    assert z.grad[1] == 0


def test_a_concept_nobody_labelled_is_absent_and_zero() -> None:
    losses = task_losses(
        {"a": torch.randn(3, 1), "b": torch.randn(3, 4)},
        {"a": torch.tensor([1, 0, 1]), "b": torch.full((3,), UNKNOWN)},
        "binary",
    )
    assert losses.present.tolist() == [True, False, False, False, False]
    assert losses.values[1:].tolist() == [0.0] * 4


def test_counts_are_of_labelled_rows_only() -> None:
    labels = {"a": torch.tensor([1, 0, UNKNOWN, 1]), "b": torch.tensor([2, 2, 0, UNKNOWN])}
    positives, totals = task_counts(labels, {"a": 1, "b": 3})
    assert positives.tolist() == [2, 1, 0, 2]
    assert totals.tolist() == [3, 3, 3, 3]
    positives, totals = task_counts(labels, {"a": 0, "b": 0})
    assert (positives.tolist(), totals.tolist()) == ([3, 3], [4, 4])
