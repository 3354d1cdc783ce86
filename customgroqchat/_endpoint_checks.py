"""What is certainly wrong with requests other than chats, said before they are sent. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._validation import (
    check_fields,
    integer_between,
    is_list,
    number_between,
    of_type,
    refuse,
    require_model,
)


def check_response_payload(payload: Mapping[str, Any]) -> None:
    """Check a payload of the Responses API.

    Raises:
        InvalidRequestException: names the field, the value and what to do.
    """
    require_model(payload.get("model"))
    _require_input(payload.get("input"), "a text, or a list of messages and other items")
    check_fields(payload, _RESPONSE_CHECKS)


def check_embedding_payload(payload: Mapping[str, Any]) -> None:
    """Check a payload of the embeddings; raises as :func:`check_response_payload`."""
    require_model(payload.get("model"))
    _require_input(payload.get("input"), "a text, or a list of texts")
    check_fields(payload, _EMBEDDING_CHECKS)


def check_speech_payload(payload: Mapping[str, Any]) -> None:
    """Check a payload of speech; raises as :func:`check_response_payload`."""
    require_model(payload.get("model"))
    spoken = payload.get("input")
    if not isinstance(spoken, str) or not spoken:
        refuse("input", spoken, "give the text to be spoken")
    voice = payload.get("voice")
    if not isinstance(voice, str) or not voice:
        refuse("voice", voice, "give the name of a voice, such as 'troy'")
    check_fields(payload, _SPEECH_CHECKS)


def check_audio_payload(payload: Mapping[str, Any]) -> None:
    """Check the fields of a transcription or translation, without the file.

    Raises as :func:`check_response_payload`.
    """
    require_model(payload.get("model"))
    check_fields(payload, _AUDIO_CHECKS)


def _require_input(value: Any, what: str) -> None:
    if not (isinstance(value, str) or is_list(value)) or not value:
        refuse("input", value, f"give {what}")


def _check_tools(field: str, value: Any) -> None:
    if not is_list(value) or len(value) > 128:
        refuse(field, value, "give a list of at most 128 tools")
    for index, tool in enumerate(value):
        if not isinstance(tool, Mapping) or not isinstance(tool.get("type"), str):
            refuse(f"{field}[{index}]", tool, "give a mapping with a 'type', such as 'function'")


def _check_granularities(field: str, value: Any) -> None:
    if not is_list(value) or not all(isinstance(word, str) for word in value):
        refuse(field, value, "give a list of 'word' and 'segment'")


_RESPONSE_CHECKS = {
    "temperature": number_between(0, 2),
    "top_p": number_between(0, 1),
    "max_output_tokens": integer_between(0),
    "instructions": of_type(str, "a string"),
    "stream": of_type(bool, "True or False"),
    "tools": _check_tools,
    "text": of_type(Mapping, "a mapping such as {'format': {'type': 'text'}}"),
    "reasoning": of_type(Mapping, "a mapping such as {'effort': 'low'}"),
}
_EMBEDDING_CHECKS = {
    "encoding_format": of_type(str, "'float' or 'base64'"),
    "user": of_type(str, "a string"),
}
_SPEECH_CHECKS = {
    "response_format": of_type(str, "a word such as 'wav'"),
    "sample_rate": integer_between(1),
    "speed": number_between(0.01, 100),
}
_AUDIO_CHECKS = {
    "language": of_type(str, "a language code such as 'en'"),
    "prompt": of_type(str, "a string"),
    "response_format": of_type(str, "'json', 'verbose_json' or 'text'"),
    "temperature": number_between(0, 1),
    "timestamp_granularities": _check_granularities,
    "url": of_type(str, "the address of the audio"),
}
