"""CustomGroqChat: a client of the Groq Cloud API that never sends too early and wastes no quota.

>>> from customgroqchat import GroqClient
>>> with GroqClient() as client:  # doctest: +SKIP
...     answer = client.chat_completion("openai/gpt-oss-20b", [{"role": "user", "content": "Hi"}])
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from ._objects import (
    APIObject,
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessage,
    Choice,
    CompletionUsage,
    Model,
    ModelList,
    TextCompletion,
)
from ._options import RequestOptions
from ._records import Attempt
from ._types import NOT_GIVEN, NotGiven
from ._version import __version__
from ._waiting import WaitExplanation
from .config_loader import Config, ConfigLoader, ModelConfig
from .events import Event
from .exceptions import *  # noqa: F403 - its __all__ is the list
from .exceptions import __all__ as _exceptions
from .groq_client import GroqClient
from .streaming import Stream

if TYPE_CHECKING:
    from ._retry import RetryPolicy
    from .api_client import APIClient, APIRequest, APIResponse
    from .plan import ModelPlan, Plan
    from .queue_manager import Again, Ahead, QueueManager, RequestFuture, Wait
    from .rate_limit_handler import Demand, RateLimitHandler, Reservation, Scope, Usage
    from .request_handler import RequestHandler
    from .token_counter import (
        TokenCount,
        TokenCounter,
        count_request_and_completion_tokens,
        count_tokens_in_message,
        count_tokens_in_messages,
        count_tokens_in_prompt,
        count_tokens_in_request,
    )

logging.getLogger(__name__).addHandler(logging.NullHandler())

# The parts are loaded when they are asked for, by name or by the first client: who only imports
# the package, in a web application that starts or a command that completes, need not wait.
_PARTS = {
    name: module
    for module, names in {
        "_retry": "RetryPolicy",
        "api_client": "APIClient APIRequest APIResponse",
        "plan": "ModelPlan Plan",
        "queue_manager": "Again Ahead QueueManager RequestFuture Wait",
        "rate_limit_handler": "Demand RateLimitHandler Reservation Scope Usage",
        "request_handler": "RequestHandler",
        "token_counter": "TokenCount TokenCounter count_request_and_completion_tokens "
        "count_tokens_in_message count_tokens_in_messages count_tokens_in_prompt "
        "count_tokens_in_request",
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> Any:
    if name not in _PARTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    part = getattr(importlib.import_module(f".{_PARTS[name]}", __name__), name)
    globals()[name] = part
    return part


def __dir__() -> list[str]:
    return sorted({*globals(), *_PARTS})


__all__ = [
    "NOT_GIVEN",
    "APIClient",
    "APIObject",
    "APIRequest",
    "APIResponse",
    "Again",
    "Ahead",
    "Attempt",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatCompletionMessage",
    "Choice",
    "CompletionUsage",
    "Config",
    "ConfigLoader",
    "Demand",
    "Event",
    "GroqClient",
    "Model",
    "ModelConfig",
    "ModelList",
    "ModelPlan",
    "NotGiven",
    "Plan",
    "QueueManager",
    "RateLimitHandler",
    "RequestFuture",
    "RequestHandler",
    "RequestOptions",
    "Reservation",
    "RetryPolicy",
    "Scope",
    "Stream",
    "TextCompletion",
    "TokenCount",
    "TokenCounter",
    "Usage",
    "Wait",
    "WaitExplanation",
    "__version__",
    "count_request_and_completion_tokens",
    "count_tokens_in_message",
    "count_tokens_in_messages",
    "count_tokens_in_prompt",
    "count_tokens_in_request",
    *_exceptions,
]
