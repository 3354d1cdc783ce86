"""Finding a token vocabulary on this machine, putting one there, and counting with it.

Nothing here uses a network: ``_vocabulary_fetch`` does, when somebody asks for it.
``tiktoken.get_encoding`` would: it downloads a missing vocabulary without a timeout, under a lock
that stops every other thread that counts. So a file is looked for in the places where vocabularies
are kept, is believed only if its SHA-256 is right, and is made into an encoding of our own.

Thread-safe: an encoding is built once in a process, by whichever thread comes first.
"""

from __future__ import annotations

import os
import sys
import threading
from binascii import a2b_base64
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ._files import replace_file

if TYPE_CHECKING:
    from tiktoken import Encoding

__all__ = [
    "O200K_BASE",
    "VocabularySpec",
    "cache_directory",
    "check_vocabulary",
    "count_tokens",
    "find_vocabulary",
    "install_vocabulary",
    "load_encoding",
    "usual_directories",
]


@dataclass(frozen=True)
class VocabularySpec:
    """A published vocabulary: how to recognise its file, and how it splits a text.

    ``size`` is in bytes, ``sha256`` in hexadecimal; ``pattern`` is the regular expression
    that cuts a text into the pieces within which bytes are merged. ``address`` is where it is
    published.
    """

    name: str
    sha256: str
    size: int
    file_names: tuple[str, ...]
    pattern: str
    address: str = ""


_UPPER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"
_LOWER = r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_BEFORE = r"[^\r\n\p{L}\p{N}]?"
_AFTER = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"

O200K_BASE = VocabularySpec(
    name="o200k_base",
    sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    size=3_613_922,
    # The second is the name under which tiktoken caches it: the SHA-1 of its address.
    file_names=("o200k_base.tiktoken", "fb374d419588a4632f3f557e76b4b70aebbca790"),
    pattern="|".join(
        [
            f"{_BEFORE}[{_UPPER}]*[{_LOWER}]+{_AFTER}",
            f"{_BEFORE}[{_UPPER}]+[{_LOWER}]*{_AFTER}",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        ]
    ),
    address="https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken",
)

_FOLDER = "customgroqchat"
# Longer texts are cut, so that no input makes the regular expression give up or crawl.
# At this length the cuts add less than one token in ten thousand.
_CHUNK_CHARS = 50_000

_encodings: dict[str, Encoding] = {}
_locks: dict[str, threading.Lock] = {}

if hasattr(os, "register_at_fork"):  # pragma: no branch - all but Windows have it
    # Another thread of the parent may hold one, and does not exist in the child.
    os.register_at_fork(after_in_child=_locks.clear)


def load_encoding(spec: VocabularySpec, directories: Iterable[Path] = ()) -> Encoding | None:
    """Return the encoding of ``spec``, or None if this machine has no right file of it.

    ``directories`` are looked at before the usual places. The first success in a process
    blocks for about 0.4 s to read the vocabulary, which then takes some 80 MB; later calls
    return the same encoding. Any thread may call it. It raises nothing.
    """
    with _locks.setdefault(spec.sha256, threading.Lock()):
        if spec.sha256 not in _encodings:
            encoding = _build(spec, [*directories, *usual_directories()])
            if encoding is None:
                return None
            _encodings[spec.sha256] = encoding
        return _encodings[spec.sha256]


def count_tokens(encoding: Encoding, text: str) -> int:
    """Return the exact number of tokens of ``text``. Does not block; any thread may call it.

    Names of special tokens in the text are text: a user who writes ``<|endoftext|>`` has
    written thirteen characters.
    """
    # encode_ordinary would not do: on endless whitespace it panics where encode raises.
    return sum(len(encoding.encode(part, disallowed_special=())) for part in _chunks(text))


def _chunks(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _CHUNK_CHARS:
        end = _cut(text, start, start + _CHUNK_CHARS)
        yield text[start:end]
        start = end
    yield text[start:]


def _cut(text: str, start: int, limit: int) -> int:
    """Where to cut: before the last line break or else space, as words begin with theirs."""
    for mark in "\n ":
        found = text.rfind(mark, start + 1, limit)
        if found > 0:
            return found
    return limit


def find_vocabulary(spec: VocabularySpec, directories: Iterable[Path]) -> Path | None:
    """Return the first right file of a vocabulary in some folders. Reads it; raises nothing."""
    found = _find(spec, directories)
    return found and found[0]


def check_vocabulary(data: bytes, spec: VocabularySpec) -> None:
    """Raise ValueError, saying what is wrong, unless this is the content of the right file."""
    from hashlib import sha256

    if len(data) != spec.size:
        raise ValueError(f"it has {len(data):,} bytes, and {spec.name} has {spec.size:,}")
    if sha256(data).hexdigest() != spec.sha256:
        raise ValueError(f"its SHA-256 is not that of {spec.name}")


def install_vocabulary(data: bytes, spec: VocabularySpec) -> Path:
    """Put the content of a vocabulary file into our cache, whole or not at all; return its path.

    Blocks for the writing. Raises ValueError if it is not the right content, OSError if it
    cannot be written.
    """
    check_vocabulary(data, spec)
    target = cache_directory() / spec.file_names[0]
    replace_file(target, data)
    return target


def usual_directories() -> Iterator[Path]:
    """Where vocabularies lie: our cache, those of tiktoken, and a package that brings them."""
    with suppress(RuntimeError):  # no home directory
        yield cache_directory()
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if os.environ.get(variable):
            yield Path(os.environ[variable])
    with suppress(OSError):  # no usable temporary directory
        yield _temporary_directory() / "data-gym-cache"
    yield from _litellm_directories()


def cache_directory(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Return our own folder for vocabularies. Raises RuntimeError if there is no home."""
    if platform == "win32" and environ.get("LOCALAPPDATA"):
        return Path(environ["LOCALAPPDATA"]) / _FOLDER
    if platform == "darwin":
        return Path.home() / "Library" / "Caches" / _FOLDER
    if environ.get("XDG_CACHE_HOME"):
        return Path(environ["XDG_CACHE_HOME"]) / _FOLDER
    return Path.home() / ".cache" / _FOLDER


def _build(spec: VocabularySpec, directories: Iterable[Path]) -> Encoding | None:
    found = _find(spec, directories)
    if found is None:
        return None
    try:
        from tiktoken import Encoding
    except ImportError:  # no wheel for this interpreter: the estimator serves
        return None
    return Encoding(
        spec.name, pat_str=spec.pattern, mergeable_ranks=_parse(found[1]), special_tokens={}
    )


def _parse(data: bytes) -> dict[bytes, int]:
    """Read lines of a token in base64 and its rank."""
    fields = data.split()
    return dict(zip(map(a2b_base64, fields[::2]), map(int, fields[1::2]), strict=True))


def _find(spec: VocabularySpec, directories: Iterable[Path]) -> tuple[Path, bytes] | None:
    for directory in directories:
        for name in spec.file_names:
            data = _read_verified(directory / name, spec)
            if data is not None:
                return directory / name, data
    return None


def _read_verified(path: Path, spec: VocabularySpec) -> bytes | None:
    # A file that cannot be read or is not right is as good as none; the size spares reading it.
    with suppress(OSError, ValueError):
        if path.is_file() and path.stat().st_size == spec.size:
            data = path.read_bytes()
            check_vocabulary(data, spec)
            return data
    return None


def _temporary_directory() -> Path:
    from tempfile import gettempdir

    return Path(gettempdir())


def _litellm_directories() -> Iterator[Path]:
    """The folder in which litellm ships vocabularies, found without the cost of importing it."""
    from importlib.util import find_spec

    with suppress(ImportError, ValueError):
        spec = find_spec("litellm")
        for folder in (spec and spec.submodule_search_locations) or ():
            yield Path(folder) / "litellm_core_utils" / "tokenizers"
