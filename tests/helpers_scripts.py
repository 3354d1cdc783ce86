"""A ``create`` that answers what a test has written, and remembers what it was asked."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from customgroqchat import BadRequestError
from customgroqchat._records import AnswerFacts, Headers
from customgroqchat.types.chat import ChatCompletion

MODEL = "openai/gpt-oss-20b"
HELLO = [{"role": "user", "content": "Hello"}]
USAGE = {"prompt_tokens": 70, "completion_tokens": 7, "total_tokens": 77}

Scripted = ChatCompletion | Exception | Callable[..., Any]


def answer(
    content: str | None = None, finish_reason: str = "stop", **message: Any
) -> ChatCompletion:
    """Return an answer, of which it is known how it came about."""
    fields = {"role": "assistant", "content": content, **message}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [
            {"index": 0, "message": fields, "logprobs": None, "finish_reason": finish_reason}
        ],
        "usage": USAGE,
    }
    facts = AnswerFacts("req_1", Headers({"x-request-id": "req_1"}), 0.5)
    return ChatCompletion.wrap(body).note(facts)


def calling(*calls: tuple[str, Any], **message: Any) -> ChatCompletion:
    """Return an answer that calls tools: names, and arguments as JSON or a text that is none."""
    made = [
        {
            "id": f"fc_{number}",
            "type": "function",
            "function": {
                "name": name,
                "arguments": given if isinstance(given, str) else json.dumps(given),
            },
        }
        for number, (name, given) in enumerate(calls, 1)
    ]
    return answer(None, "tool_calls", tool_calls=made, **message)


def refusal(code: str, **fields: Any) -> BadRequestError:
    """Return the service's 400 for an answer that the model got wrong."""
    error = {"message": f"It said {code}.", "type": "invalid_request_error", "code": code, **fields}
    return BadRequestError(error["message"], status_code=400, body={"error": error}, code=code)


class Script:
    """Called as ``create``, it gives the next of some answers, or raises it."""

    def __init__(self, *answers: Scripted) -> None:
        self.requests: list[dict[str, Any]] = []
        self._answers = list(answers)

    def __call__(self, **parameters: Any) -> Any:
        self.requests.append(copy.deepcopy(parameters))
        following = self._answers.pop(0)
        if isinstance(following, Exception):
            raise following
        return following if isinstance(following, Mapping) else following(**parameters)

    @property
    def messages(self) -> list[Any]:
        """The conversation of the last request."""
        messages: list[Any] = self.requests[-1]["messages"]
        return messages
