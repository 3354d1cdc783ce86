"""``run_tools``: what functions look like to a model, and how its calls are carried out."""

from __future__ import annotations

import contextvars
import dataclasses
import datetime
import decimal
import enum
import functools
import json
import pathlib
import threading
import uuid
from collections import UserDict
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from helpers_scripts import HELLO, MODEL, USAGE, Script, answer, calling, refusal

from customgroqchat import (
    BadRequestError,
    InvalidRequestException,
    ToolCallException,
    ToolLoopException,
)
from customgroqchat._tool_results import result_text
from customgroqchat.tools import ToolCallRecord, ToolRun, function_schema, run_tools
from customgroqchat.types.chat import ChatCompletion


class Unit(enum.Enum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


@dataclasses.dataclass
class Place:
    name: str
    country: str = "NO"


def weather(city: str, days: int = 1, unit: Unit = Unit.CELSIUS) -> dict[str, Any]:
    """Tell the weather.

    Args:
        city: The city's name.
        days: How many days from now.
    """
    return {"city": city, "days": days, "unit": unit}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def run(create: Any, *tools: Any, **options: Any) -> ToolRun:
    return run_tools(create, model=MODEL, messages=HELLO, tools=tools or [add], **options)


def told(result: ToolRun) -> list[str]:
    """Return what the model was told by its tools."""
    return [message["content"] for message in result.messages if message["role"] == "tool"]


# --- what a function looks like ---------------------------------------------------------------


def test_a_function_as_the_api_knows_tools() -> None:
    assert function_schema(weather) == {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tell the weather.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "The city's name."},
                    "days": {
                        "type": "integer",
                        "description": "How many days from now.",
                        "default": 1,
                    },
                    "unit": {"type": "string", "enum": ["celsius", "kelvin"]},
                },
                "required": ["city"],
            },
        },
    }


def test_a_function_that_says_little() -> None:
    def nothing():  # type: ignore[no-untyped-def]
        pass

    def guess(a, b=1, c="x", *, d=None, **others):  # type: ignore[no-untyped-def]
        pass

    assert function_schema(nothing)["function"] == {
        "name": "nothing",
        "parameters": {"type": "object", "properties": {}},
    }
    assert function_schema(guess)["function"]["parameters"] == {
        "type": "object",
        "properties": {
            "a": {},
            "b": {"type": "integer", "default": 1},
            "c": {"type": "string", "default": "x"},
            "d": {"default": None},
        },
        "required": ["a"],
    }


def test_annotations_may_describe() -> None:
    def pick(which: Annotated[Literal["a", "b"], "The letter."], place: Place) -> None:
        """Pick one."""

    properties = function_schema(pick)["function"]["parameters"]["properties"]
    assert properties["which"] == {
        "type": "string",
        "enum": ["a", "b"],
        "description": "The letter.",
    }
    assert properties["place"]["required"] == ["name"]


class Station:
    def __init__(self, name: str) -> None:
        self.name = name

    def temperature(self, day: int) -> str:
        """Tell the temperature of a day."""
        return f"{self.name}: {day}"

    def __call__(self, hour: int) -> int:
        """Tell the temperature of an hour."""
        return hour

    @classmethod
    def nearest(cls, to: str) -> str:
        return to

    @staticmethod
    def count() -> int:
        return 7


def wrapped(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    ("function", "name", "properties"),
    [
        (Station("Oslo").temperature, "temperature", {"day": {"type": "integer"}}),
        (Station("Oslo"), "Station", {"hour": {"type": "integer"}}),
        (Station, "Station", {"name": {"type": "string"}}),
        (Station.nearest, "nearest", {"to": {"type": "string"}}),
        (Station.count, "count", {}),
        (wrapped(add), "add", {"a": {"type": "integer"}, "b": {"type": "integer"}}),
        (functools.partial(add, 1), "add", {"b": {"type": "integer"}}),
        (functools.partial(functools.partial(add, b=1)), "add", {"a": {"type": "integer"}}),
        (divmod, "divmod", {"x": {}, "y": {}}),
    ],
)
def test_what_can_be_called_can_be_a_tool(
    function: Any, name: str, properties: dict[str, Any]
) -> None:
    schema = function_schema(function)["function"]
    assert (schema["name"], schema["parameters"]["properties"]) == (name, properties)


async def later() -> None: ...


def stranger(what: bytes) -> None: ...


def lost(what: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda: 1, "'<lambda>' is no name for a tool"),
        (later, "It is asynchronous"),
        (stranger, "The parameter 'what': bytes has no shape in JSON"),
        (lost, "name 'Nowhere' is not defined"),
        (dict, "[Nn]o signature found"),
    ],
)
def test_what_cannot_be_told_to_a_model_is_refused(function: Any, why: str) -> None:
    with pytest.raises(InvalidRequestException, match=why) as caught:
        function_schema(function)
    assert caught.value.field == "tools"


# --- a conversation -----------------------------------------------------------------------------


def test_calls_are_carried_out_until_the_model_answers() -> None:
    create = Script(
        calling(("weather", {"city": "Oslo"}), reasoning="It asks for Oslo."),
        calling(("add", {"a": 1, "b": 2})),
        answer("It is 3."),
    )
    result = run(create, weather, add, temperature=0)
    assert result.text == "It is 3."
    assert result.rounds == 3
    assert result.usage == {name: 3 * tokens for name, tokens in USAGE.items()}
    assert [request["temperature"] for request in create.requests] == [0, 0, 0]
    schemas = [function_schema(weather), function_schema(add)]
    assert all(request["tools"] == schemas for request in create.requests)
    first, second, third = (request["messages"] for request in create.requests)
    assert first == HELLO
    assert second == [
        *HELLO,
        {
            "role": "assistant",
            "reasoning": "It asks for Oslo.",
            "tool_calls": [
                {
                    "id": "fc_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
                }
            ],
        },
        {
            "role": "tool",
            "tool_call_id": "fc_1",
            "content": '{"city": "Oslo", "days": 1, "unit": "celsius"}',
        },
    ]
    assert third[-1] == {"role": "tool", "tool_call_id": "fc_1", "content": "3"}
    assert result.messages == [*third, {"role": "assistant", "content": "It is 3."}]


def test_each_call_leaves_a_record() -> None:
    seen: list[ToolCallRecord] = []
    create = Script(calling(("add", {"a": 1, "b": 2}), ("none", {})), answer("Done."))
    result = run(create, on_call=seen.append)
    first, second = result.calls
    assert seen == [first, second]
    assert (first.id, first.name, first.round) == ("fc_1", "add", 1)
    assert (first.arguments, first.result, first.content) == ('{"a": 1, "b": 2}', 3, "3")
    assert first.error is None
    assert isinstance(second.error, LookupError)


def test_without_calls_there_is_but_one_answer() -> None:
    create = Script(answer("Hello."))
    result = run(create)
    assert (result.text, result.rounds, result.calls) == ("Hello.", 1, ())
    assert result.completion is result.completions[0]
    assert result.messages == [*HELLO, {"role": "assistant", "content": "Hello."}]


def test_the_callers_conversation_is_left_alone() -> None:
    messages = [*HELLO]
    create = Script(calling(("add", {"a": 1, "b": 2})), answer("Done."))
    run_tools(create, model=MODEL, messages=messages, tools=[add])
    assert messages == HELLO


def test_fields_that_the_service_refuses_are_not_sent_back() -> None:
    message = {"executed_tools": [], "annotations": [], "function_call": None, "channel": "x"}
    create = Script(calling(("add", {"a": 1, "b": 2}), **message), answer("Done."))
    run(create)
    assert create.messages[-2].keys() == {"role", "tool_calls"}


def test_what_was_said_beside_a_call_is_sent_back() -> None:
    call = calling(("add", {"a": 1, "b": 2}))
    call.choices[0].message["content"] = "Let me see."
    create = Script(call, answer("Done."))
    run(create)
    assert create.messages[-2]["content"] == "Let me see."


def test_the_reasoning_behind_the_last_answer_is_not_sent_back() -> None:
    result = run(Script(answer("Done.", reasoning="Long thoughts.")))
    assert result.messages[-1] == {"role": "assistant", "content": "Done."}


def test_plain_dicts_will_do_as_answers() -> None:
    create = Script(lambda **_: calling(("add", {"a": 1, "b": 2})).to_dict(), answer("Done."))
    result = run(create)
    assert told(result) == ["3"]
    assert all(isinstance(each, ChatCompletion) for each in result.completions)


def test_an_answer_without_choices_is_the_last() -> None:
    assert run(Script(ChatCompletion({"choices": []}))).text == ""


def test_a_call_that_lacks_this_and_that_is_answered() -> None:
    broken = answer(None, tool_calls=[{"function": {"name": "add"}}, {}])
    result = run(Script(broken, answer("Done.")))
    assert [record.name for record in result.calls] == ["add", ""]
    assert "a: it is required" in told(result)[0]
    assert "no tool named ''" in told(result)[1]


# --- arguments --------------------------------------------------------------------------------


def called(function: Any, arguments: Any) -> ToolCallRecord:
    """Return the record of one call of a function."""
    name = function_schema(function)["function"]["name"]
    result = run(Script(calling((name, arguments)), answer("Done.")), function)
    return result.calls[0]


def test_arguments_become_what_the_annotations_say() -> None:
    def show(place: Place, unit: Unit, when: datetime.date, *, also: Place | None = None) -> Any:
        return place, unit, when, also

    show.__annotations__ = {
        "place": Place,
        "unit": Unit,
        "when": datetime.date,
        "also": Place | None,
    }
    given = {"place": {"name": "Oslo"}, "unit": "kelvin", "when": "2026-10-01", "also": None}
    expected = (Place("Oslo"), Unit.KELVIN, datetime.date(2026, 10, 1), None)
    assert called(show, given).result == expected


@pytest.mark.parametrize("arguments", ["", "  ", "null", "{}"])
def test_no_arguments_are_written_in_several_ways(arguments: str) -> None:
    assert called(Station.count, arguments).result == 7


def test_a_null_stands_for_the_default() -> None:
    assert called(weather, {"city": "Oslo", "days": None}).result["days"] == 1


def test_parameters_without_names_and_with_any_name() -> None:
    def places(first: int, second: int = 2, /, **others: int) -> Any:
        return first, second, others

    assert called(places, {"first": 1}).result == (1, 2, {})
    assert called(places, {"first": 1, "second": 3, "x": 4}).result == (1, 3, {"x": 4})
    assert called(divmod, {"x": 7, "y": 2}).result == (3, 1)


def test_what_a_partial_fixes_is_not_the_models_to_give() -> None:
    assert called(functools.partial(add, b=2), {"a": 1}).result == 3
    assert "b: there is no such field" in called(functools.partial(add, b=2), {"b": 1}).content


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("{a: 1}", "the arguments are no JSON."),
        ("[1, 2]", "expected an object, got [1, 2]."),
        ({"a": 1}, "b: it is required, and missing."),
        ({"a": "1", "b": 2.5}, "a: expected an integer, got '1'; b: expected an integer, got 2.5."),
        ({"a": 1, "b": 2, "c": 3}, "c: there is no such field."),
    ],
)
def test_arguments_that_do_not_fit_are_told_to_the_model(arguments: Any, complaint: str) -> None:
    record = called(add, arguments)
    before = "Error: the tool was not called, because its arguments do not fit: "
    assert record.content == before + complaint
    assert record.error is not None
    assert record.result is None


# --- failures -----------------------------------------------------------------------------------


def divide(a: float, b: float) -> float:
    return a / b


def secret() -> object:
    return object()


FAILURES = [
    ("divide", {"a": 1, "b": 0}, "the tool failed with ZeroDivisionError: float division by zero"),
    ("secret", {}, "the tool's result cannot be told: a object has no shape in JSON"),
    ("add", {"a": 1}, "the tool was not called, because its arguments do not fit: b: it is"),
    ("sub", {}, "There is no tool named 'sub'. There are: divide, secret, add."),
]


@pytest.mark.parametrize(("name", "arguments", "complaint"), FAILURES)
def test_failures_are_told_to_the_model(name: str, arguments: Any, complaint: str) -> None:
    create = Script(calling((name, arguments)), answer("I see."))
    result = run(create, divide, secret, add)
    assert told(result)[0].startswith(f"Error: {complaint}")
    assert result.calls[0].error is not None
    assert result.text == "I see."


@pytest.mark.parametrize(("name", "arguments", "complaint"), FAILURES)
def test_failures_can_be_raised(name: str, arguments: Any, complaint: str) -> None:
    seen: list[ToolCallRecord] = []
    create = Script(calling(("add", {"a": 1, "b": 2}), (name, arguments)))
    with pytest.raises(ToolCallException) as caught:
        run(create, divide, secret, add, on_error="raise", on_call=seen.append)
    error = caught.value
    assert error.message.startswith(f"A call of {name!r} failed: {complaint}")
    assert (error.tool, error.arguments) == (name, json.dumps(arguments))
    assert error.__cause__ is not None
    assert [message["role"] for message in error.messages] == ["user", "assistant", "tool"]
    assert [record.name for record in seen] == ["add"]


def test_what_ends_the_program_ends_it() -> None:
    def leave() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Script(calling(("leave", {}))), leave)


def test_what_the_watcher_raises_is_raised() -> None:
    def watch(record: ToolCallRecord) -> None:
        raise RuntimeError(record.name)

    with pytest.raises(RuntimeError, match="add"):
        run(Script(calling(("add", {"a": 1, "b": 2}))), on_call=watch)


# --- results ------------------------------------------------------------------------------------


class Score(NamedTuple):
    home: int
    away: int


class Model:
    """What pydantic 1 and 2 agree on, more or less."""

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    def dict(self) -> dict[str, Any]:
        return self._fields


class Number:
    """What numpy's numbers have."""

    def item(self) -> float:
        return 1.5


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("as it is: é", "as it is: é"),
        (None, "null"),
        (True, "true"),
        (3, "3"),
        ({"é": [1, None]}, '{"é": [1, null]}'),
        ((1, "x"), '[1, "x"]'),
        ({7}, "[7]"),
        (Place("Oslo"), '{"name": "Oslo", "country": "NO"}'),
        ([Score(1, 2)], '[{"home": 1, "away": 2}]'),
        (UserDict(a=1), '{"a": 1}'),
        (Model(place=Place("Oslo")), '{"place": {"name": "Oslo", "country": "NO"}}'),
        (Number(), "1.5"),
        (Unit.KELVIN, '"kelvin"'),
        (datetime.datetime(2026, 10, 1, 10, 30), '"2026-10-01T10:30:00"'),
        (datetime.date(2026, 10, 1), '"2026-10-01"'),
        (decimal.Decimal("1.10"), '"1.10"'),
        (uuid.UUID(int=7), f'"{uuid.UUID(int=7)}"'),
        (pathlib.Path("a/b"), '"a/b"'),
        ({1: "x", Unit.KELVIN: datetime.date(2026, 10, 1)}, '{"1": "x", "kelvin": "2026-10-01"}'),
        ({(1, 2): "x"}, '{"[1, 2]": "x"}'),
        (ChatCompletion({"id": "x"}), '{"id": "x"}'),
    ],
)
def test_results_become_text(result: Any, text: str) -> None:
    assert result_text(result) == text


@pytest.mark.parametrize("result", [object(), b"bytes", [Place], {"a": {1j}}])
def test_what_has_no_shape_in_json_does_not(result: Any) -> None:
    with pytest.raises(TypeError, match="no shape in JSON"):
        result_text(result)


def test_what_contains_itself_does_not() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="contains itself"):
        result_text(circle)


def test_models_of_pydantic_become_text() -> None:
    pydantic = pytest.importorskip("pydantic", minversion="2")
    model = pydantic.create_model("Model", when=(datetime.date, ...))
    assert result_text([model(when="2026-10-01")]) == '[{"when": "2026-10-01"}]'


def test_models_of_pydantic_are_arguments() -> None:
    pydantic = pytest.importorskip("pydantic", minversion="2")
    model = pydantic.create_model("Model", n=(int, pydantic.Field(gt=1)))

    def take(model: Any) -> Any:
        return model.n

    take.__annotations__ = {"model": model}
    assert called(take, {"model": {"n": 2}}).result == 2
    assert "model.n: expected more than 1, got 1" in called(take, {"model": {"n": 1}}).content


# --- rounds -----------------------------------------------------------------------------------

AGAIN = calling(("add", {"a": 1, "b": 2}))


def test_rounds_are_counted() -> None:
    create = Script(AGAIN, AGAIN, AGAIN)
    with pytest.raises(ToolLoopException, match="After 2 rounds") as caught:
        run(create, max_rounds=2)
    assert caught.value.rounds == 2
    assert [message["role"] for message in caught.value.messages] == [
        "user",
        *["assistant", "tool"] * 2,
    ]
    assert len(create.requests) == 3


def test_as_many_rounds_as_are_allowed_are_no_fault() -> None:
    assert run(Script(AGAIN, AGAIN, answer("Done.")), max_rounds=2).rounds == 3


def test_at_the_limit_it_can_be_made_to_answer() -> None:
    create = Script(AGAIN, AGAIN, answer("So far: 3."))
    result = run(create, max_rounds=1, at_limit="answer")
    assert result.text == "So far: 3."
    assert len(result.calls) == 1
    assert [request.get("tool_choice") for request in create.requests] == [None, None, "none"]
    assert result.messages == [*create.messages, {"role": "assistant", "content": "So far: 3."}]


@pytest.mark.parametrize("forced", ["required", {"type": "function", "function": {"name": "add"}}])
def test_a_forced_call_is_forced_once(forced: Any) -> None:
    create = Script(AGAIN, answer("Done."))
    run(create, tool_choice=forced)
    assert [request["tool_choice"] for request in create.requests] == [forced, "auto"]


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_other_choices_stay(choice: str) -> None:
    create = Script(AGAIN, answer("Done."))
    run(create, tool_choice=choice)
    assert [request["tool_choice"] for request in create.requests] == [choice, choice]


def test_a_call_that_the_service_refuses_is_asked_for_again() -> None:
    create = Script(refusal("tool_use_failed"), AGAIN, refusal("tool_use_failed"), answer("Done."))
    assert run(create).text == "Done."
    assert create.requests[0] == create.requests[1]
    assert create.requests[2] == create.requests[3]


@pytest.mark.parametrize(
    ("failures", "options"),
    [
        ([refusal("tool_use_failed")], {"retry_failed": 0}),
        ([refusal("tool_use_failed")] * 2, {}),
        ([refusal("model_decommissioned")], {}),
    ],
)
def test_not_for_ever_and_nothing_else(failures: list[Exception], options: Any) -> None:
    create = Script(*failures, answer("Done."))
    with pytest.raises(BadRequestError):
        run(create, **options)
    assert len(create.requests) == len(failures)


# --- at the same time ---------------------------------------------------------------------------

USER = contextvars.ContextVar("USER", default="nobody")


def test_calls_of_one_answer_can_be_made_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=5)

    def meet(name: str) -> str:
        meeting.wait()  # which none would pass alone
        return f"{USER.get()} met {name}"

    USER.set("Ada")
    create = Script(calling(("meet", {"name": "Bo"}), ("meet", {"name": "Cy"})), answer("Done."))
    result = run(create, meet, parallel=True)
    assert told(result) == ["Ada met Bo", "Ada met Cy"]
    assert [record.id for record in result.calls] == ["fc_1", "fc_2"]


def test_a_single_call_needs_no_other_thread() -> None:
    here = threading.get_ident()

    def where() -> bool:
        return threading.get_ident() == here

    assert told(run(Script(calling(("where", {})), answer("Done.")), where, parallel=True)) == [
        "true"
    ]


def test_one_after_the_other_they_see_what_the_former_did() -> None:
    done: list[int] = []

    def step(number: int) -> list[int]:
        done.append(number)
        return [*done]

    create = Script(calling(*(("step", {"number": n}) for n in range(3))), answer("Done."))
    assert told(run(create, step)) == ["[0]", "[0, 1]", "[0, 1, 2]"]


def test_failures_at_the_same_time_keep_their_order() -> None:
    create = Script(calling(("divide", {"a": 1, "b": 0}), ("divide", {"a": 1, "b": 2})))
    with pytest.raises(ToolCallException) as caught:
        run(create, divide, parallel=True, on_error="raise")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


# --- tools as the API knows them ------------------------------------------------------------------

RAW = {
    "type": "function",
    "function": {
        "name": "total",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "object"}, "n": {"type": "integer"}},
            "required": ["n"],
        },
    },
}


def test_a_tool_may_be_given_as_the_api_knows_it() -> None:
    def by_name(n: int, place: Place) -> str:
        return f"{place.name} {n}"

    by_name.__annotations__ = {"n": int, "place": Place}
    create = Script(
        calling(("total", {"n": 1, "place": {"name": "Oslo"}}), ("total", {"place": {}})),
        answer("Done."),
    )
    result = run(create, RAW, functions={"total": by_name})
    assert create.requests[0]["tools"] == [RAW]
    assert told(result)[0] == "Oslo 1"
    assert "n: it is required, and missing" in told(result)[1]


@pytest.mark.parametrize("function", [lambda **given: given, lambda n: {"n": n}])
def test_its_function_may_have_no_annotations(function: Any) -> None:
    create = Script(calling(("total", {"n": 1})), answer("Done."))
    assert told(run(create, RAW, functions={"total": function})) == ['{"n": 1}']


def test_its_parameters_may_be_left_out() -> None:
    bare = {"type": "function", "function": {"name": "bare"}}
    create = Script(calling(("bare", {"x": 1})), answer("Done."))
    assert told(run(create, bare, functions={"bare": lambda **given: given})) == ['{"x": 1}']


def test_tools_that_the_service_does_itself_are_passed_on() -> None:
    create = Script(answer("Done."))
    run(create, {"type": "browser_search"}, add)
    assert create.requests[0]["tools"] == [{"type": "browser_search"}, function_schema(add)]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"tools": []}, "tools"),
        ({"tools": [add, add]}, "tools"),
        ({"tools": [RAW]}, "tools[0]"),
        ({"tools": [add, {"type": "function"}]}, "tools[1]"),
        ({"tools": ["add"]}, "tools[0]"),
        ({"max_rounds": 0}, "max_rounds"),
        ({"max_rounds": "many"}, "max_rounds"),
        ({"at_limit": "stop"}, "at_limit"),
        ({"on_error": "ignore"}, "on_error"),
        ({"stream": True}, "stream"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(options: Any, field: str) -> None:
    create = Script()
    with pytest.raises(InvalidRequestException) as caught:
        run_tools(create, **{"model": MODEL, "messages": HELLO, "tools": [add], **options})
    assert caught.value.field == field
    assert create.requests == []
