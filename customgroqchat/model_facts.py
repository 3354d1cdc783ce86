"""What is known of a model, and who said it: sizes, prices, features, retirement. Pure.

Facts come from three sources, from the weakest to the strongest: what was published when this
version was made (a *preset*), what the *service* tells when it is asked for its models, and what
a user *configured*. :func:`merged` lays them over one another, field by field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any, Literal

__all__ = ["ModelFacts", "ModelPrices", "configured_facts", "merged", "told_facts"]

Source = Literal["preset", "service", "configured"]

_STRENGTH: tuple[Source, ...] = ("preset", "service", "configured")
#: What the service can do beside the features that it lists: its own tools.
_NEVER_LISTED = frozenset({"browser_search", "code_interpreter"})
_SHORTEST_AUDIO_S = 10.0
_HOUR_S = 3600.0
_LONGEST_NUMBER = 20


@dataclass(frozen=True)
class ModelPrices:
    """What a model costs, in US dollars; None where no such price is known. Immutable.

    Attributes:
        prompt: Per token of the prompt.
        completion: Per token of the answer; reasoning is part of it.
        cached: Per token of the prompt that the service finds in its cache.
        request: Per request.
        image: Per image.
        audio_hour: Per hour of audio that is transcribed; at least ten seconds are charged.
        character: Per character of a text that is spoken.
    """

    prompt: float | None = None
    completion: float | None = None
    cached: float | None = None
    request: float | None = None
    image: float | None = None
    audio_hour: float | None = None
    character: float | None = None

    def cost_usd(
        self,
        prompt_tokens: float = 0,
        completion_tokens: float = 0,
        *,
        cached_tokens: float = 0,
        audio_s: float = 0.0,
        characters: int = 0,
    ) -> float | None:
        """Return what one request costs in US dollars, or None if a price it needs is not known.

        Does not block; from any thread.

        Args:
            prompt_tokens: Tokens of the prompt, with those from the cache.
            completion_tokens: Tokens of the answer.
            cached_tokens: Those of the prompt's tokens that were in the cache.
            audio_s: Seconds of audio.
            characters: Characters of a text that is spoken.
        """
        billed_s = max(audio_s, _SHORTEST_AUDIO_S) if audio_s else 0.0
        parts = (
            (prompt_tokens - cached_tokens, self.prompt),
            (cached_tokens, self.prompt if self.cached is None else self.cached),
            (completion_tokens, self.completion),
            (billed_s / _HOUR_S, self.audio_hour),
            (characters, self.character),
        )
        costs = [price and amount * price for amount, price in parts if amount]
        return None if None in costs else sum(filter(None, costs), self.request or 0.0)

    def to_dict(self) -> dict[str, float]:
        """Return the prices that are known."""
        known = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: price for name, price in known.items() if price is not None}


@dataclass(frozen=True)
class ModelFacts:
    """What is known of one model; None where nothing is. Immutable, pickles; for any thread.

    Attributes:
        name: The model's id.
        context_window: Tokens that prompt and answer may have together.
        max_completion_tokens: Tokens that an answer may have.
        prices: What it costs.
        features: What it can do: ``"tools"``, ``"json_mode"``, ``"structured_outputs"`` (schemas
            that are kept to strictly), ``"reasoning"``, ``"vision"``, ``"browser_search"``, ...
        input_modalities: What it takes: ``"text"``, ``"image"``, ``"audio"``.
        output_modalities: What it gives: ``"text"``, ``"transcription"``, ``"speech"``.
        owner: Who made it.
        is_active: Whether it can be used.
        retired_on: The day it was shut down for free and developer accounts.
        successor: The model that replaces it, if it was.
        sources: Who said each of these: ``"preset"``, ``"service"`` or ``"configured"``, by field.
    """

    name: str
    context_window: int | None = None
    max_completion_tokens: int | None = None
    prices: ModelPrices | None = None
    features: frozenset[str] | None = None
    input_modalities: tuple[str, ...] | None = None
    output_modalities: tuple[str, ...] | None = None
    owner: str | None = None
    is_active: bool | None = None
    retired_on: date | None = None
    successor: str | None = None
    sources: Mapping[str, Source] = field(default_factory=dict, hash=False, repr=False)

    @classmethod
    def said_by(cls, source: Source, name: str, **known: Any) -> ModelFacts:
        """Return facts that all come from one source; those that are None count as not said."""
        said = {key: value for key, value in known.items() if value is not None}
        return cls(name, **said, sources=dict.fromkeys(said, source))

    @property
    def source(self) -> Source | None:
        """The strongest source that said any of it, or None if nothing is known."""
        return max(self.sources.values(), key=_STRENGTH.index, default=None)

    def supports(self, feature: str) -> bool | None:
        """Whether the model has a feature, None if that is not known. Does not block."""
        return None if self.features is None else feature in self.features

    def sure(self, size: Literal["context_window", "max_completion_tokens"]) -> int | None:
        """Return a size if the service or the configuration says it, else None.

        One that is only published may be out of date: nothing is refused for it.
        """
        if self.sources.get(size, "preset") == "preset":
            return None
        found: int | None = getattr(self, size)
        return found

    def cost_usd(self, usage: object) -> float | None:
        """Return what a request cost in US dollars, given the ``usage`` of its answer.

        None if a price is not known, or if ``usage`` tells no tokens. Does not block.
        """
        from ._outcomes import usage_of  # hardly ever needed

        used = usage_of({"usage": usage})
        if used is None or self.prices is None:
            return None
        return self.prices.cost_usd(used.prompt, used.completion, cached_tokens=used.cached)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a dict that JSON can carry; sets become sorted lists."""
        plain = {item.name: _plain(getattr(self, item.name)) for item in fields(self)}
        return {**plain, "source": self.source}


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, ModelPrices):
        return value.to_dict()
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    return value.isoformat() if isinstance(value, date) else value


# --- one over the other ----------------------------------------------------------------------


def merged(weakest: ModelFacts, *stronger: ModelFacts) -> ModelFacts:
    """Return facts of one model laid over one another: of each field, the last who says it wins.

    A model that its service, or its user, calls active is not retired for that account, whatever
    was published. Does not block.
    """
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for facts in (weakest, *stronger):
        said = {name: getattr(facts, name) for name in facts.sources}
        if "features" in said:  # those of the service's tools stay known
            said["features"] |= (values.get("features") or frozenset()) & _NEVER_LISTED
        values.update(said)
        sources.update(facts.sources)
    if values.get("is_active"):
        for name in ("retired_on", "successor"):
            values.pop(name, None)
            sources.pop(name, None)
    return ModelFacts(weakest.name, **values, sources=sources)


def configured_facts(name: str, sizes: Mapping[str, int | None]) -> ModelFacts:
    """Return the sizes that a user has configured for a model, in tokens.

    Args:
        name: The model's id.
        sizes: ``context_window`` and ``max_completion_tokens``, as far as they are configured;
            None is said as well: that there is no such bound, whatever others say.
    """
    said: dict[str, Any] = dict(sizes)
    return ModelFacts(name, **said, sources=dict.fromkeys(said, "configured"))


# --- from the service ------------------------------------------------------------------------


def told_facts(item: object) -> ModelFacts | None:
    """Return what the service says of a model, given its item in the list of models.

    Items of all years are understood: sizes under their older and newer names, numbers as text,
    fields that are missing or null. What cannot be is left out. None if the item names no model.
    """
    if not isinstance(item, Mapping) or not isinstance(item.get("id"), str) or not item["id"]:
        return None
    inputs, outputs = _words(item, "input_modalities"), _words(item, "output_modalities")
    return ModelFacts.said_by(
        "service",
        item["id"],
        context_window=_size(item, "context_window", "context_length"),
        max_completion_tokens=_size(item, "max_completion_tokens", "max_output_length"),
        prices=_prices(item.get("pricing"), is_speech="speech" in (outputs or ())),
        features=_features(_words(item, "supported_features"), inputs),
        input_modalities=inputs,
        output_modalities=outputs,
        owner=_word(item.get("owned_by")),
        is_active=item.get("active") is not False,
    )


def told_by(items: Iterable[object]) -> Iterator[ModelFacts]:
    """Yield what the service says of each model of a list."""
    return (facts for facts in map(told_facts, items) if facts is not None)


def _features(
    listed: tuple[str, ...] | None, inputs: tuple[str, ...] | None
) -> frozenset[str] | None:
    if listed is None:
        return None
    return frozenset(listed) | ({"vision"} if "image" in (inputs or ()) else set())


def _prices(pricing: object, *, is_speech: bool) -> ModelPrices | None:
    read = read_prices(pricing)
    if is_speech:  # its tokens are characters, and its answers cost nothing
        return ModelPrices(character=read["prompt"]) if "prompt" in read else None
    prices = ModelPrices(
        prompt=read.get("prompt"),
        completion=read.get("completion"),
        cached=read.get("input_cache_read"),
        request=read.get("request"),
        image=read.get("image"),
    )
    return prices if "prompt" in read and "completion" in read else None


def read_prices(pricing: object) -> dict[str, float]:
    """Return the prices in a mapping as numbers; what cannot be a price is left out."""
    if not isinstance(pricing, Mapping):
        return {}
    read = {str(name): price_of(value) for name, value in pricing.items()}
    return {name: price for name, price in read.items() if price is not None}


def price_of(value: Any) -> float | None:
    """Return a price as a number, or None if it is none."""
    try:
        price = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return price if 0.0 <= price < float("inf") else None


def _size(item: Mapping[str, object], *names: str) -> int | None:
    return next(filter(None, (_count(item.get(name)) for name in names)), None)


def _count(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < _LONGEST_NUMBER:
        return int(value) or None
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1:
        return None
    return int(value) if value > 0 else None


def _words(item: Mapping[str, object], name: str) -> tuple[str, ...] | None:
    value = item.get(name)
    if not isinstance(value, list | tuple):
        return None
    return tuple(word for word in value if isinstance(word, str))


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
