"""``client.responses``: the Responses API, which the service has in beta."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from .._asking import plain_items
from .._endpoints import RESPONSES
from .._responses_collector import ResponsesCollector
from ..streaming import Stream
from ..types.responses.response import Response, ResponseUsage
from ..types.responses.response_create_params import ResponseCreateParams
from ..types.responses.response_stream_event import ResponseStreamEvent
from ._resource import PacedOptions, Resource, lazy, raw, spelt_out

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..types.responses.response_create_params import ResponseCreateParamsBase

    class CreateParams(ResponseCreateParamsBase, PacedOptions, total=False):
        """What ``create`` takes, but for ``stream``."""


class Responses(Resource):
    """What ``client.responses`` is."""

    @overload
    def create(
        self, *, stream: Literal[True], **parameters: Unpack[CreateParams]
    ) -> Stream[ResponseStreamEvent]: ...

    @overload
    def create(
        self, *, stream: Literal[False] | None = None, **parameters: Unpack[CreateParams]
    ) -> Response: ...

    @overload
    def create(
        self, *, stream: bool, **parameters: Unpack[CreateParams]
    ) -> Response | Stream[ResponseStreamEvent]: ...

    def create(self, *, model: Any, input: Any, **parameters: Any) -> Any:
        """Answer a text, or a list of messages and other items.

        Takes the parameters of the API, and the keywords of :class:`PacedOptions`. It counts for
        the same limits as chats. Blocks until the answer is there, or with ``stream=True`` until
        it begins; the stream's events have a ``type``. From any thread.

        Raises what :meth:`Completions.create` raises.
        """
        payload = {"model": model, "input": plain_items(input), **parameters}
        reply = self._reply(Response.wrap, self.stream_of)
        return self._caller.paced(RESPONSES, self._asked(payload), reply)

    @staticmethod
    def stream_of(feed: Any) -> Stream[ResponseStreamEvent]:
        """Return the stream of an answer, of where its bytes come from."""
        wrap, whole = ResponseStreamEvent.wrap, Response.wrap
        return Stream(feed, wrap, whole, ResponsesCollector, ResponseUsage)

    @property
    def with_raw_response(self) -> ResponsesWithRawResponse:
        """The same, with HTTP around the answers."""
        return ResponsesWithRawResponse(self)

    @property
    def with_streaming_response(self) -> ResponsesWithStreamingResponse:
        """The same, with answers that are read when they are asked for."""
        return ResponsesWithStreamingResponse(self)


spelt_out(Responses.create, ResponseCreateParams, PacedOptions)


class ResponsesWithRawResponse:
    """``client.responses.with_raw_response``."""

    def __init__(self, responses: Responses) -> None:
        self.create = raw(responses.create)


class ResponsesWithStreamingResponse:
    """``client.responses.with_streaming_response``."""

    def __init__(self, responses: Responses) -> None:
        self.create = lazy(responses.create)
