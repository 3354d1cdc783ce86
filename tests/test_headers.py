"""What the service says about its limits, in headers and in words."""

from __future__ import annotations

import math
import time
from email.utils import formatdate
from typing import Any

import pytest
from helpers_properties import repeatable
from helpers_recordings import quoted_refusals, recorded
from hypothesis import example, given
from hypothesis import strategies as st

from customgroqchat._bucket import WINDOWS_S
from customgroqchat._headers import (
    HeaderLimit,
    LimitReport,
    parse_duration,
    parse_limit_headers,
    parse_limit_message,
    parse_request_instant,
    parse_retry_after,
)
from customgroqchat._records import Headers
from customgroqchat.testing._sim_wire import go_duration

WALL_S = 1_790_000_000.0
ENDLESS = "9" * 400

# --- durations -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("26ms", 0.026),
        ("329.999999ms", 0.329999999),
        ("6s", 6.0),
        ("7.66s", 7.66),
        ("10.332999999s", 10.332999999),
        ("1m26.4s", 86.4),
        ("2m59.56s", 179.56),
        ("9m38.016s", 578.016),
        ("1h23m31s", 5011.0),
        ("24h0m0s", 86_400.0),
        ("250us", 0.00025),
        ("250\N{MICRO SIGN}s", 0.00025),
        ("250\N{GREEK SMALL LETTER MU}s", 0.00025),
        ("40ns", 4e-8),
        ("0s", 0.0),
        ("0", 0.0),
        ("7", 7.0),
        ("7.5", 7.5),
        ("  12s ", 12.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds, abs=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "soon",
        "-5s",
        "-5",
        "5x",
        "s",
        "1m 5s",
        "1.2.3s",
        "5s!",
        "nan",
        "inf",
        "1e999",
    ],
)
def test_what_is_no_duration_is_none(text: str | None) -> None:
    assert parse_duration(text) is None


@repeatable
@given(st.integers(0, 400 * 3600 * 10**9))
def test_durations_as_go_prints_them_come_back(nanoseconds: int) -> None:
    seconds = parse_duration(go_duration(nanoseconds))
    assert seconds == pytest.approx(nanoseconds / 1e9, rel=1e-12)


duration_pieces = st.sampled_from([*"0123456789.hmsnuµ-+ ", "ms", "ns", "e9", ENDLESS])


@repeatable
@given(st.text(max_size=12) | st.lists(duration_pieces, max_size=12).map("".join))
@example(f"{'9' * 308}s{'9' * 308}s")
@example(f"{ENDLESS}h")
def test_whatever_stands_there_is_finite_or_none(text: str) -> None:
    seconds = parse_duration(text)
    assert seconds is None or (0.0 <= seconds < math.inf)


# --- retry-after -----------------------------------------------------------------------------


def date(offset_s: float) -> str:
    return formatdate(WALL_S + offset_s, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "1m26.4s"}, 86.4),
        ({"retry-after": "5011"}, 5011.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0),
        ({"retry-after": date(30)}, 30.0),
        ({"retry-after": date(-30)}, 0.0),
        ({"retry-after": date(530), "date": date(500)}, 30.0),
        ({"retry-after": date(30), "date": "yesterday"}, 30.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float) -> None:
    assert parse_retry_after(Headers(headers), WALL_S) == pytest.approx(seconds)


@pytest.mark.parametrize("value", [None, "", "-5", "-0.1", "soon", "nan", "inf", "Someday, 99 Foo"])
@pytest.mark.parametrize("name", ["retry-after", "retry-after-ms"])
def test_a_strange_retry_after_is_as_if_it_were_not_there(name: str, value: str | None) -> None:
    headers = {} if value is None else {name: value}
    assert parse_retry_after(headers, WALL_S) is None


@pytest.mark.parametrize("value", [f"{ENDLESS}s", f"{ENDLESS}h5m"])
def test_an_absurd_retry_after_is_none(value: str) -> None:
    assert parse_retry_after({"retry-after": value}, WALL_S) is None


# The three forms that a recipient of HTTP dates has to accept; all of them mean Greenwich.
@pytest.mark.parametrize(
    "form", ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"]
)
@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone cannot be changed here")
def test_dates_are_in_greenwich_wherever_this_runs(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = time.strftime(form, time.gmtime(WALL_S + 30))
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "XYZ-5")
        time.tzset()
        try:
            seconds = parse_retry_after({"retry-after": value}, WALL_S)
        finally:
            elsewhere.undo()
            time.tzset()
    assert seconds == pytest.approx(30.0)


@repeatable
@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text()))
def test_no_retry_after_raises(headers: dict[str, str]) -> None:
    seconds = parse_retry_after(headers, WALL_S)
    assert seconds is None or 0.0 <= seconds < math.inf


# --- x-ratelimit -----------------------------------------------------------------------------


def test_limit_headers_are_the_days_requests_and_the_minutes_tokens() -> None:
    headers = Headers(
        {
            "X-RateLimit-Limit-Requests": "14400",
            "X-RateLimit-Remaining-Requests": "14370",
            "X-RateLimit-Reset-Requests": "2m59.56s",
            "X-RateLimit-Limit-Tokens": "18000",
            "X-RateLimit-Remaining-Tokens": "17997",
            "X-RateLimit-Reset-Tokens": "10ms",
            "X-RateLimit-Limit-Audio-Seconds": "7200",
            "X-RateLimit-Remaining-Audio-Seconds": "7199",
            "X-RateLimit-Reset-Audio-Seconds": "500ms",
        }
    )
    assert parse_limit_headers(headers) == {
        "RPD": HeaderLimit(14400, 14370, 179.56),
        "TPM": HeaderLimit(18000, 17997, 0.01),
        "ASH": HeaderLimit(7200, 7199, 0.5),
    }


def test_limits_that_are_not_told_are_absent() -> None:
    assert parse_limit_headers({}) == {}
    assert parse_limit_headers({"x-ratelimit-limit-tokens": "8000"}) == {}
    assert parse_limit_headers({"x-ratelimit-remaining-tokens": "8000"}) == {}


def limit_headers(limit: str, remaining: str, reset: str) -> dict[str, str]:
    values = {"limit": limit, "remaining": remaining, "reset": reset}
    return {f"x-ratelimit-{name}-tokens": value for name, value in values.items()}


def test_an_empty_bucket_is_told() -> None:
    found = parse_limit_headers(limit_headers("8000", "0", "1m0s"))
    assert found == {"TPM": HeaderLimit(8000, 0, 60.0)}


def test_a_strange_reset_is_unknown_and_the_rest_is_kept() -> None:
    found = parse_limit_headers(limit_headers("8000", "7000", "soon"))
    assert found == {"TPM": HeaderLimit(8000, 7000, None)}


@pytest.mark.parametrize(
    ("limit", "remaining"), [("many", "1"), ("8000", "some"), ("-1", "1"), ("inf", "1"), ("0", "0")]
)
def test_strange_limits_are_as_if_they_were_not_there(limit: str, remaining: str) -> None:
    assert parse_limit_headers(limit_headers(limit, remaining, "1s")) == {}


@repeatable
@given(st.text(), st.text(), st.text())
def test_no_limit_header_raises(limit: str, remaining: str, reset: str) -> None:
    for told in parse_limit_headers(limit_headers(limit, remaining, reset)).values():
        assert told.limit > 0
        assert told.remaining >= 0


def test_every_recorded_reset_is_the_time_until_the_bucket_is_full() -> None:
    answers = [row["response"] for row in recorded("exchanges.jsonl")]
    told = [
        found for answer in answers if (found := parse_limit_headers(Headers(answer["headers"])))
    ]
    if not answers:
        pytest.skip("no recordings here")
    assert len(told) > 300
    for found in told:
        for dimension, bucket in found.items():
            _check_reset(bucket, WINDOWS_S[dimension])


def _check_reset(told: HeaderLimit, window_s: float) -> None:
    assert told.full_in_s is not None
    unit_s = window_s / told.limit
    missing = told.full_in_s / unit_s
    # What remains is rounded down, and the time is cut to what is printed.
    slack = 0.011 / unit_s
    assert told.limit - told.remaining - 1 - slack <= missing <= told.limit - told.remaining + slack


# --- texts -----------------------------------------------------------------------------------


def reached(axis: str, numbers: str, wait: str) -> str:
    return (
        "Rate limit reached for model `openai/gpt-oss-20b` in organization `org_x` service tier "
        f"`on_demand` on {axis}: {numbers}. Please try again in {wait}. Need more tokens? Upgrade"
    )


@pytest.mark.parametrize(
    ("axis", "dimension"),
    [
        ("requests per minute (RPM)", "RPM"),
        ("requests per day (RPD)", "RPD"),
        ("tokens per minute (TPM)", "TPM"),
        ("tokens per day (TPD)", "TPD"),
        ("input tokens per minute (ITPM)", "ITPM"),
        ("output tokens per minute (OTPM)", "OTPM"),
        ("seconds of audio per hour (ASPH)", "ASH"),
        ("seconds of audio per day (ASPD)", "ASD"),
        ("seconds of audio per hour (ASH)", "ASH"),
        ("seconds of audio per day (ASD)", "ASD"),
        ("wishes per week (WPW)", None),
    ],
)
def test_the_dimension_is_named_in_brackets(axis: str, dimension: str | None) -> None:
    report = parse_limit_message(reached(axis, "Limit 60, Used 60, Requested 1", "soon"))
    assert report.dimension == dimension


def test_every_fact_of_a_refusal() -> None:
    numbers = "Limit 8000, Used 5536, Requested 5599"
    assert parse_limit_message(reached("tokens per minute (TPM)", numbers, "23.5125s")) == (
        LimitReport("TPM", limit=8000, used=5536, requested=5599, wait_s=23.5125, too_large=False)
    )


def test_numbers_may_be_approximate_and_grouped() -> None:
    report = parse_limit_message("Limit 100,000, Used 99,348, Requested ~1968")
    assert (report.limit, report.used, report.requested) == (100_000, 99_348, 1968)


def test_labels_are_found_in_any_order() -> None:
    report = parse_limit_message("Requested 5, Used 4, Limit 6 (TPM). Please try again in 30s.")
    assert (report.limit, report.used, report.requested, report.wait_s) == (6, 4, 5, 30.0)


def test_a_text_about_something_else_says_nothing() -> None:
    assert parse_limit_message("The model is over capacity.") == LimitReport()
    assert parse_limit_message("") == LimitReport()


@pytest.mark.parametrize("text", ["Request too large for model `m`", "REQUEST TOO LARGE"])
def test_too_large_is_said_in_words(text: str) -> None:
    assert parse_limit_message(text).too_large


def test_too_large_shows_in_the_numbers_although_a_wait_is_told() -> None:
    numbers = "Limit 7000, Used 0, Requested ~12903"
    assert parse_limit_message(reached("tokens per minute (TPM)", numbers, "50s")).too_large


def test_what_fits_exactly_is_not_too_large() -> None:
    numbers = "Limit 7000, Used 1, Requested 7000"
    assert not parse_limit_message(reached("tokens per minute (TPM)", numbers, "8ms")).too_large


@pytest.mark.parametrize(
    ("used", "wait", "dimension"),
    [(500370, "1m47.5s", "TPD"), (500370, "74.7ms", "TPM"), (499900, "18.2ms", "TPM")],
)
def test_an_unnamed_dimension_is_recognised_by_its_wait(
    used: int, wait: str, dimension: str
) -> None:
    report = parse_limit_message(reached("", f"Limit 500000, Used {used}, Requested 252", wait))
    assert report.dimension == dimension


@pytest.mark.parametrize("row", quoted_refusals())
def test_quoted_refusals_are_understood(row: dict[str, Any]) -> None:
    report = parse_limit_message(row["message"])
    assert row["axis"] in (None, report.dimension)
    assert report.wait_s == row.get("wait_s")
    assert report.limit is not None
    assert report.requested is not None
    if report.wait_s is None:
        assert report.used is None
        assert report.too_large
    else:
        assert report.dimension is not None
        assert report.used is not None
        over = report.used + report.requested - report.limit
        assert over * WINDOWS_S[report.dimension] / report.limit == pytest.approx(
            row["calc_wait_s"], abs=1e-6
        )
        assert report.too_large is (report.requested > report.limit)


labels = st.sampled_from(["Limit ", "Used ", "Requested ", "try again in ", "(TPM)", "too large"])
values = st.sampled_from([*"~,.- 0h", "12", "5s", "9m", "\N{MICRO SIGN}s", ENDLESS])


@repeatable
@given(st.text() | st.lists(labels | values, max_size=16).map("".join))
@example("Limit , Used , Requested ,")
@example("Limit " + "9" * 5000)
@example(f"Limit 5, Used {ENDLESS}, Requested 1. Please try again in 5s.")
def test_no_text_raises(text: str) -> None:
    report = parse_limit_message(text)
    for number in (report.limit, report.used, report.requested, report.wait_s):
        assert number is None or 0 <= number < math.inf


# --- the instant in a request's id ---------------------------------------------------------------

REQUEST_ID, INSTANT_MS = "req_01kwvq2xwnf0a8fapyfwv0fqqk", 1_783_341_610_901


@pytest.mark.parametrize("off_s", [0.0, 3_600.0, -86_000.0])
def test_an_id_tells_when_the_service_received_the_request(off_s: float) -> None:
    assert parse_request_instant(REQUEST_ID, INSTANT_MS / 1000 + off_s) == INSTANT_MS
    assert parse_request_instant(REQUEST_ID[4:], INSTANT_MS / 1000 + off_s) == INSTANT_MS


@pytest.mark.parametrize(
    "request_id",
    [
        None,
        "",
        "req_",
        "req_1234",
        REQUEST_ID + "0",
        REQUEST_ID[:-1] + "u",  # no such digit
        REQUEST_ID.upper(),
        "req_7zzzzzzzzzf0a8fapyfwv0fqqk",  # in the year 10889
        "req_00000000000000000000000000",
    ],
)
def test_another_id_tells_nothing(request_id: str | None) -> None:
    assert parse_request_instant(request_id, INSTANT_MS / 1000) is None


@pytest.mark.parametrize("off_s", [86_401.0, -86_401.0])
def test_what_is_not_within_a_day_is_no_instant(off_s: float) -> None:
    assert parse_request_instant(REQUEST_ID, INSTANT_MS / 1000 + off_s) is None


@repeatable
@given(st.text(max_size=40), st.floats(0, 1e11))
def test_no_id_raises(request_id: str, wall_s: float) -> None:
    found = parse_request_instant(request_id, wall_s)
    assert found is None or abs(found / 1000 - wall_s) < 86_400
