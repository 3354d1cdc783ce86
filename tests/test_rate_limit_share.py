"""RateLimitHandler: a share of a larger limit, kept to with ``server_limits="lower"``."""

from __future__ import annotations

from helpers_limits import Limiter

from customgroqchat._headers import HeaderLimit
from customgroqchat.rate_limit_handler import Demand, Usage

GENEROUS = Demand(prompt_tokens=90, output_cap=1_000)
USED = Usage(prompt=90, completion=10)


def test_of_a_share_only_what_was_used_is_spent() -> None:
    limiter = Limiter(server_limits="lower", token_per_minute=1_500)
    for _ in range(4):
        # The service charges prompt and cap, and gives back what was not used.
        reservation = limiter.reserve(GENEROUS)
        limiter.handler.observe(reservation, {"TPM": HeaderLimit(8_000, 6_910, None)})
        limiter.handler.settle(reservation, USED)
        limiter.clock.advance(4.0)  # in which the 100 tokens flow back
    assert limiter.levels()["TPM"] == 1_500
