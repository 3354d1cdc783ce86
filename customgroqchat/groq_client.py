"""GroqClient: the whole of the package behind one object.

This is the only place where the parts are put together.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Literal

from ._clock import Clock
from ._futures import Callback, failed, outcome_of, tell, wait_until_ended
from ._map import map_ordered, map_unordered
from ._objects import ChatCompletion, TextCompletion
from ._ordering import Priority
from ._text import shown
from ._text_completion import to_chat_payload, to_text_completion
from ._types import NOT_GIVEN, NotGiven
from ._validation import chat_payload, check_callback
from .api_client import APIClient, APIRequest, APIResponse, Timeout
from .config_loader import Config, ConfigLoader
from .exceptions import APIConnectionError, GroqError, InvalidRequestException
from .queue_manager import QueueManager, RequestFuture
from .rate_limit_handler import RateLimitHandler
from .request_handler import Convert, RequestHandler, RequestOptions
from .resources.chat import Chat
from .resources.models import Models
from .stores import MemoryStore, Store
from .token_counter import TokenCount, TokenCounter

_log = logging.getLogger(__name__)

_CLOSING_S = 5.0

ConfigSource = str | os.PathLike[str] | Mapping[str, Any] | Config | None
Messages = Sequence[Mapping[str, Any]]


class GroqClient:
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
        verify: Whether to check certificates, or the path of a CA bundle; wins over the
            environment.
        proxies: Proxy by scheme; wins over the environment.
        default_headers: Headers to send with every request.
        strict_models: Refuse models that are not configured.
        expected_completion_tokens: What to set aside for an answer without a cap until some
            answers are known, 1024 by default.
        allow_http: Allow addresses without TLS on other machines than this one.
        token_counter: Counts tokens in place of the built-in counter.
        store: Keeps bucket levels in place of this process's memory.
        clock: Time, for tests.

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
        verify: bool | str | None = None,
        proxies: Mapping[str, str] | None = None,
        default_headers: Mapping[str, str] | None = None,
        strict_models: bool | None = None,
        expected_completion_tokens: int | None = None,
        allow_http: bool | None = None,
        token_counter: TokenCounter | None = None,
        store: Store | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._arguments = {
            "api_key": api_key,
            "base_url": base_url,
            "timeout": timeout,
            "max_retries": max_retries,
            "max_workers": max_workers,
            "max_queue": max_queue,
            "max_wait": max_wait,
            "ageing_s": ageing_s,
            "verify": verify,
            "proxies": proxies,
            "default_headers": default_headers,
            "strict_models": strict_models,
            "expected_completion_tokens": expected_completion_tokens,
            "allow_http": allow_http,
        }
        self._config_source = config
        self._reloading = threading.Lock()
        self._config = ConfigLoader(config).load(**self._arguments)
        self._clock = clock or Clock()
        self._counter = token_counter or TokenCounter()
        self._limiter = RateLimitHandler(self._config, store or MemoryStore(self._clock))
        self._api = APIClient(
            api_key=self._config.api_key,
            base_url=self._config.base_url,
            timeout=self._config.timeout,
            max_retries=self._config.max_retries,
            pool_size=self._config.max_workers,
            verify=self._config.verify,
            proxies=self._config.proxies,
            default_headers=self._config.default_headers,
            clock=self._clock,
        )
        self._handler = RequestHandler(
            self._config,
            counter=self._counter,
            limiter=self._limiter,
            api=self._api,
            make_queue=functools.partial(
                QueueManager,
                max_workers=self._config.max_workers,
                max_queue=self._config.max_queue,
                ageing_s=self._config.ageing_s,
                clock=self._clock,
            ),
            max_retries=self._config.max_retries,
            clock=self._clock,
        )
        self.chat = Chat(self)
        self.models = Models(self._get)

    # --- blocking calls -------------------------------------------------------------------

    def chat_completion(
        self,
        model_name: str,
        messages: Messages,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        max_completion_tokens: int | None = None,
        priority: Priority = "normal",
        max_wait: float | NotGiven | None = NOT_GIVEN,
        timeout: Timeout = None,
        tag: str | None = None,
        callback: Callback | None = None,
        **parameters: Any,
    ) -> ChatCompletion:
        """Answer a conversation.

        Blocks until the answer is there: for the time that the rate limits make it wait, at most
        ``max_wait`` seconds, and the time of sending it. From any thread.

        Args:
            model_name: The model, such as ``"openai/gpt-oss-20b"``.
            messages: The conversation: ``{"role": ..., "content": ...}``, oldest first.
            temperature: 0 to 2.
            max_tokens: The old name of ``max_completion_tokens``.
            max_completion_tokens: The most tokens that the answer may have. The service counts
                all of them against the limits until it knows better: a tight cap passes sooner.
            priority: ``"high"``, ``"normal"``, ``"low"``, or an integer; smaller is sooner.
            max_wait: Seconds that the request may wait before it is sent; None for as long as it
                takes, 0 for not at all. The configured one (600) if left out.
            timeout: Seconds, one number or (connect, read).
            tag: A name for a group of requests; see :meth:`cancel`.
            callback: Called once, in this thread and before the return, with the answer or with
                the error. What it raises is logged.
            **parameters: Whatever else the API knows; passed through.

        Returns:
            The answer: a dict with attributes, ``answer.choices[0].message.content``.

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
            **parameters,
        }
        payload = chat_payload(model_name, messages, wanted)
        options = RequestOptions(priority, self._max_wait(max_wait), timeout, tag)
        answer: ChatCompletion = self._wait_for(payload, options, ChatCompletion.wrap, callback)
        return answer

    def text_completion(
        self,
        model_name: str,
        prompt: str,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        max_completion_tokens: int | None = None,
        priority: Priority = "normal",
        max_wait: float | NotGiven | None = NOT_GIVEN,
        timeout: Timeout = None,
        tag: str | None = None,
        callback: Callback | None = None,
        **parameters: Any,
    ) -> TextCompletion:
        """Complete a text.

        The service has no such endpoint: the prompt is sent as one user message, so the model
        answers it rather than continuing it. Everything else is as in :meth:`chat_completion`.

        Returns:
            An answer in the shape of a text completion: ``answer.choices[0].text``.

        Raises:
            InvalidRequestException: also for ``suffix``, ``echo``, ``best_of`` and ``logprobs``,
                which a chat model cannot do.
        """
        wanted = {
            "temperature": temperature,
            "max_tokens": max_tokens,
            "max_completion_tokens": max_completion_tokens,
            **parameters,
        }
        payload = to_chat_payload(model_name, prompt, wanted)
        options = RequestOptions(priority, self._max_wait(max_wait), timeout, tag)
        answer: TextCompletion = self._wait_for(payload, options, to_text_completion, callback)
        return answer

    # --- futures --------------------------------------------------------------------------

    def submit(
        self,
        model_name: str,
        messages: Messages,
        *,
        priority: Priority = "normal",
        max_wait: float | None = None,
        timeout: Timeout = None,
        tag: str | None = None,
        callback: Callback | None = None,
        **parameters: Any,
    ) -> RequestFuture:
        """Queue a conversation and return its future at once.

        Takes the keywords of :meth:`chat_completion`, except that a request waits as long as it
        takes if no ``max_wait`` is given, that a full queue then raises at once, and that
        ``callback`` is called by whichever thread ends the request: a worker, as a rule. From any
        thread, and from callbacks.

        Returns:
            A ``concurrent.futures.Future`` of the answer. It can be cancelled until it is sent.

        Raises:
            InvalidRequestException, TokenLimitExceededException, QueueFullException,
            ClientClosedException: as :meth:`chat_completion`; whatever comes later is the future's.
        """
        options = RequestOptions(
            priority, max_wait, timeout, tag, wait_for_room=max_wait is not None
        )
        return self._queue(model_name, messages, parameters, options, callback)

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
        belongs to one thread. When it is closed, what was not sent is cancelled.

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
        run = map_ordered if ordered else map_unordered
        start = functools.partial(self._queued_or_failed, _with_model_name(common))
        with contextlib.closing(run(start, requests, ahead)) as futures:
            for future in futures:
                outcome = outcome_of(future)
                if isinstance(outcome, BaseException) and not return_exceptions:
                    raise outcome
                yield outcome

    def cancel(self, request: Future[Any] | int | None = None, *, tag: str | None = None) -> int:
        """Cancel requests that were not sent yet; return how many.

        From any thread; their callbacks are called on this one. Does not block on anything else.

        Args:
            request: A future of :meth:`submit`, or its ``request_id``.
            tag: All requests with this tag.
        """
        if isinstance(request, Future):
            return int(not request.cancelled() and request.cancel())
        return self._handler.queue.cancel(request_id=request, tag=tag)

    # --- questions ------------------------------------------------------------------------

    def count_tokens(self, messages_or_text: Messages | str, model_name: str = "") -> TokenCount:
        """Return the tokens that a conversation, or a text sent as one message, will cost.

        Does not block on anything but a file read the first time. The result is an int that also
        says whether it is exact, and its margin. From any thread.

        Raises:
            TypeError: it is neither a string nor a list of messages.
        """
        if isinstance(messages_or_text, str):
            return self._counter.count_prompt(messages_or_text, model_name or None)
        return self._counter.count_messages(messages_or_text, model_name or None)

    def get_queue_status(self) -> dict[str, Any]:
        """Return what is queued and in flight, by model; see :meth:`QueueManager.status`.

        Does not block; from any thread. Of the lanes, each is named by its model (and account,
        if several accounts use the model).
        """
        status = self._handler.queue.status()
        lanes = status["lanes"]
        accounts = Counter(scope.model for scope in lanes)
        status["lanes"] = {
            scope.model if accounts[scope.model] == 1 else f"{scope.model}@{scope.account}": lane
            for scope, lane in lanes.items()
        }
        return status

    def get_available_models(self) -> list[str]:
        """Return the names of the models that can be used: configured ones first.

        Unless the configuration is strict, it asks the service, which blocks for one request. If
        it cannot be reached, and models are configured, those are returned, with a warning in
        the log.

        Raises:
            APIError: the service refused, or could not be reached and no model is configured.
        """
        configured = list(self._config.models)
        if self._config.strict_models:
            return configured
        try:
            served = [model.id for model in self.models.list().data if model.active is not False]
        except APIConnectionError as error:
            if not configured:
                raise
            _log.warning("only configured models are listed: %s", error)
            served = []
        return configured + sorted(set(served) - set(configured))

    def check_model_limits(self, model_name: str) -> dict[str, Any]:
        """Return the limits of a model as known now. Sends nothing; from any thread.

        Returns:
            ``model``, ``context_window`` (tokens or None), ``max_completion_tokens`` (or None),
            and ``limits``: by dimension (``"RPM"``, ``"RPD"``, ``"TPM"``, ``"TPD"``, ...) a dict
            of ``limit``, ``remaining``, ``window_s`` and ``source``, which is ``"configured"``,
            ``"server"``, or ``"preset"`` for a guess. A dimension that is not there is unlimited
            or not known.

        Raises:
            ModelNotFoundException: the configuration is strict and does not know the model.
        """
        settings = self._config.model(model_name)
        status = self._limiter.status(self._limiter.scope(model_name))
        return {
            "model": model_name,
            "context_window": settings.context_window,
            "max_completion_tokens": settings.max_completion_tokens,
            "limits": {name: limit.to_dict() for name, limit in status.items()},
        }

    # --- life -----------------------------------------------------------------------------

    @property
    def config(self) -> Config:
        """The configuration in use."""
        return self._config

    def reload_config(self, config: ConfigSource = None) -> Config:
        """Read the configuration anew (or another one) and use it from now on.

        Models, limits, keys and addresses change for requests that are submitted later; what is
        queued or on its way is not disturbed. What the client was made of stays: workers, queue
        size, ageing, timeout, retries, proxies, certificates and default headers. If the new
        configuration is wrong, the old one stays.

        Raises:
            ConfigLoaderException: something in it is wrong; it lists all of it.
        """
        with self._reloading:
            source = self._config_source if config is None else config
            loaded = ConfigLoader(source).load(**self._arguments)
            self._config_source = source
            self._config = loaded
            self._limiter.use_config(loaded)
            self._handler.use_config(loaded)
        self._handler.queue.look_again()  # limits may be higher now
        return loaded

    def close(self, timeout_s: float = _CLOSING_S) -> None:
        """Close: waiting requests fail, those on their way have ``timeout_s`` seconds to finish.

        Blocks for no longer than that. May be called again, and from any thread.
        """
        try:
            self._handler.queue.close(timeout_s)
        finally:
            self._api.close()

    def __enter__(self) -> GroqClient:
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
        return f"GroqClient(base_url={self._config.base_url!r})"

    # --- inside ---------------------------------------------------------------------------

    def _max_wait(self, max_wait: float | NotGiven | None) -> float | None:
        return self._config.max_wait if isinstance(max_wait, NotGiven) else max_wait

    def _wait_for(
        self,
        payload: Mapping[str, Any],
        options: RequestOptions,
        convert: Convert,
        callback: Callback | None,
    ) -> Any:
        check_callback(callback)
        future = self._handler.submit(payload, options, convert)
        try:
            wait_until_ended(future)
        except BaseException:  # such as KeyboardInterrupt: nobody waits for the answer any more
            future.cancel()
            raise
        if callback is not None:
            tell(callback, future)
        outcome = outcome_of(future)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _queue(
        self,
        model_name: Any,
        messages: Any,
        parameters: Mapping[str, Any],
        options: RequestOptions,
        callback: Callback | None,
    ) -> RequestFuture:
        check_callback(callback)
        payload = chat_payload(model_name, messages, parameters)
        future = self._handler.submit(payload, options, ChatCompletion.wrap)
        if callback is not None:
            future.add_done_callback(functools.partial(tell, callback))
        return future

    def _queued_or_failed(
        self, common: Mapping[str, Any], request: Mapping[str, Any]
    ) -> Future[Any]:
        """Queue one request of a map; what is wrong with it is its outcome."""
        try:
            arguments = {**common, **_with_model_name(request)}
            return self._queue(
                arguments.pop("model_name", None),
                arguments.pop("messages", None),
                options=_options_out_of(arguments),
                callback=arguments.pop("callback", None),
                parameters=arguments,
            )
        except GroqError as error:
            return failed(error)

    def _get(self, path: str) -> list[APIResponse]:
        """Ask every account that is configured; where no model is, the client's own."""
        config = self._config
        accounts = {(model.base_url, model.api_key): None for model in config.models.values()}
        return [
            self._api.send(APIRequest("GET", path, base_url=base_url, api_key=api_key))
            for base_url, api_key in accounts or {(config.base_url, config.api_key): None}
        ]


def _with_model_name(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request of a map under the names of ``submit``: ``model`` is ``model_name``."""
    if not isinstance(request, Mapping):
        raise InvalidRequestException(
            f"A request cannot be {shown(request)}.",
            field="requests",
            value=shown(request),
            hint="Give a mapping with model and messages.",
        )
    if "model" in request and "model_name" in request:
        raise InvalidRequestException(
            "A request has both model and model_name.",
            field="model",
            value=shown(request["model"]),
            hint="Leave one of them out.",
        )
    return {("model_name" if name == "model" else name): value for name, value in request.items()}


def _options_out_of(arguments: dict[str, Any]) -> RequestOptions:
    """Take the options of this client out of a request's arguments."""
    names = ("priority", "max_wait", "timeout", "tag")
    return RequestOptions(**{name: arguments.pop(name) for name in names if name in arguments})
