"""What is known of a model: records, their merging, and what the service tells."""

from __future__ import annotations

import json
import pickle
from datetime import date
from typing import Any

import pytest
from helpers_properties import json_values, repeatable
from helpers_recordings import recorded
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._presets import MODEL_FACTS, preset_facts
from customgroqchat.model_facts import (
    ModelFacts,
    ModelPrices,
    configured_facts,
    merged,
    told_by,
    told_facts,
)

OSS = "openai/gpt-oss-20b"
ITEM: dict[str, Any] = {
    "id": OSS,
    "object": "model",
    "created": 0,
    "owned_by": "OpenAI",
    "active": True,
    "context_window": 131_072,
    "max_completion_tokens": 65_536,
    "input_modalities": ["text"],
    "output_modalities": ["text"],
    "supported_features": ["tools", "json_mode", "structured_outputs", "reasoning"],
    "pricing": {
        "prompt": "0.000000075",
        "completion": "0.0000003",
        "input_cache_read": "0.0000000375",
        "request": "0",
        "image": "0",
    },
}


def told(**changes: Any) -> ModelFacts:
    facts = told_facts({**ITEM, **changes})
    assert facts is not None
    return facts


# --- what the service tells ----------------------------------------------------------------------


def test_an_item_of_the_list_is_understood() -> None:
    facts = told()
    assert (facts.name, facts.owner, facts.is_active) == (OSS, "OpenAI", True)
    assert (facts.context_window, facts.max_completion_tokens) == (131_072, 65_536)
    assert facts.features == {"tools", "json_mode", "structured_outputs", "reasoning"}
    assert (facts.input_modalities, facts.output_modalities) == (("text",), ("text",))
    assert facts.prices == ModelPrices(7.5e-8, 3e-7, 3.75e-8, 0.0, 0.0)
    assert (facts.retired_on, facts.successor, facts.source) == (None, None, "service")


def test_an_item_of_the_first_years_says_little() -> None:
    old = {"id": "gemma-7b-it", "object": "model", "created": 1, "owned_by": "Google"}
    facts = told_facts({**old, "active": True, "context_window": 8_192})
    assert facts == ModelFacts.said_by(
        "service", "gemma-7b-it", owner="Google", is_active=True, context_window=8_192
    )
    assert facts.supports("tools") is None
    assert facts.cost_usd({"prompt_tokens": 1, "completion_tokens": 1}) is None


def test_the_newer_names_of_sizes_are_read_where_the_older_are_missing() -> None:
    sizes = {"context_length": 100, "max_output_length": "50"}
    facts = told(context_window=None, max_completion_tokens=None, **sizes)
    assert (facts.context_window, facts.max_completion_tokens) == (100, 50)
    both = told(context_window=7, **sizes)
    assert both.context_window == 7


@pytest.mark.parametrize(
    ("size", "read"),
    [
        (7, 7),
        ("131072", 131_072),
        (7.0, 7),
        (0, None),
        ("0", None),
        (-1, None),
        (7.5, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        (None, None),
        ("many", None),
        ("9" * 5_000, None),
        ([7], None),
    ],
)
def test_what_is_no_size_is_not_said(size: Any, read: int | None) -> None:
    facts = told(context_window=size)
    assert facts.context_window == read
    assert ("context_window" in facts.sources) == (read is not None)


@pytest.mark.parametrize("active", [True, None, "yes"])
def test_what_is_listed_is_active_unless_it_says_otherwise(active: Any) -> None:
    assert told(active=active).is_active is True
    assert told(active=False).is_active is False


def test_a_model_that_takes_images_sees() -> None:
    seeing = told(input_modalities=["text", "image"])
    assert (seeing.supports("vision"), told().supports("vision")) == (True, False)
    untold = told(input_modalities=["image"], supported_features=None)
    assert untold.features is None


def test_the_price_of_speech_is_for_characters() -> None:
    pricing = {"prompt": "0.000022", "input_cache_read": "0.000011", "request": "0"}
    facts = told(output_modalities=["speech"], pricing=pricing)
    assert facts.prices == ModelPrices(character=2.2e-5)
    assert told(output_modalities=["speech"], pricing={"request": "0"}).prices is None


@pytest.mark.parametrize(
    "pricing",
    [
        None,
        {},
        ["1"],
        {"prompt": "1"},
        {"prompt": "1", "completion": None},
        {"prompt": "free", "completion": "1"},
        {"prompt": "-1", "completion": "1"},
        {"prompt": "inf", "completion": "nan"},
        {"prompt": 10**999, "completion": 1},
    ],
)
def test_what_is_no_price_is_not_said(pricing: Any) -> None:
    assert told(pricing=pricing).prices is None


@pytest.mark.parametrize("item", [None, "m", 5, {}, {"id": None}, {"id": ""}, {"id": 5}, ["id"]])
def test_what_names_no_model_is_nothing(item: object) -> None:
    assert told_facts(item) is None
    assert list(told_by([item, ITEM])) == [told()]


@repeatable
@given(st.dictionaries(st.sampled_from([*ITEM, "context_length"]), json_values))
def test_whatever_the_service_says_makes_facts_or_nothing(changes: dict[str, Any]) -> None:
    facts = told_facts({**ITEM, **changes})
    if facts is None:
        return
    assert json.loads(json.dumps(facts.to_dict()))["name"] == facts.name
    assert set(facts.sources.values()) <= {"service"}
    for size in (facts.context_window, facts.max_completion_tokens):
        assert size is None or size > 0
    assert all(price >= 0 for price in (facts.prices or ModelPrices()).to_dict().values())


LISTS = [
    row["response"]["body"]
    for row in recorded("exchanges.jsonl")
    if row["request"]["path"].endswith("/models") and row["response"]["status"] == 200
]


@pytest.mark.parametrize("body", LISTS)
def test_recorded_lists_are_understood_whole(body: Any) -> None:
    items = (json.loads(body) if isinstance(body, str) else body)["data"]
    facts = {found.name: found for found in told_by(items)}
    assert list(facts) == [item["id"] for item in items]
    for item in items:
        found = facts[item["id"]]
        assert found.context_window == item["context_window"]
        assert found.max_completion_tokens == item.get("max_completion_tokens")
        assert (found.prices is None) == ("pricing" not in item)


@pytest.mark.parametrize("body", LISTS)
def test_what_is_published_agrees_with_what_was_recorded(body: Any) -> None:
    """Where both know of a model; of the first years little was published that still holds."""
    items = (json.loads(body) if isinstance(body, str) else body)["data"]
    for said in told_by(items):
        preset = preset_facts(said.name)
        for name in ("context_window", "max_completion_tokens", "output_modalities"):
            published = getattr(preset, name)
            assert getattr(said, name) in (None, published) or published is None, said.name
        if said.features is not None and preset.features is not None:
            assert said.features <= preset.features, said.name
        if said.prices is not None and preset.prices is not None:
            known = preset.prices.to_dict()
            priced = {name: known.get(name) for name in said.prices.to_dict() if name in known}
            assert priced == pytest.approx(
                {name: said.prices.to_dict()[name] for name in priced}
            ), said.name


# --- one over the other --------------------------------------------------------------------------


def test_the_service_wins_over_what_was_published_and_the_user_over_both() -> None:
    preset = preset_facts(OSS)
    service = told(context_window=200, max_completion_tokens=None, owner=None)
    facts = merged(preset, service, configured_facts(OSS, {"context_window": 100}))
    assert (facts.context_window, facts.sources["context_window"]) == (100, "configured")
    assert (facts.max_completion_tokens, facts.sources["max_completion_tokens"]) == (
        65_536,
        "preset",
    )
    assert facts.sources["prices"] == "service"
    assert facts.source == "configured"
    assert merged(preset, service).context_window == 200
    assert merged(preset, service).source == "service"


def test_only_what_was_told_or_configured_is_sure() -> None:
    preset = preset_facts(OSS)
    assert preset.sure("context_window") is None
    facts = merged(preset, configured_facts(OSS, {"max_completion_tokens": 5}))
    assert (facts.sure("context_window"), facts.sure("max_completion_tokens")) == (None, 5)
    assert merged(preset, told()).sure("context_window") == 131_072
    assert ModelFacts("unknown").sure("context_window") is None


def test_a_user_can_say_that_there_is_no_bound() -> None:
    facts = merged(told(), configured_facts(OSS, {"context_window": None}))
    assert (facts.context_window, facts.sure("context_window")) == (None, None)
    assert facts.sources["context_window"] == "configured"


def test_what_an_account_keeps_is_not_retired_for_it() -> None:
    preset = preset_facts("llama-3.3-70b-versatile")
    assert (preset.is_active, preset.retired_on) == (False, date(2026, 8, 16))
    kept = merged(preset, told(id=preset.name))
    assert (kept.is_active, kept.retired_on, kept.successor) == (True, None, None)
    assert "successor" not in kept.sources
    gone = merged(preset, told(id=preset.name, active=False))
    assert (gone.is_active, gone.successor) == (False, "openai/gpt-oss-120b")


def test_tools_of_the_service_are_known_though_it_does_not_list_them() -> None:
    facts = merged(preset_facts(OSS), told(supported_features=["tools"]))
    assert facts.features == {"tools", "browser_search", "code_interpreter"}
    assert merged(ModelFacts("new"), told(supported_features=["tools"])).features == {"tools"}


def test_of_an_unknown_model_the_name_is_known() -> None:
    facts = merged(ModelFacts("no/such-model"))
    assert facts == ModelFacts("no/such-model") == preset_facts("no/such-model")
    assert facts.source is None
    assert facts.to_dict()["sources"] == {}


# --- money ---------------------------------------------------------------------------------------


def test_a_request_costs_its_tokens() -> None:
    prices = ModelPrices(prompt=1.0, completion=10.0, cached=0.5, request=1_000.0)
    assert prices.cost_usd(4, 2) == 4 + 20 + 1_000
    assert prices.cost_usd(4, 2, cached_tokens=2) == 2 + 1 + 20 + 1_000
    assert ModelPrices(1.0, 10.0).cost_usd(4, 2, cached_tokens=2) == 24
    assert ModelPrices(0.0, 0.0).cost_usd(4, 2) == 0.0
    assert ModelPrices().cost_usd() == 0.0


def test_audio_costs_at_least_ten_seconds_and_speech_its_characters() -> None:
    whisper = MODEL_FACTS["whisper-large-v3"].prices
    assert whisper is not None
    assert whisper.cost_usd(audio_s=3_600.0) == pytest.approx(0.111)
    assert whisper.cost_usd(audio_s=0.5) == whisper.cost_usd(audio_s=10.0)
    orpheus = MODEL_FACTS["canopylabs/orpheus-v1-english"].prices
    assert orpheus is not None
    assert orpheus.cost_usd(characters=1_000_000) == pytest.approx(22.0)


def test_without_its_price_nothing_is_said_of_a_cost() -> None:
    assert ModelPrices(prompt=1.0).cost_usd(4, 2) is None
    assert ModelPrices(prompt=1.0).cost_usd(4) == 4.0
    assert ModelPrices(1.0, 1.0).cost_usd(audio_s=5.0) is None


def test_a_usage_has_its_cost() -> None:
    usage: dict[str, Any] = {"prompt_tokens": 1_000, "completion_tokens": 100}
    facts = preset_facts(OSS)
    assert facts.cost_usd(usage) == pytest.approx(7.5e-5 + 3e-5)
    usage["prompt_tokens_details"] = {"cached_tokens": 1_000}
    assert facts.cost_usd(usage) == pytest.approx(3.75e-5 + 3e-5)
    assert facts.cost_usd({}) is None
    assert facts.cost_usd(None) is None
    assert preset_facts("allam-2-7b").cost_usd(usage) is None


# --- records -------------------------------------------------------------------------------------


def test_facts_go_through_json_and_pickle_and_are_hashable() -> None:
    facts = merged(preset_facts("llama-3.1-8b-instant"), told(id="llama-3.1-8b-instant"))
    assert pickle.loads(pickle.dumps(facts)) == facts
    assert len({facts, facts}) == 1
    plain = json.loads(json.dumps(facts.to_dict()))
    assert plain["features"] == sorted(ITEM["supported_features"])
    assert plain["prices"]["cached"] == 3.75e-8
    assert plain["input_modalities"] == ["text"]
    assert plain["source"] == "service"
    gone = preset_facts("mixtral-8x7b-32768").to_dict()
    assert (gone["retired_on"], gone["successor"]) == ("2025-03-20", "openai/gpt-oss-120b")
    with pytest.raises(AttributeError):
        facts.name = "other"  # type: ignore[misc]
