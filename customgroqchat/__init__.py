"""CustomGroqChat: a client of the Groq Cloud API that never sends too early and wastes no quota.

>>> from customgroqchat import GroqClient
>>> with GroqClient() as client:  # doctest: +SKIP
...     answer = client.chat_completion("openai/gpt-oss-20b", [{"role": "user", "content": "Hi"}])
"""

from __future__ import annotations

import logging

from ._objects import (
    APIObject,
    ChatCompletion,
    ChatCompletionMessage,
    Choice,
    CompletionUsage,
    Model,
    ModelList,
    TextCompletion,
)
from ._retry import RetryPolicy
from ._types import NOT_GIVEN, NotGiven
from ._version import __version__
from .api_client import APIClient, APIRequest, APIResponse
from .config_loader import Config, ConfigLoader, ModelConfig
from .exceptions import *  # noqa: F403 - its __all__ is the list
from .exceptions import __all__ as _exceptions
from .groq_client import GroqClient
from .queue_manager import Again, QueueManager, RequestFuture, Wait
from .rate_limit_handler import Demand, RateLimitHandler, Reservation, Scope, Usage
from .request_handler import RequestHandler, RequestOptions
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

__all__ = [
    "NOT_GIVEN",
    "APIClient",
    "APIObject",
    "APIRequest",
    "APIResponse",
    "Again",
    "ChatCompletion",
    "ChatCompletionMessage",
    "Choice",
    "CompletionUsage",
    "Config",
    "ConfigLoader",
    "Demand",
    "GroqClient",
    "Model",
    "ModelConfig",
    "ModelList",
    "NotGiven",
    "QueueManager",
    "RateLimitHandler",
    "RequestFuture",
    "RequestHandler",
    "RequestOptions",
    "Reservation",
    "RetryPolicy",
    "Scope",
    "TextCompletion",
    "TokenCount",
    "TokenCounter",
    "Usage",
    "Wait",
    "__version__",
    "count_request_and_completion_tokens",
    "count_tokens_in_message",
    "count_tokens_in_messages",
    "count_tokens_in_prompt",
    "count_tokens_in_request",
    *_exceptions,
]
