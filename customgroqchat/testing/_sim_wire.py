"""The service's wording and number formats: durations, headers, identifiers, errors."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

from ._sim_buckets import Level, Refusal, Snapshot, refill_ns

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_HEADER_DIMENSIONS = {"requests": "RPD", "tokens": "TPM", "audio-seconds": "ASH"}
_UPGRADE = (
    "Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing"
)


class ApiError(Exception):
    """An error answer: its HTTP status and the fields of its envelope."""

    def __init__(
        self,
        status: int,
        message: str,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> None:
        """``fields`` are the optional members of the envelope, such as ``code`` and ``param``."""
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.error: dict[str, Any] = {"message": message, "type": kind, **fields}

    def body(self) -> bytes:
        """The envelope as the service writes it, with its final newline."""
        return to_json({"error": self.error}) + b"\n"


def to_json(value: Any) -> bytes:
    """Compact JSON in UTF-8 with ``<``, ``>`` and ``&`` escaped, as Go's encoder writes it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&":
        if character in text:
            text = text.replace(character, f"\\u{ord(character):04x}")
    # A lone surrogate may come in through an escape; it leaves as one as well.
    return text.encode("utf-8", "backslashreplace")


def go_duration(nanoseconds: int) -> str:
    """A duration as Go's ``time.Duration`` prints it: ``1h23m31s``, ``7.66s``, ``26ms``."""
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if 0 < nanoseconds < size * 1_000:
            return _decimal(nanoseconds, size) + unit
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    seconds = _decimal(rest, 10**9) + "s"
    if not minutes:
        return seconds
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}"


def _decimal(amount: int, unit: int) -> str:
    whole, fraction = divmod(amount, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{fraction:0{digits}d}".rstrip("0").rstrip(".") if fraction else str(whole)


def rate_limit_headers(snapshot: Snapshot, refusal: Refusal | None = None) -> dict[str, str]:
    """The ``x-ratelimit-*`` headers, and ``retry-after`` when waiting helps.

    Requests are the day's bucket, tokens the minute's, seconds of audio the hour's. A refusal on
    requests is made before anything else is counted and says nothing about it.
    """
    headers: dict[str, str] = {}
    for unit, code in _HEADER_DIMENSIONS.items():
        unseen = refusal is not None and refusal.dimension.unit == "requests" != unit
        if code in snapshot and not unseen:
            headers |= _level_headers(unit, snapshot[code])
    if refusal is not None and refusal.wait_ns is not None:
        headers["retry-after"] = str(-(-refusal.wait_ns // 10**9))
    return headers


def _level_headers(unit: str, shown: Level) -> dict[str, str]:
    reset = refill_ns(shown.limit - shown.level, shown.limit, shown.dimension.window_s)
    return {
        f"x-ratelimit-limit-{unit}": str(shown.limit),
        f"x-ratelimit-remaining-{unit}": str(max(0, shown.level)),
        f"x-ratelimit-reset-{unit}": go_duration(reset),
    }


def refusal_message(model: str, refusal: Refusal) -> str:
    """The text of a 429 or 413, in the service's words."""
    dimension, limit = refusal.dimension, refusal.limit
    scope = (
        f"for model `{model}` in organization `org_sim` service tier `on_demand` "
        f"on {dimension.wording}: Limit {limit},"
    )
    if refusal.wait_ns is not None:
        wait = go_duration(refusal.wait_ns)
        return (
            f"Rate limit reached {scope} Used {refusal.used}, Requested {refusal.requested}. "
            f"Please try again in {wait}. {_UPGRADE}"
        )
    return f"Request too large {scope} Requested {refusal.requested}{_advice(refusal)} {_UPGRADE}"


def _advice(refusal: Refusal) -> str:
    if refusal.dimension.code == "OTPM":
        return (
            ". The request's expected output tokens exceed the enforced limit; reduce max_tokens "
            "(or the request's expected output) and try again."
        )
    return ", please reduce your message size and try again."


def refusal_error(model: str, refusal: Refusal, snapshot: Snapshot) -> ApiError:
    """The whole answer to a request that was not admitted.

    One that can never fit is a 413, except for output tokens, where the service says 429.
    """
    too_large = refusal.used is None and refusal.dimension.code != "OTPM"
    return ApiError(
        413 if too_large else 429,
        refusal_message(model, refusal),
        refusal.dimension.unit,
        headers=rate_limit_headers(snapshot, refusal),
        code="rate_limit_exceeded",
    )


def type_id(prefix: str, wall_s: float, rng: random.Random) -> str:
    """A TypeID such as ``req_01…``: a UUIDv7 in base 32; its first ten characters hold the time."""
    milliseconds = int(wall_s * 1000) & (1 << 48) - 1
    number = milliseconds << 80 | 0x7 << 76 | rng.getrandbits(12) << 64
    number |= 0b10 << 62 | rng.getrandbits(62)
    return f"{prefix}_" + "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
