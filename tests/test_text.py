"""Values and secrets in the text of errors."""

from __future__ import annotations

import pytest
from helpers_servers import KEY

from customgroqchat._text import shown, without_secret


class Broken:
    """Has no repr."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "'a'"), ([1], "[1]"), (Broken(), "a Broken"), ([10**5_000], "a list")],
)
def test_a_value_is_shown_by_its_repr_if_it_has_one(value: object, text: str) -> None:
    assert shown(value) == text


def test_it_is_shortened() -> None:
    assert shown("x" * 1_000) == "'" + "x" * 79 + "..."
    assert shown("x" * 1_000, 10) == "'" + "x" * 9 + "..."
    assert shown("x" * 8, 10) == "'xxxxxxxx'"


def test_a_secret_is_blotted_out_wherever_it_is() -> None:
    assert without_secret(f"{KEY}, Bearer {KEY}.", KEY) == "***, Bearer ***."


@pytest.mark.parametrize("secret", [None, "", "any", "x" * 11])
def test_what_is_too_short_for_a_secret_is_a_word(secret: str | None) -> None:
    assert without_secret("any x and " + "x" * 11, secret) == "any x and " + "x" * 11
