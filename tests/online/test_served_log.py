"""The served log: which entities are in it, that it holds what was answered, and what becomes of it."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace import agg
from headrace.clock import DAY, HOUR, SECOND, FixedClock, instant
from headrace.errors import DataError, HeadraceError, StoreError
from headrace.kernel.columns import STATUS_NAMES
from headrace.keys import encode_key
from headrace.online.logged_entities import LoggedEntities
from tests.server.serving import served
from tests.server.shop import FEATURES, NOW, USERS, build, drawn

if TYPE_CHECKING:
    from pathlib import Path

NOON = instant("2026-01-01T12:00:00Z")

USER = hr.Entity("user", join_keys={"user_id": "string"})
PAIR = hr.Entity("pair", join_keys={"user_id": "string", "ad_id": "int64"})
CLICKS = hr.EventSource(
    "clicks",
    schema={"user_id": "string", "ad_id": "int64", "ts": "timestamp"},
    timestamp="ts",
    stream=hr.Push(),
)
BY_USER = hr.AggregateView(
    "by_user", entity=USER, source=CLICKS, version="1", features=[agg.count("n", windows=["1h"])]
)
BY_PAIR = hr.AggregateView(
    "by_pair", entity=PAIR, source=CLICKS, version="1", features=[agg.count("m", windows=["1h"])]
)


def project(path: Path, **serving: Any) -> Path:
    """A project that logs."""
    settings = {"log": "served", "log_sample": 1.0, **serving}
    lines = [f"{name} = {value!r}" for name, value in settings.items() if value is not None]
    path.mkdir(exist_ok=True)
    (path / "headrace.toml").write_text("\n".join(['[project]\nname = "ads"\n[serving]', *lines]) + "\n")
    (path / "features.py").write_text("")
    return path


def opened(path: Path, at: int = NOON, **serving: Any) -> hr.FeatureStore:
    """Its store, with clicks of a user and of a pair."""
    store = hr.FeatureStore(project(path, **serving), clock=FixedClock(at))
    store.apply([BY_USER, BY_PAIR])
    store.push("clicks", [{"user_id": "u1", "ad_id": 7, "ts": at - 60 * SECOND}])
    return store


def test_a_row_tells_all_of_an_answer(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        asked = ["by_user:n_1h", "by_pair:m_1h"]
        store.get_online_features(asked, {"user_id": ["u1", "u2", None], "ad_id": [7, 7, 8]})
        rows = store.served_log(NOON).to_pylist()
        counter = store.registry.counter()
    assert [each["entity:user_id"] for each in rows] == ["u1", "u2"], "who has no key is nobody"
    first, second = rows
    state = {
        "known": None,
        "generation": None,
        "stream": 0,
        "frontier": first["t"].replace(minute=59, hour=11),
        "loaded_at": None,
        "segments": 0,
        "positions": [(0, 0)],
    }
    fingerprints = [first[view].pop("states") for view in ("by_user@1", "by_pair@1")]
    assert all(fingerprints)
    assert {name: value for name, value in first.items() if name != "request_id"} == {
        "served_at": first["t"],
        "t": first["t"],
        "service": None,
        "registry": counter,
        "arm": None,
        "entity:user_id": "u1",
        "entity:ad_id": 7,
        "by_user@1": state,
        "by_pair@1": state,
        "by_user@1:n_1h": 1,
        "by_user@1:n_1h__status": "PRESENT",
        "by_user@1:n_1h__age": 60 * SECOND,
        "by_pair@1:m_1h": 1,
        "by_pair@1:m_1h__status": "PRESENT",
        "by_pair@1:m_1h__age": 60 * SECOND,
        "reasons": None,
    }
    assert first["t"].timestamp() * 1e6 == NOON
    assert second["request_id"] == first["request_id"]
    assert (second["by_user@1:n_1h"], second["by_user@1:n_1h__age"]) == (0, None)
    assert second["by_user@1"]["frontier"] is None
    assert second["by_user@1"]["positions"] == []


@pytest.fixture(scope="module")
def logging_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with every kind of feature, which logs everything."""
    path = build(tmp_path_factory.mktemp("logged") / "shop")
    settings = 'log = "served"\nlog_sample = 1\nlog_retention = "500w"\n'
    (path / "headrace.toml").write_text(f'[project]\nname = "shop"\n[serving]\n{settings}')
    return path


def test_values_of_every_type_are_as_they_were_answered(logging_shop: Path) -> None:
    with hr.FeatureStore(logging_shop, clock=FixedClock(NOW)) as store:
        answer = store.get_online_features(
            FEATURES, {"user_id": USERS}, context={"bid": 1.5}, full_feature_names=True
        )
        whole = store.served_log(NOW)
        own = [str(member.reference) for member in answer.members]
        for member, name in zip(answer.members, own, strict=True):
            column = answer.columns[member.output]
            assert whole.column(name).combine_chunks().equals(column.values), name
            ages = [None if at < 0 else answer.t - at for at in column.newest.tolist()]
            assert whole.column(f"{name}__age").to_pylist() == ages
    assert whole.column("request:bid").to_pylist() == [1.5] * len(USERS)
    assert whole.column("entity:user_id").to_pylist() == USERS


def test_what_a_server_answers_is_logged_when_it_ends(logging_shop: Path) -> None:
    with hr.FeatureStore(logging_shop) as store:
        begun = store._parts.clock.now()  # noqa: SLF001 - the machine's clock
    with served(logging_shop, "--workers", "2") as client:
        body = {"feature_service": "shop", "entities": {"user_id": USERS, "bid": [2] * 12}, "as_of": NOW}
        answers = [client.post("/get-online-features", json=body).json() for _ in range(20)]
    with hr.FeatureStore(logging_shop) as store:
        rows = store.served_log(begun, service="shop@1").to_pylist()
    clicks = answers[0]["results"][answers[0]["metadata"]["feature_names"].index("clicks_7d")]
    assert [each["user_clicks@1:clicks_7d"] for each in rows[:12]] == clicks["values"]
    assert [each["user_clicks@1:clicks_7d__status"] for each in rows[:12]] == clicks["statuses"]
    assert (len(rows), len({each["request_id"] for each in rows})) == (240, 20)


@pytest.mark.parametrize("seed", range(3))
def test_drawn_requests_are_logged_as_answered(logging_shop: Path, seed: int) -> None:
    chance, compared = random.Random(seed), 0
    clock = FixedClock(NOW + (seed + 1) * HOUR)
    with hr.FeatureStore(logging_shop, clock=clock) as store:
        for _ in range(20):
            clock.advance(SECOND)
            asked = drawn(chance)
            asked["service"] = asked.pop("feature_service", None)
            try:
                answer = store.get_online_features(**asked)
            except HeadraceError:
                continue
            rows = store.served_log(clock.now())
            there = [row for row, user in enumerate(answer.entities["user_id"]) if user is not None]
            assert rows.num_rows == len(there)
            if not there:
                continue
            assert rows.column("entity:user_id").to_pylist() == [
                answer.entities["user_id"][row] for row in there
            ]
            for member in answer.members:
                column, name = answer.columns[member.output], str(member.reference)
                assert rows.column(name).combine_chunks().equals(column.values.take(there)), name
                assert rows.column(f"{name}__status").to_pylist() == [
                    STATUS_NAMES[column.status[row]] for row in there
                ]
            compared += len(there)
    assert compared


@given(
    st.lists(st.text() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=50),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_the_entities_of_a_share_are_told_by_their_hash_alone(
    values: list[Any], share: float, other: float
) -> None:
    try:
        keys = [encode_key([value]) for value in values]
    except DataError:
        return  # half a surrogate pair
    secret = hashlib.blake2b(encode_key(("ads", "user_id")), digest_size=32).digest()
    plain = [
        row
        for row, key in enumerate(keys)
        if int.from_bytes(hashlib.blake2b(key, digest_size=8, key=secret).digest()) < share * 2**64
    ]
    kept = LoggedEntities(share, "ads", ["user_id"]).rows(keys)
    assert kept == plain
    if other >= share:
        assert set(kept) <= set(LoggedEntities(other, "ads", ["user_id"]).rows(keys))


def test_a_share_is_of_entities_and_another_for_each_salt_and_kind() -> None:
    keys: list[bytes | None] = [encode_key([f"user {number}"]) for number in range(20_000)]
    kinds = [("ads", ["user_id"]), ("other", ["user_id"]), ("ads", ["ad_id"])]
    found = [set(LoggedEntities(0.05, salt, names).rows(keys)) for salt, names in kinds]
    assert all(850 < len(each) < 1_150 for each in found)
    assert all(len(a & b) < 100 for a in found for b in found if a is not b)
    assert LoggedEntities(1, "ads", ["user_id"]).rows([None, b"u", None]) == [1]
    assert LoggedEntities(0, "ads", ["user_id"]).rows(keys) == []


def test_an_entity_is_logged_always_or_never(tmp_path: Path) -> None:
    users = [f"u{number}" for number in range(400)]
    for day in range(3):
        with opened(tmp_path, NOON + day * DAY, log_sample=0.25) as store:
            for some in (users, users[::-1], users[100:200]):
                store.get_online_features(["by_user:n_1h"], {"user_id": some})
            assert len(store.list_features()) == 2
    with hr.FeatureStore(tmp_path) as store:
        logged = store.served_log(NOON).column("entity:user_id").to_pylist()
    counts = {user: logged.count(user) for user in users}
    assert set(counts.values()) == {0, 6, 9}
    assert 60 < sum(map(bool, counts.values())) < 140


@pytest.mark.parametrize("by", ["", "ad_id, user_id"])
def test_a_request_is_sampled_by_the_entity_of_its_first_feature_or_the_one_set(
    tmp_path: Path, by: str
) -> None:
    users = [f"u{number}" for number in range(300)]
    with opened(tmp_path, log_sample=0.3, log_by=by) as store:
        for ad in (1, 2):
            asked = {"user_id": users, "ad_id": [ad] * 300}
            store.get_online_features(["by_user:n_1h", "by_pair:m_1h"], asked)
        rows = store.served_log(NOON)
    ads: dict[str, set[int]] = {}
    for user, ad in zip(
        *(rows.column(f"entity:{name}").to_pylist() for name in ("user_id", "ad_id")), strict=True
    ):
        ads.setdefault(user, set()).add(ad)
    assert all(each == {1, 2} for each in ads.values()) == (not by)


def test_nothing_is_logged_unless_a_place_is_named(tmp_path: Path) -> None:
    with opened(tmp_path, log=None) as store:
        store.get_online_features(["by_user:n_1h"], {"user_id": ["u1"]})
        assert store.logged is None
        with pytest.raises(StoreError, match="no served log"):
            store.served_log(NOON)
    assert "served-log" not in " ".join(thread.name for thread in threading.enumerate())
    assert not (tmp_path / "served").exists()


def test_what_finds_no_room_is_counted(tmp_path: Path) -> None:
    with opened(tmp_path, log_queue=10) as store:
        log = store._parts.served_log  # noqa: SLF001 - its thread is kept from looking
        assert log is not None
        with log.paused():
            for _ in range(5):
                store.get_online_features(["by_user:n_1h"], {"user_id": [f"u{n}" for n in range(4)]})
            assert store.logged == (0, 12, 0, 8)
        log.flush()
        store.get_online_features(["by_user:n_1h"], {"user_id": [f"u{n}" for n in range(40)]})
        assert store.served_log(NOON).num_rows == 48, "a larger request waits alone"
        assert store.logged == (48, 12, 0, 0)


def test_files_are_of_an_hour_and_old_ones_go(tmp_path: Path) -> None:
    for at in (NOON, NOON + HOUR, NOON + 2 * DAY):
        with opened(tmp_path, at, log_retention="1d") as store:
            store.get_online_features(["by_user:n_1h"], {"user_id": ["u1"]})
        hours = sorted(path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.glob("served/*/*/*"))
        if at == NOON + HOUR:
            assert hours == ["served/2026-01-01/12", "served/2026-01-01/13"]
    assert hours == ["served/2026-01-03/12"]
    assert sorted(path.name for path in (tmp_path / "served").iterdir()) == ["2026-01-03"]


def test_a_log_that_cannot_be_written_fails_no_request(tmp_path: Path) -> None:
    (tmp_path / "served").write_text("no directory")
    with opened(tmp_path) as store:
        answer = store.get_online_features(["by_user:n_1h"], {"user_id": ["u1"]})
        assert answer.to_dict()["n_1h"] == [1]
        log = store._parts.served_log  # noqa: SLF001
        assert log is not None
        log.flush()
        assert store.logged == (0, 0, 1, 0)


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as store:

        def ask(thread: int) -> None:
            for number in range(50):
                store.get_online_features(["by_user:n_1h"], {"user_id": [f"u{thread} {number}", "u1"]})

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        rows = store.served_log(NOON)
    users = rows.column("entity:user_id").to_pylist()
    assert (len(users), len(set(users))) == (400, 201)
    assert set(rows.column("by_user@1:n_1h").to_pylist()) == {0, 1}


KILLED = """
import os, signal, sys
import headrace as hr
store = hr.FeatureStore(sys.argv[1])
store.get_online_features(["by_user:n_1h"], {"user_id": ["u1"]})
store._parts.served_log.flush()
store.get_online_features(["by_user:n_1h"], {"user_id": ["lost"]})
if sys.argv[2] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["kill", "leave"])
def test_who_is_killed_loses_what_is_not_in_a_file_who_leaves_nothing(tmp_path: Path, end: str) -> None:
    opened(tmp_path).close()
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path, end], env=os.environ, check=False)
    assert done.returncode == (-signal.SIGKILL if end == "kill" else 0)
    for path in (tmp_path / "served").rglob("*.parquet"):
        pq.read_table(path)
    with hr.FeatureStore(tmp_path) as store:
        users = store.served_log(NOON).column("entity:user_id").to_pylist()
    assert users == (["u1"] if end == "kill" else ["u1", "lost"])


def test_a_forked_process_logs_for_itself(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.get_online_features(["by_user:n_1h"], {"user_id": ["parent"]})
        child = os.fork()
        if not child:
            store.get_online_features(["by_user:n_1h"], {"user_id": ["child"]})
            store.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert sorted(store.served_log(NOON).column("entity:user_id").to_pylist()) == ["child", "parent"]


def test_files_of_many_requests_go_together(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.get_online_features(["by_user:n_1h"], {"user_id": ["u1"]})
        store.get_online_features(["by_pair:m_1h"], {"user_id": ["u1"], "ad_id": [7]})
        rows = store.served_log(NOON).to_pylist()
    assert [each["by_user@1:n_1h__status"] for each in rows] == ["PRESENT", None]
    assert [each["by_pair@1:m_1h"] for each in rows] == [None, 1]
    assert [each["entity:ad_id"] for each in rows] == [None, 7]


def test_files_of_an_hour_that_has_ended_become_one_and_no_row_is_there_twice(tmp_path: Path) -> None:
    clock, kept = FixedClock(NOON), tmp_path / "kept"
    opened(tmp_path).close()
    with hr.FeatureStore(tmp_path, clock=clock) as store:

        def ask(number: int) -> None:
            store.get_online_features(["by_user:n_1h"], {"user_id": [f"u{number}"]})
            if number % 2:
                store.get_online_features(["by_pair:m_1h"], {"user_id": [f"u{number}"], "ad_id": [number]})
            clock.advance(SECOND)

        for number in range(6):
            ask(number)
            before = store.served_log(NOON)
        shutil.copytree(tmp_path / "served/2026-01-01/12", kept)
        clock.advance(HOUR)
        ask(6)
        after = store.served_log(NOON, NOON + HOUR)
        assert after.sort_by("request_id").select(before.column_names) == before.sort_by("request_id")
        ended, running = (sorted((tmp_path / f"served/2026-01-01/{hour}").iterdir()) for hour in (12, 13))
        assert (len(ended), len(running), len(list(kept.iterdir()))) == (1, 1, 9)
        for path in kept.iterdir():  # as if the process had died before it took them away
            shutil.copy(path, ended[0].parent)
        assert store.served_log(NOON, NOON + HOUR).num_rows == 9
        (ended[0].parent / "of somebody else.parquet").write_text("no file of ours")
        assert store.forget("user", {"user_id": ["u3"]}).served == 4, (
            "twice two: files that nobody reads as well"
        )
        assert store.served_log(NOON, NOON + HOUR).num_rows == 7
        assert store.served_log(NOON).num_rows == 8
