import pytest
import torch
from pydantic import ValidationError

from model.network import FusionNetwork, NetworkConfig
from model.scorer import LABELS

DIMS = {"text": 10, "image": 14, "context": 6}
CONCEPTS = {**LABELS, "damage_visual": ("little_or_none", "mild", "severe")}


def inputs(b: int = 4) -> tuple[dict, torch.Tensor]:
    return {name: torch.randn(b, d) for name, d in DIMS.items()}, torch.ones(b, 3, dtype=torch.bool)


@pytest.mark.parametrize("fusion", ["concat", "tensor", "graph", "improved_graph"])
@pytest.mark.parametrize("heads", ["linear", "interaction"])
@pytest.mark.parametrize("granularity", ["binary", "group"])
def test_every_combination_answers_every_concept(fusion: str, heads: str, granularity: str) -> None:
    config = NetworkConfig(
        modalities=DIMS, concepts=CONCEPTS, fusion=fusion, heads=heads, granularity=granularity, width=12, trunk=16
    )
    network = FusionNetwork(config).eval()
    output = network(*inputs())
    assert list(output.logits) == list(CONCEPTS)
    for concept, p in network.probabilities(output.logits).items():
        assert p.shape == (4, len(CONCEPTS[concept]))
        torch.testing.assert_close(p.sum(-1), torch.ones(4))
        assert p.min() >= 0
    labels = {c: torch.randint(0, len(names), (4,)) for c, names in CONCEPTS.items()}
    assert network.losses(output, labels).values.shape == (len(config.tasks),)
    assert all(len(count) == len(config.tasks) for count in config.counts(labels))


@pytest.mark.parametrize("preset", [NetworkConfig.paper, NetworkConfig.product])
def test_a_config_survives_json(preset: object) -> None:
    config = preset(DIMS, CONCEPTS, delta=0.3)
    assert NetworkConfig.model_validate_json(config.model_dump_json()) == config
    assert list(NetworkConfig.model_validate_json(config.model_dump_json()).modalities) == list(DIMS)


def test_the_paper_preset_is_the_literal_reading() -> None:
    config = NetworkConfig.paper(DIMS, CONCEPTS)
    assert (config.align, config.gate, config.symmetric, config.granularity) == ("pad", "none", False, "binary")
    assert (config.delta, config.trunk, config.carry) == (0.5, 256, "normalised")
    assert FusionNetwork(config).fusion.fused_width == 3 * max(DIMS.values())


def test_the_product_preset_projects_to_512() -> None:
    assert FusionNetwork(NetworkConfig.product(DIMS, CONCEPTS)).trunk.weight.shape == (256, 3 * 512)


def test_a_misspelt_option_is_refused() -> None:
    with pytest.raises(ValidationError, match="widht"):
        NetworkConfig(modalities=DIMS, concepts=CONCEPTS, widht=3)
    with pytest.raises(ValidationError, match="fusion"):
        NetworkConfig(modalities=DIMS, concepts=CONCEPTS, fusion="magic")


def test_tasks_are_binary_labels_or_groups() -> None:
    binary = NetworkConfig(modalities=DIMS, concepts=CONCEPTS)
    assert binary.tasks[0] == "informativeness.informative"
    assert len(binary.tasks) == 1 + 5 + 3 + 1 + 3
    assert binary.model_copy(update={"granularity": "group"}).tasks == tuple(CONCEPTS)


def test_one_binary_column_is_the_probability_of_the_second_label() -> None:
    network = FusionNetwork(NetworkConfig(modalities=DIMS, concepts=CONCEPTS, width=8))
    p = network.probabilities({"informativeness": torch.tensor([[2.0]])})["informativeness"]
    torch.testing.assert_close(p[0, 1], torch.sigmoid(torch.tensor(2.0)))


def test_several_binary_columns_are_their_sigmoids_divided_by_their_sum() -> None:
    network = FusionNetwork(NetworkConfig(modalities=DIMS, concepts=CONCEPTS, width=8))
    z = torch.randn(3, 5)
    p = network.probabilities({"humanitarian": z})["humanitarian"]
    torch.testing.assert_close(p, z.sigmoid() / z.sigmoid().sum(-1, keepdim=True))


def test_a_missing_image_is_the_same_as_a_network_without_images() -> None:
    """The whole network, not only the fusion: drop the image's own alignment and nothing else changes."""
    torch.manual_seed(0)
    config = NetworkConfig.product(DIMS, CONCEPTS, width=16)
    full = FusionNetwork(config).double().eval()
    two = (
        FusionNetwork(config.model_copy(update={"modalities": {k: DIMS[k] for k in ("text", "context")}}))
        .double()
        .eval()
    )
    state = full.state_dict()
    kept = {k.replace("align.steps.2", "align.steps.1"): v for k, v in state.items() if "align.steps.1" not in k}
    two.load_state_dict(kept)
    vectors = {name: torch.randn(5, d, dtype=torch.float64) for name, d in DIMS.items()}
    mask = torch.tensor([[True, False, True]]).expand(5, 3)
    vectors["image"][:] = float("nan")
    expected = two(vectors, torch.ones(5, 2, dtype=torch.bool)).logits
    for concept, z in full(vectors, mask).logits.items():
        assert (z - expected[concept]).abs().max() == 0


def test_dropout_acts_in_training_only() -> None:
    network = FusionNetwork(NetworkConfig(modalities=DIMS, concepts=CONCEPTS, width=8, dropout=0.5))
    vectors, mask = inputs()
    assert not torch.equal(network(vectors, mask).hidden, network(vectors, mask).hidden)
    network.eval()
    assert torch.equal(network(vectors, mask).hidden, network(vectors, mask).hidden)


def test_the_network_can_learn_from_one_modality_or_three() -> None:
    """An XOR of two modalities, which no sum of single modalities can express."""
    torch.manual_seed(0)
    config = NetworkConfig(modalities={"a": 4, "b": 4}, concepts={"c": ("no", "yes")}, width=16, trunk=32)
    network = FusionNetwork(config)
    signs = torch.randint(0, 2, (256, 2))
    vectors = {
        name: (2 * signs[:, i : i + 1] - 1) * torch.tensor([1.0, -1.0, 1.0, -1.0]) + 0.1 * torch.randn(256, 4)
        for i, name in enumerate("ab")
    }
    labels = {"c": signs[:, 0] ^ signs[:, 1]}
    mask = torch.ones(256, 2, dtype=torch.bool)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(80):
        optimizer.zero_grad()
        network.losses(network(vectors, mask), labels).values.sum().backward()
        optimizer.step()
    guess = network(vectors, mask).logits["c"][:, 0] > 0
    assert (guess == labels["c"].bool()).float().mean() > 0.97


def apart() -> FusionNetwork:
    return FusionNetwork(NetworkConfig.product(DIMS, CONCEPTS, width=12, apart={"damage": "image"}))


def test_in_service_a_concept_apart_is_answered_by_its_modality_alone() -> None:
    torch.manual_seed(0)
    network, (vectors, mask) = apart().eval(), inputs()
    said = network(vectors, mask).logits
    other = network({**vectors, "text": torch.randn(4, 10), "context": torch.randn(4, 6)}, mask).logits
    assert torch.equal(said["damage"], other["damage"])
    assert not torch.equal(said["humanitarian"], other["humanitarian"])
    assert not torch.equal(said["damage"], network({**vectors, "image": torch.randn(4, 14)}, mask).logits["damage"])


def test_of_a_longer_vector_the_fusion_reads_the_beginning_and_a_concept_apart_the_end() -> None:
    torch.manual_seed(0)
    network, (vectors, mask) = apart().eval(), inputs()
    said = network(vectors, mask).logits
    longer = {**vectors, "image": torch.cat((vectors["image"], torch.randn(4, 14)), 1)}
    other = network(longer, mask).logits
    assert [concept for concept in CONCEPTS if not torch.equal(said[concept], other[concept])] == ["damage"]
    swapped = network({**vectors, "image": longer["image"][:, 14:]}, mask).logits
    assert torch.equal(other["damage"], swapped["damage"])


@pytest.mark.parametrize("widths", [{}, {"damage": 14}])
def test_a_config_of_before_is_read_where_no_concept_reads_more_than_there_is_now(widths: dict) -> None:
    config = NetworkConfig.product(DIMS, CONCEPTS, apart={"damage": "image"})
    before = config.model_dump(mode="json") | {"apart_widths": widths}
    assert NetworkConfig.model_validate(before) == config
    with pytest.raises(ValidationError, match="apart_widths"):
        NetworkConfig.model_validate(before | {"apart_widths": {"damage": 20}})


def test_in_training_a_concept_apart_is_a_task_of_the_fusion_like_the_others() -> None:
    network, (vectors, mask) = apart().train(), inputs()
    network(vectors, mask).logits["damage"].sum().backward()
    assert network.trunk.weight.grad is not None
    assert all(p.grad is None for p in network.apart.parameters())
