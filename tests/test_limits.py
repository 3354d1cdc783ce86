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


def test_what_nobody_who_knows_has_said_of_this_account_today_is_a_guess() -> None:
    sources = ("configured", "server", "remembered", "preset", "trial")
    guesses = [source for source in sources if KnownLimit(1, source).is_guess]
    assert guesses == ["remembered", "preset", "trial"]


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


@pytest.mark.parametrize("told", [8000, 250_000])
def test_the_server_s_word_replaces_what_was_configured_in_both_directions(told: int) -> None:
    found = known_limits({"TPM": 30_000}, False, {"TPM": told})
    assert found == {"TPM": KnownLimit(told, "server")}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (8000, KnownLimit(4000, "configured")),
        (4000, KnownLimit(4000, "server")),
        (3000, KnownLimit(3000, "server")),
    ],
)
def test_a_lower_configured_limit_may_be_a_choice_and_stay(told: int, expected: KnownLimit) -> None:
    found = known_limits({"TPM": 4000}, False, {"TPM": told}, adopt=False)
    assert found == {"TPM": expected}


@pytest.mark.parametrize("guessed", [True, False])
@pytest.mark.parametrize("configured", [{}, {"OTPM": None}])
def test_the_server_tells_of_limits_that_nobody_configured(
    guessed: bool, configured: dict[str, int | None]
) -> None:
    assert known_limits(configured, guessed, {"OTPM": 1000}) == {"OTPM": KnownLimit(1000, "server")}


@pytest.mark.parametrize("adopt", [True, False])
@pytest.mark.parametrize("told", [4000, 250_000])
def test_the_server_replaces_a_guess_in_either_direction(told: int, adopt: bool) -> None:
    known = {"TPM": KnownLimit(told, "server")}
    assert known_limits({"TPM": 8000}, True, {"TPM": told}, adopt=adopt) == known
    assert known_limits({}, False, {"TPM": told}, {"TPM": 8000}, adopt=adopt) == known


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


# --- remembered from an earlier process ------------------------------------------------------


def test_what_is_remembered_fills_what_nobody_configured() -> None:
    found = known_limits({"TPM": 4000, "RPM": None}, False, {}, {"TPM": 8000, "RPM": 30})
    assert found == {"TPM": KnownLimit(4000, "configured"), "RPM": KnownLimit(30, "remembered")}


def test_what_is_remembered_is_better_than_a_preset() -> None:
    found = known_limits(PRESET, True, {}, {"RPD": 1000})
    assert found["RPD"] == KnownLimit(1000, "remembered")
    assert found["RPM"] == KnownLimit(30, "preset")


def test_what_is_remembered_may_show_that_the_account_has_another_plan() -> None:
    assert known_limits(PRESET, True, {}, {"TPM": 250_000}) == {
        "TPM": KnownLimit(250_000, "remembered")
    }


def test_what_is_told_now_counts_more_than_what_was_told_then() -> None:
    found = known_limits(PRESET, True, {"TPM": 8000}, {"TPM": 250_000})
    assert found["TPM"] == KnownLimit(8000, "server")
    assert found["RPM"] == KnownLimit(30, "preset")


# --- tried -----------------------------------------------------------------------------------


def test_a_number_is_tried_where_the_service_has_told_none() -> None:
    rungs = {"RPM": 30, "TPD": 100_000, "TPM": 7}
    found = known_limits({"RPM": 7}, False, {"TPM": 8000}, rungs=rungs)
    assert found == {
        "RPM": KnownLimit(30, "trial"),
        "TPM": KnownLimit(8000, "server"),
        "TPD": KnownLimit(100_000, "trial"),
    }


# --- whatever it is --------------------------------------------------------------------------


limits_or_none = st.dictionaries(dimensions, st.none() | numbers)
limits = st.dictionaries(dimensions, numbers)


@repeatable
@given(limits_or_none, limits)
def test_unless_adopted_configured_and_told_give_the_lower_of_both(
    configured: dict[str, int | None], told: dict[str, int]
) -> None:
    found = known_limits(configured, False, told, adopt=False)
    sources = [{name: n for name, n in configured.items() if n is not None}, told]
    assert {name: known.limit for name, known in found.items()} == {
        name: min(source[name] for source in sources if name in source)
        for name in {*sources[0], *sources[1]}
    }


@repeatable
@given(limits_or_none, st.booleans(), limits, limits, limits)
def test_what_the_server_told_holds(
    configured: dict[str, int | None],
    guessed: bool,
    told: dict[str, int],
    remembered: dict[str, int],
    rungs: dict[str, int],
) -> None:
    found = known_limits(configured, guessed, told, remembered, rungs=rungs)
    assert {name: known for name, known in found.items() if known.source == "server"} == {
        name: KnownLimit(limit, "server") for name, limit in told.items()
    }


@repeatable
@given(limits_or_none, st.booleans(), limits, limits, limits)
def test_whatever_has_a_limit_from_anywhere_has_one(
    configured: dict[str, int | None],
    guessed: bool,
    told: dict[str, int],
    remembered: dict[str, int],
    rungs: dict[str, int],
) -> None:
    found = known_limits(configured, guessed, told, remembered, rungs=rungs, adopt=False)
    certain = {name for name, limit in configured.items() if limit is not None and not guessed}
    assert {*told, *remembered, *rungs, *certain} <= set(found)
    assert all(found[name].limit <= limit for name, limit in told.items())
