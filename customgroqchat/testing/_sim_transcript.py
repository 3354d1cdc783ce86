"""What is heard in a recording: as many words as are spoken in its time."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ._sim_tokens import count_pieces

_WORDS_PER_SECOND = 2.5
_LONGEST_SEGMENT_S = 10.0
_SPOKEN = (
    "This is a recording of the simulator, and these are the words that it hears in it; "
    "they depend on the length of the sound and on nothing else."
)


@dataclass(frozen=True)
class Transcript:
    """The words of a recording of so many seconds, in the language of that name."""

    task: str
    language: str
    content: bytes
    duration_s: float
    prompt: str = ""

    @property
    def text(self) -> str:
        """All words, after a space, as the service writes them."""
        return "".join(f" {word}" for word in self._words())

    def verbose(self, granularities: Sequence[str]) -> dict[str, Any]:
        """The body of ``verbose_json``, without the identifier."""
        body: dict[str, Any] = {
            "task": self.task,
            "language": self.language,
            "duration": self.duration_s,
            "text": self.text,
        }
        if "word" in granularities:
            body["words"] = list(self._timed_words())
        body["segments"] = list(self._segments()) if "segment" in granularities else None
        return body

    def _words(self) -> list[str]:
        number = max(1, int(self.duration_s * _WORDS_PER_SECOND))
        # Two recordings of one length differ in their first word.
        name = hashlib.sha256(self.content).hexdigest()[:6]
        words = itertools.chain([f"Recording-{name}."], itertools.cycle(_SPOKEN.split()))
        return list(itertools.islice(words, number))

    def _timed_words(self) -> Iterator[dict[str, Any]]:
        words = self._words()
        share = self.duration_s / len(words)
        for index, word in enumerate(words):
            start, end = round(index * share, 2), round((index + 1) * share, 2)
            yield {"word": word, "start": start, "end": end}

    def _segments(self) -> Iterator[dict[str, Any]]:
        words = self._words()
        size = max(1, int(_LONGEST_SEGMENT_S * _WORDS_PER_SECOND))
        share = self.duration_s / len(words)
        for index, start in enumerate(range(0, len(words), size)):
            text = "".join(f" {word}" for word in words[start : start + size])
            end = min(start + size, len(words))
            yield _segment(index, round(start * share, 2), round(end * share, 2), text)


def _segment(index: int, start: float, end: float, text: str) -> dict[str, Any]:
    return {
        "id": index,
        # Whisper counts in hundredths of a second from the start of its window.
        "seek": int(start * 100),
        "start": start,
        "end": end,
        "text": text,
        "tokens": [50_364 + number for number in range(count_pieces(text))],
        "temperature": 0,
        "avg_logprob": -0.1,
        "compression_ratio": 1.2,
        "no_speech_prob": 0.001,
    }
