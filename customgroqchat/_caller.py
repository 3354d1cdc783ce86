"""Caller: one call, from what it asks for to its result.

All resources of a client go through it: what counts for limits by way of the queue, everything
else straight to the service, on the thread that asks.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple

from ._asking import Call, Defaults
from ._bodies import DirectBody, FedBody
from ._chain import Chain, ChainFuture
from ._endpoints import CHAT
from ._fallbacks import chain_of
from ._faults import not_understood
from ._futures import failed, result_of, succeeded, tell
from ._http import JSON, HTTPResponse
from ._objects import APIAnswer
from ._records import AnswerFacts, Headers
from ._response import (
    APIResponse,
    BinaryAPIResponse,
    StreamedAPIResponse,
    StreamedBinaryAPIResponse,
)
from ._surroundings import warn_if_in_event_loop

if TYPE_CHECKING:
    from ._clock import Clock
    from ._endpoints import Endpoint
    from ._feed import Feed
    from ._multipart import Upload
    from ._options import RequestOptions
    from ._work import Convert
    from .api_client import APIClient, APIRequest
    from .config_loader import Config
    from .request_handler import RequestHandler


#: Returns the form to be sent, for a model.
MakeUpload = Callable[[str], "Upload"]


class Form(enum.Enum):
    """In what form an answer is wanted."""

    PARSED = "what it says"
    RAW = "what it says, with its HTTP around it"
    LAZY = "the same, read when it is asked for"


class Reply(NamedTuple):
    """What becomes of an answer.

    Attributes:
        whole: Makes the result out of its JSON; None if it is no JSON but bytes.
        stream: Makes the result out of a stream's feed; None if it cannot be streamed.
        form: In what form it is wanted.
    """

    whole: Convert | None
    stream: Convert | None = None
    form: Form = Form.PARSED

    @property
    def response_class(self) -> type[APIResponse[Any]]:
        """What is around it, where HTTP is to be."""
        if self.whole is None:
            return StreamedBinaryAPIResponse if self.form is Form.LAZY else BinaryAPIResponse
        return StreamedAPIResponse if self.form is Form.LAZY else APIResponse


class Caller:
    """Makes the calls of a client. May be used from any thread.

    Args:
        handler: For what counts for limits.
        api: For everything else.
        clock: Where the time comes from.
        config: Returns the configuration in use.
        defaults: What holds for all calls unless they say otherwise.
    """

    def __init__(
        self,
        handler: RequestHandler,
        api: APIClient,
        clock: Clock,
        config: Callable[[], Config],
        defaults: Defaults,
    ) -> None:
        self._handler = handler
        self._api = api
        self.clock = clock
        self.config = config
        self.defaults = defaults

    def with_defaults(self, defaults: Defaults) -> Caller:
        """Return another one for the same parts."""
        return Caller(self._handler, self._api, self.clock, self.config, defaults)

    @property
    def base_url(self) -> str:
        """The host that requests are sent to, unless their model has another."""
        own: str | None = self.defaults.options.get("base_url")
        return own or self.config().base_url

    # --- chats ----------------------------------------------------------------------------

    def chat(self, call: Call, whole: Convert, stream: Convert) -> Any:
        """Answer a conversation; see :meth:`paced`."""
        return self.paced(CHAT, call, Reply(whole, stream))

    def queued_chat(self, call: Call, whole: Convert, stream: Convert) -> Any:
        """Have a conversation answered later; see :meth:`queued`."""
        return self.queued(CHAT, call, Reply(whole, stream))

    # --- what counts for limits -----------------------------------------------------------

    def paced(
        self, endpoint: Endpoint, call: Call, reply: Reply, make_upload: MakeUpload | None = None
    ) -> Any:
        """Queue a request, and return its result. Blocks until it is there.

        Raises what :meth:`RequestHandler.submit` raises, and what the request ends with.
        """
        warn_if_in_event_loop()
        if not call.options.fallbacks:
            submit = functools.partial(self._submitted, endpoint, reply, make_upload)
            return result_of(submit(call.payload, call.options), call.callback)
        chain = self._chain(endpoint, call, reply, make_upload)
        first = chain.begin()
        try:
            outcome = chain.run(first, result_of)
        except Exception as error:
            if call.callback is not None:
                tell(call.callback, failed(error))
            raise
        if call.callback is not None:
            tell(call.callback, succeeded(outcome))
        return outcome

    def queued(
        self, endpoint: Endpoint, call: Call, reply: Reply, make_upload: MakeUpload | None = None
    ) -> Any:
        """Queue a request, and return the future of its result; raises as :meth:`paced` does."""
        future: Future[Any]
        if call.options.fallbacks:
            future = ChainFuture(self._chain(endpoint, call, reply, make_upload))
        else:
            future = self._submitted(endpoint, reply, make_upload, call.payload, call.options)
        if call.callback is not None:
            future.add_done_callback(functools.partial(tell, call.callback))
        return future

    def _chain(
        self, endpoint: Endpoint, call: Call, reply: Reply, make_upload: MakeUpload | None
    ) -> Chain:
        models = chain_of(call.payload.get("model", ""), call.options.fallbacks)
        submit = functools.partial(self._submitted, endpoint, reply, make_upload)
        return Chain(submit, call, models, self.clock)

    def _submitted(
        self,
        endpoint: Endpoint,
        reply: Reply,
        make_upload: MakeUpload | None,
        payload: Mapping[str, Any],
        options: RequestOptions,
    ) -> Future[Any]:
        is_stream = reply.stream is not None and bool(payload.get("stream"))
        is_lazy = reply.whole is None and reply.form is Form.LAZY
        present, convert = None, reply.stream if is_stream else reply.whole
        if is_lazy or (is_stream and reply.form is not Form.PARSED):
            convert = functools.partial(self._open_response, endpoint, reply, is_stream)
        elif reply.form is not Form.PARSED or reply.whole is None:
            is_closed = reply.form is not Form.LAZY
            present = functools.partial(reply.response_class.whole, is_closed=is_closed)
        return self._handler.submit(
            payload,
            options,
            convert or _content_of,
            endpoint,
            present=present,
            upload=None if make_upload is None else make_upload(payload["model"]),
            is_stream=is_stream or is_lazy,
            sends_null=True,
        )

    def _open_response(
        self, endpoint: Endpoint, reply: Reply, is_stream: bool, feed: Feed
    ) -> APIResponse[Any]:
        """Return a response whose body is on its way."""
        body = FedBody(feed, endpoint.collector())
        response = HTTPResponse(
            feed.response.status_code,
            feed.facts.headers,
            request=self._api.described(feed.work.request),
            elapsed_s=feed.facts.history[-1].took_s if feed.facts.history else 0.0,
        )

        def parse(read: APIResponse[Any]) -> Any:
            return body.read_by(reply.stream) if is_stream and reply.stream else read.read()

        return reply.response_class(response, body, parse, feed.facts)

    # --- everything else ------------------------------------------------------------------

    def direct(self, method: str, path: str, call: Call, reply: Reply, **more: Any) -> Any:
        """Send a request that counts for no limit, and return its result. Blocks.

        Args:
            method: ``"GET"``, ``"POST"``, ...
            path: Below the API's prefix.
            call: What is wanted of this client; its payload is not looked at.
            reply: What becomes of the answer.
            **more: Further fields of :class:`APIRequest`.

        Raises:
            APIError: the service refused or could not be reached.
        """
        warn_if_in_event_loop()
        call.check()
        is_raw = reply.form is not Form.PARSED
        request = self.request(method, path, call.options, is_raw=is_raw, **more)
        if reply.whole is None and reply.form is Form.LAZY:
            return self._opened(request, reply)
        response, history = self._api.send_told(request)
        facts = self._facts(response.headers, history, request)
        told = response._replace(headers=facts.headers)
        content = reply.whole or _content_of

        def parse() -> Any:
            if request.accept != JSON:
                return content(told)
            try:
                result = content(response.data)
            except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as fault:
                raise not_understood(response, request.api_key) from fault
            return result.note(facts) if isinstance(result, APIAnswer) else result

        if reply.form is Form.PARSED and reply.whole is not None:
            return parse()
        is_closed = reply.form is not Form.LAZY
        return reply.response_class.whole(told, parse, facts, is_closed=is_closed)

    def request(self, method: str, path: str, options: RequestOptions, **more: Any) -> APIRequest:
        """Return a request with what is wanted of this client."""
        from .api_client import APIRequest  # there, as soon as there is a client

        config, deadline_s = self.config(), None
        if options.deadline is not None:
            deadline_s = self.clock.monotonic() + options.deadline
        fields = {
            "base_url": options.base_url or config.base_url,
            "api_key": options.api_key or config.api_key,
            "timeout": options.timeout,
            "deadline_s": deadline_s,
            "query": options.query,
            "headers": options.headers,
            "max_retries": options.max_retries,
        }
        return APIRequest(method, path, **{**fields, **more})

    def _opened(self, request: APIRequest, reply: Reply) -> APIResponse[Any]:
        incoming, history = self._api.send_open(request)
        facts = self._facts(incoming.headers, history, request)
        response = HTTPResponse(
            incoming.status,
            facts.headers,
            request=self._api.described(request),
            elapsed_s=history[-1].took_s,
        )
        return reply.response_class(
            response, DirectBody(incoming, self._api.max_response_bytes), lambda r: r.read(), facts
        )

    def _facts(self, headers: Mapping[str, str], history: Any, request: APIRequest) -> AnswerFacts:
        told = headers if isinstance(headers, Headers) else Headers(headers)
        clean = told.without_secret(request.api_key)
        return AnswerFacts(clean.get("x-request-id"), clean, 0.0, history)


def _content_of(response: HTTPResponse) -> bytes:
    return response.content
