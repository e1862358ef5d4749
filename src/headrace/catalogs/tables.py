"""The tables of a registry in a database, and the version of their layout.

Revisions and audit lines are only ever inserted; what is declared and active now are the only rows that
change. When a version was created, and what its newest revision is, follow from the revisions, so no row can
contradict them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

__all__ = [
    "LAYOUT",
    "METADATA",
    "MIGRATION",
    "active",
    "audit",
    "declared",
    "layout",
    "migration",
    "revisions",
    "runs",
    "state",
]

LAYOUT = 1
"""Raised by every migration after which an older Headrace could not go on."""

MIGRATION = "0002"
"""The newest of `migrations/`: what these tables are. Migrations are numbered, one after the other."""

METADATA = MetaData()

layout = Table("headrace_layout", METADATA, Column("layout", Integer, primary_key=True, autoincrement=False))
"""One row; every Headrace, however old, can read it."""

migration = Table(
    "headrace_migration",
    METADATA,
    Column("version_num", String(32), nullable=False),  # as Alembic has it
    PrimaryKeyConstraint("version_num", name="headrace_migration_pkc"),
)
"""One row: the newest migration that was run. A registry of before migrations has no such table."""

state = Table(
    "headrace_state",
    METADATA,
    Column("one", Boolean, primary_key=True),
    Column("counter", BigInteger, nullable=False),
)
"""One row: its update is what concurrent commits meet on."""


def _version() -> tuple[Column[str], Column[str], Column[str]]:
    return (
        Column("kind", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("version", Text, nullable=False),
    )


revisions = Table(
    "headrace_revisions",
    METADATA,
    *_version(),
    Column("number", Integer, nullable=False),
    Column("change", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("counter", BigInteger, nullable=False),
    PrimaryKeyConstraint("kind", "name", "version", "number"),
)

declared = Table("headrace_declared", METADATA, *_version(), PrimaryKeyConstraint("kind", "name", "version"))

active = Table(
    "headrace_active",
    METADATA,
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("versions", Text, nullable=False),  # JSON list, the last is active
    Column("how", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("kind", "name"),
)

audit = Table(
    "headrace_audit",
    METADATA,
    Column("counter", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("action", Text, nullable=False),
    *_version(),
    Column("note", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("counter", "position"),
)

runs = Table(
    "headrace_runs",
    METADATA,
    *_version(),
    Column("end", BigInteger, nullable=False),
    Column("finished", BigInteger, nullable=False),
    Column("details", Text, nullable=False),
    PrimaryKeyConstraint("kind", "name", "version"),
)
