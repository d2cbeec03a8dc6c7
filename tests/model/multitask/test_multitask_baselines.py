import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from model.multitask.balancer import Balancer
from model.multitask.equal_weights import EqualWeights
from model.multitask.losses import UNKNOWN, TaskLosses
from model.multitask.task_interaction import Distillation, Gate, InteractionHeads, LinearHeads
from model.network import FusionNetwork, NetworkConfig

pytest.importorskip("torchjd", reason="torchjd comes with the train extra")
from model.multitask.multi_objective import MultiObjective

CONFIG = NetworkConfig(
    modalities={"text": 6, "context": 4}, concepts={"a": ("no", "yes"), "b": ("x", "y", "z")}, width=8, trunk=16
)


def run(balancer: Balancer, labels: dict, config: NetworkConfig = CONFIG) -> tuple[FusionNetwork, TaskLosses]:
    torch.manual_seed(0)
    network = FusionNetwork(config)
    output = network({"text": torch.randn(8, 6), "context": torch.randn(8, 4)}, torch.ones(8, 2, dtype=torch.bool))
    losses = network.losses(output, labels, balancer.beta)
    balancer.backward(losses, output)
    return network, losses


LABELS = {"a": torch.tensor([0, 1] * 4), "b": torch.tensor([0, 1, 2, 0, 1, 2, UNKNOWN, UNKNOWN])}


def test_equal_weights_is_the_gradient_of_the_sum() -> None:
    balanced, losses = run(EqualWeights(4), LABELS)
    torch.manual_seed(0)
    plain = FusionNetwork(CONFIG)
    output = plain({"text": torch.randn(8, 6), "context": torch.randn(8, 4)}, torch.ones(8, 2, dtype=torch.bool))
    expected = F.binary_cross_entropy_with_logits(output.logits["a"], LABELS["a"].float().unsqueeze(1))
    rows = LABELS["b"] != UNKNOWN
    one_hot = F.one_hot(LABELS["b"][rows], 3).float()
    expected = expected + 3 * F.binary_cross_entropy_with_logits(output.logits["b"][rows], one_hot)
    expected.backward()
    torch.testing.assert_close(losses.values.sum(), expected)
    torch.testing.assert_close(balanced.trunk.weight.grad, plain.trunk.weight.grad)


def test_mgda_finds_the_shortest_vector_of_two_gradients() -> None:
    """Two tasks with gradients g1, g2: Sener and Koltun's closed form, their algorithm 1."""
    g = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    shared = torch.zeros(1, 2, requires_grad=True)
    values = (g @ shared.T).squeeze(1)
    balancer = MultiObjective(2)
    output = type("Output", (), {"shared": shared})()
    balancer.backward(TaskLosses(values, torch.tensor([4, 4])), output)
    torch.testing.assert_close(balancer.weights, torch.tensor([0.1, 0.9]), atol=1e-3, rtol=0)
    torch.testing.assert_close(shared.grad[0], torch.tensor([0.3, 0.9]), atol=3e-3, rtol=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 6), st.integers(1, 8))
def test_mgda_is_the_shortest_vector_of_the_hull(seed: int, tasks: int, width: int) -> None:
    """Its defining property: d . g_f >= ||d||^2 for every task, so a step along -d raises no loss; none is shorter."""
    generator = torch.Generator().manual_seed(seed)
    g = torch.randn(tasks, width, generator=generator)
    shared = torch.zeros(1, width, requires_grad=True)
    balancer = MultiObjective(tasks)
    output = type("Output", (), {"shared": shared})()
    balancer.backward(TaskLosses((g @ shared.T).squeeze(1), torch.ones(tasks)), output)
    d, longest = shared.grad[0], g.norm(dim=1).max() ** 2
    torch.testing.assert_close(d, balancer.weights @ g)
    assert balancer.weights.min() >= 0
    assert balancer.weights.sum().item() == pytest.approx(1, abs=1e-5)
    assert (g @ d).min() >= d @ d - 0.02 * longest
    others = torch.distributions.Dirichlet(torch.ones(tasks)).sample((200,))
    assert d.norm() ** 2 <= (others @ g).norm(dim=1).min() ** 2 + 0.02 * longest


def test_mgda_moves_no_task_uphill() -> None:
    balancer = MultiObjective(4)
    network, _ = run(balancer, LABELS)
    assert balancer.weights.sum().item() == pytest.approx(1, abs=1e-5)
    assert balancer.weights.min() >= 0
    assert network.trunk.weight.grad.abs().sum() > 0


def test_mgda_gives_nothing_to_a_task_without_labels() -> None:
    balancer = MultiObjective(4)
    run(balancer, {"a": LABELS["a"], "b": torch.full((8,), UNKNOWN)})
    assert balancer.weights.tolist() == [1.0, 0.0, 0.0, 0.0]


def test_interaction_learns_at_every_scale_and_answers_once() -> None:
    config = CONFIG.model_copy(update={"heads": "interaction"})
    network, losses = run(EqualWeights(4), LABELS, config)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.heads.parameters())
    network.eval()
    output = network({"text": torch.randn(8, 6), "context": torch.randn(8, 4)}, torch.ones(8, 2, dtype=torch.bool))
    assert output.auxiliary == []
    assert {c: z.shape for c, z in output.logits.items()} == {"a": (8, 1), "b": (8, 3)}
    main = network.losses(output, LABELS).values
    assert losses.values.shape == main.shape


def test_auxiliary_losses_add_to_their_tasks() -> None:
    network = FusionNetwork(CONFIG.model_copy(update={"heads": "interaction"}))
    output = network({"text": torch.randn(8, 6), "context": torch.randn(8, 4)}, torch.ones(8, 2, dtype=torch.bool))
    assert len(output.auxiliary) == 3
    alone = [
        network.losses(type(output)(z, None, output.fused, output.hidden, output.shared), LABELS).values
        for z in (output.logits, *output.auxiliary)
    ]
    torch.testing.assert_close(network.losses(output, LABELS).values, torch.stack(alone).sum(0))


def test_concepts_talk_to_each_other_in_interaction_heads_but_not_in_linear_ones() -> None:
    columns = {"a": 1, "b": 3}

    def reach(heads: torch.nn.Module, owner: str) -> bool:
        """Whether a parameter that belongs to ``owner`` gets a gradient from the other concept's answer."""
        heads.eval()(torch.randn(4, 16))[0]["a"].sum().backward()
        return any(p.grad is not None and p.grad.abs().sum() > 0 for n, p in heads.named_parameters() if owner in n)

    assert reach(InteractionHeads(16, columns, (4, 8)), "initial.0.1")
    assert not reach(LinearHeads(16, columns), "b.")


def test_distillation_adds_gated_features_of_the_others_only() -> None:
    distil = Distillation(2, 8)
    x, y = torch.randn(2, 5, 8).unbind()
    refined = distil([x, y])
    torch.testing.assert_close(refined[0], x + distil.paths["0<1"](y))
    torch.testing.assert_close(refined[1], y + distil.paths["1<0"](x))


def test_the_gate_only_shrinks() -> None:
    x = torch.randn(10, 8)
    assert torch.all(Gate(8)(x).abs() <= x.abs())
