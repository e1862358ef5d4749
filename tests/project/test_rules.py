"""A source's own rules, from definitions to what is served: quarantine, reject, warn; one verdict."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from click.testing import CliRunner

import headrace as hr
from headrace import agg
from headrace.cli.app import app
from headrace.clock import HOUR, FixedClock, format_instant
from headrace.errors import DataError, DefinitionError
from headrace.online.quarantine import quarantined, tally
from tests.project.test_bad_rows import NOW, SCHEMA, START, K, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

user = hr.Entity("user", join_keys={"user_id": "string"})


def plausible(price: pa.Array, pieces: pa.Array) -> pa.Array:
    """Nobody pays more than ten a piece."""
    return pc.less_equal(price, pc.multiply(pieces, 10.0))


RULES = (
    hr.rules.not_null("user_id"),
    hr.rules.range("price", min=0, max=100),
    hr.rules.regex("user_id", "u[0-9]"),
    hr.rules.enum("pieces", [1, 2, 3]),
    hr.rules.type("id", "int64"),
    hr.rules.range("hour", max=22),
    hr.rules.unique("id"),
    hr.rules.custom("paid", "amount > 0 OR price = 0"),
    hr.rules.custom("plausible", plausible),
)


def row(number: int, **other: Any) -> dict[str, Any]:
    at = START + number % 20 * HOUR
    times = {"ts": format_instant(at), "received": format_instant(at + HOUR)}
    keys = {"id": str(number), "user_id": f"u{number % 3}"}
    return {**keys, **times, "price": 0.5, "pieces": 2, "amount": "1.25", **other}


BROKEN: dict[str, tuple[dict[str, Any], list[str]]] = {
    "blank": ({"user_id": "  "}, ["not_null(user_id)", "regex(user_id)"]),
    "below": ({"price": -0.25}, ["range(price)"]),
    "above": ({"price": 100.5, "pieces": 3}, ["range(price)", "custom(plausible)"]),
    "another user": ({"user_id": "xu1"}, ["regex(user_id)"]),
    "too many": ({"pieces": 7}, ["enum(pieces)"]),
    "no number": ({"id": "x"}, ["type(id)"]),
    "late in the day": ({"ts": "2026-03-01T23:30:00Z", "received": None}, ["range(hour)"]),
    "unpaid": ({"amount": "0.00"}, ["custom(paid)"]),
    "implausible": ({"price": 21}, ["custom(plausible)"]),
    "unread and broken": ({"price": "cheap", "pieces": 8}, ["uncastable", "enum(pieces)"]),
    "all of them": (
        {"user_id": "", "price": 200, "pieces": 9},
        ["not_null(user_id)", "range(price)", "regex(user_id)", "enum(pieces)", "custom(plausible)"],
    ),
}


def broken() -> list[dict[str, Any]]:
    return [row(100 + place, **change) for place, (change, _) in enumerate(BROKEN.values())]


def definitions(form: str = "jsonl", **other: Any) -> list[Any]:
    options = {"rules": RULES, "stream": hr.Push(), "columns": {"hour": "date_part('hour', ts)"}, **other}
    source = hr.EventSource(
        "events", batch=f"events.{form}", schema=SCHEMA, timestamp="ts", available_at="received", **options
    )
    features = [agg.count("n", windows=["all"]), agg.sum("paid", "price", windows=["all"])]
    return [hr.AggregateView("sums", entity=user, source=source, features=features)]


def opened(directory: Path, clock: int = NOW) -> hr.FeatureStore:
    (directory / "headrace.toml").write_text('project = "rules"\n')
    return hr.FeatureStore(directory, clock=FixedClock(clock), who="tester")


def kept(store: hr.FeatureStore) -> dict[int, list[str]]:
    """What each row in quarantine breaks, by the number of the row."""
    with store.online.snapshot() as snapshot:
        found = list(quarantined(snapshot, "events"))
        assert tally(snapshot, "events").kept == len(found)
    return {each.ordinal or 0: [reason.rule for reason in each.reasons] for each in found}


def counted(store: hr.FeatureStore) -> list[int]:
    users = {"user_id": ["u0", "u1", "u2"]}
    online = store.get_online_features(["sums:n_all"], users, as_of=NOW).to_dict()["n_all"]
    spine = [{"user_id": key, "ts": format_instant(NOW)} for key in users["user_id"]]
    return (
        list(online)
        + store.get_historical_features(spine, features=["sums:n_all"]).to_arrow()["n_all"].to_pylist()
    )


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_every_row_is_judged_by_all_rules(tmp_path: Path, form: str) -> None:
    rows = [*(row(number) for number in range(30)), *broken()]
    write(tmp_path / f"events.{form}", rows)
    with opened(tmp_path) as store:
        store.apply(definitions(form))
        (loaded,) = store.materialize(end=K)
        assert (loaded.events, loaded.rejected) == (30, len(BROKEN))
        wanted = {30 + place: list(rules) for place, (_, rules) in enumerate(BROKEN.values())}
        if form == "csv":  # an empty field is null, which matches no pattern and breaks none
            wanted[40].remove("regex(user_id)")
            wanted[40].append("no_key")
        assert kept(store) == wanted
        assert counted(store) == [10] * 6
        store.materialize(end=K)
        assert kept(store) == wanted


def test_a_push_comes_to_the_same_verdict(tmp_path: Path) -> None:
    write(tmp_path / "events.jsonl", [row(number) for number in range(3)])
    with opened(tmp_path) as store:
        store.apply(definitions())
        pushed = store.push("events", [row(50), *broken(), row(51)])
        assert (pushed.accepted, pushed.rejected) == (2, len(BROKEN))
        assert kept(store) == {1 + place: rules for place, (_, rules) in enumerate(BROKEN.values())}


def test_of_rows_with_one_value_the_first_known_counts_whatever_their_order(tmp_path: Path) -> None:
    early = row(1, price=3.0)
    late = row(1, price=5.0, received="2026-03-02T12:00:00Z")
    spoiled = row(1, price=-1.0, received=None)
    verdicts = []
    for place, rows in enumerate(([early, late, spoiled], [spoiled, late, early])):
        directory = tmp_path / str(place)
        directory.mkdir()
        for number, each in enumerate(rows):
            write(directory / f"events{number}.jsonl", [each])
        with opened(directory) as store:
            store.apply(_globbed())
            store.materialize(end=K)
            with store.online.snapshot() as snapshot:
                found = list(quarantined(snapshot, "events"))
            verdicts.append(sorted((json.loads(each.row)["price"], each.rule) for each in found))
            assert counted(store)[1] == counted(store)[4] == 1
    assert verdicts[0] == verdicts[1] == [("-1.0", "range(price)"), ("5.0", "unique(id)")]


def _globbed() -> list[Any]:
    source = hr.EventSource(
        "events", batch="events*.jsonl", schema=SCHEMA, timestamp="ts", available_at="received",
        rules=[hr.rules.range("price", min=0), hr.rules.unique("id")],
    )  # fmt: skip
    return [hr.AggregateView("sums", entity=user, source=source, features=[agg.count("n", windows=["all"])])]


def test_a_value_pushed_before_is_there_twice(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        write(tmp_path / "events.jsonl", [row(0)])
        store.apply(definitions())
        assert store.push("events", [row(50), row(50)]).rejected == 1
    with opened(tmp_path) as store:  # another process, which knows the log only
        store.apply(definitions())
        again = store.push("events", [row(50), row(51)])
        assert (again.accepted, again.rejected) == (1, 1)


def test_reject_refuses_the_whole_and_writes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "events.jsonl", [row(number) for number in range(3)])
    with opened(tmp_path) as store:
        store.apply(definitions(on_invalid="reject"))
        store.materialize(end=K)
        before = counted(store)
        with pytest.raises(DataError, match=r"rejects the whole: 11 rows are invalid .*enum\(pieces\): 3"):
            store.push("events", [row(50), *broken()])
        with pytest.raises(DataError, match=r"1 row is invalid \(unique\(id\): 1\)"):
            store.push("events", [row(50), row(50)])
        assert (store.push("events", []).accepted, counted(store)) == (0, before)
        write(tmp_path / "events.jsonl", [row(number) for number in range(4)] + broken())
        with pytest.raises(DataError, match="rejects the whole: 11 rows are invalid"):
            store.materialize(end=K)
        assert kept(store) == {}
        with pytest.raises(DataError, match="rejects the whole"):
            counted(store)


def test_warn_counts_the_rows_and_says_so(tmp_path: Path) -> None:
    write(tmp_path / "events.jsonl", [row(number) for number in range(3)])
    with opened(tmp_path) as store:
        store.apply(definitions(on_invalid="warn"))
        pushed = store.push("events", [row(50), row(51, pieces=8, price=-1)])
        assert (pushed.accepted, pushed.rejected, pushed.warned) == (2, 0, 1)
        assert kept(store) == {}


def test_rules_that_do_not_fit_are_refused_at_plan(tmp_path: Path) -> None:
    for rule, words in {
        hr.rules.range("user_id", min=0): "no order",
        hr.rules.range("ts", min=5): "no bound for timestamp",
        hr.rules.regex("pieces", "a"): "no texts",
        hr.rules.regex("user_id", "(?<=a)b"): "no RE2 pattern",
        hr.rules.enum("pieces", ["a"]): "not all of type int64",
        hr.rules.type("price", "date"): "cannot be read as date",
        hr.rules.custom("odd", "price + 1"): "not bool",
        hr.rules.custom("odd", "colour = 1"): "colour",
        hr.rules.unique("hour"): "derived column",
    }.items():
        write(tmp_path / "events.jsonl", [row(0)])
        with opened(tmp_path) as store, pytest.raises(DefinitionError, match=words):
            store.plan(definitions(rules=[rule]))


def test_replay_brings_exactly_the_mended_rows_in_and_once(tmp_path: Path) -> None:
    write(tmp_path / "events.jsonl", [row(number) for number in range(3)])
    late = {"ts": "2026-03-11T05:00:00Z", "received": "2026-03-11T06:00:00Z"}
    with opened(tmp_path) as store:
        store.apply(definitions())
        store.materialize(end=K)
        pushed = store.push("events", [{**each, **late} for each in broken()])
        assert (pushed.accepted, pushed.rejected) == (1, 10)  # what was late in the day is not any more
        assert store.replay("events")[:4] == (0, 0, 0, 10)
        (view,) = definitions(
            rules=[hr.rules.range("price", min=0), hr.rules.enum("pieces", [1, 2, 3, 7, 9])]
        )
        store.apply([dataclasses.replace(view, version="2")])
        store.materialize(end=K)
        before = kept(store)
        assert store.replay("events", rule="custom")[:4] == (4, 0, 0, 0)
        assert store.replay("events")[:4] == (4, 0, 0, 2)
        assert store.replay("events")[:4] == (0, 0, 0, 2)
        assert kept(store) == {1: ["range(price)"], 9: ["uncastable", "enum(pieces)"]}
        assert set(kept(store)) < set(before)
        users = {"user_id": ["u0", "u1", "u2", "xu1", "  ", ""]}
        assert store.get_online_features(["sums:n_all"], users).to_dict()["n_all"] == [4, 2, 3, 1, 1, 1]


def test_validate_tells_all_failures_and_writes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "events.jsonl", [row(0)])
    write(tmp_path / "new.jsonl", [row(7), *broken()])
    with opened(tmp_path) as store:
        store.apply(definitions(on_invalid="reject"))
        wanted = [(1 + place, rule) for place, (_, rules) in enumerate(BROKEN.values()) for rule in rules]
        assert [each[:2] for each in store.validate("events", [row(7), *broken()])] == wanted
        assert [each[:2] for each in store.validate("events", tmp_path / "new.jsonl")] == wanted
        assert store.validate("events", [row(7)]) == []
        assert kept(store) == {}


def test_validate_of_values_speaks_of_the_feature(tmp_path: Path) -> None:
    write(tmp_path / "events.jsonl", [row(0)])
    rules = [hr.rules.range(min=0, max=1), hr.rules.not_null(), hr.rules.custom("even", "value <> 0.5")]
    with opened(tmp_path) as store:
        (view,) = definitions()
        share = agg.mean("share", "price", windows=["7d"], rules=rules)
        store.apply([dataclasses.replace(view, features=(share,))])
        found = store.validate("sums:share_7d", [0.25, 1.5, None, float("nan"), 0.5])
        assert [each[:2] for each in found] == [
            (1, "range(share_7d)"),
            (2, "not_null(share_7d)"),
            (3, "range(share_7d)"),
            (4, "custom(even)"),
        ]
        assert found[0].message == "feature 'share_7d': 1.5 is not between 0 and 1"
        with pytest.raises(DataError, match="no values of 'share_7d'"):
            store.validate("sums:share_7d", ["much"])


def test_an_enforced_rule_makes_null_and_invalid_of_a_value_in_serving_and_history_alike(
    tmp_path: Path,
) -> None:
    write(tmp_path / "events.jsonl", [row(number, price=number / 2) for number in range(9)])
    strict = hr.rules.range(max=8, enforce="serve")
    with opened(tmp_path) as store:
        (view,) = definitions(rules=())
        paid, free = (
            agg.sum(n, "price", windows=["all"], rules=r) for n, r in (("paid", [strict]), ("free", ()))
        )
        store.apply([dataclasses.replace(view, features=(paid, free))])
        store.materialize(end=K)
        names = ["sums:paid_all", "sums:free_all"]
        users = ["u0", "u1", "u2"]
        answer = store.get_online_features(names, {"user_id": users}, as_of=NOW)
        assert answer.to_dict() == {
            "user_id": users,
            "paid_all": [4.5, 6.0, 7.5],
            "free_all": [4.5, 6.0, 7.5],
        }
        harsh = dataclasses.replace(paid, rules=(hr.rules.range(max=5, enforce="serve"),))
        store.apply([dataclasses.replace(view, features=(harsh, free))])
        answer = store.get_online_features(names, {"user_id": users}, as_of=NOW)
        assert answer.to_dict()["paid_all"] == [4.5, None, None]
        told = [
            (each.status, each.metadata.get("reason"))
            for each in answer.values()
            if each.feature == "paid_all"
        ]
        assert told == [("PRESENT", None), *[("INVALID", "it breaks the rule range(paid_all)")] * 2]
        spine = [{"user_id": key, "ts": format_instant(NOW)} for key in users]
        history = store.get_historical_features(spine, features=names)
        assert history.to_arrow()["paid_all"].to_pylist() == [4.5, None, None]
        assert history.manifest["statuses"]["paid_all"] == {"INVALID": 2, "PRESENT": 1}


@hr.on_demand(
    inputs={"paid": "sums:paid_all"}, output="double",
    rules=[hr.rules.range(max=10, enforce="serve"), hr.rules.not_null(enforce="serve")],
)  # fmt: skip
def per_two(paid):
    if paid == 1:
        raise ValueError("one")
    return None if paid == 2 else paid


def test_the_reason_of_a_value_is_true_of_the_value(tmp_path: Path) -> None:
    prices = {"u0": 50, "u1": 2, "u2": 1}
    write(tmp_path / "events.jsonl", [row(place, price=price) for place, price in enumerate(prices.values())])
    strict = [hr.rules.range(max=10, enforce="serve"), hr.rules.enum(values=[2.0], enforce="serve")]
    with opened(tmp_path) as store:
        (view,) = definitions(rules=())
        free = agg.sum("paid", "price", windows=["all"])
        best = agg.sum("best", "price", windows=["all"], rules=strict)
        store.apply([dataclasses.replace(view, features=(free, best)), per_two])
        store.materialize(end=K)
        answer = store.get_online_features(["sums:best_all", "per_two"], {"user_id": [*prices]}, as_of=NOW)
        told = {(v.entity["user_id"], v.feature): v.metadata.get("reason") for v in answer.values()}
        assert told == {
            ("u0", "best_all"): "it breaks the rule range(best_all); it breaks the rule enum(best_all)",
            ("u1", "best_all"): None,
            ("u2", "best_all"): "it breaks the rule enum(best_all)",
            ("u0", "per_two"): "it breaks the rule range(per_two)",
            ("u1", "per_two"): "it breaks the rule not_null(per_two)",
            ("u2", "per_two"): "per_two: ValueError: one; it breaks the rule not_null(per_two)",
        }


def test_the_command_line_finds_shows_and_replays(tmp_path: Path) -> None:
    write(tmp_path / "events.jsonl", [row(0)])
    write(tmp_path / "new.jsonl", [row(7), row(8, price=-1), row(9, price=-2)])
    (tmp_path / "headrace.toml").write_text('project = "rules"\n')
    (tmp_path / "features.py").write_text(
        "import headrace as hr\nfrom headrace import agg\n"
        f"events = hr.EventSource('events', batch='events.jsonl', schema={SCHEMA!r}, timestamp='ts', "
        "stream=hr.Push(), rules=[hr.rules.range('price', min=0)])\n"
        "user = hr.Entity('user', join_keys={'user_id': 'string'})\n"
        "n = agg.count('n', windows=['all'])\n"
        "sums = hr.AggregateView('sums', entity=user, source=events, features=[n])\n"
    )

    assert run(tmp_path, "apply")[0] == 0
    code, said = run(tmp_path, "validate", str(tmp_path / "new.jsonl"), "--source", "events", "--json")
    assert (code, json.loads(said)["counts"]) == (2, {"range(price)": 2})
    assert run(tmp_path, "validate", str(tmp_path / "events.jsonl"), "--source", "events")[0] == 0
    assert run(tmp_path, "push", "events", str(tmp_path / "new.jsonl"))[0] == 2
    code, said = run(tmp_path, "validate", "--quarantine", "--rule", "range", "--json")
    assert (code, json.loads(said)["counts"]) == (2, {"events": {"range(price)": 2}})
    assert run(tmp_path, "validate", "--quarantine", "--rule", "enum") == (
        0,
        run(tmp_path, "validate", "--quarantine", "--rule", "enum")[1],
    )
    code, said = run(tmp_path, "validate", "--replay", "--source", "events", "--json")
    assert (code, json.loads(said)["rejected"]) == (2, 2)
    assert run(tmp_path, "validate")[0] == 1


def test_a_load_takes_out_what_it_finds_mended(tmp_path: Path) -> None:
    rows: Sequence[dict[str, Any]] = [row(0), *broken()]
    write(tmp_path / "events.jsonl", list(rows))
    with opened(tmp_path) as store:
        store.apply(definitions())
        store.materialize(end=K)
        assert len(kept(store)) == len(BROKEN)
        write(tmp_path / "events.jsonl", [row(0), row(200), *broken()[1:3]])
        store.materialize(end=K)
        assert kept(store) == {2: ["range(price)"], 3: ["range(price)", "custom(plausible)"]}


def test_a_load_tells_how_many_rows_and_values_break_which_rule(tmp_path: Path) -> None:
    write(tmp_path / "events.jsonl", [*(row(number) for number in range(9)), *broken()])
    (view,) = definitions(on_invalid="warn", rules=RULES[:4])
    features = (
        agg.count("n", windows=["all"], rules=[hr.rules.range(max=3), hr.rules.not_null()]),
        agg.sum("paid", "price", windows=["all"], rules=[hr.rules.range(min=0, enforce="serve")]),
    )
    with opened(tmp_path) as store:
        store.apply([dataclasses.replace(view, features=features)])
        (loaded,) = store.materialize(end=K)
        told = {"range(price)": 3, "regex(user_id)": 3, "enum(pieces)": 2, "not_null(user_id)": 2}
        assert loaded.rules == {**told, "uncastable": 1}
        assert (loaded.warned, loaded.rejected, loaded.events) == (6, 1, 19)
        users = ["u0", "u1", "u2", "xu1", "  ", ""]
        counts = store.get_online_features(["sums:n_all"], {"user_id": users}, as_of=K).to_dict()["n_all"]
        many = sum(count > 3 for count in counts)
        assert 0 < many < loaded.sampled == len(users)
        wanted = {"n_all": {"range(n_all)": many, "not_null(n_all)": 0}, "paid_all": {"range(paid_all)": 0}}
        assert loaded.values == wanted
        assert json.loads(json.dumps(loaded.to_dict()))["values"] == wanted
        spine = [{"user_id": key, "ts": format_instant(K)} for key in users]
        history = store.get_historical_features(spine, features=["sums:n_all", "sums:paid_all"])
        assert history.manifest["rules"] == wanted
    code, said = run(tmp_path, "materialize", "--end", format_instant(K), "--full")
    assert code == 2
    assert "sums@1: 3 rows break range(price)." in said
    assert f"sums@1: n_all of {many} of 6 entities breaks range(n_all)." in said


@hr.on_demand(
    inputs={"paid": "sums:paid_all"}, output="double",
    rules=[hr.rules.range(max=5, enforce="serve"), hr.rules.range(min=0)],
)  # fmt: skip
def twice(paid):
    return 2 * paid


@hr.on_demand(inputs={"doubled": "twice"}, output="bool")
def is_dear(doubled):
    return doubled > 3


def test_an_enforced_rule_of_an_on_demand_feature_holds_in_serving_and_history_alike(tmp_path: Path) -> None:
    write(tmp_path / "events.jsonl", [row(0, price=1), row(1, price=2.5), row(2, price=3)])
    users = ["u0", "u1", "u2", "u3"]
    with opened(tmp_path) as store:
        store.apply([*definitions(rules=()), twice, is_dear])
        store.materialize(end=K)
        names = ["twice", "is_dear"]
        answer = store.get_online_features(names, {"user_id": users}, as_of=NOW)
        wanted = {"twice": [2.0, 5.0, None, 0.0], "is_dear": [False, True, None, False]}
        assert answer.to_dict() == {"user_id": users, **wanted}
        told = {
            each.feature: (each.status, each.metadata.get("reason"))
            for each in answer.values()
            if "u2" in str(each.entity)
        }
        broken = ("INVALID", "it breaks the rule range(twice)")
        assert told == {"twice": broken, "is_dear": broken}
        spine = [{"user_id": key, "ts": format_instant(NOW)} for key in users]
        history = store.get_historical_features(spine, features=names)
        assert history.to_arrow().select(names).to_pydict() == wanted
        assert history.manifest["statuses"]["twice"] == {"INVALID": 1, "PRESENT": 3}
        assert history.manifest["rules"] == {"twice": {"range(twice)": 1}}
        unfit = dataclasses.replace(twice, rules=(hr.rules.regex(pattern="a"),))
        with pytest.raises(DefinitionError, match="no texts"):
            store.plan([*definitions(rules=()), unfit])


def run(directory: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*arguments, "--project", str(directory)])
    return done.exit_code, done.output
