"""Column types and schemas: what a source's columns are, in words Arrow, DuckDB and people share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from headrace.errors import DefinitionError, UnknownNameError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BINARY", "BOOL", "DATE", "DOUBLE", "INT64", "STRING", "TIMESTAMP", "Schema", "Type", "parse_type"]

_SPELLINGS = {
    "string": "string", "str": "string", "text": "string", "varchar": "string",
    "int64": "int64", "int": "int64", "int8": "int64", "int16": "int64", "int32": "int64", "uint8": "int64",
    "uint16": "int64", "uint32": "int64", "bigint": "int64", "integer": "int64",
    "double": "double", "float64": "double", "float": "double", "float32": "double",
    "bool": "bool", "boolean": "bool",
    "timestamp": "timestamp", "datetime": "timestamp",
    "date": "date", "binary": "binary", "bytes": "binary",
}  # fmt: skip

LARGEST_PRECISION = 18
"""Digits of a decimal source column: its unscaled values fit 64 bits, so that sums are exact and quick."""


@dataclass(frozen=True)
class Type:
    """The type of a column or feature.

    Attributes:
        name: `string`, `int64`, `double`, `bool`, `timestamp`, `date`, `binary`, `decimal`, `list`, `map`,
            `struct`.
        precision: Digits of a decimal.
        scale: Fraction digits of a decimal.
        items: Item type of a list; key and value type of a map; member types of a struct.
        names: Member names of a struct.
    """

    name: str
    precision: int = 0
    scale: int = 0
    items: tuple[Type, ...] = ()
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The type as it is written in a schema."""
        if self.name == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.name == "struct":
            return f"struct<{', '.join(f'{n}: {t}' for n, t in zip(self.names, self.items, strict=True))}>"
        return f"{self.name}<{', '.join(map(str, self.items))}>" if self.items else self.name

    @property
    def is_number(self) -> bool:
        """Whether sums and means make sense."""
        return self.name in {"int64", "double", "decimal"}

    @property
    def is_text(self) -> bool:
        """Whether values have a width of their own, as strings and bytes do."""
        return self.name in {"string", "binary"}

    @property
    def is_scalar(self) -> bool:
        """Whether a value is one thing, not a list, map or struct."""
        return not self.items

    def arrow(self) -> pa.DataType:
        """The Arrow type values have at the edges of the kernel."""
        return _arrow(self)

    def sql(self) -> str:
        """The type in DuckDB's SQL."""
        if self.name == "list":
            return f"{self.items[0].sql()}[]"
        if self.name == "decimal":
            return f"DECIMAL({self.precision},{self.scale})"
        simple = {
            "string": "VARCHAR",
            "int64": "BIGINT",
            "double": "DOUBLE",
            "bool": "BOOLEAN",
            "binary": "BLOB",
        }
        return simple.get(self.name, {"timestamp": "TIMESTAMPTZ", "date": "DATE"}.get(self.name, ""))


@lru_cache(maxsize=1024)
def _arrow(of: Type) -> pa.DataType:
    """The Arrow type of a type; asked for at every request, so made once."""
    import pyarrow as pa

    match of.name:
        case "decimal":
            return pa.decimal128(of.precision, of.scale)
        case "list":
            return pa.list_(_arrow(of.items[0]))
        case "map":
            return pa.map_(_arrow(of.items[0]), _arrow(of.items[1]))
        case "struct":
            return pa.struct([(n, _arrow(t)) for n, t in zip(of.names, of.items, strict=True)])
        case "timestamp":
            return pa.timestamp("us", tz="UTC")
        case _:
            simple = {"string": pa.string, "int64": pa.int64, "double": pa.float64, "bool": pa.bool_}
            return simple.get(of.name, {"date": pa.date32, "binary": pa.binary}.get(of.name, pa.null))()


STRING, INT64, DOUBLE, BOOL = Type("string"), Type("int64"), Type("double"), Type("bool")
TIMESTAMP, DATE, BINARY = Type("timestamp"), Type("date"), Type("binary")


def parse_type(text: str | Type) -> Type:
    """A type from its spelling: `"string"`, `"decimal(12,4)"`, `"list<string>"`, ...

    Raises:
        DefinitionError: The text is no type, or a decimal has more than 18 digits.
    """
    if isinstance(text, Type):
        return text
    spelled = re.sub(r"\s+", "", text).lower() if isinstance(text, str) else ""
    if spelled in _SPELLINGS:
        return Type(_SPELLINGS[spelled])
    if match := re.fullmatch(r"decimal\((\d+)(?:,(\d+))?\)", spelled):
        precision, scale = int(match[1]), int(match[2] or 0)
        if not 1 <= precision <= LARGEST_PRECISION or scale > precision:
            raise DefinitionError(
                f"decimal({precision},{scale}) is out of range.",
                asked=text,
                remedy=f"Use 1 to {LARGEST_PRECISION} digits and no more fraction digits than digits.",
            )
        return Type("decimal", precision, scale)
    if match := re.fullmatch(r"(?:list|array)<(.+)>", spelled):
        return Type("list", items=(parse_type(match[1]),))
    raise DefinitionError(
        f"{text!r} is not a column type.",
        asked=text,
        available=[
            "string",
            "int64",
            "double",
            "bool",
            "timestamp",
            "date",
            "binary",
            "decimal(p,s)",
            "list<...>",
        ],
    )


class Schema(Mapping[str, Type]):
    """Column names and their types, in the order written; frozen and hashable."""

    def __init__(self, columns: Mapping[str, str | Type]) -> None:
        """Parse the types of the columns."""
        self._columns = {name: parse_type(spelled) for name, spelled in columns.items()}

    def __getitem__(self, name: str) -> Type:
        """The type of a column.

        Raises:
            UnknownNameError: There is no such column; a KeyError to code that treats this as a mapping.
        """
        try:
            return self._columns[name]
        except KeyError:
            raise _unknown_column(name, self._columns) from None

    def __contains__(self, name: object) -> bool:
        """Whether the column exists."""
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        """The column names, as written."""
        return iter(self._columns)

    def __len__(self) -> int:
        """How many columns there are."""
        return len(self._columns)

    def __hash__(self) -> int:
        """Equal schemas hash alike, whatever the order of their columns."""
        return hash(frozenset(self._columns.items()))

    def __repr__(self) -> str:
        """The schema as it would be written."""
        return repr({name: str(of) for name, of in self._columns.items()})

    def arrow(self) -> pa.Schema:
        """The Arrow schema, columns in the order written."""
        import pyarrow as pa

        return pa.schema([(name, of.arrow()) for name, of in self._columns.items()])


class _UnknownColumnError(UnknownNameError, KeyError):
    """An unknown column; also a KeyError, so that `dict`-like code works with a Schema."""

    __str__ = Exception.__str__


def _unknown_column(name: str, known: Mapping[str, Type]) -> UnknownNameError:
    plain = UnknownNameError.of("column", name, known)
    return _UnknownColumnError(plain.message, asked=name, available=plain.available, remedy=plain.remedy)
