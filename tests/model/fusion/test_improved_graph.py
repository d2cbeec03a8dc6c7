from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from model.fusion.improved_graph import (
    DynamicAttention,
    ImprovedGraphFusion,
    Level,
    VertexNetwork,
    bimodal_pairs,
    masked_softmax,
    pair_similarity,
    trimodal_pairs,
)

D = 24
seeds = st.integers(0, 2**31)


def present(b: int, n: int) -> torch.Tensor:
    return torch.ones(b, n, dtype=torch.bool)


def subsets(n: int) -> list[tuple[bool, ...]]:
    return [s for s in product((True, False), repeat=n) if any(s)]


def reduced(full: ImprovedGraphFusion, n: int, **options: object) -> ImprovedGraphFusion:
    """The same weights on a graph of ``n`` modalities."""
    small = ImprovedGraphFusion(n, D, **options).double()
    small.load_state_dict(full.state_dict())
    return small


OPTIONS = [
    {"gate": gate, "symmetric": symmetric, "carry": carry}
    for gate in ("none", "sigmoid", "share")
    for symmetric in (False, True)
    for carry in ("normalised", "raw")
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("subset", subsets(3), ids=str)
@pytest.mark.parametrize("garbage", [1e3, float("nan")])
def test_masked_equals_reduced_exactly(options: dict, subset: tuple[bool, ...], garbage: float) -> None:
    torch.manual_seed(1)
    fusion = ImprovedGraphFusion(3, D, **options).double()
    mask = torch.tensor(subset).expand(5, 3)
    kept = [i for i in range(3) if subset[i]]
    clean = torch.randn(5, 3, D, dtype=torch.float64)
    noise = torch.full_like(clean, garbage) * torch.randn_like(clean)
    fused, weights = fusion(torch.where(mask.unsqueeze(-1), clean, noise), mask)
    expected, expected_weights = reduced(fusion, len(kept), **options)(clean[:, kept], present(5, len(kept)))
    assert (fused - expected).abs().max() == 0
    assert torch.equal(weights.attention[:, kept], expected_weights.attention)
    pairs = [i for i, (x, y) in enumerate(bimodal_pairs(3)) if x in kept and y in kept]
    assert torch.equal(weights.pairs[:, pairs], expected_weights.pairs)
    assert torch.equal(weights.edges[:, pairs], expected_weights.edges)
    others = [i for i in range(3) if i not in pairs]
    assert not weights.pairs[:, others].any()
    assert not weights.edges[:, others].any()


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from(subsets(4)))
def test_masked_equals_reduced_for_four_modalities_to_rounding(seed: int, subset: tuple[bool, ...]) -> None:
    torch.manual_seed(seed)
    fusion = ImprovedGraphFusion(4, D).double()
    mask = torch.tensor(subset).expand(3, 4)
    kept = [i for i in range(4) if subset[i]]
    vectors = torch.randn(3, 4, D, dtype=torch.float64)
    fused, _ = fusion(vectors, mask)
    expected, _ = reduced(fusion, len(kept))(vectors[:, kept], present(3, len(kept)))
    torch.testing.assert_close(fused, expected, atol=1e-12, rtol=0)


def test_a_mixed_batch_equals_its_rows_one_by_one() -> None:
    fusion = ImprovedGraphFusion(3, D).double()
    mask = torch.tensor(subsets(3))
    vectors = torch.randn(len(mask), 3, D, dtype=torch.float64)
    together, _ = fusion(vectors, mask)
    alone = torch.cat([fusion(vectors[i : i + 1], mask[i : i + 1])[0] for i in range(len(mask))])
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=0)


def test_no_gradient_leaks_from_absent_slots() -> None:
    fusion = ImprovedGraphFusion(3, D)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    vectors = torch.randn(2, 3, D)
    vectors[~mask] = float("nan")
    vectors.requires_grad_()
    fusion(vectors, mask)[0].square().sum().backward()
    assert torch.all(vectors.grad[~mask] == 0)
    assert vectors.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in fusion.parameters())


def test_a_post_with_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"row 1 .* no modality"):
        ImprovedGraphFusion(3, D)(torch.randn(2, 3, D), torch.tensor([[True] * 3, [False] * 3]))


@pytest.mark.parametrize(("n", "bimodal", "trimodal"), [(1, 0, 0), (2, 1, 0), (3, 3, 6), (4, 6, 27)])
def test_counts_of_vertices(n: int, bimodal: int, trimodal: int) -> None:
    assert len(bimodal_pairs(n)) == bimodal
    assert len(trimodal_pairs(n)) == trimodal  # n = 4: 15 pairs of pairs + 6 pairs with 2 outsiders each


def test_the_third_level_of_three_is_that_of_figure_1() -> None:
    names = ["1", "2", "3", "12", "13", "23"]
    vertices = {f"{names[a]},{names[b]}" for a, b in trimodal_pairs(3)}
    assert vertices == {"12,13", "12,23", "13,23", "12,3", "13,2", "23,1"}


@pytest.mark.parametrize(("n", "zero_from"), [(1, D), (2, 2 * D)])
def test_levels_that_cannot_exist_are_zero(n: int, zero_from: int) -> None:
    fused, _ = ImprovedGraphFusion(n, D)(torch.randn(4, n, D), present(4, n))
    assert fused.shape == (4, 3 * D)
    assert torch.all(fused[:, zero_from:] == 0)
    assert torch.all(fused[:, :zero_from].abs().sum(-1) > 0)


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(2, 4))
def test_equations_1_to_7_written_out(seed: int, n: int) -> None:
    """The whole forward pass against a loop over one post that follows the formulas, w from DynamicAttention."""
    torch.manual_seed(seed)
    fusion = ImprovedGraphFusion(n, D).double()
    post = torch.randn(n, D, dtype=torch.float64)
    w = list(fusion.attention(post.unsqueeze(0), present(1, n))[0])

    def nn(level: Level, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(level.vertex.dense(level.vertex.mix(torch.stack((x, y)).unsqueeze(0))[0, 0]))

    def level(module: Level, members: list, weights: list, pairs: list) -> tuple:
        if not pairs:
            return torch.zeros(D, dtype=torch.float64), [], []
        vertices = [nn(module, members[x], members[y]) for x, y in pairs]
        s = [F.cosine_similarity(members[x].softmax(0), members[y].softmax(0), dim=0) for x, y in pairs]
        q = torch.stack([(weights[x] + weights[y]) / (s_xy + 0.5) for (x, y), s_xy in zip(pairs, s, strict=True)])
        normalised = q.exp() / q.exp().sum()
        return sum(a * v for a, v in zip(normalised, vertices, strict=True)), vertices, list(normalised)

    g_unm = sum(a * v for a, v in zip(w, post, strict=True)) / n
    g_bim, vertices, pair_weights = level(fusion.bimodal, list(post), w, bimodal_pairs(n))
    g_trm, _, _ = level(fusion.trimodal, [*post, *vertices], [*w, *pair_weights], trimodal_pairs(n))
    fused, weights = fusion(post.unsqueeze(0), present(1, n))
    torch.testing.assert_close(fused[0], torch.cat((g_unm, g_bim, g_trm)), atol=1e-12, rtol=0)
    torch.testing.assert_close(weights.pairs[0], torch.stack(pair_weights), atol=1e-12, rtol=0)


def test_attention_is_the_two_convolutions_over_the_stacked_image() -> None:
    attention = DynamicAttention()
    vectors = torch.randn(4, 3, D)
    image = F.leaky_relu(attention.point(F.leaky_relu(attention.wide(vectors.unsqueeze(1)))))
    torch.testing.assert_close(attention(vectors, present(4, 3)), image[:, 0].mean(-1))


def test_the_gate_bounds_attention() -> None:
    torch.manual_seed(0)
    weights = DynamicAttention("sigmoid")(torch.randn(50, 3, D) * 100, present(50, 3))
    assert torch.all((weights >= 0) & (weights <= 1))
    assert (DynamicAttention("none")(torch.randn(50, 3, D) * 100, present(50, 3)) > 1).any()


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(2, 4))
def test_ordered_double_sum_equals_the_symmetric_option(seed: int, n: int) -> None:
    """Equation 6 over ordered pairs x != y, softmax over ordered pairs, against symmetric unordered pairs."""
    torch.manual_seed(seed)
    level = Level(bimodal_pairs(n), D, 0.5, symmetric=True).double()
    ordered = Level([(x, y) for x in range(n) for y in range(n) if x != y], D, 0.5, symmetric=False).double()
    ordered.load_state_dict(level.state_dict())
    members = torch.randn(3, n, D, dtype=torch.float64)
    weights = torch.randn(3, n, dtype=torch.float64)
    unordered_sum = level(members, weights, present(3, n)).fused
    ordered_sum = ordered(members, weights, present(3, n)).fused
    torch.testing.assert_close(unordered_sum, ordered_sum, atol=1e-12, rtol=0)


def test_the_symmetric_vertex_does_not_care_for_order() -> None:
    members, x, y = torch.randn(5, 4, D), torch.tensor([0, 1, 2]), torch.tensor([3, 0, 1])
    symmetric, plain = VertexNetwork(D, symmetric=True), VertexNetwork(D)
    torch.testing.assert_close(symmetric(members, x, y), symmetric(members, y, x))
    assert not torch.allclose(plain(members, x, y), plain(members, y, x))


@pytest.mark.parametrize("symmetric", [False, True])
def test_folded_for_service_a_vertex_is_still_equation_3(symmetric: bool) -> None:
    network, members = VertexNetwork(D, symmetric=symmetric).double(), torch.randn(5, 4, D, dtype=torch.float64)
    left, right = torch.tensor([0, 0, 2]), torch.tensor([1, 3, 1])

    def literally(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        mixed = network.mix(torch.stack((x, y), dim=1)).squeeze(1)
        return F.leaky_relu(network.dense(mixed))

    network.fold(torch.float64)
    for p, (x, y) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        expected = literally(members[:, x], members[:, y])
        if symmetric:
            expected = (expected + literally(members[:, y], members[:, x])) / 2
        torch.testing.assert_close(network(members, left, right)[:, p], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("alone", [False, True])
def test_folded_for_service_posts_that_lack_a_modality_are_fused_as_before(alone: bool, monkeypatch) -> None:
    """Mixed with others and alone; their missing vertices are not computed."""
    fusion = ImprovedGraphFusion(3, D).double().requires_grad_(False)
    mask = torch.tensor([s for s in subsets(3) if not alone or sum(s) == 2])
    vectors = torch.randn(len(mask), 3, D, dtype=torch.float64)
    before, weights = fusion(vectors, mask)
    asked = []
    for level in (fusion.bimodal, fusion.trimodal):
        level.vertex.fold(torch.float64)
        run = level.vertex.forward
        monkeypatch.setattr(level.vertex, "forward", lambda x, *ends, run=run: asked.append(len(x)) or run(x, *ends))
    after, others = fusion(vectors, mask)
    torch.testing.assert_close(after, before, atol=1e-12, rtol=0)
    torch.testing.assert_close(others.pairs, weights.pairs, atol=1e-12, rtol=0)
    assert asked == ([3, 1] if alone else [4, 1])


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(0.01, 1))
def test_edges_sum_to_the_vertex_weight_and_pair_weights_to_one(seed: int, delta: float) -> None:
    torch.manual_seed(seed)
    level = Level(bimodal_pairs(3), D, delta, symmetric=False).double()
    members = torch.randn(6, 3, D, dtype=torch.float64)
    w = torch.randn(6, 3, dtype=torch.float64)
    out = level(members, w, present(6, 3))
    for p, (x, y) in enumerate(bimodal_pairs(3)):
        s = F.cosine_similarity(members[:, x].softmax(-1), members[:, y].softmax(-1))
        q = (w[:, x] + w[:, y]) / (s + delta)
        torch.testing.assert_close(out.similarity[:, p], s, atol=1e-12, rtol=0)
        torch.testing.assert_close(out.raw[:, p], q, atol=1e-10, rtol=1e-12)
        torch.testing.assert_close(out.edges[:, p].sum(-1), q, atol=1e-10, rtol=1e-12)
    torch.testing.assert_close(out.weights.sum(-1), torch.ones(6, dtype=torch.float64))


def test_what_is_alike_weighs_less() -> None:
    """Equation 5: of two pairs with equal attention the less similar one gets the larger weight."""
    level = Level(bimodal_pairs(3), D, 0.5, symmetric=False)
    first, other = torch.randn(2, D).unbind()
    members = torch.stack((first, first + 0.01 * torch.randn(D), other)).unsqueeze(0)
    weights = level(members, torch.ones(1, 3), present(1, 3)).weights[0]
    assert weights[0] < weights[1]
    assert weights[0] < weights[2]


@pytest.mark.parametrize("carry", ["normalised", "raw"])
def test_carry_decides_what_the_third_level_sees(carry: str) -> None:
    torch.manual_seed(0)
    fusion = ImprovedGraphFusion(3, D, carry=carry).double()
    seen = {}
    fusion.trimodal.register_forward_pre_hook(lambda _, args: seen.update(weights=args[1]))
    vectors = torch.randn(2, 3, D, dtype=torch.float64)
    _, weights = fusion(vectors, present(2, 3))
    expected = weights.pairs if carry == "normalised" else weights.edges.sum(-1)
    torch.testing.assert_close(seen["weights"][:, 3:], expected)
    torch.testing.assert_close(seen["weights"][:, :3], weights.attention)


@pytest.mark.parametrize("width", [128, 300, 512, 2048])
def test_without_normalisation_the_similarity_is_one_number(width: int) -> None:
    """Method section 1: S of raw unit vectors is 1 - 1/D for any two (0.997 at 300); LayerNorm gives a range."""
    torch.manual_seed(0)
    raw = F.normalize(torch.randn(400, 2, width, dtype=torch.float64), dim=-1)
    index = torch.tensor([0]), torch.tensor([1])
    flat = pair_similarity(raw, *index)
    spread = pair_similarity(F.layer_norm(raw, (width,)), *index)
    assert flat.mean().item() == pytest.approx(1 - 1 / width, abs=0.1 / width)
    assert flat.std() < 0.15 / width
    assert spread.std() > 20 * flat.std()
    assert spread.mean() < 0.7


def test_masked_softmax_of_nothing_is_zero_with_a_finite_gradient() -> None:
    scores = torch.randn(3, 4, requires_grad=True)
    valid = torch.tensor([[True] * 4, [True, False, True, False], [False] * 4])
    out = masked_softmax(scores, valid)
    torch.testing.assert_close(out.sum(-1), torch.tensor([1.0, 1.0, 0.0]))
    assert torch.all(out[~valid] == 0)
    torch.testing.assert_close(out[1, [0, 2]], scores[1, [0, 2]].softmax(-1))
    out.square().sum().backward()
    assert scores.grad.isfinite().all()


@given(seeds)
@settings(deadline=None, max_examples=25)
def test_attention_that_is_shared_out_is_half_a_modality_on_average(seed: int) -> None:
    torch.manual_seed(seed)
    attention = DynamicAttention("share")
    mask = torch.tensor(subsets(3))
    w = attention(torch.randn(len(mask), 3, D), mask)
    torch.testing.assert_close(w.sum(1), mask.sum(1) / 2)
    assert not w[~mask].any()
    assert (w[mask] > 0).all()


def test_attention_that_is_shared_out_tells_vectors_of_one_mean_apart() -> None:
    torch.manual_seed(0)
    vectors = F.layer_norm(torch.randn(64, 3, 512), (512,))
    spread = {}
    for gate in ("sigmoid", "share"):
        torch.manual_seed(1)
        spread[gate] = float(DynamicAttention(gate)(vectors, present(64, 3)).std())
    assert spread["share"] > 5 * spread["sigmoid"]
