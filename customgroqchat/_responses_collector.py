"""The events of a stream of the Responses API, put together to one answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DELTAS = ".delta"
_TEXT = "response.output_text.delta"
_LAST = ("response.completed", "response.incomplete", "response.failed")


class ResponsesCollector:
    """Collects events. One thread may add while others read.

    Attributes:
        usage: What the stream said of its usage, which is at its end; until then None.
        finished: Whether the last event was seen.
    """

    def __init__(self) -> None:
        self.usage: dict[str, Any] | None = None
        self.finished = False
        self._response: Mapping[str, Any] = {}
        self._texts: list[str] = []
        self._spoken: list[str] = []

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self._texts)

    @property
    def spoken(self) -> str:
        """All that costs output tokens so far: also thoughts, and arguments of calls."""
        return "".join(self._spoken)

    def add(self, event: Mapping[str, Any]) -> None:
        """Add the next event: parsed JSON of any shape."""
        kind, delta = event.get("type"), event.get("delta")
        if isinstance(kind, str) and kind.endswith(_DELTAS) and isinstance(delta, str):
            self._spoken.append(delta)
            if kind == _TEXT:
                self._texts.append(delta)
        response = event.get("response")
        if isinstance(response, Mapping):
            self._response = response
            usage = response.get("usage")
            self.usage = dict(usage) if isinstance(usage, Mapping) else self.usage
        self.finished = self.finished or kind in _LAST

    def completion(self) -> dict[str, Any]:
        """Return the answer as the service told it last; what is missing of it, as far as known."""
        answer = {"object": "response", "output": [], **self._response}
        if not answer["output"] and self._texts:
            part = {"type": "output_text", "text": self.text, "annotations": []}
            answer["output"] = [{"type": "message", "role": "assistant", "content": [part]}]
        return answer
