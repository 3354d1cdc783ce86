"""How long audio is: exactly where the file says it, else rather too long; never an error."""

from __future__ import annotations

import io
import itertools
import math
import random
import struct
import sys
import wave
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._audio_length import AudioLength, audio_length


def wav(seconds: float, rate: int = 16_000, width: int = 2, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(bytes(round(seconds * rate) * width * channels))
    return file.getvalue()


def with_data_size(content: bytes, size: int) -> bytes:
    place = content.index(b"data") + 4
    return content[:place] + struct.pack("<I", size) + content[place + 4 :]


def with_format(content: bytes, kind: int, byte_rate: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into("<H", changed, 20, kind)
    struct.pack_into("<I", changed, 28, byte_rate)
    return bytes(changed)


def flac(samples: int, rate: int = 44_100) -> bytes:
    fields = rate << 44 | 1 << 41 | 15 << 36 | samples
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + struct.pack(">Q", fields) + bytes(16)
    return b"fLaC" + b"\x80\x00\x00\x22" + info + bytes(1_000)


def mp3(seconds: float) -> bytes:
    """Frames of 64 kbit/s at 32 kHz: 288 bytes for 36 ms."""
    frame = b"\xff\xfb\x58\xc0" + bytes(284)
    return frame * round(seconds / 0.036)


def ogg(seconds: float) -> bytes:
    """An Opus file of two pages with headers and one without sound, whose place is its length."""
    head = b"OpusHead\x01\x01" + struct.pack("<HIhB", 0, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 0) + struct.pack("<I", 0)
    places = (0, 0, round(seconds * 48_000))
    return b"".join(map(_page, itertools.count(), places, (head, tags, b"\x00" * 200)))


def _page(number: int, place: int, body: bytes) -> bytes:
    kind = {0: 2, 2: 4}.get(number, 0)
    header = struct.pack("<4sBBqIIIB", b"OggS", 0, kind, place, 7, number, 0, 1)
    return header + bytes([len(body)]) + body


@pytest.fixture
def no_tinytag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tinytag", None)


# --- WAV -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "rate", "width", "channels"),
    [(1.5, 16_000, 2, 1), (0.01, 8_000, 1, 1), (2.0, 44_100, 2, 2), (3.0, 48_000, 3, 2)],
)
def test_a_wav_file_says_its_length(seconds: float, rate: int, width: int, channels: int) -> None:
    assert audio_length(wav(seconds, rate, width, channels)) == (pytest.approx(seconds), True)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_of_a_streamed_one_the_rest_of_the_file_counts(size: int) -> None:
    assert audio_length(with_data_size(wav(2.0), size)) == (2.0, True)


def test_of_one_that_was_cut_off_what_there_is_counts() -> None:
    assert audio_length(wav(2.0)[: 44 + 32_000]) == (1.0, True)


def test_what_follows_the_sound_does_not_count() -> None:
    assert audio_length(wav(2.0) + b"LIST" + struct.pack("<I", 32_000) + bytes(32_000)).seconds == 2


def test_chunks_before_the_sound_are_skipped_and_odd_ones_are_padded() -> None:
    content = wav(2.0)
    extra = b"LIST" + struct.pack("<I", 5) + b"INFOx" + b"\0"
    assert audio_length(content[:36] + extra + content[36:]) == (2.0, True)


@pytest.mark.parametrize("kind", [1, 3, 6, 7, 0xFFFE])
def test_a_wrong_rate_does_not_matter_where_it_can_be_counted(kind: int) -> None:
    assert audio_length(with_format(wav(2.0), kind, byte_rate=1)) == (2.0, True)


def test_of_a_compressed_one_the_rate_that_it_tells_counts() -> None:
    content = with_format(wav(2.0), 0x11, byte_rate=8_000)
    assert audio_length(content) == (8.0, False)


def test_the_large_kind_is_read_as_well() -> None:
    content = with_data_size(wav(2.0), 0xFFFFFFFF)
    assert audio_length(b"RF64" + content[4:]) == (2.0, True)


@pytest.mark.parametrize(
    "content",
    [
        wav(2.0)[:40],
        wav(2.0)[:12],
        wav(2.0)[:12] + wav(2.0)[36:],
        with_format(wav(2.0), 0x11, 0),
        wav(0.0),
        b"RIFF\0\0\0\0WAVE" + (b"junk" + bytes(4)) * 2_000,
    ],
)
def test_a_damaged_one_is_estimated(no_tinytag: None, content: bytes) -> None:
    assert audio_length(content) == (len(content) / 8_000, False)


# --- FLAC ------------------------------------------------------------------------------------


def test_a_flac_file_says_its_length() -> None:
    assert audio_length(flac(44_100 * 5)) == (5.0, True)
    assert audio_length(flac(2**36 - 1, rate=655_350)) == ((2**36 - 1) / 655_350, True)


def test_tags_may_stand_before_it() -> None:
    assert audio_length(b"ID3\x04\x00\x00\x00\x00\x01\x02" + bytes(130) + flac(44_100)) == (
        1.0,
        True,
    )


@pytest.mark.parametrize("content", [flac(0), flac(44_100, rate=0), flac(44_100)[:41]])
def test_one_that_does_not_say_it_is_estimated(no_tinytag: None, content: bytes) -> None:
    assert audio_length(content) == (len(content) / 8_000, False)


def test_nobody_is_believed_who_claims_years(no_tinytag: None) -> None:
    content = flac(2**36 - 1, rate=1)
    assert audio_length(content) == (len(content) / 8_000, False)


# --- others ----------------------------------------------------------------------------------


def test_other_kinds_are_read_by_tinytag() -> None:
    pytest.importorskip("tinytag")
    assert audio_length(ogg(7.5)) == (7.5, True)
    length = audio_length(mp3(7.2))
    assert (length.seconds, length.is_exact) == (pytest.approx(7.2, abs=0.1), False)


@pytest.mark.parametrize("make", [ogg, mp3])
def test_without_it_they_are_estimated(no_tinytag: None, make: Callable[[float], bytes]) -> None:
    content = make(3.6)
    length = audio_length(content)
    assert length == (len(content) / (4_000 if make is mp3 else 2_000), False)


@pytest.mark.parametrize(
    ("begin", "bytes_per_s"),
    [
        (b"RIFF", 8_000),
        (b"fLaC", 8_000),
        (b"ID3\x04", 4_000),
        (b"\xff\xf3", 4_000),
        (b"\0\0\0\x1cftypM4A ", 4_000),
        (b"OggS", 2_000),
        (b"\x1aE\xdf\xa3", 2_000),
        (b"\xff", 2_000),
        (b"", 2_000),
    ],
)
def test_an_estimate_is_of_the_slowest_of_its_kind(
    no_tinytag: None, begin: bytes, bytes_per_s: int
) -> None:
    content = begin.ljust(80_000 if begin not in (b"", b"\xff") else len(begin), b"\0")
    assert audio_length(content) == AudioLength(len(content) / bytes_per_s, is_exact=False)


def test_what_tinytag_cannot_read_is_estimated() -> None:
    pytest.importorskip("tinytag")
    for begin in (b"OggS", b"\0\0\0\x1cftypM4A ", b"ID3\x04\0\0\x7f\x7f\x7f\x7f", b"junk"):
        assert audio_length(begin + bytes(4_000)).is_exact is False


@pytest.mark.parametrize("duration", [None, 0, -1.0, math.nan, math.inf, "long", 1e9])
def test_a_length_that_cannot_be_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, duration: object
) -> None:
    found = SimpleNamespace(duration=duration)
    reader = SimpleNamespace(TinyTag=SimpleNamespace(get=lambda **_: found))
    monkeypatch.setitem(sys.modules, "tinytag", reader)
    assert audio_length(b"OggS" + bytes(3_996)) == (2.0, False)


# --- never an error, never slow --------------------------------------------------------------

HEADS = [
    b"",
    wav(0.1)[:44],
    flac(1)[:42],
    b"OggS",
    b"ID3\x04\0\0\0\0",
    b"\xff\xfb\x58\xc0",
    b"\0\0\0\x18ftyp",
]


@repeatable
@given(st.sampled_from(HEADS), st.binary(max_size=300), st.integers(0, 60))
def test_no_bytes_raise(head: bytes, tail: bytes, cut: int) -> None:
    content = head[: len(head) - cut % (len(head) + 1)] + tail
    seconds, is_exact = audio_length(content)
    assert 0 <= seconds <= 7 * 86_400
    assert isinstance(is_exact, bool)


def test_a_reader_that_goes_astray_is_called_back(monkeypatch: pytest.MonkeyPatch) -> None:
    tinytag = pytest.importorskip("tinytag")
    reads = []
    read = io.BytesIO.read

    class Counted(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            reads.append(size)
            return read(self, size)

    content = b"\xff\xfb\x58" + bytes(3_000_000)  # no second frame, wherever one looks
    tinytag.TinyTag.get(file_obj=Counted(content))
    assert len(reads) > 500_000, "it does not go astray any more"
    assert audio_length(content) == (len(content) / 4_000, False)


@pytest.mark.parametrize("content", [wav(100.0), flac(44_100) + bytes(3_000_000)])
def test_the_sound_itself_is_not_looked_at(content: bytes) -> None:
    noise = bytearray(content)
    noise[2_000:] = random.Random(1).randbytes(len(noise) - 2_000)
    assert audio_length(bytes(noise)) == audio_length(content)
