"""Of all who would keep a copy current one does, and the next when it ends."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import pytest

from headrace.errors import UnreachableError
from headrace.online.keeping import Keeper
from headrace.stores.turn import Turn

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.online.copying import CopiedStore

PATIENCE = 20.0


class Watched:
    """Stands for a copied store: tells that it was looked at."""

    def __init__(self) -> None:
        self.looked = threading.Event()
        self.fails: Exception | None = None

    def catch_up(self, *, insist: bool = False) -> bool:
        self.looked.set()
        if self.fails is not None and insist:
            raise self.fails
        return True

    def opened(self) -> CopiedStore:
        return self  # type: ignore[return-value]


def test_one_looks_and_when_it_ends_the_next(tmp_path: Path) -> None:
    lock = tmp_path / "keeping.lock"
    stores = [Watched(), Watched()]
    first, second = (
        Keeper(each.opened, Turn(lock).if_free, random.Random(seed)) for seed, each in enumerate(stores)
    )
    with first.running():
        assert stores[0].looked.wait(PATIENCE)
        with second.running():
            stores[0].looked.clear()
            assert stores[0].looked.wait(PATIENCE), "it looks again and again"
            assert not stores[1].looked.is_set()
            first.stop()
            assert stores[1].looked.wait(PATIENCE)


def test_without_a_store_on_this_host_nobody_looks(tmp_path: Path) -> None:
    with Turn(tmp_path / "none" / "keeping.lock").if_free() as mine:
        assert not mine
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("trouble", [UnreachableError("It is away."), RuntimeError("It is away.")])
def test_trouble_is_told_once_and_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, trouble: Exception
) -> None:
    store = Watched()
    keeper = Keeper(store.opened, Turn(tmp_path / "lock").if_free)
    for fails in (None, trouble, trouble, None, None):
        store.fails = fails
        keeper.look()
    told = [f"{record.getMessage()} {record.exc_info}" for record in caplog.records]
    assert len(told) == 2
    assert "It is away." in told[0]
