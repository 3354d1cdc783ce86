"""``instructor`` takes ``client.chat.completions.create`` for the official SDK's."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from helpers_frameworks import imported

from customgroqchat import BadRequestError, GroqClient
from customgroqchat.testing import SimulatedGroq
from customgroqchat.types.chat import ChatCompletion

instructor = imported("instructor")
pydantic = imported("pydantic")

pytestmark = pytest.mark.filterwarnings("default")

MODEL = "openai/gpt-oss-20b"
ASKED: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Ada is 36 years old, as JSON."}],
}
ADA = {"name": "Ada", "age": 36}
MODES = [instructor.Mode.JSON, instructor.Mode.TOOLS]


class User(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    name: str
    age: int

    @pydantic.field_validator("age")  # type: ignore[untyped-decorator]
    @classmethod
    def is_grown_up(cls, age: int) -> int:
        if age < 18:
            raise ValueError("the age has to be 18 or more")
        return age


def said(mode: Any, value: Any, tool: str = "User") -> Any:
    """What a model says in a mode that is asked for this value."""
    if mode is instructor.Mode.TOOLS:
        return {"tool_calls": [{"name": tool, "arguments": value}]}
    return json.dumps(value)


@pytest.fixture(params=MODES, ids=lambda mode: mode.name)
def mode(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def create(client: GroqClient, mode: Any) -> Any:
    return instructor.patch(create=client.chat.completions.create, mode=mode)


def test_an_answer_becomes_a_model(groq: SimulatedGroq, create: Any, mode: Any) -> None:
    groq.answer_next(said(mode, ADA))
    user = create(**ASKED, response_model=User)
    assert isinstance(user, User)
    assert user.model_dump() == ADA
    assert isinstance(user._raw_response, ChatCompletion)
    assert user._raw_response.usage.prompt_tokens > 0
    assert (user._raw_response.request_id or "").startswith("req_")


def test_a_wrong_answer_is_asked_for_again_with_what_is_wrong(
    groq: SimulatedGroq, create: Any, mode: Any
) -> None:
    groq.answer_next(said(mode, {"name": "Ada", "age": 3}), said(mode, ADA))
    assert create(**ASKED, response_model=User, max_retries=2).age == 36
    told = json.dumps(groq.requests[-1].payload["messages"])  # type: ignore[index]
    assert groq.count(200) == 2
    assert "the age has to be 18 or more" in told


def test_an_answer_grows_while_it_is_streamed(groq: SimulatedGroq, create: Any, mode: Any) -> None:
    groq.answer_next(said(mode, {"name": "Ada Lovelace", "age": 36}, "PartialUser"))
    seen = list(create(**ASKED, response_model=instructor.Partial[User], stream=True))
    assert (seen[-1].name, seen[-1].age) == ("Ada Lovelace", 36)
    assert seen[0].age is None or mode is instructor.Mode.TOOLS


def test_several_are_yielded_one_by_one(groq: SimulatedGroq, create: Any, mode: Any) -> None:
    both = {"tasks": [ADA, {"name": "Bob", "age": 40}]}
    groq.answer_next(said(mode, both, "IterableUser"))
    users = create(**ASKED, response_model=Iterable[User], stream=True)
    assert [user.name for user in users] == ["Ada", "Bob"]


def test_the_completion_can_be_had_beside_the_model(
    groq: SimulatedGroq, client: GroqClient, create: Any, mode: Any
) -> None:
    wrapped = instructor.Instructor(client=client, create=create, mode=mode)
    groq.answer_next(said(mode, ADA))
    user, completion = wrapped.chat.completions.create_with_completion(**ASKED, response_model=User)
    assert (user.name, completion.model) == ("Ada", MODEL)


def test_without_a_model_the_answer_is_as_ever(create: Any) -> None:
    answer = create(**ASKED, response_model=None)
    assert isinstance(answer, ChatCompletion)


def test_a_patched_client_has_the_patched_create(groq: SimulatedGroq, client: GroqClient) -> None:
    patched = instructor.patch(client=client, mode=instructor.Mode.JSON)
    groq.answer_next(json.dumps(ADA))
    assert patched.chat.completions.create(**ASKED, response_model=User).name == "Ada"


def test_own_options_are_passed_on_and_not_sent(
    groq: SimulatedGroq, create: Any, mode: Any
) -> None:
    groq.answer_next(said(mode, ADA))
    create(**ASKED, response_model=User, priority="high", max_wait=5.0, tag="web")
    sent = groq.requests[-1].payload or {}
    assert {"priority", "max_wait", "tag", "response_model"} & sent.keys() == set()


def test_an_error_of_the_service_is_the_cause(groq: SimulatedGroq, create: Any) -> None:
    groq.fail_next(400, {"error": {"message": "no", "type": "invalid_request_error"}})
    with pytest.raises(Exception, match="no") as caught:
        create(**ASKED, response_model=User, max_retries=0)
    chain = [caught.value, caught.value.__cause__, caught.value.__context__]
    assert any(isinstance(error, BadRequestError) for error in chain)
