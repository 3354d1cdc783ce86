"""The manual's tables are those of the package, and its JSON example loads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from customgroqchat._presets import FREE_PLAN, MODEL_FACTS, PUBLISHED
from customgroqchat._settings import CLIENT, MODEL, Setting
from customgroqchat.config_loader import ConfigLoader
from customgroqchat.exceptions import ConfigLoaderException

PAGE = Path(__file__).parent.parent / "docs" / "config_loader.rst"


def literal(value: Any) -> str:
    plain = dict(value) if isinstance(value, Mapping) else value
    return "unset" if plain is None else f"``{json.dumps(plain)}``"


def table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield from [".. list-table::", "   :header-rows: 1", ""]
    for row in (heading, *rows):
        for index, cell in enumerate(row):
            yield f"   {'  -' if index else '* -'} {cell}"
    yield ""


def settings(table_of: Mapping[str, Setting], with_variable: bool) -> Iterator[str]:
    names = ["Setting", "Default", "Allowed", "Meaning"] + ["Variable"] * with_variable
    yield from table(
        names,
        (
            [f"``{name}``", literal(one.default), one.kind.allowed, one.help]
            + [f"``{one.variable}``"] * with_variable
            for name, one in table_of.items()
        ),
    )


def titled(title: str) -> list[str]:
    return [title, "~" * len(title), ""]


def number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"  # noqa: RUF001


def reference() -> str:
    """Render what the page must contain between its two markers."""
    limits = ["req_per_minute", "req_per_day", "token_per_minute", "token_per_day"]
    audio = ["audio_seconds_per_hour", "audio_seconds_per_day"]
    sizes = ["context_window", "max_completion_tokens"]
    lines = [
        *titled("Settings of the client"),
        "As keys of ``defaults``, as variables, and as arguments.",
        "",
        *settings(CLIENT, with_variable=True),
        *titled("Settings of a model"),
        "As keys of a model's block, and of ``defaults``.",
        "",
        *settings(MODEL, with_variable=False),
        *titled("Published limits"),
        f"The free plan as published on {PUBLISHED}; guesses, replaced by what the service says.",
        "Seconds of audio count for what is transcribed or translated.",
        "",
        *table(
            ["Model", *(name.replace("_", " ") for name in limits + audio)],
            (
                [f"``{model}``", *(number(getattr(plan, name)) for name in limits + audio)]
                for model, plan in FREE_PLAN.items()
            ),
        ),
        *titled("Published sizes"),
        *table(
            ["Model", *(name.replace("_", " ") for name in sizes)],
            (
                [f"``{model}``", *(number(getattr(facts, name)) for name in sizes)]
                for model, facts in MODEL_FACTS.items()
            ),
        ),
    ]
    return "\n".join(lines)


def between_markers(page: str) -> str:
    match = re.search(r"\.\. begin reference\n\n(.*)\n\.\. end reference\n", page, re.DOTALL)
    assert match, "the page has lost its markers"
    return match[1]


def test_the_reference_is_that_of_the_package() -> None:
    assert between_markers(PAGE.read_text(encoding="utf-8")) == reference()


def test_the_example_file_loads_and_means_what_the_page_says(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    block = re.search(r"\.\. code-block:: json\n\n((?:    .*\n)+)", page)
    assert block
    config = ConfigLoader(
        json.loads(block[1]), environ={"GROQ_API_KEY": "gsk_" + "k" * 40}, cwd=tmp_path
    ).load()
    assert config.max_workers == 8
    assert config.model("openai/gpt-oss-120b").api_key == "gsk_" + "k" * 40
    second = config.model("openai/gpt-oss-20b")
    assert (second.req_per_minute, second.token_per_minute) == (None, 250_000)
    assert second.context_window == 131_072


def test_the_lines_of_error_in_the_page_are_real(tmp_path: Path) -> None:
    (tmp_path / "groq.json").write_text('{"openai/gpt-oss-20b": {"token_per_min": 5}}')
    environ = {"CUSTOMGROQCHAT_MAX_WORKERS": "eight"}
    with pytest.raises(ConfigLoaderException) as caught:
        ConfigLoader("groq.json", environ=environ, cwd=tmp_path).load()
    lines = str(caught.value).splitlines()
    page = PAGE.read_text(encoding="utf-8")
    assert len(lines) == 3
    assert "\n".join(f"    {line}" for line in lines) in page
