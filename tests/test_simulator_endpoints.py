"""Models, embeddings, unknown paths and the records of requests, asked with ``requests``."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
import requests
from helpers_simulator import HELLO, MODEL, ask, ask_chat, error_of
from test_simulator_http import Simulate, Time

from customgroqchat.testing import SimulatedGroq, SimulatedModel

NOMIC = "nomic-embed-text-v1_5"

# ------------------------------------------------------------------------------ models


def test_items_are_full(groq_simulator: SimulatedGroq) -> None:
    items = {item["id"]: item for item in ask(groq_simulator, "GET", "/models").json()["data"]}
    assert items[MODEL] == {
        "id": MODEL,
        "object": "model",
        "created": 1_754_407_957,
        "owned_by": "OpenAI",
        "active": True,
        "context_window": 131_072,
        "public_apps": None,
        "max_completion_tokens": 65_536,
        "name": "GPT OSS 20B",
        "context_length": 131_072,
        "max_output_length": 65_536,
        "input_modalities": ["text"],
        "output_modalities": ["text"],
        "supported_features": ["tools", "json_mode", "structured_outputs", "reasoning"],
        "pricing": {
            "prompt": "0.000000075",
            "completion": "0.0000003",
            "input_cache_read": "0.0000000375",
            "image": "0",
            "request": "0",
        },
    }
    whisper = items["whisper-large-v3"]
    assert whisper["input_modalities"] == ["audio"]
    assert "pricing" not in whisper
    assert "supported_features" not in whisper


@pytest.mark.parametrize("path", [MODEL, MODEL.replace("/", "%2F")])
def test_a_model_can_be_deleted_until_the_reset(groq_simulator: SimulatedGroq, path: str) -> None:
    deleted = ask(groq_simulator, "DELETE", f"/models/{path}").json()
    assert deleted == {"id": MODEL, "object": "model", "deleted": True}
    for answer in (
        ask(groq_simulator, "GET", f"/models/{path}"),
        ask(groq_simulator, "DELETE", f"/models/{path}"),
        ask_chat(groq_simulator),
    ):
        assert error_of(answer, 404)["code"] == "model_not_found"
    groq_simulator.reset()
    assert ask_chat(groq_simulator).ok


@pytest.mark.parametrize(
    "model",
    ["meta-llama/llama-4-scout-17b-16e-instruct", "llama-3.3-70b-versatile", "llama3-8b-8192",
     "compound-beta", "qwen/qwen3.6-27b"],
)  # fmt: skip
def test_models_of_old_examples_serve_unlisted(groq_simulator: SimulatedGroq, model: str) -> None:
    assert ask_chat(groq_simulator, model=model).json()["model"] == model
    assert ask(groq_simulator, "GET", f"/models/{model}").json()["id"] == model
    listed = ask(groq_simulator, "GET", "/models").json()["data"]
    assert model not in [item["id"] for item in listed]


def test_retired_models_answer_as_the_service_does(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(
        retired=["llama3-8b-8192", "llama-3.3-70b-versatile", "never/heard-of-it"]
    )
    assert error_of(ask_chat(simulator, model="llama3-8b-8192"), 400) == {
        "message": (
            "The model `llama3-8b-8192` has been decommissioned and is no longer supported. "
            "Please refer to https://console.groq.com/docs/deprecations for a recommendation on "
            "which model to use instead."
        ),
        "type": "invalid_request_error",
        "code": "model_decommissioned",
    }
    gone = error_of(ask_chat(simulator, model="llama-3.3-70b-versatile"), 404)
    assert gone["code"] == "model_not_found"
    assert error_of(ask_chat(simulator, model="never/heard-of-it"), 400)
    assert ask_chat(simulator).ok


def test_a_model_may_retire_on_the_way(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(retired={"allam-2-7b": "gone"})
    assert error_of(ask_chat(simulator, model="allam-2-7b"), 404)
    assert ask_chat(simulator).ok
    simulator.retire(MODEL, "gone")
    simulator.retire("invented")
    assert error_of(ask_chat(simulator), 404)["code"] == "model_not_found"
    assert MODEL not in [m["id"] for m in ask(simulator, "GET", "/models").json()["data"]]
    simulator.reset()
    assert ask_chat(simulator).ok
    for model in ("allam-2-7b", "invented"):
        assert error_of(ask_chat(simulator, model=model), 404)


def test_tools_are_refused_by_models_without_them(groq_simulator: SimulatedGroq) -> None:
    tools = [{"type": "function", "function": {"name": "weather"}}]
    error = error_of(ask_chat(groq_simulator, model="allam-2-7b", tools=tools), 400)
    assert error == {
        "message": "`tool calling` is not supported with this model",
        "type": "invalid_request_error",
    }


# -------------------------------------------------------------------------- embeddings


def embed(simulator: SimulatedGroq, texts: Any, **more: Any) -> requests.Response:
    return ask(simulator, "POST", "/embeddings", json={"model": NOMIC, "input": texts, **more})


def test_embeddings_of_one_text_and_of_several(groq_simulator: SimulatedGroq) -> None:
    one = embed(groq_simulator, "The quick fox").json()
    assert (one["object"], one["model"]) == ("list", NOMIC)
    assert one["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    (item,) = one["data"]
    assert (item["object"], item["index"], len(item["embedding"])) == ("embedding", 0, 768)
    assert sum(x * x for x in item["embedding"]) == pytest.approx(1)
    several = embed(groq_simulator, ["Something else", "The quick fox"]).json()["data"]
    assert [item["index"] for item in several] == [0, 1]
    assert several[1]["embedding"] == item["embedding"] != several[0]["embedding"]


def test_base64_holds_the_same_floats(groq_simulator: SimulatedGroq) -> None:
    floats = embed(groq_simulator, "Hello").json()["data"][0]["embedding"]
    packed = embed(groq_simulator, "Hello", encoding_format="base64").json()["data"][0]["embedding"]
    assert struct.unpack("<768f", base64.b64decode(packed)) == pytest.approx(floats)


def test_texts_that_share_words_are_near(groq_simulator: SimulatedGroq) -> None:
    texts = ["a cat sat on the mat", "the cat sat on a chair", "tax returns are due"]
    base, near, far = (item["embedding"] for item in embed(groq_simulator, texts).json()["data"])

    def likeness(other: list[float]) -> float:
        return sum(x * y for x, y in zip(base, other, strict=True))

    assert likeness(near) > 0.6 > 0.2 > likeness(far)


def test_embeddings_take_tokens_from_the_bucket(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(limits={"TPM": 10, "RPD": 5}, clock=Time())
    headers = embed(simulator, "one two three").headers
    assert headers["x-ratelimit-remaining-tokens"] == "7"
    assert simulator.levels(NOMIC) == {"TPM": 7, "RPD": 4}
    refused = error_of(embed(simulator, "1 2 3 4 5 6 7 8"), 429)
    assert "(TPM): Limit 10, Used 3, Requested 8" in refused["message"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"input": []}, "'input' : value must be"),
        ({"input": None}, "'input' : value must be"),
        ({"input": ["a", 5]}, "'input' : value must be"),
        ({"input": "word " * 8200}, "reduce the length of the input"),
        ({"encoding_format": "hex"}, "'encoding_format' : value is not"),
        ({"model": MODEL}, "does not support embeddings"),
        ({"model": None}, "property 'model' is missing"),
    ],
)
def test_unacceptable_embeddings(
    groq_simulator: SimulatedGroq, change: dict[str, Any], text: str
) -> None:
    asked = {"model": NOMIC, "input": "x", **change}
    error = error_of(ask(groq_simulator, "POST", "/embeddings", json=asked), 400)
    assert text in error["message"]


def test_embeddings_of_a_live_service(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.retire(NOMIC, "gone")
    assert error_of(embed(groq_simulator, "x"), 404)["code"] == "model_not_found"


# ------------------------------------------------------------------- all the endpoints

PATHS = [
    ("GET", "/models"),
    ("DELETE", "/models/x"),
    ("POST", "/embeddings"),
    ("POST", "/responses"),
    ("POST", "/audio/speech"),
    ("POST", "/audio/transcriptions"),
    ("POST", "/files"),
    ("GET", "/files/file_1/content"),
    ("GET", "/batches"),
    ("POST", "/batches/batch_1/cancel"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_all_want_a_key(groq_simulator_factory: Simulate, method: str, path: str) -> None:
    simulator = groq_simulator_factory(rejected_keys={"bad"})
    refused = ask(simulator, method, path, key="bad")
    assert error_of(refused, 401)["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/chat/completions"),
        ("GET", "/audio/speech"),
        ("PATCH", "/files/file_1"),
        ("DELETE", "/batches/batch_1"),
        ("POST", "/moderations"),
        ("GET", "/files/"),
    ],
)
def test_wrong_methods_and_paths(groq_simulator: SimulatedGroq, method: str, path: str) -> None:
    error = error_of(ask(groq_simulator, method, path), 404)
    assert error["code"] == "unknown_url"
    assert error["message"].startswith(f"Unknown request URL: {method} /openai/v1{path}. Please")


def test_records_have_queries_forms_and_files(groq_simulator: SimulatedGroq) -> None:
    ask(groq_simulator, "GET", "/batches", params={"id": ["a", "b"], "empty": ""})
    assert groq_simulator.requests[-1].query == {"id": ["a", "b"], "empty": [""]}
    ask(
        groq_simulator,
        "POST",
        "/audio/transcriptions",
        data={"model": "whisper-large-v3", "timestamp_granularities[]": ["word"]},
        files={"file": ("größe.wav", b"\r\n--x\r\n\0\xff", "audio/wav")},
    )
    record = groq_simulator.requests[-1]
    assert record.payload == {"model": "whisper-large-v3", "timestamp_granularities[]": ["word"]}
    assert record.model == "whisper-large-v3"
    upload = record.files["file"]
    assert (upload.filename, upload.content_type) == ("größe.wav", "audio/wav")
    assert upload.content == b"\r\n--x\r\n\0\xff"


def test_the_hook_sees_fields_of_forms(groq_simulator_factory: Simulate) -> None:
    seen = []
    simulator = groq_simulator_factory(on_request=lambda payload, _: seen.append(payload))
    ask(simulator, "POST", "/files", data={"purpose": "batch"}, files={"file": ("a.jsonl", b"")})
    assert seen == [{"purpose": "batch"}]


def test_a_model_of_your_own_speaks(groq_simulator_factory: Simulate) -> None:
    mine = SimulatedModel(output_modalities=("speech",), chat=False)
    simulator = groq_simulator_factory(models={"mine": mine})
    asked = {"model": "mine", "input": "Hi", "voice": "anybody"}
    assert ask(simulator, "POST", "/audio/speech", json=asked).ok
    chat = {"model": "mine", "messages": HELLO}
    assert error_of(ask(simulator, "POST", "/chat/completions", json=chat), 400)
