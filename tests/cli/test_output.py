"""Answers: plain in a pipe, drawn on a terminal, JSON that every program can read."""

from __future__ import annotations

import io
import json
import sys

import pytest

from headrace.cli import output


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_plain_whole_cells(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(["name", "n"], [["x" * 300, 1], ["[red]y", None]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "n"]
    assert lines[1] == "x" * 300 + "  1"
    assert lines[2].split() == ["[red]y", "-"]


def test_a_person_gets_a_drawn_table(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "80")
    output.table(["name", "n"], [["[red]y", 12]])
    assert "─" in screen.getvalue()
    assert "[red]y" in screen.getvalue()


def test_json_has_no_nan_and_keeps_letters(capsys: pytest.CaptureFixture[str]) -> None:
    output.document({"name": "ü", "at": None})
    text = capsys.readouterr().out
    assert json.loads(text) == {"name": "ü", "at": None}
    assert text.count("\n") == 1
    with pytest.raises(ValueError, match="not JSON compliant"):
        output.document({"x": float("nan")})


def test_progress_is_silent_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress() as show:
        show("user_ads", 0.5)
    assert capsys.readouterr() == ("", "")


def test_progress_is_drawn_on_stderr_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with output.progress() as show:
        show("user_ads [1]", 0.5)
        show("user_ads [1]", 1.0)
    assert "user_ads [1]" in screen.getvalue()
    assert capsys.readouterr().out == ""
