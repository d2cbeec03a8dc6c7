"""``crisis-stream model``: what is done to models rather than with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click


@click.group()
def command() -> None:
    """Measure models. Needs the ``train`` extra."""


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
@click.option("--method", "methods", multiple=True, help="only this row, e.g. 'Concat + Dynamic'; may be repeated")
def tables(
    *,
    data: Path,
    out: Path,
    seeds: int,
    epochs: int | None,
    split: str,
    resamples: int,
    focal: bool,
    methods: tuple[str, ...],
) -> None:
    """Run the paper's experiment: eight methods, three concepts, F1, HL and MAP beside the paper's own figures."""
    from model.training.table_fit import Protocol
    from model.training.tables import run_tables

    protocol = replace(Protocol(), epochs=epochs) if epochs else Protocol()
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
        )
    except (FileNotFoundError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"report: {out / 'report.md'}, {out / 'report.png'}, {out / 'results.json'}")
