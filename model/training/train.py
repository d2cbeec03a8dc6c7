"""The whole training of a shippable model: text layers, encodings, fusion, calibration, bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.data.rows import Row, sample
from model.encoders.context import ContextEncoder
from model.encoders.image import ImageEncoder
from model.encoders.pinned import fingerprint
from model.encoders.text import PACKAGED, TextEncoder
from model.network import FusionNetwork, NetworkConfig
from model.scorer import LABELS
from model.serving.bundle import Manifest, save_bundle
from model.serving.calibration import Calibration
from model.training.fusion import FusionPlan, fit, logits_of
from model.training.text import TextPlan, distinct, fine_tune, without_leaks
from model.training.vectors import Vectors, assemble, encode_context, encode_images, encode_text

LICENCE = "Weights learned from CrisisMMD v2.0: research use only (its terms), not the project's licence."
DATA = "CrisisMMD v2.0 posts, 984 of them with photos; labelled photos of AIDR and DMD; the train part of split_unified"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to train and how; ``short`` is a run of seconds that shows the machinery, not a useful model."""

    text: TextPlan | None
    fusion: FusionPlan
    paper: bool = False
    name: str = "crisis-fusion"
    version: str = "0.6.0"
    text_model: str = PACKAGED
    rows: int | None = None

    @classmethod
    def product(cls) -> Recipe:
        """Fine-tuned text layers, then improved graph fusion with dynamic multitask."""
        return cls(TextPlan(), FusionPlan(rate=3e-4, attention_rate=3e-3, batch=256, epochs=8, patience=3))

    @classmethod
    def literal(cls) -> Recipe:
        """The paper's: frozen encoders, padded vectors, Adam at 0.01."""
        return cls(None, FusionPlan.paper(), paper=True, name="crisis-fusion-paper")

    def config(self, vectors: Vectors) -> NetworkConfig:
        """The network's shape for vectors of these widths."""
        widths = {name: value.shape[1] for name, value in vectors.values.items()}
        learned = {str(concept): labels for concept, labels in LABELS.items()}
        return (
            NetworkConfig.paper(widths, learned) if self.paper else NetworkConfig.product(widths, learned, dropout=0.2)
        )

    def shortened(self) -> Recipe:
        """The same steps on 96 rows, one epoch each."""
        text = replace(self.text, members=1, epochs=1) if self.text else None
        return replace(self, text=text, fusion=replace(self.fusion, epochs=1), rows=96)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run leaves behind, still in memory."""

    network: FusionNetwork
    context: ContextEncoder
    calibration: Calibration
    text: dict[str, Tensor]


def train(rows: Sequence[Row], recipe: Recipe, out: Path, *, made_by: str, resume: bool = False) -> Manifest:
    """Train on rows of the ``train`` split, stop and calibrate on ``dev``, write the bundle to ``out``.

    Work in progress lies in ``out/work``: with ``resume`` finished text layers and fusion epochs are taken from there.
    """
    work = out / "work"
    if not resume:
        for stale in (work / "text.safetensors", work / "fusion.ckpt"):
            stale.unlink(missing_ok=True)
    chosen = sample(rows, recipe.rows)
    with progress() as bar:
        text = TextEncoder.load(recipe.text_model)
        tuned = tune(text, chosen, recipe, work, bar)
        learning = [row for row in chosen if row.split in ("train", "dev")]
        vectors, context = encode(text, learning, bar)
        trained = learn_fusion(vectors, learning, recipe, context, checkpoint=work / "fusion.ckpt", bar=bar)
    return save_bundle(
        out,
        tensors(replace(trained, text=tuned)),
        name=recipe.name,
        version=recipe.version,
        network=trained.network.config,
        text_model=recipe.text_model,
        text_files=fingerprint(Path(recipe.text_model)),
        made_by=made_by,
        data=DATA,
        licence=LICENCE,
    )


def tune(encoder: TextEncoder, rows: Sequence[Row], recipe: Recipe, work: Path, bar: Progress) -> dict[str, Tensor]:
    """Fine-tune the encoder in place and return its layers as they are shipped; empty when the recipe has none."""
    if recipe.text is None:
        return {}
    kept = work / "text.safetensors"
    if not kept.is_file():
        held_out = [row for row in rows if row.split != "train"]
        learning = distinct(without_leaks([row for row in rows if row.split == "train"], held_out))
        doing = bar.add_task("text layers", total=len(learning) * recipe.text.passes)
        fine_tune(encoder, learning, recipe.text, lambda n: bar.advance(doing, n))
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_file(halved(encoder.tuned_state()), kept)
    tuned = load_file(kept)
    encoder.load_tuned(tuned)
    return tuned


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices in bfloat16, which is what they are multiplied in; vectors as they are."""
    return {name: (v.to(torch.bfloat16) if v.ndim > 1 else v).contiguous() for name, v in state.items()}


def encode(
    text: TextEncoder, rows: Sequence[Row], bar: Progress | None = None, *, pixels: Tensor | None = None
) -> tuple[Vectors, ContextEncoder]:
    """All rows' vectors; the context encoder is fitted on the posts of the ``train`` split among them.

    ``pixels`` are the photos' vectors where they are known already.
    """
    posts = [row for row in rows if row.split == "train" and row.context]
    context = ContextEncoder()
    context.fit([row.context for row in posts if row.context], [row.text or "" for row in posts])
    if pixels is None:
        doing = bar.add_task("photos", total=sum(row.image is not None for row in rows)) if bar else None
        advance = (lambda n: bar.advance(doing, n)) if bar and doing is not None else (lambda _: None)
        pixels = encode_images(ImageEncoder.load(), rows, advance)
    words = encode_text(text.for_service(), rows)
    return assemble(rows, words, pixels, encode_context(context, rows)), context


def learn_fusion(
    vectors: Vectors,
    rows: Sequence[Row],
    recipe: Recipe,
    context: ContextEncoder,
    *,
    checkpoint: Path | None = None,
    bar: Progress | None = None,
) -> Trained:
    """Train the network on the rows of the ``train`` split and calibrate it on those of ``dev``."""
    parts = {s: vectors.take([i for i, row in enumerate(rows) if row.split == s]) for s in ("train", "dev")}
    doing = bar.add_task("fusion epochs", total=recipe.fusion.epochs) if bar else None

    def done(epoch: int, loss: float) -> None:
        if bar and doing is not None:
            bar.update(doing, completed=epoch + 1, description=f"fusion, dev loss {loss:.4f}")

    network = fit(recipe.config(vectors), parts["train"], parts["dev"], recipe.fusion, done=done, checkpoint=checkpoint)
    return Trained(network, context, calibrated(network, parts["dev"]), {})


def calibrated(network: FusionNetwork, dev: Vectors) -> Calibration:
    """The calibration of a network's answers, fitted on rows it did not learn from.

    Posts with text and photo are shown three times: whole, and each side alone.
    """
    calibration = Calibration({concept: len(labels) for concept, labels in network.config.concepts.items()})
    both = dev.take((dev.mask[:, 0] & dev.mask[:, 1]).nonzero().flatten())
    views = [dev, *(both.shown(view) for view in ((True, False, True), (False, True, False)) if len(both))]
    logits, labels = [logits_of(network, view) for view in views], [view.labels(view.mask) for view in views]
    calibration.fit(joined(logits), joined(labels), torch.cat([view.mask for view in views]))
    return calibration.requires_grad_(False)


def joined(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Tables by name, one below the other."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def tensors(trained: Trained) -> dict[str, Tensor]:
    """All tensors of a model under the names of its bundle."""
    parts = {
        "text": trained.text,
        "network": trained.network.state_dict(),
        "context": trained.context.state_dict(),
        "calibration": trained.calibration.state_dict(),
    }
    return {f"{part}.{name}": value for part, state in parts.items() for name, value in state.items()}


def progress() -> Progress:
    """A progress bar on stderr with counts and both times."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))
