"""The project that `headrace init` writes: settings, features, their tests, and made-up shopping."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING

from headrace.clock import DAY, HOUR, MINUTE, SECOND, format_instant
from headrace.errors import ConflictError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_project"]

USERS, ADS, DAYS = 50, 12, 14
AGES = ("18-24", "25-34", "35-49", "50+")
COUNTRIES = ("AT", "DE", "FR", "IT", "PL")
SEED = 20260131


@dataclass
class _Log:
    """Rows of the files, as they are made up."""

    events: list[str] = field(default_factory=list)
    spine: list[str] = field(default_factory=list)

    def add(self, user: str, ad: str, event: str, price: str, at: int) -> None:
        self.events.append(f"e{len(self.events):05d},{user},{ad},{event},{price},{format_instant(at)}")


def write_project(directory: Path, name: str, now: int) -> list[str]:
    """Write a project.

    Args:
        directory: Where to; made if missing.
        name: The project's name.
        now: The events end two hours before this instant, microseconds UTC.

    Returns:
        The files, relative to the directory.

    Raises:
        ConflictError: One of the files is there already; nothing is written.
        StoreError: The directory cannot be written.
    """
    files = _starter(name) | _made_up(now)
    taken = [file for file in files if (directory / file).exists()]
    if taken:
        raise ConflictError(
            f"{directory / taken[0]} is there already; nothing was written.",
            asked=directory,
            remedy="Choose another directory, or move the file away.",
        )
    fresh = [place for place in {(directory / file).parent for file in files} if not place.exists()]
    done: list[Path] = []
    try:
        for file, text in files.items():
            path = directory / file
            path.parent.mkdir(parents=True, exist_ok=True)
            done.append(path)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        for path in done:
            path.unlink(missing_ok=True)
        for place in fresh:
            shutil.rmtree(place, ignore_errors=True)
        raise StoreError(
            f"{directory} cannot be written: {error.strerror}.",
            asked=directory,
            remedy="Choose another directory.",
        ) from None
    return list(files)


def _starter(name: str) -> dict[str, str]:
    shipped = resources.files("headrace.cli") / "starter"
    settings = (shipped / "headrace.toml").read_text(encoding="utf-8")
    return {
        "headrace.toml": settings.replace('"{name}"', json.dumps(name, ensure_ascii=False)),
        "features.py": (shipped / "features.py.txt").read_text(encoding="utf-8"),
        "tests/user_ads.yaml": (shipped / "tests" / "user_ads.yaml").read_text(encoding="utf-8"),
        ".gitignore": ".headrace/\n",
    }


def _made_up(now: int) -> dict[str, str]:
    """Two weeks of impressions and clicks: some users click often, some ads are clicked often."""
    draw = random.Random(SEED)  # noqa: S311 - made-up data, the same for everybody
    end = (now - 2 * HOUR) // SECOND * SECOND
    users = {f"u{i + 1:03d}": draw.uniform(0.02, 0.25) for i in range(USERS)}
    ads = {f"ad{i + 1:02d}": draw.uniform(0.4, 1.8) for i in range(ADS)}
    log = _Log()
    for at in sorted(end - draw.randrange(DAYS * DAY // SECOND) * SECOND for _ in range(USERS * 40)):
        user, ad = draw.choice(list(users)), draw.choice(list(ads))
        price = f"{draw.uniform(0.05, 0.6):.4f}"
        log.add(user, ad, "impression", "0", at)
        clicked = draw.random() < users[user] * ads[ad]
        if clicked:
            log.add(user, ad, "click", price, at + draw.randrange(2, 90) * SECOND)
        if at > end - 5 * DAY and draw.random() < 0.3:
            log.spine.append(f"{user},{format_instant(at)},{int(clicked)}")
    profiles = [
        f"{user},{draw.choice(AGES)},{draw.choice(COUNTRIES)},{format_instant(end - (DAYS + 1) * DAY)}"
        for user in users
    ]
    return {
        "data/ad_interactions.csv": _csv("event_id,user_id,ad_id,event,price,ts", log.events),
        "data/profiles.csv": _csv("user_id,age_group,country,updated_at", profiles),
        "data/spine.csv": _csv("user_id,ts,clicked", log.spine),
        "data/new_events.jsonl": _new_events(now // SECOND * SECOND),
    }


def _csv(head: str, rows: list[str]) -> str:
    return "\n".join([head, *rows, ""])


def _new_events(now: int) -> str:
    """What one user did in the last minutes, to be pushed."""
    events = [
        {
            "event_id": "n1",
            "ad_id": "ad03",
            "event": "impression",
            "price": "0",
            "ts": format_instant(now - 5 * MINUTE),
        },
        {
            "event_id": "n2",
            "ad_id": "ad03",
            "event": "click",
            "price": "0.25",
            "ts": format_instant(now - 4 * MINUTE),
        },
    ]
    return "".join(json.dumps({"user_id": "u001", **event}) + "\n" for event in events)
