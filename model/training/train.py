"""The whole training of a shippable model: text layers, encodings, fusion, calibration, bundle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.data.rows import Row
from model.data.sentences import EVENT as SENTENCES
from model.encoders.context import ContextEncoder
from model.encoders.image import WIDTH, ImageEncoder
from model.encoders.pinned import fingerprint
from model.encoders.text import PACKAGED, TextEncoder
from model.network import FusionNetwork, NetworkConfig
from model.scorer import LABELS
from model.serving.bundle import Bundle, Manifest, as_one, part_of, save_bundle
from model.serving.calibration import FEWEST, Calibration, completed
from model.serving.ranges import RANGES, text_ranges
from model.training.about import About
from model.training.fusion import FusionPlan, fit, logits_of
from model.training.mix import epoch, fusion_rows
from model.training.photo import CONCEPT, PhotoPlan, tune_end
from model.training.refit import Heads, agreeing, refitted, surprise
from model.training.text import TextPlan, distinct, each_once, fine_tune, without_leaks
from model.training.vectors import Vectors, assemble, encode_context, encode_images, encode_text

CPU = torch.device("cpu")
FEWEST_OF_A_LANGUAGE = 50


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to train and how."""

    text: TextPlan | None
    fusion: FusionPlan
    network: Literal["product", "paper"]
    """The preset of :class:`NetworkConfig`."""
    changes: Mapping[str, Any]
    """Fields of the config that differ from the preset."""
    text_model: str = PACKAGED
    photo: PhotoPlan | None = None
    """How an end of the photo encoder is tuned, or none is."""
    mixed: bool = True
    """Whether an epoch of the text layers is drawn as :mod:`model.training.mix` says, or shows each row once."""

    @classmethod
    def product(cls) -> Recipe:
        """Fine-tuned text and photo layers, then improved graph fusion with dynamic multitask."""
        fusion = FusionPlan(rate=3e-4, attention_rate=3e-3, batch=256, epochs=8, patience=3)
        return cls(TextPlan(), fusion, "product", {"dropout": 0.2, "apart": {CONCEPT: "image"}}, photo=PhotoPlan())

    @classmethod
    def literal(cls) -> Recipe:
        """The paper's: frozen encoders, raw padded vectors, Adam at 0.01, balance at the heads."""
        return cls(None, FusionPlan.paper(), "paper", {}, mixed=False)

    @classmethod
    def retune(cls) -> Recipe:
        """For some verdicts on a model that is there: its text layers as they are, its fusion in small steps."""
        return cls(None, FusionPlan.retune(), "product", {})

    @classmethod
    def retune_text(cls) -> Recipe:
        """The same for thousands of rows: the text layers too, at a quarter of their rate."""
        return replace(cls.retune(), text=TextPlan(members=1, rate=5e-5))

    def config(self, vectors: Vectors) -> NetworkConfig:
        """The network's shape for vectors of these widths; of a photo's it reads one end's."""
        whole = {name: value.shape[1] for name, value in vectors.values.items()}
        widths = {name: min(width, WIDTH) if name == "image" else width for name, width in whole.items()}
        learned = {str(concept): labels for concept, labels in LABELS.items()}
        preset = NetworkConfig.paper if self.network == "paper" else NetworkConfig.product
        return preset(widths, learned, **self.changes)

    def shortened(self) -> Recipe:
        """The same steps, one epoch each."""
        text = replace(self.text, members=1, epochs=1) if self.text else None
        photo = replace(self.photo, rounds=1, epochs=1, fewest=8) if self.photo else None
        return replace(self, text=text, photo=photo, fusion=replace(self.fusion, epochs=1))


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run leaves behind, still in memory."""

    network: FusionNetwork
    context: ContextEncoder
    calibration: Calibration
    text: dict[str, Tensor]
    image: dict[str, Tensor]


def train(
    rows: Sequence[Row],
    recipe: Recipe,
    out: Path,
    about: About,
    *,
    start: Bundle | None = None,
    resume: bool = False,
    device: torch.device = CPU,
) -> Manifest:
    """Train on rows of the ``train`` split, stop and calibrate on ``dev``, write the bundle to ``out``.

    With ``start`` it goes on from that model's weights. Work in progress lies in ``out/work``: with ``resume`` finished
    text and photo layers and fusion epochs are taken from there.

    Raises:
        ValueError: there are no rows to learn from, or none to stop and calibrate on.
    """
    for split, what in (("train", "learn from"), ("dev", "stop and calibrate by")):
        if not any(row.split == split for row in rows):
            raise ValueError(f"there is no row of the {split} split to {what}: give more rows, or name their split")
    work = out / "work"
    if not resume:
        for stale in (work / "text.safetensors", work / "image.safetensors", work / "fusion.ckpt"):
            stale.unlink(missing_ok=True)
    text_model = start.manifest.text_model if start else recipe.text_model
    with progress() as bar:
        text = _text(text_model, start.part("text") if start else {}, device, learns=recipe.text is not None)
        tuned, heads = tune(text, rows, recipe, work, bar)
        end, heads_of_end = tune_photos(rows, recipe, work, bar, device)
        own = end or (start.part("image") if start else {})
        image = ImageEncoder.load(device, own=own)
        learning = fusion_rows(rows)
        vectors, context = encode(text, learning, bar, image=image, context=_context(start))
        trained = learn_fusion(
            vectors,
            learning,
            recipe,
            context,
            heads=heads,
            apart=heads_of_end,
            checkpoint=work / "fusion.ckpt",
            bar=bar,
            start=start,
            device=device,
        )
    layers = tuned or (start.part("text") if start else {})
    return save_bundle(
        out,
        {**tensors(replace(trained, text=layers, image=own)), **_ranges(text_model, tuned, layers, start)},
        network=trained.network.config,
        text_model=text_model,
        text_files=fingerprint(Path(text_model)),
        languages=languages(rows, start),
        **about.fields(),
    )


def languages(rows: Sequence[Row], start: Bundle | None = None) -> tuple[str, ...]:
    """The languages that texts were learned in, fifty at least of each, and those of the model it began with.

    A text without a known language counts as English, which CrisisMMD is.
    """
    counts = Counter((row.language or "en").partition("-")[0] for row in rows if row.text and row.split == "train")
    before = start.manifest.languages if start else ()
    return tuple(sorted({*before, *(name for name, count in counts.items() if count >= FEWEST_OF_A_LANGUAGE)}))


def _ranges(
    text_model: str, tuned: Mapping[str, Tensor], layers: Mapping[str, Tensor], start: Bundle | None
) -> dict[str, Tensor]:
    """Bounds of the 8-bit text layers, those of ``start`` where it has some and the layers are its own."""
    kept = {name: each for name, each in start.tensors.items() if name.startswith(f"{RANGES}.")} if start else {}
    return kept if kept and not tuned else text_ranges(text_model, layers)


def _text(name: str, tuned: dict[str, Tensor], device: torch.device, *, learns: bool) -> TextEncoder:
    """The text encoder as it begins: one that only serves is there in a moment, one that learns takes ten seconds."""
    if not learns:
        return TextEncoder.serve(name, tuned, device)
    text = TextEncoder.load(name)
    if tuned:
        text.load_tuned(tuned)
    return text.to(device)


def _context(start: Bundle | None) -> ContextEncoder | None:
    if start is None:
        return None
    context = ContextEncoder()
    context.load_state_dict(start.part("context"))
    return context


def tune(
    encoder: TextEncoder, rows: Sequence[Row], recipe: Recipe, work: Path, bar: Progress
) -> tuple[dict[str, Tensor], Heads]:
    """Fine-tune the encoder in place; its layers as they are shipped and its heads, both empty without a text plan."""
    if recipe.text is None:
        return {}, {}
    kept = work / "text.safetensors"
    if not kept.is_file():
        held_out = [row for row in rows if row.split != "train"]
        learning = distinct(without_leaks([row for row in rows if row.split == "train"], held_out))
        doing = bar.add_task("text layers", total=100)
        drawn = epoch if recipe.mixed else each_once
        task = fine_tune(encoder, learning, recipe.text, lambda share: bar.advance(doing, 100 * share), drawn)
        heads = {name: value.contiguous() for name, value in task.heads.state_dict().items()}
        parts = as_one({"text": halved(encoder.tuned_state()), "heads": heads})
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: value.cpu() for name, value in parts.items()}, kept)
    found = load_file(kept)
    tuned, heads = part_of(found, "text"), part_of(found, "heads")
    encoder.load_tuned(tuned)
    return tuned, heads


def tune_photos(
    rows: Sequence[Row], recipe: Recipe, work: Path, bar: Progress, device: torch.device
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """An end of the photo encoder as it is shipped and its heads, by their names among a network's ``apart``.

    Both are empty without a photo plan, and where too few photos were judged.
    """
    if recipe.photo is None:
        return {}, {}
    kept = work / "image.safetensors"
    if not kept.is_file():
        doing = bar.add_task("photo layers", total=None)
        end, heads = tune_end(rows, recipe.photo, device, lambda n: bar.advance(doing, n))
        kept.parent.mkdir(parents=True, exist_ok=True)
        parts = {"image": end, f"apart.{CONCEPT}": heads}
        save_file(as_one(parts), kept)
    found = load_file(kept)
    return part_of(found, "image"), part_of(found, "apart")


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices in bfloat16, which is what they are multiplied in; vectors as they are."""
    return {name: (v.to(torch.bfloat16) if v.ndim > 1 else v).contiguous() for name, v in state.items()}


def encode(
    text: TextEncoder,
    rows: Sequence[Row],
    bar: Progress | None = None,
    *,
    pixels: Tensor | None = None,
    image: ImageEncoder | None = None,
    context: ContextEncoder | None = None,
) -> tuple[Vectors, ContextEncoder]:
    """All rows' vectors; the context encoder, where none is given, fitted on the ``train`` split's posts among them.

    ``pixels`` are the photos' vectors where they are known already. Else ``image`` encodes them, or the packaged
    encoder where ``text`` is.
    """
    if context is None:
        posts = [row for row in rows if row.split == "train" and row.context]
        context = ContextEncoder()
        context.fit([row.context for row in posts if row.context], [row.text or "" for row in posts])
    if pixels is None:
        doing = bar.add_task("photos", total=sum(row.image is not None for row in rows)) if bar else None
        advance = (lambda n: bar.advance(doing, n)) if bar and doing is not None else (lambda _: None)
        pixels = encode_images(image or ImageEncoder.load(text.device), rows, advance)
    words = encode_text(text.for_service(), rows)
    return assemble(rows, words, pixels, encode_context(context, rows)), context


def learn_fusion(
    vectors: Vectors,
    rows: Sequence[Row],
    recipe: Recipe,
    context: ContextEncoder,
    *,
    heads: Heads | None = None,
    apart: Mapping[str, Tensor] | None = None,
    checkpoint: Path | None = None,
    bar: Progress | None = None,
    start: Bundle | None = None,
    device: torch.device = CPU,
) -> Trained:
    """Train the network on the rows of the ``train`` split and calibrate it on those of ``dev``.

    The text ``heads`` say which labels of other sources' messages it learns. Last layers that the recipe has fitted
    anew are kept if calibrated answers come nearer to the labels of ``dev``. ``apart`` are weights of its part of that
    name that were learned already.
    With ``start`` it begins with that model's, and calibrates anew only what enough rows of ``dev`` speak of. Our own
    sentences calibrate only where there is hardly anything else: they are easier than strangers' posts.

    Raises:
        ValueError: no epoch did better than ``start``, whose text layers stay.
    """
    of = {s: [i for i, row in enumerate(rows) if row.split == s] for s in ("train", "dev")}
    drawn = shown(rows, of["train"], start)
    dev = vectors.take(shown(rows, of["dev"], start) if start else of["dev"])
    doing = bar.add_task("fusion epochs", total=recipe.fusion.epochs) if bar else None

    def done(epoch: int, loss: float) -> None:
        if bar and doing is not None:
            bar.update(doing, completed=epoch + 1, description=f"fusion, dev loss {loss:.4f}")

    network = fit(
        start.manifest.network if start else recipe.config(vectors),
        agreeing(vectors, rows, heads or {}).take(drawn),
        dev,
        recipe.fusion,
        done=done,
        checkpoint=checkpoint,
        start=start.part("network") if start else None,
        apart=apart,
        device=device,
    )
    others = [i for i in of["dev"] if rows[i].event != SENTENCES]
    judged = vectors.take(others if start or len(others) >= FEWEST else of["dev"])
    before = start.part("calibration") if start else None
    calibration = calibrated(network, judged, before)
    if recipe.fusion.refit is not None:
        anew = refitted(network, vectors.take(drawn), [rows[i] for i in drawn], heads or {}, recipe.fusion)
        after = calibrated(anew, judged, before)
        if surprise(anew, after, judged) < surprise(network, calibration, judged):
            network, calibration = anew, after
    if start and not recipe.text and same(network.state_dict(), start.part("network")):
        raise ValueError(
            "no epoch did better on the dev rows than the model it began with, so there is no new model: give more "
            "rows, or other steps (--set fusion.rate=0.001)"
        )
    return Trained(network, context, calibration, {}, {})


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two networks have the same weights."""
    return all(torch.equal(value, other[name]) for name, value in one.items())


def shown(rows: Sequence[Row], train: Sequence[int], start: Bundle | None) -> list[int]:
    """Indices of the rows an epoch of the fusion draws from, in their shares.

    Our own sentences count twice. From ``start`` they only rehearse what it knows: the other rows, which it is to
    learn, are repeated until they are as many, at most twenty times.
    """
    own = [i for i in train if rows[i].event == SENTENCES]
    other = [i for i in train if rows[i].event != SENTENCES]
    if start is None or not other:
        return [*other, *own, *own]
    return [*other * max(1, min(20, len(own) // len(other))), *own]


def calibrated(network: FusionNetwork, dev: Vectors, start: Mapping[str, Tensor] | None = None) -> Calibration:
    """The calibration of a network's answers, fitted on rows it did not learn from; ``start`` where these are few.

    Posts with text and photo are shown three times: whole, and each side alone.
    """
    calibration = Calibration({concept: len(labels) for concept, labels in network.config.concepts.items()})
    if start is not None:
        calibration.load_state_dict(completed(start))
    if not len(dev):
        return calibration.requires_grad_(False)
    _, seen = dev.views()
    calibration.fit(logits_of(network, seen), seen.labels(seen.mask), seen.mask)
    return calibration.requires_grad_(False)


def tensors(trained: Trained) -> dict[str, Tensor]:
    """All tensors of a model under the names of its bundle."""
    parts = {
        "text": trained.text,
        "image": trained.image,
        "network": trained.network.state_dict(),
        "context": trained.context.state_dict(),
        "calibration": trained.calibration.state_dict(),
    }
    return as_one(parts)


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
