"""The paper's experiment: eight methods, three concepts, F1, Hamming loss and MAP, beside the paper's own figures.

Finished cells (a method trained from one seed) are kept in the output folder, so a run that was stopped goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from model.fusion.align import Align
from model.fusion.improved_graph import bimodal_pairs, pair_similarity
from model.paper.data import PACKAGED, Extractors, Split, TableData, load_table_data
from model.paper.figures import Scores
from model.paper.fit import Cell, Method, Protocol, fit_cell
from model.scorer import LABELS
from model.training.bootstrap import Array, group_weights, mean_over, scores
from model.training.checkpoint import claim

METHODS = (
    Method("Concat + Equal", "concat", "equal"),
    Method("Tensor + Equal", "tensor", "equal"),
    Method("Graph + Equal", "graph", "equal"),
    Method("ImprovedGraph + Equal", "improved_graph", "equal"),
    Method("Concat + MultiObjective", "concat", "multi_objective"),
    Method("Concat + TaskInteraction", "concat", "interaction"),
    Method("Concat + Dynamic", "concat", "dynamic"),
    Method("ImprovedGraph + Dynamic", "improved_graph", "dynamic"),
)
"""The rows of the paper's tables 1-3."""
FOCAL = (
    Method("Concat + Equal, focal", "concat", "equal_focal"),
    Method("ImprovedGraph + Equal, focal", "improved_graph", "equal_focal"),
)
"""Two rows the paper lacks: equal weights with equation 10's loss, which tell the focal loss from the balancing."""


def run_tables(
    data: Path,
    out: Path,
    *,
    seeds: int = 5,
    protocol: Protocol | None = None,
    split: Split = "unified",
    resamples: int = 1000,
    focal: bool = False,
    methods: Sequence[str] | None = None,
    sampled: int | None = None,
    extractors: Extractors = PACKAGED,
    device: torch.device | None = None,
) -> Path:
    """Train every method from every seed (what is already in ``out`` is not trained again) and write the report.

    ``methods`` picks rows by name, ``focal`` adds the two focal rows, ``sampled`` takes about so many posts.
    What is trained is trained on ``device``, the CPU when None.
    Returns the folder, which then holds ``results.json``, ``report.md``, ``report.png`` and a file of test
    probabilities a cell.

    Raises:
        FileNotFoundError: ``data`` is not the labelled data.
        ValueError: ``out`` holds another experiment, or a method is unknown.
    """
    from rich.console import Console

    from model.paper.report import write_report

    protocol = protocol or Protocol()
    rows = chosen_methods(methods, focal=focal)
    out.mkdir(parents=True, exist_ok=True)
    about = {"protocol": asdict(protocol), "split": split, "extractors": extractors.names}
    claim(out, {**about, **({"sampled": sampled} if sampled else {})})
    console = Console()
    posts = load_table_data(data, out, split, console.print, sampled, extractors)
    _train(rows, range(seeds), posts.on(device) if device else posts, protocol, out)
    found = score_cells(rows, range(seeds), posts, out, resamples)
    write_report(out, found, summary(posts, rows, seeds, out))
    print((out / "report.md").read_text())
    return out


def chosen_methods(names: Sequence[str] | None, *, focal: bool = False) -> list[Method]:
    """The rows to train, in the tables' order.

    Raises:
        ValueError: a name that no row has.
    """
    known = {method.name: method for method in (*METHODS, *FOCAL)}
    if not names:
        return [*METHODS, *(FOCAL if focal else ())]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no method is called {unknown[0]!r}; there are: {', '.join(known)}")
    return [method for name, method in known.items() if name in names]


def cell_path(out: Path, method: Method, seed: int) -> Path:
    """Where a finished cell is kept."""
    name = method.name.lower().replace(" + ", "-").replace(", ", "-")
    return out / "cells" / f"{name}-{seed}.safetensors"


def _train(rows: Sequence[Method], seeds: Sequence[int], data: TableData, protocol: Protocol, out: Path) -> None:
    """Train what is missing, one seed over all methods before the next: a run cut short still covers every row."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    todo = [(method, seed) for seed in seeds for method in rows]
    (out / "cells").mkdir(exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn()) as progress:
        bar = progress.add_task("training", total=len(todo))
        for method, seed in todo:
            path = cell_path(out, method, seed)
            progress.update(bar, description=f"{method.name}, seed {seed}")
            if not path.is_file():
                _keep(path, fit_cell(method, data, protocol, seed))
            progress.advance(bar)


def _keep(path: Path, cell: Cell) -> None:
    facts = {"best_epoch": cell.best_epoch, "epochs": cell.epochs, "seconds": round(cell.seconds, 1)}
    tensors = {concept: p.contiguous() for concept, p in cell.probabilities.items()}
    if cell.similarity is not None:
        tensors["similarity"] = cell.similarity
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={key: str(value) for key, value in facts.items()})
    partial.rename(path)


def score_cells(rows: Sequence[Method], seeds: Sequence[int], data: TableData, out: Path, resamples: int) -> Scores:
    """Figures of every concept and method, means over seeds, under the same resamples of groups for all."""
    test = data.rows("test")
    found: Scores = {}
    for concept, y in data.labels.items():
        known = y[test] >= 0
        truth = y[test][known].numpy()
        weights = group_weights(data.groups[test][known].numpy(), resamples)
        for i, method in enumerate(rows):
            runs = [load_file(cell_path(out, method, seed))[concept][known].double().numpy() for seed in seeds]
            found.setdefault(concept, {})[method.name] = mean_over([scores(truth, p, weights) for p in runs], i)
        for name, p in references(data, concept).items():
            found[concept][name] = scores(truth, p[known.numpy()], weights)
    return found


def references(data: TableData, concept: str) -> dict[str, Array]:
    """Probabilities of two answers that look at no post: the commonest class, and the commonest of the post's event."""
    train, test = data.rows("train"), data.rows("test")
    y = data.labels[concept]
    classes = len(LABELS[concept])  # type: ignore[index]

    def frequencies(rows: Sequence[int]) -> Array:
        counts = np.bincount([int(y[i]) for i in rows if y[i] >= 0], minlength=classes).astype(float)
        return np.asarray(counts / max(counts.sum(), 1))

    of_event = {e: frequencies([int(i) for i in train if data.events[i] == e]) for e in set(data.events)}
    return {
        "majority class": np.tile(frequencies(train.tolist()), (len(test), 1)),
        "event only": np.stack([of_event[data.events[i]] for i in test]),
    }


def summary(data: TableData, rows: Sequence[Method], seeds: int, out: Path) -> dict[str, Any]:
    """What the report says of the experiment besides its figures."""
    cells = {m.name: [_facts(cell_path(out, m, seed)) for seed in range(seeds)] for m in rows}
    parts = {part: data.rows(part) for part in ("train", "dev", "test")}
    return {
        **json.loads((out / "settings.json").read_text()),
        "seeds": seeds,
        "rows": {part: len(index) for part, index in parts.items()},
        "photos": {part: int(data.mask[index, 1].sum()) for part, index in parts.items()},
        "labelled": {c: {part: int((y[i] >= 0).sum()) for part, i in parts.items()} for c, y in data.labels.items()},
        "cells": cells,
        "similarity": similarity_spread(data, rows, seeds, out),
    }


def _facts(path: Path) -> dict[str, float]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return {key: float(value) for key, value in (file.metadata() or {}).items()}


def similarity_spread(data: TableData, rows: Sequence[Method], seeds: int, out: Path) -> dict[str, dict[str, float]]:
    """How far S of equation 4 varies: over features as they come, after LayerNorm, and in the trained graphs."""
    test = data.rows("test")
    scales: dict[str, Callable[[Tensor], Tensor]] = {
        "unit vectors, padded, no normalisation": F.normalize,
        "padded, LayerNorm": lambda v: F.layer_norm(v, v.shape[1:]),
    }
    spreads = {}
    for name, scale in scales.items():
        aligned = Align(list(data.dims.values()), 0, "pad", "none")(
            [scale(v[test]) for v in data.vectors.values()], data.mask[test]
        )
        left, right = torch.tensor(bimodal_pairs(aligned.shape[1])).unbind(1)
        present = data.mask[test][:, left] & data.mask[test][:, right]
        spreads[name] = _spread(pair_similarity(aligned, left, right)[present])
    for method in rows:
        trained = [load_file(cell_path(out, method, seed)).get("similarity") for seed in range(seeds)]
        if method.fusion == "improved_graph":
            spreads[f"trained {method.name}"] = _spread(torch.cat([s for s in trained if s is not None]))
    return spreads


def _spread(s: Tensor) -> dict[str, float]:
    low, high = torch.quantile(s.double(), torch.tensor([0.05, 0.95], dtype=torch.float64)).tolist()
    return {"mean": float(s.mean()), "std": float(s.std()), "5 %": low, "95 %": high}
