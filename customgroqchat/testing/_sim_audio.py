"""Serving transcriptions and translations: admission by seconds of audio, and a text as long."""

from __future__ import annotations

import base64
import binascii
import io
import math
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ._sim_backend import Backend
from ._sim_controls import RequestRecord
from ._sim_http import Reply
from ._sim_languages import language_name
from ._sim_multipart import Form, Upload
from ._sim_routes import Call, Handler
from ._sim_transcript import Transcript
from ._sim_validation import find_model, invalid, unsupported
from ._sim_wire import ApiError, to_json

_LARGEST_FILE = 25 * 1024 * 1024
_SHORTEST_S = 0.01
# What cannot be opened is taken to be compressed to 32 kbit a second.
_BYTES_PER_SECOND = 4_000
# Nothing is fetched: what is behind an address is taken to be this long.
_SECONDS_BEHIND_URL = 30.0
_FORMATS = ("json", "text", "verbose_json")
_KINDS = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "opus", "wav", "webm")
_GRANULARITIES = ("word", "segment")


@dataclass
class AudioService:
    """What answers requests to ``/audio/transcriptions`` and ``/audio/translations``."""

    backend: Backend

    def routes(self) -> dict[str, Handler]:
        """Its part of the table of routes."""
        return {
            "POST /audio/transcriptions": self.transcribe,
            "POST /audio/translations": self.translate,
        }

    def transcribe(self, call: Call) -> Reply:
        """Answer a request; blocks as a chat does, raises ApiError."""
        form = call.form()
        return self._serve(call, form, self.transcript(form, "transcribe"))

    def translate(self, call: Call) -> Reply:
        """The same in English, which whisper-large-v3-turbo does not know how to do."""
        form = call.form()
        return self._serve(call, form, self.transcript(form, "translate"))

    def in_batch(self, url: str, body: Mapping[str, Any], record: RequestRecord) -> dict[str, Any]:
        """The answer to a line of a batch: at once, and without limits; raises ApiError."""
        task = "translate" if url.endswith("translations") else "transcribe"
        form = Form.of(body, {})
        return _body(form, self.transcript(form, task), record.request_id)

    def _serve(self, call: Call, form: Form, transcript: Transcript) -> Reply:
        model = form.get("model") or ""
        admission = self.backend.admit(call.record, model, audio_s=math.ceil(transcript.duration_s))
        headers = self.backend.work_off(form.payload(), admission)
        if form.get("response_format") == "text":
            headers["content-type"] = "text/plain; charset=UTF-8"
            return Reply(200, headers, transcript.text.encode())
        return Reply(200, headers, to_json(_body(form, transcript, call.record.request_id)))

    def transcript(self, form: Form, task: str) -> Transcript:
        """What is heard; raises ApiError when the request is not acceptable."""
        self._check_model(form.get("model"), task)
        _check_options(form)
        language = "en" if task == "translate" else form.get("language") or "en"
        name = language_name(language)
        if name is None:
            raise invalid(f"unknown language: {language}", param="language")
        content, seconds = _audio(form)
        return Transcript(task, name, content, seconds, form.get("prompt") or "")

    def _check_model(self, model_id: str | None, task: str) -> None:
        if model_id is None:
            raise invalid("model is required", param="model")
        model = find_model(self.backend.models, model_id)
        if "audio" not in model.input_modalities:
            raise unsupported(model_id, "audio")
        if task == "translate" and model_id.endswith("turbo"):
            raise unsupported(model_id, "translations")


def _body(form: Form, transcript: Transcript, request_id: str) -> dict[str, Any]:
    x_groq = {"x_groq": {"id": request_id}}
    if form.get("response_format") != "verbose_json":
        return {"text": transcript.text, **x_groq}
    wanted = form.get_list("timestamp_granularities") or ["segment"]
    return {**transcript.verbose(wanted), **x_groq}


def _check_options(form: Form) -> None:
    if form.get("response_format") not in (None, *_FORMATS):
        raise invalid(f"response_format must be one of [{', '.join(_FORMATS)}]")
    wanted = form.get_list("timestamp_granularities")
    if any(name not in _GRANULARITIES for name in wanted):
        raise invalid(f"timestamp_granularities must be one of [{', '.join(_GRANULARITIES)}]")
    if wanted and form.get("response_format") != "verbose_json":
        raise invalid("timestamp_granularities requires response_format verbose_json")
    _check_temperature(form.get("temperature"))


def _check_temperature(text: str | None) -> None:
    try:
        good = text is None or 0 <= float(text) <= 1
    except ValueError:
        good = False
    if not good:
        raise invalid("temperature must be a number between 0 and 1", param="temperature")


def _audio(form: Form) -> tuple[bytes, float]:
    """The content and its seconds; raises ApiError."""
    upload, url = form.files.get("file"), form.get("url")
    if (upload is None) == (url is None):
        raise invalid("one of `file` or `url` must be provided")
    if upload is not None:
        _check_upload(upload)
        return _measured(upload.content)
    address = url or ""
    if not address.startswith("data:"):
        return address.encode(), _SECONDS_BEHIND_URL
    try:
        return _measured(base64.b64decode(address.partition(",")[2], validate=True))
    except binascii.Error:
        raise invalid("url is not a valid data url", param="url") from None


def _check_upload(upload: Upload) -> None:
    if len(upload.content) > _LARGEST_FILE:
        raise ApiError(413, "Request Entity Too Large", code="request_too_large")
    # Bytes that a program hands over have no name, and libraries give them one without a suffix.
    suffix = PurePath(upload.filename).suffix.lower().lstrip(".")
    if suffix and suffix not in _KINDS:
        raise invalid(f"file must be one of the following types: [{' '.join(_KINDS)}]")


def _measured(content: bytes) -> tuple[bytes, float]:
    seconds = duration_s(content)
    if seconds < _SHORTEST_S:
        raise invalid(
            f"Audio file is too short. Minimum audio length is {_SHORTEST_S} seconds.", param="file"
        )
    return content, seconds


def duration_s(content: bytes) -> float:
    """Seconds of a WAV file, or what such a number of bytes is taken to last."""
    try:
        with wave.open(io.BytesIO(content)) as reader:
            return float(reader.getnframes() / reader.getframerate())
    except (wave.Error, EOFError, ZeroDivisionError):
        # A few bytes that stand for a recording in a test are to pass for one.
        return max(_SHORTEST_S, len(content) / _BYTES_PER_SECOND) if content else 0.0
