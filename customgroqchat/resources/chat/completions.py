"""``client.chat.completions``: conversations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from ..._asking import plain_items
from ..._caller import Form
from ..._endpoints import CHAT
from ...streaming import Stream
from ...types.chat.chat_completion import ChatCompletion
from ...types.chat.chat_completion_chunk import ChatCompletionChunk
from ...types.chat.completion_create_params import CompletionCreateParams
from .._resource import PacedOptions, Resource, lazy, raw, spelt_out

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...structured import ParsedChatCompletion
    from ...tools import ToolRun
    from ...types.chat.completion_create_params import CompletionCreateParamsBase

    class CreateParams(CompletionCreateParamsBase, PacedOptions, total=False):
        """What ``create`` takes, but for ``stream``."""


T = TypeVar("T")


class Completions(Resource):
    """What ``client.chat.completions`` is."""

    @overload
    def create(
        self, *, stream: Literal[True], **parameters: Unpack[CreateParams]
    ) -> Stream[ChatCompletionChunk]: ...

    @overload
    def create(
        self, *, stream: Literal[False] | None = None, **parameters: Unpack[CreateParams]
    ) -> ChatCompletion: ...

    @overload
    def create(
        self, *, stream: bool, **parameters: Unpack[CreateParams]
    ) -> ChatCompletion | Stream[ChatCompletionChunk]: ...

    def create(self, *, model: Any, messages: Any, **parameters: Any) -> Any:
        """Answer a conversation, as :meth:`GroqClient.chat_completion` does.

        Takes the parameters of the API, and the keywords of :class:`PacedOptions`. What is
        ``NOT_GIVEN`` or ``omit`` is left out; None is sent, as null. Blocks until the answer is
        there, or with ``stream=True`` until it begins. From any thread.

        Raises:
            InvalidRequestException, TokenLimitExceededException, RateLimitExceededException,
            QueueFullException, APIError, RequestCancelledException, ClientClosedException: as
            :meth:`GroqClient.chat_completion`.
        """
        payload = {"model": model, "messages": plain_items(messages), **parameters}
        reply = self._reply(ChatCompletion.wrap, Stream.of_chat)
        return self._caller.paced(CHAT, self._asked(payload), reply)

    @overload
    def parse(
        self,
        *,
        response_format: type[T],
        repair: bool = False,
        strict: bool | None = None,
        **parameters: Any,
    ) -> ParsedChatCompletion[T]: ...

    @overload
    def parse(
        self,
        *,
        response_format: Any,
        repair: bool = False,
        strict: bool | None = None,
        **parameters: Any,
    ) -> ParsedChatCompletion[Any]: ...

    def parse(self, *, response_format: Any, **parameters: Any) -> Any:
        """Answer a conversation in JSON that fits a type; see :func:`structured.parse`."""
        from ...structured import parse

        return parse(self._as(Form.PARSED).create, response_format=response_format, **parameters)

    def run_tools(
        self,
        *,
        model: str,
        messages: Iterable[Mapping[str, Any]],
        tools: Sequence[Callable[..., Any] | Mapping[str, Any]],
        **parameters: Any,
    ) -> ToolRun:
        """Answer a conversation, calling functions on the way; see :func:`tools.run_tools`."""
        from ...tools import run_tools

        create = self._as(Form.PARSED).create
        return run_tools(create, model=model, messages=messages, tools=tools, **parameters)

    @property
    def with_raw_response(self) -> CompletionsWithRawResponse:
        """The same, with HTTP around the answers."""
        return CompletionsWithRawResponse(self)

    @property
    def with_streaming_response(self) -> CompletionsWithStreamingResponse:
        """The same, with answers that are read when they are asked for."""
        return CompletionsWithStreamingResponse(self)


spelt_out(Completions.create, CompletionCreateParams, PacedOptions)


class CompletionsWithRawResponse:
    """``client.chat.completions.with_raw_response``."""

    def __init__(self, completions: Completions) -> None:
        self.create = raw(completions.create)


class CompletionsWithStreamingResponse:
    """``client.chat.completions.with_streaming_response``."""

    def __init__(self, completions: Completions) -> None:
        self.create = lazy(completions.create)
