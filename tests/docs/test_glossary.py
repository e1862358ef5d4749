"""The glossary: in order, each word once, and each word that another page links to is there."""

from __future__ import annotations

import re
from pathlib import Path

GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.md"
WORDS = re.findall(r"^## (.+)$", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)


def test_words_are_in_alphabetical_order_and_there_once() -> None:
    assert sorted({word.casefold() for word in WORDS}) == [word.casefold() for word in WORDS]


def test_an_entry_is_short_and_starts_a_sentence() -> None:
    entries = re.split(r"^## .+$", GLOSSARY.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    long = [word for word, entry in zip(WORDS, entries, strict=True) if not 20 < len(entry.strip()) < 400]
    assert long == []
