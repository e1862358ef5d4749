"""Serving: a retrieval plan over the online store, made once for a list of features, asked many times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.casting import cast_column
from headrace.errors import DataError, UnknownNameError
from headrace.kernel.entities import key_column
from headrace.online.answer import OnlineFeatures
from headrace.online.earlier import not_loaded
from headrace.online.read import Asked, read
from headrace.online.states import states_of
from headrace.retrieval.on_demand import run_functions

if TYPE_CHECKING:
    from headrace.kernel.columns import Column
    from headrace.online.earlier import FindEarlier
    from headrace.online.states import ViewStates
    from headrace.ports.key_value import Reader
    from headrace.retrieval.plan import RetrievalPlan, ViewRequest

__all__ = ["Served", "by_column"]

Entities = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]


class Served:
    """A retrieval plan, ready to answer requests."""

    def __init__(
        self, plan: RetrievalPlan, epoch_length: int, find_earlier: FindEarlier | None = None
    ) -> None:
        """Compile what does not change between requests.

        Args:
            plan: What is asked for.
            epoch_length: Microseconds of an epoch of the stream.
            find_earlier: Finds the revision of a view that its records were made by; without it, views whose
                records are of another revision cannot be read.
        """
        self._plan = plan
        self._epoch_length = epoch_length
        self._states = [states_of(each.binding, each.names) for each in plan.views]
        self._find_earlier = find_earlier
        self._earlier: dict[tuple[int, str], ViewStates | None] = {}

    def answer(
        self, store: Reader, entities: Entities, context: Mapping[str, Any], now: int, as_of: int | None
    ) -> OnlineFeatures:
        """The features of some entities.

        Args:
            store: A snapshot of the store.
            entities: Join key -> values, or rows; request fields that differ by entity beside them.
            context: Request fields with one value for all.
            now: The clock.
            as_of: The instant to answer for; None for the present.

        Raises:
            DataError: A join key or request field is missing, of another type, or columns differ in length.
            UnknownNameError: A column or context field that nothing asks for.
            AsOfTooEarly: `as_of` is before the state of every entity.
            StoreError: A view was never loaded nor pushed to, or no known definition of it made its records.
        """
        given = by_column(entities)
        n = len(next(iter(given.values()))) if given else 1
        keys, request = self._columns(given, context, n)
        asked = [
            Asked(
                each.binding.id,
                states,
                key_column(_chosen(keys, each.binding.keys, n), each.binding.keys).to_pylist(),
                self._epoch_length,
                partial(self._states_of_earlier, place),
            )
            for place, (each, states) in enumerate(zip(self._plan.views, self._states, strict=True))
        ]
        found = read(store, asked, now, as_of)
        read_columns = [
            _completed(each, own, n) for each, own in zip(self._plan.views, found.columns, strict=True)
        ]
        functions = {}
        if self._plan.functions:
            functions = run_functions(self._plan, read_columns, request, np.full(n, found.t, dtype=np.int64))
        columns = {
            member.output: functions[member.reference.name]
            if member.view < 0
            else read_columns[member.view][member.reference.feature]
            for member in self._plan.members
        }
        return OnlineFeatures(given, self._plan.members, columns, found.t)

    def _states_of_earlier(self, place: int, fingerprint: str) -> ViewStates | None:
        """The states of the revision that a view's records were made by, for what it has of those wanted."""
        key = place, fingerprint
        if key not in self._earlier and self._find_earlier is not None:
            wanted = self._plan.views[place]
            found = self._find_earlier(wanted.binding, fingerprint)
            self._earlier[key] = found and states_of(
                found.binding, [name for name in wanted.names if name in found.names]
            )
        return self._earlier.get(key)

    def _columns(
        self, given: Mapping[str, Sequence[Any]], context: Mapping[str, Any], n: int
    ) -> tuple[pa.Table, dict[str, list[Any]]]:
        """The join keys, typed, and the request fields."""
        plan = self._plan
        known = {*plan.keys, *plan.request}
        for name in (*given, *context):
            if name not in known:
                raise UnknownNameError.of("join key or request field", name, known)
        for name, values in given.items():
            if len(values) != n:
                raise DataError(
                    f"Column {name!r} has {len(values)} values, the first has {n}.",
                    asked=name,
                    remedy="Give each column one value for each entity.",
                )
        missing = [name for name in plan.keys if name not in given]
        if missing:
            raise DataError(
                f"The entities have no column {missing[0]!r}.",
                asked=missing[0],
                available=list(given),
                remedy=f"Give entities={{{missing[0]!r}: [...]}}.",
            )
        keys = {
            name: cast_column(_array(given[name]), of, f"The entities' column {name!r}")
            for name, of in plan.keys.items()
        }
        request = {}
        for name, of in plan.request.items():
            if name in given:
                values = _array(given[name])
            elif name in context:
                values = _array([context[name]] * n)
            else:
                raise DataError(
                    f"The request has no field {name!r}.",
                    asked=name,
                    available=[*given, *context],
                    remedy=f"Give context={{{name!r}: ...}}, or a column of that name in entities.",
                )
            cast = (
                values.cast(of.arrow())
                if not of.is_scalar
                else cast_column(values, of, f"The request's field {name!r}")
            )
            request[name] = cast.to_pylist()
        return pa.table(keys) if keys else pa.table({"": pa.nulls(n)}).select([]), request


def _completed(of: ViewRequest, columns: Mapping[str, Column], n: int) -> Mapping[str, Column]:
    """The columns of a view, with those that are not loaded yet."""
    if all(name in columns for name in of.names):
        return columns
    types = of.binding.feature_types
    return {name: columns[name] if name in columns else not_loaded(n, types[name]) for name in of.names}


def by_column(entities: Entities) -> dict[str, Sequence[Any]]:
    """Entities as columns.

    Raises:
        DataError: They are neither columns nor rows of equal keys.
    """
    if isinstance(entities, Mapping):
        for name, values in entities.items():
            if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
                raise DataError(
                    f"Column {name!r} of the entities is no list.",
                    asked=name,
                    remedy=f'Give {{"{name}": [...]}}.',
                )
        return dict(entities)
    rows = list(entities or ())
    if not all(isinstance(row, Mapping) for row in rows):
        raise DataError("Entities are columns or rows.", remedy='Give {"user_id": ["u1", "u2"]}.')
    names = list(rows[0]) if rows else []
    if any(set(row) != set(names) for row in rows):
        raise DataError(
            "The entities' rows differ in their columns.",
            available=names,
            remedy="Give every row the same keys.",
        )
    return {name: [row[name] for row in rows] for name in names}


def _array(values: Sequence[Any]) -> pa.ChunkedArray:
    try:
        return pa.chunked_array([pa.array(values)])
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        reason = " ".join(map(str, error.args)).rstrip(".")
        raise DataError(
            f"These are not values of one column: {reason}.",
            asked=list(values)[:5],
            remedy="Give values of one type.",
        ) from None


def _chosen(keys: pa.Table, names: Mapping[str, Any], n: int) -> pa.Table:
    return keys.select(list(names)) if names else pa.table({"": pa.nulls(n)})
