"""What is told apart by value: distinct values, maps by key."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import hashlib
import math
import struct
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from headrace.aggregations.agreement import slack
from headrace.testing.formulas.asked import Asked, Result, named, ordered

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from headrace.schema import Type
    from headrace.testing.formulas.asked import Formula

__all__ = ["FORMULAS", "by_key", "hash64"]


def hash64(value: Any, of: Type) -> int:
    """The published 64-bit hash: BLAKE2b of text and bytes, SplitMix64's finalizer of all other words."""
    if isinstance(value, (str, bytes)):
        data = value.encode() if isinstance(value, str) else value
        return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
    if isinstance(value, float):
        word = int.from_bytes(struct.pack("<d", value), "little")
    elif isinstance(value, Decimal):
        word = int(Fraction(value) * 10**of.scale)
    elif isinstance(value, dt.date):
        word = (value - dt.date(1970, 1, 1)).days
    else:
        word = int(value)
    mask = (1 << 64) - 1
    x = (word + 0x9E3779B97F4A7C15) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    return x ^ (x >> 31)


def by_key(asked: Asked, formula: Formula) -> dict[str, Result]:
    """Maps from key to what the formula says of its events; `max_keys` of smallest (hash, key) at most.

    A key is there if an event of it counts; events without a key are nowhere.
    """
    by, most = asked.feature.by, asked.feature.max_keys
    of_one_key = dataclasses.replace(asked.feature, by=None)
    counted = [
        event
        for read in [asked.siblings[name] for name in asked.feature.references] or [of_one_key]
        for event in asked._replace(feature=read).taken(by, *read.columns)
    ]
    keys = {event.row[by] for event in counted}
    kept = _kept(keys, asked.types[by], most)
    nothing = named(formula(asked._replace(feature=of_one_key, events=[])))
    found: dict[str, dict[Any, Result]] = {companion: {} for companion in nothing}
    for key in kept:
        mine = [event for event in asked.events if event.row[by] == key]
        for companion, result in named(formula(asked._replace(feature=of_one_key, events=mine))).items():
            found[companion][key] = result
    truncated = "truncated" if len(keys) > len(kept) else ""
    return {name: _map(results, truncated) for name, results in found.items()}


def _kept(keys: Iterable[Any], of: Type, most: int) -> list[Any]:
    """The `most` keys of smallest (hash, key), ascending."""
    return sorted(sorted(keys, key=lambda key: (hash64(key, of), ordered(key)))[:most], key=ordered)


def _map(results: Mapping[Any, Result], truncated: str) -> Result:
    for result in results.values():
        if result.reason:
            return Result(None, 0, result.reason)
    value = {key: result.value for key, result in results.items()}
    slack = {key: result.slack for key, result in results.items()}
    return Result(value, slack, truncated)


def _counts(asked: Asked) -> tuple[dict[Any, int], str]:
    """The values of smallest (hash, value), ascending, and how often each occurs; whether some are lost."""
    of = asked.types[asked.feature.column]
    values = asked.values()
    counted = collections.Counter(values)
    kept = _kept(counted, of, asked.feature.max_keys)
    return {value: counted[value] for value in kept}, "truncated" if len(kept) < len(counted) else ""


def _mode(asked: Asked) -> Result:
    counts, reason = _counts(asked)
    return Result(max(counts, key=lambda value: counts[value], default=None), 0, reason)


def _top_k(asked: Asked) -> Result:
    counts, reason = _counts(asked)
    first = sorted(counts, key=lambda value: -counts[value])[: asked.feature.k]
    same = [{"value": 0, "count": 0} for _ in first]
    return Result([{"value": value, "count": counts[value]} for value in first], same, reason)


def _entropy(asked: Asked) -> Result:
    counts, reason = _counts(asked)
    if not counts:
        return Result(None, 0, reason)
    total = sum(counts.values())
    nats = math.fsum(n / total * math.log(total / n) for n in counts.values())
    return Result(nats, slack("entropy", nats), reason)


def _distinct(asked: Asked) -> Result:
    values = set(asked.values())
    if len(values) <= 1024:
        return Result(len(values))
    registers = [0] * 4096
    for value in values:
        hashed = hash64(value, asked.types[asked.feature.column]) | 1 << 63
        rest = hashed >> 12
        zeros = (rest & -rest).bit_length() - 1
        registers[hashed % 4096] = max(registers[hashed % 4096], zeros + 1)
    return Result(round(_estimate(registers)))


def _estimate(registers: list[int]) -> float:
    """How many hashes filled the registers: Ertl's improved estimator (arXiv:1702.01284, section 4)."""
    m = len(registers)
    z = 0.0  # no rank can exceed 52, so that nothing is added for saturated registers
    for rank in range(52, 0, -1):
        z = 0.5 * (z + registers.count(rank))
    x = registers.count(0) / m
    sigma, weight = x, 1.0
    while x > 0.0:
        if x == 1.0:
            return 0.0
        x *= x
        sigma, weight = sigma + x * weight, 2.0 * weight
    return m * m / (2.0 * math.log(2.0)) / (z + m * sigma)


FORMULAS: Mapping[str, Formula] = {
    "mode": _mode,
    "top_k": _top_k,
    "entropy": _entropy,
    "distinct": _distinct,
}
