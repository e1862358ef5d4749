"""The first layout of a registry, written out: what databases of before migrations hold."""

from __future__ import annotations

_WRITTEN = """
CREATE TABLE headrace_layout (layout INTEGER NOT NULL, PRIMARY KEY (layout));
CREATE TABLE headrace_state (one BOOLEAN NOT NULL, counter BIGINT NOT NULL, PRIMARY KEY (one));
CREATE TABLE headrace_revisions (kind TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
  number INTEGER NOT NULL, change TEXT NOT NULL, content TEXT NOT NULL, who TEXT NOT NULL, at BIGINT NOT NULL,
  counter BIGINT NOT NULL, PRIMARY KEY (kind, name, version, number));
CREATE TABLE headrace_declared (kind TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
  PRIMARY KEY (kind, name, version));
CREATE TABLE headrace_active (kind TEXT NOT NULL, name TEXT NOT NULL, versions TEXT NOT NULL,
  how TEXT NOT NULL, who TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (kind, name));
CREATE TABLE headrace_audit (counter BIGINT NOT NULL, position INTEGER NOT NULL, action TEXT NOT NULL,
  kind TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, note TEXT NOT NULL, who TEXT NOT NULL,
  at BIGINT NOT NULL, PRIMARY KEY (counter, position));
CREATE TABLE headrace_runs (kind TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
  "end" BIGINT NOT NULL, finished BIGINT NOT NULL, details TEXT NOT NULL, PRIMARY KEY (kind, name, version));
INSERT INTO headrace_layout VALUES (1);
INSERT INTO headrace_state VALUES (TRUE, 0)
"""
FIRST_LAYOUT = tuple(_WRITTEN.split(";"))
TABLES = ("state", "revisions", "declared", "active", "audit", "runs")
