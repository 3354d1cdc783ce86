"""What many requests will take and cost, worked out before anything is spent. Pure.

:meth:`GroqClient.plan` makes a :class:`Plan` of the same requests that :meth:`GroqClient.map`
takes. All numbers are expectations: how long answers will be is not known before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ._bucket import BucketState
from ._forecast import wait_for
from ._text import shown
from .exceptions import ClientError, GroqError, InvalidRequestException
from .model_facts import ModelFacts, read_prices

__all__ = ["ModelPlan", "Plan"]

T = TypeVar("T")

#: US dollars by what they are for: ``"prompt"`` and ``"completion"`` per token, ``"request"``.
Prices = Mapping[str, float]


@dataclass(frozen=True)
class ModelPlan:
    """What the requests to one model will take.

    Attributes:
        requests: How many there are.
        prompt_tokens: Tokens of their prompts.
        completion_tokens: Tokens of their answers, as expected.
        cost_usd: US dollars, None if the price is not known. What the service finds in its cache
            costs less.
        seconds: When the limits will have let all of them pass, if nothing else uses them.
        binding: The limit that takes longest, such as ``"TPM"``; None if nothing has to wait.
        limits: The known limits by dimension.
    """

    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    seconds: float
    binding: str | None
    limits: Mapping[str, int]

    @property
    def tokens(self) -> int:
        """Tokens of prompts and answers."""
        return self.prompt_tokens + self.completion_tokens

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as a dict that JSON can carry."""
        return {
            "requests": self.requests,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "tokens": self.tokens,
            "cost_usd": self.cost_usd,
            "seconds": self.seconds,
            "binding": self.binding,
            "limits": dict(self.limits),
        }


@dataclass(frozen=True)
class Plan:
    """What many requests will take and cost. ``str()`` makes it a table; any thread may read it.

    Attributes:
        models: A :class:`ModelPlan` for each model.
        refused: The requests that would be refused before anything is sent, which count for
            nothing here: the index and the error of each.
    """

    models: Mapping[str, ModelPlan] = field(default_factory=dict)
    refused: Sequence[tuple[int, GroqError]] = ()

    @property
    def requests(self) -> int:
        """How many requests count, those that are refused left out."""
        return sum(model.requests for model in self.models.values())

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts."""
        return sum(model.prompt_tokens for model in self.models.values())

    @property
    def completion_tokens(self) -> int:
        """Tokens of all answers, as expected."""
        return sum(model.completion_tokens for model in self.models.values())

    @property
    def tokens(self) -> int:
        """Tokens of prompts and answers."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def cost_usd(self) -> float | None:
        """US dollars; None if the price of one of the models is not known."""
        costs = [model.cost_usd for model in self.models.values()]
        return None if None in costs else sum(filter(None, costs), 0.0)

    @property
    def prices_missing(self) -> tuple[str, ...]:
        """The models whose price is not known."""
        return tuple(name for name, model in self.models.items() if model.cost_usd is None)

    @property
    def seconds(self) -> float:
        """When the limits will have let everything pass; models go side by side."""
        return max((model.seconds for model in self.models.values()), default=0.0)

    @property
    def minutes(self) -> float:
        """The same in minutes."""
        return self.seconds / 60.0

    @property
    def binding(self) -> str | None:
        """The limit that takes longest, such as ``"TPM of openai/gpt-oss-20b"``, or None."""
        bound = {name: model for name, model in self.models.items() if model.binding}
        slowest = max(bound, key=lambda name: bound[name].seconds, default=None)
        return slowest and f"{bound[slowest].binding} of {slowest}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a dict that JSON can carry."""
        return {
            "requests": self.requests,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "tokens": self.tokens,
            "cost_usd": self.cost_usd,
            "prices_missing": list(self.prices_missing),
            "seconds": self.seconds,
            "minutes": self.minutes,
            "binding": self.binding,
            "models": {name: model.to_dict() for name, model in self.models.items()},
            "refused": [{"index": index, **error.to_dict()} for index, error in self.refused],
        }

    def __str__(self) -> str:
        return "\n".join([*_table([_HEADING, *self._rows()]), *self._notes()])

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for name, model in self.models.items():
            yield _row(name, model, model.binding)
        if len(self.models) != 1:
            yield _row("all", self, self.binding)

    def _notes(self) -> Iterator[str]:
        if self.prices_missing:
            yield f"no price is known of {', '.join(self.prices_missing)}"
        if self.refused:
            index, error = self.refused[0]
            yield f"refused: {len(self.refused):,}, the first at index {index}: {error}"


# --- adding up -------------------------------------------------------------------------------


class Tally:
    """Adds up requests by model, keeping none of them. It belongs to one thread."""

    def __init__(self) -> None:
        self._requests: dict[str, int] = {}
        self._amounts: dict[str, dict[str, float]] = {}
        self._refused: list[tuple[int, GroqError]] = []

    @property
    def models(self) -> Iterable[str]:
        """The models that requests were counted for."""
        return self._requests.keys()

    def count(
        self, requests: Iterable[T], amounts_of: Callable[[T], tuple[str, Mapping[str, float]]]
    ) -> None:
        """Add all requests, given what returns the model and the amounts of one of them."""
        for index, request in enumerate(requests):
            try:
                self.add(*amounts_of(request))
            except ClientError as error:
                self.refuse(index, error)

    def add(self, model: str, amounts: Mapping[str, float]) -> None:
        """Count a request and what it is expected to take of each dimension."""
        self._requests[model] = self._requests.get(model, 0) + 1
        sums = self._amounts.setdefault(model, {})
        for dimension, amount in amounts.items():
            sums[dimension] = sums.get(dimension, 0.0) + amount

    def refuse(self, index: int, error: GroqError) -> None:
        """Note a request that counts for nothing, and let go of what its error holds on to."""
        error.__traceback__ = error.__cause__ = error.__context__ = None
        self._refused.append((index, error))

    def plan(
        self,
        buckets: Mapping[str, Mapping[str, BucketState]],
        prices: Mapping[str, Prices],
    ) -> Plan:
        """Return the plan, given the buckets and the prices by model."""
        models = {name: self._model(name, buckets[name], prices.get(name)) for name in self.models}
        return Plan(models, tuple(self._refused))

    def _model(
        self, name: str, buckets: Mapping[str, BucketState], prices: Prices | None
    ) -> ModelPlan:
        amounts = self._amounts[name]
        prompt, completion = amounts.get("ITPM", 0.0), amounts.get("OTPM", 0.0)
        used = {"prompt": prompt, "completion": completion, "request": self._requests[name]}
        seconds, binding = wait_for(amounts, buckets)
        return ModelPlan(
            requests=self._requests[name],
            prompt_tokens=round(prompt),
            completion_tokens=round(completion),
            cost_usd=_cost(used, prices),
            seconds=seconds,
            binding=binding,
            limits={dimension: bucket.limit for dimension, bucket in buckets.items()},
        )


# --- prices ----------------------------------------------------------------------------------

_NEEDED = ("prompt", "completion")


def _cost(used: Mapping[str, float], prices: Prices | None) -> float | None:
    if prices is None:
        return None
    return sum(amount * prices.get(name, 0.0) for name, amount in used.items())


def given_prices(prices: Mapping[str, Mapping[str, Any]]) -> dict[str, Prices]:
    """Check prices that a caller gives, by model.

    Raises:
        InvalidRequestException: one of them is no number of dollars, or is missing.
    """
    read = {name: _read(price) for name, price in prices.items()}
    for name, price in read.items():
        if price is None:
            raise InvalidRequestException(
                f"prices of {name} cannot be {shown(prices[name])}.",
                field="prices",
                value=shown(prices[name]),
                hint='Give {"prompt": ..., "completion": ...} in US dollars per token.',
            )
    return {name: price for name, price in read.items() if price is not None}


def told_prices(models: Iterable[Mapping[str, Any]]) -> dict[str, Prices]:
    """Return the prices in a list of models of the service; what is no price is left out."""
    read = {model.get("id"): _read(model.get("pricing")) for model in models}
    return {str(name): price for name, price in read.items() if price is not None}


def prices_of(models: Iterable[ModelFacts]) -> dict[str, Prices]:
    """Return the prices of chat among what is known of models, by model, whoever said them."""
    known = {facts.name: facts.prices.to_dict() for facts in models if facts.prices is not None}
    return {name: price for name, price in known.items() if all(map(price.__contains__, _NEEDED))}


def _read(pricing: Any) -> Prices | None:
    """Return prices as numbers, or None if one is not a price or one of the needed is missing."""
    if not isinstance(pricing, Mapping):
        return None
    given = {name: price for name, price in pricing.items() if price is not None}
    prices = read_prices(given)
    is_sound = len(prices) == len(given) and all(name in prices for name in _NEEDED)
    return prices if is_sound else None


# --- a table ---------------------------------------------------------------------------------

_HEADING = ("model", "requests", "prompt", "completion", "cost in USD", "time", "bound by")
_UNITS = ((86_400.0, "days"), (3_600.0, "h"), (60.0, "min"))


def _row(name: str, part: ModelPlan | Plan, binding: str | None) -> tuple[str, ...]:
    cost = "unknown" if part.cost_usd is None else f"{part.cost_usd:,.4f}"
    numbers = (part.requests, part.prompt_tokens, part.completion_tokens)
    counts = (f"{number:,}" for number in numbers)
    return (name, *counts, cost, _duration(part.seconds), binding or "nothing")


def _duration(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.0f} s"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the rows with names at the left of their columns, and numbers at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *middle, last in rows:
        cells = (f"{cell:>{width}}" for cell, width in zip(middle, widths[1:-1], strict=True))
        yield "  ".join([f"{first:<{widths[0]}}", *cells, last])
