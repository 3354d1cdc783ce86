"""The page about counting runs as it stands."""

import re
import textwrap
from pathlib import Path

from customgroqchat.token_counter import TokenCounter

PAGE = Path(__file__).resolve().parents[1] / "docs" / "token_counter.rst"
BLOCK = re.compile(r"^\.\. code-block:: python\n\n((?: {4}.*\n|\n)+)", re.MULTILINE)


def test_the_examples_run():
    names: dict[str, object] = {}
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 4
    for block in blocks:
        exec(textwrap.dedent(block), names)
    assert 125 <= int(names["count"]) <= 130  # learnt, in the last of them


def test_every_method_is_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    methods = [name for name in vars(TokenCounter) if name.startswith("count_")]
    methods += ["observe", "calibration", "reset_calibration", "save_calibration"]
    assert len(methods) == 11
    assert all(f"``{name}(" in page for name in methods)
