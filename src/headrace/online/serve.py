"""Serving: a retrieval plan over the online store, made once for a list of features, asked many times."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.casting import cast_column
from headrace.errors import DataError, DefinitionError, UnknownNameError
from headrace.kernel.columns import HeldColumns
from headrace.kernel.entities import key_column, plain_keys
from headrace.online.answer import MemberColumns, OnlineFeatures
from headrace.online.document import AnswerForm
from headrace.online.earlier import EarlierStates
from headrace.online.entities import array_of, by_column
from headrace.online.read import Asked, LastSeen, Read, driven, reading
from headrace.online.states import states_of
from headrace.retrieval.deadline import overdue
from headrace.retrieval.enforcing import Judges
from headrace.retrieval.on_demand import run_functions
from headrace.retrieval.result_cache import Recall, lifetimes

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from headrace.kernel.columns import Column
    from headrace.online.earlier import FindEarlier
    from headrace.online.entities import Entities
    from headrace.online.read import Reading
    from headrace.online.served_log import AnswerLog
    from headrace.online.states import ReadableStates
    from headrace.ports.key_value import Reader
    from headrace.retrieval.deadline import Deadline
    from headrace.retrieval.isolated import IsolatedFunctions
    from headrace.retrieval.plan import RetrievalPlan
    from headrace.retrieval.result_cache import ResultCache

__all__ = ["Served"]


class Served:
    """A retrieval plan, ready to answer requests."""

    def __init__(
        self,
        plan: RetrievalPlan,
        epoch_length: int,
        find_earlier: FindEarlier | None = None,
        log: AnswerLog | None = None,
        results: ResultCache | None = None,
        isolated: IsolatedFunctions | None = None,
    ) -> None:
        """Compile what does not change between requests.

        Args:
            plan: What is asked for.
            epoch_length: Microseconds of an epoch of the stream.
            find_earlier: Finds the revision of a view that its records were made by; without it, views whose
                records are of another revision cannot be read.
            log: Where answers of some entities are logged; None for nowhere.
            results: Where results of functions that say `cache` are kept; None for nowhere.
            isolated: Where functions that say `isolate` run; None for here.
        """
        self._plan = plan
        self._log = log
        self._epoch_length = epoch_length
        self._find_earlier = find_earlier
        self._earlier: dict[tuple[int, str], ReadableStates | None] = {}
        self._last = LastSeen(each.binding.id for each in plan.views)
        self._views = [
            (
                each.binding,
                states_of(each.binding, each.names),
                partial(self._states_of_earlier, place),
                each.binding.source.batch is not None,
            )
            for place, each in enumerate(plan.views)
        ]
        self._judges = Judges.of(plan, enforced=True)
        self._places = {  # what functions made is the last part: -1
            each.output: (each.view, each.reference.feature or each.reference.name) for each in plan.members
        }
        self._form = AnswerForm(plan.members)
        self._results = results
        self._isolated = isolated
        for function in plan.functions:
            if function.isolate and isolated is not None:
                isolated.start(function)
        self._lifetimes = lifetimes(plan)
        self._known = {*plan.keys, *plan.request}
        self._key_schemas = {tuple(each.binding.keys): each.binding.keys for each in plan.views}

    @property
    def runs_functions(self) -> bool:
        """Whether an answer takes functions of the project."""
        return bool(self._plan.functions)

    def answer(
        self, store: Reader, entities: Entities, context: Mapping[str, Any], now: int, as_of: int | None
    ) -> OnlineFeatures:
        """The features of some entities; see `answering`.

        Args:
            store: A snapshot of the store.
            entities: Join key -> values, or rows.
            context: Request fields with one value for all.
            now: The clock.
            as_of: The instant to answer for; None for the present.
        """
        return driven(self.answering(by_column(entities), context, now, as_of), store.multi_get)

    def answering(
        self,
        given: Mapping[str, Sequence[Any]],
        context: Mapping[str, Any],
        now: int,
        as_of: int | None,
        deadline: Deadline | None = None,
    ) -> Generator[Sequence[bytes], Sequence[bytes | None], OnlineFeatures]:
        """The features of some entities, for those who ask the store themselves.

        Args:
            given: Join key -> values; request fields that differ by entity beside them.
            context: Request fields with one value for all.
            now: The clock.
            as_of: The instant to answer for; None for the present.
            deadline: When to give up, looked at before and after each look into the store and each call of a
                function; what is not there by then is INVALID. None for never.

        Yields:
            Keys, whose values the store has are to be sent; most often once.

        Raises:
            DataError: A join key or request field is missing, given twice, of another type, or columns differ
                in length.
            DefinitionError: A column has the name of a feature.
            UnknownNameError: A column or context field that nothing asks for.
            AsOfTooEarly: `as_of` is before the state of every entity.
            NotLoadedError: A view was never loaded nor pushed to, or no known definition made its records.
        """
        n = len(next(iter(given.values()))) if given else 1
        self._check(given, context, n)
        keys = self._keys(given, n)
        asked = [
            Asked(binding.id, states, keys[tuple(binding.keys)], self._epoch_length, earlier, batch)
            for binding, states, earlier, batch in self._views
        ]
        found = yield from self._read(reading(asked, now, as_of, self._last), deadline, n, now, as_of)
        columns = [self._judges.columns(place, each) for place, each in enumerate(found.columns)]
        functions: Mapping[str, Column] = {}
        request: Mapping[str, Sequence[Any]] = {}
        if self._plan.functions:
            request = self._request(given, context, n)
            t = np.full(n, found.t, dtype=np.int64)
            functions = run_functions(
                self._plan,
                columns,
                request,
                t,
                self._judges.functions,
                deadline,
                self._recall(keys, n),
                self._isolated,
            )
        members = MemberColumns(self._places, [*columns, HeldColumns(functions)])
        overran = () if deadline is None else tuple(deadline.overran)
        answer = OnlineFeatures(given, self._plan.members, members, found.t, self._form, overran)
        if self._log is not None:
            self._log.take(keys, answer, found, request, now)
        return answer

    def _recall(self, keys: Mapping[tuple[str, ...], Sequence[bytes | None]], n: int) -> Recall | None:
        """What functions returned before for these entities; None where nothing is kept."""
        if self._results is None or not self._lifetimes:
            return None
        entities = list(zip(*(keys[each] for each in sorted(keys)), strict=True)) if keys else [()] * n
        return Recall(self._results, self._lifetimes, entities)

    def _read(
        self, steps: Reading, deadline: Deadline | None, n: int, now: int, as_of: int | None
    ) -> Generator[Sequence[bytes], Sequence[bytes | None], Read]:
        """What a read returns; where the deadline passes before the store has told all, no value."""
        if deadline is None:
            return (yield from steps)
        keys = next(steps)
        while not deadline.passed:
            values = yield keys
            if deadline.passed:
                break
            try:
                keys = steps.send(values)
            except StopIteration as done:
                found: Read = done.value
                return found
        steps.close()
        columns = tuple(
            HeldColumns({name: overdue(n, each.binding.feature_types[name]) for name in each.names})
            for each in self._plan.views
        )
        return Read(now if as_of is None else as_of, columns)

    def _states_of_earlier(self, place: int, fingerprint: str) -> ReadableStates | None:
        """The states of the revision that a view's records were made by, for what it has of those wanted."""
        key = place, fingerprint
        if key not in self._earlier and self._find_earlier is not None:
            wanted = self._plan.views[place]
            found = self._find_earlier(wanted.binding, fingerprint)
            self._earlier[key] = found and EarlierStates(found, wanted.names, wanted.binding.feature_types)
        return self._earlier.get(key)

    def _check(self, given: Mapping[str, Sequence[Any]], context: Mapping[str, Any], n: int) -> None:
        """Whether these are the columns and fields the plan asks for, n values each."""
        for name in (*given, *context):
            if name not in self._known:
                raise UnknownNameError.of("join key or request field", name, self._known)
        for name in given:
            if name in context:
                raise DataError(
                    f"{name!r} is given in the entities and in the context.",
                    asked=name,
                    remedy="Give one value for all in the context, or a column in the entities.",
                )
            if name in self._places:
                raise DefinitionError(
                    f"Column {name!r} of the entities has the name of a feature that is asked for.",
                    asked=name,
                    remedy="Ask with full_feature_names=True, or give one value for all in the context.",
                )
        for name, values in given.items():
            if len(values) != n:
                raise DataError(
                    f"Column {name!r} has {len(values)} values, the first has {n}.",
                    asked=name,
                    remedy="Give each column one value for each entity.",
                )
        for name in self._plan.keys:
            if name not in given:
                raise DataError(
                    f"The entities have no column {name!r}.",
                    asked=name,
                    available=list(given),
                    remedy=f"Give entities={{{name!r}: [...]}}.",
                )

    def _keys(
        self, given: Mapping[str, Sequence[Any]], n: int
    ) -> Mapping[tuple[str, ...], Sequence[bytes | None]]:
        """The encoded keys of the entities, for each combination of join keys the views have."""
        found: dict[tuple[str, ...], Sequence[bytes | None]] = {}
        for names, types in self._key_schemas.items():
            plain = plain_keys([given[name] for name in names], types, n)
            if plain is None:
                cast = {
                    name: cast_column(array_of(given[name]), of, f"The entities' column {name!r}")
                    for name, of in types.items()
                }
                plain = key_column(pa.table(cast), types).to_pylist()
            found[names] = plain
        return found

    def _request(
        self, given: Mapping[str, Sequence[Any]], context: Mapping[str, Any], n: int
    ) -> dict[str, list[Any]]:
        """The request fields, n values each."""
        request = {}
        for name, of in self._plan.request.items():
            if name in given:
                values = given[name]
            elif name in context:
                values = [context[name]] * n
            else:
                raise DataError(
                    f"The request has no field {name!r}.",
                    asked=name,
                    available=[*given, *context],
                    remedy=f"Give context={{{name!r}: ...}}, or a column of that name in entities.",
                )
            request[name] = cast_column(array_of(values), of, f"The request's field {name!r}").to_pylist()
        return request
