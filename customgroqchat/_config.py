"""What loading a configuration ends in: :class:`Config`, :class:`ModelConfig`, and who said what.

Values arrive as *layers*, from the weakest to the strongest, and each value knows its origin; a
configuration is the layers laid over one another. Nothing here reads a file or a variable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from ._kinds_http import DEFAULT_BASE_URL
from ._presets import (
    FREE_PLAN,
    MODEL_FACTS,
    PUBLISHED,
    retirement_note,
    successor_of,
)
from ._settings import ALL, CLIENT, CONNECTION, FACTS, LIMITS, nearest
from .exceptions import ModelNotFoundException

PRESET = f"preset of the free plan, published {PUBLISHED} (a guess; the server's word replaces it)"


@dataclass(frozen=True)
class Sourced:
    """A checked value and where it comes from; the value stays out of the repr."""

    value: Any = field(repr=False)
    source: str
    key: str = ""
    in_file: bool = False

    @property
    def origin(self) -> str:
        """The origin in words."""
        return f"{self.source}, key '{self.key}'" if self.in_file else self.source


Layer = Mapping[str, Sourced]


def _published(record: object, names: Mapping[str, object], source: str) -> Layer:
    return {name: Sourced(getattr(record, name, None), source) for name in names}


def _only(layer: Layer, names: Mapping[str, object]) -> Layer:
    return {name: layer[name] for name in names if name in layer}


@dataclass(frozen=True)
class Layers:
    """Everything that was said: for the client, for every model, for single models, on top."""

    client: Layer
    shared: Layer
    blocks: Mapping[str, Layer]
    arguments: Layer

    def under(self, arguments: Layer) -> Layers:
        """Return the same with more arguments on top."""
        return replace(
            self, client={**self.client, **arguments}, arguments={**self.arguments, **arguments}
        )

    def model(self, name: str) -> Layer:
        """Return what holds for one model.

        A model that names any limit, itself or through the defaults, is taken at its word: mixing
        guesses into what a user wrote would throttle someone who left a limit out on purpose.
        """
        block = self.blocks.get(name, {})
        return {
            **self._connection(),
            **self._unsaid_limits(name, any(key in block or key in self.shared for key in LIMITS)),
            **_published(MODEL_FACTS.get(name), FACTS, _facts_source(name)),
            **_only(self.shared, {**LIMITS, **FACTS}),
            **block,
            **_only(self.arguments, CONNECTION),
        }

    def _connection(self) -> Layer:
        return _only(self.client, CONNECTION)

    @staticmethod
    def _unsaid_limits(name: str, some_are_said: bool) -> Layer:
        if some_are_said:
            return _published(None, LIMITS, "unlimited, as other limits are configured")
        if name in FREE_PLAN:
            return _published(FREE_PLAN[name], LIMITS, PRESET)
        return _published(None, LIMITS, "nothing known: unlimited until the server names a limit")


def _facts_source(name: str) -> str:
    known = name in MODEL_FACTS
    return f"published by the service, seen {PUBLISHED}" if known else "nothing known"


class _Confidential:
    """Holds a key, so it is never pickled; immutable, so a copy is the object itself."""

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} holds an API key and is not pickled; "
            "load the configuration in the other process"
        )

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: object) -> Any:
        return self


@dataclass(frozen=True)
class ModelConfig(_Confidential):
    """What is configured or guessed for one model. Immutable; any thread may read it.

    Attributes:
        name: The model's id.
        base_url: Address of the service, without a trailing slash and without ``/openai/v1``.
        api_key: The key, or None if none is configured. Never shown by ``repr``.
        req_per_minute: Requests per minute; None is unlimited or unknown, as for all the limits.
        req_per_day: Requests per day.
        token_per_minute: Tokens per minute.
        token_per_day: Tokens per day.
        input_token_per_minute: Tokens of prompts per minute.
        output_token_per_minute: Tokens of answers per minute.
        audio_seconds_per_hour: Seconds of audio per hour.
        audio_seconds_per_day: Seconds of audio per day.
        context_window: Tokens of prompt and answer together, None if unknown.
        max_completion_tokens: Tokens of an answer, None if unknown.
        guessed: True if the limits are the published ones of the free plan and nobody's word.
    """

    name: str
    base_url: str = DEFAULT_BASE_URL
    api_key: str | None = field(default=None, repr=False)
    req_per_minute: int | None = None
    req_per_day: int | None = None
    token_per_minute: int | None = None
    token_per_day: int | None = None
    input_token_per_minute: int | None = None
    output_token_per_minute: int | None = None
    audio_seconds_per_hour: int | None = None
    audio_seconds_per_day: int | None = None
    context_window: int | None = None
    max_completion_tokens: int | None = None
    guessed: bool = False


class Origin(NamedTuple):
    """A value as it may be shown (secrets masked), and where it comes from."""

    value: Any
    source: str


class Explanation(Mapping[str, Origin]):
    """Where each value of a configuration comes from, by its path; ``str()`` makes it a table.

    Paths are ``"max_workers"`` or ``"models.<model>.token_per_minute"``. Read-only; secrets are
    masked, so it may be printed and logged.
    """

    def __init__(self, rows: Mapping[str, Origin]) -> None:
        self._rows = dict(rows)

    def __getitem__(self, path: str) -> Origin:
        return self._rows[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __str__(self) -> str:
        rows = [(path, str(value), source) for path, (value, source) in self._rows.items()]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in rows)

    def __repr__(self) -> str:
        return f"Explanation({self._rows!r})"


def _rows(prefix: str, layer: Layer) -> dict[str, Origin]:
    return {
        prefix + name: Origin(ALL[name].kind.shown(sourced.value), sourced.origin)
        for name, sourced in layer.items()
    }


@dataclass(frozen=True)
class Config(_Confidential):
    """A loaded configuration. Immutable, never blocks; any thread may use it.

    It is made by :class:`ConfigLoader`. Its repr shows neither the key nor proxies nor headers.

    Attributes:
        api_key: The client's key, or None if none is configured.
        base_url: Address of the service, without a trailing slash and without ``/openai/v1``.
        timeout: ``(connect, read)`` in seconds.
        max_retries: Repetitions of an attempt that failed.
        max_workers: Requests on their way at the same time.
        max_queue: Requests that may be waiting.
        max_wait: Seconds that a blocking call may wait for its turn.
        ageing_s: Seconds of waiting worth one level of priority; None keeps priorities strict.
        tag_weights: Weight by tag, of requests of one priority; tags not named weigh 1.
        strict_models: Whether :meth:`model` refuses models that nobody knows.
        verify: As in requests: a bool, an absolute path of authorities, or None: the environment
            decides.
        proxies: Scheme to URL; empty for no proxy at all, or None: the environment decides.
        default_headers: Headers of every request.
        max_response_bytes: Bytes, decompressed, that an answer may have.
        max_event_bytes: Bytes that a single event of a stream may have.
        expected_completion_tokens: Tokens reserved for an answer without a cap, at first.
        policy: Room left to other programs on the account: ``"greedy"``, ``"balanced"`` or
            ``"polite"``.
        server_limits: What a limit that the service tells does to the configured one: replace it
            (``"adopt"``) or lower it (``"lower"``).
        share_limits: Whether the clients of a process admit against common levels.
        limits_file: Where told limits are remembered between runs, an absolute path; or None.
        allow_http: Whether base URLs without TLS are allowed on other machines.
        log_prompts: Whether prompts and answers are written into the log.
        models: The models that have a block of their own, by name.
    """

    api_key: str | None = field(repr=False)
    base_url: str
    timeout: tuple[float, float]
    max_retries: int
    max_workers: int
    max_queue: int
    max_wait: float
    ageing_s: float | None
    tag_weights: Mapping[str, float]
    strict_models: bool
    verify: bool | str | None
    proxies: Mapping[str, str] | None = field(repr=False)
    default_headers: Mapping[str, str] = field(repr=False)
    max_response_bytes: int
    max_event_bytes: int
    expected_completion_tokens: int
    policy: str
    server_limits: str
    share_limits: bool
    limits_file: Path | None
    allow_http: bool
    log_prompts: bool
    models: Mapping[str, ModelConfig]
    _layers: Layers = field(repr=False, compare=False)

    def model(self, name: str) -> ModelConfig:
        """Return what holds for a model: its block, else published guesses, else no limits.

        Raises:
            ModelNotFoundException: ``strict_models`` is set, and the model is not configured.
        """
        if name in self.models:
            return self.models[name]
        if self.strict_models:
            raise self._not_found(name)
        return _model_config(name, self._layers)

    def sizes(self, name: str) -> dict[str, int | None]:
        """Return the sizes that are configured for a model, by their settings' names.

        None is no bound. Sizes that are only published are left out, as they are a guess.
        """
        layer, published = self._layers.model(name), _facts_source(name)
        return {size: layer[size].value for size in FACTS if layer[size].source != published}

    def explain(self, model: str | None = None) -> Explanation:
        """Return where each value comes from.

        Args:
            model: A model to explain although it is not configured; the configured ones always
                are.
        """
        names = dict.fromkeys([*self.models, *([model] if model is not None else [])])
        rows = _rows("", self._layers.client)
        for name in names:
            rows |= _rows(f"models.{name}.", self._layers.model(name))
        return Explanation(rows)

    def _not_found(self, name: str) -> ModelNotFoundException:
        known = dict.fromkeys(sorted(self.models))
        near = nearest(name, known)
        return ModelNotFoundException(
            f"The model {name!r} is not configured, and strict_models is set.",
            model=name,
            known=tuple(known),
            successor=successor_of(name),
            hint=retirement_note(name) or (f"Did you mean {near!r}?" if near else None),
        )


def _model_config(name: str, layers: Layers) -> ModelConfig:
    layer = layers.model(name)
    values = {key: sourced.value for key, sourced in layer.items()}
    guessed = layer["req_per_minute"].source == PRESET
    return ModelConfig(name=name, guessed=guessed, **values)


def build(layers: Layers) -> Config:
    """Return the configuration that checked layers amount to."""
    values = {name: layers.client[name].value for name in CLIENT}
    models = {name: _model_config(name, layers) for name in layers.blocks}
    return Config(**values, models=MappingProxyType(models), _layers=layers)
