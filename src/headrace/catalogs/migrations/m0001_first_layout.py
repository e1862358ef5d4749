"""The tables of before migrations: a registry of that time is stamped with this, which does nothing."""

from __future__ import annotations

__all__ = ["down_revision", "revision", "upgrade"]

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Leave everything as it is."""
