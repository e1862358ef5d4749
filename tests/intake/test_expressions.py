"""Row-level expressions: what is let in, what is refused and how, and what type a value has."""

from __future__ import annotations

import os
import subprocess
import sys

import duckdb
import pyarrow as pa
import pytest

from headrace.errors import DefinitionError
from headrace.intake.dialect import Place, parse
from headrace.intake.evaluator import Evaluator
from headrace.intake.expressions import check_condition, derived_types
from headrace.intake.locked import connect
from headrace.schema import Schema

SCHEMA = Schema(
    {
        "event": "string",
        "price": "decimal(12,4)",
        "x": "double",
        "n": "int64",
        "ts": "timestamp",
        "day": "date",
    }
    | {"ok": "bool", "tags": "list<string>", "raw": "binary", "Weird Name": "int64", "user": "string"}
)

REFUSED = {
    # not one expression
    "": "it is empty",
    "  ": "it is empty",
    "event =": "syntax error",
    "event = 'a": "unterminated string",
    "(ok": "syntax error",
    "ok)": "syntax error",
    "ok) FROM (SELECT 1": "syntax error",
    "ok, ok": "more than one expression",
    "ok AS fine": "more than one expression",
    "ok fine": "more than one expression",
    "DISTINCT ok": "more than one expression",
    "ok FROM events": "more than one expression",
    "ok WHERE ok": "more than one expression",
    "ok ORDER BY 1": "more than one expression",
    "ok LIMIT 1": "more than one expression",
    "ok GROUP BY ok": "more than one expression",
    "ok QUALIFY ok": "more than one expression",
    "ok UNION SELECT ok": "more than one expression",
    "ok; SELECT 1": "more than one statement",
    "ok; DROP TABLE events": "more than one statement",
    "ok /*": "unterminated",
    # not a value of the row
    "*": "a star",
    "COLUMNS('e.*') = 'a'": "a star",
    "?": "a parameter",
    "$1 = event": "a parameter",
    "#1": "a positional reference",
    "DEFAULT": "DEFAULT",
    "(SELECT true)": "a subquery",
    "n IN (SELECT 1)": "a subquery",
    "EXISTS (SELECT 1)": "a subquery",
    "n = ANY(SELECT 1)": "a subquery",
    "row_number() OVER () = 1": "a window function",
    "sum(n) OVER (PARTITION BY event) > 1": "a window function",
    "lag(n) OVER () = 1": "a window function",
    "sum(n) > 1": r"sum\(\) is an aggregate",
    "count(*) > 1": "is an aggregate",
    "max(n) FILTER (WHERE ok) = 1": "is an aggregate",
    "any_value(event)": "is an aggregate",
    "row_number()": "is an aggregate",
    "grouping(n) = 1": "an aggregate",
    "unnest(tags) = 'a'": "yields rows",
    "read_csv('/etc/passwd')": "yields rows",
    "read_text('/etc/passwd')": "yields rows",
    "glob('*')": "yields rows",
    # not decided by the row
    "now() > ts": r"now\(\) is not decided by the row",
    "NOW() > ts": "is not decided by the row",
    "ts > current_timestamp": "current_timestamp is not decided by the row",
    "day = current_date": "is not decided by the row",
    "current_time IS NULL": "is not decided by the row",
    "localtimestamp IS NULL": "is not decided by the row",
    "current_localtimestamp() > ts": "is not decided by the row",
    "get_current_timestamp() > ts": "is not decided by the row",
    "transaction_timestamp() > ts": "is not decided by the row",
    "today() = day": "is not decided by the row",
    "ago(INTERVAL 1 DAY) < ts": "is not decided by the row",
    "age(ts) > INTERVAL 1 DAY": "is not decided by the row",
    "random() < 0.5": "is not decided by the row",
    "setseed(0.5) IS NULL": "is not decided by the row",
    "uuid()::VARCHAR = event": "is not decided by the row",
    "gen_random_uuid()::VARCHAR = event": "is not decided by the row",
    "nextval('s') = 1": "is not decided by the row",
    "getvariable('x') = 1": "is not decided by the row",
    "current_setting('TimeZone') = 'UTC'": "is not decided by the row",
    "current_schema() = 'main'": "is not decided by the row",
    "current_query() = ''": "is not decided by the row",
    "txid_current() = 1": "is not decided by the row",
    "pg_sleep(1) IS NULL": "is not decided by the row",
    "error('no')": "is not decided by the row",
    "if(n > 1, error('no'), ok)": "is not decided by the row",
    "assert_true(ok)": "is not decided by the row",
    "list_filter(tags, lambda t: now() > ts)[1] = 'a'": "is not decided by the row",
    "CASE WHEN ok THEN random() < 1 END": "is not decided by the row",
    "__internal_compress_string_ubigint(event) = 1": "is not decided by the row",
    # names
    "evnt = 'a'": "there is no column 'evnt'. Available: event",
    'event = "click"': "there is no column 'click'.* Texts are written in single quotes",
    "rows.event = 'a'": "there is no column 'rows.event'",
    "event.name = 'a'": "there is no column 'event.name'",
    "session_user = 'a'": "there is no column 'session_user'",
    "rowid = 1": "there is no column 'rowid'",
    "list_transform(tags, lambda t: t || evnt)[1] = 'a'": "there is no column 'evnt'",
    "uper(event) = 'A'": "there is no function 'uper'. Available: upper",
    "main.now() = ts": "there is no column 'main'",
    "tags -> 1": "-> has two meanings",
    # types
    "upper(n, n)": "No function matches",
    "event + INTERVAL 1 DAY": "No function matches",
    "tags > 1 AND ok": "Cannot compare values of type",
    "local()": r"local\(\) takes one instant",
    "local(ts, 'UTC') = ts": r"local\(\) takes one instant",
}


@pytest.mark.parametrize(("where", "message"), REFUSED.items())
def test_refused_with_one_clear_error(where: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message) as caught:
        check_condition(where, SCHEMA, "UTC", "features.py:12")
    assert str(caught.value).startswith(f"features.py:12: where, {where!r}: ")
    assert caught.value.remedy
    with pytest.raises(DefinitionError, match=message) as caught:
        derived_types(SCHEMA, {"d": where}, "UTC", "features.py:12")
    assert str(caught.value).startswith(f"features.py:12: column 'd', {where!r}: ")


@pytest.mark.parametrize("where", [None, 1, True, ["ok"]])
def test_an_expression_is_a_text(where: object) -> None:
    with pytest.raises(DefinitionError, match="an expression is a text"):
        check_condition(where, SCHEMA)  # type: ignore[arg-type]


NOT_CONDITIONS = {
    "n": "int64",
    "price": "decimal",
    "event": "string",
    "ts": "timestamp",
    "tags": "list<string>",
    "1": "int64",
}


@pytest.mark.parametrize(("where", "of"), NOT_CONDITIONS.items())
def test_a_condition_is_boolean(where: str, of: str) -> None:
    with pytest.raises(DefinitionError, match=f"its type is {of}.*, not bool"):
        check_condition(where, SCHEMA)


NO_COLUMN_TYPE = ["NULL", "{'a': ok}", "INTERVAL 1 DAY", "TIME '10:00'", "MAP {'a': 1}", "n::BIT"]


@pytest.mark.parametrize("where", NO_COLUMN_TYPE)
def test_a_type_that_no_column_holds_is_refused(where: str) -> None:
    with pytest.raises(DefinitionError, match=r"which no column can hold\. Cast it"):
        check_condition(where, SCHEMA)


ACCEPTED = [
    "ok", "NOT ok", "true", "ok IS NOT NULL", "EVENT = 'click'", '"Weird Name" > 1', "user = 'me'",
    "event = 'it''s'", "event IN ('a', 'b') AND n NOT IN (1, 2)", "n BETWEEN 1 AND 2 OR x IS NULL",
    "event LIKE 'a\\%%' ESCAPE '\\'", "event SIMILAR TO 'a.*'", "regexp_matches(event, '^a')",
    "event ILIKE 'A%'", "x::INTEGER = 1", "TRY_CAST(event AS INT) = 1", "TRY(event::INT) = 1",
    "CASE n WHEN 1 THEN true ELSE ok END", "coalesce(ok, false)", "if(ok, n > 1, n < 1)",
    "list_contains(tags, 'a')", "len(list_filter(tags, lambda t: t = event)) > 0",
    "[t FOR t IN tags IF t > 'a'][1] = 'b'", "tags[1] = 'a' AND tags[1:2] = ['a', 'b']",
    "event.upper().lower() = 'a'", "(event || 'x').upper() = 'AX'", "date_part('hour', local(ts)) >= 8",
    "ts.local() > TIMESTAMP '2024-01-01'", "extract(dow FROM day) = 0",
    "ts AT TIME ZONE 'Asia/Tokyo' > TIMESTAMP '2024-01-01'",
    "age(ts, TIMESTAMPTZ '2024-01-01') > INTERVAL 1 DAY", "day - DATE '2024-01-01' > 3",
    "n % 2 = 0 AND n // 2 > 1 AND n ** 2 < 9", "-n < +n", "x <> 0.1e1", "md5(event) < '8'",
    "hash(event) % 10 = 3", "{'a': n}['a'] = 1", "split_part(event, '.', 1) = 'a'", "nullif(n, 0) IS NULL",
    "list_sum([n, 1]) > 1", "ok -- why not", "/* why */ ok", "json_extract_string(event, '$.a') = 'x'",
    "list_reduce(tags, lambda a, b: a || b, '') = 'ab'", "event COLLATE NOCASE = 'A'", "raw = 'a'::BLOB",
    "price > 1.5 AND price < n", "greatest(n, 1) = 1", "list_transform(tags, lambda ok: ok || 'x')[1] = 'ax'",
    "strftime(ts, '%Y') = '2024'", "1_000 > n", "ok IS TRUE", "n = $$1$$::INT",
]  # fmt: skip


@pytest.mark.parametrize("where", ACCEPTED)
def test_accepted_and_written_back_without_a_change(where: str) -> None:
    check_condition(where, SCHEMA, "Europe/Paris", "features.py:1")
    written = parse(Place("where", where), SCHEMA, "Europe/Paris").sql
    again = parse(Place("where", written), SCHEMA, "Europe/Paris").sql
    assert again == written
    if "local" not in where:  # what is evaluated is what DuckDB makes of the text itself
        rows = connect()
        rows.register("rows", ROWS)
        left, right = (rows.sql(f"SELECT TRY(({each}\n)) FROM rows").fetchall() for each in (where, written))
        assert left == right


ROWS = pa.table(
    {
        "event": pa.array(["a", "click", "A%", "it's", None, '{"a": "x"}', "ab"]),
        "price": pa.array([None, "1.5", "2", "0", "1", "1.6", "7"]).cast(pa.decimal128(12, 4)),
        "x": [0.0, 1.0, None, -1.5, 2.0, 1e9, 1.0],
        "n": [1, 2, 3, None, 0, -5, 2],
        "ts": pa.array([0, 1, -1, None, 10**15, 1_704_067_200_000_000, 5], pa.timestamp("us", "UTC")),
        "day": pa.array([0, 1, -1, None, 19_000, 20_000, 5], pa.int32()).cast(pa.date32()),
        "ok": [True, False, None, True, False, True, True],
        "tags": pa.array([["a", "b"], [], None, [None], ["ab"], ["b", "a"], ["a"]], pa.list_(pa.string())),
        "raw": pa.array([b"a", b"", None, b"\xff", b"a", b"b", b"a"]),
        "Weird Name": [1, 2, 3, None, 0, -5, 2],
        "user": ["me", "you", None, "me", "me", "me", "me"],
    }
)


def test_a_condition_may_read_derived_columns() -> None:
    types = {**SCHEMA, **derived_types(SCHEMA, {"hour": "date_part('hour', local(ts))"})}
    check_condition("hour BETWEEN 8 AND 20", types)


TYPES = {
    "n + 1": "int64", "n::TINYINT": "int64", "n::UBIGINT": "int64", "n::HUGEINT * n": "int64",
    "hash(event)": "int64", "list_sum([n])": "int64", "date_part('hour', ts)": "int64", "x / n": "double",
    "n / 2": "double", "x::FLOAT": "double", "price * 2": "decimal(18,4)", "price * price": "decimal(18,8)",
    "price::DECIMAL(4,1)": "decimal(4,1)", "1.50": "decimal(3,2)", "upper(event)": "string",
    "event::ENUM('a', 'b')": "string", "md5(event)::UUID": "string", "n > 1": "bool",
    "local(ts)": "timestamp", "ts + INTERVAL 1 DAY": "timestamp", "day + INTERVAL 1 DAY": "timestamp",
    "ts::TIMESTAMP_S": "timestamp", "ts::DATE": "date", "day + 1": "date", "encode(event)": "binary",
    "list_transform(tags, lambda t: len(t))": "list<int64>", "[price]": "list<decimal(12,4)>",
    "[[n]]": "list<list<int64>>", "[1, 2]::INT[2]": "list<int64>", "json_extract(event, '$.a')": "string",
}  # fmt: skip


@pytest.mark.parametrize(("expression", "of"), TYPES.items())
def test_the_type_of_a_derived_column(expression: str, of: str) -> None:
    assert {name: str(each) for name, each in derived_types(SCHEMA, {"d": expression}).items()} == {"d": of}
    value = Evaluator(SCHEMA, {"d": expression}).evaluate(ROWS).columns.column("d")
    assert value.type == Schema({"d": of})["d"].arrow()


@pytest.mark.parametrize(
    "expression", ["price::DECIMAL(38,20)", "make_timestamp_ns(n)", "{'a': 1}", "NULL", "n::TIME"]
)
def test_derived_columns_no_column_type_holds(expression: str) -> None:
    with pytest.raises(DefinitionError, match=r"features.py:1: column 'd', .* which no column can hold"):
        derived_types(SCHEMA, {"d": expression}, "UTC", "features.py:1")


def test_derived_columns_may_read_one_another_in_any_order() -> None:
    columns = {"late": "hour > 20", "hour": "date_part('hour', moment)", "moment": "local(ts)"}
    assert {name: str(of) for name, of in derived_types(SCHEMA, columns).items()} == {
        "late": "bool",
        "hour": "int64",
        "moment": "timestamp",
    }


def test_a_circle_of_derived_columns_is_named() -> None:
    circle = r"f\.py:1: column 'a', 'b \+ 1': it reads itself: a -> b -> c -> a"
    with pytest.raises(DefinitionError, match=circle):
        derived_types(SCHEMA, {"a": "b + 1", "b": "c", "c": "a", "d": "n"}, "UTC", "f.py:1")
    with pytest.raises(DefinitionError, match="it reads itself: a -> a"):
        derived_types(SCHEMA, {"a": "a"})


def test_names_that_sql_cannot_tell_apart_are_refused() -> None:
    with pytest.raises(DefinitionError, match="'event' and 'EVENT' cannot be told apart"):
        derived_types(SCHEMA, {"EVENT": "n"})
    with pytest.raises(DefinitionError, match=r"f\.py:3: the columns 'A' and 'a' cannot be told apart"):
        derived_types(Schema({"A": "int64", "a": "int64"}), {"b": "1"}, "UTC", "f.py:3")


def test_an_unknown_zone_is_refused_where_it_matters() -> None:
    with pytest.raises(DefinitionError, match="DuckDB knows no time zone 'Mars/Base'"):
        derived_types(SCHEMA, {"d": "local(ts)"}, "Mars/Base")
    derived_types(SCHEMA, {"d": "ts"}, "Mars/Base")


def test_the_instance_is_locked() -> None:
    connection = connect()
    for statement in (
        "SET TimeZone = 'Asia/Tokyo'", "SET SESSION TimeZone = 'Asia/Tokyo'",
        "SET enable_external_access = true", "SET lock_configuration = false",
        "SELECT * FROM read_csv('/etc/hostname')", "COPY (SELECT 1) TO '/tmp/out.csv'",
        "ATTACH '/tmp/other.db'", "INSTALL httpfs", "LOAD httpfs",
    ):  # fmt: skip
        with pytest.raises(duckdb.Error, match=r"locked|disabled"):
            connection.execute(statement)


CHILD = """
import os, sys
from headrace.intake.evaluator import Evaluator
from headrace.intake.locked import connect
from headrace.schema import Schema
import pyarrow as pa

rows = pa.table({"ts": pa.array([0], pa.timestamp("us", "UTC"))})
hour = Evaluator(Schema({"ts": "timestamp"}), {"h": "date_part('hour', ts)", "s": "ts::VARCHAR"})

def values():
    zone = connect().execute("SELECT current_setting('TimeZone')").fetchone()
    return zone, hour.evaluate(rows).columns.to_pylist()

print(values())
sys.stdout.flush()
if os.fork() == 0:
    print(values())
    sys.stdout.flush()
    os._exit(0)
os.wait()
"""


def test_time_is_utc_on_a_machine_elsewhere_and_after_a_fork_and_nothing_is_said_at_the_end() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD],
        env={**os.environ, "TZ": "Asia/Tokyo", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    line = "(('UTC',), [{'h': 0, 's': '1970-01-01 00:00:00+00'}])"
    assert done.stdout.splitlines() == [line, line]
    assert done.stderr == ""
