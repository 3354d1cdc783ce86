"""Whether another model may do what one cannot now: the decision of a chain of fallbacks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ._model_advice import is_gone
from ._presets import RETIRED
from ._validation import refuse
from .exceptions import (
    APIStatusError,
    CapacityExceededError,
    GroqError,
    PermissionDeniedError,
    RateLimitExceededException,
)

Reason = Literal["daily_quota", "capacity", "retired", "not_found", "blocked"]

DAILY = frozenset({"RPD", "TPD", "ASD"})
"""The limits that are not worth waiting for, if another model will do."""

_NO_CAPACITY = frozenset({503, 529})
_BLOCKED = frozenset({"model_permission_blocked_org", "model_permission_blocked_project"})
_IN_WORDS: Mapping[Reason, str] = {
    "daily_quota": "has used up what it may take in a day",
    "capacity": "is over capacity",
    "retired": "was shut down",
    "not_found": "is not there for this key",
    "blocked": "is blocked for this project or organisation",
}


@dataclass(frozen=True)
class FallbackStep:
    """A model that could not answer, so that the next of the chain was asked. Immutable.

    Attributes:
        model: Its name.
        reason: ``"daily_quota"``, ``"capacity"``, ``"retired"``, ``"not_found"`` or ``"blocked"``.
        error: What its request ended with.
    """

    model: str
    reason: Reason
    error: GroqError

    def __str__(self) -> str:
        return f"{self.model} {_IN_WORDS[self.reason]}"

    def to_dict(self) -> dict[str, Any]:
        """Return the step as a dict that JSON can carry."""
        return {"model": self.model, "reason": self.reason, "error": self.error.to_dict()}


def moves_on(error: BaseException, model: str = "") -> Reason | None:
    """Return why the next model of a chain should be asked, or None if it should not be.

    What is wrong with the request, the key, the connection or a limit per minute would be so for
    the next model too, or is worth a wait. Does not block.

    Args:
        error: What the request ended with.
        model: Its model, if the error does not name it.
    """
    if isinstance(error, RateLimitExceededException):
        return "daily_quota" if _is_of_the_day(error) else None
    if not isinstance(error, APIStatusError):
        return None
    if isinstance(error, CapacityExceededError) or error.status_code in _NO_CAPACITY:
        return "capacity"
    if isinstance(error, PermissionDeniedError) and error.code in _BLOCKED:
        return "blocked"
    if not is_gone(error):
        return None
    is_retired = error.status_code != 404 or (model or error.model) in RETIRED
    return "retired" if is_retired else "not_found"


def _is_of_the_day(error: RateLimitExceededException) -> bool:
    # One that is larger than the whole limit is too large, and nothing is used up.
    alone_too_large = (error.requested or 0) > (error.limit or 0) > 0
    return error.dimension in DAILY and not alone_too_large


def step_of(model: str, error: GroqError) -> FallbackStep | None:
    """Return the step from a model to the next, or None if the error is to be raised.

    The error lets go of its traceback, and of all that this holds on to. Does not block.
    """
    reason = moves_on(error, model)
    if reason is None:
        return None
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return FallbackStep(model, reason, error)


def chain_of(model: str, fallbacks: object) -> tuple[str, ...]:
    """Return the models to ask, in order and each once: the model, then its fallbacks.

    Args:
        model: The model of the request.
        fallbacks: Names of models, or None for none.

    Raises:
        InvalidRequestException: it is no list of names.
    """
    if fallbacks is None:
        return (model,)
    if isinstance(fallbacks, str | bytes | Mapping) or not isinstance(fallbacks, Iterable):
        refuse("fallbacks", fallbacks, 'Give a list, such as ["openai/gpt-oss-20b"].')
    names = list(fallbacks)
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            refuse(f"fallbacks[{index}]", name, "Give the name of a model.")
    return tuple(dict.fromkeys([model, *names]))
