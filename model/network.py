"""The network: aligned modalities, a fusion, a shared trunk, a head per concept. Its shape is one frozen config."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from model.fusion.align import Align
from model.fusion.base import Fusion
from model.fusion.concat import ConcatFusion
from model.fusion.graph import GraphFusion
from model.fusion.improved_graph import Gate, ImprovedGraphFusion, VertexNetwork
from model.fusion.tensor import TensorFusion
from model.multitask.apart import Apart
from model.multitask.losses import Granularity, TaskLosses, task_counts, task_losses
from model.multitask.output import NetworkOutput
from model.multitask.task_interaction import InteractionHeads, LinearHeads

FORMER = "apart_widths"
FusionName = Literal["improved_graph", "graph", "tensor", "concat"]


class NetworkConfig(BaseModel):
    """Everything that fixes a network's shape. ``model_dump()`` and ``model_validate()`` go to and from JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    modalities: Mapping[str, int]
    """Width d_i of each modality's vector, in the network's order."""
    concepts: Mapping[str, tuple[str, ...]]
    """The labels of each concept, in the order of its class indices."""
    fusion: FusionName = "improved_graph"
    align: Literal["pad", "project"] = "project"
    norm: Literal["layer", "none"] = "layer"
    width: int = Field(512, ge=1, description="D; with align=pad the widest modality decides instead")
    gate: Gate = "none"
    symmetric: bool = False
    carry: Literal["normalised", "raw"] = "normalised"
    delta: float = Field(0.5, gt=0, le=1)
    projection: int = Field(32, ge=1, description="entries a modality keeps in tensor fusion")
    trunk: int = Field(256, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1, description="on the fused vector, in training")
    granularity: Granularity = "binary"
    heads: Literal["linear", "interaction"] = "linear"
    apart: Mapping[str, str] = {}
    """Concepts that one modality answers, and its name: damage is a matter of the photo. In training they are tasks of
    the fusion like the others, in service :class:`Apart` answers."""

    @model_validator(mode="before")
    @classmethod
    def _as_before(cls, fields: Any) -> Any:
        """Up to 0.9.0 a concept could read more of a vector than the fusion does; where none did, all is as before."""
        if not (isinstance(fields, dict) and FORMER in fields):
            return fields
        widths, own = fields[FORMER], dict(fields.get("modalities", {})).values()
        kept = {name: value for name, value in fields.items() if name != FORMER}
        return kept if isinstance(widths, dict) and {*widths.values()} <= {*own} else fields

    @classmethod
    def paper(cls, modalities: Mapping[str, int], concepts: Mapping[str, tuple[str, ...]], **changes: Any) -> Self:
        """The literal reading: raw vectors padded to the widest, no gate, one binary task per label."""
        return cls(**{"modalities": modalities, "concepts": concepts, "align": "pad", "norm": "none", **changes})

    @classmethod
    def product(cls, modalities: Mapping[str, int], concepts: Mapping[str, tuple[str, ...]], **changes: Any) -> Self:
        """The default of what ships: projection to 512, attention shared out, both orders of a pair."""
        return cls(
            **{"modalities": modalities, "concepts": concepts, "gate": "share", "symmetric": True, **changes},
        )

    def columns(self, concept: str) -> int:
        """How many logits a concept has: in ``binary`` granularity two labels need one, else one a label."""
        count = len(self.concepts[concept])
        return 1 if self.granularity == "binary" and count == 2 else count

    def counts(self, labels: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Positives and labelled rows of every task [F] in a train split (equation 11)."""
        binary = self.granularity == "binary"
        return task_counts(labels, {concept: self.columns(concept) if binary else 0 for concept in self.concepts})

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the F tasks in the order of their losses: ``concept`` or ``concept.label``."""
        names = []
        for concept, labels in self.concepts.items():
            if self.granularity == "group":
                names.append(concept)
            else:
                names += [f"{concept}.{label}" for label in labels[-self.columns(concept) :]]
        return tuple(names)


class FusionNetwork(nn.Module):
    """Modality vectors and a presence mask to logits per concept.

    ``dtype`` is what the fusion multiplies in; trunk and heads keep to that of their weights.
    """

    def __init__(self, config: NetworkConfig, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.config = config
        self.dtype = dtype
        self.align = Align(list(config.modalities.values()), config.width, config.align, config.norm)
        self.fusion = build_fusion(config, self.align.width)
        self.dropout = nn.Dropout(config.dropout)
        self.trunk = nn.Linear(self.fusion.fused_width, config.trunk)
        heads = InteractionHeads if config.heads == "interaction" else LinearHeads
        self.heads = heads(config.trunk, {concept: config.columns(concept) for concept in config.concepts})
        self.apart = nn.ModuleDict(
            {concept: Apart(config.modalities[m], config.columns(concept)) for concept, m in config.apart.items()}
        )

    def forward(self, vectors: Mapping[str, Tensor], mask: Tensor) -> NetworkOutput:
        """Label a batch: ``vectors`` [b, d_i] by modality name, ``mask`` [b, N] bool in the config's order.

        Vectors may be longer: the fusion reads the first d_i entries, :class:`Apart` the last.

        Raises:
            ValueError: a row without any modality.
            KeyError: a modality without a tensor (absent ones need a tensor too; its content has no effect).
        """
        lower = self.dtype is not torch.float32
        with torch.autocast(mask.device.type, self.dtype) if lower else nullcontext():
            aligned = self.align([vectors[name] for name in self.config.modalities], mask)
            fused, weights = self.fusion(aligned, mask)
        fused = self.dropout(fused.to(self.trunk.weight.dtype))
        hidden = self.trunk(fused)
        shared = F.leaky_relu(hidden)
        logits, auxiliary = self.heads(shared)
        if not self.training:
            logits |= {concept: self.apart[concept](vectors[m].float()) for concept, m in self.config.apart.items()}
        return NetworkOutput(logits, weights, fused, hidden, shared, auxiliary)

    def for_service(self, *, padded: bool = False) -> Self:
        """No dropout and no gradients; weights are folded where they can be, and final from now on.

        ``padded`` where no size may depend on what rows hold.
        """
        self.eval().requires_grad_(False)
        for module in self.modules():
            if isinstance(module, VertexNetwork):
                module.fold(self.dtype, padded=padded)
        return self

    def losses(self, output: NetworkOutput, labels: Mapping[str, Tensor], beta: float = 0.0) -> TaskLosses:
        """The loss of every task in the order of ``config.tasks``; ``beta`` is the focal exponent of equation 10.

        Auxiliary logits, which exist in training only, add their losses to those of their tasks.
        """
        granularity = self.config.granularity
        main = task_losses(output.logits, labels, granularity, beta)
        extra = [task_losses(logits, labels, granularity, beta).values for logits in output.auxiliary]
        return TaskLosses(sum(extra, start=main.values), main.rows)

    def probabilities(self, logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Logits as probabilities [b, labels] that sum to 1 over each concept's labels.

        One binary column p becomes [1 - p, p]; several binary columns are divided by their sum; a group is a softmax.
        """
        return {concept: self._distribution(z) for concept, z in logits.items()}

    def _distribution(self, z: Tensor) -> Tensor:
        if self.config.granularity == "group":
            return z.softmax(dim=-1)
        if z.shape[1] == 1:
            return torch.cat((torch.sigmoid(-z), torch.sigmoid(z)), dim=1)
        return F.logsigmoid(z).softmax(dim=-1)


def build_fusion(config: NetworkConfig, width: int) -> Fusion:
    """The fusion a config names, for vectors of ``width`` D."""
    n = len(config.modalities)
    match config.fusion:
        case "concat":
            return ConcatFusion(n, width)
        case "tensor":
            return TensorFusion(n, width, config.projection)
        case "graph":
            return GraphFusion(n, width)
        case "improved_graph":
            return ImprovedGraphFusion(
                n, width, gate=config.gate, symmetric=config.symmetric, carry=config.carry, delta=config.delta
            )
