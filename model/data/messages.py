"""Posts and messages of some seventy events in nine languages, from ten sources whose labels mean not quite the same.

``text/multilingual_unified.parquet`` of the labelled data; its README tells what each source asked. Whole events are
held out (``heldout.json``); Haitian Creole has one event alone, so of the Appen messages a tenth each is dev and test,
a message and its translation together. Near-copies of CrisisMMD posts are left out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from model.data.rows import Answers, Row
from model.scorer import ContextFacts

TABLE = "text/multilingual_unified.parquet"
HELD_OUT = Path(__file__).parent / "heldout.json"
_UNTOLD = re.compile("missing|needs|donation|affected|displaced", re.IGNORECASE)
"""Categories of CrisisNLP and its kin in which some posts ask for help and some do not."""
_TOLD = re.compile("Sympathy|Caution|Infrastructure")
_FAMILY = {
    "Appen original": "Appen",
    "Appen/Figure-Eight Disaster Response": "Appen",
    "CrisisNLP_LREC2016_CF": "CrisisNLP",
    "CrisisNLP_LREC2016_volunteers": "CrisisNLP",
}
"""Sources that asked the same question."""
_WITH_FACTS = 6
"""Of ten messages so many have the facts that a bare text shows, the others none: a feed may know nothing of a post."""
_NUMBER = re.compile(r"\d+")


def load_messages(data: Path, first_group: int = 0, count: int | None = None) -> list[Row]:
    """Every labelled message as a row; copies of one text share a group, numbered from ``first_group``.

    With ``count`` an even sample of about so many.

    Raises:
        FileNotFoundError: ``data`` lacks the table.
        ValueError: the table lacks a column; the message names it.
    """
    if not (data / TABLE).is_file():
        raise FileNotFoundError(f"{data / TABLE} is missing: it holds the messages to learn other languages from")
    import pandas as pd

    table = pd.read_parquet(data / TABLE).fillna("")
    wanted = {"id", "source", "event", "lang", "text", "label_info", "label_human", "label_raw", "text_key"}
    if missing := sorted(wanted - set(table.columns)):
        raise ValueError(f"{data / TABLE} has no column {missing[0]!r}")
    if count:
        table = table.iloc[:: max(1, len(table) // count)]
    held = json.loads(HELD_OUT.read_text())
    split_of = {event: split for split, events in held.items() for event in events}
    groups: dict[str, int] = {}
    rows = []
    for message in table.to_dict("records"):
        answers = answers_of(message)
        if message.get("in_crisismmd_split") or not answers:
            continue
        group = groups.setdefault(message["text_key"], first_group + len(groups))
        rows.append(_row(message, answers, group, split_of))
    return list(without_held(rows))


def answers_of(message: Mapping[str, Any]) -> Answers:
    """What people said of a message: informative or not, its category, and whether it asks for help."""
    told = {
        "informativeness": message["label_info"],
        "humanitarian": message["label_human"],
        "request": _request(message["source"], message["label_human"], message["label_raw"]),
    }
    return {concept: label for concept, label in told.items() if label}


def _request(source: str, category: str, raw: str) -> str:
    """``request`` or ``no_request``; empty where the source did not ask, or its category holds both."""
    if category == "not_humanitarian":
        return "no_request"
    if source == "HumAID":
        return "request" if raw == "requests_or_urgent_needs" else "no_request"
    if source.startswith("Appen"):
        return "request" if "request" in raw.split(";") else "no_request"
    if source.startswith(("CrisisNLP", "Torres")):
        return "" if _UNTOLD.search(raw) else "no_request"
    return "no_request" if source == "CrisisLexT26" and _TOLD.search(raw) else ""


def _row(message: Mapping[str, Any], answers: Answers, group: int, split_of: Mapping[str, str]) -> Row:
    split = split_of.get(message["event"], "train")
    if message["event"] == "appen_direct":
        number = _NUMBER.search(message["id"])
        split = {0: "dev", 1: "test"}.get(_tenth(number[0] if number else message["id"]), "train")
    return Row(
        key=message["id"],
        group=group,
        event=message["event"],
        split=split,
        text=message["text"],
        of_text=answers,
        of_post=answers,
        agreed=answers,
        source=_FAMILY.get(message["source"], message["source"]),
        context=ContextFacts(mentions=message["text"].count("@"))
        if _tenth(message["text_key"]) < _WITH_FACTS
        else None,
        language=message["lang"] or None,
    )


def _tenth(key: str) -> int:
    return int(hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()[:8], 16) % 10


def without_held(rows: Iterable[Row]) -> Iterable[Row]:
    """Rows less those of ``train`` whose text stands in another split as well."""
    rows = list(rows)
    held = {row.group for row in rows if row.split != "train"}
    return (row for row in rows if row.split != "train" or row.group not in held)
