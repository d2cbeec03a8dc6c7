"""Strangers' text reaches a terminal and XML through one door."""

from __future__ import annotations

import io
import json
import logging

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from stream_app.offline.files import Sink
from stream_app.offline.label import Answer, Line
from stream_app.proving.demo.tally import Tally
from stream_app.render.printable import cell, json_line, log_printably, one_line, print_whole, printable, xml_text
from stream_app.settings import TopicSettings

STEERS = {
    "escape": "\x1b[2J",
    "OSC 52": "\x1b]52;c;cm0gLXJm\x07",
    "C1 CSI": "\x9b31m",
    "C1 OSC": "\x9d0;mine\x9c",
    "delete": "\x7f",
    "right-to-left override": "\u202egnp.exe",
    "isolate": "\u2066a\u2069",
    "line separator": "\u2028",
    "line end": "\r\n",
    "lone surrogate": "\ud800",
    "tag": "\U000e0041",
}
HARMLESS = "ශ්‍රී ලංකා 👩‍🚒 مي‌خواهم\u3000水\u00a0!"


def steers(text: str) -> set[str]:
    """Characters that a terminal would obey."""
    return {each for each in text if not (each.isprintable() or each in "\u200c\u200d\u3000\u00a0")}


@pytest.mark.parametrize("text", STEERS.values(), ids=STEERS)
@pytest.mark.parametrize("door", [printable, one_line, json_line, lambda text: cell(text).plain])
def test_what_steers_a_terminal_is_taken_out(door, text):
    assert steers(door(f"a{text}b")) == set()


def test_what_people_write_stays_as_it_is():
    assert printable(HARMLESS) == json_line(HARMLESS) == cell(HARMLESS).plain == HARMLESS


@given(st.text(st.characters(exclude_categories=())))
def test_json_means_the_same_afterwards(text):
    line = json_line(json.dumps(text, ensure_ascii=False))
    assert json.loads(line) == text
    assert "\n" not in line


@pytest.mark.parametrize("text", ["[/nope]", "[red]x[/]", "[link=http://x]y[/link]", ":boom:"])
def test_a_cell_shows_markup_as_it_is_written(text):
    table, out = Table("note"), io.StringIO()
    table.add_row(cell(text))
    Console(file=out, width=80).print(table)
    assert text in out.getvalue()


def test_a_table_in_a_pipe_has_its_words_whole(capsys):
    table = Table("event", "note")
    table.add_row(cell("e" * 32), cell("x" * 300))
    print_whole(table)
    out = capsys.readouterr().out
    assert "e" * 32 in out
    assert out.count("x") == 300


@given(st.text(st.characters(exclude_categories=())))
@example("a\u2028b\u2029c")
def test_xml_text_is_xml_and_reads_in_its_own_order(text):
    from lxml import etree

    element = etree.Element("x")
    element.text = xml_text(text)  # lxml refuses what XML 1.0 cannot hold
    assert not set(element.text) & set(
        "\u2028\u2029\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )


@pytest.mark.parametrize("target", ["events", "errors"])
def test_labelled_files_on_a_terminal_cannot_steer_it(target, capsys, tmp_path):
    from pathlib import Path

    from factories import make_event

    text = "".join(STEERS.values()).replace("\ud800", "")
    with Sink(Path("-")) as sink:
        if target == "events":
            sink.write(Answer(Line(1, b""), event=make_event(text=text)))
        else:
            sink.write(Answer(Line(1, text.encode()), error=f"no post: {text}"))
    shown = capsys.readouterr()
    (line,) = (shown.out + shown.err).splitlines()
    assert steers(line) == set()
    assert text in str(json.loads(line).get("original") or json.loads(line)["post"]["text"])


def test_the_demos_summary_survives_any_reason():
    tally, out = Tally(TopicSettings()), io.StringIO()
    tally.letters.update({"[/nope]\x1b[2J": 1})
    Console(file=out, width=100).print(tally.summary(1.0))
    assert "[/nope]\\x1b[2J" in out.getvalue()


def test_log_messages_go_through_it_too():
    before, out = logging.getLogRecordFactory(), io.StringIO()
    logger, handler = logging.getLogger("test_printable"), logging.StreamHandler(out)
    logger.addHandler(handler)
    try:
        log_printably()
        logger.warning("cannot show %s", "\x1b]0;mine\x07")
    finally:
        logging.setLogRecordFactory(before)
        logger.removeHandler(handler)
    assert out.getvalue() == "cannot show \\x1b]0;mine\\x07\n"
