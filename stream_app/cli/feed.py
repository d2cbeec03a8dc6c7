"""``crisis-stream feed``: what the lines of a file would become, before they are sent."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.pipeline.posts.enrich import Enricher
    from stream_app.pipeline.posts.reader import Reader


@click.group("feed")
def command() -> None:
    """Look at a feed before it is sent."""


@command.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="one JSON object for each thing found, and the summary last")
@click.option("--most", type=click.IntRange(min=1), default=50, show_default=True, help="rows of the table")
def check(file: Path, as_json: bool, most: int) -> None:
    """Say line by line what FILE would become: posts, withdrawals, notices and problems, and what to change.

    Any packing and format of docs/formats.md goes, and what [feed.mapping] in crisis-stream.toml reads. Exits 1 when
    nothing is a post.
    """
    from stream_app.pipeline.feed.archive import DAMAGED
    from stream_app.pipeline.feed.registry import AwayError
    from stream_app.pipeline.posts.enrich import Enricher
    from stream_app.pipeline.posts.reader import Reader

    settings = Settings()
    try:
        reader, enrich = Reader(settings.feed, settings.posts), Enricher(settings.place)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    totals: Counter[str] = Counter()
    shown: list[dict[str, Any]] = []
    try:
        for row in _found(file, reader, enrich):
            _count(totals, row)
            if as_json:
                click.echo(json.dumps(row, ensure_ascii=False, default=str))
            elif len(shown) < most:
                shown.append(row)
    except BrokenPipeError:
        raise  # whoever read our output has seen enough; click ends quietly
    except AwayError as error:
        raise click.ClickException(str(error)) from None
    except DAMAGED as error:
        raise click.ClickException(f"{file} is damaged: {error}") from None
    if as_json:
        click.echo(json.dumps({"summary": dict(totals)}))
    else:
        _show(shown, totals)
    sys.exit(0 if totals["post"] else 1)


def _found(file: Path, reader: Reader, enrich: Enricher) -> Iterator[dict[str, Any]]:
    from stream_app.pipeline.feed.archive import MAX_ITEM, items

    with file.open("rb") as raw:
        for item in items(raw, file.name):
            if item.too_long:
                yield {"line": item.number, "becomes": "problem", "say": f"{item.size:,} bytes, over {MAX_ITEM:,}."}
                continue
            found = reader.read(item.value, timestamp=file.stat().st_mtime)
            for post in (enrich.told(enrich.in_language(each)) for each in found.posts):
                yield {
                    "line": item.number,
                    "becomes": "post",
                    "kind": post.kind,
                    "network": post.network,
                    "id": post.id,
                    "photos": len(post.media),
                    "place": post.place and (post.place.name or f"{post.place.latitude}, {post.place.longitude}"),
                    "language": post.language,
                    "say": "; ".join(post.degraded) or None,
                }
            for gone in found.withdrawals:
                name = gone.id or f"author {gone.author_key}"
                yield {
                    "line": item.number,
                    "becomes": "withdrawal",
                    "network": gone.network,
                    "id": name,
                    "say": gone.reason,
                }
            for notice in found.notices:
                yield {"line": item.number, "becomes": "notice", "say": notice}
            for problem in found.problems:
                yield {"line": item.number, "becomes": "problem", "say": f"{problem.reason} {_advice(problem.reason)}"}


def _advice(reason: str) -> str:
    """What to change, by what is wrong."""
    if "none of the known formats" in reason:
        return "Name its id, text and time in [feed.mapping] of crisis-stream.toml."
    if "not valid JSON" in reason:
        return "Send one JSON object a line, in UTF-8."
    if "is missing" in reason:
        return "Send this field, or map another to it in [feed.mapping]."
    return "It would become a dead letter."


def _count(totals: Counter[str], row: dict[str, Any]) -> None:
    totals[row["becomes"]] += 1
    if row["becomes"] == "post":
        totals["photos"] += row["photos"]
        totals["with a photo"] += row["photos"] > 0
        totals["with a place"] += row["place"] is not None
        totals[f"language {row['language'] or 'unknown'}"] += 1


def _show(shown: list[dict[str, Any]], totals: Counter[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    from stream_app.render.printable import cell, print_whole

    columns = ("line", "becomes", "kind", "network", "id", "photos", "place", "language", "say")
    table = Table(*columns, box=None, pad_edge=False)
    table.columns[-1].min_width = 30
    for row in shown:
        table.add_row(*(cell(None if row.get(name) is None else str(row[name])) for name in columns))
    console = Console()
    print_whole(table)
    found = sum(totals[name] for name in ("post", "withdrawal", "notice", "problem"))
    if found > len(shown):
        console.print(f"... and {found - len(shown):,} more (--most, --json)")
    console.print(", ".join(f"{name}: {number:,}" for name, number in totals.items() if number), highlight=False)
