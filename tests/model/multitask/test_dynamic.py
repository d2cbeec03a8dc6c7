import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.multitask.balancer import weight_gradient_norms
from model.multitask.dynamic import (
    FLOOR,
    DynamicMultitask,
    balance_gradient,
    inverse_frequency,
    rebalance,
    renormalise,
)
from model.multitask.losses import UNKNOWN, TaskLosses
from model.network import FusionNetwork, NetworkConfig

CONFIG = NetworkConfig(
    modalities={"text": 12, "image": 9, "context": 5},
    concepts={"informativeness": ("no", "yes"), "humanitarian": ("a", "b", "c"), "damage": ("x", "y", "z")},
    width=16,
    trunk=20,
)
positive = st.floats(1e-3, 1e3)


def batch(b: int = 16, seed: int = 0) -> tuple[dict, torch.Tensor, dict]:
    g = torch.Generator().manual_seed(seed)
    vectors = {name: torch.randn(b, d, generator=g) for name, d in CONFIG.modalities.items()}
    mask = torch.rand(b, 3, generator=g) < 0.7
    mask[:, 0] = True
    labels = {c: torch.randint(UNKNOWN, len(names), (b,), generator=g) for c, names in CONFIG.concepts.items()}
    return vectors, mask, labels


def step(network: FusionNetwork, balancer: DynamicMultitask, seed: int = 0) -> TaskLosses:
    vectors, mask, labels = batch(seed=seed)
    output = network(vectors, mask)
    losses = network.losses(output, labels, balancer.beta)
    network.zero_grad()
    balancer.backward(losses, output)
    return losses


def dynamic(**options: object) -> DynamicMultitask:
    return DynamicMultitask(*CONFIG.counts(batch(200)[2]), **options)


def test_gram_norms_equal_the_norms_of_the_full_gradient() -> None:
    network = FusionNetwork(CONFIG).double()
    vectors, mask, labels = batch()
    output = network({k: v.double() for k, v in vectors.items()}, mask)
    losses = network.losses(output, labels, 2.0)
    at_trunk = weight_gradient_norms(losses, output.fused, [output.hidden])
    at_heads = weight_gradient_norms(losses, output.shared, list(output.logits.values()))
    heads = [head.weight for head in network.heads.values()]
    for f, value in enumerate(losses.values):
        full = torch.autograd.grad(value, network.trunk.weight, retain_graph=True)[0].norm()
        torch.testing.assert_close(at_trunk[f], full)
        full = torch.autograd.grad(value, heads, retain_graph=True, allow_unused=True)
        torch.testing.assert_close(at_heads[f], torch.cat([g.flatten() for g in full if g is not None]).norm())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 9), st.floats(0, 3))
def test_the_closed_form_is_autograds_gradient_of_equation_11(seed: int, tasks: int, alpha: float) -> None:
    g = torch.Generator().manual_seed(seed)
    weights, norms, rates, rho = (torch.rand(4, tasks, generator=g, dtype=torch.float64) + 0.05).unbind()
    rates = rates / rates.mean()
    moving = weights.clone().requires_grad_()
    gradients = moving * norms  # G_f(t) = ||grad_W lambda_f L_f|| = lambda_f ||grad_W L_f||
    target = (gradients.mean() * rates**alpha).detach()  # a constant: L_D moves lambda only through G_f
    (rho * (gradients - target).abs()).sum().backward()
    torch.testing.assert_close(balance_gradient(norms, weights, rates, rho, alpha), moving.grad)


@pytest.mark.parametrize("at", ["trunk", "head"])
def test_the_closed_form_is_the_gradient_through_a_real_network(at: str) -> None:
    """Equation 11 as printed, lambda inside the norm of grad_W(lambda_f L_f), differentiated twice by autograd."""
    torch.manual_seed(0)
    network, balancer = FusionNetwork(CONFIG).double(), dynamic()
    vectors, mask, labels = batch()
    output = network({name: v.double() for name, v in vectors.items()}, mask)
    losses = network.losses(output, labels, 2.0)
    weights = (torch.rand(7, dtype=torch.float64) + 0.5).requires_grad_()
    at_weights = [network.trunk.weight] if at == "trunk" else [head.weight for head in network.heads.values()]
    norms = []
    for value in weights * losses.values:
        parts = torch.autograd.grad(value, at_weights, create_graph=True, allow_unused=True)
        norms.append(torch.cat([part.flatten() for part in parts if part is not None]).norm())
    gradients = torch.stack(norms)
    rates = torch.rand(7, dtype=torch.float64) + 0.5
    rates = rates / rates.mean()
    rho = balancer.rho.double()
    target = (gradients.mean() * rates).detach()
    (expected,) = torch.autograd.grad((rho * (gradients - target).abs()).sum(), weights, retain_graph=True)
    x, ys = (output.fused, [output.hidden]) if at == "trunk" else (output.shared, list(output.logits.values()))
    unweighted = weight_gradient_norms(losses, x, ys)
    torch.testing.assert_close(balance_gradient(unweighted, weights.detach(), rates, rho, 1.0), expected)


def test_a_step_moves_lambda_by_plain_sgd_along_the_closed_form() -> None:
    torch.manual_seed(0)
    network, balancer = FusionNetwork(CONFIG), dynamic(initial_batches=1)
    first = step(network, balancer)
    assert balancer.weights.tolist() == [1.0] * 7  # the first batch only measures L_f(0)
    torch.testing.assert_close(balancer.initial, first.values.detach())
    vectors, mask, labels = batch(seed=1)
    output = network(vectors, mask)
    losses = network.losses(output, labels, 2.0)
    norms = weight_gradient_norms(losses, output.fused, [output.hidden])
    ratio = losses.values.detach() / balancer.initial
    slope = balance_gradient(norms, torch.ones(7), ratio / ratio.mean(), balancer.rho, 1.0)
    balancer.backward(losses, output)
    torch.testing.assert_close(balancer.weights, renormalise(1 - 0.025 * slope))


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=12))
def test_weights_sum_to_f_and_stay_above_the_floor(values: list[float]) -> None:
    weights = renormalise(torch.tensor(values, dtype=torch.float64))
    assert weights.sum().item() == pytest.approx(len(values), rel=1e-9)
    assert weights.min().item() >= FLOOR
    torch.testing.assert_close(renormalise(weights), weights)  # what is normal stays


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(0.001, 5), st.sampled_from(["trunk", "head"]))
def test_the_invariants_hold_through_training_at_any_rate(seed: int, rate: float, at: str) -> None:
    torch.manual_seed(seed)
    network, balancer = FusionNetwork(CONFIG), dynamic(rate=rate, at=at, initial_batches=1)
    for i in range(5):
        step(network, balancer, seed + i)
        assert balancer.weights.sum().item() == pytest.approx(7, rel=1e-5)
        assert balancer.weights.min().item() >= FLOOR * (1 - 1e-6)
    balancer.end_epoch()
    assert balancer.weights.sum().item() == pytest.approx(7, rel=1e-5)


def test_the_network_gets_the_weighted_sum_of_the_losses() -> None:
    network, balancer = FusionNetwork(CONFIG), dynamic()
    balancer.weights.copy_(torch.tensor([2.0, 0.5, 0.5, 1.0, 1.0, 1.5, 0.5]))
    before = balancer.weights.clone()
    step(network, balancer)
    got = network.trunk.weight.grad.clone()
    vectors, mask, labels = batch()
    network.zero_grad()
    (network.losses(network(vectors, mask), labels, 2.0).values * before).sum().backward()
    torch.testing.assert_close(got, network.trunk.weight.grad)


def test_rho_acts_under_sgd_and_cancels_under_adam() -> None:
    norms = torch.tensor([1.0, 1.0, 3.0])
    rates = torch.ones(3)
    rho, flat = torch.tensor([2.5, 0.2, 0.3]), torch.ones(3)
    slopes = [balance_gradient(norms, torch.ones(3), rates, r, 1.0) for r in (rho, flat)]

    def moved(kind: type[torch.optim.Optimizer], slope: torch.Tensor) -> torch.Tensor:
        weights = torch.ones(3, requires_grad=True)
        weights.grad = slope.clone()
        kind([weights], lr=0.025).step()
        return weights.detach()

    sgd, sgd_flat = (moved(torch.optim.SGD, s) for s in slopes)
    adam, adam_flat = (moved(torch.optim.Adam, s) for s in slopes)
    torch.testing.assert_close((sgd - 1) / (sgd_flat - 1), rho, rtol=1e-4, atol=0)
    torch.testing.assert_close(adam, adam_flat, rtol=0, atol=1e-6)


def test_inverse_frequency_is_m_over_positives_with_mean_one() -> None:
    rho = inverse_frequency(torch.tensor([50, 10, 0]), torch.tensor([100, 100, 100]))
    torch.testing.assert_close(rho, torch.tensor([2.0, 10.0, 100.0]) * 3 / 112)


def test_rebalance_is_the_largest_mean_loss_over_each_capped() -> None:
    torch.testing.assert_close(rebalance(torch.tensor([1.0, 0.5, 0.25])), torch.tensor([1.0, 2.0, 4.0]) * 3 / 7)
    torch.testing.assert_close(rebalance(torch.tensor([1.0, 1e-9])), torch.tensor([1.0, 50.0]) * 2 / 51)


@given(st.lists(positive, min_size=1, max_size=9))
def test_rebalance_sums_to_f(values: list[float]) -> None:
    assert rebalance(torch.tensor(values)).sum().item() == pytest.approx(len(values), rel=1e-5)


def mean_over_rows(losses: list[TaskLosses]) -> torch.Tensor:
    """A batch with one labelled row counts as one row, not as a batch."""
    total = sum(each.values.detach() * each.rows for each in losses)
    return torch.as_tensor(total) / sum(each.rows for each in losses)


def test_an_epoch_ends_with_a_reset_from_its_own_unweighted_means() -> None:
    torch.manual_seed(0)
    network, balancer = FusionNetwork(CONFIG), dynamic(initial_batches=1)
    for _ in range(2):
        balancer.weights.copy_(torch.tensor([5.0, 1.0, 0.2, 0.2, 0.2, 0.2, 0.2]))  # must leave no trace
        losses = [step(network, balancer, seed) for seed in range(4)]
        balancer.end_epoch()
        torch.testing.assert_close(balancer.weights, rebalance(mean_over_rows(losses)))


def test_initial_losses_are_the_mean_of_the_first_ten_batches() -> None:
    torch.manual_seed(0)
    network, balancer = FusionNetwork(CONFIG), dynamic()
    losses = [step(network, balancer, seed) for seed in range(12)]
    torch.testing.assert_close(balancer.initial, mean_over_rows(losses[:10]))
    assert balancer.seen.tolist() == [10.0] * 7


def test_a_task_without_labels_in_a_batch_neither_moves_nor_counts() -> None:
    torch.manual_seed(0)
    network, balancer = FusionNetwork(CONFIG), dynamic(initial_batches=0)
    balancer.initial.fill_(1.0)
    vectors, mask, labels = batch()
    labels["damage"] = torch.full_like(labels["damage"], UNKNOWN)
    output = network(vectors, mask)
    balancer.backward(network.losses(output, labels, 2.0), output)
    damage = balancer.weights[4:]
    assert torch.all(damage == damage[0])  # only the common scale moved them
    assert not torch.all(balancer.weights[:4] == balancer.weights[0])
    known = [int((labels[concept] != UNKNOWN).sum()) for concept in labels]
    assert balancer.counts.tolist() == [known[0]] + [known[1]] * 3 + [0] * 3
    before = balancer.weights.clone()
    balancer.end_epoch()  # damage was never seen: no mean to balance by
    assert torch.equal(balancer.weights, before)


def test_the_state_of_a_run_can_be_saved_and_resumed() -> None:
    torch.manual_seed(0)
    network, balancer = FusionNetwork(CONFIG), dynamic(initial_batches=2)
    for seed in range(4):
        step(network, balancer, seed)
    resumed = dynamic(initial_batches=2)
    resumed.load_state_dict(balancer.state_dict())
    step(network, balancer, 9)
    step(network, resumed, 9)
    assert torch.equal(balancer.weights, resumed.weights)
