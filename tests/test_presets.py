"""Published limits, sizes and retirements."""

from __future__ import annotations

from datetime import date

import pytest

from customgroqchat._presets import (
    FREE_PLAN,
    MODEL_FACTS,
    PUBLISHED,
    RETIRED,
    PlanLimits,
    retired_on,
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


@pytest.mark.parametrize("table", [FREE_PLAN, MODEL_FACTS, RETIRED])
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
