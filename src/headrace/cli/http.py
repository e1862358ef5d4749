"""`headrace serve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli import output
from headrace.cli.store import opened
from headrace.cli.verb import DONE, verb
from headrace.config import read_settings
from headrace.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.config import Settings

__all__ = ["serve"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@verb
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=6566,
    show_default=True,
    help="The port; 0 for a free one.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="How many processes answer."
)
@click.option("--ingest", is_flag=True, help="Follow the streams of sources too, in a process beside.")
@click.option("--tls-cert", type=_FILE, help="Serve https with this certificate (PEM).")
@click.option("--tls-key", type=_FILE, help="The certificate's private key (PEM).")
@click.option("--insecure", is_flag=True, help="Serve everybody who reaches the address, without keys.")
@click.option("--new-key", metavar="NAME", help="Make an API key of this name, show it once, and end.")
@click.option(
    "--role", "roles", multiple=True, help="What the new key may do: read_online, push or admin; repeatable."
)
@click.option("--service", "services", multiple=True, help="Limit the new key to a service; repeatable.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Requests a second of the new key.")
def serve(  # noqa: PLR0913 - one argument for each option
    *,
    project: Path,
    as_json: bool,
    host: str,
    port: int,
    workers: int,
    ingest: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    insecure: bool,
    new_key: str | None,
    roles: tuple[str, ...],
    services: tuple[str, ...],
    rate: float | None,
) -> int:
    """Serve features over HTTP until the process is told to end; or make a key for those who ask."""
    settings = read_settings(project)  # a project that cannot be opened is told at once, and once
    if new_key is not None:
        known = _known(project, services)
        return _new_key(settings, new_key, roles or ("read_online",), known, rate, as_json=as_json)
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    from headrace.server.guard import check_open

    check_open(settings, host, insecure=insecure)

    def started(url: str) -> None:
        if as_json:
            output.document({"url": url, "workers": workers})
        else:
            output.note(f"Serving on {url}.")

    from headrace.server.running import Certificate, run

    tls = None if tls_cert is None or tls_key is None else Certificate(tls_cert, tls_key)
    beside = None
    if ingest or settings.serving.ingest:
        from headrace.server.ingest_workers import ingesting

        beside = ingesting(project, workers=1)
    run(project, host, port, workers, started, tls, beside)
    return DONE


def _known(project: Path, services: Sequence[str]) -> list[str]:
    """The services as keys hold them.

    Raises:
        UnknownNameError: There is no such service.
        DefinitionError: A text names none.
    """
    from headrace.definitions.references import parse_reference

    asked = [parse_reference(each, "service") for each in services]
    if asked:
        with opened(project) as store:
            for each in asked:
                store.registry.get("service", each.name, each.version or None)
    return list(map(str, asked))


def _new_key(
    settings: Settings,
    name: str,
    roles: tuple[str, ...],
    services: Sequence[str],
    rate: float | None,
    *,
    as_json: bool,
) -> int:
    """Make a key and show it, and how many there are of its name by then."""
    from headrace.clock import SystemClock
    from headrace.server.guard import keys_of
    from headrace.server.keys import KeyFile, add_key

    path = keys_of(settings)
    if path is None:
        raise DefinitionError(
            "No file of keys is configured.",
            remedy='Set keys = "keys.toml" under [serving] in headrace.toml.',
        )
    several = 1 + (KeyFile(path, SystemClock()).count(name) if path.exists() else 0)
    key = add_key(path, name, roles, services, rate)
    if as_json:
        told = {"key": key, "name": name, "roles": list(roles), "services": list(services)}
        output.document({**told, "keys_of_that_name": several})
    else:
        if several > 1:
            output.note(f"There are now {several} keys named {name}; each counts until its table is deleted.")
        output.note(f"The key of {name}, shown this once; {path.name} keeps its hash only:")
        click.echo(key)
    return DONE
