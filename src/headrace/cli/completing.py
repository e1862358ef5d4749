"""What a shell completes: the names of features, colons and all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from click.shell_completion import BashComplete

from headrace.errors import HeadraceError

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

__all__ = ["ColonBash", "feature_names"]


class ColonBash(BashComplete):
    """Completion for bash, which takes `view:feature` for three words and replaces only the last."""

    def __init__(self, *arguments: Any) -> None:
        """Remember what of the word bash leaves in place."""
        super().__init__(*arguments)
        self._kept = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words, put together again at their colons, and the last of them."""
        args, last = super().get_completion_args()
        words: list[str] = []
        for word in (*args, last):
            if words and (word == ":" or words[-1].endswith(":")):
                words[-1] += word
            else:
                words.append(word)
        self._kept = words[-1][: words[-1].rfind(":") + 1]
        return words[:-1], words[-1]

    def format_completion(self, item: CompletionItem) -> str:
        """What bash is to put in place of its last word."""
        item.value = str(item.value).removeprefix(self._kept)
        return super().format_completion(item)


def feature_names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The features of the project that begin so; none when the project cannot be read."""
    from headrace.cli.store import opened

    try:
        with opened(Path(ctx.params.get("project") or ".")) as store:
            found = store.list_features(tags=(), all_tags=(), owner=None, type=None, text="")
    except HeadraceError:
        return []
    names = []
    for each in found:
        about = each.to_dict()
        names.append(f"{about['view']}:{about['name']}" if about.get("view") else str(about["name"]))
    return [name for name in names if name.startswith(incomplete)]
