"""`headrace validate`: rows against a source's rules, and the rows that are in quarantine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli import output
from headrace.cli.store import opened
from headrace.cli.verb import DONE, FOUND, verb
from headrace.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.cli.store import Store

__all__ = ["validate"]

_SHOWN = 20


@verb
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--source", "-s", metavar="NAME", help="The source.")
@click.option("--quarantine", is_flag=True, help="Show the rows in quarantine, of one source or of all.")
@click.option("--rule", metavar="RULE", help="Only rows that break it: range, or 'range(price)'.")
@click.option("--since", metavar="TIME", help="Only rows put into quarantine at or after this instant.")
@click.option("--until", metavar="TIME", help="Only rows put into quarantine before this instant.")
@click.option("--limit", type=int, default=_SHOWN, show_default=True, help="The most rows to show.")
@click.option("--replay", is_flag=True, help="Push the source's quarantined rows again, by today's rules.")
def validate(  # noqa: PLR0913 - the options
    *,
    project: Path,
    as_json: bool,
    file: Path | None,
    source: str | None,
    quarantine: bool,
    rule: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    replay: bool,
) -> int:
    """Check the rows of FILE against a source, or look after the quarantine."""
    with opened(project) as store:
        if replay:
            return _replay(store, _named(source), rule, as_json=as_json)
        if quarantine:
            found = store.quarantine(source, rule=rule, since=since, until=until, limit=limit)
            if as_json:
                output.document(found.to_dict())
            else:
                names = ("source", "where", "row", "broken")
                shown = [
                    (
                        each.source,
                        each.origin,
                        each.ordinal if each.line is None else f"line {each.line}",
                        "; ".join(f"{one.rule}: {one.reason}" for one in each.reasons),
                    )
                    for each in found.rows
                ]
                output.table(names, shown)
                _counts(found.counts)
                for name, more in found.beyond.items():
                    output.note(f"{name}: {sum(more.values())} more rows are counted only.")
            return FOUND if found.counts else DONE
        return _file(store, file, _named(source), rule, limit, as_json=as_json)


def _named(source: str | None) -> str:
    if source is None:
        raise DataError("Which source?", remedy="Give --source NAME.")
    return source


def _replay(store: Store, source: str, rule: str | None, *, as_json: bool) -> int:
    done = store.replay(source, rule=rule)._asdict()
    if as_json:
        output.document(done)
    else:
        output.table(list(done), [list(done.values())])
        if done["left"]:
            output.note(f"{done['left']} rows lie in batches: they come in by the next headrace materialize.")
    return FOUND if done["rejected"] or done["left"] else DONE


def _file(
    store: Store, file: Path | None, source: str, rule: str | None, limit: int, *, as_json: bool
) -> int:
    if file is None:
        raise DataError("Which file?", remedy="Give a file, or --quarantine.")
    failures = [
        each
        for each in store.validate(source, file.resolve())
        if rule is None or rule in {each.rule, each.rule.partition("(")[0]}
    ]
    counts: dict[str, int] = {}
    for each in failures:
        counts[each.rule] = counts.get(each.rule, 0) + 1
    if as_json:
        output.document({"failures": [each.to_dict() for each in failures[:limit]], "counts": counts})
    else:
        output.table(("row", "rule", "message"), [tuple(each) for each in failures[:limit]])
        _counts({source: counts})
    return FOUND if failures else DONE


def _counts(counts: Mapping[str, Mapping[str, int]]) -> None:
    """Say how many rows break each rule."""
    for source, rules in counts.items():
        for rule, count in sorted(rules.items()):
            output.note(f"{source}: {count} rows break {rule}.")
