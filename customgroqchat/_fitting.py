"""Requests against the size of a bucket: what can never pass, and what cap makes it pass. Pure."""

from __future__ import annotations

import math

from ._pricing import Demand
from ._scope_state import ScopeState
from .exceptions import TokenLimitExceededException

_GENEROUS = 4
_TOKENS = ("TPM", "TPD", "OTPM")


def check_fits(model: str, state: ScopeState, demand: Demand) -> None:
    """Refuse a request that is larger than one of the buckets.

    Raises:
        TokenLimitExceededException: with the arithmetic in its message and attributes.
    """
    prompt, _ = state.pricing.prompt(demand)
    is_plain = not (demand.told or demand.audio_s)
    if is_plain and prompt + (demand.output_cap or 0) <= state.smallest_of_tokens:
        return  # as nearly all do
    costs = state.costs(demand)
    for dimension, cost in costs.items():
        known = state.limits.get(dimension)
        if known is not None and cost > known.limit:
            raise _too_large(model, prompt, dimension, known.limit, cost)


def fitted_cap(
    model: str, state: ScopeState, demand: Demand, at_most: int | None
) -> tuple[int, str]:
    """Return a cap with which a request passes, and a word on why so much.

    Four times what answers are expected to take, if that fits into every bucket beside the prompt.

    Raises:
        TokenLimitExceededException: there is no room for any answer.
    """
    prompt, _ = state.pricing.prompt(demand)
    cap = _GENEROUS * state.pricing.output(demand._replace(output_cap=None))
    why = f"{_GENEROUS} times the answers that are expected"
    if at_most is not None and at_most < cap:
        cap, why = at_most, "the size of the model"
    for name in _TOKENS:
        known = state.limits.get(name)
        if known is None:
            continue
        room = known.limit - (0 if name == "OTPM" else prompt)
        if room < 1:
            raise _too_large(model, prompt, name, known.limit, prompt + 1)
        if room < cap:
            cap, why = room, f"the {name} limit of {known.limit}"
    if cap < 1:
        raise _too_large(model, prompt, "context_window", prompt + cap, prompt + 1)
    return cap, why


def _too_large(
    model: str, prompt: int, dimension: str, limit: int, amount: float
) -> TokenLimitExceededException:
    cost = math.ceil(amount)
    if dimension in ("ASH", "ASD"):
        return TokenLimitExceededException(
            f"The request has {cost} seconds of audio, more than the whole {dimension} limit of "
            f"{limit} of {model}: no wait can help.",
            dimension=dimension,
            limit=limit,
            requested=cost,
            model=model,
            hint=f"Send {cost - limit} seconds less at once.",
        )
    # One limit looks at the answer alone, and one at the prompt.
    output = cost if dimension == "OTPM" else 0 if dimension == "ITPM" else cost - prompt
    parts = {"OTPM": "for the answer", "ITPM": "for the prompt"}.get(
        dimension, f"{prompt} for the prompt and {max(0, output)} for the answer"
    )
    return TokenLimitExceededException(
        f"The request needs {cost} tokens ({parts}), more than the whole {dimension} limit of "
        f"{limit} of {model}: no wait can help.",
        dimension=dimension,
        limit=limit,
        requested=cost,
        prompt_tokens=prompt,
        model=model,
        hint=_hint(dimension, cost - limit, output),
    )


def _hint(dimension: str, excess: int, output: int) -> str:
    if dimension == "OTPM":
        return f"Lower max_completion_tokens by {excess}."
    if output >= excess:
        return f"Lower max_completion_tokens by {excess} or shorten the messages."
    return f"Shorten the messages by {excess} tokens."
