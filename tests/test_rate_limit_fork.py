"""RateLimitHandler in a forked child: what was on its way stays with the parent."""

from __future__ import annotations

from helpers_limits import Limiter

from customgroqchat.rate_limit_handler import Demand

SMALL = Demand(prompt_tokens=199, output_cap=1)


def test_the_child_does_not_wait_for_the_parent_s_answer() -> None:
    limiter = Limiter(policy="balanced", token_per_minute=60_000)
    limiter.reserve(SMALL)  # the answer comes to the parent
    limiter.handler._ledgers.after_fork()
    limiter.reserve(SMALL)  # the first of the child's own
    assert limiter.levels() == {"TPM": 59_600}  # what the parent set aside stays charged
