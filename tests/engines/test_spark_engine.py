"""The Spark engine, on a real Spark: it answers as every engine does, in any zone, in bounded memory."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace as hr
from headrace import agg
from headrace.definitions.source import EventSource
from headrace.engines.local.engine import LocalEngine
from headrace.engines.spark.engine import SparkEngine
from headrace.engines.spark.failures import carried, sending
from headrace.engines.spark.session import unworried
from headrace.errors import StoreError
from headrace.kernel.binding import AggregateBinding
from headrace.kernel.plan import compile_view
from headrace.ports.engine import Asked
from headrace.schema import Schema
from headrace.testing.driving import answers_of
from headrace.testing.engine import EngineSuite
from tests.effort import SOAKING, cases
from tests.services.spark import MASTER

pytestmark = [pytest.mark.xdist_group("spark"), pytest.mark.usefixtures("spark")]

SMALL = {"spark.sql.execution.arrow.maxRecordsPerBatch": "61"}
"""Batches so small that most entities span several."""

START, DAY = 1_767_225_600_000_000, 86_400_000_000


@pytest.fixture
def engine(tmp_path: Path) -> SparkEngine:
    return SparkEngine(tmp_path, LocalEngine(tmp_path), master=MASTER, partitions=2, settings=SMALL)


@pytest.mark.soak
class TestSparkEngine(EngineSuite):
    """The suite of every engine."""

    views = cases(2)

    @pytest.fixture
    def engine(self, engine: SparkEngine) -> SparkEngine:
        return engine


def _quiet(what: str, share: float) -> None:
    """Nobody watches."""


def _hot(n: int, directory: Path) -> Asked:
    """A question about `n` late events of days, half of them of one user."""
    rng = np.random.default_rng(n)
    time = START + rng.integers(0, 10 * DAY, n)
    late = np.where(rng.random(n) < 0.3, rng.exponential(DAY // 4, n).astype(np.int64), 0)
    instant = pa.timestamp("us", "UTC")
    log = pa.table(
        {
            "user": pa.array(np.where(rng.random(n) < 0.5, 0, rng.integers(1, n // 15, n))).cast(pa.string()),
            "ts": pa.array(time).cast(instant),
            "received": pa.array(time + late).cast(instant),
            "price": rng.random(n),
            "word": pa.array(rng.integers(0, 20, n)).cast(pa.string()),
        }
    )
    pq.write_table(log, directory / "log.parquet")
    schema = Schema(
        {"user": "string", "ts": "timestamp", "received": "timestamp", "price": "double", "word": "string"}
    )
    windows = ["1h", "1d", "7d"]
    features = [
        agg.count("clicks", where="word = '3'", windows=windows),
        agg.sum("spent", "price", windows=windows),
        agg.last("word", "word", windows=["7d"]),
    ]
    source = EventSource("log", timestamp="ts", available_at="received", batch=str(directory / "log.parquet"))
    plan = compile_view(features, schema)
    binding = AggregateBinding("view", "1", Schema({"user": "string"}), source, schema, plan=plan)
    users = pa.array(rng.integers(0, n // 15, n // 20) * (rng.random(n // 20) < 0.5)).cast(pa.string())
    t = START + rng.integers(0, 11 * DAY, n // 20)
    return Asked(binding, list(binding.feature_types), pa.table({"user": users}), t)


def _peaks() -> list[int]:
    """The most memory that each Python worker of our own Spark has had, in bytes."""
    found: dict[int, tuple[int, int, bytes]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "status").read_text()
            words = (process / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        status = dict(line.split(":", 1) for line in text.splitlines())
        peak = int(status.get("VmHWM", "0 kB").split()[0]) << 10
        found[int(process.name)] = int(status["PPid"]), peak, words

    def ours(pid: int) -> bool:
        while pid in found and pid != os.getpid():
            pid = found[pid][0]
        return pid == os.getpid()

    return [peak for pid, (_, peak, words) in found.items() if b"pyspark.daemon" in words and ours(pid)]


@pytest.mark.soak
def test_an_entity_with_half_of_all_events_takes_no_more_memory(tmp_path: Path) -> None:
    """Its events, a gigabyte of states and more, come to the worker in batches; only tiles are carried."""
    n = 3_000_000 if SOAKING else 200_000
    asked = _hot(n, tmp_path)
    local = LocalEngine(tmp_path)
    columns, left_out, newest = SparkEngine(tmp_path, local, master=MASTER).features(asked, _quiet)
    expected = local.features(asked, _quiet)
    assert (left_out, newest) == (expected.left_out, expected.newest)
    for name, column in expected.columns.items():
        assert columns[name].status.tolist() == column.status.tolist()
        assert columns[name].newest.tolist() == column.newest.tolist()
        if column.values.type == pa.float64():
            assert np.allclose(columns[name].values, column.values, rtol=1e-9, equal_nan=True)
        else:
            assert columns[name].values.equals(column.values)
    peaks = _peaks()
    assert peaks
    assert max(peaks) < 600 << 20, [peak >> 20 for peak in peaks]


def test_the_session_s_zone_changes_nothing(tmp_path: Path) -> None:
    asked = _hot(3_000, tmp_path)
    found = []
    for zone in ("UTC", "America/St_Johns", "Asia/Kathmandu"):
        settings = {"spark.sql.session.timeZone": zone}
        engine = SparkEngine(tmp_path, LocalEngine(tmp_path), master=MASTER, partitions=2, settings=settings)
        found.append(answers_of(engine.features(asked, _quiet).columns))
    assert found[0] == found[1] == found[2]


def test_settings_of_other_sessions_are_left_alone(spark, engine: SparkEngine, tmp_path: Path) -> None:
    spark.conf.set("spark.sql.session.timeZone", "Asia/Kathmandu")
    engine.features(_hot(1_000, tmp_path), _quiet)
    assert spark.conf.get("spark.sql.session.timeZone") == "Asia/Kathmandu"


def test_workers_run_in_the_python_that_asks(spark) -> None:
    """Whatever `python3` is on the search path."""
    assert spark.sparkContext.pythonExec == os.environ.get("PYSPARK_PYTHON", sys.executable)


def _dear(price: float) -> bool:
    return price > 0.5


def test_a_rule_in_python_is_refused_before_anything_is_read(engine: SparkEngine, tmp_path: Path) -> None:
    asked = _hot(1_000, tmp_path)
    rule = hr.rules.custom("dear", _dear, column="price")
    source = dataclasses.replace(asked.binding.source, rules=(rule,))
    binding = dataclasses.replace(asked.binding, source=source)
    with pytest.raises(StoreError, match="cannot be judged in Spark's workers") as caught:
        engine.features(asked._replace(binding=binding), _quiet)
    assert "SQL" in caught.value.remedy


@pytest.mark.parametrize("in_memory", [False, True])
def test_what_repeats_in_any_file_is_left_out_as_it_is_here(
    engine: SparkEngine, tmp_path: Path, *, in_memory: bool
) -> None:
    asked = _hot(2_000, tmp_path)
    log = pq.read_table(tmp_path / "log.parquet")
    # Of every value but one, rows in both files; some break another rule, and are first for nobody.
    word = pa.array(np.random.default_rng(5).integers(0, 700, log.num_rows)).cast(pa.string())
    log = log.set_column(log.column_names.index("word"), "word", word)
    for place in range(2):
        pq.write_table(log.slice(place * 1_000, 1_000), tmp_path / f"part{place}.parquet")
    rules = (hr.rules.unique("word"), hr.rules.range("price", max=0.9))
    batch = log if in_memory else str(tmp_path / "part*.parquet")
    source = EventSource("log", timestamp="ts", available_at="received", batch=batch, rules=rules)
    binding = dataclasses.replace(asked.binding, source=source)
    names = [name for name in asked.names if not name.startswith("spent")]  # sums of doubles agree nearly
    asked = asked._replace(binding=binding, names=names)
    here, there = LocalEngine(tmp_path).features(asked, _quiet), engine.features(asked, _quiet)
    assert here.left_out == there.left_out
    assert here.left_out["unique(word)"] > 900
    assert answers_of(there.columns) == answers_of(here.columns)


def test_a_worker_that_fails_is_a_store_error_that_says_why(spark) -> None:
    class Failing:
        def run(self, batches):
            for _ in batches:
                raise ValueError("there is no such thing")
            return iter(())

    numbers = spark.range(4)
    with (
        pytest.raises(StoreError, match="Spark failed: ValueError: there is no such thing"),
        carried(),
        unworried(),
    ):
        numbers.mapInArrow(sending(Failing()), "id bigint").collect()


def test_a_project_answers_on_spark_as_it_does_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the facade: two views, one of them of latest values, and the manifest names the engine."""
    _hot(2_000, tmp_path)
    (tmp_path / "headrace.toml").write_text('[offline]\nmaster = "local[2]"\npartitions = 2\n')
    user = hr.Entity("user", join_keys={"user": "string"})
    log = hr.EventSource(
        "log", batch="log.parquet", timestamp="ts", available_at="received", serving_delay="2s"
    )
    spending = hr.AggregateView(
        "spending", entity=user, source=log, features=[agg.sum("spent", "price", windows=["1d"])]
    )
    profile = hr.LatestView("profile", entity=user, source=log, features=["word"], ttl="3d")
    spine = {"user": ["0", "1", None, "77", "0"], "ts": [START + 5 * DAY + each * DAY for each in range(5)]}
    answers = {}
    for engine in ("local", "spark"):
        monkeypatch.setenv("HEADRACE_OFFLINE__ENGINE", engine)
        with hr.FeatureStore(tmp_path) as store:
            store.apply([user, log, spending, profile])
            dataset = store.get_historical_features(
                pa.table(spine), features=["spending:spent_1d", "profile:word"], timestamp="ts"
            )
            answers[engine] = dataset.to_arrow().to_pydict()
            assert dataset.manifest["engine"] == engine
    spent, again = (answers[engine].pop("spent_1d") for engine in ("local", "spark"))
    assert again == pytest.approx(spent, rel=1e-9)
    assert answers["spark"] == answers["local"]
