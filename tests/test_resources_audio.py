"""``client.audio``: forms with files, seconds of audio as a limit, and speech."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from helpers_servers import RawServer, in_thread, says
from helpers_stories import refusal
from helpers_streams import Books
from helpers_surface import (
    BY_NAME,
    FOREIGN,
    HEARD,
    MakeClient,
    Simulate,
    body_of,
    fields_of,
    only,
    parts_of,
    quick,
    wav,
)

from customgroqchat import (
    NOT_GIVEN,
    BinaryAPIResponse,
    GroqClient,
    InvalidRequestException,
    RateLimitError,
    RateLimitExceededException,
    RequestTooLargeError,
    TokenLimitExceededException,
    omit,
)
from customgroqchat.testing import SimulatedGroq
from customgroqchat.types.audio import Transcription, Translation

WHISPER = "whisper-large-v3"
ORPHEUS = "canopylabs/orpheus-v1-english"
LISTENING = pytest.mark.parametrize("resource", ["transcriptions", "translations"])
LIMITS = {
    "w": {"audio_seconds_per_hour": 7_200, "audio_seconds_per_day": 28_800, "req_per_minute": 20}
}


@pytest.fixture
def all_models(groq_simulator: SimulatedGroq, make_client: MakeClient) -> GroqClient:
    """A client of a service with the published models."""
    return make_client(groq_simulator.url, share_limits=False)


def left(client: GroqClient, dimension: str, model: str = "w") -> float:
    return float(client.check_model_limits(model)["limits"][dimension]["remaining"])


# --- on the wire -------------------------------------------------------------------------------


def test_a_transcription_is_a_form(make_client: MakeClient) -> None:
    fields: dict[str, Any] = {
        "model": "w",
        "language": "en",
        "prompt": "Groq, Grüße",
        "response_format": "verbose_json",
        "temperature": 0.5,
    }
    with RawServer(says(HEARD)) as server:
        quick(make_client, server.url).audio.transcriptions.create(
            file=("a.wav", b"RIFF"), timestamp_granularities=["word", "segment"], **fields
        )
        heard = only(server)
    assert sorted(fields_of(heard)) == sorted(
        [
            *((name, str(value)) for name, value in fields.items()),
            ("timestamp_granularities[]", "word"),
            ("timestamp_granularities[]", "segment"),
        ]
    )
    (file,) = [part for part in parts_of(heard) if part.filename]
    assert (file.name, file.filename, file.content) == ("file", "a.wav", b"RIFF")
    assert file.headers["content-type"] in ("audio/x-wav", "audio/wav", "audio/vnd.wave")


def test_a_translation_is_a_form(make_client: MakeClient) -> None:
    with RawServer(says(HEARD)) as server:
        quick(make_client, server.url).audio.translations.create(
            file=b"RIFF", model="w", prompt="p", response_format="json", temperature=1
        )
        heard = only(server)
    assert dict(fields_of(heard)) == {
        "model": "w",
        "prompt": "p",
        "response_format": "json",
        "temperature": "1",
    }


@LISTENING
def test_what_is_not_given_is_no_field(make_client: MakeClient, resource: str) -> None:
    optional = ["prompt", "response_format", "temperature", "url"]
    if resource == "transcriptions":
        optional += ["language", "timestamp_granularities"]
    with RawServer(says(HEARD)) as server:
        create = getattr(quick(make_client, server.url).audio, resource).create
        for nothing in (None, NOT_GIVEN, omit, *FOREIGN):
            create(model="w", file=b"RIFF", **dict.fromkeys(optional, nothing))
        assert [fields_of(heard) for heard in server.heard] == [[("model", "w")]] * 5


@LISTENING
def test_a_file_may_have_any_form(make_client: MakeClient, resource: str, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF")
    with RawServer(says(HEARD)) as server, path.open("rb") as opened:
        create = getattr(quick(make_client, server.url).audio, resource).create
        for file in (b"RIFF", io.BytesIO(b"RIFF"), path, opened, ("b.mp3", path)):
            create(model="w", file=file)
        create(model="w", file=("c", b"RIFF", "audio/x", {"X-Part": "1"}))
        files = [part for heard in server.heard for part in parts_of(heard) if part.filename]
    assert {file.content for file in files} == {b"RIFF"}
    names = [file.filename for file in files]
    assert names == ["upload", "upload", "a.wav", "a.wav", "b.mp3", "c"]
    assert (files[-1].headers["content-type"], files[-1].headers["x-part"]) == ("audio/x", "1")


@LISTENING
def test_a_url_takes_the_place_of_a_file(make_client: MakeClient, resource: str) -> None:
    with RawServer(says(HEARD)) as server:
        create = getattr(quick(make_client, server.url).audio, resource).create
        create(model="w", url="https://host/a.wav")
        create(model="w", url="https://host/a.wav", file=omit)
        for heard in server.heard:
            assert dict(fields_of(heard)) == {"model": "w", "url": "https://host/a.wav"}
            assert all(part.filename is None for part in parts_of(heard))


@LISTENING
@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "file"),
        ({"file": None}, "file"),
        ({"file": omit, "url": NOT_GIVEN}, "file"),
        ({"url": ""}, "file"),
        ({"file": "a.wav"}, "file"),
        ({"file": Path("none.wav")}, "file"),
        ({"file": b"x", "model": ""}, "model"),
        ({"file": b"x", "temperature": 2}, "temperature"),
    ],
)
def test_what_is_wrong_is_named_and_not_sent(
    make_client: MakeClient, resource: str, arguments: dict[str, Any], field: str
) -> None:
    with RawServer(says(HEARD)) as server:
        create = getattr(quick(make_client, server.url).audio, resource).create
        with pytest.raises(InvalidRequestException) as caught:
            create(**{"model": "w", **arguments})
        assert caught.value.field == field
        assert server.heard == []


def test_a_file_is_sent_again_from_its_beginning(make_client: MakeClient) -> None:
    with RawServer(says({}, 503), says(HEARD)) as server:
        quick(make_client, server.url).audio.transcriptions.create(
            model="w", file=io.BytesIO(b"RIFF")
        )
        first, second = server.heard
    assert first.body == second.body
    assert first.headers["content-type"] == second.headers["content-type"]


# --- answers -----------------------------------------------------------------------------------


def test_a_transcription_may_be_json_text_or_verbose(all_models: GroqClient) -> None:
    create = all_models.audio.transcriptions.create
    plain = create(model=WHISPER, file=wav())
    assert type(plain) is Transcription
    assert plain.text.startswith(" ")
    assert plain.request_id
    assert plain.attempts == 1
    text: Any = create(model=WHISPER, file=wav(), response_format="text")
    assert type(text) is str
    assert text.strip() == plain.text.strip()
    verbose: Any = create(
        model=WHISPER,
        file=wav(2.0),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert verbose.duration == pytest.approx(2.0)
    assert verbose["words"]
    assert verbose["segments"]


def test_a_translation_may_be_json_or_text(all_models: GroqClient) -> None:
    create = all_models.audio.translations.create
    assert type(create(model=WHISPER, file=wav())) is Translation
    text: Any = create(model=WHISPER, file=wav(), response_format="text")
    assert type(text) is str


@pytest.mark.parametrize("name", ["audio.transcriptions.create", "audio.translations.create"])
def test_text_can_be_had_raw(make_client: MakeClient, name: str) -> None:
    way = BY_NAME[name]
    answer = says(" Grüße".encode("latin-1"), content_type="text/plain; charset=latin-1")
    with RawServer(answer) as server:
        client = quick(make_client, server.url)
        raw = way.call(client, "with_raw_response", response_format="text")
        assert raw.parse() == raw.text() == " Grüße"
        with way.call(client, "with_streaming_response", response_format="text") as response:
            assert response.parse() == " Grüße"
        assert server.heard[0].headers["accept"] == "text/plain"


# --- seconds of audio --------------------------------------------------------------------------


@LISTENING
def test_seconds_of_audio_are_taken_and_nothing_else(
    make_client: MakeClient, resource: str
) -> None:
    with RawServer(says(HEARD)) as server:
        client = quick(make_client, server.url, LIMITS)
        books = Books(client, "w")
        create = getattr(client.audio, resource).create
        create(model="w", file=wav(100.0))
        assert (left(client, "ASH"), left(client, "ASD")) == (7_100, 28_700)
        assert left(client, "RPM") == 19
        assert books.ways == ["settle"]
        create(model="w", file=wav(0.2))  # any takes a second at least
        assert left(client, "ASH") <= 7_099


@LISTENING
def test_audio_by_url_is_reckoned_with_a_minute(make_client: MakeClient, resource: str) -> None:
    with RawServer(says(HEARD)) as server:
        client = quick(make_client, server.url, LIMITS)
        getattr(client.audio, resource).create(model="w", url="https://host/a.wav")
        assert left(client, "ASH") == 7_140


def test_seconds_are_set_aside_while_it_is_on_its_way(
    groq_simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(groq_simulator.url, {WHISPER: LIMITS["w"]}, share_limits=False)
    with groq_simulator.hold() as gate:
        asked = in_thread(client.audio.transcriptions.create, model=WHISPER, file=wav(100.0))
        assert gate.wait_until_held(1)
        assert left(client, "ASH", WHISPER) == pytest.approx(7_100, abs=2)
    assert asked.result(10).rate_limits["ASH"].limit == 7_200
    assert groq_simulator.levels(WHISPER)["ASH"] == pytest.approx(7_100, abs=2)
    assert "TPM" not in client.check_model_limits(WHISPER)["limits"]


def test_what_is_longer_than_the_whole_limit_is_not_sent(make_client: MakeClient) -> None:
    with RawServer(says(HEARD)) as server:
        client = quick(make_client, server.url, {"w": {"audio_seconds_per_hour": 60}})
        with pytest.raises(TokenLimitExceededException):
            client.audio.transcriptions.create(model="w", file=wav(61.0))
        assert server.heard == []


def test_audio_waits_for_its_seconds(make_client: MakeClient) -> None:
    with RawServer(says(HEARD)) as server:
        client = quick(
            make_client, server.url, {"w": {"audio_seconds_per_hour": 60}}, policy="greedy"
        )
        client.audio.transcriptions.create(model="w", file=wav(50.0))
        with pytest.raises(RateLimitExceededException) as caught:
            client.audio.transcriptions.create(model="w", file=wav(20.0), max_wait=1)
        assert caught.value.dimension == "ASH"
        assert len(server.heard) == 1


def test_a_refusal_for_seconds_is_understood(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    simulator = groq_simulator_factory()
    client = make_client(simulator.url, share_limits=False)
    simulator.exhaust(WHISPER, "ASH")
    with pytest.raises(RateLimitError) as caught:
        client.audio.transcriptions.create(model=WHISPER, file=wav(30.0), max_retries=0)
    assert (caught.value.dimension, caught.value.limit) == ("ASH", 7_200)
    with pytest.raises((RequestTooLargeError, TokenLimitExceededException)):
        client.audio.transcriptions.create(model=WHISPER, file=wav(7_300.0, rate=10), max_retries=0)


# --- speech ------------------------------------------------------------------------------------


def test_speech_is_asked_for_in_json(make_client: MakeClient) -> None:
    fields: dict[str, Any] = {
        "input": "Grüße",
        "model": "o",
        "voice": "troy",
        "response_format": "wav",
        "sample_rate": 8_000,
        "speed": 0.5,
    }
    with RawServer(says(b"RIFF", content_type="audio/wav")) as server:
        create = quick(make_client, server.url).audio.speech.create
        create(**fields)
        optional = ("response_format", "sample_rate", "speed")
        for nothing in (NOT_GIVEN, omit, *FOREIGN):
            create(input="a", model="o", voice="troy", **dict.fromkeys(optional, nothing))
        first, *others = map(body_of, server.heard)
    assert first == fields
    assert others == [{"input": "a", "model": "o", "voice": "troy"}] * 4


@pytest.mark.parametrize(
    ("arguments", "field"),
    [({"input": ""}, "input"), ({"voice": None}, "voice"), ({"model": ""}, "model")],
)
def test_speech_needs_a_text_a_voice_and_a_model(
    make_client: MakeClient, arguments: dict[str, Any], field: str
) -> None:
    with RawServer(says(b"RIFF")) as server:
        with pytest.raises(InvalidRequestException) as caught:
            BY_NAME["audio.speech.create"].call(quick(make_client, server.url), **arguments)
        assert caught.value.field == field
        assert server.heard == []


def test_speech_is_sound(all_models: GroqClient) -> None:
    said = all_models.audio.speech.create(input="Hello", model=ORPHEUS, voice="troy")
    assert isinstance(said, BinaryAPIResponse)
    assert said.read()[:4] == b"RIFF"
    assert said.headers["content-type"] == "audio/wav"
    assert said.parse() == said.content
    assert b"".join(said.iter_bytes(100)) == said.content
    assert said.request_id
    assert said.attempts == 1


def test_speech_takes_its_characters(make_client: MakeClient) -> None:
    limits = {"o": {"token_per_minute": 1_200, "req_per_minute": 10}}
    with RawServer(says(b"RIFF", content_type="audio/wav")) as server:
        client = quick(make_client, server.url, limits)
        books = Books(client, "o")
        client.audio.speech.create(input="x" * 150, model="o", voice="troy")
        assert left(client, "TPM", "o") == 1_050
        with client.audio.speech.with_streaming_response.create(
            input="x" * 50, model="o", voice="troy"
        ) as response:
            response.read()
        assert left(client, "TPM", "o") == 1_000
        assert left(client, "RPM", "o") == 8
        assert books.ways == ["settle", "settle"]


def test_speech_that_is_refused_is_an_error_also_while_it_is_streamed(
    make_client: MakeClient,
) -> None:
    with RawServer(says(refusal("no"), 429, retry_after="1000")) as server:
        client = quick(make_client, server.url, max_retries=0)
        context = BY_NAME["audio.speech.create"].call(client, "with_streaming_response")
        with pytest.raises(RateLimitError):
            context.__enter__()
        with pytest.raises(RateLimitExceededException):  # which is known by now
            BY_NAME["audio.speech.create"].call(client)
        assert len(server.heard) == 1
