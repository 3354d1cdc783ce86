"""The tree of errors, and what every one of them can do."""

from __future__ import annotations

import copy
import json
import pickle
import queue
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from typing import Any, get_type_hints

import pytest

from customgroqchat import exceptions
from customgroqchat._faults import error_from_response
from customgroqchat._records import Attempt, ConfigProblem, Headers, RequestInfo, ResponseInfo
from customgroqchat.exceptions import (
    APIError,
    APIStatusError,
    BadRequestError,
    ClientError,
    ConfigLoaderException,
    CustomGroqChatException,
    GroqError,
    InvalidRequestException,
    QueueFullException,
    RateLimitError,
    RateLimitExceededException,
    RequestCancelledException,
    StructuredOutputException,
)

CLASSES: list[type[GroqError]] = [
    cls
    for name in exceptions.__all__
    if (cls := getattr(exceptions, name)).__name__ == name  # leaves the alias out
]
every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)

HINT = "Try something else."
VALUES: dict[Any, Any] = {
    str: "word",
    int: 7,
    float: 2.5,
    bool: False,
    object: {"error": {"message": "no", "details": [1, None, "x"]}},
    RequestInfo: RequestInfo("POST", "https://api.groq.com/openai/v1/chat/completions"),
    ResponseInfo: ResponseInfo(429, Headers({"retry-after": "7"}), "{}"),
    tuple[str, ...]: ("one", "two"),
    tuple[Any, ...]: ("openai/gpt-oss-20b has used up what it may take in a day",),
    tuple[Attempt, ...]: (Attempt(0.5, 1.5, "ok", 200, "req_1"),),
    Mapping[str, float]: {"queue": 1.5},
    Mapping[str, Any]: {"prompt_tokens": 70},
    tuple[Mapping[str, Any], ...]: ({"role": "user", "content": "Hi"},),
    tuple[ConfigProblem, ...]: (ConfigProblem("config.json", "rpm", "'x'", "an integer"),),
}


def facts_of(cls: type[GroqError]) -> dict[str, Any]:
    """Return a value for every fact of a class, none of them its default."""
    hints = {name: hint for name, hint in get_type_hints(cls).items() if name != "message"}
    values = {name: _value_for(hint) for name, hint in hints.items()}
    assert all(value != getattr(cls, name) for name, value in values.items())
    return values | {"hint": HINT}


def _value_for(hint: Any) -> Any:
    return next(value for kind, value in VALUES.items() if kind == hint or kind | None == hint)


# --- the tree --------------------------------------------------------------------------------

LINE = re.compile(r"    (?P<stem>[│├└─ ]*)(?P<name>[A-Z]\w+)(?P<rest>.*)")


def drawn() -> Iterator[tuple[str, str | None, str]]:
    """Yield name, parent and description of each class in the module's picture."""
    assert exceptions.__doc__
    above: list[str] = []
    for line in exceptions.__doc__.splitlines():
        found = LINE.fullmatch(line)
        if found is None or (above and not found["stem"].strip("│ ")):
            continue  # prose, or the second line of a description
        depth = len(found["stem"]) // 4
        above[depth:] = [found["name"]]
        yield found["name"], above[depth - 1] if depth else None, found["rest"]


def test_the_picture_shows_every_class_once() -> None:
    names = [name for name, _, _ in drawn()]
    assert sorted(names) == sorted(cls.__name__ for cls in CLASSES)


def test_the_picture_shows_the_real_tree() -> None:
    for name, parent, rest in drawn():
        bases = [base.__name__ for base in getattr(exceptions, name).__bases__]
        also = re.search(r"\(also an? ([\w.]+)\)", rest)
        second = [also[1].rpartition(".")[2]] if also else []
        first = [parent or "Exception"]
        # Of two parents the picture hangs the class on one, and names the other in brackets.
        assert bases in (first + second, second + first), name


def test_the_picture_shows_which_status_has_which_class() -> None:
    status_of = {name: found[0] for name, _, rest in drawn() if (found := re.findall(r"\d+", rest))}
    del status_of["APIStatusError"]  # "300 or more"
    for name, status in status_of.items():
        error = error_from_response(ResponseInfo(int(status)), None, 0.0)
        assert type(error).__name__ == name
    assert len(status_of) == 10


def test_the_picture_tells_the_other_name_of_the_base() -> None:
    assert next(drawn())[0] == "GroqError"
    assert "CustomGroqChatException" in next(drawn())[2]
    assert CustomGroqChatException is GroqError


def test_all_public_classes_are_exported() -> None:
    defined = {
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, GroqError)
    }
    assert set(exceptions.__all__) == defined


@pytest.mark.parametrize(
    ("cls", "base"),
    [
        (InvalidRequestException, ValueError),
        (StructuredOutputException, ValueError),
        (QueueFullException, queue.Full),
        (RequestCancelledException, CancelledError),
        (RateLimitError, RateLimitExceededException),
        (RateLimitError, APIStatusError),
    ],
)
def test_some_are_caught_by_a_standard_name_as_well(
    cls: type[GroqError], base: type[Exception]
) -> None:
    assert issubclass(cls, base)


def test_what_the_service_says_and_what_the_client_says_are_apart() -> None:
    both = [cls for cls in CLASSES if issubclass(cls, APIError) and issubclass(cls, ClientError)]
    assert both == []


# --- every one of them -----------------------------------------------------------------------


@every_class
def test_it_is_made_of_a_message_and_facts(cls: type[GroqError]) -> None:
    facts = facts_of(cls)
    error = cls("It failed.", **facts)
    assert error.message == "It failed."
    assert {name: getattr(error, name) for name in facts} == facts


@every_class
def test_it_can_be_made_of_nothing(cls: type[GroqError]) -> None:
    error = cls()
    assert str(error) == error.message == ""
    assert error.hint is None
    assert (error.attempts, error.waited) == (0, 0.0)


@every_class
def test_it_says_the_message_and_the_hint(cls: type[GroqError]) -> None:
    assert str(cls("It failed.", hint=HINT)) == f"It failed. Hint: {HINT}"
    assert str(cls("It failed.")) == "It failed."


@every_class
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_it_pickles_with_all_its_facts(cls: type[GroqError], protocol: int) -> None:
    error = cls("It failed.", **facts_of(cls))
    twin = pickle.loads(pickle.dumps(error, protocol))
    assert type(twin) is cls
    assert twin.args == error.args
    assert vars(twin) == vars(error)
    assert str(twin) == str(error)


@every_class
def test_it_can_be_copied(cls: type[GroqError]) -> None:
    error = cls("It failed.", **facts_of(cls))
    for twin in (copy.copy(error), copy.deepcopy(error)):
        assert twin is not error
        assert twin.to_dict() == error.to_dict()


@every_class
def test_as_a_dict_it_is_json_with_every_fact(cls: type[GroqError]) -> None:
    facts = facts_of(cls)
    plain = cls("It failed.", **facts).to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain.keys() == {"error", "message", *facts}
    assert (plain["error"], plain["message"]) == (cls.__name__, "It failed.")
    simple = {name for name, value in facts.items() if isinstance(value, str | int | float)}
    assert {name: plain[name] for name in simple} == {name: facts[name] for name in simple}


@every_class
def test_as_a_dict_it_tells_what_is_unknown_as_well(cls: type[GroqError]) -> None:
    plain = cls("It failed.").to_dict()
    assert plain.keys() == {"error", "message", *facts_of(cls)}
    assert json.loads(json.dumps(plain)) == plain


@every_class
def test_a_fact_that_is_none_is_as_if_it_were_not_given(cls: type[GroqError]) -> None:
    error = cls("It failed.", **dict.fromkeys(facts_of(cls)))
    assert error.to_dict() == cls("It failed.").to_dict()


@every_class
def test_a_fact_that_it_does_not_have_is_a_mistake(cls: type[GroqError]) -> None:
    with pytest.raises(TypeError, match="colour"):
        cls("It failed.", colour="red")


@every_class
def test_its_docstring_names_its_facts(cls: type[GroqError]) -> None:
    documented = [base.__doc__ or "" for base in cls.__mro__ if issubclass(base, GroqError)]
    for name in facts_of(cls):
        assert re.search(rf"^ +{name}: ", "\n".join(documented), re.MULTILINE), name


# --- details ---------------------------------------------------------------------------------


def test_records_become_plain_values() -> None:
    error = ConfigLoaderException("Wrong.", problems=VALUES[tuple[ConfigProblem, ...]])
    assert error.to_dict()["problems"] == [
        {"source": "config.json", "key": "rpm", "found": "'x'", "allowed": "an integer"}
    ]


def test_answers_become_plain_values() -> None:
    plain = BadRequestError("No.", response=VALUES[ResponseInfo], request=VALUES[RequestInfo])
    assert plain.to_dict()["response"]["headers"] == {"retry-after": "7"}
    assert plain.to_dict()["request"]["method"] == "POST"


def test_strange_values_become_text() -> None:
    plain = BadRequestError("No.", body={1: {2, 3}, "deep": ({"x": 1j},)}).to_dict()
    assert plain["body"] == {"1": str({2, 3}), "deep": [{"x": "1j"}]}


def test_a_list_of_facts_is_not_shared_between_errors() -> None:
    one, two = GroqError("one", model="m"), GroqError("two")
    assert (one.model, two.model) == ("m", None)


def test_facts_may_be_added_later_and_are_kept() -> None:
    error = InvalidRequestException("No.")
    error.model = "openai/gpt-oss-20b"
    twin = pickle.loads(pickle.dumps(error))
    assert twin.model == "openai/gpt-oss-20b"
    assert twin.to_dict()["model"] == "openai/gpt-oss-20b"
