"""A run's results as a table in Markdown, put where a page has room for it: one table for each kind of machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from stream_app.proving.bench.measures import Measured
from stream_app.proving.bench.processor import in_words

_BEGIN, _END = "<!-- crisis-stream bench --markdown: begin -->", "<!-- crisis-stream bench --markdown: end -->"
_MARKED = re.compile(f"{re.escape(_BEGIN)}(.*){re.escape(_END)}", re.DOTALL)
_TABLE = re.compile(r"^\d{4}-\d\d-\d\d, (?P<machine>.*?); load .*?(?=^\d{4}-\d\d-\d\d, |\Z)", re.DOTALL | re.MULTILINE)


def steadiness(varied: float) -> str:
    """What to think of a machine whose slowest moment took ``varied`` times as long as its quickest."""
    return f"the machine's own pace varied {varied:.1f}-fold between measures"


def table(results: Sequence[Measured], on: Mapping[str, object], load: str, rounds: int, varied: float) -> str:
    """The results with what they were measured on; a failed measure has no row."""
    day = datetime.now(UTC).date().isoformat()
    rows = [
        f"| {each.name} | {each.value:.2f} | {'' if each.cpu is None else f'{each.cpu:.2f}'} "
        f"| {each.goal} | {'yes' if each.met else 'no'} | {each.parts} |"
        for each in results
    ]
    medians = "one round" if rounds == 1 else f"medians of {rounds} rounds"
    return "\n".join(
        (
            f"{day}, {in_words(on)}; load average before the run {load}; {medians}; {steadiness(varied)}.",
            "",
            "| measure | ratio | by CPU | goal | met | both sides |",
            "|---|---|---|---|---|---|",
            *rows,
        )
    )


def is_ours(page: Path) -> bool:
    """Whether ``page`` has a place for a table."""
    return _MARKED.search(page.read_text(encoding="utf-8")) is not None


def put(page: Path, text: str) -> None:
    """Write a table between the marks of ``page``, or into a new page, in place of the last one of such a machine."""
    before = page.read_text(encoding="utf-8") if page.exists() else f"{_BEGIN}{_END}\n"
    page.write_text(_MARKED.sub(lambda found: _among(found[1], text), before), encoding="utf-8")


def _among(tables: str, new: str) -> str:
    kept = {found["machine"]: found[0].strip() for found in _TABLE.finditer(tables)}
    kept |= {found["machine"]: new for found in _TABLE.finditer(new)}
    return "\n".join((_BEGIN, "\n\n".join(kept.values()), _END))
