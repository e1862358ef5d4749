"""Feast's Python server over the same values, in an environment of its own that the bench installs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from bench import ours
from bench.experiment import NotThereYetError
from bench.inputs import CACHE
from bench.rivals.in_redis import a_redis
from bench.serving.processes import free_port
from bench.serving.sides import requests_for, started_server, under_load

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.inputs import Inputs
    from bench.serving.loaded import Loaded

VERSION: Final = "0.67.0"
HOME: Final = CACHE / f"feast-{VERSION}"
INSTALL_SECONDS: Final = 900

SETTINGS: Final = """\
project: bench
registry: registry.db
provider: local
online_store:
  {online}
offline_store:
  type: file
entity_key_serialization_version: 3
"""

DEFINITIONS: Final = """\
from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float64

user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
table = FileSource(path={path!r}, timestamp_field="updated_at")
view = FeatureView(
    name="view", entities=[user], ttl=timedelta(days=3650), source=table, online=True,
    schema=[Field(name=name, dtype=Float64) for name in {columns!r}],
)
"""


def require() -> None:
    """Install Feast, unless it was; its environment is kept for later runs.

    Raises:
        NotThereYetError: It cannot be installed.
    """
    if (HOME / "installed").exists():
        return
    shutil.rmtree(HOME, ignore_errors=True)
    pip = [HOME / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run([sys.executable, "-m", "venv", HOME], check=True, capture_output=True)
        subprocess.run(
            [*pip, f"feast[redis]=={VERSION}"], check=True, capture_output=True, timeout=INSTALL_SECONDS
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise NotThereYetError(f"Feast {VERSION} cannot be installed here: {type(error).__name__}") from error
    (HOME / "installed").touch()


def latest(inputs: Inputs, *, entities: int = 1, redis: bool = False) -> Callable[[], Loaded]:
    """All profile columns of some users, from Redis or from SQLite."""
    columns = ours.columns_of_profiles(inputs)
    home = (inputs.cache / "feast-project").resolve()
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    online = "type: sqlite\n  path: online.db"
    if redis:
        online = f'type: redis\n  connection_string: "{a_redis().removeprefix("redis://").partition("/")[0]}"'
    (home / "feature_store.yaml").write_text(SETTINGS.format(online=online))
    (home / "features.py").write_text(
        DEFINITIONS.format(path=str(inputs.profiles.resolve()), columns=columns)
    )
    feast = HOME.resolve() / "bin" / "feast"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    quiet = {**clean, "FEAST_USAGE": "False"}
    subprocess.run([feast, "apply"], cwd=home, env=quiet, check=True, capture_output=True)
    subprocess.run(
        [feast, "materialize", "2025-01-01T00:00:00", "2027-01-01T00:00:00"],
        cwd=home,
        env=quiet,
        check=True,
        capture_output=True,
    )
    port = free_port()
    # a worker that ends after a thousand requests, as is its default, would not be a server under load
    words = [feast, "serve", "--port", port, "--no-access-log", "--max-requests", 0]
    server = started_server(words, port, home, PYTHONPATH="", FEAST_USAGE="False")
    return under_load(server, port, requests_for(inputs, entities, ours.references_of_profiles(inputs)))
