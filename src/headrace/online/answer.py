"""The answer of an online read, in every form people want it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from headrace.clock import format_instant
from headrace.errors import DataError
from headrace.kernel.columns import INVALID, STATUS_NAMES, Column, Columns, Told, reason_of
from headrace.tables import frame_of
from headrace.windows import FOREVER_AGO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from headrace.online.document import AnswerForm
    from headrace.retrieval.deadline import Overrun
    from headrace.retrieval.plan import Member

__all__ = ["FeatureValue", "MemberColumns", "OnlineFeatures"]


class FeatureValue(NamedTuple):
    """One value of one entity.

    Attributes:
        entity: The entity's join keys.
        feature: The output column.
        value: The value; None where there is none.
        status: PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE or INVALID.
        event_timestamp: The newest event in the feature's window; None without any.
        version: The version of the feature's view or function.
        metadata: `as_of`, and `reason` where the value is INVALID.
    """

    entity: Mapping[str, Any]
    feature: str
    value: Any
    status: str
    event_timestamp: dt.datetime | None
    version: str
    metadata: Mapping[str, Any]


class MemberColumns(Columns):
    """The output columns of a request, each from where its view or function has it.

    Attributes:
        parts: The columns of the views, then those of the functions.
    """

    def __init__(self, places: Mapping[str, tuple[int, str]], parts: Sequence[Columns]) -> None:
        """Over what was read and what was run.

        Args:
            places: Output column -> the place of its part and its name there.
            parts: The columns of the views, then those of the functions.
        """
        super().__init__(places)
        self._places = places
        self.parts = parts

    def __getitem__(self, name: str) -> Column:
        part, own = self._places[name]
        return self.parts[part][own]

    def to_lists(self) -> Mapping[str, list[Any]]:
        """Every column's values as Python has them."""
        parts = [each.to_lists() for each in self.parts]
        return {name: parts[part][own] for name, (part, own) in self._places.items()}

    def told(self) -> Mapping[str, Told]:
        """Every column as Python has it."""
        parts = [each.told() for each in self.parts]
        return {name: parts[part][own] for name, (part, own) in self._places.items()}


@dataclass(frozen=True, eq=False)
class OnlineFeatures:
    """Features of n entities at one instant.

    Attributes:
        entities: The entities' columns as asked, n values each.
        members: The features, in the order asked.
        columns: Output column -> values, n rows.
        t: The instant everything is as of, microseconds UTC.
        form: How the answer is written.
        overran: The functions that were running when the deadline passed, and how long.
    """

    entities: Mapping[str, Sequence[Any]]
    members: Sequence[Member]
    columns: MemberColumns
    t: int
    form: AnswerForm
    overran: tuple[Overrun, ...] = ()

    @property
    def as_of(self) -> str:
        """The instant, RFC 3339."""
        return format_instant(self.t)

    def __len__(self) -> int:
        """How many entities."""
        return len(next(iter(self.columns.values())).status) if self.columns else 0

    def to_dict(self) -> dict[str, list[Any]]:
        """Column -> n Python values: the entities, then the features."""
        keys = {name: list(values) for name, values in self.entities.items()}
        return {**keys, **self.columns.to_lists()}

    def to_arrow(self) -> pa.Table:
        """The features as an Arrow table, entity columns first."""
        keys = {name: pa.array(values) for name, values in self.entities.items()}
        return pa.table({**keys, **{name: column.values for name, column in self.columns.items()}})

    def to_pandas(self) -> Any:
        """The features as a pandas data frame.

        Raises:
            DataError: pandas is not installed.
        """
        return frame_of(self.to_arrow())

    def to_df(self) -> Any:
        """`to_pandas`, by Feast's name."""
        return self.to_pandas()

    def to_numpy(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """The features as a matrix (entities, features) of doubles, ready for a model; null is NaN.

        Integers beyond 2^53 and decimals are the double that is nearest.

        Raises:
            DataError: A feature is no number or boolean.
        """
        matrix = np.empty((len(self), len(self.columns)), dtype=np.float64)
        for place, member in enumerate(self.members):
            if not (member.type.is_number or member.type.name == "bool"):
                raise DataError(
                    f"Feature {member.output!r} is a {member.type}, not a number.",
                    asked=member.output,
                    remedy="Leave it out, or use to_arrow().",
                )
            values = self.columns[member.output].values
            whole = values.cast(pa.int8()) if member.type.name == "bool" else values
            matrix[:, place] = whole.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return matrix

    def values(self) -> Iterator[FeatureValue]:
        """Every value by itself, entity by entity."""
        lists = self.columns.to_lists()
        for row in range(len(self)):
            entity = {name: values[row] for name, values in self.entities.items()}
            for member in self.members:
                column = self.columns[member.output]
                status = STATUS_NAMES[column.status[row]]
                about = {"as_of": self.as_of}
                if column.status[row] == INVALID:
                    about["reason"] = reason_of(column, row)
                yield FeatureValue(
                    entity,
                    member.output,
                    lists[member.output][row],
                    status,
                    _moment(int(column.newest[row])),
                    member.reference.version,
                    about,
                )

    def to_json(self) -> bytes:
        """The document of `POST /get-online-features`: one result for each column, entity columns first."""
        overran = {each.function: each.took / 1_000 for each in self.overran}
        return self.form.write(self.entities, self.columns.parts, self.as_of, overran)

    def to_stream(self) -> bytes:
        """The answer as an Arrow stream, typed; see `headrace.online.arrow_stream`."""
        from headrace.online.arrow_stream import to_stream

        references = (str(member.reference) for member in self.members)
        overran = {each.function: each.took for each in self.overran}
        return to_stream(self.to_arrow(), self.columns, references, self.as_of, overran)

    def document(self) -> dict[str, Any]:
        """The same document as a program holds it."""
        found: dict[str, Any] = msgspec.json.decode(self.to_json())
        return found


def _moment(at: int) -> dt.datetime | None:
    if at == FOREVER_AGO:
        return None
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=at)
