"""``crisis-stream model train``: weights from labelled data, from rows of one's own, or from both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from stream_app.cli.model_settings import DEVICE, PRESET, SET, device_of, recipe_of

SHORT_ROWS = 96


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="folder of the labelled data: crisismmd/, photos/, text/",
)
@click.option(
    "--rows",
    "files",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help="JSON lines of your own posts and labels, beside --data or alone; may be repeated",
)
@click.option("--start", help="go on from this model's weights (a shipped name or a folder): minutes, for few rows")
@click.option("--tune-text", is_flag=True, help="with --start: the text layers too, for thousands of rows")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="folder of the new model")
@click.option("--name", help="the model's name  [default: that of the folder]")
@click.option("--version", help="its version, part of every event's id  [default: the beginning of the weights' hash]")
@click.option("--licence", help="of the weights  [default: that of the data, or of the model to start from]")
@PRESET
@SET
@DEVICE
@click.option("--short", is_flag=True, help=f"a run of about a minute on {SHORT_ROWS} rows: shows that it works")
@click.option("--sample", type=click.IntRange(30), help="an even sample of about so many rows of --data")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="most time for the text layers")
@click.option("--resume", is_flag=True, help="go on from what a stopped run left in OUT/work")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--text-model", help="'minilm', a folder or a Hugging Face hub name in place of the packaged encoder")
def train(
    *,
    data: Path | None,
    files: tuple[Path, ...],
    start: str | None,
    tune_text: bool,
    out: Path,
    name: str | None,
    version: str | None,
    licence: str | None,
    preset: str,
    settings: tuple[str, ...],
    device: str,
    short: bool,
    sample: int | None,
    minutes: float | None,
    resume: bool,
    seed: int,
    text_model: str | None,
) -> None:
    """Train a model: text layers, fusion, calibration. The result goes wherever a model's name goes.

    With --data from all sources the shipped model learns from, with --rows from your own, with --start from a model
    that is there.
    """
    from model.serving.bundle import load_bundle
    from model.training.about import About, check_version, data_of, licence_of
    from model.training.mix import load_mix
    from model.training.train import train as run

    if not data and not files:
        raise click.UsageError("give --data, the folder of labelled data, or --rows, a file of your own rows, or both")
    if start and (preset == "paper" or text_model):
        raise click.UsageError(
            "--start takes the shape and the text encoder of that model: no --preset, no --text-model"
        )
    if tune_text and not start:
        raise click.UsageError("--tune-text goes with --start; without it text layers are always learned")
    if start:
        preset = "retune-text" if tune_text else "retune"
    settings = (*((f"text.minutes={minutes}",) if minutes else ()), *settings)
    recipe = recipe_of(preset, short=short, seed=seed, text_model=text_model, settings=settings)
    count = sample or (SHORT_ROWS if short else None)
    made_by = _command(
        bool(data), files, start, preset, settings, {"--short": short, "--sample": sample, "--seed": seed}
    )
    try:
        begun = load_bundle(start) if start else None
        check_version(version, start=begun.manifest if begun else None)
        rows = load_mix(data, files, count, messages=preset != "paper")
        about = About(
            name or out.resolve().name,
            version,
            data_of(bool(data), files, begun.manifest if begun else None),
            licence or licence_of(bool(data), begun.manifest if begun else None),
            made_by,
        )
        manifest = run(rows, recipe, out, about, start=begun, resume=resume, device=device_of(device))
    except (FileNotFoundError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{out}: {manifest.name} {manifest.version}, SHA-256 {manifest.sha256}")


def _command(
    data: bool,
    files: Sequence[Path],
    start: str | None,
    preset: str,
    settings: Sequence[str],
    options: Mapping[str, int | None],
) -> str:
    """The command that makes these weights again, without a path of this machine."""
    words = ["--data DATA --out OUT" if data else "--out OUT"]
    words += [f"--start {Path(start).name}"] if start else [f"--preset {preset}"]
    words += ["--tune-text"] if preset == "retune-text" else []
    words += [f"--rows {file.name}" for file in files]
    words += [f"--set {setting}" for setting in settings]
    words += [name if value is True else f"{name} {value}" for name, value in options.items() if value]
    return " ".join(("crisis-stream model train", *words))
