"""What `import customgroqchat` gives, and what it costs."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import customgroqchat
from customgroqchat import _version

PUBLIC = """
    APIClient APIConnectionError APIError APIObject APIRequest APIResponse
    APIResponseValidationError APIStatusError APITimeoutError Again Ahead AsyncClient AsyncGroq
    AsyncStream Attempt AuthenticationError BadRequestError BaseModel BatchProgress BatchResult
    BatchRun BinaryAPIResponse CapacityExceededError ChatCompletion ChatCompletionChunk
    ChatCompletionMessage Choice Client ClientClosedException ClientError CompletionUsage Config
    ConfigLoader ConfigLoaderException ConflictError CustomGroqChatException
    DEFAULT_CONNECTION_LIMITS DEFAULT_MAX_RETRIES DEFAULT_TIMEOUT DefaultHttpxClient Demand
    Event FallbackStep Groq GroqClient GroqError HTTPRequest HTTPResponse IncompleteStreamError
    InternalServerError InvalidRequestException Model ModelConfig ModelFacts ModelList
    ModelNotFoundException ModelPlan ModelPrices NOT_GIVEN NoneType NotFoundError NotGiven Omit
    ParsedChatCompletion PermissionDeniedError Plan QueueFullException QueueManager RateLimit
    RateLimitError RateLimitExceededException RateLimitHandler RequestCancelledException
    RequestFuture RequestHandler RequestOptions RequestTooLargeError Reservation RetryPolicy
    Scope Stream StreamedAPIResponse StreamedBinaryAPIResponse StructuredOutputException
    TextCompletion Timeout TokenCount TokenCounter TokenLimitExceededException ToolCallException
    ToolLoopException ToolRun UnprocessableEntityError Usage Wait WaitExplanation __title__
    __version__ accumulate count_request_and_completion_tokens count_tokens_in_message
    count_tokens_in_messages count_tokens_in_prompt count_tokens_in_request file_from_path
    function_schema not_given omit
"""


def test_public_names() -> None:
    assert sorted(customgroqchat.__all__) == sorted(PUBLIC.split())


def test_every_public_name_is_there() -> None:
    missing = [name for name in customgroqchat.__all__ if not hasattr(customgroqchat, name)]
    assert missing == []


def test_every_public_thing_has_a_docstring() -> None:
    ours = set(customgroqchat.__all__) - {"NoneType"}  # which is Python's own
    things = {name: getattr(customgroqchat, name) for name in ours}
    silent = [name for name, thing in things.items() if callable(thing) and not thing.__doc__]
    assert silent == []


def test_a_star_gives_the_public_names_and_no_others() -> None:
    namespace: dict[str, object] = {}
    exec("from customgroqchat import *", namespace)
    assert namespace.keys() - {"__builtins__"} == set(PUBLIC.split())


def test_the_version_is_a_version() -> None:
    assert customgroqchat.__version__ == _version.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc|\.dev)\d+)?", customgroqchat.__version__)


def test_it_is_marked_as_typed() -> None:
    assert (Path(customgroqchat.__file__).parent / "py.typed").is_file()


def test_an_argument_that_is_not_given_is_neither_true_nor_none() -> None:
    assert not customgroqchat.NOT_GIVEN
    assert customgroqchat.NOT_GIVEN is not None
    assert repr(customgroqchat.NOT_GIVEN) == "NOT_GIVEN"


def test_it_logs_nothing_unless_asked() -> None:
    handlers = logging.getLogger("customgroqchat").handlers
    assert any(isinstance(handler, logging.NullHandler) for handler in handlers)


def modules_after(statement: str) -> set[str]:
    """Return what a fresh interpreter has loaded after a statement."""
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; {statement}; print(*sys.modules)"],
        cwd=Path(customgroqchat.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(run.stdout.split())


def test_importing_it_loads_no_dependency() -> None:
    loaded = modules_after("import customgroqchat")
    assert "customgroqchat.groq_client" in loaded
    assert loaded & {"requests", "urllib3", "tiktoken", "dotenv"} == set()


def test_importing_it_loads_nothing_that_only_tests_need() -> None:
    loaded = modules_after("import customgroqchat")
    assert {name for name in loaded if name.startswith("customgroqchat.testing")} == set()
    assert loaded & {"pytest", "customgroqchat.cli"} == set()
