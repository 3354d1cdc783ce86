"""Reporter: says what happens to a request, to those who watch: the event hook and the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._clock import Clock
from ._observer import Observer
from ._outcomes import finish_reason_of
from ._text import shown
from .events import ENDS, Event, Kind
from .exceptions import GroqError

if TYPE_CHECKING:
    from ._pricing import Usage
    from ._work import Work

_log = logging.getLogger(__name__)
_LONGEST = 10_000  # characters of a prompt or an answer


class Reporter:
    """Makes an event out of what is known of a request, and a line of the log.

    May be called from any thread; does not block and calls nothing foreign.

    Args:
        observer: Whom to tell.
        clock: Where the time comes from.
        log_prompts: Whether what is asked and answered is logged as well.
    """

    def __init__(self, observer: Observer, clock: Clock, *, log_prompts: bool = False) -> None:
        self.observer = observer
        self._clock = clock
        self._log_prompts = log_prompts

    def queued(self, work: Work, payload: Mapping[str, Any]) -> None:
        """A request was accepted."""
        work.context = self.observer.capture()
        self._tell("queued", work)
        self._log_text(work, "asks", payload)

    def admitted(self, work: Work) -> None:
        """Quota was set aside for it."""
        self._tell("admitted", work)

    def sent(self, work: Work) -> None:
        """An attempt begins."""
        self._tell("sent", work)
        work.is_under_way = True

    def retried(self, work: Work, error: GroqError, delay_s: float) -> None:
        """An attempt failed, and will be repeated."""
        self._tell("retried", work, delay_s=delay_s, **_end_of_attempt(work), **_of_error(error))

    def limited(self, work: Work, error: GroqError) -> None:
        """It has to wait for quota: so says the service, or this client."""
        delay_s = getattr(error, "retry_after", None)
        self._tell("limited", work, delay_s=delay_s, **_end_of_attempt(work), **_of_error(error))

    def settled(self, work: Work, usage: Usage | None, answer: object) -> None:
        """It has its answer."""
        self._log_text(work, "is answered", answer)
        finish_reason = finish_reason_of(answer)
        used: dict[str, Any] = {}
        if usage is not None:
            used = {
                "prompt_tokens": usage.prompt,
                "completion_tokens": usage.completion,
                "cached_tokens": usage.cached,
            }
        self._tell("settled", work, finish_reason=finish_reason, **used, **_end_of_attempt(work))

    def failed(self, work: Work, error: BaseException) -> None:
        """It ended with an error."""
        self._tell("failed", work, **_end_of_attempt(work), **_of_error(error))

    def _log_text(self, work: Work, does: str, text: object) -> None:
        if self._log_prompts and _log.isEnabledFor(logging.DEBUG):
            _log.debug("request %d %s: %s", work.request_id, does, shown(text, _LONGEST))

    def _tell(self, kind: Kind, work: Work, prompt_tokens: int | None = None, **facts: Any) -> None:
        if work.has_ended and kind not in ENDS:
            return  # it was cancelled in the same instant
        options = work.options
        event = Event(
            kind,
            work.request_id,
            self._clock.wall(),
            work.scope.model,
            options.tag,
            options.priority,
            work.attempts,
            work.waited_s(self._clock.monotonic()),
            prompt_tokens=work.demand.prompt_tokens if prompt_tokens is None else prompt_tokens,
            reserved_tokens=work.reserved_tokens,
            is_stream=work.request.is_stream,
            context=work.context,
            **facts,
        )
        self.observer.tell(event)
        if _log.isEnabledFor(logging.DEBUG):
            told = {name: value for name, value in facts.items() if value is not None}
            _log.debug("request %d (%s): %s %s", work.request_id, work.scope.model, kind, told)


def _end_of_attempt(work: Work) -> dict[str, Any]:
    """Return the facts of the attempt that has ended, once for each."""
    if not work.is_under_way:
        return {}
    work.is_under_way = False
    # The one who cancels it comes before the one who writes its history.
    last = work.history[-1] if len(work.history) == work.attempts else None
    return {
        "took_s": work.line.took_s(),
        "status_code": last and last.status_code,
        "service_request_id": last and last.request_id,
    }


def _of_error(error: BaseException) -> dict[str, Any]:
    return {"error": type(error).__name__, "dimension": getattr(error, "dimension", None)}
