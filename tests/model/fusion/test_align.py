import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.fusion.align import Align, drop_modalities

DIMS = (7, 20, 3)


def vectors(b: int = 4) -> list[torch.Tensor]:
    return [torch.randn(b, d) for d in DIMS]


def everyone(b: int = 4) -> torch.Tensor:
    return torch.ones(b, 3, dtype=torch.bool)


def test_pad_normalises_the_real_entries_and_fills_the_right_with_zeros() -> None:
    aligned = Align(DIMS, 512, "pad")(vectors(), everyone())
    assert aligned.shape == (4, 3, 20)
    assert torch.all(aligned[:, 0, 7:] == 0)
    assert torch.all(aligned[:, 2, 3:] == 0)
    torch.testing.assert_close(aligned[:, 0, :7].mean(-1), torch.zeros(4), atol=1e-6, rtol=0)
    torch.testing.assert_close(aligned[:, 0, :7].var(-1, correction=0), torch.ones(4), atol=1e-3, rtol=0)


def test_pad_without_norm_is_the_vector_itself() -> None:
    given_vectors = vectors()
    aligned = Align(DIMS, 512, "pad", "none")(given_vectors, everyone())
    assert torch.equal(aligned[:, 1], given_vectors[1])


def test_project_brings_all_to_the_width_asked_for() -> None:
    aligned = Align(DIMS, 16, "project")(vectors(), everyone())
    assert aligned.shape == (4, 3, 16)
    torch.testing.assert_close(aligned.mean(-1), torch.zeros(4, 3), atol=1e-6, rtol=0)


@pytest.mark.parametrize("how", ["pad", "project"])
@pytest.mark.parametrize("garbage", [1e3, float("nan"), float("inf")])
def test_what_stands_in_an_absent_slot_leaves_values_and_gradients_alone(how: str, garbage: float) -> None:
    align = Align(DIMS, 16, how)
    mask = torch.tensor([[True, False, True]] * 4)
    clean = vectors()
    dirty = [clean[0], torch.full_like(clean[1], garbage).requires_grad_(), clean[2]]
    aligned = align(dirty, mask)
    assert torch.equal(aligned, align(clean, mask))
    assert torch.all(aligned[:, 1] == 0)
    aligned.square().sum().backward()
    assert torch.all(dirty[1].grad == 0)
    assert all(p.grad.isfinite().all() for p in align.parameters())


def test_a_post_with_nothing_is_refused_by_its_row() -> None:
    mask = everyone()
    mask[2] = False
    with pytest.raises(ValueError, match="row 2"):
        Align(DIMS, 16)(vectors(), mask)


@given(st.integers(0, 2**31), st.floats(0, 1))
def test_dropout_hides_only_what_is_there_and_never_everything(seed: int, rate: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(32, 3, generator=generator) < 0.6
    mask[:, 0] |= ~mask.any(1)
    dropped = drop_modalities(mask, rate, generator)
    assert torch.all(mask | ~dropped)
    assert torch.all(dropped.any(1))


def test_dropout_hits_its_rate() -> None:
    mask = torch.ones(20_000, 3, dtype=torch.bool)
    kept = drop_modalities(mask, 0.2, torch.Generator().manual_seed(0)).float().mean().item()
    assert kept == pytest.approx(0.8 + 0.2**3, abs=0.01)  # rows that would lose all three keep them
    assert torch.equal(drop_modalities(mask, 0.0), mask)


def test_project_standardises_what_fit_saw_of_the_present_rows_alone() -> None:
    align = Align(DIMS, 16, "project")
    seen = [v * 7 + 3 for v in vectors(50)]
    seen[1][:, 4] = 2.0  # never varies
    mask = everyone(50)
    mask[25:, 0] = False
    seen[0][25:] = 1e6
    align.fit(seen, mask)
    first, second = (align.steps[i][0] for i in (0, 1))
    standardised = first(seen[0][:25])
    torch.testing.assert_close(standardised.mean(0), torch.zeros(7), atol=1e-5, rtol=0)
    torch.testing.assert_close(standardised.std(0), torch.ones(7), atol=1e-5, rtol=0)
    assert not second(seen[1] * 9)[:, 4].any(), "what never varied says nothing, whatever it is in service"


def test_pad_has_nothing_to_fit_and_one_row_tells_no_spread() -> None:
    padded, given_vectors = Align(DIMS, 16, "pad"), vectors()
    before = padded(given_vectors, everyone())
    padded.fit([v + 5 for v in given_vectors], everyone())
    assert torch.equal(padded(given_vectors, everyone()), before)
    projecting = Align(DIMS, 16, "project")
    projecting.fit(vectors(1), everyone(1))
    assert torch.isfinite(projecting(given_vectors, everyone())).all()
