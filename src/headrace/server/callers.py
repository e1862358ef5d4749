"""Who asks, and what they may do: roles, and services a caller may be limited to."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.errors import AuthError
from headrace.server.replies import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ANYONE",
    "OPEN",
    "ROLES",
    "Caller",
    "check_role",
    "check_service",
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


def check_role(caller: Caller, path: str) -> None:
    """Refuse a request for an address that needs a role its caller has not.

    Raises:
        RefusedError: They have other roles, or none (403).
    """
    needed = role_for(path)
    if not caller.may(needed):
        has = ", ".join(sorted(caller.roles)) or "no role"
        raise _forbidden(
            f"This needs {'a role' if needed is None else f'the role {needed}'}; the caller has {has}.",
            asked=path,
            remedy="Ask the operator of the server for a key of that role.",
        )


def check_service(service: str | None) -> None:
    """Refuse the request if its caller is limited to other services.

    Args:
        service: What is asked for; None for features that are listed.

    Raises:
        RefusedError: They are (403).
    """
    caller = now_asking.get()
    if not caller.may_ask(service):
        raise _forbidden(
            "The caller is limited to certain services.",
            asked=service,
            available=sorted(caller.services or ()),
            remedy="Ask by feature_service for one of those, without features; "
            "or ask the operator of the server for another key.",
        )


def unknown_caller() -> RefusedError:
    """The refusal of who is not known; it does not tell a wrong key from an expired or unknown one."""
    error = AuthError("The request is not authorized.", remedy="Send a valid key: Authorization: Bearer KEY.")
    return RefusedError(error, 401)


def _forbidden(message: str, **told: Any) -> RefusedError:
    """The refusal of who is known: it tells them what is theirs, and nothing of others."""
    return RefusedError(AuthError(message, **told), 403)


def known_roles(given: Iterable[object]) -> frozenset[str]:
    """Those of the given roles that there are."""
    return frozenset(each for each in given if isinstance(each, str) and each in ROLES)
