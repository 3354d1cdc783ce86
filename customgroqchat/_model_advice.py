"""What is said of a model that is gone, misspelt, or too small for a request. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeVar

from ._presets import RETIRED, resembling, retirement_note
from .exceptions import (
    BadRequestError,
    GroqError,
    NotFoundError,
    TokenLimitExceededException,
)
from .model_facts import ModelFacts

E = TypeVar("E", bound=GroqError)

# --- after the service has refused a model ---------------------------------------------------

_GONE_CODES = frozenset({"model_not_found", "model_decommissioned"})
# In the words of answers that have no code, such as those of a proxy.
_GONE_WORDS = ("has been decommissioned", "does not exist or you do not have access")


def is_gone(error: GroqError) -> bool:
    """Whether the service says that the model was shut down, or is not there for this key."""
    if not isinstance(error, BadRequestError | NotFoundError):
        return False
    if error.code is not None:
        return error.code in _GONE_CODES
    return "model" in error.message.lower() and any(word in error.message for word in _GONE_WORDS)


def enriched(error: E, model: str | None, known: Iterable[str] = ()) -> E:
    """Return an error, told what became of the model, or which one was probably meant.

    Of a model that was shut down, ``hint`` names the day and the successor, and so does
    ``successor``. Any other error is left alone. Does not block.

    Args:
        error: What a request ended with; it is changed in place.
        model: The model of the request.
        known: The models that there are, if the service has told.
    """
    if model is None or not is_gone(error):
        return error
    names = tuple(known)
    if isinstance(error, NotFoundError) and model in names:
        return error  # it is there, but not for this account
    if isinstance(error, BadRequestError | NotFoundError) and model in RETIRED:
        error.successor = RETIRED[model].successor
        error.hint = retirement_note(model)
    elif isinstance(error, NotFoundError):  # what is decommissioned was there: its name is right
        error.hint = did_you_mean(model, names) or error.hint
    return error


def did_you_mean(model: str, known: Iterable[str] = ()) -> str | None:
    """Return a hint for an unknown name of a model: the one it resembles, or None. Pure.

    Args:
        model: The name that is not known.
        known: The models that there are, if that is known.
    """
    near = resembling(model, known)
    if near is None:
        return None
    note = retirement_note(near)
    return f"Did you mean {near!r}? {note}" if note else f"Did you mean {near!r}?"


# --- before a request is sent ----------------------------------------------------------------

Size = Literal["context_window", "max_completion_tokens"]


class Excess(NamedTuple):
    """A size of a model that a request exceeds: its tokens, and those that the request needs."""

    size: Size
    limit: int
    needed: int
    is_sure: bool


def excess_of(facts: ModelFacts, prompt: int, cap: int | None) -> Excess | None:
    """Return what is too small for a request, or None; of several, what is sure comes first.

    Args:
        facts: The model.
        prompt: Tokens that the prompt has at least.
        cap: The most tokens that the answer may have, or None.
    """
    needs: tuple[tuple[Size, int], ...] = (
        ("context_window", prompt + (cap or 0)),
        ("max_completion_tokens", cap or 0),
    )
    found = [
        Excess(size, limit, needed, _is_sure(facts, size))
        for size, needed in needs
        if (limit := getattr(facts, size)) is not None and needed > limit
    ]
    return max(found, key=lambda excess: excess.is_sure, default=None)


def _is_sure(facts: ModelFacts, size: Size) -> bool:
    """Whether a size may refuse a request. A live model's window is published for good."""
    if size == "context_window" and facts.retired_on is None:
        return True
    return facts.sure(size) is not None


def too_small(model: str, excess: Excess, prompt: int) -> TokenLimitExceededException:
    """Return the error for a request that is larger than its model allows."""
    size, limit, needed, _ = excess
    if size == "context_window":
        what = (
            f"The request needs {needed} tokens ({prompt} for the prompt and {needed - prompt} for "
            f"the answer), more than the context window of {limit} of {model}."
        )
        hint = f"Shorten the messages or max_completion_tokens by {needed - limit} tokens."
    else:
        what = f"The answer may have {needed} tokens, more than the {limit} that {model} can give."
        hint = f"Lower max_completion_tokens to {limit}."
    return TokenLimitExceededException(
        what,
        dimension=size,
        limit=limit,
        requested=needed,
        prompt_tokens=prompt,
        model=model,
        hint=hint,
    )


def room_for(facts: ModelFacts, prompt: int) -> int | None:
    """Return the longest answer that a model can give to a prompt, in tokens, if that is known.

    A context window that is only published does not leave less than no room: it may have grown.
    """
    rooms = []
    if facts.context_window is not None:
        room = facts.context_window - prompt
        if room >= 1 or facts.sure("context_window") is not None:
            rooms.append(room)
    if facts.max_completion_tokens is not None:
        rooms.append(facts.max_completion_tokens)
    return min(rooms, default=None)
