"""A project's settings: `headrace.toml` and the environment, read once and frozen.

::

    [project]
    name = "ads"                  # default: the directory's name
    definitions = "features.py"   # default; a file, glob or directory, or a list of them
    timezone = "UTC"              # default; days, weeks and months of calendar windows

    [registry]
    url = "sqlite:///.headrace/registry.db"     # default; or postgresql://user@host/database

    [offline]
    engine = "local"              # default; or "spark"
    memory = "4GB"                # default: the engine decides; of Spark on this machine, the heap
    master = "local[*]"           # default; where Spark runs
    partitions = 64               # default: two for each of Spark's cores

    [offline.spark]               # further settings, as Spark names them
    "spark.executor.memory" = "8g"

    [online]
    url = "lmdb:///.headrace/online"            # default; or a copy: redis://, rediss://, redis+cluster://
    fallback = "lmdb:///.headrace/online"       # default: none; read while a copy cannot be reached
    embedded = "lmdb:///.headrace/online"       # default; what is written, where url is a copy of it
    timeout = 2                                 # default; seconds until an answer of Redis is given up

    [serving]
    max_body = "4MB"              # default; the largest request taken
    max_entities = 10000          # default; how many entities one request may ask about
    request_timeout = 30          # default; seconds in which a request must have come whole
    log = ".headrace/served"      # default: none; the directory of the served log
    log_sample = 0.01             # default; the share of entities whose answers are logged
    log_by = "user_id"            # default: the entity of a request's first feature; its join keys
    log_salt = "ads"              # default: the project's name; which entities those are depends on it
    log_queue = 100000            # default; how many entities' answers may wait to be logged
    log_retention = "30d"         # default; how long the log is kept
    keys = "keys.toml"            # default: none; the API keys, made by `headrace serve --new-key NAME`
    jwt_keys = "https://idp.example.com/jwks"   # default: none; a URL or file of the keys that sign tokens
    jwt_issuer = "https://idp.example.com"      # who signs them
    jwt_audience = "headrace"     # what they call this server
    rate = 500                    # default: any; requests a second of one caller
    cors = ["https://ads.example.com"]          # default: none; whose web pages may ask
    audit = ".headrace/audit.jsonl"             # default; who wrote what
    look_at_every = 64            # default; of so many answers one is looked at for metrics of its values
    messages = "json"             # default: "text"; the form of what the server says on its error stream
    tell_requests = true          # default: false; whether it says a line for each request
    traces = true                 # default: false; whether spans go to an OpenTelemetry collector
    ingest = true                 # default: false; whether it follows the streams of sources too

`project = "ads"` and `definitions = "..."` at the top of the file are short forms. An environment variable
`HEADRACE_<SECTION>__<KEY>`, as in `HEADRACE_ONLINE__URL`, goes before the file. Paths are relative to the
project's directory wherever they are written; in a URL a path begins after the third slash, so an absolute
one makes it four.
"""

from __future__ import annotations

from headrace.config.file import FILE, find_project
from headrace.config.reading import read_settings
from headrace.config.settings import (
    Alerts,
    Monitoring,
    Offline,
    Online,
    Project,
    Registry,
    Serving,
    Settings,
)
from headrace.config.urls import path_of, without_password

__all__ = [
    "FILE",
    "Alerts",
    "Monitoring",
    "Offline",
    "Online",
    "Project",
    "Registry",
    "Serving",
    "Settings",
    "find_project",
    "path_of",
    "read_settings",
    "without_password",
]
