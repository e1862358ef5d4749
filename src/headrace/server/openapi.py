"""The OpenAPI document: made of the types that decode requests, and of the limits in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from headrace import errors
from headrace.kernel.columns import STATUS_NAMES
from headrace.online.ingest import Pushed
from headrace.server.callers import OPEN
from headrace.server.encoding import ARROW
from headrace.server.questions import LONGEST_TIMEOUT, OnlineQuestion, PushQuestion
from headrace.server.replies import JSON

if TYPE_CHECKING:
    from headrace.config import Settings

__all__ = ["STATUSES", "openapi"]

# made when the module is imported: annotations, which are code of ours, are evaluated then and never later
_, _QUESTIONS = msgspec.json.schema_components(
    [OnlineQuestion, PushQuestion], ref_template="#/components/schemas/{name}"
)
_JSON, _ARROW = JSON.decode(), ARROW.decode()
STATUSES = {
    400: "The request cannot be read.",
    401: "Nobody's key or token.",
    403: "The caller lacks the role, or is limited to other services.",
    404: "No such feature, service, version, column or source.",
    409: "What is there contradicts it.",
    413: "The body is too large.",
    415: "The body is compressed by something unknown.",
    422: "The request can be read, and cannot be answered.",
    429: "The caller asks too often; Retry-After says when to come back.",
    500: "The server failed; its log says more, under the request's id.",
    503: "A store does not answer.",
}
"""What is told of each status of an error."""

_ALWAYS = (400, 413, 415, 500)
_OF_DATA = (401, 403, 429)
_ID = {
    "X-Request-Id": {
        "description": "What the client sent, if it can stand in a log; else made.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
    }
}


def openapi(settings: Settings) -> dict[str, Any]:
    """The document of a project's server.

    Args:
        settings: The project's: limits, and whether callers must be known.
    """
    schemas = {**_QUESTIONS, "Answer": _ANSWER, "Error": _ERROR, "Pushed": _pushed()}
    guarded = bool(settings.serving.keys or settings.serving.jwt_keys)
    limits = f"At most {settings.serving.max_body:,} bytes, gzip (Content-Encoding) or as they are."
    entities = f"{limits} At most {settings.serving.max_entities:,} entities."
    paths: dict[str, Any] = {
        "/get-online-features": {
            "post": {
                "summary": "Features of some entities, in Feast's form",
                "parameters": [_TIMEOUT],
                "requestBody": _body("OnlineQuestion", entities),
                "responses": _responses({_JSON: _ref("Answer"), _ARROW: {}}, 404, 409, 422, 503, *_OF_DATA),
            }
        },
        "/push": {
            "post": {
                "summary": "Events; answered when they are durable and visible",
                "requestBody": _body("PushQuestion", limits),
                "responses": _responses({_JSON: _ref("Pushed")}, 404, 409, 422, 503, *_OF_DATA),
            }
        },
        "/health": _get("The process is there", {_JSON: _status("ok")}),
        "/ready": _get("Registry and online store answer", {_JSON: _status("ready")}, 503),
        "/metrics": _get("Counts for Prometheus", {"text/plain": {"type": "string"}}, *_OF_DATA),
        "/openapi.json": _get("This document", {_JSON: {"type": "object"}}, *_OF_DATA),
    }
    if guarded:
        for path, item in paths.items():
            for operation in item.values():
                operation["security"] = [] if path in OPEN else [{"bearer": []}, {"key": []}]
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Features of {settings.project.name}", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas, **({"securitySchemes": _SCHEMES} if guarded else {})},
    }


_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or a JSON Web Token."},
    "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
}
_TIMEOUT = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "required": False,
    "description": "After this many milliseconds what is not there yet is INVALID.",
    "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_TIMEOUT},
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "message", "asked", "available", "remedy"],
            "additionalProperties": False,
            "properties": {
                "type": {"enum": sorted(errors.__all__)},
                "message": {"type": "string"},
                "asked": {"description": "What was asked for."},
                "available": {"type": "array", "description": "What there is instead."},
                "remedy": {"type": ["string", "null"]},
            },
        }
    },
}
_ANSWER = {
    "type": "object",
    "required": ["metadata", "results"],
    "properties": {
        "metadata": {
            "type": "object",
            "required": ["feature_names"],
            "properties": {"feature_names": {"type": "array", "items": {"type": "string"}}},
        },
        "results": {
            "type": "array",
            "description": "One for each name, in their order; each with a value for every entity.",
            "items": {
                "type": "object",
                "required": ["values", "statuses", "event_timestamps"],
                "properties": {
                    "values": {"type": "array"},
                    "statuses": {"type": "array", "items": {"enum": list(STATUS_NAMES)}},
                    "event_timestamps": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}


def _pushed() -> dict[str, Any]:
    """A push's answer: its fields by name, as it is sent."""
    numbers = [name for name in Pushed._fields if name != "rules"]
    rules = {
        "type": "object",
        "description": "Rejected rows by the rule they break; the quarantine has the rows and their reasons.",
        "additionalProperties": {"type": "integer"},
    }
    return {
        "type": "object",
        "required": numbers,
        "properties": {**{name: {"type": "integer"} for name in numbers}, "rules": rules},
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _status(word: str) -> dict[str, Any]:
    return {"type": "object", "required": ["status"], "properties": {"status": {"const": word}}}


def _body(name: str, description: str) -> dict[str, Any]:
    return {"required": True, "description": description, "content": {_JSON: {"schema": _ref(name)}}}


def _get(summary: str, content: dict[str, Any], *statuses: int) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": _responses(content, *statuses)}}


def _responses(content: dict[str, Any], *statuses: int) -> dict[str, Any]:
    """What an address answers: 200 with one of these contents, or an error."""
    found: dict[str, Any] = {
        "200": {
            "description": "As asked; from 8 KB on zstd or gzip, where the client accepts it.",
            "headers": _ID,
            "content": {kind: {"schema": schema} for kind, schema in content.items()},
        }
    }
    for status in sorted({*_ALWAYS, *statuses}):
        found[str(status)] = {
            "description": STATUSES[status],
            "headers": _ID,
            "content": {_JSON: {"schema": _ref("Error")}},
        }
    return found
