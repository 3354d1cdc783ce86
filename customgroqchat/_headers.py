"""What the service says about its limits, in headers and in words. Pure and tolerant.

Nothing here raises on strange input: what cannot be understood is None, as if it were not there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|μs|ns|m|s)")
_UNITS_S = {
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,  # micro sign
    "μs": 1e-6,  # Greek mu
    "ns": 1e-9,
}
_DIMENSION = re.compile(r"\b(RPM|RPD|TPM|TPD|ITPM|OTPM|ASPH|ASPD|ASH|ASD)\b")
_TYPE_ID_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_TYPE_ID = frozenset(_TYPE_ID_DIGITS)
_DAY_S = 86_400.0
_SAME_DIMENSION = {"ASPH": "ASH", "ASPD": "ASD"}


def parse_duration(text: str | None) -> float | None:
    """Return the seconds in a Go duration: ``26ms``, ``7.66s``, ``2m59.56s``, ``1h23m31s``, ``0``.

    A bare number counts as seconds.
    """
    text = (text or "").strip()
    parts = _DURATION_PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        seconds = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
        return seconds if math.isfinite(seconds) else None
    return _number(text)


def parse_retry_after(headers: Mapping[str, str], wall_s: float) -> float | None:
    """Return the seconds that ``retry-after-ms`` or ``retry-after`` asks for.

    Whole and fractional seconds, Go durations and HTTP dates are understood; a date is compared
    with the answer's own ``date`` header where there is one, else with ``wall_s`` (seconds since
    1970). Negative and absurd values are None.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000.0
    value = headers.get("retry-after", "")
    seconds = parse_duration(value)
    if seconds is not None:
        return seconds
    then = _http_date(value)
    if then is None:
        return None
    now = _http_date(headers.get("date", ""))
    return max(0.0, then - (wall_s if now is None else now))


@dataclass(frozen=True)
class HeaderLimit:
    """One bucket as a response's headers show it.

    Attributes:
        limit: Its capacity.
        remaining: Its level, rounded down, at the instant at which the request was admitted.
        full_in_s: Seconds until it is full again, or None.
    """

    limit: int
    remaining: int
    full_in_s: float | None


#: Which bucket each family of headers is about: the day's requests, the minute's tokens.
_HEADER_DIMENSIONS = {"requests": "RPD", "tokens": "TPM", "audio-seconds": "ASH"}


def parse_limit_headers(headers: Mapping[str, str]) -> dict[str, HeaderLimit]:
    """Return what ``x-ratelimit-*`` headers say, by dimension; those not told are absent."""
    found = {}
    for word, dimension in _HEADER_DIMENSIONS.items():
        limit = _number(headers.get(f"x-ratelimit-limit-{word}", ""))
        remaining = _number(headers.get(f"x-ratelimit-remaining-{word}", ""))
        if limit and remaining is not None:
            full_in_s = parse_duration(headers.get(f"x-ratelimit-reset-{word}"))
            found[dimension] = HeaderLimit(int(limit), int(remaining), full_in_s)
    return found


def parse_request_instant(request_id: str | None, wall_s: float) -> int | None:
    """Return when the service received a request, in milliseconds since 1970, from its id.

    The id is a TypeID: ten characters of base 32 are the time. Whatever is not within a day of
    ``wall_s`` (seconds since 1970) is an id of another kind, and None.
    """
    text = (request_id or "").rpartition("_")[2]
    if len(text) != 26 or not _TYPE_ID.issuperset(text):
        return None
    milliseconds = 0
    for character in text[:10]:
        milliseconds = milliseconds << 5 | _TYPE_ID_DIGITS.index(character)
    return milliseconds if abs(milliseconds / 1000.0 - wall_s) < _DAY_S else None


@dataclass(frozen=True)
class LimitReport:
    """What the words of a 429 or 413 say.

    Attributes:
        dimension: The bucket that refused: ``"TPM"``, ``"RPD"``, ..., or None.
        limit: Its capacity.
        used: How much of it was in use, beyond ``limit`` if it is in debt. None with a 413.
        requested: What the service charges for the request.
        wait_s: Seconds until the request fits if nothing else is sent.
        too_large: The request alone exceeds the limit, so no wait will help.
    """

    dimension: str | None = None
    limit: int | None = None
    used: int | None = None
    requested: int | None = None
    wait_s: float | None = None
    too_large: bool = False


def parse_limit_message(message: str) -> LimitReport:
    """Return the facts in the text of a rate-limit error, each found by its own label."""
    named = _DIMENSION.search(message)
    dimension = _SAME_DIMENSION.get(named.group(1), named.group(1)) if named else None
    wait = re.search(r"try again in ([\dhmsµμun.]*[hms])", message)
    wait_s = parse_duration(wait.group(1)) if wait else None
    limit = _labelled("Limit", message)
    used = _labelled("Used", message)
    requested = _labelled("Requested", message)
    if dimension is None and limit and used is not None and requested and wait_s:
        dimension = _dimension_by_wait(wait_s * limit / max(1, used + requested - limit))
    return LimitReport(
        dimension=dimension,
        limit=limit,
        used=used,
        requested=requested,
        wait_s=wait_s,
        # Once such a request was answered with a finite wait, after which it was refused again.
        too_large="request too large" in message.lower()
        or (limit is not None and requested is not None and requested > limit),
    )


def _dimension_by_wait(window_s: float) -> str:
    # The wait is (used + requested - limit) * window / limit, so it betrays the window. Texts that
    # leave the name out were all seen about tokens.
    return "TPD" if window_s > 3600.0 else "TPM"


def _labelled(label: str, message: str) -> int | None:
    found = re.search(rf"\b{label} ~?(\d[\d,]{{0,17}})(?![\d,])", message)
    return int(found.group(1).replace(",", "")) if found else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _http_date(text: str) -> float | None:
    # These load a lot, and are hardly ever needed.
    from datetime import timezone
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text)
        # HTTP dates are in Greenwich, also in the form that does not say so.
        return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
