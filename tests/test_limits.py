"""Which of several sources of a limit counts."""

from __future__ import annotations

import pytest
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._limits import KnownLimit, known_limits

PRESET = {"RPM": 30, "RPD": 1000, "TPM": 8000, "TPD": 200_000}
dimensions = st.sampled_from(sorted(PRESET))
numbers = st.integers(1, 10**6)


def test_only_a_preset_is_a_guess() -> None:
    by_source = {source: KnownLimit(1, source) for source in ("configured", "server", "preset")}
    guesses = [source for source, known in by_source.items() if known.is_guess]
    assert guesses == ["preset"]


@pytest.mark.parametrize(("guessed", "source"), [(True, "preset"), (False, "configured")])
def test_without_a_word_of_the_server_the_configuration_holds(guessed: bool, source: str) -> None:
    found = known_limits({"TPM": 8000, "RPM": 30}, guessed, {})
    assert found == {"TPM": KnownLimit(8000, source), "RPM": KnownLimit(30, source)}


def test_none_is_unlimited() -> None:
    assert known_limits({"TPM": None, "RPM": 30}, False, {}) == {
        "RPM": KnownLimit(30, "configured")
    }


def test_nothing_known_is_no_limit() -> None:
    assert known_limits({}, True, {}) == {}


def test_the_server_lowers_what_was_configured() -> None:
    found = known_limits({"TPM": 250_000}, False, {"TPM": 8000})
    assert found == {"TPM": KnownLimit(8000, "server")}


def test_a_lower_configured_limit_is_a_choice_and_stays() -> None:
    found = known_limits({"TPM": 4000}, False, {"TPM": 8000})
    assert found == {"TPM": KnownLimit(4000, "configured")}


@pytest.mark.parametrize("guessed", [True, False])
@pytest.mark.parametrize("configured", [{}, {"OTPM": None}])
def test_the_server_tells_of_limits_that_nobody_configured(
    guessed: bool, configured: dict[str, int | None]
) -> None:
    assert known_limits(configured, guessed, {"OTPM": 1000}) == {"OTPM": KnownLimit(1000, "server")}


@pytest.mark.parametrize("told", [4000, 250_000])
def test_the_server_replaces_a_guess_in_either_direction(told: int) -> None:
    assert known_limits({"TPM": 8000}, True, {"TPM": told}) == {"TPM": KnownLimit(told, "server")}


def test_one_wrong_guess_makes_the_others_worthless() -> None:
    found = known_limits(PRESET, True, {"TPM": 250_000})
    assert found == {"TPM": KnownLimit(250_000, "server")}


def test_a_guess_that_was_right_confirms_the_others() -> None:
    found = known_limits(PRESET, True, {"TPM": 8000, "RPD": 1000})
    assert {name: known.limit for name, known in found.items()} == PRESET
    assert found["RPM"].is_guess
    assert not found["TPM"].is_guess


def test_a_limit_that_no_guess_was_made_of_contradicts_none() -> None:
    found = known_limits({"RPM": 30, "ITPM": None}, True, {"OTPM": 1000, "ITPM": 7000})
    assert found["RPM"] == KnownLimit(30, "preset")


def test_a_configured_limit_is_no_guess_and_survives_a_contradiction() -> None:
    found = known_limits(PRESET, False, {"TPM": 4000})
    assert found["RPM"] == KnownLimit(30, "configured")


@repeatable
@given(st.dictionaries(dimensions, st.none() | numbers), st.dictionaries(dimensions, numbers))
def test_configured_and_told_give_the_lower_of_both(
    configured: dict[str, int | None], told: dict[str, int]
) -> None:
    found = known_limits(configured, False, told)
    sources = [{name: n for name, n in configured.items() if n is not None}, told]
    assert {name: known.limit for name, known in found.items()} == {
        name: min(source[name] for source in sources if name in source)
        for name in {*sources[0], *sources[1]}
    }


@repeatable
@given(
    st.dictionaries(dimensions, st.none() | numbers),
    st.booleans(),
    st.dictionaries(dimensions, numbers, min_size=1),
)
def test_what_the_server_told_is_never_exceeded(
    configured: dict[str, int | None], guessed: bool, told: dict[str, int]
) -> None:
    found = known_limits(configured, guessed, told)
    assert all(found[name].limit <= limit for name, limit in told.items())
