"""Binding labels to their sources: a definition and frozen schemas become what an engine can make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.intake.expressions import check_condition, derived_types
from headrace.kernel.label_binding import EventsBinding, LabelBinding
from headrace.schema import Schema

if TYPE_CHECKING:
    from headrace.definitions.label import Label
    from headrace.definitions.source import EventSource
    from headrace.schema import Type

__all__ = ["bind_label"]


def bind_label(label: Label, zone: str) -> LabelBinding:
    """The label, checked against its sources' schemas.

    Args:
        label: The definition; its sources have schemas.
        zone: The project's time zone, for `local(ts)` in conditions.

    Raises:
        DefinitionError: A key, value or condition does not fit a schema; the text names file and line.
    """
    events = _side(label, label.source, label.where, label.value, zone)
    touches = None
    if label.touches is not None:
        touches = _side(label, label.touches, label.touches_where, None, zone)
        for key, of in events.keys.items():
            if touches.keys[key] != of:
                raise label.error(
                    f"the key {key!r} is {of} in source {label.source.name!r} "
                    f"and {touches.keys[key]} in {label.touches.name!r}.",
                    asked=key,
                    remedy="Declare one type for it in both schemas.",
                )
    return LabelBinding(label, events, touches)


def _side(
    label: Label, source: EventSource, where: str | None, value: str | None, zone: str
) -> EventsBinding:
    schema = source.schema or Schema({})
    for key in label.keys:
        if key not in schema or not schema[key].is_scalar:
            raise label.error(
                f"the key {key!r} is no scalar column read from source {source.name!r}.",
                asked=key,
                available=[name for name, of in schema.items() if of.is_scalar],
                remedy="Name columns of the schemas of both sides.",
            )
    types = {**schema, **derived_types(schema, source.columns, zone, source.written)}
    if where is not None:
        check_condition(where, types, zone, label.written)
    keys = Schema({key: schema[key] for key in label.keys})
    return EventsBinding(
        label.name, label.version, keys, source, schema, zone, where=where, value=_value(label, value, types)
    )


def _value(label: Label, value: str | None, types: dict[str, Type]) -> tuple[str, Type] | None:
    if value is None:
        return None
    if value not in types or not types[value].is_number:
        raise label.error(
            f"value needs a column of numbers, and {value!r} is {types.get(value, 'not there')}.",
            asked=value,
            available=[name for name, of in types.items() if of.is_number],
            remedy="Name one of these.",
        )
    return value, types[value]
