"""The command line: a line or two per verb over `headrace.project.FeatureStore`.

Answers go to stdout: tables for people, with `--json` the document of the matching API endpoint. Everything
else, progress and errors included, goes to stderr. Exit codes: 0 done; 1 failed, usage included; 2 done and
found something, such as a plan with changes or rows that had to be left out.
"""

from __future__ import annotations

from headrace.cli.app import app

__all__ = ["main"]


def main() -> None:
    """The `headrace` command."""
    app(prog_name="headrace")
