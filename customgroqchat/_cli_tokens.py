"""``customgroqchat tokens``: what counts are made of on this machine; brings the vocabulary."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ._token_vocabulary import (
    O200K_BASE,
    VocabularySpec,
    cache_directory,
    find_vocabulary,
    install_vocabulary,
    usual_directories,
)

__all__ = ["add_tokens"]

_DEADLINE_S = 120.0
_INTERRUPTED = 130  # as a shell reports a program that Ctrl-C ended


def add_tokens(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    summary = "show or bring the vocabulary that makes token counts exact"
    parser = commands.add_parser("tokens", help=summary, description=_description())
    parser.set_defaults(command=_tokens)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--fetch", action="store_true", help="download the vocabulary")
    action.add_argument(
        "--from", dest="file", type=Path, metavar="FILE", help="take it from a file of this machine"
    )
    action.add_argument(
        "--count", metavar="MODEL", help="count what comes from standard input, as a prompt"
    )
    parser.add_argument(
        "--url", type=_address, default=O200K_BASE.address, help="fetch from here (%(default)s)"
    )
    parser.add_argument(
        "--deadline",
        type=_seconds,
        default=_DEADLINE_S,
        metavar="S",
        help="seconds that fetching may take altogether (%(default)g)",
    )


def _description() -> str:
    return (
        f"Without options, tells whether the vocabulary {O200K_BASE.name} is on this machine. "
        "It is believed only if its SHA-256 is the published one. Nothing is downloaded but with "
        "--fetch."
    )


def _tokens(arguments: argparse.Namespace) -> int:
    try:
        if arguments.fetch:
            return _fetch(arguments, O200K_BASE)
        if arguments.file is not None:
            return _install_from(arguments.file, O200K_BASE)
        return _show(O200K_BASE) if arguments.count is None else _count(arguments.count)
    except KeyboardInterrupt:
        print("\nStopped; nothing was changed.", file=sys.stderr)
        return _INTERRUPTED


# --- what is there -------------------------------------------------------------------------


def _show(spec: VocabularySpec) -> int:
    path = find_vocabulary(spec, usual_directories())
    if path is None:
        print(f"Counts are estimates: {spec.name} is not on this machine. Looked in:")
        print("\n".join(f"    {folder}" for folder in _looked_in()))
        print("Bring it with:\n\n    customgroqchat tokens --fetch")
        return 0
    print(f"Counts are made with {spec.name}, from {path}")
    print(_exactness())
    return 0


def _looked_in() -> Iterator[Path]:
    return iter(dict.fromkeys(usual_directories()))


def _exactness() -> str:
    if _has_tiktoken():
        return (
            "They are exact for plain chats with gpt-oss models. For others it stands in for their "
            "own vocabularies."
        )
    return "But tiktoken is not installed for this Python, so counts are estimates all the same."


def _has_tiktoken() -> bool:
    from importlib.util import find_spec

    return find_spec("tiktoken") is not None


def _count(model: str) -> int:
    from .token_counter import TokenCounter

    count = TokenCounter().count_prompt(sys.stdin.buffer.read().decode("utf-8", "replace"), model)
    quality = "exact" if count.exact else f"at most about {count.upper}"
    print(f"{count} prompt tokens for {model} ({quality}; {count.source})")
    return 0


# --- bringing it ---------------------------------------------------------------------------


def _fetch(arguments: argparse.Namespace, spec: VocabularySpec) -> int:
    from ._vocabulary_fetch import FetchError, fetch_vocabulary

    path = find_vocabulary(spec, usual_directories())
    if path is not None:
        print(f"{spec.name} is there already: {path}")
        return 0
    print(f"Fetching {spec.size / 1e6:.1f} MB from {arguments.url}", file=sys.stderr)
    try:
        data = fetch_vocabulary(
            spec, arguments.url, deadline_s=arguments.deadline, progress=_progress(spec)
        )
    except FetchError as fault:
        return _failed(str(fault))
    return _install(data, spec, arguments.url)


def _progress(spec: VocabularySpec) -> Callable[[int], object]:
    """Something that shows how far it is, where somebody is watching."""
    if not sys.stderr.isatty():
        return lambda _: None

    def show(received: int) -> None:
        end = "\n" if received >= spec.size else ""
        print(f"\r{received / spec.size:4.0%}", end=end, file=sys.stderr, flush=True)

    return show


def _install_from(file: Path, spec: VocabularySpec) -> int:
    try:
        with file.open("rb") as opened:
            data = opened.read(spec.size + 1)  # whatever it is, no more than can be right
    except OSError as fault:
        return _failed(f"{file} cannot be read: {fault.strerror}")
    return _install(data, spec, str(file))


def _install(data: bytes, spec: VocabularySpec, origin: str) -> int:
    try:
        path = install_vocabulary(data, spec)
    except ValueError as fault:
        return _failed(f"{origin} is not the right file: {fault}")
    except RuntimeError:
        return _failed("there is no home directory to put it into; set XDG_CACHE_HOME")
    except OSError as fault:
        return _failed(f"it cannot be written to {cache_directory()}: {fault.strerror}")
    print(f"{spec.name} is installed: {path}")
    return 0


def _failed(reason: str) -> int:
    print(f"Nothing was installed: {reason}.", file=sys.stderr)
    return 1


# --- arguments -----------------------------------------------------------------------------


def _address(text: str) -> str:
    if text.startswith(("https://", "http://")):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is not an http(s) address")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds
