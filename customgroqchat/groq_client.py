"""GroqClient: the whole of the package behind one object."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from ._asking import Call, Defaults, chat_call
from ._client_copies import ClientCopies
from ._client_questions import ClientQuestions
from ._client_verbs import ClientVerbs
from ._futures import Callback
from ._map import LONGEST_WAIT_S, outcomes
from ._ordering import Priority
from ._process import ForkLock
from ._records import Undisclosed
from ._text_completion import to_chat, to_text_completion
from ._types import NOT_GIVEN, Cap, Messages, NotGiven, Timeout, is_given
from .config_loader import Config, ConfigLoader
from .streaming import Stream
from .types import TextCompletion
from .types.chat import ChatCompletion, ChatCompletionChunk

if TYPE_CHECKING:
    from ._clock import Clock
    from .events import Event
    from .queue_manager import RequestFuture
    from .stores import Store
    from .token_counter import TokenCounter

_CLOSING_S = 5.0

ConfigSource = str | os.PathLike[str] | Mapping[str, Any] | Config | None


G = TypeVar("G", bound="GroqClient")


class GroqClient(ClientQuestions, ClientVerbs, ClientCopies):
    """A client of the Groq Cloud API that waits its turn.

    One client serves all threads of a process. Making one starts no thread and opens no
    connection; close it, or use it in a ``with`` statement, when done.

    Args:
        config: A path, a dict of the same shape, or a loaded configuration. Without it:
            ``GROQ_CONFIG_PATH``, else ``./config.json`` if there is one; and ``.env`` and the
            environment (``GROQ_API_KEY``, ``GROQ_BASE_URL``) in any case.
        api_key: Wins over the configuration, like all that follow.
        base_url: The host, such as ``https://api.groq.com``.
        timeout: Seconds, one number or (connect, read); 5 and 60 by default.
        max_retries: How often a request is sent again after a fault, 2 by default. Waiting for
            quota is no retry, except that with 0 the first refusal is raised.
        max_workers: How many requests are on their way at once.
        max_queue: How many may wait.
        max_wait: Seconds that a blocking call may wait before it is sent, 600 by default.
        ageing_s: Seconds after which a waiting request has gained one priority level, 300 by
            default; ``"off"`` keeps the order strict.
        tag_weights: Shares of tags among the requests of one priority; 1 for tags not named.
        verify: Whether to check certificates, or the path of a CA bundle; wins over the
            environment.
        proxies: Proxy by scheme; wins over the environment.
        default_headers: Headers to send with every request.
        default_query: Fields to send in the query of every request.
        max_response_bytes: Bytes, decompressed, that an answer may have, 64 MiB by default;
            :class:`APIResponseValidationError` beyond.
        max_event_bytes: The same for a single event of a stream, 8 MiB by default.
        strict_models: Refuse models that are not configured.
        expected_completion_tokens: What to set aside for an answer without a cap until some
            answers are known, 1024 by default.
        policy: Room left to other programs on the account: ``"greedy"`` leaves none,
            ``"balanced"`` (the default) what others were seen to use, ``"polite"`` more.
        server_limits: ``"adopt"`` (the default): a limit that the service tells replaces the
            configured one; ``"lower"``: it can only lower it.
        share_limits: Reckon with what other clients of this process use of the same account and
            model, now or before; True by default, unless there is a ``store`` or a ``clock``.
        limits_file: Where to remember told limits between runs; nowhere by default.
        allow_http: Allow addresses without TLS on other machines than this one.
        log_prompts: Write prompts and answers into the log, at level DEBUG.
        token_counter: Counts tokens in place of the built-in counter.
        store: Keeps bucket levels in place of this process's memory.
        clock: Time, for tests.
        on_event: Called with every event of every request; see docs/observability.rst.

    Raises:
        ConfigLoaderException: something in the configuration is wrong; it lists all of it.
    """

    def __init__(
        self,
        config: ConfigSource = None,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: Timeout = None,
        max_retries: int | None = None,
        max_workers: int | None = None,
        max_queue: int | None = None,
        max_wait: float | None = None,
        ageing_s: float | Literal["off"] | None = None,
        tag_weights: Mapping[str, float] | None = None,
        verify: bool | str | None = None,
        proxies: Mapping[str, str] | None = None,
        default_headers: Mapping[str, str] | None = None,
        default_query: Mapping[str, object] | None = None,
        max_response_bytes: int | None = None,
        max_event_bytes: int | None = None,
        strict_models: bool | None = None,
        expected_completion_tokens: int | None = None,
        policy: Literal["greedy", "balanced", "polite"] | None = None,
        server_limits: Literal["adopt", "lower"] | None = None,
        share_limits: bool | None = None,
        limits_file: str | os.PathLike[str] | None = None,
        allow_http: bool | None = None,
        log_prompts: bool | None = None,
        token_counter: TokenCounter | None = None,
        store: Store | None = None,
        clock: Clock | None = None,
        on_event: Callable[[Event], object] | None = None,
    ) -> None:
        self._arguments = Undisclosed(
            {
                "api_key": api_key,
                "base_url": base_url,
                "timeout": timeout,
                "max_retries": max_retries,
                "max_workers": max_workers,
                "max_queue": max_queue,
                "max_wait": max_wait,
                "ageing_s": ageing_s,
                "tag_weights": tag_weights,
                "verify": verify,
                "proxies": proxies,
                "default_headers": default_headers,
                "max_response_bytes": max_response_bytes,
                "max_event_bytes": max_event_bytes,
                "strict_models": strict_models,
                "expected_completion_tokens": expected_completion_tokens,
                "policy": policy,
                "server_limits": server_limits,
                "share_limits": share_limits,
                "limits_file": limits_file,
                "allow_http": allow_http,
                "log_prompts": log_prompts,
            }
        )
        self._config_source = config
        self._reloading = ForkLock()
        loaded = ConfigLoader(config).load(**self._arguments)
        from ._assembly import assemble  # with the first client, and not with the package

        self._parts = parts = assemble(loaded, token_counter, store, clock, on_event)
        self._clock, self._counter, self._limiter, self._api, self._handler = parts.main
        self._observer, self._catalog = parts.observer, parts.catalog
        self._caller = parts.caller(Defaults(query=default_query or {}))

    # --- blocking calls -------------------------------------------------------------------

    @overload
    def chat_completion(
        self, model_name: str, messages: Messages, *, stream: Literal[True], **parameters: Any
    ) -> Stream[ChatCompletionChunk]: ...

    @overload
    def chat_completion(
        self,
        model_name: str,
        messages: Messages,
        *,
        stream: Literal[False] | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        max_completion_tokens: Cap = None,
        priority: Priority | NotGiven = NOT_GIVEN,
        max_wait: float | NotGiven | None = NOT_GIVEN,
        deadline: float | None = None,
        timeout: Timeout = None,
        tag: str | None = None,
        callback: Callback | None = None,
        **parameters: Any,
    ) -> ChatCompletion: ...

    def chat_completion(
        self,
        model_name: str,
        messages: Messages,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        max_completion_tokens: Cap = None,
        priority: Priority | NotGiven = NOT_GIVEN,
        max_wait: float | NotGiven | None = NOT_GIVEN,
        deadline: float | None = None,
        timeout: Timeout = None,
        tag: str | None = None,
        callback: Callback | None = None,
        **parameters: Any,
    ) -> Any:
        """Answer a conversation.

        Blocks until the answer is there: for the time that the rate limits make it wait, at most
        ``max_wait`` seconds, and the time of sending it; ``deadline`` bounds both together. From
        any thread.

        Args:
            model_name: The model, such as ``"openai/gpt-oss-20b"``.
            messages: The conversation: ``{"role": ..., "content": ...}``, oldest first.
            temperature: 0 to 2.
            max_tokens: The old name of ``max_completion_tokens``.
            max_completion_tokens: The most tokens that the answer may have. The service counts
                all of them against the limits until it knows better: a tight cap passes sooner.
                ``"auto"`` fits it to what the limits can let pass; the answer then says in
                ``x_customgroqchat`` what it was and why.
            priority: ``"high"``, ``"normal"`` (the default), ``"low"``, or an integer; smaller is
                sooner.
            max_wait: Seconds that the request may wait before it is sent; None for as long as it
                takes, 0 for not at all. The configured one (600) if left out.
            deadline: Seconds from now in which the call shall have ended, waiting and sending
                together; None for no such bound.
            timeout: Seconds, one number or (connect, read).
            tag: A name for a group of requests; see :meth:`cancel`.
            callback: Called once, in this thread and before the return, with the answer or with
                the error. What it raises is logged.
            **parameters: Whatever else the API knows; passed through. With ``stream=True`` the
                answer is handed over while it is written.

        Returns:
            The answer: a dict with attributes, ``answer.choices[0].message.content``; or, as soon
            as the answer has begun, a :class:`Stream` of :class:`ChatCompletionChunk`.

        Raises:
            InvalidRequestException: something in the request is wrong; nothing was sent.
            TokenLimitExceededException: it can never pass; nothing was sent.
            RateLimitExceededException: ``max_wait`` is too short.
            QueueFullException: the queue stayed full for ``max_wait`` seconds.
            APIError: the service refused or could not be reached; see its subclasses.
            RequestCancelledException: another thread cancelled it.
            ClientClosedException: the client is closed.
        """
        wanted = {
            "temperature": temperature,
            "max_tokens": max_tokens,
            "max_completion_tokens": max_completion_tokens,
            "priority": priority,
            "max_wait": max_wait,
            "deadline": deadline,
            "timeout": timeout,
            "tag": tag,
            "callback": callback,
            **parameters,
        }
        call = self._chat(model_name, messages, wanted)
        return self._caller.chat(call, ChatCompletion.wrap, Stream.of_chat)

    @overload
    def text_completion(
        self, model_name: str, prompt: str, *, stream: Literal[True], **parameters: Any
    ) -> Stream[TextCompletion]: ...

    @overload
    def text_completion(
        self,
        model_name: str,
        prompt: str,
        *,
        stream: Literal[False] | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        max_completion_tokens: Cap = None,
        priority: Priority | NotGiven = NOT_GIVEN,
        max_wait: float | NotGiven | None = NOT_GIVEN,
        deadline: float | None = None,
        timeout: Timeout = None,
        tag: str | None = None,
        callback: Callback | None = None,
        **parameters: Any,
    ) -> TextCompletion: ...

    def text_completion(
        self,
        model_name: str,
        prompt: str,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        max_completion_tokens: Cap = None,
        priority: Priority | NotGiven = NOT_GIVEN,
        max_wait: float | NotGiven | None = NOT_GIVEN,
        deadline: float | None = None,
        timeout: Timeout = None,
        tag: str | None = None,
        callback: Callback | None = None,
        **parameters: Any,
    ) -> Any:
        """Complete a text.

        The service has no such endpoint: the prompt is sent as one user message, so the model
        answers it rather than continuing it. Everything else is as in :meth:`chat_completion`.

        Returns:
            An answer in the shape of a text completion: ``answer.choices[0].text``; or a
            :class:`Stream` of such, each with the next piece.

        Raises:
            InvalidRequestException: also for ``suffix``, ``echo``, ``best_of`` and ``logprobs``,
                which a chat model cannot do.
        """
        wanted = {
            "temperature": temperature,
            "max_tokens": max_tokens,
            "max_completion_tokens": max_completion_tokens,
            "priority": priority,
            "max_wait": max_wait,
            "deadline": deadline,
            "timeout": timeout,
            "tag": tag,
            "callback": callback,
            **parameters,
        }
        call = self._chat(model_name, *to_chat(prompt, wanted))
        return self._caller.chat(call, to_text_completion, Stream.of_text)

    # --- futures --------------------------------------------------------------------------

    def submit(
        self,
        model_name: str,
        messages: Messages,
        *,
        priority: Priority | NotGiven = NOT_GIVEN,
        max_wait: float | NotGiven | None = NOT_GIVEN,
        deadline: float | None = None,
        timeout: Timeout = None,
        tag: str | None = None,
        callback: Callback | None = None,
        **parameters: Any,
    ) -> RequestFuture:
        """Queue a conversation and return its future at once.

        Takes the keywords of :meth:`chat_completion`, except that a request may wait for a day
        (in which every limit flows back) if no ``max_wait`` is given, that a full queue then
        raises at once, and that ``callback`` is called by a thread of the client's, as a rule.
        From any thread, and from callbacks.

        Returns:
            A ``concurrent.futures.Future`` of the answer, or with ``stream=True`` of the
            :class:`Stream`. It can be cancelled until it has ended.

        Raises:
            InvalidRequestException, TokenLimitExceededException, QueueFullException,
            ClientClosedException: as :meth:`chat_completion`; whatever comes later is the future's.
        """
        wanted = {
            "priority": priority,
            "max_wait": max_wait,
            "deadline": deadline,
            "timeout": timeout,
            "tag": tag,
            "callback": callback,
            **parameters,
        }
        call = chat_call(model_name, messages, wanted, self._caller.defaults, LONGEST_WAIT_S)
        waits = is_given(max_wait) and bool(max_wait)
        future = self._queue(call._replace(options=replace(call.options, wait_for_room=waits)))
        return cast("RequestFuture", future)

    def map(
        self,
        requests: Iterable[Mapping[str, Any]],
        *,
        ordered: bool = True,
        look_ahead: int | None = None,
        return_exceptions: bool = False,
        **common: Any,
    ) -> Iterator[Any]:
        """Answer many conversations in parallel; yield the answers as an iterator.

        Takes requests only as fast as they are answered, so that a generator of a million of
        them needs no more memory than one of a hundred. Blocks in ``next()``; the iterator
        belongs to one thread. When it is closed, what has not ended is cancelled. As with
        :meth:`submit`, no request waits for longer than a day unless ``max_wait`` says so.

        Args:
            requests: Mappings of :meth:`submit`'s arguments: ``model_name`` (or ``model``),
                ``messages``, and any keyword.
            ordered: Yield in the order of ``requests``; else whichever is ready.
            look_ahead: How many are begun and not yet yielded; twice the workers by default.
            return_exceptions: Yield a failed request's error in its place. Otherwise it is raised,
                which ends the iteration.
            **common: Arguments for all requests; their own win.

        Raises:
            GroqError: in ``next()``: the error of the request whose turn it is.
        """
        ahead = max(1, 2 * self._config.max_workers if look_ahead is None else look_ahead)
        if self._config.max_queue:
            ahead = min(ahead, self._config.max_queue)
        return outcomes(
            self._queue,
            requests,
            common,
            ordered=ordered,
            look_ahead=ahead,
            return_exceptions=return_exceptions,
            defaults=self._caller.defaults,
        )

    def cancel(self, request: Future[Any] | int | None = None, *, tag: str | None = None) -> int:
        """Cancel requests that have not ended, on their way or not; return how many.

        Their callers get RequestCancelledException at once. What has reached the service may be
        charged. A stream that is open is closed by its own :meth:`Stream.close`. From any thread;
        callbacks are called on this one. Does not block on anything else.

        Args:
            request: A future of :meth:`submit`, or its ``request_id``.
            tag: All requests with this tag.
        """
        if isinstance(request, Future):
            return int(not request.cancelled() and request.cancel())
        return self._handler.queue.cancel(request_id=request, tag=tag)

    # --- life -----------------------------------------------------------------------------

    @property
    def config(self) -> Config:
        """The configuration in use."""
        return self._config

    def reload_config(self, config: ConfigSource = None) -> Config:
        """Read the configuration anew (or another one) and use it from now on.

        Models, limits, keys and addresses change for requests that are submitted later; what is
        queued or on its way is not disturbed. What the client was made of stays: workers, queue
        size, ageing, timeout, retries, proxies, certificates, default headers and the file of
        remembered limits. If the new
        configuration is wrong, the old one stays.

        Raises:
            ConfigLoaderException: something in it is wrong; it lists all of it.
        """
        with self._reloading:
            source = self._config_source if config is None else config
            loaded = ConfigLoader(source).load(**self._arguments)
            self._config_source = source
            self._parts.config = loaded
            self._limiter.use_config(loaded)
            self._handler.use_config(loaded)
        self._handler.queue.look_again()  # limits may be higher now
        return loaded

    def close(self, timeout_s: float = _CLOSING_S) -> None:
        """Close: waiting requests fail, those on their way have ``timeout_s`` seconds to finish.

        Blocks for no longer than that, and a moment. May be called again, and from any thread. A
        client that was made by :meth:`copy` leaves the parts that it shares to the first one.
        """
        if not self._is_copy:
            self._parts.close(timeout_s)

    def is_closed(self) -> bool:
        """Whether it was closed, or the client that it was copied from."""
        return self._parts.is_closed

    def __enter__(self: G) -> G:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Who presses Ctrl-C wants out, and not to wait for answers that nobody will read.
        interrupted = kind is not None and not issubclass(kind, Exception)
        self.close(0.0 if interrupted else _CLOSING_S)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    # --- inside ---------------------------------------------------------------------------

    @property
    def _config(self) -> Config:
        return self._parts.config

    def _chat(self, model: Any, messages: Any, parameters: Mapping[str, Any]) -> Call:
        """Return the call of a chat that blocks."""
        longest_s = self._config.max_wait
        return chat_call(model, messages, parameters, self._caller.defaults, longest_s)

    def _queue(self, call: Call) -> Future[Any]:
        future: Future[Any] = self._caller.queued_chat(call, ChatCompletion.wrap, Stream.of_chat)
        return future
