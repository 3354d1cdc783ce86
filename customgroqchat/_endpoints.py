"""The paths of the API that count for rate limits: what each takes, and how to read its answers.

Pure. Whatever is the same for all of them is not here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ._collector import Collector, Collects
from ._endpoint_checks import (
    check_audio_payload,
    check_embedding_payload,
    check_response_payload,
    check_speech_payload,
)
from ._outcomes import is_answer, usage_of
from ._pricing import Usage
from ._responses_collector import ResponsesCollector
from ._validation import check_chat_payload


def _as_it_is(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    return payload


class Endpoint(NamedTuple):
    """One path of the API.

    Attributes:
        path: Below the API's prefix.
        check: Raises InvalidRequestException for a payload that is certainly wrong.
        is_answer: Whether parsed JSON has the form of its answers.
        usage_of: The tokens that an answer says it took, or None if it does not say.
        caps: The fields that cap the answer, the one that counts first.
        unit: What its requests take beside requests: ``"tokens"``, ``"characters"`` or
            ``"audio"`` (seconds of it).
        accept: The media type of its answers.
        collector: Puts the events of its streams together.
        counted: Returns the payload as it is to be counted.
    """

    path: str
    check: Callable[[Mapping[str, Any]], None]
    is_answer: Callable[[Any], bool]
    usage_of: Callable[[Any], Usage | None] = usage_of
    caps: tuple[str, ...] = ()
    unit: str = "tokens"
    accept: str = "application/json"
    collector: Callable[[], Collects] = Collector
    counted: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _as_it_is

    def cap(self, payload: Mapping[str, Any]) -> int | None:
        """Return the most tokens that the answer may have; None if the payload does not say."""
        if not self.caps:
            return 0  # an answer of no length
        return next((payload[name] for name in self.caps if payload.get(name) is not None), None)


def _is_object(data: Any) -> bool:
    return isinstance(data, dict)


def _is_embeddings(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("data"), list)


def _as_texts(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a payload with a list of texts, which nobody takes for what a model is to answer."""
    texts = payload["input"]
    return {**payload, "input": [texts] if isinstance(texts, str) else texts}


def _usage_of_response(data: Any) -> Usage | None:
    usage = data.get("usage") if isinstance(data, Mapping) else None
    if not isinstance(usage, Mapping):
        return None
    told = {
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        "prompt_tokens_details": usage.get("input_tokens_details"),
    }
    return usage_of({"usage": told})


def _usage_of_embeddings(data: Any) -> Usage | None:
    usage = data.get("usage") if isinstance(data, Mapping) else None
    if not isinstance(usage, Mapping):
        return None
    return usage_of({"usage": {**usage, "completion_tokens": 0}})


CHAT = Endpoint(
    "/chat/completions",
    check_chat_payload,
    is_answer,
    caps=("max_completion_tokens", "max_tokens"),
)
RESPONSES = Endpoint(
    "/responses",
    check_response_payload,
    _is_object,
    _usage_of_response,
    caps=("max_output_tokens",),
    collector=ResponsesCollector,
)
EMBEDDINGS = Endpoint(
    "/embeddings",
    check_embedding_payload,
    _is_embeddings,
    _usage_of_embeddings,
    counted=_as_texts,
)
SPEECH = Endpoint(
    "/audio/speech",
    check_speech_payload,
    _is_object,
    unit="characters",
    accept="audio/wav",
)
TRANSCRIPTIONS = Endpoint("/audio/transcriptions", check_audio_payload, _is_object, unit="audio")
TRANSLATIONS = TRANSCRIPTIONS._replace(path="/audio/translations")

#: Those whose requests are JSON, by path: what is posted to them by hand is paced as well.
PACED = {endpoint.path: endpoint for endpoint in (CHAT, RESPONSES, EMBEDDINGS, SPEECH)}
