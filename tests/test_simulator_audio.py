"""Transcriptions, translations and speech of the simulated service, asked with ``requests``."""

from __future__ import annotations

import base64
import io
import wave
from typing import Any

import pytest
import requests
from helpers_simulator import ask, error_of
from test_simulator_http import Simulate, Time

from customgroqchat.testing import LIVE_MODELS, SimulatedGroq

WHISPER = "whisper-large-v3"
TURBO = "whisper-large-v3-turbo"
ORPHEUS = "canopylabs/orpheus-v1-english"


def recording(seconds: float, rate: int = 8000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 1, rate, 0, "NONE", ""))
        writer.writeframes(b"\x80" * int(seconds * rate))
    return file.getvalue()


def transcribe(
    simulator: SimulatedGroq,
    content: bytes | None = None,
    name: str = "speech.wav",
    *,
    to: str = "transcriptions",
    **fields: Any,
) -> requests.Response:
    if content is None and "url" not in fields:
        content = recording(12.5)
    files = {} if content is None else {"file": (name, content)}
    # A part without a file name is a field; so a form has parts even without a file.
    files |= {
        f"{n}\0{i}": (None, value)
        for n, values in {"model": WHISPER, **fields}.items()
        if values is not None
        for i, value in enumerate(values if isinstance(values, list) else [values])
    }  # type: ignore[misc]
    parts = [(name.partition("\0")[0], part) for name, part in files.items()]
    return ask(simulator, "POST", f"/audio/{to}", files=parts)


# --------------------------------------------------------------------- transcriptions


def test_json_is_a_text_after_a_space(groq_simulator: SimulatedGroq) -> None:
    answer = transcribe(groq_simulator)
    assert list(answer.json()) == ["text", "x_groq"]
    assert answer.json()["x_groq"] == {"id": answer.headers["x-request-id"]}
    assert answer.json()["text"].startswith(" Recording-")
    assert len(answer.json()["text"].split()) == int(12.5 * 2.5)


def test_text_is_plain(groq_simulator: SimulatedGroq) -> None:
    answer = transcribe(groq_simulator, response_format="text")
    assert answer.headers["content-type"] == "text/plain; charset=UTF-8"
    assert answer.text == transcribe(groq_simulator).json()["text"]


def test_other_sounds_have_other_texts(groq_simulator: SimulatedGroq) -> None:
    texts = {transcribe(groq_simulator, recording(s)).json()["text"] for s in (2, 2, 2.01)}
    assert len(texts) == 2


def test_verbose_has_segments_by_default(groq_simulator: SimulatedGroq) -> None:
    body = transcribe(groq_simulator, response_format="verbose_json", language="de").json()
    assert (body["task"], body["language"], body["duration"]) == ("transcribe", "German", 12.5)
    assert "words" not in body
    first, last = body["segments"]
    assert (first["start"], first["end"], last["end"]) == (0, last["start"], 12.5)
    assert first["text"] + last["text"] == body["text"]
    assert set(first) == {
        "id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob",
        "compression_ratio", "no_speech_prob",
    }  # fmt: skip


@pytest.mark.parametrize("field", ["timestamp_granularities[]", "timestamp_granularities"])
def test_words_are_timed(groq_simulator: SimulatedGroq, field: str) -> None:
    asked = {"response_format": "verbose_json", field: ["word"]}
    body = transcribe(groq_simulator, **asked).json()
    assert body["segments"] is None
    assert "".join(f" {word['word']}" for word in body["words"]) == body["text"]
    times = [time for word in body["words"] for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (0, 12.5)
    both = transcribe(groq_simulator, **{**asked, field: ["word", "segment"]}).json()
    assert both["words"] == body["words"]
    assert both["segments"]


def test_translation_is_english(groq_simulator: SimulatedGroq) -> None:
    body = transcribe(groq_simulator, to="translations", response_format="verbose_json").json()
    assert (body["task"], body["language"]) == ("translate", "English")
    error = error_of(transcribe(groq_simulator, to="translations", model=TURBO), 400)
    assert "does not support translations" in error["message"]


def test_a_url_will_do(groq_simulator: SimulatedGroq) -> None:
    sound = "data:audio/wav;base64," + base64.b64encode(recording(3)).decode()
    body = transcribe(groq_simulator, url=sound, response_format="verbose_json").json()
    assert body["duration"] == 3
    elsewhere = transcribe(
        groq_simulator, url="https://example.com/a.mp3", response_format="verbose_json"
    )
    assert elsewhere.json()["duration"] == 30


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"url": "https://example.com/", "content": b"x" * 4000}, "one of `file` or `url`"),
        ({"url": ""}, "one of `file` or `url`"),
        ({"url": "data:audio/wav;base64,?"}, "not a valid data url"),
        ({"model": None}, "model is required"),
        ({"model": ORPHEUS}, "does not support audio"),
        ({"name": "notes.txt"}, "file must be one of the following types: [flac mp3"),
        ({"content": recording(0.009)}, "Minimum audio length is 0.01 seconds"),
        ({"content": b""}, "Minimum audio length is 0.01 seconds"),
        ({"response_format": "srt"}, "response_format must be one of"),
        ({"language": "klingon"}, "unknown language"),
        ({"temperature": "1.5"}, "temperature must be"),
        ({"temperature": "hot"}, "temperature must be"),
        ({"timestamp_granularities[]": ["word"]}, "requires response_format verbose_json"),
        (
            {"response_format": "verbose_json", "timestamp_granularities[]": ["letter"]},
            "timestamp_granularities must be one of",
        ),
    ],
)
def test_unacceptable_recordings(
    groq_simulator: SimulatedGroq, fields: dict[str, Any], text: str
) -> None:
    error = error_of(transcribe(groq_simulator, **fields), 400)
    assert error["type"] == "invalid_request_error"
    assert text in error["message"]


def test_a_file_may_have_25_megabytes(groq_simulator: SimulatedGroq) -> None:
    error = error_of(transcribe(groq_simulator, bytes(25 * 1024 * 1024 + 1), "a.mp3"), 413)
    assert error == {
        "message": "Request Entity Too Large",
        "type": "invalid_request_error",
        "code": "request_too_large",
    }


def test_a_body_that_is_no_form(groq_simulator: SimulatedGroq) -> None:
    for options in ({"json": {"model": WHISPER}}, {"data": {"model": WHISPER}}):
        error = error_of(ask(groq_simulator, "POST", "/audio/transcriptions", **options), 400)
        assert "multipart/form-data" in error["message"]
    broken = {"content-type": "multipart/form-data; boundary=b"}
    answer = ask(groq_simulator, "POST", "/audio/transcriptions", data=b"--b\r\n", headers=broken)
    assert "multipart" in error_of(answer, 400)["message"]


# ----------------------------------------------------------------- limits of recordings


def test_seconds_are_counted_up_and_shown(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(clock=Time())
    headers = transcribe(simulator).headers
    assert headers["x-ratelimit-limit-audio-seconds"] == "7200"
    assert headers["x-ratelimit-remaining-audio-seconds"] == "7187"
    assert headers["x-ratelimit-reset-audio-seconds"] == "6.5s"
    assert headers["x-ratelimit-limit-requests"] == "2000"
    assert "x-ratelimit-limit-tokens" not in headers
    assert simulator.levels(WHISPER) == {
        "RPM": 19, "RPD": 1999, "ASH": 7200 - 13, "ASD": 28_800 - 13
    }  # fmt: skip
    assert simulator.requests[-1].charge["ASH"] == 13


def test_bytes_that_are_no_wav_last_by_their_number(groq_simulator: SimulatedGroq) -> None:
    for number, seconds in ((10_000, 2.5), (1, 0.01)):
        sound = bytes(number)
        answer = transcribe(groq_simulator, sound, "upload", response_format="verbose_json")
        assert answer.json()["duration"] == seconds


def test_used_up_seconds_are_a_429_and_cost_nothing(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(limits={"ASH": 7200}, clock=Time())
    simulator.exhaust(WHISPER, "ASH", left=30)
    answer = transcribe(simulator, recording(230, rate=10))
    assert error_of(answer, 429) == {
        "message": (
            f"Rate limit reached for model `{WHISPER}` in organization `org_sim` service tier "
            "`on_demand` on seconds of audio per hour (ASPH): Limit 7200, Used 7170, Requested "
            "230. Please try again in 1m40s. Need more tokens? Upgrade to Dev Tier today at "
            "https://console.groq.com/settings/billing"
        ),
        "type": "seconds",
        "code": "rate_limit_exceeded",
    }
    assert answer.headers["retry-after"] == "100"
    assert simulator.levels(WHISPER) == {"ASH": 30}
    assert simulator.requests[-1].refused_by == "ASH"


def test_more_seconds_than_the_bucket_holds_are_a_413(groq_simulator: SimulatedGroq) -> None:
    answer = transcribe(groq_simulator, recording(7201, rate=10))
    error = error_of(answer, 413)
    assert error["message"].startswith("Request too large for model `whisper-large-v3`")
    assert "(ASPH): Limit 7200, Requested 7201, please reduce" in error["message"]
    assert (error["type"], error["code"]) == ("seconds", "rate_limit_exceeded")
    assert "retry-after" not in answer.headers


def test_the_day_has_its_own_bucket(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(limits={"ASD": 20}, clock=Time())
    assert transcribe(simulator).ok
    error = error_of(transcribe(simulator), 429)
    assert "on seconds of audio per day (ASPD): Limit 20, Used 13, Requested 13" in error["message"]


# ------------------------------------------------------------------------------ speech


def speak(simulator: SimulatedGroq, text: str = "Hello there", **more: Any) -> requests.Response:
    asked = {"model": ORPHEUS, "input": text, "voice": "troy", **more}
    asked = {name: value for name, value in asked.items() if value is not None}
    return ask(simulator, "POST", "/audio/speech", json=asked)


def test_speech_is_a_wav_file_in_chunks(groq_simulator: SimulatedGroq) -> None:
    answer = speak(groq_simulator, "x" * 200)
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["transfer-encoding"] == "chunked"
    with wave.open(io.BytesIO(answer.content)) as reader:
        assert (reader.getframerate(), reader.getnchannels()) == (48_000, 1)
        assert reader.getnframes() == 2 * 48_000
        assert len(set(reader.readframes(1000))) > 100


def test_rate_and_speed_are_heeded(groq_simulator: SimulatedGroq) -> None:
    content = speak(groq_simulator, "x" * 100, sample_rate=8000, speed=2).content
    with wave.open(io.BytesIO(content)) as reader:
        assert (reader.getframerate(), reader.getnframes()) == (8000, 4000)


def test_speech_has_limits_of_its_own(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(clock=Time())
    headers = speak(simulator, "one two three").headers
    assert headers["x-ratelimit-limit-tokens"] == "1200"
    assert headers["x-ratelimit-remaining-tokens"] == "1197"
    assert headers["x-ratelimit-limit-requests"] == "100"
    assert simulator.levels(ORPHEUS) == {"RPM": 9, "RPD": 99, "TPM": 1197, "TPD": 3597}
    simulator.exhaust(ORPHEUS, "TPD", left=1)
    assert "(TPD): Limit 3600, Used 3599" in error_of(speak(simulator), 429)["message"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"text": "x" * 201}, "at most 200 characters"),
        ({"input": None}, "property 'input' is missing"),
        ({"voice": "fahad"}, "voice must be one of [autumn diana hannah austin daniel troy]"),
        ({"voice": None}, "voice must be one of"),
        ({"response_format": "mp3"}, "response_format must be one of [wav]"),
        ({"sample_rate": 11_025}, "sample_rate must be one of [8000"),
        ({"speed": 6}, "'speed' : number must be at most 5"),
        ({"model": WHISPER}, "does not support speech synthesis"),
    ],
)
def test_unacceptable_speech(
    groq_simulator: SimulatedGroq, change: dict[str, Any], text: str
) -> None:
    error = error_of(speak(groq_simulator, **change), 400)
    assert text in error["message"]
    assert groq_simulator.levels(ORPHEUS) == LIVE_MODELS[ORPHEUS].limits


def test_arabic_has_its_own_voices(groq_simulator: SimulatedGroq) -> None:
    arabic = "canopylabs/orpheus-arabic-saudi"
    assert speak(groq_simulator, model=arabic, voice="fahad").ok
    assert speak(groq_simulator, model="playai-tts", voice="Fritz-PlayAI").ok
