"""Serving speech: a tone as long as the text, in a real WAV file."""

from __future__ import annotations

import array
import io
import math
import sys
import wave
from collections.abc import Iterator
from dataclasses import dataclass

from ._sim_backend import Backend, Payload
from ._sim_http import Reply
from ._sim_routes import Call, Handler
from ._sim_tokens import count_pieces
from ._sim_validation import check_number, invalid, requested_model, unsupported

_LONGEST_INPUT = 200
_SAMPLE_RATES = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
# Real speech takes some five times as long. A test does not want to wait for its bytes.
_SECONDS_PER_CHARACTER = 0.01
_TONE_HZ = 440
_CHUNK_BYTES = 4096


@dataclass
class SpeechService:
    """What answers requests to ``/audio/speech``."""

    backend: Backend

    def routes(self) -> dict[str, Handler]:
        """Its part of the table of routes."""
        return {"POST /audio/speech": self.serve}

    def serve(self, call: Call) -> Reply:
        """Answer a request with a WAV file in chunks; blocks as a chat does, raises ApiError."""
        payload = call.payload()
        self._check(payload)
        call.record.prompt_tokens = count_pieces(payload["input"])
        admission = self.backend.admit(call.record, payload["model"])
        headers = self.backend.work_off(payload, admission)
        seconds = len(payload["input"]) * _SECONDS_PER_CHARACTER / (payload.get("speed") or 1)
        content = tone(seconds, payload.get("sample_rate") or _SAMPLE_RATES[-1])
        return Reply(200, headers | {"content-type": "audio/wav"}, chunks=in_chunks(content))

    def _check(self, payload: Payload) -> None:
        model = requested_model(payload, self.backend.models)
        if "speech" not in model.output_modalities:
            raise unsupported(payload["model"], "speech synthesis")
        _check_input(payload.get("input"))
        voice = payload.get("voice")
        if not voice or (model.voices and voice not in model.voices):
            raise invalid(f"voice must be one of [{' '.join(model.voices)}]", param="voice")
        if payload.get("response_format") not in (None, "wav"):
            raise invalid("response_format must be one of [wav]", param="response_format")
        if payload.get("sample_rate") not in (None, *_SAMPLE_RATES):
            rates = " ".join(map(str, _SAMPLE_RATES))
            raise invalid(f"sample_rate must be one of [{rates}]", param="sample_rate")
        check_number(payload, "speed", 0.5, 5)


def _check_input(text: object) -> None:
    if not isinstance(text, str) or not text:
        raise invalid("'input' : property 'input' is missing", param="input")
    if len(text) > _LONGEST_INPUT:
        raise invalid(f"input must be at most {_LONGEST_INPUT} characters long", param="input")


def tone(seconds: float, sample_rate: int) -> bytes:
    """A WAV file, mono and of 16 bits, that sounds for so long."""
    step = 2 * math.pi * _TONE_HZ / sample_rate
    frames = range(max(1, round(seconds * sample_rate)))
    samples = array.array("h", (int(8_000 * math.sin(step * frame)) for frame in frames))
    if sys.byteorder == "big":
        samples.byteswap()
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(sample_rate)
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def in_chunks(content: bytes) -> Iterator[bytes]:
    """The content in the pieces in which it is sent."""
    for start in range(0, len(content), _CHUNK_BYTES):
        yield content[start : start + _CHUNK_BYTES]
