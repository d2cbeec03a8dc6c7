"""What the documents name exists: tests, files of tests, files of code."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = {path: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
DEFINED = {name for text in TESTS.values() for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)}


@pytest.mark.parametrize("document", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_every_test_a_document_names_is_there(document):
    text = document.read_text("utf-8")
    named = set(re.findall(r"\b(test_\w+)(?!\w|\.py)\b", text))
    assert named <= DEFINED
    assert set(re.findall(r"\b(test_\w+\.py)", text)) <= {path.name for path in TESTS}


def test_every_file_of_code_that_safety_names_is_there():
    named = set(re.findall(r"`(media/\w+\.py)`", (ROOT / "docs" / "safety.md").read_text("utf-8")))
    assert named
    assert all((ROOT / "stream_app" / "pipeline" / name).is_file() for name in named)


PLACES = re.findall(
    r"`((?:stream_app|model|tests)/[\w/.]*)(?::([\w.]+))?`",
    "".join((ROOT / name).read_text("utf-8") for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md")),
)


@pytest.mark.parametrize(("path", "name"), sorted(set(PLACES)))
def test_what_the_architecture_points_at_is_there(path, name):
    assert (ROOT / path).exists(), path
    for each in filter(None, name.split(".")):
        assert re.search(rf"^\s*(?:async def|def|class) {each}\b", (ROOT / path).read_text("utf-8"), re.MULTILINE), each


def test_every_link_within_the_documents_leads_somewhere():
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
