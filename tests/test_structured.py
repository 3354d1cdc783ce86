"""``parse``: what is asked for, what is made of the answer, and what if it does not fit."""

from __future__ import annotations

import copy
import decimal
import enum
import json
import pickle
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import pytest
from helpers_recordings import exchanges
from helpers_scripts import HELLO, MODEL, USAGE, Script, answer, calling, refusal

from customgroqchat import (
    APIConnectionError,
    BadRequestError,
    InvalidRequestException,
    StructuredOutputException,
)
from customgroqchat.structured import ParsedChatCompletion, ParsedMessage, parse
from customgroqchat.types.chat import ChatCompletion

OTHER = "qwen/qwen3.8-27b"


@dataclass
class City:
    name: str
    people: int | None = None
    river: str = "none"


class Town(TypedDict, total=False):
    name: str


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


OSLO = '{"name": "Oslo", "people": 700000}'
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def ask(create: Any, kind: Any = City, **parameters: Any) -> ParsedChatCompletion[Any]:
    asked = {"model": MODEL, "messages": HELLO, **parameters}
    return parse(create, response_format=kind, **asked)


def asked_for(kind: Any, content: str, **parameters: Any) -> Any:
    """Return what a request asks for whose answer has this content."""
    create = Script(answer(content))
    ask(create, kind, **parameters)
    return create.requests[0]["response_format"]


# --- what is asked for ------------------------------------------------------------------------


def test_a_type_is_asked_for_as_a_strict_schema() -> None:
    assert asked_for(City, OSLO) == {
        "type": "json_schema",
        "json_schema": {
            "name": "City",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "people": {"type": ["integer", "null"]},
                    "river": {"type": ["string", "null"]},
                },
                "required": ["name", "people", "river"],
                "additionalProperties": False,
            },
        },
    }


@pytest.mark.parametrize(
    ("parameters", "strict"),
    [
        ({}, True),
        ({"model": "openai/gpt-oss-120b"}, True),
        ({"model": OTHER}, False),
        ({"model": OTHER, "strict": True}, True),
        ({"strict": False}, False),
    ],
)
def test_it_is_strict_where_the_model_is_known_to_have_that(
    parameters: dict[str, Any], strict: bool
) -> None:
    inside = asked_for(City, OSLO, **parameters)["json_schema"]
    assert inside["strict"] is strict
    assert ("additionalProperties" in inside["schema"]) is strict


def test_a_schema_that_cannot_be_strict_is_not() -> None:
    inside = asked_for(dict[str, int], '{"a": 1}')["json_schema"]
    assert inside["strict"] is False
    assert inside["schema"] == {"type": "object", "additionalProperties": {"type": "integer"}}


def test_one_that_cannot_be_and_shall_be_is_refused() -> None:
    create = Script()
    with pytest.raises(InvalidRequestException, match="fields of any name") as caught:
        ask(create, dict[str, int], strict=True)
    assert caught.value.field == "response_format"
    assert create.requests == []


def test_what_is_no_object_is_wrapped_in_one() -> None:
    inside = asked_for(list[City], '{"value": []}')["json_schema"]
    assert inside["name"] == "list"
    assert inside["schema"]["required"] == ["value"]
    assert inside["schema"]["properties"]["value"]["type"] == "array"
    assert inside["schema"]["properties"]["value"]["items"]["additionalProperties"] is False


@pytest.mark.parametrize(
    "given",
    [
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
        {"type": "json_schema", "json_schema": {"name": "x"}},
    ],
)
def test_the_apis_own_mapping_is_sent_as_it_is(given: dict[str, Any]) -> None:
    assert asked_for(given, OSLO) == given
    create = Script()
    with pytest.raises(InvalidRequestException, match="strict"):
        ask(create, given, strict=True)


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        (SCHEMA, "response"),
        ({**SCHEMA, "title": "A town: so to say"}, "A_town_so_to_say"),
        ({**SCHEMA, "title": "x" * 99}, "x" * 64),
        ({"properties": SCHEMA["properties"]}, "response"),
        ({"$ref": "#/$defs/Town", "$defs": {"Town": {**SCHEMA, "title": "Town"}}}, "response"),
    ],
)
def test_a_json_schema_is_asked_for_with_a_name_and_an_object_at_its_top(
    schema: dict[str, Any], name: str
) -> None:
    inside = asked_for(schema, OSLO, strict=False)["json_schema"]
    assert inside["name"] == name
    assert inside["schema"]["type"] == "object"
    assert inside["schema"]["properties"] == SCHEMA["properties"]


@pytest.mark.parametrize("given", [None, "json", {"type": "text"}, bytes, list[bytes], 7])
def test_what_is_no_form_is_refused(given: Any) -> None:
    create = Script()
    with pytest.raises(InvalidRequestException) as caught:
        ask(create, given)
    assert caught.value.field == "response_format"
    assert create.requests == []


def test_a_stream_is_refused() -> None:
    create = Script()
    with pytest.raises(InvalidRequestException, match=r"accumulate\(\)"):
        ask(create, stream=True)
    assert create.requests == []


@pytest.mark.parametrize("stream", [None, False])
def test_no_stream_is_no_fault(stream: bool | None) -> None:
    create = Script(answer(OSLO))
    ask(create, stream=stream)
    assert "stream" not in create.requests[0]


def test_all_else_is_passed_on() -> None:
    create = Script(answer(OSLO))
    ask(create, temperature=0, tag="x", max_wait=None)
    (request,) = create.requests
    del request["response_format"]
    assert request == {
        "model": MODEL,
        "messages": HELLO,
        "temperature": 0,
        "tag": "x",
        "max_wait": None,
    }


# --- what is made of the answer -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "content", "meant"),
    [
        (City, OSLO, City("Oslo", 700000)),
        (City, '{"name": "Oslo", "people": null, "river": null}', City("Oslo")),
        (Town, '{"name": null}', {}),
        (list[City], '{"value": [{"name": "Oslo"}]}', [City("Oslo")]),
        (Literal["a", "b"], '{"value": "b"}', "b"),
        (Mood, '{"value": "bad"}', Mood.BAD),
        (int | None, '{"value": null}', None),
        (SCHEMA, '{"name": "Oslo", "more": 1}', {"name": "Oslo", "more": 1}),
        ({"type": "array", "items": {"type": "integer"}}, '{"value": [1]}', [1]),
        ({"type": "json_object"}, "[1]", [1]),
    ],
)
def test_the_content_is_loaded(kind: Any, content: str, meant: Any) -> None:
    found = ask(Script(answer(content)), kind)
    assert found.parsed == meant
    assert type(found.parsed) is type(meant)
    assert found.choices[0].message.parsed is found.parsed
    assert not found.repaired
    assert found.first_failure is None


class FakeModel:
    """What pydantic's models have."""

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        return SCHEMA

    @classmethod
    def model_validate_json(cls, text: str) -> str:
        return text


def test_a_model_is_loaded_from_the_text_itself_unless_there_are_nulls_in_it() -> None:
    text = '{"name":  "Oslo"}'
    assert ask(Script(answer(text)), FakeModel).parsed == text
    schema = {**SCHEMA, "properties": {**SCHEMA["properties"], "people": {"type": "integer"}}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeModel, "model_json_schema", lambda: schema)
        text = '{"name":  "Oslo", "people": null}'
        assert ask(Script(answer(text)), FakeModel).parsed == '{"name": "Oslo"}'


def test_a_model_of_pydantic_is_loaded_by_itself() -> None:
    pydantic = pytest.importorskip("pydantic", minversion="2")
    model = pydantic.create_model("Bill", total=(decimal.Decimal, ...), tip=(int, 3))
    create = Script(answer('{"total": "1.10", "tip": 4}'))
    assert str(ask(create, model).parsed.total) == "1.10"
    assert create.requests[0]["response_format"]["json_schema"]["strict"] is True
    assert ask(Script(answer('{"total": 1, "tip": null}')), model).parsed.tip == 3
    with pytest.raises(StructuredOutputException) as caught:
        ask(Script(answer('{"total": 1, "tip": "x"}')), model)
    assert caught.value.errors[0].startswith("tip: Input should be a valid integer")


def test_a_model_of_pydantic_that_is_a_list_is_wrapped() -> None:
    pydantic = pytest.importorskip("pydantic", minversion="2")
    numbers = pydantic.RootModel[list[int]]
    assert ask(Script(answer('{"value": [1, 2]}')), numbers).parsed.root == [1, 2]
    adapter = pydantic.TypeAdapter(list[int])
    assert ask(Script(answer('{"value": [1, 2]}')), adapter).parsed == [1, 2]


def test_the_answer_remains_what_it_was() -> None:
    whole = answer(OSLO)
    found = ask(Script(whole))
    assert found == whole
    assert isinstance(found, ChatCompletion)
    assert json.loads(json.dumps(found)) == whole.to_dict()
    assert found.usage is not None
    assert found.usage.total_tokens == USAGE["total_tokens"]
    assert (found.request_id, found.waited_s) == ("req_1", 0.5)


def test_what_is_parsed_is_no_key_so_that_the_message_can_be_sent_back() -> None:
    message = ask(Script(answer(OSLO))).choices[0].message
    assert isinstance(message, ParsedMessage)
    assert message.keys() == {"role", "content"}
    assert message.to_dict() == {"role": "assistant", "content": OSLO}


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda found: pickle.loads(pickle.dumps(found))]
)
def test_copies_and_pickles_keep_it(copied: Any) -> None:
    found = ask(Script(answer("no"), answer(OSLO)), repair=True)
    twin = copied(found)
    assert twin == found
    assert twin.parsed == City("Oslo", 700000)
    assert twin.repaired
    assert twin.request_id == "req_1"


def test_a_plain_dict_will_do_as_an_answer() -> None:
    found = ask(Script(lambda **_: answer(OSLO).to_dict()))
    assert found.parsed == City("Oslo", 700000)
    assert found.usage is not None
    assert found.usage.prompt_tokens == 70


def test_a_message_that_was_not_parsed_has_nothing() -> None:
    assert ParsedMessage({"role": "assistant", "content": OSLO}).parsed is None


# --- what if it does not fit ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "message", "errors"),
    [
        (answer("Oslo."), "The answer does not fit: it is no JSON.", ("it is no JSON",)),
        (
            answer('{"name": 1}'),
            "The answer does not fit: name: expected a string, got 1.",
            ("name: expected a string, got 1",),
        ),
        (answer('{"name": "Os', "length"), "The answer was cut off at its cap", ("it is no JSON",)),
        (answer("", refusal="I must not."), "The model refused: 'I must not.'", ("it is no JSON",)),
        (calling(("find", {})), "The model called a tool", ("it is no JSON",)),
        (answer(None), "The answer is empty.", ("it is no JSON",)),
    ],
)
def test_what_does_not_fit_is_said(
    reply: ChatCompletion, message: str, errors: tuple[str, ...]
) -> None:
    with pytest.raises(StructuredOutputException) as caught:
        ask(Script(reply))
    error = caught.value
    assert error.message.startswith(message)
    assert error.errors == errors
    assert error.text == (reply.choices[0].message.content or "")
    assert error.completion is reply
    assert (error.model, error.repairs) == (MODEL, 0)
    assert error.hint


def test_an_answer_without_choices_is_empty() -> None:
    with pytest.raises(StructuredOutputException, match="empty"):
        ask(Script(ChatCompletion({"choices": []})))


def test_an_answer_that_is_whole_fits_although_it_reached_its_cap() -> None:
    assert ask(Script(answer(OSLO, "length"))).parsed == City("Oslo", 700000)


def test_what_is_wrapped_has_to_be() -> None:
    with pytest.raises(StructuredOutputException, match="value: it is required, and missing"):
        ask(Script(answer("[1]")), list[int])


def test_of_many_faults_the_message_has_a_few_and_errors_all() -> None:
    rows = json.dumps({"value": ["x"] * 9})
    with pytest.raises(StructuredOutputException) as caught:
        ask(Script(answer(rows)), list[int])
    assert caught.value.message.count("expected an integer") == 3
    assert caught.value.message.endswith("and 6 more.")
    assert len(caught.value.errors) == 9


def test_the_error_can_be_caught_as_a_value_error_and_pickled() -> None:
    with pytest.raises(ValueError, match="no JSON") as caught:
        ask(Script(answer("Oslo.")))
    twin = pickle.loads(pickle.dumps(caught.value))
    assert twin.to_dict() == caught.value.to_dict()
    assert twin.to_dict()["completion"]["usage"] == USAGE


# --- the second attempt -----------------------------------------------------------------------


def test_an_answer_that_does_not_fit_is_sent_back_with_what_is_wrong() -> None:
    create = Script(answer('{"name": 1}'), answer(OSLO))
    found = ask(create, repair=True, temperature=0)
    assert found.parsed == City("Oslo", 700000)
    assert found.repaired
    assert isinstance(found.first_failure, StructuredOutputException)
    assert found.first_failure.errors == ("name: expected a string, got 1",)
    first, second = create.requests
    assert {**second, "messages": HELLO} == first
    *before, said, complaint = second["messages"]
    assert before == HELLO
    assert said == {"role": "assistant", "content": '{"name": 1}'}
    assert complaint["role"] == "user"
    assert "- name: expected a string, got 1\n" in complaint["content"]


def test_so_is_what_the_service_found_not_to_fit() -> None:
    failure = refusal("json_validate_failed", failed_generation="{name: Oslo}")
    create = Script(failure, answer(OSLO))
    found = ask(create, repair=True)
    assert found.first_failure is failure
    _, said, complaint = create.messages
    assert said == {"role": "assistant", "content": "{name: Oslo}"}
    assert "- It said json_validate_failed." in complaint["content"]


@pytest.mark.parametrize(
    "failure",
    [
        answer(None),
        refusal("json_validate_failed", failed_generation=""),
        refusal("json_validate_failed"),
        BadRequestError("?", code="json_validate_failed", body="a page"),
        BadRequestError("?", code="json_validate_failed", body={"error": "a word"}),
    ],
)
def test_where_nothing_was_said_the_same_is_asked_again(failure: Any) -> None:
    create = Script(failure, answer(OSLO))
    assert ask(create, repair=True).repaired
    assert create.requests[0] == create.requests[1]


def test_unless_asked_nothing_is_repaired() -> None:
    for failure in (answer("no"), refusal("json_validate_failed", failed_generation="no")):
        create = Script(failure, answer(OSLO))
        with pytest.raises((StructuredOutputException, BadRequestError)):
            ask(create)
        assert len(create.requests) == 1


@pytest.mark.parametrize(
    "failure",
    [
        answer('{"name": "Os', "length"),
        answer(None, refusal="I must not."),
        refusal("model_decommissioned"),
        APIConnectionError("No way."),
    ],
)
def test_some_failures_no_repair_can_help(failure: Any) -> None:
    create = Script(failure, answer(OSLO))
    with pytest.raises((StructuredOutputException, BadRequestError, APIConnectionError)):
        ask(create, repair=True)
    assert len(create.requests) == 1


def test_a_repair_that_fails_tells_both() -> None:
    create = Script(answer("first"), answer("second"))
    with pytest.raises(StructuredOutputException) as caught:
        ask(create, repair=True)
    assert (caught.value.text, caught.value.repairs) == ("second", 1)
    assert isinstance(caught.value.__cause__, StructuredOutputException)
    assert (caught.value.__cause__.text, caught.value.__cause__.repairs) == ("first", 0)
    assert len(create.requests) == 2


def test_a_repair_that_cannot_be_sent_fails_with_that() -> None:
    with pytest.raises(APIConnectionError) as caught:
        ask(Script(answer("first"), APIConnectionError("No way.")), repair=True)
    assert isinstance(caught.value.__context__, StructuredOutputException)


# --- recorded -----------------------------------------------------------------------------------


def recorded_forms() -> list[Any]:
    rows = exchanges(failed=False)
    bodies = [row for row in rows if isinstance(row["request"].get("body"), dict)]
    forms = [(row, row["request"]["body"].get("response_format")) for row in bodies]
    chats = [(row, form) for row, form in forms if isinstance(form, dict)]
    return [row for row, form in chats if form.get("type") in ("json_object", "json_schema")]


@pytest.mark.parametrize("row", recorded_forms(), ids=lambda row: row["id"])
def test_recorded_answers_fit_what_was_asked_for(row: dict[str, Any]) -> None:
    body = dict(row["request"]["body"])
    body.pop("stream", None)
    recorded = ChatCompletion.wrap(json.loads(row["response"]["body"]))
    create = Script(recorded)
    found = parse(create, **body)
    assert found.parsed == json.loads(recorded.choices[0].message.content or "")
    assert create.requests == [body]


def recorded_strict_forms() -> list[Any]:
    forms = [(row, row["request"]["body"]["response_format"]) for row in recorded_forms()]
    return [row for row, form in forms if form.get("json_schema", {}).get("strict")]


@pytest.mark.parametrize("row", recorded_strict_forms(), ids=lambda row: row["id"])
def test_a_recorded_schema_is_asked_for_in_the_same_words(row: dict[str, Any]) -> None:
    body = dict(row["request"]["body"])
    form = body.pop("response_format")
    body.pop("stream", None)
    create = Script(ChatCompletion.wrap(json.loads(row["response"]["body"])))
    schema = {"title": form["json_schema"]["name"], **form["json_schema"]["schema"]}
    parse(create, response_format=schema, **body)
    (request,) = create.requests
    sent, was = request["response_format"]["json_schema"], form["json_schema"]
    for name in ("name", "strict"):
        assert sent[name] == was[name]
    for schemas in (sent["schema"], was["schema"]):
        schemas["required"] = sorted(schemas["required"])
    assert sent["schema"] == was["schema"]
