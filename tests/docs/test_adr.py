"""The decision records: each is in the index under its own title, and has the parts of the template."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "adr"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
PARTS = ["Context", "Decision", "Consequences"]


def test_the_index_lists_every_record_under_its_title():
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d{4})\]\((.+?)\) \| (.+?) \| (.+?) \|$", index, re.MULTILINE)
    listed = [(name, f"# {number}: {title}", f"Status: {status}") for number, name, title, status in rows]
    assert listed == [(record.name, *_head(record)) for record in RECORDS]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_record_has_the_parts_of_the_template(record: Path) -> None:
    assert re.findall(r"^## (.+)$", record.read_text(encoding="utf-8"), re.MULTILINE) == PARTS
    assert re.match(r"Status: (proposed|accepted|replaced by )", _head(record)[1])


def _head(record: Path) -> tuple[str, str]:
    """The title and the status line."""
    title, _, status, *_ = record.read_text(encoding="utf-8").splitlines()
    return title, status
