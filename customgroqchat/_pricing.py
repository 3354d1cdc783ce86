"""What a request costs in each dimension, by what recent ones cost. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from ._charging import Rule
from ._expectation import OutputExpectation, PromptCalibration
from ._limits import KnownLimit

_MOST_TAGS = 256
_TOTALS = 64
_TOKENS = ("TPM", "TPD")
_NOTHING: Mapping[str, int] = MappingProxyType({})


class Demand(NamedTuple):
    """What a request will take.

    Attributes:
        prompt_tokens: Its input, counted, with the margin of the count on top.
        output_cap: The ``max_completion_tokens`` it is sent with, or None.
        prompt_at_least: Its input with the margin of the count taken off: refusing for good is
            justified by this alone.
        tag: Its tag: answers to requests of one tag resemble each other.
        audio_s: Seconds of audio, for a transcription; then it takes no tokens.
        told: What the service said that it charges, by dimension, when it refused it.
    """

    prompt_tokens: int
    output_cap: int | None = None
    prompt_at_least: int = 0
    tag: str | None = None
    audio_s: float = 0.0
    told: Mapping[str, int] = _NOTHING


class Usage(NamedTuple):
    """What a request took, in tokens, as the service tells.

    ``cached`` of the ``prompt`` tokens were found in the service's cache and count for no limit.
    """

    prompt: int
    completion: int
    cached: int = 0

    def costs(self) -> dict[str, float]:
        """Return what it comes to in each dimension of tokens."""
        prompt = max(0, self.prompt - self.cached)
        total = prompt + self.completion
        return {"TPM": total, "TPD": total, "ITPM": prompt, "OTPM": self.completion}


class Pricing:
    """Learns what the requests of one model take, and estimates the next.

    Not thread-safe: its owner has the lock.
    """

    def __init__(self, first_guess: int) -> None:
        self._first_guess = first_guess
        self._outputs = OutputExpectation(first_guess)
        self._outputs_by_tag: dict[str, OutputExpectation] = {}
        self._prompts = PromptCalibration()
        self._totals: deque[int] = deque(maxlen=_TOTALS)

    def set_first_guess(self, tokens: int) -> None:
        """Expect other answers, as long as too few are known."""
        if tokens != self._first_guess:
            self._first_guess = tokens
            for outputs in (self._outputs, *self._outputs_by_tag.values()):
                outputs.set_first_guess(tokens)

    def learn(self, demand: Demand, usage: Usage) -> None:
        """Take note of what a request took in the end."""
        self._outputs.learn(usage.completion)
        self._totals.append(usage.prompt + usage.completion)
        self._prompts.learn(demand.prompt_tokens, usage.prompt)
        if demand.tag is not None:
            # The tag that was not seen for longest makes room for a new one.
            outputs = self._outputs_by_tag.pop(demand.tag, None)
            self._outputs_by_tag[demand.tag] = outputs or OutputExpectation(self._first_guess)
            self._outputs_by_tag[demand.tag].learn(usage.completion)
            if len(self._outputs_by_tag) > _MOST_TAGS:
                del self._outputs_by_tag[next(iter(self._outputs_by_tag))]

    def learn_price(self, demand: Demand, charged: int, rule: Rule) -> None:
        """Take note of what the service would have charged for a request that it refused."""
        if rule.charges == "prompt+cap" and demand.output_cap is not None:
            self._prompts.learn(demand.prompt_tokens, charged - demand.output_cap)

    def prompt(self, demand: Demand) -> tuple[int, int]:
        """Return the tokens of a prompt: to reckon with, and at least."""
        counted = demand.prompt_tokens
        at_least = self._prompts.at_least(demand.prompt_at_least or counted)
        at_most = self._prompts.at_most(counted)
        return at_most, min(at_least, at_most)

    def longest_output(self) -> int:
        """Return the longest of the latest answers: what the service itself expects."""
        return self._outputs.longest()

    def output(self, demand: Demand) -> int:
        """Return the output tokens to reckon with, as long as nothing surer is known."""
        if demand.output_cap is not None:
            return demand.output_cap
        return self._expectation(demand.tag).tokens()

    def likely_output(self, demand: Demand) -> int:
        """Return the output tokens that are expected at most, whatever the cap."""
        likely = max(self._expectation(demand.tag).tokens(), self.longest_output())
        return likely if demand.output_cap is None else min(likely, demand.output_cap)

    def costs(
        self, demand: Demand, rules: Iterable[Rule], limits: Mapping[str, KnownLimit]
    ) -> dict[str, float]:
        """Return what to set aside for a request in each dimension.

        Args:
            demand: The request.
            rules: How the service may charge; the dearest is reckoned with. For a request without
                a cap it is never more than what the smallest bucket can hold.
            limits: What applies.
        """
        if demand.audio_s:
            return {"RPM": 1, "RPD": 1, "ASH": demand.audio_s, "ASD": demand.audio_s}
        prompt, _ = self.prompt(demand)
        # Not the longest answer that is known here: the service may know of a longer one by now.
        likely = self.likely_output(demand)
        tokens = max(rule.charge(prompt, demand.output_cap, likely) for rule in rules)
        if demand.output_cap is None:
            room = [limits[name].limit for name in _TOKENS if name in limits]
            tokens = max(prompt, min([tokens, *room]))
        costs: dict[str, float] = {
            "RPM": 1,
            "RPD": 1,
            "TPM": tokens,
            "TPD": tokens,
            "ITPM": prompt,
            "OTPM": self.likely_output(demand),
        }
        if demand.output_cap is None and "OTPM" in limits:
            costs["OTPM"] = min(costs["OTPM"], limits["OTPM"].limit)
        for name, charged in demand.told.items():
            costs[name] = max(costs.get(name, 0), charged)
        return self._within_guesses(costs, demand, limits)

    def charged_later(
        self, demand: Demand, tokens: float, limits: Mapping[str, KnownLimit]
    ) -> float:
        """Return what the answer will take beyond the tokens that were set aside."""
        if demand.audio_s:
            return 0.0
        prompt, _ = self.prompt(demand)
        room = [limits[name].limit for name in _TOKENS if name in limits]
        return max(0.0, min([prompt + self.likely_output(demand), *room]) - tokens)

    def typical(self, demand: Demand) -> dict[str, float]:
        """Return what the request will probably have taken in the end."""
        if demand.audio_s:
            return {"RPM": 1, "RPD": 1, "ASH": demand.audio_s, "ASD": demand.audio_s}
        prompt = self._prompts.typical(demand.prompt_tokens)
        total = self.typical_tokens(demand)
        output = total - prompt
        return {"RPM": 1, "RPD": 1, "TPM": total, "TPD": total, "ITPM": prompt, "OTPM": output}

    def known_mean(self) -> float:
        """Return the tokens that recent requests have taken on average; 0 while that is unknown."""
        if not self._outputs.is_known:
            return 0.0
        return sum(self._totals) / len(self._totals)

    def typical_tokens(self, demand: Demand) -> float:
        """Return the tokens that the request will probably have taken in the end."""
        output = self._expectation(demand.tag).typical()
        if demand.output_cap is not None:
            output = min(output, demand.output_cap)
        return self._prompts.typical(demand.prompt_tokens) + output

    def _expectation(self, tag: str | None) -> OutputExpectation:
        of_tag = self._outputs_by_tag.get(tag) if tag is not None else None
        return of_tag if of_tag is not None and of_tag.is_known else self._outputs

    def _within_guesses(
        self, costs: dict[str, float], demand: Demand, limits: Mapping[str, KnownLimit]
    ) -> dict[str, float]:
        """Cut costs to a limit that is a guess, or that only the margin of the count exceeds."""
        prompt, at_least = self.prompt(demand)
        for name, known in limits.items():
            cost = costs.get(name, 0)
            surely = cost if name in demand.told else cost - (prompt - at_least)
            if known.limit < cost and (known.is_guess or surely <= known.limit):
                costs[name] = known.limit
        return costs
