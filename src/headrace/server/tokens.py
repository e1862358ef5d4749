"""JSON Web Tokens: signed by somebody the settings trust, for this server, not expired.

The key that a token names decides the algorithm, never the token: a public key is no secret to sign with,
and unsigned tokens have no key at all.
"""

from __future__ import annotations

import asyncio
import json
import logging
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from headrace.clock import MINUTE, SECOND
from headrace.errors import DefinitionError, StoreError
from headrace.server.callers import Caller, known_roles

if TYPE_CHECKING:
    from collections.abc import Mapping

    import jwt

    from headrace.clock import Clock
    from headrace.config import Settings

__all__ = ["Tokens"]

_LOG = logging.getLogger("headrace.server")
_ALGORITHM = {"oct": "HS256", "RSA": "RS256", "EC": "ES256"}
"""Type of a key -> the one algorithm it verifies. Shared secrets (`oct`) are taken from files only."""

_LEEWAY = 30 * SECOND
"""By how much clocks may differ, microseconds."""

_SECONDS = 10.0
_NEAR = {("http", "127.0.0.1"), ("http", "localhost")}
"""Where keys may come from in the clear: this machine."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else than it was told: an https address must not lead to an http one."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


_OPENER = urllib.request.build_opener(_NoRedirect)


class Tokens:
    """Tells callers by their tokens."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Read the keys (a JWKS document) from the file or URL that `[serving] jwt_keys` names.

        Args:
            settings: The project's.
            clock: Tells whether tokens are in force, and when keys may be fetched again: once a minute,
                where a token names an unknown one.

        Raises:
            DefinitionError: Issuer or audience is not configured, or PyJWT is not installed.
            StoreError: The keys cannot be had.
        """
        serving = settings.serving
        if not serving.jwt_issuer or not serving.jwt_audience:
            raise DefinitionError(
                "[serving] jwt_keys needs jwt_issuer and jwt_audience.",
                remedy="Say who signs tokens, and what they call this server.",
            )
        try:
            import jwt  # noqa: F401 - an extra: told here, not at the first request
        except ImportError:
            raise DefinitionError(
                "Tokens need PyJWT.", remedy="pip install 'headrace[jwt]', or take out [serving] jwt_keys."
            ) from None
        self._issuer = serving.jwt_issuer
        self._audience = serving.jwt_audience
        where = str(serving.jwt_keys)
        self._where = where if "://" in where else str(settings.directory / Path(where).expanduser())
        self._clock = clock
        self._fetched_at = clock.now()
        self._keys = self._fetch()

    async def caller(self, token: str) -> Caller | None:
        """Whose token this is; None if it cannot be trusted, for whatever reason."""
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(header.get("kid"))
            if key is None or header.get("alg") != key.algorithm_name:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": ["exp", "iss", "aud", "sub"],
                    "verify_exp": False,  # here, by the clock that is given
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            return _caller(claims) if self._in_force(claims) else None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            return None

    def _in_force(self, claims: Mapping[str, Any]) -> bool:
        """Whether it is after `nbf` and `iat` and before `exp`, seconds since 1970."""
        now = self._clock.now()
        begins = max(float(claims.get("nbf", 0)), float(claims.get("iat", 0))) * SECOND
        return begins - _LEEWAY <= now < float(claims["exp"]) * SECOND + _LEEWAY

    async def _key(self, name: Any) -> jwt.PyJWK | None:
        """The key of a name; without a name, the only one there is."""
        if name is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        if name not in self._keys and "://" in self._where and self._clock.now() >= self._fetched_at + MINUTE:
            self._fetched_at = self._clock.now()
            try:
                self._keys = await asyncio.to_thread(self._fetch)
            except StoreError as error:
                _LOG.error("%s Those fetched before stay in force.", error.message)
        return self._keys.get(name)

    def _fetch(self) -> dict[str, jwt.PyJWK]:
        """The keys, by name."""
        import jwt

        try:
            document = json.loads(self._text())
            found = {}
            for place, each in enumerate(document["keys"]):
                algorithm = _ALGORITHM.get(each["kty"])
                fits = each.get("alg", algorithm) == algorithm and each.get("crv", "P-256") == "P-256"
                hidden = algorithm != "HS256" or "://" not in self._where
                if algorithm is not None and fits and hidden and each.get("use", "sig") == "sig":
                    found[str(each.get("kid", place))] = jwt.PyJWK(each, algorithm)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, jwt.PyJWTError):
            raise StoreError(
                f"The keys of tokens cannot be read from {self._where.partition('?')[0]}.",
                remedy="Correct [serving] jwt_keys: a file or an https URL of a JWKS document.",
            ) from None
        return found

    def _text(self) -> bytes:
        if "://" not in self._where:
            return Path(self._where).read_bytes()
        url = urlsplit(self._where)
        if url.scheme != "https" and (url.scheme, url.hostname) not in _NEAR:
            raise ValueError
        with _OPENER.open(self._where, timeout=_SECONDS) as answer:
            whole: bytes = answer.read(1_000_000)
            return whole


def _caller(claims: Mapping[str, Any]) -> Caller:
    """Who a verified token speaks of: roles in `roles` or `scope`, services in `services`."""
    roles, services = claims.get("roles"), claims.get("services")
    given = [*_several(roles), *_several(claims.get("scope"))]
    limited = None if services is None else frozenset(_several(services))
    return Caller(str(claims["sub"]), known_roles(given), limited, id="token")  # one rate for all tokens


def _several(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.split()
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
