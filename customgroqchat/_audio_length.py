"""How many seconds of audio a file has, which is what the service counts. Pure.

Nothing here raises, whatever the bytes are, and nothing takes longer with more of them than a
fraction of a second.
"""

from __future__ import annotations

import io
import math
import struct
from typing import Any, NamedTuple

# No more than this is believed: the service takes 100 MB, and what claims more is damaged.
_LONGEST_S = 7 * 86_400.0
# A file has a handful of chunks; only a damaged one has no end of them.
_MOST_CHUNKS = 1_000
# Reads of a parser that looks for its way: more than any sound file of 100 MB needs.
_MOST_READS = 500_000

# Formats of a WAV file whose bytes are proportional to time: PCM, float, A-law, mu-law, and
# whichever of them an extensible header means.
_EVEN_FORMATS = frozenset({0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE})

# Bytes per second of what is recorded at the least in each kind of file, so that a guess is too
# long rather than too short: a request that counts too much waits longer than it must, one that
# counts too little is refused. Voice messages in Opus have 16 kbit/s, speech in MP3 and AAC
# hardly ever less than 32, in telephone quality (mu-law, 8 kHz) 64.
_VOICE_MESSAGE, _SPEECH, _TELEPHONE = 2_000.0, 4_000.0, 8_000.0


class AudioLength(NamedTuple):
    """The length of an audio file.

    Attributes:
        seconds: How long it is.
        is_exact: Whether the file says so; otherwise it is an estimate, rather too long than too
            short.
    """

    seconds: float
    is_exact: bool


def audio_length(content: bytes) -> AudioLength:
    """Return how long the audio in a file is, whatever its kind.

    WAV and FLAC are read here, other kinds if the package ``tinytag`` is installed. Where neither
    helps, the length is estimated from the size.
    """
    for read in (_wav, _flac, _by_tinytag):
        found = read(content)
        if found is not None and math.isfinite(found.seconds) and 0 < found.seconds <= _LONGEST_S:
            return found
    return AudioLength(len(content) / _slowest_rate(content), is_exact=False)


def _slowest_rate(content: bytes) -> float:
    if content.startswith((b"RIFF", b"RF64", b"fLaC")):
        return _TELEPHONE
    if content[4:8] == b"ftyp" or _may_be_mpeg(content):
        return _SPEECH
    return _VOICE_MESSAGE  # Ogg, WebM, and what nobody knows


def _may_be_mpeg(content: bytes) -> bool:
    if content.startswith(b"ID3"):
        return True
    return len(content) > 1 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0


# --- WAV -------------------------------------------------------------------------------------


def _wav(content: bytes) -> AudioLength | None:
    if not content.startswith((b"RIFF", b"RF64")) or content[8:12] != b"WAVE":
        return None
    place, rate, is_even = 12, 0, False
    for _ in range(_MOST_CHUNKS):
        if len(content) < place + 8:
            break
        name, size = struct.unpack_from("<4sI", content, place)
        place += 8
        if name == b"fmt " and len(content) >= place + 16:
            rate, is_even = _byte_rate(content, place)
        elif name == b"data":
            return AudioLength(_data_size(content, place, size) / rate, is_even) if rate else None
        place += size + size % 2
    return None


def _byte_rate(content: bytes, place: int) -> tuple[int, bool]:
    """Return the bytes per second, and whether they are as many in each second."""
    kind, _, samples, told, block, _ = struct.unpack_from("<HHIIHH", content, place)
    is_even = kind in _EVEN_FORMATS
    # Writers that do not care get the rate wrong, but not what it is the product of.
    return (samples * block if is_even else told), is_even


def _data_size(content: bytes, place: int, told: int) -> int:
    """Return the size of the sound; whoever streams writes 0 or the highest number before it."""
    left = len(content) - place
    return min(told, left) if told else left


# --- FLAC ------------------------------------------------------------------------------------


def _flac(content: bytes) -> AudioLength | None:
    place = _after_id3(content)
    if content[place : place + 4] != b"fLaC" or len(content) < place + 42:
        return None
    # After sizes of blocks and frames (10 bytes): 20 bits of rate, 8 of form, 36 of samples.
    (fields,) = struct.unpack_from(">Q", content, place + 18)
    rate, samples = fields >> 44, fields & (1 << 36) - 1
    return AudioLength(samples / rate, is_exact=True) if rate and samples else None


def _after_id3(content: bytes) -> int:
    """Return where a file begins behind the tags that some programs put before it."""
    if not content.startswith(b"ID3") or len(content) < 10:
        return 0
    size = 0
    for byte in content[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


# --- others ----------------------------------------------------------------------------------


def _by_tinytag(content: bytes) -> AudioLength | None:
    try:
        from tinytag import TinyTag
    except ImportError:
        return None
    try:
        tag = TinyTag.get(file_obj=_Patient(content), tags=False, duration=True)
        seconds = float(tag.duration or 0.0)
    except Exception:  # it promises errors of its own only, but is made for files that are sound
        return None
    # Of an MP3, it looks at as much as it needs for a good guess.
    return AudioLength(seconds, is_exact=not _may_be_mpeg(content))


class _Patient(io.BytesIO):
    """A file whose reader may go astray, but not for ever."""

    _reads = 0

    def read(self, size: Any = -1, /) -> bytes:
        self._reads += 1
        if self._reads > _MOST_READS:
            raise EOFError
        return super().read(size)
