"""No secret gets into a definition, and so none into the registry."""

from __future__ import annotations

import pytest

import headrace as hr
from headrace.definitions.address import NO_SECRETS, holds_secret
from tests.definitions.refusals import refused
from tests.definitions.samples import events

SECRETS = (
    "kafka://me:hunter2@host:9092",
    "redis://:hunter2@host:6379/0",
    "redis://me:hunter/2@host",
    "redis://one:1,me:hunter2@two:2",
    "redis://me:12345@host",
    "s3://key:hunter2@bucket/ads.parquet",
    "postgresql://host/db?user=me&password=hunter2",
    "postgresql://host/db user=me Password = hunter2",
    "https://host/ads.csv?sv=1&sig=hunter2",
    "s3://bucket/ads.csv?X-Amz-Signature=hunter2",
    "s3://bucket/ads.csv?s3_secret_access_key=hunter2",
)
OPEN = (
    "redis://localhost:6379",
    "redis://me@host/0",
    "redis://me:@host",
    "postgresql://me@host:5432/db",
    "http://host:8080/a@b.csv",
    "http://[::1]:80/a@b.csv",
    "s3://bucket/a:b/c@d.parquet",
    "s3://bucket/password=1/*.parquet",
    "https://host/ads.csv?page=2&design=3",
    "C:/ads@home/*.csv",
    "data/me:you@home.csv",
    "rows password=1.csv",
)


@pytest.mark.parametrize("address", SECRETS)
def test_a_secret_is_seen(address: str) -> None:
    assert holds_secret(address)
    assert holds_secret(address, bare=True)


@pytest.mark.parametrize("address", OPEN)
def test_what_is_none_is_let_through(address: str) -> None:
    assert not holds_secret(address)
    assert events(batch=address).batch == address


def test_brokers_have_no_scheme() -> None:
    assert holds_secret("me:hunter2@host:9092", bare=True)
    assert holds_secret("one:9092,me:hunter2@two:9092", bare=True)
    assert not holds_secret("one:9092,two:9092", bare=True)
    assert not holds_secret("localhost", bare=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: hr.EventSource("ads", SECRETS[-1], schema={"ts": "timestamp"}, timestamp="ts"),
        lambda: hr.TableSource("ads", SECRETS[6], schema={"ts": "timestamp"}, timestamp="ts"),
        lambda: hr.EventSource("ads", schema={"ts": "timestamp"}, timestamp="ts", stream=SECRETS[0]),  # type: ignore[arg-type]
        lambda: hr.KafkaStream("ads", brokers="one:9092,me:hunter2@two:9092"),
        lambda: hr.RedisStream("ads", url=SECRETS[1]),
        lambda: hr.JsonLinesStream("https://me:hunter2@host/ads.jsonl"),
    ],
)
def test_a_definition_with_a_secret_is_refused_and_does_not_repeat_it(make) -> None:
    error = refused(make, "holds a password")
    assert "hunter2" not in str(error) + repr(error)
    assert error.remedy == NO_SECRETS
