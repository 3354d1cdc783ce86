"""Serving embeddings: vectors that depend on the words only, near each other if words are shared.

The real service has the endpoint, and no model for it in any list of late. The simulator serves
``nomic-embed-text-v1_5``, which documents and examples name.
"""

from __future__ import annotations

import base64
import functools
import math
import random
import re
import struct
from dataclasses import dataclass
from typing import Any

from ._sim_backend import Backend, Payload
from ._sim_http import Reply
from ._sim_routes import Call, Handler
from ._sim_tokens import count_pieces
from ._sim_validation import invalid, requested_model, unsupported
from ._sim_wire import to_json

_DIMENSIONS = 768
_FORMATS = ("float", "base64")


@dataclass
class EmbeddingsService:
    """What answers requests to ``/embeddings``."""

    backend: Backend

    def routes(self) -> dict[str, Handler]:
        """Its part of the table of routes."""
        return {"POST /embeddings": self.serve}

    def serve(self, call: Call) -> Reply:
        """Answer a request; blocks as a chat does, raises ApiError."""
        payload = call.payload()
        texts = self._texts(payload)
        call.record.prompt_tokens = sum(map(count_pieces, texts))
        admission = self.backend.admit(call.record, payload["model"])
        headers = self.backend.work_off(payload, admission)
        return Reply(200, headers, to_json(_body(payload, texts, call.record.prompt_tokens)))

    def _texts(self, payload: Payload) -> list[str]:
        model = requested_model(payload, self.backend.models)
        if "embedding" not in model.output_modalities:
            raise unsupported(payload["model"], "embeddings")
        if payload.get("encoding_format") not in (None, *_FORMATS):
            raise invalid(
                "'encoding_format' : value is not one of the allowed values ['float','base64']"
            )
        texts = payload.get("input")
        texts = [texts] if isinstance(texts, str) else texts
        if not texts or not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
            raise invalid("'input' : value must be a string or an array of strings", param="input")
        if max(map(count_pieces, texts)) > model.context_window:
            raise invalid("Please reduce the length of the input.", param="input")
        return texts


def _body(payload: Payload, texts: list[str], tokens: int) -> dict[str, Any]:
    packed = payload.get("encoding_format") == "base64"
    vectors = [embedding(text) for text in texts]
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": payload["model"], "usage": usage}


def embedding(text: str) -> list[float]:
    """A vector of length one: the sum of those of the text's words, each a draw by its own seed."""
    words = re.findall(r"\w+", text.lower()) or [text]
    sums = [math.fsum(column) for column in zip(*map(_word_vector, words), strict=True)]
    length = math.hypot(*sums)
    return [round(value / length, 8) for value in sums]


@functools.lru_cache(maxsize=4096)
def _word_vector(word: str) -> tuple[float, ...]:
    rng = random.Random(word)
    return tuple(rng.gauss(0, 1) for _ in range(_DIMENSIONS))


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
