"""BERT's forward pass (Devlin et al., 2019, arXiv:1810.04805) as a server runs it: transformers' numbers, sooner.

Three things differ from ``transformers``. The three projections of a layer are one product. Linear layers have packed
weights, with GELU fused in. And attention is two plain products around a softmax in float32: at the length of a tweet,
torch's fused attention takes twice as long on a CPU, and the bfloat16 softmax three times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from model.encoders.packed import Operation, linear


@dataclass(frozen=True, slots=True)
class _Layer:
    project: Operation
    """To query, key and value, side by side [3 width]; the query is divided by sqrt(width of a head)."""
    out: Operation
    after_attention: nn.LayerNorm
    up: Operation
    down: Operation
    after_all: nn.LayerNorm

    @classmethod
    def of(cls, layer: Any, scale: float) -> Self:
        attention = layer.attention.self
        query, key, value = attention.query, attention.key, attention.value
        return cls(
            project=linear(
                torch.cat((query.weight * scale, key.weight, value.weight)),
                torch.cat((query.bias * scale, key.bias, value.bias)),
            ),
            out=_linear(layer.attention.output.dense),
            after_attention=layer.attention.output.LayerNorm,
            up=_with_activation(layer.intermediate.dense, layer.intermediate.intermediate_act_fn),
            down=_linear(layer.output.dense),
            after_all=layer.output.LayerNorm,
        )


def _linear(layer: nn.Linear) -> Operation:
    return linear(layer.weight, layer.bias)


def _with_activation(layer: nn.Linear, activation: Operation) -> Operation:
    from transformers.activations import GELUActivation

    if isinstance(activation, GELUActivation):
        return linear(layer.weight, layer.bias, "gelu")
    plain = _linear(layer)
    return lambda x: activation(plain(x))


class ServedBert:
    """A ``transformers`` BertModel's embeddings and layers, for inference; made once its weights are final."""

    def __init__(self, network: Any) -> None:
        config = network.config
        self.heads = int(config.num_attention_heads)
        self.embeddings = network.embeddings
        embeddings = network.embeddings
        self._added = embeddings.position_embeddings.weight + embeddings.token_type_embeddings.weight[0]
        scale = (config.hidden_size / self.heads) ** -0.5
        self._layers = [_Layer.of(layer, scale) for layer in network.encoder.layer]

    @staticmethod
    def fits(network: object) -> bool:
        """Whether ``network`` is a plain BERT encoder: what this class knows how to run."""
        from transformers import BertModel

        return isinstance(network, BertModel) and not network.config.is_decoder

    def __call__(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """The last layer's states [b, L, width] of token ids [b, L]; those past a row's length [b] mean nothing."""
        rows, longest = ids.shape
        embedded = self.embeddings.word_embeddings(ids) + self._added[:longest]
        x: Tensor = self.embeddings.LayerNorm(embedded).flatten(0, 1)
        hidden = torch.arange(longest, device=ids.device) >= lengths.unsqueeze(1)
        shut = hidden[:, None, None] if bool(hidden.any()) else None
        for layer in self._layers:
            x = self._pass(layer, x, rows, shut)
        return x.view(rows, longest, -1)

    def _pass(self, layer: _Layer, x: Tensor, rows: int, shut: Tensor | None) -> Tensor:
        query, key, value = (
            layer.project(x).view(rows, -1, 3, self.heads, x.shape[1] // self.heads).permute(2, 0, 3, 1, 4)
        )
        scores = torch.matmul(query, key.transpose(-1, -2))
        if shut is not None:
            scores = scores.masked_fill_(shut, float("-inf"))
        shares = scores.softmax(-1, dtype=torch.float32).to(x.dtype)
        read = torch.matmul(shares, value).transpose(1, 2).reshape(x.shape)
        x = layer.after_attention(layer.out(read).add_(x))
        return cast("Tensor", layer.after_all(layer.down(layer.up(x)).add_(x)))
