"""What every test shares: the seed of the run, how hard drawn cases try, and real services."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.effort import FACTOR, SOAKING

if TYPE_CHECKING:
    from collections.abc import Sequence

pytest_plugins = [
    "tests.services.kafka",
    "tests.services.postgres",
    "tests.services.redis",
    "tests.services.spark",
]

hypothesis.settings.register_profile(
    "default",
    deadline=None,  # two busy cores stretch any single example
    print_blob=True,  # a failure on another machine can be replayed here
)
hypothesis.settings.register_profile(
    "soak",
    parent=hypothesis.settings.get_profile("default"),
    max_examples=FACTOR * hypothesis.settings.get_profile("default").max_examples,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("soak" if SOAKING else "default")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Give the run one seed, drawn here unless asked for, that the header names and all workers share."""
    if config.getoption("hypothesis_seed") is None:
        config.option.hypothesis_seed = str(random.SystemRandom().randrange(2**32))


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.getoption('hypothesis_seed')} (repeat it with --hypothesis-seed)"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave `soak(only=True)` tests to `make soak`."""
    if SOAKING:
        return
    waiting = [item for item in items if _only_in_soak(item)]
    if waiting:
        config.hook.pytest_deselected(items=waiting)
        items[:] = [item for item in items if item not in waiting]


def _only_in_soak(item: pytest.Item) -> bool:
    marks: Sequence[pytest.Mark] = list(item.iter_markers("soak"))
    return any(mark.kwargs.get("only", False) for mark in marks)


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The run's seed, for generators that hypothesis does not drive."""
    return int(pytestconfig.getoption("hypothesis_seed"))


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the caller's HEADRACE_* settings out of the projects that tests make."""
    for name in [name for name in os.environ if name.startswith("HEADRACE_")]:
        monkeypatch.delenv(name)
