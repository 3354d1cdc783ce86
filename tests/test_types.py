"""The package of types: the official SDK's names and layout, and what the service really sent."""

from __future__ import annotations

import ast
import copy
import importlib
import json
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints, is_typeddict

import pytest
from helpers_recordings import exchanges, recorded

from customgroqchat import types
from customgroqchat._objects import APIAnswer, APIObject
from customgroqchat.types import audio, chat, responses, shared, shared_params
from customgroqchat.types.chat import chat_completion, chat_completion_chunk

PACKAGES = [types, chat, audio, responses, shared, shared_params]
MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(types.__path__, f"{types.__name__}.")
]
CLASSES = [
    thing
    for module in MODULES
    for thing in vars(module).values()
    if isinstance(thing, type) and thing.__module__ == module.__name__
]

#: What ``groq.types`` of the official SDK exports, and its packages.
OFFICIAL = {
    types: "BatchCancelResponse BatchCreateParams BatchCreateResponse BatchListResponse "
    "BatchRetrieveResponse CompletionUsage CreateEmbeddingResponse Embedding "
    "EmbeddingCreateParams ErrorObject FileCreateParams FileCreateResponse FileDeleteResponse "
    "FileInfoResponse FileListResponse FunctionDefinition FunctionParameters Model ModelDeleted "
    "ModelListResponse",
    chat: "ChatCompletion ChatCompletionAssistantMessageParam ChatCompletionChunk "
    "ChatCompletionContentPartImageParam ChatCompletionContentPartParam "
    "ChatCompletionContentPartTextParam ChatCompletionFunctionCallOptionParam "
    "ChatCompletionFunctionMessageParam ChatCompletionMessage ChatCompletionMessageParam "
    "ChatCompletionMessageToolCall ChatCompletionMessageToolCallParam "
    "ChatCompletionNamedToolChoiceParam ChatCompletionRole ChatCompletionSystemMessageParam "
    "ChatCompletionTokenLogprob ChatCompletionToolChoiceOptionParam "
    "ChatCompletionToolMessageParam ChatCompletionToolParam ChatCompletionUserMessageParam "
    "CompletionCreateParams",
    audio: "SpeechCreateParams Transcription TranscriptionCreateParams Translation "
    "TranslationCreateParams",
    shared: "ErrorObject FunctionDefinition FunctionParameters",
    shared_params: "FunctionDefinition FunctionParameters",
}


@pytest.mark.parametrize("package", OFFICIAL, ids=lambda package: package.__name__)
def test_the_official_names_are_there(package: Any) -> None:
    names = OFFICIAL[package].split()
    assert set(names) <= set(package.__all__)
    assert all(getattr(package, name) for name in names)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_type_checkers_see_what_is_loaded_when_it_is_asked_for(package: Any) -> None:
    tree = ast.parse(Path(package.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.asname: node.module for node in imports for alias in node.names}
    exported = {name for name, module in seen.items() if module is not None}
    assert exported == set(package.__all__)
    for name, module in seen.items():
        home = importlib.import_module(f".{module or name}", package.__name__)
        assert getattr(package, str(name)) is (getattr(home, str(name)) if module else home)


def test_a_star_gives_all_of_it() -> None:
    names: dict[str, Any] = {}
    exec("from customgroqchat.types.chat import *", names)
    assert set(chat.__all__) <= set(names)
    assert set(types.__all__) | {"chat", "audio", "batch"} <= set(dir(types))


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(AttributeError, match="types' has no attribute 'Nonsense'"):
        types.Nonsense  # noqa: B018
    with pytest.raises(ImportError, match="Nonsense"):
        exec("from customgroqchat.types.chat import Nonsense")


def test_importing_the_package_loads_no_parameters() -> None:
    script = "import customgroqchat, sys; print([m for m in sys.modules if m.endswith('_params')])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_every_class_is_described_and_its_annotations_have_a_meaning(cls: type) -> None:
    assert get_type_hints(cls)
    assert cls.__doc__ or cls.__name__.startswith("_")
    assert is_typeddict(cls) is ("_param" in cls.__module__)


FIELDS_THAT_METHODS_HIDE = {
    (cls.__name__, name)
    for cls in CLASSES
    if issubclass(cls, APIObject)
    for name in get_type_hints(cls)
    if hasattr(cls, name)
}


def test_no_known_field_is_named_like_a_method() -> None:
    assert set() == FIELDS_THAT_METHODS_HIDE


@pytest.mark.parametrize(
    "name",
    [
        *(f"types.{name}" for name in OFFICIAL[types].split() if name.endswith("Response")),
        *("types.Model", "types.ModelDeleted", "types.TextCompletion", "responses.Response"),
        *("chat.ChatCompletion", "audio.Transcription", "audio.Translation"),
    ],
)
def test_whole_answers_know_how_they_came_about(name: str) -> None:
    package, _, cls = name.partition(".")
    assert issubclass(getattr(globals()[package], cls), APIAnswer)


def test_the_names_for_one_thing_are_one_class() -> None:
    batch = types.Batch.wrap({"id": "batch_1"})
    assert isinstance(batch, types.BatchCreateResponse)
    assert isinstance(batch, types.BatchRetrieveResponse)
    assert isinstance(batch, types.BatchCancelResponse)
    assert types.FileCreateResponse is types.FileInfoResponse is types.FileObject
    assert types.ModelList is types.ModelListResponse
    assert not issubclass(audio.Translation, audio.Transcription)


def test_the_choices_of_answers_and_of_streams_are_two_classes() -> None:
    whole = chat.ChatCompletion.wrap({"choices": [{"message": {}}], "x_groq": {"usage": {}}})
    piece = chat.ChatCompletionChunk.wrap({"choices": [{"delta": {}}], "x_groq": {"usage": {}}})
    assert type(whole.choices[0]) is chat_completion.Choice
    assert type(piece.choices[0]) is chat_completion_chunk.Choice
    assert whole.x_groq is not None
    assert type(whole.x_groq.usage) is chat_completion.XGroqUsage
    assert piece.x_groq is not None
    assert type(piece.x_groq.usage) is types.CompletionUsage


# --- what is of several kinds -----------------------------------------------------------------

RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"text": "Hm."}]},
        {
            "type": "message",
            "content": [
                {"type": "output_text", "text": "Grüezi", "annotations": []},
                {"type": "refusal", "refusal": "no"},
                {"type": "output_text", "text": " mitenand"},
            ],
        },
        {"type": "function_call", "name": "f", "arguments": "{}"},
        {"type": "mcp_list_tools", "tools": [{"name": "t", "input_schema": {"type": "object"}}]},
        {"type": "of_tomorrow", "content": 1},
        {"type": ["odd"]},
        {},
        {"type": "message", "content": [{"type": "output_text", "text": "!"}]},
    ],
    "usage": {"input_tokens": 1, "input_tokens_details": {"cached_tokens": 1}},
}


def test_the_items_of_a_response_have_the_classes_of_their_types() -> None:
    response = responses.Response.wrap(RESPONSE)
    assert response == RESPONSE
    assert [type(item).__name__ for item in response.output] == [
        "ResponseReasoningItem",
        "ResponseOutputMessage",
        "ResponseFunctionToolCall",
        "McpListTools",
        "APIObject",
        "APIObject",
        "APIObject",
        "ResponseOutputMessage",
    ]
    parts = response["output"][1].content
    assert [type(part) for part in parts[:2]] == [
        responses.ResponseOutputText,
        responses.ResponseOutputRefusal,
    ]
    assert copy.deepcopy(response) == pickle.loads(pickle.dumps(response)) == response


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (RESPONSE, "Grüezi mitenand!"),
        ({}, ""),
        ({"output": None}, ""),
        ({"output": [{"type": "message"}, {"type": "message", "content": None}]}, ""),
        ({"output": [{"type": "message", "content": [{"type": "output_text"}, {}, "x"]}, 1]}, ""),
    ],
)
def test_the_text_of_a_response_is_that_of_its_messages(data: dict[str, Any], text: str) -> None:
    assert responses.Response.wrap(data).output_text == text


def test_events_of_a_response_have_its_parts() -> None:
    event = responses.ResponseStreamEvent.wrap(
        {"type": "response.completed", "response": RESPONSE, "item": RESPONSE["output"][1]}
    )
    assert event.response is not None
    assert event.response.output_text == "Grüezi mitenand!"
    assert type(event.item) is responses.ResponseOutputMessage
    assert event.delta is None


# --- what the service really sent -------------------------------------------------------------

BY_PATH = {
    "/chat/completions": chat.ChatCompletion,
    "/models": types.ModelListResponse,
    "/batches": types.Batch,
    "/audio/transcriptions": audio.Transcription,
}
ANSWERS = [row for row in exchanges(failed=False) if row["response"]["body"].lstrip()[:1] == "{"]
STREAMED = [row for row in recorded("exchanges.jsonl") if row["response"]["is_stream"]]


def class_for(row: dict[str, Any]) -> type[APIObject]:
    return next(cls for path, cls in BY_PATH.items() if path in row["request"]["path"])


def is_faithful(made: APIObject, data: dict[str, Any]) -> bool:
    dumps = (made.model_dump(), json.loads(made.to_json()), json.loads(json.dumps(made)))
    twins = (copy.deepcopy(made), pickle.loads(pickle.dumps(made)), type(made)(data))
    same = all(twin == data and type(twin) is type(made) for twin in twins)
    return same and made == data and all(dump == data for dump in dumps)


@pytest.mark.parametrize("start", range(0, len(ANSWERS), 20))
def test_recorded_answers_equal_their_json(start: int) -> None:
    for row in ANSWERS[start : start + 20]:
        data = json.loads(row["response"]["body"])
        made = class_for(row).wrap(data)
        assert is_faithful(made, data), row["id"]
        assert {name: getattr(made, name) for name in data} == data, row["id"]


@pytest.mark.parametrize("row", STREAMED, ids=lambda row: row["id"])
def test_recorded_events_equal_their_json(row: dict[str, Any]) -> None:
    lines = row["response"]["body"].splitlines()
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert events
    assert all(is_faithful(chat.ChatCompletionChunk.wrap(event), event) for event in events)


def unknown_in(made: Any, at: str = "") -> set[str]:
    """Return the paths of the fields that were sent and are in no class."""
    if isinstance(made, list):
        return set().union(*(unknown_in(item, at) for item in made))
    if not isinstance(made, APIObject) or type(made) is APIObject:
        return set()
    inside = (unknown_in(value, f"{at}.{name}") for name, value in made.items())
    return {f"{at}.{name}" for name in made.model_extra}.union(*inside)


@pytest.mark.skipif(not ANSWERS, reason="no recordings")
def test_all_that_was_ever_sent_is_known() -> None:
    made = [class_for(row).wrap(json.loads(row["response"]["body"])) for row in ANSWERS]
    unknown = set().union(*(unknown_in(answer, type(answer).__name__) for answer in made))
    assert unknown == set()
