"""A project applied, loaded, pushed to, served and read by a process in which nothing may execute data.

An audit hook hears of every `exec`, `eval`, `compile`, `marshal` and unpickling in the process, C code and
references taken before included; entry points of `pickle` that tell no hook are replaced. Only what Python
itself runs to import a module is let through: the machinery of `importlib` is on the stack then.
"""

from __future__ import annotations

import asyncio
import marshal
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from types import FrameType

DEADLY = {"exec", "compile", "marshal.load", "marshal.loads", "pickle.find_class", "code.__new__"}
ROW = {
    "event_id": "pushed",
    "user_id": "u1",
    "ts": "2026-03-12T23:00:00Z",
    "price": 1.5,
    "fee": "2.5",
    "ad": 3,
    "place": "Zürich",
    "seen_at": None,
    "day": None,
    "raw": None,
    "paid": True,
}
heard: list[str] = []


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _where(frame: FrameType | None) -> str:
    lines = []
    while frame is not None and len(lines) < 6:
        lines.append(f"{frame.f_code.co_filename}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(lines)


def _hear(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in DEADLY and not _importing(frame := sys._getframe(1)):  # noqa: SLF001 - the way to a stack
        heard.append(f"{event} at {_where(frame)}")


def _refuse(*_: Any, **__: Any) -> NoReturn:
    heard.append(f"unpickling at {_where(sys._getframe(1))}")  # noqa: SLF001 - as above
    raise AssertionError("something is unpickled")


def watch() -> None:
    """From here on, hear of everything."""
    pickle.load = pickle.loads = pickle._load = pickle._loads = _refuse  # noqa: SLF001 - these as well
    pickle.Unpickler = type("Unpickler", (pickle.Unpickler,), {"load": _refuse})
    pickle._Unpickler.load = _refuse  # noqa: SLF001 - as above
    sys.addaudithook(_hear)


def work(directory: Path) -> None:
    """All that a project does with what it reads."""
    import httpx

    from headrace.server.app import application
    from tests.server.shop import FEATURES, NOW, USERS, build, opened

    build(directory)
    users = {"user_id": [*USERS, "nobody"]}
    with opened(directory) as store:
        asked = store.get_online_features(FEATURES, users, context={"bid": 1.0}, full_feature_names=True)
        assert "PRESENT" in str(asked.document())
        spine = [{"user_id": name, "ts": NOW, "bid": 1.0} for name in USERS]
        rows = store.get_historical_features(spine, features=FEATURES, full_feature_names=True).to_arrow()
        assert rows.num_rows == len(USERS)
    asyncio.run(over_http(application(directory, directory), httpx))


async def over_http(app: Any, httpx: Any) -> None:
    """The same from the wire, JSON and Arrow, and a pickle in place of each."""
    transport = httpx.ASGITransport(app=app)
    bomb = pickle.dumps(print)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        asked = {"feature_service": "shop", "entities": {"user_id": ["u1"]}, "context": {"bid": 2.0}}
        for accept in ("application/json", "application/vnd.apache.arrow.stream"):
            answer = await client.post("/get-online-features", json=asked, headers={"accept": accept})
            assert answer.status_code == httpx.codes.OK, answer.text
        for path in ("/get-online-features", "/push"):
            assert (await client.post(path, content=bomb)).status_code == httpx.codes.BAD_REQUEST
        pushed = await client.post("/push", json={"source": "clicks", "rows": [ROW]})
        assert pushed.status_code == httpx.codes.OK, pushed.text


def bites() -> None:
    """That each of these would be heard."""
    before = len(heard)
    code = compile("1", "x", "eval")
    eval(code)  # noqa: S307 - it is to be heard
    marshal.loads(marshal.dumps(code))  # noqa: S302 - it is to be heard
    assert len(heard) >= before + 3, heard
    try:
        pickle.loads(b"")  # noqa: S301 - it is to be heard
    except AssertionError:
        del heard[before:]
    else:
        raise SystemExit("unpickling was not heard")


if __name__ == "__main__":
    watch()
    bites()
    work(Path(sys.argv[1]))
    sys.stdout.write("\n".join(heard) or "nothing")
