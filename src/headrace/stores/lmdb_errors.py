"""What LMDB and the file system say, in words that name the cause and the way out."""

from __future__ import annotations

import errno

import lmdb

from headrace.errors import DataError, HeadraceError, StoreError

__all__ = ["explain", "explain_path"]

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NOT_A_DIRECTORY = {errno.ENOTDIR, errno.EEXIST}

_BY_CLASS: dict[type[lmdb.Error], tuple[str, str]] = {
    lmdb.InvalidError: (
        "{path} holds files that are no LMDB database.",
        "Choose another directory, or move these files away.",
    ),
    lmdb.VersionMismatchError: (
        "The database at {path} was written by an LMDB that this one cannot read.",
        "Use the LMDB that wrote it, or load a new store.",
    ),
    lmdb.CorruptedError: (
        "The database at {path} is damaged.",
        "Move it away and load a new one; the offline source is the record.",
    ),
    lmdb.PageNotFoundError: (
        "The database at {path} is damaged.",
        "Move it away and load a new one; the offline source is the record.",
    ),
    lmdb.PanicError: (
        "An earlier write to {path} failed half-way at the disk.",
        "Look after the disk, then start this process anew; the last good state is kept.",
    ),
    lmdb.ReadersFullError: (
        "Too many reads of {path} are open at once.",
        "Open the store with a larger max_readers, in every process, after all have closed it.",
    ),
    lmdb.TxnFullError: (
        "One transaction on {path} changed more than LMDB can hold.",
        "Write in smaller batches.",
    ),
    lmdb.MemoryError: (
        "The map of {path} does not fit into this process's address space.",
        "Open the store with a smaller map_size, or raise the limit (ulimit -v).",
    ),
}


def explain(error: lmdb.Error, path: str) -> HeadraceError:
    """The error to raise instead of one of LMDB's."""
    if isinstance(error, lmdb.BadValsizeError):
        return DataError(
            "A key is empty, or a value is over 4 GiB.",
            remedy="Encode keys with headrace.keys; split the value.",
        )
    known = _BY_CLASS.get(type(error))
    if known is not None:
        return StoreError(known[0].format(path=path), asked=path, remedy=known[1])
    return explain_path(error.code, str(error), path)


def explain_path(code: int | None, text: str, path: str) -> StoreError:
    """The error for an errno that the file system gave for a store's directory or a file in it."""
    if code in _NO_SPACE:
        message, remedy = (
            f"The disk of {path} is full; this write is undone.",
            "Free space, then write again.",
        )
    elif code in _NOT_ALLOWED:
        message = f"This process may not use {path}: {text}."
        remedy = "Let its user write to the directory and the files in it: readers too use lock.mdb."
    elif code in _NOT_A_DIRECTORY:
        message, remedy = f"{path} is a file, or lies under one.", "Give a directory."
    elif code == errno.EIO:  # what LMDB says of a write that the disk took only in part
        message = f"The disk of {path} is full, or fails; this write is undone."
        remedy = "Free space, then write again; if there is space, look after the disk."
    elif code == errno.ENOENT:
        message, remedy = f"There is no store at {path} yet.", "Load something into it first."
    else:
        message, remedy = f"The store at {path} failed: {text}.", "See what the system says about its disk."
    return StoreError(message, asked=path, remedy=remedy)
