"""The pages of the documentation, and the code in them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.rst")), *sorted(ROOT.glob("*.rst")), ROOT / "examples/README.rst"]
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]


class Block(NamedTuple):
    """A piece of code of a page, and the line it begins on, from 0."""

    line: int
    text: str


_BLOCK = re.compile(
    r"^\.\. code-block:: (?P<language>\w+)\n\n(?P<code>(?:(?:[ \t]+.*)?\n)+)"
    r"|^(?P<session>>>> .*\n(?:.+\n)*)",
    re.MULTILINE,
)


def blocks(page: str, *languages: str) -> Iterator[Block]:
    """Yield the blocks of these languages; ``"session"`` are the interactive ones."""
    for match in _BLOCK.finditer(page):
        language = match["language"] or "session"
        kind = "code" if match["language"] else "session"
        if language in languages:
            line = page.count("\n", 0, match.start(kind))
            yield Block(line, textwrap.dedent(match[kind]))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def links(page: str) -> list[str]:
    return re.findall(r"`[^`<]+<([^`>]+)>`_", page)
