"""feed check says what each line would become, by the known formats and by a mapping."""

import json

import pytest
from click.testing import CliRunner

from stream_app.cli import cli
from stream_app.pipeline.posts.mapped import Mapped
from stream_app.pipeline.posts.parse import parse_record

OURS = {"network": "other", "id": "m1", "text": "Flood in Nepal", "created_at": "2026-06-03T10:00:00Z"}
THEIRS = {"report": {"nr": 7, "lat": "27.7", "lon": "85.3"}, "title": "Wall down", "when": 1780480800,
          "pics": ["https://a.example/1.jpg"]}  # fmt: skip
TABLE = """
[feed.mapping]
id = "to_string(report.nr)"
text = "title"
created_at = "when"
media = "pics"
place.latitude = "report.lat"
place.longitude = "report.lon"
"""


@pytest.fixture
def check(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*rows, toml=""):
        (tmp_path / "crisis-stream.toml").write_text(toml)
        (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return CliRunner().invoke(cli, ["feed", "check", "a.jsonl", "--json"])

    return run


def rows_of(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_line_and_the_sums(check):
    gone = {"network": "other", "id": "m1", "deleted": True}
    result = check(OURS, [OURS, {"b": 1}], gone, {"limit": {}})
    *found, summary = rows_of(result)
    assert result.exit_code == 0
    assert [(row["line"], row["becomes"]) for row in found] == [
        (1, "post"), (2, "post"), (2, "problem"), (3, "withdrawal"), (4, "notice")
    ]  # fmt: skip
    assert "[feed.mapping]" in found[2]["say"]
    assert summary["summary"] == {"post": 2, "photos": 0, "with a photo": 0, "with a place": 2, "language en": 2,
                                  "problem": 1, "withdrawal": 1, "notice": 1}  # fmt: skip


def test_nothing_that_is_a_post_exits_1(check):
    assert check({"b": 1}).exit_code == 1


def test_a_mapping_reads_what_no_format_does(check):
    assert check(THEIRS).exit_code == 1
    result = check(THEIRS, OURS, toml=TABLE)
    first, second, _ = rows_of(result)
    assert (first["id"], first["photos"], first["place"]) == ("7", 1, "27.7, 85.3")
    assert second["id"] == "m1", "what the mapping does not fit is read as ever"


@pytest.mark.parametrize(
    ("paths", "say"),
    [({"id": "a"}, "text needs a path"), ({"id": "a", "text": "b", "shoe": "c"}, "shoe is not a fact"),
     ({"id": "a", "text": "b", "author.id": "c"}, "author.id is not a fact of a post; there are author.created_at, "),
     ({"id": "a[", "text": "b"}, "is no JMESPath expression")],
)  # fmt: skip
def test_a_wrong_mapping_says_what_is_wrong(paths, say):
    with pytest.raises(ValueError, match=say):
        Mapped("other", paths)


def test_an_expression_that_fails_on_one_record_is_that_records_problem():
    mapped = Mapped("other", {"id": "id", "text": "length(text)"})
    assert parse_record(b'{"id": "1", "text": 5}', mapped=mapped).problems
