"""`isolate=True`: the same values from a process that can be killed, and that never outlives its server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace import agg
from headrace.definitions.loading import load_definitions
from tests.children import ROOT
from tests.project.market import KEYS, NOW, K, activity, again, events, newest, project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import headrace as hr

HEAD = """\
import ctypes, os, sys, time
from pathlib import Path
import headrace as hr

HERE = Path(__file__).parent
"""
BODY = """
@hr.on_demand(
    inputs={"price": "newest:price", "kind": "newest:kind"},
    request={"bid": "double", "words": "list<string>"},
    output="list<double>",
    isolate=ISOLATED,
)
def scored(price, kind, bid, words, request_time):
    if words and words[0] == "raise":
        raise ValueError(f"{kind} {bid}")
    if words and words[0] == "exit":
        sys.exit(3)
    if words and words[0] == "wrong":
        return "no list"
    words.append("eaten")
    print("to standard output")
    return None if bid is None else [price, bid, float(len(words)), request_time.timestamp()]


@hr.on_demand(inputs={"seen": "activity:seen_7d", "scores": "scored"}, output="string", isolate=ISOLATED)
def mapped(seen, scores):
    seen["more"] = scores
    return repr(sorted(seen.items(), key=str))


@hr.on_demand(inputs={"text": "mapped"}, output="int64", isolate=ISOLATED)
def summed(text):
    return len(text)
"""
WILD = """
@hr.on_demand(request={"what": "string"}, output="int64", isolate=True)
def wild(what):
    if what == "crash":
        os.kill(os.getpid(), 11)
    if what == "leave":
        os._exit(7)
    if what == "hang":
        while True:
            pass
    if what == "hold":
        (HERE / "held").write_text(str(os.getpid()))
        ctypes.PyDLL(None).sleep(1000)
    return os.getpid()


@hr.on_demand(request={"what": "string"}, output="string", isolate=True)
def tame(what):
    return what
"""


def made(directory: Path, code: str) -> hr.FeatureStore:
    project(directory, events(0, 10)).close()
    (directory / "features.py").write_text(code)
    with again(directory) as store:
        seen = agg.count("seen", by="kind", windows=["7d"])
        store.apply([activity(seen), newest("kind"), *load_definitions(directory, ("features.py",))])
        store.materialize(end=K)
    return again(directory)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[hr.FeatureStore, hr.FeatureStore]]:
    stores = [
        made(tmp_path_factory.mktemp("isolated") / "market", HEAD + BODY.replace("ISOLATED", str(isolated)))
        for isolated in (True, False)
    ]
    with stores[0], stores[1]:
        yield stores[0], stores[1]


rows = st.lists(
    st.tuples(
        st.sampled_from(KEYS),
        st.one_of(st.none(), st.floats(-10, 10)),
        st.lists(st.sampled_from(["a", "é", "", "raise", "exit", "wrong"]), max_size=2),
    ),
    min_size=1,
    max_size=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(rows)
def test_values_are_those_of_this_process(
    both: tuple[hr.FeatureStore, hr.FeatureStore], drawn: list[tuple[str, float | None, list[str]]]
) -> None:
    columns: Any = dict(zip(("user_id", "bid", "words"), map(list, zip(*drawn, strict=True)), strict=True))
    if all(bid is None for bid in columns["bid"]):
        columns["bid"][0] = 1.0
    if not any(columns["words"]):
        columns["words"][0] = ["a"]
    asked = ["mapped", "newest:price", "scored", "summed"]
    apart, here = (store.get_online_features(asked, columns, as_of=NOW) for store in both)
    assert apart.document() == here.document()
    told = [[(v.value, v.status, v.metadata.get("reason")) for v in each.values()] for each in (apart, here)]
    assert told[0] == told[1]


def test_the_values_are_there(both: tuple[hr.FeatureStore, hr.FeatureStore]) -> None:
    columns: Any = {"user_id": ["u1"], "bid": [1.0], "words": [["a"]]}
    for store in both:
        answer = store.get_online_features(["mapped", "scored", "summed"], columns, as_of=NOW)
        assert set(statuses(answer).values()) == {"PRESENT"}
        assert answer.to_dict()["scored"][0][1:3] == [1.0, 2.0]


@pytest.fixture
def wild(tmp_path: Path) -> Iterator[hr.FeatureStore]:
    with made(tmp_path, HEAD + WILD) as store:
        ask(store, "warm")  # both processes have started
        yield store


def ask(store: hr.FeatureStore, what: str, timeout: float | None = None) -> Any:
    return store.get_online_features(
        ["wild", "tame", "newest:price"],
        {"user_id": ["u1"]},
        context={"what": what},
        timeout=timeout,
    )


def statuses(answer: Any) -> dict[str, str]:
    return {each.feature: each.status for each in answer.values()}


def reason(answer: Any) -> str:
    return str(next(each.metadata.get("reason") for each in answer.values()))


def soon(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end


def is_gone(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state.rpartition(")")[2].split()[0] == "Z"


OTHERS = {"wild": "INVALID", "tame": "PRESENT", "price": "PRESENT"}


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("crash", "wild: its process ended, killed by SIGSEGV"),
        ("leave", "wild: its process ended, with status 7"),
    ],
    ids=["crash", "leave"],
)
def test_a_crash_spoils_one_feature_and_the_process_is_started_again(
    wild: hr.FeatureStore, what: str, why: str
) -> None:
    answer = ask(wild, what)
    assert (statuses(answer), reason(answer)) == (OTHERS, why)
    assert set(statuses(ask(wild, "fine")).values()) == {"PRESENT"}


def test_what_hangs_is_killed_at_the_deadline(wild: hr.FeatureStore) -> None:
    process = ask(wild, "fine").to_dict()["wild"][0]
    answer = ask(wild, "hang", timeout=0.3)
    assert statuses(answer)["wild"] == "INVALID"
    assert statuses(answer)["price"] == "PRESENT"
    assert reason(answer) == "deadline"
    assert [each.function for each in answer.overran] == ["wild@1"]
    assert is_gone(process)
    after = ask(wild, "fine")
    assert set(statuses(after).values()) == {"PRESENT"}
    assert after.to_dict()["wild"][0] != process


def test_short_deadlines_do_not_keep_a_process_from_starting(tmp_path: Path) -> None:
    with made(tmp_path, HEAD + WILD) as store:
        assert reason(ask(store, "fine", timeout=0.05)) == "deadline"
        soon(lambda: statuses(ask(store, "fine", timeout=0.2))["wild"] == "PRESENT")


def test_a_closed_store_leaves_no_process(wild: hr.FeatureStore) -> None:
    process = ask(wild, "fine").to_dict()["wild"][0]
    assert not is_gone(process)
    wild.close()
    assert is_gone(process)


@pytest.mark.parametrize("how", ["idle", "held"])
def test_a_killed_parent_leaves_no_process(tmp_path: Path, how: str) -> None:
    made(tmp_path, HEAD + WILD).close()
    script = (
        "import sys, headrace as hr\n"
        "from tests.project.test_isolated_functions import ask, again\n"
        "from pathlib import Path\n"
        "store = again(Path(sys.argv[1]))\n"
        "print(ask(store, 'fine').to_dict()['wild'][0], flush=True)\n"
        "ask(store, 'hold') if sys.argv[2] == 'held' else sys.stdin.read()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), how],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        process = int(parent.stdout.readline())
        if how == "held":  # it hangs in C, with Python's lock
            soon((tmp_path / "held").exists)
        assert not is_gone(process)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    soon(lambda: is_gone(process))


def test_what_the_files_do_not_define_is_invalid_and_says_so(tmp_path: Path) -> None:
    store = project(tmp_path, events(0, 10))
    (tmp_path / "features.py").write_text(
        "import headrace as hr\nother = hr.Entity('o', join_keys={'o': 'string'})\n"
    )
    (tmp_path / "elsewhere.py").write_text(HEAD + WILD)
    store.apply([newest(), *load_definitions(tmp_path, ("elsewhere.py",))])
    store.materialize(end=K)
    answer = ask(store, "fine")
    assert statuses(answer)["price"] == "PRESENT"
    assert "the project's files do not define it" in reason(answer)
    store.close()


def test_history_runs_it_here(wild: hr.FeatureStore) -> None:
    spine = [{"user_id": "u1", "ts": "2026-03-12T00:00:00Z", "what": "fine"}]
    found = wild.get_historical_features(spine, features=["wild", "tame"]).to_arrow()
    assert found["wild"].to_pylist() == [os.getpid()]
    assert found["tame"].to_pylist() == ["fine"]
