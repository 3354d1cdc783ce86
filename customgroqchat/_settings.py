"""The one table of settings: name, kind of value, default, help.

Pure data. Files, variables, arguments, error messages and the manual's reference all follow it, so
a setting is added here and nowhere else (and as a field of ``Config`` or ``ModelConfig``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ._kinds import (
    FilePath,
    Flag,
    Kind,
    Limit,
    Seconds,
    SecondsOrOff,
    Timeout,
    Verify,
    WeightTable,
    Whole,
    Word,
)
from ._kinds_http import DEFAULT_BASE_URL, BaseUrl, HeaderTable, Key, ProxyTable

_DAY_S = 86_400.0
_MONTH_S = 30 * _DAY_S
_MIB = 2**20


@dataclass(frozen=True)
class Setting:
    """One setting: its name, what it may be, what it is if nobody says, what it is for."""

    name: str
    kind: Kind
    default: Any
    help: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it for the client."""
        prefix = "GROQ" if self.name in CONNECTION else "CUSTOMGROQCHAT"
        return f"{prefix}_{self.name.upper()}"


def _by_name(*settings: Setting) -> Mapping[str, Setting]:
    return MappingProxyType({setting.name: setting for setting in settings})


_LIMIT = Limit(1, 10**12)
_NONE: Mapping[str, Any] = MappingProxyType({})

CONNECTION = _by_name(
    Setting("api_key", Key(), None, "The API key; needed for calls, not for counting tokens."),
    Setting("base_url", BaseUrl(), DEFAULT_BASE_URL, "The address of the service."),
)
"""Settings that both the client and a single model can have."""

CLIENT: Mapping[str, Setting] = MappingProxyType(
    {
        **CONNECTION,
        **_by_name(
            Setting(
                "timeout",
                Timeout(0.001, _DAY_S),
                (5.0, 60.0),
                "Seconds to connect, and seconds between two arrivals of data.",
            ),
            Setting("max_retries", Whole(0, 100), 2, "Repetitions of an attempt that failed."),
            Setting("max_workers", Whole(1, 1_024), 16, "Requests on their way at the same time."),
            Setting("max_queue", Whole(1, 10_000_000), 10_000, "Requests that may be waiting."),
            Setting(
                "max_wait",
                Seconds(0.0, _MONTH_S),
                600.0,
                "Seconds that a blocking call may wait for its turn; 0 never waits.",
            ),
            Setting(
                "ageing_s",
                SecondsOrOff(0.001, _MONTH_S),
                300.0,
                "Seconds of waiting that raise a request by one level of priority; "
                '"off" keeps priorities strict.',
            ),
            Setting(
                "tag_weights",
                WeightTable(1e-3, 1e6),
                _NONE,
                "Shares of tags among the requests of one priority; a tag not named weighs 1.",
            ),
            Setting(
                "strict_models",
                Flag(),
                False,
                "Refuse models that are not configured.",
            ),
            Setting(
                "verify",
                Verify(),
                None,
                "Verify certificates, or the authorities to trust; unset: the environment decides.",
            ),
            Setting(
                "proxies", ProxyTable(), None, "Proxies to use; unset: the environment decides."
            ),
            Setting("default_headers", HeaderTable(), _NONE, "Headers of every request."),
            Setting(
                "max_response_bytes",
                Whole(1_024, 10**12),
                64 * _MIB,
                "Bytes, decompressed, that an answer may have before it is given up.",
            ),
            Setting(
                "max_event_bytes",
                Whole(1_024, 10**12),
                8 * _MIB,
                "Bytes that a single event of a stream may have before the stream is given up.",
            ),
            Setting(
                "expected_completion_tokens",
                Whole(1, 10_000_000),
                1_024,
                "Tokens reserved for the answer to a call without a cap, "
                "until answers have shown better.",
            ),
            Setting(
                "policy",
                Word(("greedy", "balanced", "polite")),
                "balanced",
                "Room left to other programs on the account: none, as much as they were seen to "
                "use, or twice that and a tenth of every limit.",
            ),
            Setting(
                "server_limits",
                Word(("adopt", "lower")),
                "adopt",
                "Whether a limit that the service tells replaces the configured one, "
                "or only lowers it.",
            ),
            Setting(
                "share_limits",
                Flag(),
                True,
                "Reckon with what the other clients of this process use of the same limits.",
            ),
            Setting(
                "limits_file",
                FilePath(),
                None,
                "A file that remembers, between runs, the limits that the service told; "
                "unset: nothing is remembered.",
            ),
            Setting(
                "allow_http",
                Flag(),
                False,
                "Allow base URLs without TLS on other machines than this one.",
            ),
            Setting(
                "log_prompts",
                Flag(),
                False,
                "Write prompts and answers into the log, at level DEBUG.",
            ),
        ),
    }
)
"""Settings of the client."""

LIMITS = _by_name(
    Setting("req_per_minute", _LIMIT, None, "Requests per minute."),
    Setting("req_per_day", _LIMIT, None, "Requests per day."),
    Setting("token_per_minute", _LIMIT, None, "Tokens per minute."),
    Setting("token_per_day", _LIMIT, None, "Tokens per day."),
    Setting("input_token_per_minute", _LIMIT, None, "Tokens of prompts per minute."),
    Setting("output_token_per_minute", _LIMIT, None, "Tokens of answers per minute."),
    Setting("audio_seconds_per_hour", _LIMIT, None, "Seconds of audio per hour."),
    Setting("audio_seconds_per_day", _LIMIT, None, "Seconds of audio per day."),
)
"""Rate limits of a model."""

FACTS = _by_name(
    Setting("context_window", _LIMIT, None, "Tokens that prompt and answer may have together."),
    Setting("max_completion_tokens", _LIMIT, None, "Tokens that an answer may have."),
)
"""Sizes of a model."""

MODEL: Mapping[str, Setting] = MappingProxyType({**CONNECTION, **LIMITS, **FACTS})
"""Settings of one model."""

ALL: Mapping[str, Setting] = MappingProxyType({**CLIENT, **MODEL})
"""Everything that the ``defaults`` block of a file may hold."""


def nearest(word: str, words: Mapping[str, object]) -> str | None:
    """Return the one of ``words`` that ``word`` was probably meant to be, or None."""
    import difflib

    return next(iter(difflib.get_close_matches(word, list(words), n=1, cutoff=0.75)), None)
