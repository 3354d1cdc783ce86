"""CustomGroqChat: a client of the Groq Cloud API that never sends too early and wastes no quota.

>>> from customgroqchat import GroqClient
>>> with GroqClient() as client:  # doctest: +SKIP
...     answer = client.chat_completion("openai/gpt-oss-20b", [{"role": "user", "content": "Hi"}])
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from ._came_about import RateLimit
from ._logs import set_up
from ._objects import APIObject
from ._objects import APIObject as BaseModel
from ._options import RequestOptions
from ._records import Attempt
from ._types import NOT_GIVEN, NotGiven, Omit, not_given, omit
from ._version import __title__, __version__
from ._waiting import WaitExplanation
from .config_loader import Config, ConfigLoader, ModelConfig
from .events import Event
from .exceptions import *  # noqa: F403 - its __all__ is the list
from .exceptions import __all__ as _exceptions
from .groq_client import GroqClient
from .streaming import Stream
from .types import CompletionUsage, Model, ModelList, TextCompletion
from .types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage
from .types.chat.chat_completion import Choice

if TYPE_CHECKING:
    from ._accumulate import accumulate
    from ._batch_results import BatchResult
    from ._batch_start import BatchProgress
    from ._fallbacks import FallbackStep
    from ._http import HTTPRequest, HTTPResponse
    from ._official import (
        DEFAULT_CONNECTION_LIMITS,
        DEFAULT_MAX_RETRIES,
        DEFAULT_TIMEOUT,
        AsyncGroq,
        AsyncStream,
        DefaultHttpxClient,
        Groq,
        Timeout,
        file_from_path,
    )
    from ._official import AsyncGroq as AsyncClient
    from ._official import Groq as Client
    from ._response import (
        APIResponse,
        BinaryAPIResponse,
        StreamedAPIResponse,
        StreamedBinaryAPIResponse,
    )
    from ._retry import RetryPolicy
    from .api_client import APIClient, APIRequest
    from .batch_run import BatchRun
    from .model_facts import ModelFacts, ModelPrices
    from .plan import ModelPlan, Plan
    from .queue_manager import Again, Ahead, QueueManager, RequestFuture, Wait
    from .rate_limit_handler import Demand, RateLimitHandler, Reservation, Scope, Usage
    from .request_handler import RequestHandler
    from .structured import ParsedChatCompletion
    from .token_counter import (
        TokenCount,
        TokenCounter,
        count_request_and_completion_tokens,
        count_tokens_in_message,
        count_tokens_in_messages,
        count_tokens_in_prompt,
        count_tokens_in_request,
    )
    from .tools import ToolRun, function_schema

NoneType = type(None)

set_up(__name__, os.environ)

# The parts are loaded when they are asked for, by name or by the first client: who only imports
# the package, in a web application that starts or a command that completes, need not wait.
_PARTS = {
    name: module
    for module, names in {
        "_retry": "RetryPolicy",
        "_accumulate": "accumulate",
        "_batch_results": "BatchResult",
        "_batch_start": "BatchProgress",
        "_fallbacks": "FallbackStep",
        "_http": "HTTPRequest HTTPResponse",
        "_official": "DEFAULT_CONNECTION_LIMITS DEFAULT_MAX_RETRIES DEFAULT_TIMEOUT AsyncGroq "
        "AsyncStream DefaultHttpxClient Groq Timeout file_from_path",
        "_response": "APIResponse BinaryAPIResponse StreamedAPIResponse StreamedBinaryAPIResponse",
        "api_client": "APIClient APIRequest",
        "model_facts": "ModelFacts ModelPrices",
        "batch_run": "BatchRun",
        "plan": "ModelPlan Plan",
        "structured": "ParsedChatCompletion",
        "tools": "ToolRun function_schema",
        "queue_manager": "Again Ahead QueueManager RequestFuture Wait",
        "rate_limit_handler": "Demand RateLimitHandler Reservation Scope Usage",
        "request_handler": "RequestHandler",
        "token_counter": "TokenCount TokenCounter count_request_and_completion_tokens "
        "count_tokens_in_message count_tokens_in_messages count_tokens_in_prompt "
        "count_tokens_in_request",
    }.items()
    for name in names.split()
}


# The official SDK has two names for its clients.
_SAME = {"Client": "Groq", "AsyncClient": "AsyncGroq"}
_PARTS |= {name: _PARTS[same] for name, same in _SAME.items()}


def __getattr__(name: str) -> Any:
    if name not in _PARTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_PARTS[name]}", __name__)
    part = getattr(module, _SAME.get(name, name))
    globals()[name] = part
    return part


def __dir__() -> list[str]:
    return sorted({*globals(), *_PARTS})


__all__ = [
    "BatchProgress",
    "BatchResult",
    "BatchRun",
    "ParsedChatCompletion",
    "RateLimit",
    "ToolRun",
    "accumulate",
    "function_schema",
    "APIClient",
    "APIObject",
    "APIRequest",
    "APIResponse",
    "Again",
    "Ahead",
    "AsyncClient",
    "AsyncGroq",
    "AsyncStream",
    "Attempt",
    "BaseModel",
    "BinaryAPIResponse",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatCompletionMessage",
    "Choice",
    "Client",
    "CompletionUsage",
    "Config",
    "ConfigLoader",
    "DEFAULT_CONNECTION_LIMITS",
    "DEFAULT_MAX_RETRIES",
    "DEFAULT_TIMEOUT",
    "DefaultHttpxClient",
    "Demand",
    "Event",
    "FallbackStep",
    "Groq",
    "GroqClient",
    "HTTPRequest",
    "HTTPResponse",
    "Model",
    "ModelConfig",
    "ModelFacts",
    "ModelList",
    "ModelPlan",
    "ModelPrices",
    "NOT_GIVEN",
    "NoneType",
    "NotGiven",
    "Omit",
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
    "StreamedAPIResponse",
    "StreamedBinaryAPIResponse",
    "TextCompletion",
    "Timeout",
    "TokenCount",
    "TokenCounter",
    "Usage",
    "Wait",
    "WaitExplanation",
    "__title__",
    "__version__",
    "count_request_and_completion_tokens",
    "count_tokens_in_message",
    "count_tokens_in_messages",
    "count_tokens_in_prompt",
    "count_tokens_in_request",
    "file_from_path",
    "not_given",
    "omit",
    *_exceptions,
]
