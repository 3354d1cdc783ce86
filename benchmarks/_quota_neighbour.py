"""Another program on the same key, which sends without looking at the limits.

After a 429 it tries twice more, as the official SDK does: after ``retry-after`` up to a minute,
else after half a second, doubled each time, less up to a quarter by chance; then it gives up.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
from urllib.parse import urlsplit

MARK = "x-benchmark-neighbour"

_PROMPT = "What else is there to say about the old bridge over the river? " * 4
_OUTPUT_TOKENS = (60, 240)
_TOKENS_OF_A_CALL = 280  # the prompt's and the template's, and the mean of the answers'
_RETRIES = 2


class Neighbour:
    """Sends calls at random times that cost ``tokens_per_second`` on average, until it is left."""

    def __init__(self, url: str, key: str, model: str, tokens_per_second: float) -> None:
        self._host, self._key, self._model = urlsplit(url).netloc, key, model
        self._calls_per_second = tokens_per_second / _TOKENS_OF_A_CALL
        self._rng = random.Random(3)
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self.asked = 0

    def __enter__(self) -> Neighbour:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._leaving.set()
        self._thread.join()

    def _live(self) -> None:
        while not self._leaving.wait(self._rng.expovariate(self._calls_per_second)):
            self.asked += 1
            length = self._rng.randint(*_OUTPUT_TOKENS)
            threading.Thread(target=self._call, args=(length,), daemon=True).start()

    def _call(self, length: int) -> None:
        for attempt in range(_RETRIES + 1):
            if self._leaving.is_set():
                return
            status, retry_after = self._post(length)
            if status != 429:
                return
            self._leaving.wait(pause_s(attempt, retry_after, self._rng.random()))

    def _post(self, length: int) -> tuple[int | None, str | None]:
        """Return the status, None if there was no answer, and ``retry-after``."""
        connection = http.client.HTTPConnection(self._host, timeout=60)
        payload = {
            "model": self._model,
            "messages": [{"role": "user", "content": _PROMPT}],
            "max_completion_tokens": _OUTPUT_TOKENS[1],
            "seed": length,
        }
        headers = {"Authorization": f"Bearer {self._key}", MARK: "1"}
        try:
            connection.request("POST", "/openai/v1/chat/completions", json.dumps(payload), headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):  # the server ends when the client is done
            return None, None
        finally:
            connection.close()
        return answer.status, answer.getheader("retry-after")


def pause_s(attempt: int, retry_after: str | None, chance: float) -> float:
    """Return the seconds to wait after attempt 0, 1, …, as the official SDK chooses them."""
    if retry_after is not None and 0 < float(retry_after) <= 60:
        return float(retry_after)
    return min(0.5 * 2.0**attempt, 8.0) * (1 - 0.25 * chance)
