"""ModelCatalog: what is known of the service's models now, from all sources together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ._clock import Clock
from ._model_advice import excess_of, too_small
from ._presets import preset_facts, retirement_note
from ._process import ForkLock, on_fork
from .exceptions import GroqError
from .model_facts import ModelFacts, configured_facts, merged, told_by

_log = logging.getLogger(__name__)

_MOST_KEPT = 1_000
_FRESH_S = 3_600.0

#: Returns the sizes that are configured for a model, in tokens: ``context_window``, ``max_...``.
Sizes = Callable[[str], Mapping[str, int | None]]


def _nothing(_name: str) -> Mapping[str, int | None]:
    return {}


class _Known(NamedTuple):
    """What was told and configured, and the facts that were put together from it."""

    told: Mapping[str, ModelFacts]
    sizes: Sizes
    facts: dict[str, ModelFacts]


class ModelCatalog:
    """Knows the models: from the service if it was asked, else as published. For any thread.

    It asks nobody by itself. Reading takes no lock and never blocks.

    Args:
        clock: Where the time comes from.
        sizes: Returns the sizes that are configured for a model; they win over all others.
    """

    def __init__(self, clock: Clock | None = None, sizes: Sizes = _nothing) -> None:
        self._clock = clock or Clock()
        # Replaced as a whole: who reads has one state or the other, and no mixture.
        self._known = _Known({}, sizes, {})
        self._lock = ForkLock()  # of who replaces it
        self._asked_at: float | None = None
        self._told_at: float | None = None
        self._is_asking = False
        self._failure: GroqError | None = None
        self._warned: set[object] = set()
        on_fork(self)

    # --- reading --------------------------------------------------------------------------------

    def facts(self, name: str) -> ModelFacts:
        """Return what is known of a model; of an unknown one, its name alone. Does not block."""
        known = self._known
        found = known.facts.get(name)
        if found is None:
            if len(known.facts) >= _MOST_KEPT:  # names may come from anywhere
                known.facts.clear()
            found = known.facts[name] = _put_together(name, known)
        return found

    def supports(self, name: str, feature: str) -> bool | None:
        """Whether a model has a feature, such as ``"structured_outputs"``; None if not known."""
        return self.facts(name).supports(feature)

    @property
    def names(self) -> tuple[str, ...]:
        """The models that the service has told of, those that are not active left out."""
        return tuple(name for name, facts in self._known.told.items() if facts.is_active)

    @property
    def age_s(self) -> float | None:
        """Seconds since the service told its list, None if it never has."""
        return None if self._told_at is None else self._clock.monotonic() - self._told_at

    @property
    def failure(self) -> GroqError | None:
        """What the last try to ask the service ended with, None if it succeeded."""
        return self._failure

    # --- on the way of a request ----------------------------------------------------------------

    def using(self, name: str) -> ModelFacts:
        """Return the facts of a model that is about to be used. Does not block.

        If it was shut down, as far as is known, that is a warning in the log, once for each
        model; it may be used nevertheless, since some accounts keep a model for longer.
        """
        facts = self.facts(name)
        if facts.is_active is False:
            self._warn_once(name, retirement_note(name) or f"{name!r} is not active.")
        return facts

    def check(self, facts: ModelFacts, prompt: int, cap: int | None) -> None:
        """Refuse a request that is larger than its model allows. Does not block.

        A size that is only published refuses nothing: it is a warning in the log, once.

        Args:
            facts: The model.
            prompt: Tokens that the prompt has at least.
            cap: The most tokens that the answer may have, or None.

        Raises:
            TokenLimitExceededException: the service or the configuration says that it cannot pass.
        """
        excess = excess_of(facts, prompt, cap)
        if excess is None:
            return
        error = too_small(facts.name, excess, prompt)
        if excess.is_sure:
            raise error
        self._warn_once((facts.name, excess.size), f"As far as is published: {error.message}")

    # --- learning -------------------------------------------------------------------------------

    def learn(self, models: Iterable[object]) -> None:
        """Take over the service's list of models, in place of the one before.

        Args:
            models: The items of the list, of whatever form; what names no model is left out.
        """
        told = {facts.name: facts for facts in told_by(models)}
        with self._lock:
            self._known = _Known(told, self._known.sizes, {})
            self._told_at = self._asked_at = self._clock.monotonic()
            self._failure = None

    def learn_one(self, model: object) -> None:
        """Take over what the service says of a single model."""
        told = {facts.name: facts for facts in told_by([model])}
        with self._lock:
            self._known = _Known({**self._known.told, **told}, self._known.sizes, {})

    def configure(self, sizes: Sizes) -> None:
        """Use other configured sizes from now on."""
        with self._lock:
            self._known = _Known(self._known.told, sizes, {})

    def refresh(
        self, fetch: Callable[[], Iterable[object]], at_most_every_s: float = _FRESH_S
    ) -> bool:
        """Ask the service, unless that was done not long ago; return whether it told anything.

        Blocks for as long as *fetch* does, so nothing on the way of a request calls it. One
        thread asks; others that come meanwhile go on with what is known. A failure is noted as
        :attr:`failure` and in the log, and counts as having asked.

        Args:
            fetch: Asks the service; returns the items of its list.
            at_most_every_s: Seconds that must have passed since it was asked.
        """
        if not self._may_ask(at_most_every_s):
            return False
        try:
            self.learn(fetch())
        except GroqError as failure:
            self._failure = failure
            _log.warning("what the service knows of its models was not told: %s", failure)
            return False
        finally:
            self._is_asking = False
        return True

    def after_fork(self) -> None:
        """Become usable in a forked child: the thread that may have been asking is not there."""
        self._is_asking = False

    def _may_ask(self, at_most_every_s: float) -> bool:
        with self._lock:
            now = self._clock.monotonic()
            asked = self._asked_at
            if self._is_asking or (asked is not None and now - asked < at_most_every_s):
                return False
            self._is_asking, self._asked_at = True, now
            return True

    def _warn_once(self, about: object, text: str) -> None:
        with self._lock:
            if about in self._warned or len(self._warned) >= _MOST_KEPT:
                return
            self._warned.add(about)
        _log.warning("%s", text)


def _put_together(name: str, known: _Known) -> ModelFacts:
    layers = [preset_facts(name)]
    if name in known.told:
        layers.append(known.told[name])
    return merged(*layers, configured_facts(name, known.sizes(name)))
