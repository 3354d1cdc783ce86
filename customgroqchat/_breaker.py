"""Whether a service that keeps failing is asked at all: a circuit breaker. Pure: no clock, no lock.

::

    CLOSED ──failures in a row──▶ OPEN ──time is over──▶ HALF-OPEN ──probe fails──▶ OPEN, for longer
      ▲                            │                         │
      └─────────────────────── any answer ───────────────────┘
"""

from __future__ import annotations

_FAILURES_TO_OPEN = 5
_FIRST_OPEN_S = 1.0
_LONGEST_OPEN_S = 60.0
_JITTER = 0.1


class Breaker:
    """A circuit breaker, for requests that each hold a ticket.

    A ticket is the number of the period in which a request began. A period ends when the breaker
    opens, when a probe fails, and when it closes; a failure from an earlier one is old news.

    Not thread-safe: its owner has the lock. All times are seconds of one clock.

    Attributes:
        failures: How many there were in a row; failed probes count as well.
        probing: Whether the one request is on its way that may be while it is half-open.
    """

    __slots__ = ("_open_s", "_opens_at", "_period", "failures", "probing")

    def __init__(self) -> None:
        self.failures = 0
        self.probing = False
        self._period = 0
        self._open_s = 0.0  # how long it was opened the last time; 0 while it is closed
        self._opens_at = 0.0  # when a probe may pass

    @property
    def is_closed(self) -> bool:
        """Whether requests pass freely."""
        return self._open_s == 0.0

    def state(self, now: float) -> str:
        """Return ``"closed"``, ``"open"`` or ``"half-open"``."""
        if self.is_closed:
            return "closed"
        return "open" if self.open_s(now) > 0.0 else "half-open"

    def open_s(self, now: float) -> float:
        """Return the seconds until a probe may pass, 0 if nothing but another probe forbids it."""
        left_s = 0.0 if self.is_closed else self._opens_at - now
        # Who comes back at the computed instant must find it over, although clocks are rounded.
        return left_s if left_s > 1e-6 else 0.0

    def begin(self) -> int:
        """Return a ticket for a request that is sent now; unless closed, it is the probe.

        It is for the caller to see that the breaker is not open, and that no other probe is out.
        """
        self.probing = not self.is_closed
        return self._period

    def answered(self) -> None:
        """Close it, whoever was answered: the service is there."""
        self.failures = 0
        if not self.is_closed:
            self._open_s = 0.0
            self._end_period()

    def failed(self, ticket: int, now: float, chance: float) -> None:
        """Count a failure, and open when it is one too many or that of the probe.

        Args:
            ticket: What :meth:`begin` returned. Of an earlier period, it changes nothing.
            now: The time in seconds.
            chance: A number from [0, 1), so that many clients do not probe at the same instant.
        """
        if ticket != self._period:
            return
        self.failures += 1
        # Until it closes there are so many, so that each failure of a probe opens it again.
        if self.failures >= _FAILURES_TO_OPEN:
            self._open_s = min(_LONGEST_OPEN_S, 2 * self._open_s or _FIRST_OPEN_S)
            self._opens_at = now + self._open_s * (1.0 + _JITTER * chance)
            self._end_period()

    def abandoned(self, ticket: int) -> None:
        """Take note of a request that ended without telling anything: another one may probe."""
        if ticket == self._period:
            self.probing = False

    def abandon(self) -> None:
        """Take all requests for abandoned."""
        self._end_period()

    def _end_period(self) -> None:
        self._period += 1
        self.probing = False
