"""The oracle of labels: which touch a conversion belongs to, in nested loops. It is the specification.

Like `headrace.testing.oracle` it shares nothing with what it judges; of definitions only attributes are read.

1. A conversion is an event of the label's source that is not quarantined, counted once by its event id, with
   `where` TRUE and `known < as_of`. A touch is the same of `touches`, with `touches_where`; without
   `touches`, each instant of a key in the spine before `as_of` is a touch.
2. A conversion can belong to the touches of its keys with `touch <= conversion < touch + within`. It belongs
   to the greatest of them in the total order of touches (`last_touch`), the least (`first_touch`), or all.
   All touches compete, whether the spine has them or not.
3. A row of the spine speaks of the touches of its keys at its instant; of one of them where it names the
   touches' event id. Its label is made of the conversions that belong to them, each once.
4. A label is mature once `within` and `reported_within` have passed by `as_of`, and by the instant up to
   which the sources are complete.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.testing.oracle import accepted, deduplicated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.definitions.label import Label
    from headrace.definitions.source import EventSource
    from headrace.testing.formulas import Event

__all__ = ["LabelAnswer", "labelled"]

_SECOND = 1_000_000
_WORD = 2**63


class LabelAnswer(NamedTuple):
    """What a label says of one row of a spine.

    Attributes:
        value: 1 or 0; how many conversions; or the sum of their values. None where there is no touch, and for
            a sum of integers that leaves 64 bits.
        delay: Seconds from the touch to its first conversion; None without one.
        mature: Whether nothing can be added any more.
        touched: Whether there is a touch.
        slack: How far another value may lie from this one.
    """

    value: Any
    delay: float | None
    mature: bool
    touched: bool
    slack: float = 0.0


class _Touch(NamedTuple):
    keys: tuple[Any, ...]
    time: int
    named: Any
    place: tuple[Any, ...]


def labelled(
    label: Label,
    conversions: Sequence[Mapping[str, Any]],
    touches: Sequence[Mapping[str, Any]],
    spine: Sequence[Mapping[str, Any]],
    as_of: int,
) -> list[LabelAnswer]:
    """A label at each row of a spine.

    Args:
        label: The definition; its sources have schemas.
        conversions: Rows of its source, in any order, with a verdict for `where` under its text.
        touches: Rows of its touches, likewise; not read where it has none.
        spine: Rows with the label's keys and `t`, int microseconds UTC. Where they have the column that names
            a touch, they speak of that touch alone.
        as_of: What was not known before this instant does not count, microseconds UTC.
    """
    happened = _counted(label.source, conversions, label.keys, label.where, as_of)
    able = _touches(label, touches, spine, as_of)
    belongs: list[tuple[Event, list[_Touch]]] = []
    for conversion in happened:
        keys = tuple(conversion.row[key] for key in label.keys)
        near = [
            touch
            for touch in able
            if touch.keys == keys and touch.time <= conversion.time < touch.time + label.within
        ]
        if near and label.attribution == "last_touch":
            near = [max(near, key=lambda touch: touch.place)]
        elif near and label.attribution == "first_touch":
            near = [min(near, key=lambda touch: touch.place)]
        belongs.append((conversion, near))
    return [_answer(label, row, able, belongs, as_of) for row in spine]


def _counted(
    source: EventSource, rows: Sequence[Mapping[str, Any]], keys: Sequence[str], where: str | None, as_of: int
) -> list[Event]:
    assert source.schema is not None
    log = accepted(rows, keys, source.timestamp, source.schema, source.available_at, source.event_id)
    if source.event_id is not None:
        log = deduplicated(log, keys, source.event_id)
    return [event for event in log if event.known < as_of and (where is None or event.row[where] is True)]


def _touches(
    label: Label, rows: Sequence[Mapping[str, Any]], spine: Sequence[Mapping[str, Any]], as_of: int
) -> list[_Touch]:
    if label.touches is None:
        instants = {(tuple(row[key] for key in label.keys), row["t"]) for row in spine if row["t"] < as_of}
        return [_Touch(keys, t, None, (t,)) for keys, t in instants if None not in keys]
    named = label.touches.event_id
    return [
        _Touch(
            tuple(event.row[key] for key in label.keys),
            event.time,
            event.row[named] if named is not None else None,
            event.place,
        )
        for event in _counted(label.touches, rows, label.keys, label.touches_where, as_of)
    ]


def _answer(
    label: Label,
    row: Mapping[str, Any],
    able: Sequence[_Touch],
    belongs: Sequence[tuple[Event, list[_Touch]]],
    as_of: int,
) -> LabelAnswer:
    ends = [source.complete_until for source in (label.source, label.touches) if source is not None]
    end = min([as_of, *(each for each in ends if each is not None)])
    mature = row["t"] + label.within + label.reported_within <= end
    named = label.touches.event_id if label.touches is not None else None
    mine = [
        touch
        for touch in able
        if touch.keys == tuple(row[key] for key in label.keys)
        and touch.time == row["t"]
        and (named is None or named not in row or touch.named == row[named])
    ]
    if not mine:
        return LabelAnswer(None, None, mature, touched=False)
    credited = [conversion for conversion, near in belongs if any(touch in mine for touch in near)]
    delay = min(((each.time - row["t"]) / _SECOND for each in credited), default=None)
    if label.value is None:
        value = len(credited) if label.count else int(bool(credited))
        return LabelAnswer(value, delay, mature, touched=True)
    assert label.source.schema is not None
    of = label.source.schema[label.value].name
    numbers = [each.row[label.value] for each in credited if each.row[label.value] is not None]
    if of == "double":
        slack = 1e-9 * sum(abs(number) for number in numbers)
        return LabelAnswer(sum(numbers, 0.0), delay, mature, touched=True, slack=slack)
    total = sum(numbers, Decimal(0) if of == "decimal" else 0)
    if of == "int64" and not -_WORD <= total < _WORD:
        total = None
    return LabelAnswer(total, delay, mature, touched=True)
