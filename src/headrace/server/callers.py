"""Who asks, and what they may do: roles, and services a caller may be limited to."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.errors import AuthError
from headrace.server.replies import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ANYONE",
    "OPEN",
    "ROLES",
    "Caller",
    "check_service",
    "forbidden",
    "known_roles",
    "now_asking",
    "role_for",
    "unknown_caller",
]

ROLES = ("read_online", "push", "admin")
"""What a caller may be; an admin may do everything."""

OPEN = frozenset({"/health", "/ready"})
"""Addresses that say nothing of the data: load balancers ask them without a key."""

_ANY_ROLE = frozenset({"/metrics", "/openapi.json"})
_ROLE = {"/get-online-features": "read_online", "/push": "push"}


@dataclass(frozen=True)
class Caller:
    """Somebody who is known.

    Attributes:
        name: What the audit log calls them.
        roles: Some of `ROLES`.
        services: The services they may ask for, each `name` or `name@version`; None for whatever there is.
        rate: Requests a second they may make; None for what the settings say.
        id: What tells their key or token from others of the same name; no secret.
    """

    name: str
    roles: frozenset[str]
    services: frozenset[str] | None = None
    rate: float | None = None
    id: str = ""

    def may(self, role: str | None) -> bool:
        """Whether they have a role; None asks for any."""
        return bool(self.roles) if role is None else role in self.roles or "admin" in self.roles

    def may_ask(self, service: str | None) -> bool:
        """Whether they may ask for a service; None is a request that lists features."""
        if self.services is None:
            return True
        return service is not None and bool({service, service.partition("@")[0]} & self.services)


ANYONE = Caller("anyone", frozenset({"admin"}))
"""Whoever asks where no keys are configured."""

now_asking: ContextVar[Caller] = ContextVar("now_asking", default=ANYONE)
"""Who makes the request that is being answered."""


def role_for(path: str) -> str | None:
    """The role an address needs; None for any. What is not listed is the admin's."""
    return None if path in _ANY_ROLE else _ROLE.get(path.rstrip("/"), "admin")


def check_service(service: str | None) -> None:
    """Refuse the request if its caller is limited to other services.

    Raises:
        RefusedError: They are (403).
    """
    if not now_asking.get().may_ask(service):
        raise forbidden()


def unknown_caller() -> RefusedError:
    """The refusal of who is not known; it does not tell a wrong key from an expired or unknown one."""
    error = AuthError("The request is not authorized.", remedy="Send a valid key: Authorization: Bearer KEY.")
    return RefusedError(error, 401)


def forbidden() -> RefusedError:
    """The refusal of who is known; it does not tell a missing role from a missing service."""
    error = AuthError("The caller may not do this.", remedy="Ask the operator of the server for another key.")
    return RefusedError(error, 403)


def known_roles(given: Iterable[object]) -> frozenset[str]:
    """Those of the given roles that there are."""
    return frozenset(each for each in given if isinstance(each, str) and each in ROLES)
