"""ELMo (Peters et al., "Deep contextualized word representations", 2018) from its official files.

Character CNN, highway layers and a projection give each word a vector that knows no context; two stacked LSTMs with
projection and clipping in each direction add it. Frozen: it extracts features. h5py, which reads its weights, comes
with the ``train`` extra.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SENTENCE_START, _SENTENCE_END, _WORD_START, _WORD_END, _PAD = 256, 257, 258, 259, 260
State = list[tuple[Tensor, Tensor]]
"""Output h [b, P] and cell c [b, C] of each LSTM: forward direction bottom to top, then backward."""


@dataclass(frozen=True, slots=True)
class ElmoOptions:
    """The part of ELMo's options file that shapes the network."""

    filters: tuple[tuple[int, int], ...]
    """(characters, channels) of each convolution."""
    characters: int
    """Longest word in characters, its two boundary marks included."""
    embedding: int
    highways: int
    layers: int
    cell: int
    projection: int
    cell_clip: float
    projection_clip: float
    skip: bool

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read an official options file.

        Raises:
            ValueError: it asks for an activation other than ReLU, which no published ELMo has.
            KeyError: a part is missing.
        """
        options = json.loads(path.read_text())
        lstm, cnn = options["lstm"], options["char_cnn"]
        if cnn["activation"] != "relu":
            raise ValueError(f"{path}: char_cnn.activation is {cnn['activation']!r}, only 'relu' is supported")
        return cls(
            filters=tuple((width, channels) for width, channels in cnn["filters"]),
            characters=cnn["max_characters_per_token"],
            embedding=cnn["embedding"]["dim"],
            highways=cnn["n_highway"],
            layers=lstm["n_layers"],
            cell=lstm["dim"],
            projection=lstm["projection_dim"],
            cell_clip=lstm["cell_clip"],
            projection_clip=lstm["proj_clip"],
            skip=lstm["use_skip_connections"],
        )


def word_ids(word: str, length: int) -> list[int]:
    """A word's UTF-8 bytes between boundary marks, padded to ``length``; long words lose their end. 0 is free."""
    return _mark(list(word.encode("utf-8")), length)


def _mark(codes: list[int], length: int) -> list[int]:
    ids = [_WORD_START, *codes[: length - 2], _WORD_END]
    return [i + 1 for i in ids + [_PAD] * (length - len(ids))]


def batch_ids(sentences: Sequence[Sequence[str]], length: int) -> tuple[Tensor, Tensor]:
    """Sentences of words between boundary marks as ids [b, T + 2, length], and their lengths [b], marks included."""
    start, end = _mark([_SENTENCE_START], length), _mark([_SENTENCE_END], length)
    rows = [[start, *(word_ids(word, length) for word in words), end] for words in sentences]
    longest = max(len(row) for row in rows)
    empty = [0] * length
    ids = torch.tensor([row + [empty] * (longest - len(row)) for row in rows])
    return ids, torch.tensor([len(row) for row in rows])


class CharacterEncoder(nn.Module):
    """Words as ids [n, characters] to vectors [n, projection]: convolutions, max over positions, highways, Linear."""

    def __init__(self, options: ElmoOptions) -> None:
        super().__init__()
        channels = sum(count for _, count in options.filters)
        self.embed = nn.Embedding(_PAD + 2, options.embedding, padding_idx=0)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(options.embedding, count, width) for width, count in options.filters
        )
        self.carries = nn.ModuleList(nn.Linear(channels, channels) for _ in range(options.highways))
        self.transforms = nn.ModuleList(nn.Linear(channels, channels) for _ in range(options.highways))
        self.project = nn.Linear(channels, options.projection)

    def forward(self, ids: Tensor) -> Tensor:
        """Encode each word by itself."""
        characters = self.embed(ids).transpose(1, 2)
        x = torch.cat([F.relu(conv(characters).amax(dim=-1)) for conv in self.convolutions], dim=-1)
        for carry, transform in zip(self.carries, self.transforms, strict=True):
            gate = torch.sigmoid(carry(x))
            x = gate * F.relu(transform(x)) + (1 - gate) * x
        return cast("Tensor", self.project(x))


class ProjectedLstm(nn.Module):
    """One direction of one layer: LSTM with gates in order i, j, f, o, forget bias 1, clipped cell and projection."""

    def __init__(self, options: ElmoOptions) -> None:
        super().__init__()
        self.clips = options.cell_clip, options.projection_clip
        self.input = nn.Linear(options.projection, 4 * options.cell)
        self.recurrent = nn.Linear(options.projection, 4 * options.cell, bias=False)
        self.project = nn.Linear(options.cell, options.projection, bias=False)

    def forward(self, x: Tensor, lengths: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run over ``x`` [b, T, P]; a row stops at its length: 0 after it, and its state is that of its last word."""
        h, c = state
        outputs = []
        for t, drive in enumerate(self.input(x).unbind(1)):
            alive = (t < lengths).unsqueeze(1)
            new_h, new_c = self._step(drive, h, c)
            h, c = torch.where(alive, new_h, h), torch.where(alive, new_c, c)
            outputs.append(torch.where(alive, new_h, 0.0))
        return torch.stack(outputs, dim=1), (h, c)

    def _step(self, drive: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        cell_clip, projection_clip = self.clips
        i, j, f, o = (drive + self.recurrent(h)).chunk(4, dim=-1)
        c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(j)
        c = c.clamp(-cell_clip, cell_clip)
        h = self.project(torch.sigmoid(o) * torch.tanh(c))
        return h.clamp(-projection_clip, projection_clip), c


class Elmo(nn.Module):
    """The bidirectional language model: words to 1 + ``layers`` vectors each, in both directions."""

    def __init__(self, options: ElmoOptions) -> None:
        super().__init__()
        self.options = options
        self.words = CharacterEncoder(options)
        self.lstms = nn.ModuleList(ProjectedLstm(options) for _ in range(2 * options.layers))
        self.requires_grad_(False).eval()

    @classmethod
    def load(cls, options: Path, weights: Path) -> Self:
        """Load official files.

        Raises:
            FileNotFoundError: a file is absent; ELMo's weights are not shipped, the user supplies them.
        """
        for path in (options, weights):
            if not path.is_file():
                raise FileNotFoundError(f"ELMo needs its official options JSON and HDF5 weights; there is no {path}")
        import h5py

        model = cls(ElmoOptions.read(options))
        with h5py.File(weights, "r") as file:
            model.load_state_dict(_state_dict(file, model.options))
        return model

    def initial(self, batch: int) -> State:
        """The state before anything was read: zeros."""
        zero = self.words.project.weight.new_zeros
        return [(zero(batch, self.options.projection), zero(batch, self.options.cell)) for _ in self.lstms]

    @torch.inference_mode()
    def forward(self, ids: Tensor, lengths: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Read ids [b, T, characters]: activations [1 + layers, b, T, 2P], zeros beyond a length, and the state after.

        ELMo was trained with the state carried from a sentence to the next: pass it on to read a text as it reads one,
        leave it out for posts that have nothing to do with each other.
        """
        b, steps, _ = ids.shape
        state = state or self.initial(b)
        within = torch.arange(steps) < lengths.unsqueeze(1)
        words = self.words(ids.flatten(0, 1)).view(b, steps, -1) * within.unsqueeze(-1)
        layers = self.options.layers
        ahead, ahead_state = self._direction(self.lstms[:layers], words, lengths, state[:layers])
        flip = _reversal(lengths, steps).unsqueeze(-1).expand_as(words)
        back, back_state = self._direction(self.lstms[layers:], words.gather(1, flip), lengths, state[layers:])
        both = [torch.cat((words, words), dim=-1)]
        both += [torch.cat((a, z.gather(1, flip)), dim=-1) for a, z in zip(ahead, back, strict=True)]
        return torch.stack(both), ahead_state + back_state

    def _direction(self, lstms: nn.ModuleList, x: Tensor, lengths: Tensor, state: State) -> tuple[list[Tensor], State]:
        """Stack of layers over ``x``; from the second on, a layer's input is added to its output (skip)."""
        outputs, after = [], []
        for i, (lstm, before) in enumerate(zip(lstms, state, strict=True)):
            y, last = cast("ProjectedLstm", lstm)(x, lengths, before)
            x = x + y if i and self.options.skip else y
            outputs.append(x)
            after.append(last)
        return outputs, after

    def encode(self, sentences: Sequence[Sequence[str]]) -> Tensor:
        """Mean over each post's words of every layer: [b, 1 + layers, 2P], for a :class:`ScalarMix` to weigh.

        Mean and mix are linear, so the mix of means is the mean of mixes. A post without words is the mean of its two
        boundary marks.
        """
        ids, lengths = batch_ids(sentences, self.options.characters)
        activations, _ = self(ids, lengths)
        steps = torch.arange(ids.shape[1])
        inner = (steps > 0) & (steps < lengths.unsqueeze(1) - 1)
        counted = torch.where((lengths == 2).unsqueeze(1), steps < lengths.unsqueeze(1), inner)
        total: Tensor = (activations * counted.unsqueeze(-1)).sum(dim=2)
        return (total / counted.sum(dim=1, keepdim=True)).transpose(0, 1)


class ScalarMix(nn.Module):
    """ELMo's learnt sum of layers: gamma * sum_k softmax(s)_k h_k, [b, K, d] to [b, d]."""

    def __init__(self, layers: int = 3) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(layers))
        self.gamma = nn.Parameter(torch.ones(()))

    def forward(self, layers: Tensor) -> Tensor:
        """Mix over the second axis."""
        return self.gamma * (self.scores.softmax(0).unsqueeze(-1) * layers).sum(dim=1)


def _reversal(lengths: Tensor, steps: int) -> Tensor:
    """Index [b, T] that turns each row around within its length and leaves the rest in place; its own inverse."""
    t = torch.arange(steps)
    mirrored = lengths.unsqueeze(1) - 1 - t
    return torch.where(mirrored >= 0, mirrored, t)


def _state_dict(file: Any, options: ElmoOptions) -> dict[str, Tensor]:
    """The official HDF5's arrays under this module's names; TensorFlow keeps its matrices transposed."""

    def get(name: str) -> Tensor:
        return torch.from_numpy(file[name][...]).float()

    def dense(name: str, weight: str, bias: str) -> dict[str, Tensor]:
        return {f"{name}.weight": get(weight).T, f"{name}.bias": get(bias)}

    characters = get("char_embed")
    state = {"words.embed.weight": torch.cat((characters.new_zeros(1, characters.shape[1]), characters))}
    for i in range(len(options.filters)):
        state[f"words.convolutions.{i}.weight"] = get(f"CNN/W_cnn_{i}")[0].permute(2, 1, 0)
        state[f"words.convolutions.{i}.bias"] = get(f"CNN/b_cnn_{i}")
    for i in range(options.highways):
        for ours, theirs in (("carries", "carry"), ("transforms", "transform")):
            state |= dense(f"words.{ours}.{i}", f"CNN_high_{i}/W_{theirs}", f"CNN_high_{i}/b_{theirs}")
    state |= dense("words.project", "CNN_proj/W_proj", "CNN_proj/b_proj")
    for i in range(2 * options.layers):
        direction, layer = divmod(i, options.layers)
        cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
        weight = get(f"{cell}/W_0").T
        state[f"lstms.{i}.input.weight"] = weight[:, : options.projection]
        state[f"lstms.{i}.recurrent.weight"] = weight[:, options.projection :]
        state[f"lstms.{i}.input.bias"] = get(f"{cell}/B")
        state[f"lstms.{i}.project.weight"] = get(f"{cell}/W_P_0").T
    return state
