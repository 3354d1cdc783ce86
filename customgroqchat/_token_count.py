"""TokenCount: a number of tokens that knows how good it is. Pure."""

from __future__ import annotations

import math

from ._calibration import Origin

__all__ = ["ESTIMATE", "MARGIN_GUESSED", "TokenCount"]

#: The source of counts that no vocabulary made.
ESTIMATE = "estimate"
#: The margin of what nobody has measured.
MARGIN_GUESSED = 0.30


class TokenCount(int):
    """A number of tokens that knows how good it is.

    It is an ``int`` in every other way: compare it, add it, put it into JSON. Arithmetic gives
    plain ints. Immutable in use, and it pickles.

    ``exact``: counted with the vocabulary of the model, in a template that is known, and not
    contradicted by what the service charged.
    ``margin``: the fraction by which the truth may be higher; 0.0 if exact.
    ``source``: the vocabulary's name, or "estimate".
    """

    exact: bool
    margin: float
    source: str
    #: Where it came from, if the service's number can teach something about it.
    _origin: Origin | None = None

    def __new__(
        cls,
        value: float,
        *,
        exact: bool = False,
        margin: float = MARGIN_GUESSED,
        source: str = ESTIMATE,
    ) -> TokenCount:
        """Make a count of ``value`` tokens, rounded to a whole number."""
        self = super().__new__(cls, round(value))
        self.exact = exact
        self.margin = 0.0 if exact else margin
        self.source = source
        return self

    @property
    def upper(self) -> int:
        """The tokens to reserve: the count with its margin, rounded up."""
        return math.ceil(self * (1 + self.margin))

    def __getnewargs__(self) -> tuple[int]:
        return (int(self),)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({int(self)}, exact={self.exact}, "
            f"margin={self.margin}, source={self.source!r})"
        )

    __str__ = int.__repr__
