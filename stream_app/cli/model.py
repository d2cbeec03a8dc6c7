"""``crisis-stream model``: what is done to models rather than with them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stream_app.cli.model_diff import diff
from stream_app.cli.model_settings import DATA, DEVICE, PRESET, SET, device_of, recipe_of, with_setting
from stream_app.cli.model_train import train

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.data.rows import Row
    from model.training.evaluate import Figures

PROTOCOLS = (
    "unified",
    "unseen-events",
    "formats",
    "official",
    "srilanka-5fold",
    "leave-one-event-out",
    "leave-one-source-out",
)


@click.group()
def command() -> None:
    """Train, measure, compare and describe models. All but ``show`` and ``diff`` need the ``train`` extra."""


@command.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="folder of the labelled data: crisismmd/ and photos/",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/tables"),
    show_default=True,
    help="report and finished cells; a run that was stopped goes on from them",
)
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--epochs", type=click.IntRange(1), help="most epochs of one training")
@click.option("--split", type=click.Choice(["unified", "paper"]), default="unified", show_default=True)
@click.option("--resamples", type=click.IntRange(20), default=1000, show_default=True, help="for the intervals")
@click.option("--focal", is_flag=True, help="add equal weights with the focal loss, which the paper lacks")
@click.option("--rows", type=click.IntRange(100), help="an even sample of about so many rows: shows that it works")
@click.option("--method", "methods", multiple=True, help="only this row, e.g. 'Concat + Dynamic'; may be repeated")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="any setting of the experiment: align=pad, norm=layer, at=trunk, granularity=group; may be repeated",
)
@click.option(
    "--elmo",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="folder of ELMo's options.json and weights, in place of the packaged text encoder",
)
@click.option(
    "--inception",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="InceptionV3's weights (safetensors), in place of the packaged photo encoder",
)
@DEVICE
def tables(
    *,
    data: Path,
    out: Path,
    seeds: int,
    epochs: int | None,
    split: str,
    resamples: int,
    focal: bool,
    rows: int | None,
    methods: tuple[str, ...],
    settings: tuple[str, ...],
    elmo: Path | None,
    inception: Path | None,
    device: str,
) -> None:
    """Run the paper's experiment: eight methods, three concepts, F1, HL and MAP beside the paper's own figures."""
    from model.paper.data import Extractors
    from model.paper.fit import Protocol
    from model.paper.tables import run_tables

    protocol = replace(Protocol(), epochs=epochs) if epochs else Protocol()
    for setting in settings:
        name, _, written = setting.partition("=")
        protocol = with_setting(protocol, setting, name, written)
    try:
        run_tables(
            data,
            out,
            seeds=seeds,
            protocol=protocol,
            split="paper" if split == "paper" else "unified",
            resamples=resamples,
            focal=focal,
            methods=methods,
            sampled=rows,
            extractors=Extractors(elmo, inception),
            device=device_of(device),
        )
    except (FileNotFoundError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"report: {out / 'report.md'}, {out / 'report.png'}, {out / 'results.json'}")


@command.command()
@DATA
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOLS),
    default="unified",
    show_default=True,
    help="unified, unseen-events and formats (as served here beside float32) judge --model, the others train their own",
)
@click.option("--model", default="default", show_default=True, help="the model to judge")
@click.option("--start", help="official: begin with this model's text layers, as 'default', in place of the package's")
@click.option("--source", "sources", multiple=True, help="leave-one-source-out: only this source; may be repeated")
@PRESET
@SET
@click.option("--short", is_flag=True, help="the recipe of a short run")
@click.option("--rows", type=click.IntRange(30), help="an even sample of about so many rows: shows that it works")
@click.option(
    "--members", type=click.IntRange(1), help="runs of the text layers to average; 1 takes a third of the time"
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="keep what the protocol trains in this folder; a run that was stopped goes on from there",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="also write the figures here, as JSON")
def evaluate(
    *,
    data: Path,
    protocol: str,
    model: str,
    start: str | None,
    sources: tuple[str, ...],
    preset: str,
    settings: tuple[str, ...],
    short: bool,
    rows: int | None,
    members: int | None,
    work: Path | None,
    out: Path | None,
) -> None:
    """Measure a model on posts it has not seen: accuracy, F1, HL, MAP, ECE, with intervals by duplicate group."""
    from model.data.crisis import load_rows
    from model.data.rows import sample
    from model.serving.bundle import load_bundle
    from model.training import protocols
    from model.training.checkpoint import claim
    from model.training.mix import load_mix

    recipe = recipe_of(preset, short=short, settings=settings)
    if members and recipe.text:
        recipe = replace(recipe, text=replace(recipe.text, members=members))
    if start and protocol != "official":
        raise click.UsageError("--start is of --protocol official: what other protocols leave out, a model has learned")
    try:
        begun = load_bundle(start) if start else None
        mixed = protocol in ("unseen-events", "leave-one-source-out", "formats")
        chosen = load_mix(data, count=rows) if mixed else sample(load_rows(data), rows)
        if work:
            claim(
                work,
                {
                    "protocol": protocol,
                    "recipe": asdict(recipe),
                    "rows": rows,
                    "start": begun and begun.manifest.sha256,
                },
            )
        match protocol:
            case "official":
                figures = protocols.official(chosen, recipe, work, begun)
            case "srilanka-5fold":
                figures = protocols.srilanka(chosen, recipe, work)
            case "leave-one-event-out":
                figures = protocols.leave_one_out(chosen, recipe, work)
            case "leave-one-source-out":
                figures = protocols.leave_one_source_out(chosen, recipe, work, sources)
            case _:
                figures = _of_a_model(protocol, chosen, model)
    except (FileNotFoundError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    text = json.dumps(figures, indent=1)
    click.echo(text)
    if out:
        out.write_text(text + "\n", encoding="utf-8")


def _of_a_model(protocol: str, rows: Sequence[Row], model: str) -> Figures:
    """The protocols that judge a model which is there."""
    from model.serving.fused import FusedScorer
    from model.training import evaluate as measures

    served = FusedScorer.load(model)
    match protocol:
        case "unseen-events":
            return measures.unseen_events(rows, served)
        case "formats":
            return measures.formats(rows, FusedScorer.load(model, number_format="float32"), served)
        case _:
            alone = {f"event_only.{c}": f for c, f in measures.event_only(rows).items()}
            return {**measures.unified(rows, served), **alone}


@command.command()
@click.argument("source", default="default")
def show(source: str) -> None:
    """Print a model's card: hash, labels, data, licence and figures. SOURCE is a shipped name or a folder."""
    from model.serving.bundle import WEIGHTS, find, load_bundle

    try:
        manifest = load_bundle(source).manifest
    except (FileNotFoundError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{manifest.name} {manifest.version}")
    size = (find(source) / WEIGHTS).stat().st_size / 1e6
    facts = {
        "SHA-256": f"{manifest.sha256} (verified), {size:.1f} MB",
        "text": manifest.text_model,
        "texts in": " ".join(manifest.languages),
        "image": manifest.image_model,
        "fusion": f"{manifest.network.fusion}, D = {manifest.network.width}, {manifest.network.granularity} tasks",
        "data": manifest.data,
        "licence": manifest.licence,
        "made by": manifest.made_by,
    }
    for name, fact in facts.items():
        if fact:
            click.echo(f"  {name:8} {fact}")
    for concept, labels in manifest.network.concepts.items():
        click.echo(f"  {concept}: {', '.join(labels)}")
    if manifest.metrics:
        click.echo(json.dumps(manifest.metrics, indent=1))


command.add_command(diff)
command.add_command(train)
