"""A Groq service on the loopback interface, for tests, benchmarks and trying things out.

It is written from what the real service does and shares no code with the client, so that both
cannot be wrong in the same way. It needs nothing but the standard library.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Set
from types import MappingProxyType, TracebackType
from typing import Any, Literal, get_args
from urllib.parse import unquote

from ._sim_buckets import Charging, Ledger
from ._sim_chat import ChatService, Latency, Payload
from ._sim_controls import Gate, RequestLog, RequestRecord
from ._sim_damage import as_reply, failure_body
from ._sim_faults import FAULT_KINDS, FaultQueue, Interruption, RequestFault
from ._sim_http import HttpServer, Reply, Request
from ._sim_models import LIVE_MODELS, SimulatedModel, as_models
from ._sim_tokens import count_prompt_tokens
from ._sim_validation import find_model, invalid_api_key, json_object, parse_payload, unknown_url
from ._sim_wire import ApiError, request_id, to_json

__all__ = [
    "FAULT_KINDS",
    "LIVE_MODELS",
    "Gate",
    "RequestRecord",
    "SimulatedGroq",
    "SimulatedModel",
]

Hook = Callable[[dict[str, Any] | None, dict[str, str]], tuple[int, Mapping[str, str], Any] | None]

_API = "/openai/v1"


class SimulatedGroq:
    """An HTTP server that behaves as the Groq API does, with its limits, headers and errors.

    Use it as a context manager or call :meth:`start` and :meth:`stop`. The API is served under
    ``url + "/openai/v1"``: chat completions (streamed or not) and the list of models. All methods
    may be called from any thread; only ``stop`` and the ``wait…`` methods block.

    Equal requests get equal texts. Each API key is an organisation of its own with one bucket per
    model and limit; buckets refill continuously, and levels may go below zero on settlement.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        models: Mapping[str, SimulatedModel | Mapping[str, Any]] | None = None,
        limits: Mapping[str, int] | None = None,
        latency_s: Latency = 0.0,
        tokens_per_second: float | None = None,
        completion_tokens: int | Callable[[Payload], int] = 32,
        reasoning_tokens: int = 0,
        cached_tokens: int | Callable[[Payload], int] = 0,
        count_tokens: Callable[[Payload], int] = count_prompt_tokens,
        charging: Charging = "prompt+cap",
        refund: bool = True,
        headers_at: Literal["admission", "end"] = "admission",
        start_level: float | Mapping[str, float] = 1.0,
        api_keys: Set[str] | None = None,
        rejected_keys: Set[str] = frozenset(),
        faults: Mapping[str, float] = MappingProxyType({}),
        drip_s: float = 0.05,
        on_request: Hook | None = None,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
        record_limit: int = 10_000,
    ) -> None:
        """Configure a server; nothing is bound before :meth:`start`.

        Args:
            host: The address to bind.
            port: The port to bind; 0 takes a free one.
            models: Model id to SimulatedModel or a mapping of its fields. Default: the live
                models with the published base limits.
            limits: Limits by code (RPM, RPD, TPM, TPD, ITPM, OTPM) that replace those of every
                model; a code that is absent is unlimited.
            latency_s: Seconds between admission and answer, for real whatever ``clock`` says: a
                number, a range to draw from, or a callable given the payload.
            tokens_per_second: Speed of writing, on top of ``latency_s``; None is at once.
            completion_tokens: Output tokens of an answer unless the request's cap is lower
                (then ``finish_reason`` is "length"), or a callable given the payload.
            reasoning_tokens: How many of them a reasoning model spends on its reasoning.
            cached_tokens: Prompt tokens reported as cached and not charged in the end.
            count_tokens: Counts the prompt's tokens of a payload.
            charging: What admission costs: "prompt+cap" (prompt + 1 without a cap), "prompt"
                (prompt + 1 always) or "expected" (prompt + the longest of the latest answers).
            refund: Settle to the actual use on completion; False keeps the larger of both.
            headers_at: When the levels in the headers were read.
            start_level: How full new buckets are, as a fraction, or fractions by code.
            api_keys: The keys that are accepted; None accepts any.
            rejected_keys: Keys that get a 401 in any case.
            faults: Probability by kind of fault; each request meets at most one, drawn from
                ``rng``. The kinds are those of :meth:`fault_next`.
            drip_s: Seconds before each byte of an answer that drips, for real.
            on_request: Given the payload (None without a JSON object) and the lower-case
                headers; returns (status, headers, body) to answer instead of the simulator, or
                None. The body is bytes, text, a JSON object, or an iterable of chunks to stream.
            clock: Returns seconds; drives the buckets, timestamps and request ids.
            rng: Source of chance for identifiers, latencies and faults.
            record_limit: How many requests are remembered.

        Raises:
            ValueError: A limit's code, ``charging``, ``headers_at`` or a kind of fault is unknown,
                or the probabilities of faults are no probabilities.
        """
        if charging not in get_args(Charging) or headers_at not in ("admission", "end"):
            raise ValueError(f"unknown charging {charging!r} or headers_at {headers_at!r}")
        self._host, self._port = host, port
        self._models = as_models(models, limits)
        self._api_keys, self._rejected_keys = api_keys, rejected_keys
        self._on_request, self._drip_s = on_request, drip_s
        self._clock, self._epoch_s = clock, time.time() - clock()
        self._rng = rng or random.Random()
        self._log = RequestLog(record_limit)
        self._chat = ChatService(
            models=self._models,
            ledger=Ledger(clock, charging, refund, start_level),
            gate=Gate(),
            faults=FaultQueue(faults, self._rng),
            stopping=threading.Event(),
            rng=self._rng,
            wall_clock=lambda: self._epoch_s + clock(),
            count_tokens=count_tokens,
            completion_tokens=completion_tokens,
            reasoning_tokens=reasoning_tokens,
            cached_tokens=cached_tokens,
            latency_s=latency_s,
            tokens_per_second=tokens_per_second,
            headers_at=headers_at,
        )
        self._ledger, self._gate = self._chat.ledger, self._chat.gate
        self._faults, self._stopping = self._chat.faults, self._chat.stopping
        self._http: HttpServer | None = None

    # ------------------------------------------------------------------ life

    def start(self) -> SimulatedGroq:
        """Bind and serve in daemon threads; raises OSError when the port is taken."""
        if self._http is None:
            self._stopping.clear()
            self._http = HttpServer(self._host, self._port, self._handle)
        return self

    def stop(self) -> None:
        """Close the listener and every connection, also those in the middle of an answer."""
        http, self._http = self._http, None
        if http is not None:
            self._stopping.set()
            self._gate.release()
            http.stop()

    def __enter__(self) -> SimulatedGroq:
        """Start the server."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self.stop()

    @property
    def url(self) -> str:
        """The base address, such as ``http://127.0.0.1:43211``; RuntimeError before start."""
        if self._http is None:
            raise RuntimeError("the simulator is not running")
        host, port = self._http.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    # ------------------------------------------------------- for tests: looking

    @property
    def requests(self) -> list[RequestRecord]:
        """The latest requests, oldest first; see ``record_limit``."""
        return self._log.records()

    @property
    def open_connections(self) -> int:
        """Connections that clients hold at present."""
        return 0 if self._http is None else self._http.open_connections

    def count(self, status: int | None = None) -> int:
        """Answers with ``status`` (0: none was given), or all requests that have arrived."""
        return self._log.count(status)

    def levels(self, model: str, key: str | None = None) -> dict[str, float]:
        """The present levels of a model's buckets, by limit code.

        Without ``key`` those of the only key that has used the model, or of a fresh one.

        Raises:
            KeyError: The model is unknown.
            ValueError: Several keys have used the model and none was named.
        """
        keys = self._ledger.keys(model)
        if key is None and len(keys) > 1:
            raise ValueError(f"several keys have used {model}: name one")
        owner = key if key is not None else next(iter(keys), "")
        return self._ledger.levels(owner, model, self._models[model].limits)

    def wait_for_requests(self, number: int, timeout_s: float = 5.0) -> bool:
        """Block until ``number`` requests have arrived; False when time runs out first."""
        return self._log.wait_for(number, timeout_s)

    def wait_for_connections(self, number: int, timeout_s: float = 5.0) -> bool:
        """Block until exactly ``number`` connections are open; False when time runs out first.

        Zero waits for clients to close theirs.
        """
        http = self._http
        return number == 0 if http is None else http.wait_for_connections(number, timeout_s)

    # ---------------------------------------------------- for tests: provoking

    def fail_next(
        self,
        status: int,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
    ) -> None:
        """Answer the next ``times`` requests, whatever they ask, with this.

        ``body`` is bytes, text or a JSON object; by default an error envelope of that status.
        """
        content = failure_body(status) if body is None else body
        fault = RequestFault("fail_next", lambda: as_reply(status, headers, content))
        self._faults.add_fault(fault, times)

    def fault_next(self, kind: str, times: int = 1, *, after_pieces: int = 1) -> None:
        """Let the next ``times`` requests meet a fault, such as ``"reset"`` or ``"drip"``.

        ``docs/testing.rst`` tells what the kinds, ``FAULT_KINDS``, do and which of them are
        charged. Those that begin with ``stream_`` wait for streams that are admitted, and happen
        after ``after_pieces`` pieces of text.

        Raises:
            ValueError: The kind is unknown.
        """
        self._faults.add(kind, times, after_pieces)

    def set_faults(self, faults: Mapping[str, float]) -> None:
        """Let chance bring these from now on, as the argument ``faults`` did; none with ``{}``.

        Raises:
            ValueError: As for the argument.
        """
        self._faults.set_odds(faults)

    def drop_next(self, times: int = 1) -> None:
        """Close the connections of the next ``times`` requests without an answer."""
        self.fault_next("drop", times)

    def interrupt_next_stream(
        self, after_pieces: int = 1, error: Mapping[str, Any] | None = None, times: int = 1
    ) -> None:
        """Break the next ``times`` streams after some pieces of text, 0 for none at all.

        With ``error`` (message, type, code, …) the stream ends in an ``event: error`` frame,
        without it the connection is cut. The pieces that got out are charged.
        """
        kind = "stream_cut" if error is None else "stream_error"
        self._faults.add_interruption(Interruption(kind, after_pieces, error), times)

    def hold(self) -> Gate:
        """Hold back the answers of all chat requests that are admitted from now on.

        Returns a context manager at whose end they are answered; it also has ``held``,
        ``wait_until_held(number)`` and ``release(number)``.
        """
        self._gate.close()
        return self._gate

    def release(self) -> None:
        """Answer everything that :meth:`hold` holds back."""
        self._gate.release()

    def reset(self) -> None:
        """Fill all buckets to their start level, forget requests and faults, open the gate.

        The probabilities of faults stay.
        """
        self._ledger.clear()
        self._log.clear()
        self._faults.clear()
        self._gate.release()

    # ------------------------------------------------------------------ serving

    def _handle(self, request: Request) -> Reply:
        record = self._record(request)
        self._log.arrive(record)
        fault = self._faults.next_fault()
        record.fault = fault.kind
        reply = self._guarded_reply(request, record, fault)
        reply.headers = self._common_headers(record) | dict(reply.headers)
        if fault.damage is not None:
            reply = fault.damage(reply, lambda: self._chat.pause(self._drip_s))
        self._log.answer(record, reply.status)
        return reply

    def _record(self, request: Request) -> RequestRecord:
        now = self._clock()
        identifier = request_id(self._epoch_s + now, self._rng)
        return RequestRecord(now, request.method, request.path, request.headers, identifier)

    def _common_headers(self, record: RequestRecord) -> dict[str, str]:
        return {
            "content-type": "application/json",
            "cache-control": "private, max-age=0, no-store, no-cache, must-revalidate",
            "server": "customgroqchat-simulator",
            "vary": "Origin",
            "x-groq-region": "loopback",
            "x-request-id": record.request_id,
        }

    def _guarded_reply(self, request: Request, record: RequestRecord, fault: RequestFault) -> Reply:
        try:
            return self._reply(request, record, fault)
        except ApiError as error:
            return Reply(error.status, error.headers, error.body())
        except ConnectionError:
            raise
        except Exception as error:
            # A callable of the test's own has failed: the client shall see which.
            return Reply(500, body=ApiError(500, repr(error), "internal_server_error").body())

    def _reply(self, request: Request, record: RequestRecord, fault: RequestFault) -> Reply:
        record.payload = json_object(request.body)
        record.model = (record.payload or {}).get("model")
        if fault.instead is not None:
            return fault.instead()
        scripted = self._on_request and self._on_request(record.payload, request.headers)
        return as_reply(*scripted) if scripted else self._route(request, record)

    def _route(self, request: Request, record: RequestRecord) -> Reply:
        asked = (request.method, request.path)
        if asked == ("POST", f"{_API}/chat/completions"):
            self._authenticate(request, record)
            return self._chat.serve(parse_payload(request.body), record)
        if asked == ("GET", f"{_API}/models"):
            self._authenticate(request, record)
            return Reply(200, body=to_json(self._listing()))
        if request.method == "GET" and request.path.startswith(f"{_API}/models/"):
            self._authenticate(request, record)
            return self._one_model(request.path.removeprefix(f"{_API}/models/"))
        raise unknown_url(request.method, request.path)

    def _authenticate(self, request: Request, record: RequestRecord) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        known = self._api_keys is None or key in self._api_keys
        if scheme.lower() != "bearer" or not key or key in self._rejected_keys or not known:
            raise invalid_api_key()
        record.key = key

    def _listing(self) -> dict[str, Any]:
        active = [(name, model) for name, model in self._models.items() if model.status == "active"]
        return {"object": "list", "data": [model.listing(name) for name, model in active]}

    def _one_model(self, model_id: str) -> Reply:
        name = model_id if model_id in self._models else unquote(model_id)
        return Reply(200, body=to_json(find_model(self._models, name).listing(name)))
