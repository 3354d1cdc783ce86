"""RateLimitHandler: when a request would pass behind others, and what cap it may have."""

from __future__ import annotations

import pytest
from helpers_limits import Limiter

from customgroqchat.exceptions import RateLimitError, TokenLimitExceededException
from customgroqchat.rate_limit_handler import Demand, Usage
from customgroqchat.stores import Decision

SMALL = Demand(prompt_tokens=100, output_cap=100)


def forecast(
    limiter: Limiter, demand: Demand = SMALL, requests: int = 0, tokens: float = 0.0
) -> Decision:
    return limiter.handler.forecast(limiter.scope, demand, requests, tokens)


# --- forecasts -----------------------------------------------------------------------------------


def test_a_forecast_reserves_nothing() -> None:
    limiter = Limiter(req_per_minute=1)
    for _ in range(3):
        assert forecast(limiter) == Decision(admitted=True)
    assert limiter.levels() == {"RPM": 1}
    limiter.reserve(SMALL)
    expected = Decision(False, pytest.approx(60.0), "RPM", 1, 0.0)
    assert forecast(limiter) == forecast(limiter) == expected


def test_who_is_alone_waits_as_long_as_forecast() -> None:
    limiter = Limiter(token_per_minute=600)
    limiter.handler.keep(limiter.reserve(Demand(549, 1)))
    limiter.clock.advance(forecast(limiter).wait_s)
    limiter.reserve(SMALL)


@pytest.mark.parametrize(
    ("requests", "tokens", "wait_s", "dimension"),
    [
        (0, 0, 0.0, None),
        (9, 400, 0.0, None),
        (12, 400, 18.0, "RPM"),  # three too many, ten a minute
        (3, 1_600, 120.0, "TPM"),  # twice the bucket
        (9_999, 0, 8_553_600.0, "RPD"),  # 100 a day
    ],
)
def test_those_before_it_take_their_part(
    requests: int, tokens: float, wait_s: float, dimension: str | None
) -> None:
    limiter = Limiter(req_per_minute=10, req_per_day=100, token_per_minute=600)
    decision = forecast(limiter, SMALL, requests, tokens)
    assert decision[1:3] == (pytest.approx(wait_s), dimension)


def test_what_is_on_its_way_will_give_back_what_it_does_not_use() -> None:
    limiter = Limiter(token_per_minute=6_000)
    for _ in range(6):
        limiter.handler.settle(limiter.reserve(Demand(100, 100)), Usage(100, 100))
    limiter.clock.advance(60.0)
    limiter.reserve(Demand(100, 5_900))  # 200 of it, as the others
    assert limiter.levels() == {"TPM": 0}
    assert forecast(limiter, Demand(100, 100)).admitted
    assert forecast(limiter, Demand(5_899, 1)).wait_s == pytest.approx(1.0)


@pytest.mark.parametrize("dimension", ["TPM", None])
def test_an_announced_wait_is_forecast(dimension: str | None) -> None:
    limiter = Limiter(token_per_minute=6_000)
    error = RateLimitError("429", dimension=dimension, retry_after=20.0)
    limiter.handler.refused(limiter.reserve(SMALL), error)
    limiter.clock.advance(5.0)
    assert forecast(limiter)[:3] == (False, pytest.approx(15.0), dimension)
    assert forecast(limiter, SMALL, 0, 11_800)[:3] == (False, pytest.approx(60.0), "TPM")
    limiter.clock.advance(15.0)
    assert forecast(limiter).admitted


# --- caps that are fitted ------------------------------------------------------------------------


def cap(limiter: Limiter, demand: Demand, at_most: int | None = None) -> tuple[int, str]:
    return limiter.handler.fitted_cap(limiter.scope, demand, at_most)


def test_a_cap_has_room_for_four_times_what_is_expected() -> None:
    limiter = Limiter(expected_completion_tokens=1_000)
    assert cap(limiter, Demand(100)) == (4_000, "4 times the answers that are expected")
    for _ in range(8):
        limiter.handler.settle(limiter.reserve(Demand(100)), Usage(100, 80))
    assert cap(limiter, Demand(100, 7))[0] == 320, "a cap that it has already does not matter"


@pytest.mark.parametrize(
    ("at_most", "limits", "expected", "why"),
    [
        (900, {}, 900, "the size of the model"),
        (9_000, {"token_per_minute": 2_000}, 1_700, "the TPM limit of 2000"),
        (1_700, {"token_per_minute": 2_000}, 1_700, "the size of the model"),
        (None, {"token_per_day": 1_000, "token_per_minute": 2_000}, 700, "the TPD limit of 1000"),
        (None, {"output_token_per_minute": 500}, 500, "the OTPM limit of 500"),
    ],
)
def test_a_cap_passes_every_limit(
    at_most: int | None, limits: dict[str, int], expected: int, why: str
) -> None:
    limiter = Limiter(expected_completion_tokens=1_000, **limits)
    assert cap(limiter, Demand(300), at_most) == (expected, why)
    limiter.handler.check_fits(limiter.scope, Demand(300, expected))


@pytest.mark.parametrize("at_most", [None, 0, -50])
def test_where_no_answer_has_room_there_is_no_cap(at_most: int | None) -> None:
    limiter = Limiter(token_per_minute=10**6 if at_most is not None else 300)
    with pytest.raises(TokenLimitExceededException) as caught:
        cap(limiter, Demand(300), at_most)
    error = caught.value
    if at_most is None:
        assert (error.dimension, error.limit, error.requested) == ("TPM", 300, 301)
    else:
        expected = ("context_window", 300 + at_most, 301)
        assert (error.dimension, error.limit, error.requested) == expected
    assert error.prompt_tokens == 300
