"""Published limits, sizes and retirements."""

from __future__ import annotations

from datetime import date

import pytest

from customgroqchat._presets import (
    FREE_PLAN,
    MODEL_FACTS,
    PUBLISHED,
    RETIRED,
    RETIRED_FACTS,
    PlanLimits,
    preset_facts,
    retired_on,
    retirement,
    retirement_note,
    successor_of,
)


@pytest.mark.parametrize(
    ("model", "limits"),
    [
        ("openai/gpt-oss-120b", PlanLimits(30, 1_000, 8_000, 200_000)),
        ("qwen/qwen3.8-27b", PlanLimits(30, 1_000, 8_000, 200_000)),
        ("meta-llama/llama-prompt-guard-2-86m", PlanLimits(30, 14_400, 15_000, 500_000)),
        ("canopylabs/orpheus-arabic-saudi", PlanLimits(10, 100, 1_200, 3_600)),
        ("whisper-large-v3-turbo", PlanLimits(20, 2_000, None, None, 7_200, 28_800)),
    ],
)
def test_the_free_plan_is_as_published(model: str, limits: PlanLimits) -> None:
    assert FREE_PLAN[model] == limits
    assert date(2026, 10, 1) == PUBLISHED


def test_every_model_of_the_plan_has_its_sizes() -> None:
    assert set(FREE_PLAN) <= set(MODEL_FACTS)


def test_live_models_are_not_retired() -> None:
    assert not set(RETIRED) & (set(FREE_PLAN) | set(MODEL_FACTS))


def test_models_without_a_plan_are_known_too() -> None:
    assert "allam-2-7b" not in FREE_PLAN
    assert "allam-2-7b" in MODEL_FACTS


@pytest.mark.parametrize("table", [FREE_PLAN, MODEL_FACTS, RETIRED, RETIRED_FACTS])
def test_the_tables_cannot_be_changed(table: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        table["new"] = None


@pytest.mark.parametrize(
    ("model", "successor"),
    [
        ("llama-3.1-8b-instant", "openai/gpt-oss-20b"),
        ("qwen/qwen3.6-27b", "qwen/qwen3.8-27b"),
        ("mixtral-8x7b-32768", "openai/gpt-oss-120b"),  # by way of two that are gone as well
        ("groq/compound", None),
        ("openai/gpt-oss-20b", None),
        ("no/such-model", None),
    ],
)
def test_successor(model: str, successor: str | None) -> None:
    assert successor_of(model) == successor


def test_every_successor_is_live() -> None:
    successors = {successor_of(model) for model in RETIRED} - {None}
    assert successors <= set(MODEL_FACTS)


def test_retired_on() -> None:
    assert retired_on("llama-3.3-70b-versatile") == date(2026, 8, 16)
    assert retired_on("openai/gpt-oss-20b") is None


def test_the_note_names_day_and_successor() -> None:
    note = retirement_note("llama-3.1-8b-instant")
    assert note is not None
    assert "2026-08-16" in note
    assert "'openai/gpt-oss-20b'" in note
    assert "nothing replaces it" in (retirement_note("groq/compound") or "")
    assert retirement_note("openai/gpt-oss-20b") is None


def test_a_retirement_has_its_day_and_the_successor_at_the_end() -> None:
    gone = retirement("gemma2-9b-it")
    assert gone is not None
    assert (gone.on, gone.successor) == (date(2025, 10, 8), "openai/gpt-oss-20b")
    assert retirement("openai/gpt-oss-20b") is None


def test_facts_know_what_became_of_a_model() -> None:
    assert set(RETIRED_FACTS) == set(RETIRED)
    for name, gone in RETIRED.items():
        facts = preset_facts(name)
        assert (facts.name, facts.is_active) == (name, False)
        assert (facts.retired_on, facts.successor) == (gone.on, gone.successor)
    for name in MODEL_FACTS:
        facts = preset_facts(name)
        assert (facts.name, facts.is_active, facts.retired_on) == (name, True, None)
    assert set(preset_facts("openai/gpt-oss-20b").sources.values()) == {"preset"}


@pytest.mark.parametrize(
    ("model", "prompt", "cached", "completion"),
    [
        ("openai/gpt-oss-120b", 0.15, 0.075, 0.60),
        ("openai/gpt-oss-20b", 0.075, 0.0375, 0.30),
        ("qwen/qwen3.8-27b", 0.80, None, 4.00),
        ("llama-3.3-70b-versatile", 0.59, 0.295, 0.79),
    ],
)
def test_prices_are_as_published(
    model: str, prompt: float, cached: float | None, completion: float
) -> None:
    prices = preset_facts(model).prices
    assert prices is not None
    assert (prices.prompt, prices.completion) == pytest.approx((prompt / 1e6, completion / 1e6))
    assert prices.cached == (cached and pytest.approx(cached / 1e6))


def test_features_are_as_published() -> None:
    strict = {name for name, facts in MODEL_FACTS.items() if facts.supports("structured_outputs")}
    assert strict == {
        "openai/gpt-oss-120b",
        "openai/gpt-oss-20b",
        "openai/gpt-oss-safeguard-20b",
    }
    seeing = {name for name, facts in MODEL_FACTS.items() if facts.supports("vision")}
    assert seeing == {"qwen/qwen3.8-27b"}
    assert preset_facts("openai/gpt-oss-20b").supports("browser_search")
    assert preset_facts("minimaxai/minimax-m2.7").supports("tools") is None
