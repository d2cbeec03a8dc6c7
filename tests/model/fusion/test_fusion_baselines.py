from itertools import product

import pytest
import torch
from torch.nn import functional as F

from model.fusion.base import Fusion
from model.fusion.concat import ConcatFusion
from model.fusion.graph import GraphFusion
from model.fusion.improved_graph import ImprovedGraphFusion, bimodal_pairs
from model.fusion.tensor import TensorFusion

D = 16
MASK = torch.tensor([[True, True, True], [True, False, True], [False, True, False]])
ALL = [ConcatFusion, TensorFusion, GraphFusion, ImprovedGraphFusion]


@pytest.mark.parametrize("kind", ALL)
def test_every_fusion_keeps_its_promised_width_and_ignores_the_absent(kind: type[Fusion]) -> None:
    fusion = kind(3, D).eval()
    vectors = torch.randn(3, 3, D)
    dirty = vectors.masked_fill(~MASK.unsqueeze(-1), float("nan"))
    fused, _ = fusion(vectors, MASK)
    assert fused.shape == (3, fusion.fused_width)
    assert torch.equal(fused, fusion(dirty, MASK)[0])


@pytest.mark.parametrize("kind", ALL)
def test_every_fusion_refuses_a_post_with_nothing(kind: type[Fusion]) -> None:
    with pytest.raises(ValueError, match="no modality"):
        kind(3, D).eval()(torch.randn(1, 3, D), torch.zeros(1, 3, dtype=torch.bool))


def test_concat_is_the_vectors_side_by_side() -> None:
    vectors = torch.randn(2, 3, D)
    assert torch.equal(ConcatFusion(3, D)(vectors, MASK[:1].expand(2, 3))[0], vectors.reshape(2, -1))


def test_tensor_fusion_is_the_outer_product_of_ones_and_projections() -> None:
    fusion = TensorFusion(3, D, projection=4).double()
    vectors = torch.randn(5, 3, D, dtype=torch.float64)
    fused, _ = fusion(vectors, torch.ones(5, 3, dtype=torch.bool))
    for row in range(5):
        a, b, c = (torch.cat((torch.ones(1), p(v))) for p, v in zip(fusion.project, vectors[row], strict=True))
        torch.testing.assert_close(fused[row], torch.einsum("i,j,k->ijk", a, b, c).flatten())


def test_tensor_fusion_of_present_modalities_holds_no_product_with_the_absent() -> None:
    fusion = TensorFusion(2, D, projection=4)
    fused, _ = fusion(torch.randn(1, 2, D), torch.tensor([[True, False]]))
    grid = fused.view(5, 5)
    assert torch.all(grid[:, 1:] == 0)
    assert torch.all(grid[:, 0] != 0)


@pytest.mark.parametrize("subset", [s for s in product((True, False), repeat=3) if any(s)], ids=str)
@pytest.mark.parametrize("garbage", [1e3, float("nan")])
def test_tensor_fusion_of_some_is_that_of_these_alone_and_zero_elsewhere(
    subset: tuple[bool, ...], garbage: float
) -> None:
    fusion = TensorFusion(3, D, projection=4).double()
    kept = [i for i in range(3) if subset[i]]
    alone = TensorFusion(len(kept), D, projection=4).double()
    for ours, theirs in zip(alone.project, (fusion.project[i] for i in kept), strict=True):
        ours.load_state_dict(theirs.state_dict())
    vectors = torch.randn(2, 3, D, dtype=torch.float64)
    expected, _ = alone(vectors[:, kept], torch.ones(2, len(kept), dtype=torch.bool))
    mask = torch.tensor(subset).expand(2, 3)
    grid = fusion(torch.where(mask.unsqueeze(-1), vectors, garbage), mask)[0].view(2, 5, 5, 5)
    of_kept = grid[(slice(None), *(slice(None) if there else 0 for there in subset))]
    assert torch.equal(of_kept.flatten(1), expected)
    assert grid.count_nonzero() == of_kept.count_nonzero()


@pytest.mark.parametrize("subset", [s for s in product((True, False), repeat=3) if any(s)], ids=str)
def test_argf_of_some_is_argf_of_these_alone(subset: tuple[bool, ...]) -> None:
    fusion = GraphFusion(3, D).double().eval()
    kept = [i for i in range(3) if subset[i]]
    alone = GraphFusion(len(kept), D).double().eval()
    alone.load_state_dict(fusion.state_dict())
    mask = torch.tensor(subset).expand(4, 3)
    vectors = torch.randn(4, 3, D, dtype=torch.float64)
    fused, _ = fusion(torch.where(mask.unsqueeze(-1), vectors, 1e3), mask)
    expected, _ = alone(vectors[:, kept], torch.ones(4, len(kept), dtype=torch.bool))
    torch.testing.assert_close(fused, expected, atol=1e-12, rtol=0)


def test_tensor_fusion_refuses_what_would_not_fit() -> None:
    with pytest.raises(ValueError, match=r"39,135,393 numbers .* fewer modalities"):
        TensorFusion(5, D)


def test_argf_written_out_for_one_post() -> None:
    torch.manual_seed(0)
    fusion = GraphFusion(3, D).double().eval()
    v = torch.randn(3, D, dtype=torch.float64)
    w = [torch.sigmoid(fusion.attention(x))[0] for x in v]

    def level(module: object, members: list, weights: list, pairs: list) -> tuple[list, list]:
        q = [(weights[x] + weights[y]) / (members[x].softmax(0) @ members[y].softmax(0) + 0.5) for x, y in pairs]
        share = torch.stack(q).softmax(0)
        return [
            F.elu(s * module.vertex(torch.cat((members[x], members[y]))))
            for s, (x, y) in zip(share, pairs, strict=True)
        ], q

    pairs, q = level(fusion.bimodal, list(v), w, bimodal_pairs(3))
    triples, _ = level(fusion.trimodal, [*v, *pairs], [*w, *q], [(3, 4), (3, 5), (4, 5), (3, 2), (4, 1), (5, 0)])
    g = torch.cat((sum(a * x for a, x in zip(w, v, strict=True)) / 3, sum(pairs), sum(triples)))
    fused, weights = fusion(v.unsqueeze(0), torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(fused, fusion.norm(g.unsqueeze(0)))
    torch.testing.assert_close(weights.edges.sum(-1)[0], torch.stack(q))
