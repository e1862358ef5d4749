"""The floor under ingestion into LMDB: the same bytes, read and written by the driver alone."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import lmdb

from bench.streaming.ours import from_file
from headrace.stores.lmdb_transaction import LmdbTransaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_MAP_BYTES = 1 << 36


class _Batch:
    """What one transaction reads and writes."""

    def __init__(self) -> None:
        self.gets: list[bytes] = []
        self.puts: list[tuple[bytes, bytes]] = []


def get_and_put(*, events: int, users: int, zipf: bool = False) -> Callable[[], object]:
    """What ingestion of so many events reads and writes, batch by batch in transactions of the same size."""
    batches: list[_Batch] = []
    begin, get, put = LmdbTransaction.__enter__, LmdbTransaction.multi_get, LmdbTransaction.multi_put

    def enter(self: LmdbTransaction) -> Any:
        batches.append(_Batch())
        return begin(self)

    def multi_get(self: LmdbTransaction, keys: Sequence[bytes]) -> list[bytes | None]:
        batches[-1].gets += keys
        return get(self, keys)

    def multi_put(
        self: LmdbTransaction, items: Iterable[tuple[bytes, bytes]], *, expire_at: int | None = None
    ) -> None:
        items = list(items)
        batches[-1].puts += items
        put(self, items, expire_at=expire_at)

    ingest = from_file(events=events, users=users, zipf=zipf)
    LmdbTransaction.__enter__, LmdbTransaction.multi_get = enter, multi_get  # type: ignore[method-assign]
    LmdbTransaction.multi_put = multi_put  # type: ignore[method-assign]
    ingest()
    home = tempfile.mkdtemp(prefix="hr-raw-")
    environment = lmdb.open(home, map_size=_MAP_BYTES, sync=False, max_dbs=0)

    def write() -> None:
        for batch in batches:
            with environment.begin(write=True) as tx:
                for key in batch.gets:
                    tx.get(key)
                with tx.cursor() as cursor:
                    cursor.putmulti(batch.puts)

    return write
