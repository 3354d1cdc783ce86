"""What a docstring says of a function and of its parameters. Pure.

It reads the three ways in which parameters are documented: Google's ``Args:``, NumPy's
``Parameters`` underlined, and Sphinx's ``:param name:``. ``Attributes`` of a class are read alike.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

_NAMES = "Args|Arguments|Parameters|Params|Keyword Args|Keyword Arguments|Other Parameters"
_WANTED = re.compile(rf"(?:{_NAMES}|Attributes)\Z")
_GOOGLE_SECTION = re.compile(r"(?P<name>[A-Z]\w*(?: \w+)?):\s*\Z")
_UNDERLINE = re.compile(r"-{3,}\s*\Z")
_GOOGLE_ENTRY = re.compile(r"(?P<names>\*{0,2}\w+)\s*(?:\(.*?\))?\s*:(?:\s+(?P<text>.*))?\Z")
_NUMPY_ENTRY = re.compile(r"(?P<names>\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?\Z")
_SPHINX_ENTRY = re.compile(
    r"\s*:(?:param|parameter|arg|argument|key|keyword|ivar|var)\s+(?:[^:]*?\s)?"
    r"(?P<names>\*{0,2}\w+)\s*:\s*(?P<text>.*)\Z"
)
_SPHINX_FIELD = re.compile(r"\s*:\w+[^:]*:")


class Documentation(NamedTuple):
    """The summary, which is the first paragraph, and a text for each documented parameter."""

    summary: str
    parameters: dict[str, str]


def documentation(docstring: str | None) -> Documentation:
    """Return what a docstring says, as ``inspect.getdoc`` gives it; nothing if it is None."""
    lines = (docstring or "").splitlines()
    found = dict(_sphinx(lines))
    for name, body in _sections(lines):
        entries = _numpy(body) if name.startswith("=") else _google(body)
        if _WANTED.match(name.removeprefix("=")):
            found |= dict(entries)
    return Documentation(_summary(lines), {name: text for name, text in found.items() if text})


def _summary(lines: list[str]) -> str:
    paragraph: list[str] = []
    for index, line in enumerate(lines):
        if not line.strip() or _SPHINX_FIELD.match(line) or _heading(lines, index):
            break
        paragraph.append(line.strip())
    return " ".join(paragraph)


def _heading(lines: list[str], index: int) -> str | None:
    """Return the name of the section that begins here, with = before it if it is NumPy's."""
    line = lines[index]
    if index + 1 < len(lines) and line.strip() and _UNDERLINE.match(lines[index + 1]):
        return "=" + line.strip()
    google = _GOOGLE_SECTION.match(line)
    # A section's body is indented; a sentence that ends in a colon is followed by anything.
    below = next((other for other in lines[index + 1 :] if other.strip()), "")
    return google["name"] if google and below.startswith((" ", "\t")) else None


def _sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    starts = [index for index in range(len(lines)) if _heading(lines, index)]
    for start, end in itertools.pairwise([*starts, len(lines)]):
        name = _heading(lines, start) or ""
        yield name, lines[start + 1 + name.startswith("=") : end]


def _google(body: list[str]) -> Iterator[tuple[str, str]]:
    return _entries(inspect.cleandoc("\n" + "\n".join(body)).splitlines(), _GOOGLE_ENTRY)


def _numpy(body: list[str]) -> Iterator[tuple[str, str]]:
    return _entries(body, _NUMPY_ENTRY)


def _entries(lines: list[str], pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Yield names and texts: an entry begins at the margin, and goes on indented."""
    names: list[str] = []
    text: list[str] = []
    for line in lines:
        if line.startswith((" ", "\t")) or not line.strip():
            text.append(line.strip())
            continue
        yield from _told(names, text)
        entry = pattern.match(line)
        names = _split(entry["names"]) if entry else []
        text = [(entry.groupdict().get("text") or "") if entry else ""]
    yield from _told(names, text)


def _sphinx(lines: list[str]) -> Iterator[tuple[str, str]]:
    for index, line in enumerate(lines):
        if entry := _SPHINX_ENTRY.match(line):
            text = [entry["text"]]
            for further in lines[index + 1 :]:
                if not further.startswith((" ", "\t")) or _SPHINX_FIELD.match(further):
                    break
                text.append(further.strip())
            yield from _told(_split(entry["names"]), text)


def _split(names: str) -> list[str]:
    return [name.strip().lstrip("*") for name in names.split(",")]


def _told(names: list[str], text: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        yield name, " ".join(filter(None, text))
