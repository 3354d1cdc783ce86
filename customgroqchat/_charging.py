"""What the service may charge, and when: the rules it has had, and might have again. Pure.

At admission it charges the prompt and something for the answer; when the answer is written, the
charge becomes what was used. It has changed that "something" several times, and says nowhere
what it is at present, so that it has to be found out from its answers (see :mod:`._rule_learner`).
"""

from __future__ import annotations

from typing import NamedTuple

#: Set aside for an answer whose length is not looked at.
_PLACEHOLDER = 1


class Rule(NamedTuple):
    """One way of charging.

    Attributes:
        charges: ``"prompt+cap"``: prompt and cap of the answer; ``"expected"``: prompt and the
            length of the longest recent answer; ``"prompt"``: the prompt alone.
        refunds: When the answer is shorter than was charged for, the rest is given back.
        headers_at: The levels in the headers are those of ``"admission"``, or of the ``"end"``.
    """

    charges: str
    refunds: bool
    headers_at: str

    def charge(self, prompt: float, cap: int | None, expected: int) -> float:
        """Return the tokens charged at admission."""
        if self.charges == "prompt" or (cap is None and self.charges == "prompt+cap"):
            return prompt + _PLACEHOLDER
        if self.charges == "prompt+cap":
            return prompt + (cap or 0)
        return prompt + (expected if cap is None else min(expected, cap))

    def final(self, charged: float, used: float) -> float:
        """Return the tokens that stay charged when the answer is there."""
        return used if self.refunds else max(used, charged)


#: From the most cautious to the least: who reckons with an earlier one is safe under a later one.
RULES = tuple(
    Rule(charges, refunds, headers_at)
    for charges, refunds in (
        ("prompt+cap", False),
        ("prompt+cap", True),
        ("expected", False),
        ("expected", True),
        ("prompt", True),
    )
    for headers_at in ("admission", "end")
)
