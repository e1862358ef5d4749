"""`store.forget`: nothing of a person is left, nothing of anybody else is missing."""

from __future__ import annotations

import contextlib
import fcntl
import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import redis as driver
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace import agg
from headrace.cli.app import app
from headrace.clock import DAY, HOUR, SECOND, FixedClock, instant
from headrace.errors import DataError, UnknownNameError
from headrace.kernel.clean import KNOWN
from headrace.keys import decode_key, encode_key
from headrace.online import erasing, log, served_erasing, served_files
from headrace.online import replay as replaying
from headrace.online.erased import NOBODY, names_person, people_of, read_erased
from headrace.online.generations import Written, begin
from headrace.online.layout import segment_prefix, stream_prefix
from headrace.online.manifest import StreamState
from tests.services.redis import redis
from tests.services.server import free_port

if TYPE_CHECKING:
    from pathlib import Path

K = instant("2026-01-10T00:00:00Z")
NOW = K + 30 * HOUR
WHO = 'Zoë "the 人" \\ Smith-7f3a91'
OTHERS = ["u1", "u2", WHO + "x", "x" + WHO]
FEATURES = ["by_user:n_1d", "by_user:n_7d", "newest:price"]

USER = hr.Entity("user", join_keys={"user_id": "string"})
PAIR = hr.Entity("pair", join_keys={"user_id": "string", "ad_id": "int64"})
TURNED = hr.Entity("turned", join_keys={"ad_id": "int64", "user_id": "string"})
AD = hr.Entity("ad", join_keys={"ad_id": "int64"})
SCHEMA = {"id": "string", "user_id": "string", "ad_id": "int64", "ts": "timestamp", "received": "timestamp"}


def clicks(path: Path) -> hr.EventSource:
    return hr.EventSource(
        "clicks",
        batch=str(path / "clicks*.parquet"),
        schema={**SCHEMA, "price": "double"},
        timestamp="ts",
        available_at="received",
        event_id="id",
        stream=hr.Push(),
        rules=[hr.rules.range("price", min=0)],
    )


def views(path: Path) -> list[hr.AggregateView | hr.LatestView]:
    source, features = clicks(path), [agg.count("n", windows=["1d", "7d"])]
    kinds = {"by_user": USER, "by_pair": PAIR, "by_turned": TURNED, "by_ad": AD}
    made = [
        hr.AggregateView(name, entity=of, source=source, version="1", features=features)
        for name, of in kinds.items()
    ]
    return [*made, hr.LatestView("newest", entity=USER, source=source, features=["price"])]


def event(number: int, user: str, known: int, **other: Any) -> dict[str, Any]:
    times = {"ts": known - SECOND, "received": known}
    return {
        "id": f"e{number}",
        "user_id": user,
        "ad_id": number % 3,
        "price": float(number),
        **times,
        **other,
    }


def write(path: Path, name: str, rows: list[dict[str, Any]]) -> None:
    instants = {"ts": pa.timestamp("us", "UTC"), "received": pa.timestamp("us", "UTC")}
    columns = {key: pa.array([row[key] for row in rows], instants.get(key)) for key in rows[0]}
    pq.write_table(pa.table(columns), path / name)


def project(path: Path, **settings: str) -> Path:
    """A project with traces of people everywhere."""
    path.mkdir(exist_ok=True)
    serving = '[serving]\nlog = ".headrace/served"\nlog_sample = 1\n'
    online = "".join(f"{name} = {value!r}\n" for name, value in settings.items())
    (path / "headrace.toml").write_text(f'[project]\nname = "ads"\n{serving}[online]\n{online}')
    (path / "features.py").write_text("")
    people = [WHO, *OTHERS]
    for day in range(3):
        rows = [event(100 * day + n, people[n % 5], K - (5 - day) * DAY + n * HOUR) for n in range(20)]
        bad = [event(100 * day + 50 + n, people[n], K - 5 * DAY, price=-1.0) for n in range(5)]
        write(path, f"clicks{day}.parquet", rows + bad)
        with opened(path, K + day * HOUR) as store:
            store.apply(views(path))
            store.materialize(end=K)
    with opened(path, K + 5 * HOUR) as store:
        store.push("clicks", [event(1000 + n, people[n % 5], K + n * HOUR // 10) for n in range(20)])
        store.push("clicks", [event(1100 + n, people[n % 5], K - HOUR) for n in range(10)])
        store.push("clicks", [event(1200 + n, people[n % 5], K + 100 * HOUR) for n in range(10)])
        store.push("clicks", [event(1300 + n, people[n % 5], K + HOUR, price=-2.0) for n in range(10)])
        for each in people:
            store.get_online_features(FEATURES, {"user_id": [each]})
    return path


def opened(path: Path, now: int = NOW) -> hr.FeatureStore:
    return hr.FeatureStore(path, clock=FixedClock(now), who="tester")


def spellings(who: str) -> list[bytes]:
    told = json.dumps(who, ensure_ascii=False)[1:-1]
    return [who.encode(), told.encode(), json.dumps(who)[1:-1].encode(), json.dumps(told)[1:-1].encode()]


def traces(path: Path, who: str = WHO) -> list[str]:
    """The files that hold the key, but as part of another's."""
    found = []
    for file in sorted(each for each in (path / ".headrace").rglob("*") if each.is_file()):
        data = file.read_bytes()
        if file.suffix == ".parquet":
            data = json.dumps(pq.read_table(file).to_pylist(), default=str, ensure_ascii=False).encode()
        for other in OTHERS:
            for each in spellings(other):
                data = data.replace(each, b"") if len(other) > len(who) else data
        if any(each in data for each in spellings(who)):
            found.append(file.relative_to(path).as_posix())
    return found


def answers(store: hr.FeatureStore, people: list[str]) -> dict[str, list[Any]]:
    return store.get_online_features(FEATURES, {"user_id": people}).to_dict()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's files, to be copied."""
    return project(tmp_path_factory.mktemp("forget") / "made")


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-r", made, tmp_path / "made"], check=True)
    with opened(tmp_path / "made") as store:
        store.apply(views(tmp_path / "made"))  # the files are those of the copy
    return tmp_path / "made"


def test_a_person_is_everywhere_and_then_nowhere(path: Path) -> None:
    with opened(path) as store:
        before = answers(store, OTHERS)
        assert answers(store, [WHO])["n_7d"] > [0]
        would = store.forget("user", {"user_id": [WHO]}, dry_run=True)
        assert store.served_log(0).num_rows == 10
    assert traces(path)
    with opened(path) as store:
        did = store.forget(USER, {"user_id": [WHO]})
        assert did._replace(dry_run=True, complete=False) == would
        assert (did.events, did.late, did.quarantined, did.served) == (8, 10, 5, 2)
        assert (did.complete, did.left) == (True, ())
        assert did.outside[0].startswith("Source clicks: delete their rows there")
        assert traces(path) == []
        assert answers(store, OTHERS) == before
        assert answers(store, [WHO]) == {"user_id": [WHO], "n_1d": [0], "n_7d": [0], "price": [None]}
        (line,) = [each for each in store._parts.registry._catalog.events() if each.action == "forget"]  # noqa: SLF001
        assert (line.kind, line.name, line.note, line.who) == ("entity", "user", "1 forgotten", "tester")
        again = store.forget("user", {"user_id": [WHO]})
    assert (again.records, again.events, again.late, again.quarantined, again.served) == (
        0,
        0,
        0,
        0,
        0,
    ) or again.served == 1
    assert traces(path) == []


def test_records_of_others_stay_byte_for_byte(path: Path) -> None:
    with opened(path) as store, store.online.snapshot() as snapshot:
        before = dict(snapshot.scan(b""))
    with opened(path) as store:
        store.forget("user", {"user_id": [WHO]})
        with store.online.snapshot() as snapshot:
            after = dict(snapshot.scan(b""))
    own = encode_key([WHO])
    changed = {key for key in before if after.get(key) != before[key]}
    kinds = (b"log", b"late", b"tally", b"stream", b"quarantine")
    assert all(own in key or key[1:].startswith(kinds) for key in changed)
    assert {key for key in before if own in key} == {key for key in changed if own in key}
    assert all(key[1:].startswith(b"erased") for key in after.keys() - before.keys())


@pytest.mark.parametrize("full", [False, True])
def test_loads_and_pushes_do_not_bring_back_what_was_known_before(path: Path, *, full: bool) -> None:
    later = NOW + 2 * DAY
    with opened(path) as store:
        store.forget("user", {"user_id": [WHO]})
        late = [
            event(2000, WHO, NOW - HOUR),
            event(2001, "u1", NOW - HOUR),
            event(2002, WHO, NOW - HOUR, price=-3.0),
        ]
        assert store.push("clicks", late).accepted == 1
    with opened(path, later) as store:
        store.push("clicks", [event(2003, WHO, NOW + HOUR), event(2004, WHO, NOW + 2 * HOUR)])
        assert answers(store, [WHO])["n_7d"] == [2], "who comes back counts from then on"
        rows = [event(2003, WHO, NOW + HOUR), event(2004, WHO, NOW + 2 * HOUR)]
        write(path, "clicks9.parquet", [*rows, event(3000, WHO, NOW - 2 * HOUR)])
        store.materialize(end=K + 2 * DAY, full=full)
        assert answers(store, [WHO])["n_7d"] == [2]
        assert store.get_online_features(["by_ad:n_7d"], {"ad_id": [0]}).to_dict()["n_7d"] > [0]
        assert not [row for row in store.quarantine().rows if json.loads(row.row)["user_id"] == WHO]
        store.forget("user", {"user_id": [WHO]})
    assert traces(path) == []


def test_a_composite_key_is_that_pair_alone(path: Path) -> None:
    asked = {"user_id": [WHO, WHO, "u1"], "ad_id": [0, 1, 0]}
    with opened(path) as store:
        before = store.get_online_features(["by_pair:n_7d"], asked).to_dict()["n_7d"]
        whole = answers(store, [WHO])
        did = store.forget("pair", [{"ad_id": 0, "user_id": WHO}])
        after = store.get_online_features(["by_pair:n_7d"], asked)
        turned = store.get_online_features(["by_turned:n_7d"], asked).to_dict()["n_7d"]
        assert all(before)
        assert after.to_dict()["n_7d"] == turned == [0, *before[1:]]
        assert answers(store, [WHO]) == whole, "the user is another entity"
        assert len(did.left) == 1, "a user's record of latest values holds the ad of its row"
        assert "view newest@1 hold values of ad_id" in did.left[0]
    assert traces(path)


def test_several_people_at_once(path: Path) -> None:
    with opened(path) as store:
        did = store.forget("user", {"user_id": [WHO, "u1", "nobody", WHO]})
        assert did.people == 3
        assert answers(store, [WHO, "u1"])["n_7d"] == [0, 0]
        assert answers(store, ["u2"])["n_7d"] > [0]
    assert traces(path) == []


class _DeathError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("lives", range(12))
def test_who_dies_anywhere_and_begins_again_ends_complete(
    path: Path, lives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path) as store:
        before, online = answers(store, OTHERS), store.online
        begin_transaction, left = type(online).transaction, [lives]

        def dying(self: Any) -> Any:
            if not left[0]:
                raise _DeathError
            left[0] -= 1
            return begin_transaction(self)

        with monkeypatch.context() as patched, contextlib.suppress(_DeathError):
            patched.setattr(type(online), "transaction", dying)
            store.forget("user", {"user_id": [WHO]})
        assert answers(store, OTHERS) == before
    with opened(path) as store:
        assert store.forget("user", {"user_id": [WHO]}).complete
        assert answers(store, OTHERS) == before
    assert traces(path) == []


def test_reads_and_pushes_go_on(path: Path) -> None:  # noqa: C901 - two threads, and what they see
    with opened(path) as store:
        before, stop = answers(store, OTHERS), threading.Event()
        seen: list[int] = []
        pushed: list[int] = []
        errors: list[BaseException] = []
        done = {"push": threading.Semaphore(0), "read": threading.Semaphore(0)}

        def push() -> None:
            rows = [
                event(5_000 + 2 * len(pushed) + n, who, NOW - HOUR) for n, who in enumerate([WHO, "pushed"])
            ]
            pushed.append(store.push("clicks", rows).accepted)

        def read() -> None:
            found = answers(store, [WHO, *OTHERS])
            seen.append(found["n_7d"][0])
            assert found["n_7d"][1:] == before["n_7d"]

        def keep(what: str) -> None:
            try:
                while not stop.is_set():
                    {"push": push, "read": read}[what]()
                    done[what].release()
            except BaseException as error:  # noqa: BLE001 - told below
                errors.append(error)

        def some() -> None:
            for each in done.values():
                assert all(each.acquire(timeout=60) for _ in range(4)), errors

        threads = [threading.Thread(target=keep, args=(what,)) for what in done]
        for each in threads:
            each.start()
        some()
        did = store.forget("user", {"user_id": [WHO]})
        for each in done.values():
            while each.acquire(blocking=False):
                pass
        some()
        stop.set()
        for each in threads:
            each.join()
        assert not errors
        assert (did.complete, seen[-1], pushed[0], pushed[-1]) == (True, 0, 2, 1)
        assert answers(store, ["pushed"])["n_1d"] == [len(pushed)]
        store.forget("user", {"user_id": [WHO]})
    assert traces(path) == []


def test_a_load_that_is_under_way_does_not_bring_them_back(path: Path) -> None:
    with opened(path, NOW + DAY) as store:
        calls = []

        def progress(_view: str, _share: float) -> None:
            if not calls:
                calls.append(opened(path, NOW + DAY).forget("user", {"user_id": [WHO]}))

        store.materialize(full=True, progress=progress)
        assert calls
        assert answers(store, [WHO])["n_7d"] == [0]
        store.forget("user", {"user_id": [WHO]})
    assert traces(path) == []


def test_records_made_before_are_not_written_after(path: Path) -> None:
    with opened(path) as store:
        generation = begin(store.online, "by_turned@1", keys=["ad_id", "user_id"])
        items = [(encode_key([ad, who]), b"record") for ad in (0, 1) for who in (WHO, "u1")]
        store.forget("user", {"user_id": [WHO]})
        generation.write(store.online, items, Written())
        found = [key for key, _ in store.online.scan(segment_prefix(generation.segment))]
        assert found == [segment_prefix(generation.segment) + encode_key([ad, "u1"]) for ad in (0, 1)]


@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize("when", ["before it begins", "when it has read"])
def test_pushes_are_not_replayed_with_them(
    path: Path, when: str, monkeypatch: pytest.MonkeyPatch, *, dies: bool
) -> None:
    with opened(path) as store:
        ingest = store._parts.names.stream("clicks").ingest  # noqa: SLF001
        generation = begin(store.online, "by_user@1", keys=["user_id"])
        entries = log.Log.entries

        def forget() -> None:
            with monkeypatch.context() as dying, contextlib.suppress(_DeathError):
                if dies:  # after its first transaction
                    dying.setattr(erasing, "clear_all_dead", _die)
                store.forget("user", {"user_id": [WHO]})

        def read(*asked: Any) -> Any:
            found = list(entries(*asked))
            monkeypatch.setattr(log.Log, "entries", entries)
            if when == "when it has read":
                forget()
            yield from found

        if when == "before it begins":
            forget()
        monkeypatch.setattr(replaying, "_FEW", 0)
        monkeypatch.setattr(log.Log, "entries", read)
        ingest.replay("by_user@1", K, StreamState(number=99)).catch_up(store.online, generation, NOW)
        found = {decode_key(key)[-1] for key, _ in store.online.scan(stream_prefix("by_user@1", 99))}
        assert found == set(OTHERS)


def _die(_: Any) -> None:
    raise _DeathError


def test_a_file_that_was_not_there_when_somebody_looked_is_looked_at_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path) as store:
        answers(store, [WHO, "u1"])
        write_file = served_files.write

        def slowly(file: Path, rows: pa.Table) -> None:
            served_erasing.erase(path / ".headrace/served", [(("user_id", WHO),)], NOW + 1)
            write_file(file, rows)

        with monkeypatch.context() as patched:
            patched.setattr("headrace.online.served_log.write", slowly)
            rows = store.served_log(NOW)
        assert rows.column("entity:user_id").to_pylist() == ["u1"]


HOLDS = """
import sys
import headrace as hr
with hr.FeatureStore(sys.argv[1]) as store:
    store.check_serving()
    print("open", flush=True)
    sys.stdin.read()
"""


def test_while_others_have_the_store_open_bytes_may_be_left_and_that_is_told(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "open\n"
        with opened(path) as store:
            did = store.forget("user", {"user_id": [WHO]})
            assert not did.complete
            assert "another process has it open" in did.left[0]
            assert answers(store, [WHO])["n_7d"] == [0]
        other.stdin.close()
    with opened(path) as store:
        assert store.forget("user", {"user_id": [WHO]}).complete
    assert traces(path) == []


def test_what_cannot_be_forgotten_is_said(path: Path) -> None:
    with opened(path) as store:
        with pytest.raises(UnknownNameError, match="entity"):
            store.forget("people", {"user_id": [WHO]})
        for wrong in (
            {},
            {"ad_id": [1]},
            {"user_id": []},
            {"user_id": [None]},
            {"user_id": [WHO], "ad_id": [1]},
        ):
            with pytest.raises(DataError):
                store.forget("user", wrong)
        with pytest.raises(DataError) as other:
            store.forget("user", {"user": ["u3"]})
    assert str(other.value) == (
        "Entity 'user' has no join key 'user'. Available: user_id. "
        "Give a value for each join key, as in: user_id=u3."
    )


def test_the_rest_of_a_composite_key_is_asked_for(path: Path) -> None:
    with opened(path) as store, pytest.raises(DataError) as half:
        store.forget("pair", {"user_id": [WHO], "ad": [7]})
    assert half.value.remedy == f"Give a value for each join key, as in: user_id={WHO} ad_id=7."


@pytest.mark.parametrize(
    "feature",
    [agg.last_k("users", "user_id", k=3, windows=["7d"]), agg.last("price", "price", windows=["7d"])],
    ids=["its values", "what breaks its ties"],
)
def test_what_others_hold_of_them_is_told(path: Path, feature: Any) -> None:
    with opened(path, K + 6 * DAY) as store:
        store.apply([hr.AggregateView("readers", entity=AD, source=clicks(path), features=[feature])])
        store.materialize(views=["readers"], end=K)
        did = store.forget("user", {"user_id": [WHO]})
        assert not did.complete
        assert "view readers@1 hold values of user_id" in did.left[0]
    assert traces(path)
    for file in path.glob("clicks*.parquet"):
        rows = pq.read_table(file)
        pq.write_table(rows.filter(pc.not_equal(rows.column("user_id"), WHO)), file)
    with opened(path, K + 6 * DAY) as store:
        store.materialize(full=True, end=K + 6 * DAY)
        store.forget("user", {"user_id": [WHO]})
    assert traces(path) == []


def test_records_of_earlier_layouts_go_too(path: Path) -> None:
    earlier = [
        *((encode_key((kind, "by_user@1", 3)) + encode_key((who,)), b"") for kind in ("generation", "epoch")
          for who in (WHO, "u1")),
        *((encode_key((kind, 3)) + encode_key((who,)), b"") for kind in ("s", "e") for who in (WHO, "u1")),
        (encode_key(("generation", "by_turned@1", 3, 7, WHO)), b""),
        (encode_key(("epoch 3", "by_user@1", 7, 0, 0, WHO)), b"left by a load that died"),
    ]  # fmt: skip
    with opened(path) as store:
        store.online.multi_put(earlier)
        store.forget("user", {"user_id": [WHO]})
        there = store.online.multi_get([key for key, _ in earlier])
        assert [key for (key, _), data in zip(earlier, there, strict=True) if data is not None] == [
            key for key, _ in earlier if WHO.encode() not in key
        ]
    assert traces(path) == []


def test_the_copy_in_redis_is_emptied_of_them_at_once(path: Path) -> None:
    port = free_port()
    settings = (path / "headrace.toml").read_text()
    (path / "headrace.toml").write_text(f'{settings}url = "redis://127.0.0.1:{port}/0"\ntimeout = 1\n')
    with redis(at=port):
        client = driver.Redis(port=port)

        def copied() -> dict[bytes, bytes | None]:
            found = {key: client.get(key) for key in client.scan_iter(count=1_000)}
            return {key: value for key, value in found.items() if b"\x05copy" not in key}  # it counts

        with opened(path) as store:
            assert store.refill() > 0
            store.push("clicks", [event(4_000, WHO, NOW - HOUR)])
            before, answered = copied(), answers(store, OTHERS)
            did = store.forget("user", {"user_id": [WHO]})
            assert did.complete
            own = encode_key([WHO])
            assert copied() == {
                key: value for key, value in before.items() if own not in key and b"manifest" not in key
            } | {key: client.get(key) for key in before if b"manifest" in key or b"stream" in key}
            assert answers(store, [WHO])["n_7d"] == [0]
            assert answers(store, OTHERS) == answered
    assert traces(path) == []
    with opened(path, NOW + HOUR) as store:
        store.push("clicks", [event(4_001, WHO, NOW + SECOND)])
        away = store.forget("user", {"user_id": [WHO]})
        assert not away.complete
        assert away.left[0].startswith("Redis: ")
        with redis(at=port):
            assert store.forget("user", {"user_id": [WHO]}).complete
    assert traces(path) == []


def test_what_a_dead_process_has_begun_to_write_goes(path: Path) -> None:
    hour = next((path / ".headrace/served").glob("*/*"))
    for name in ("dead.parquet.part", "alive.parquet.part"):
        (hour / name).write_text(f"half a file with {WHO}")
    with (hour / "alive.parquet.part").open("rb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        with opened(path) as store:
            store.forget("user", {"user_id": [WHO]})
        assert sorted(each.name for each in hour.glob("*.part")) == ["alive.parquet.part"]


def test_rows_that_are_written_after_are_left_out(path: Path) -> None:
    with opened(path) as store, opened(path) as other:
        answers(store, [WHO, "u1"])
        other.forget("user", {"user_id": [WHO]})
        rows = store.served_log(NOW)
        assert rows.column("entity:user_id").to_pylist() == ["u1"]


def test_the_command(path: Path) -> None:
    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["forget", *words, "--project", str(path)])
        return done.exit_code, done.output

    key = f"user_id={json.dumps([WHO])}"
    code, told = run("user", key, "--dry-run", "--json")
    assert (code, json.loads(told)["dry_run"]) == (0, True)
    assert traces(path)
    code, told = run("user", key)
    assert code == 0
    assert "Not touched: Source clicks" in told
    assert traces(path) == []
    assert run("user", "ad_id=1")[0] == 1
    assert run("user")[0] == 1


TEXTS = st.text(min_size=1).filter(lambda text: not any("\ud800" <= each <= "\udfff" for each in text))


@given(st.dictionaries(TEXTS, st.integers(0, 9), min_size=1), st.integers(-1, 9), st.sets(TEXTS))
def test_who_is_gone_is_told_by_key_and_instant_alone(known: dict[str, int], at: int, gone: set[str]) -> None:
    erased = NOBODY.with_people([(("user_id", who),) for who in gone], at)
    events = pa.table({"user_id": list(known), "ad": list(known.values()), KNOWN: list(known.values())})
    slow = [who in gone and when < at for who, when in known.items()]
    found = erased.gone(events)
    assert (found.tolist() if found is not None else [False] * len(known)) == slow
    until = erased.until(["ad_id", "user_id"], [encode_key([1, who]) for who in known])
    assert (until is not None) == any(who in gone for who in known)
    assert erased.until(["ad_id"], [encode_key([1])]) is None
    for who, when in known.items():
        assert erased.holds_row(json.dumps({"user_id": who}), when) == (who in gone and when < at)


def test_rows_of_quarantine_are_told_whatever_types_they_have() -> None:
    (person,) = people_of(["user_id", "ad_id"], [encode_key(["7", 12])])
    assert names_person('{"user_id": 7, "ad_id": "12", "price": null}', person)
    assert not names_person('{"user_id": 7, "ad_id": 1}', person)
    assert not names_person('{"user_id": "7"}', person)
    assert names_person("user 7 saw ad 12, they say", person)
    assert not names_person("user 77 saw ad 12", person)
    assert not names_person('{"user_id": 7.5, "ad_id": [12]}', person)
    assert not names_person("{}", person)
    erased = NOBODY.with_people([person], 5)
    assert erased.holds_row('{"user_id": "7", "ad_id": 12}', 4)
    assert not erased.holds_row('{"user_id": "\\ud800", "ad_id": 12}', 4)
    assert not erased.holds_row("user 7 saw ad 12", 4)


def test_who_was_erased_is_read_anew_after_each_erasure(path: Path) -> None:
    with opened(path) as store, opened(path) as other:
        assert not read_erased(other.online)
        store.forget("user", {"user_id": [WHO]})
        first = read_erased(other.online)
        assert read_erased(other.online) is first
        store.forget("user", {"user_id": ["u1"]})
        assert read_erased(other.online) != first
        stored = b"".join(key + value for key, value in other.online.scan(encode_key(("erased",))))
        assert WHO.encode() not in stored
