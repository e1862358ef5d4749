"""The command `headrace`: its verbs, each loaded when it is called."""

from __future__ import annotations

import importlib
import os
from typing import Any

import click

from headrace.cli.verb import FAILED

__all__ = ["App", "app"]

VERBS = {
    "init": "starting",
    "demo": "starting",
    "plan": "registering",
    "apply": "registering",
    "features": "browsing",
    "show": "browsing",
    "lineage": "browsing",
    "test": "testing",
    "train": "training",
    "materialize": "computing",
    "ingest": "ingesting",
    "push": "computing",
    "get": "serving",
    "serve": "http",
    "validate": "validating",
    "consistency": "comparing",
    "forget": "forgetting",
    "doctor": "checking",
}
"""Every verb and the module of this package that it lives in, in the order people meet them."""

EPILOG = """Exit codes: 0 done; 1 failed; 2 done and found something (a plan has changes, rows were left out).

\b
Completion, for bash (zsh and fish likewise):
  eval "$(_HEADRACE_COMPLETE=bash_source headrace)"
"""


class App(click.Group):
    """The group of all verbs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order people meet them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A verb, its module loaded now."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"headrace.cli.{VERBS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def _main_shell_completion(self, *arguments: Any, **named: Any) -> None:
        """Click's, with bash taught about colons."""
        if any(name.endswith("_COMPLETE") for name in os.environ):
            from click.shell_completion import add_completion_class

            from headrace.cli.completing import ColonBash

            add_completion_class(ColonBash, "bash")
        super()._main_shell_completion(*arguments, **named)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Click's, with our exit code for wrong usage."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _failed(error) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Click's, with our exit code for wrong usage."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _failed(error) from None


def _failed(error: click.UsageError) -> click.exceptions.Exit:
    """Wrong usage, shown; click's own exit code, 2, means something else here."""
    error.show()
    return click.exceptions.Exit(FAILED)


def _show_version(ctx: click.Context, _: click.Parameter, wanted: Any) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"headrace {version('headrace')}")
        ctx.exit()


app = App(
    "headrace",
    help="A feature store for ad models: define features once, train and serve with the same values.",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_show_version,
            help="Show the version and exit.",
        )
    ],
)
