"""A Groq service on the loopback interface, for tests, benchmarks and trying things out.

It is written from what the real service does and shares no code with the client, so that both
cannot be wrong in the same way. It needs nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping, Set
from types import MappingProxyType, TracebackType
from typing import Any, Literal, get_args
from urllib.parse import parse_qs

from ._sim_api import Api
from ._sim_backend import Backend, Latency, Payload
from ._sim_batches import BatchEnd
from ._sim_buckets import Charging, Ledger
from ._sim_chat import ChatService
from ._sim_controls import Gate, RequestLog, RequestRecord
from ._sim_damage import as_reply
from ._sim_faults import FAULT_KINDS, FaultQueue, RequestFault
from ._sim_http import HttpServer, Reply, Request
from ._sim_model import SimulatedModel
from ._sim_models import LIVE_MODELS, Retired, as_models
from ._sim_multipart import Upload
from ._sim_provoking import Provoking
from ._sim_routes import Call, parsed_body
from ._sim_script import Answers, Script
from ._sim_tokens import count_prompt_tokens
from ._sim_validation import invalid_api_key
from ._sim_wire import ApiError

__all__ = [
    "FAULT_KINDS",
    "LIVE_MODELS",
    "Gate",
    "RequestRecord",
    "SimulatedGroq",
    "SimulatedModel",
    "Upload",
]

Hook = Callable[[dict[str, Any] | None, dict[str, str]], tuple[int, Mapping[str, str], Any] | None]


class SimulatedGroq(Provoking):
    """An HTTP server that behaves as the Groq API does, with its limits, headers and errors.

    Use it as a context manager or call :meth:`start` and :meth:`stop`. The API is served under
    ``url + "/openai/v1"``: chat completions and responses (streamed or not), embeddings, audio,
    models, files and batches. All methods may be called from any thread; only ``stop`` and the
    ``wait…`` methods block.

    Equal requests get equal texts, unless answers were written for them. Each API key is an
    organisation of its own with one bucket per model and limit; buckets refill continuously, and
    levels may go below zero on settlement.
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
        answers: Answers | None = None,
        call_tools: bool | Collection[str] = False,
        retired: Retired = (),
        batch_steps: int = 1,
        batch_end: BatchEnd = "completed",
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
                models with the published base limits, and, unlisted, some that programs still
                name.
            limits: Limits by code (RPM, RPD, TPM, TPD, ITPM, OTPM, ASH, ASD) that replace those
                of every model; a code that is absent is unlimited.
            latency_s: Seconds between admission and answer, for real whatever ``clock`` says: a
                number, a range to draw from, or a callable given the payload.
            tokens_per_second: Speed of writing, on top of ``latency_s``; None is at once.
            completion_tokens: Output tokens of an answer unless the request's cap is lower
                (then ``finish_reason`` is "length"), or a callable given the payload.
            reasoning_tokens: How many of them a reasoning model spends on its reasoning.
            cached_tokens: Prompt tokens reported as cached and not charged in the end.
            count_tokens: Counts the prompt's tokens of a payload.
            answers: What chats and responses are answered, in order, then or where it gives None
                as always: texts and messages as in :meth:`answer_next`, or a callable given the
                payload of the chat.
            call_tools: Whether models call tools unforced: the first that a request offers, or,
                with names, all of these that it offers, with arguments made by their schemas. A
                request that holds a result already gets an ordinary answer.
            retired: Models that are retired, known ones or others: names, or a mapping to
                "decommissioned" (400) or "gone" (404); see :meth:`retire`.
            batch_steps: Steps that each retrieval of a batch takes it on: from validating to in
                progress, finalizing and its end. 3 ends it at the first, 0 never.
            batch_end: How batches end that nobody cancels.
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
            ValueError: A limit's code, ``charging``, ``headers_at``, ``batch_end`` or a kind of
                fault is unknown, or the probabilities of faults are no probabilities.
        """
        if charging not in get_args(Charging) or headers_at not in ("admission", "end"):
            raise ValueError(f"unknown charging {charging!r} or headers_at {headers_at!r}")
        self._host, self._port = host, port
        self._all_models = as_models(models, limits, retired)
        self._api_keys, self._rejected_keys = api_keys, rejected_keys
        self._on_request, self._drip_s = on_request, drip_s
        self._clock, self._epoch_s = clock, time.time() - clock()
        self._log = RequestLog(record_limit)
        rng = rng or random.Random()
        self._backend = Backend(
            models=dict(self._all_models),
            ledger=Ledger(clock, charging, refund, start_level),
            gate=Gate(),
            faults=FaultQueue(faults, rng),
            script=Script(answers, call_tools),
            stopping=threading.Event(),
            rng=rng,
            wall_clock=lambda: self._epoch_s + clock(),
            latency_s=latency_s,
            headers_at=headers_at,
        )
        chat = ChatService(
            self._backend,
            count_tokens=count_tokens,
            completion_tokens=completion_tokens,
            reasoning_tokens=reasoning_tokens,
            cached_tokens=cached_tokens,
            tokens_per_second=tokens_per_second,
        )
        self._api = Api(self._backend, chat, batch_steps, batch_end)
        self._http: HttpServer | None = None

    # ------------------------------------------------------------------ life

    def start(self) -> SimulatedGroq:
        """Bind and serve in daemon threads; raises OSError when the port is taken."""
        if self._http is None:
            self._backend.stopping.clear()
            self._http = HttpServer(self._host, self._port, self._handle)
        return self

    def stop(self) -> None:
        """Close the listener and every connection, also those in the middle of an answer."""
        http, self._http = self._http, None
        if http is not None:
            self._backend.stopping.set()
            self._backend.gate.release()
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
        keys = self._backend.ledger.keys(model)
        if key is None and len(keys) > 1:
            raise ValueError(f"several keys have used {model}: name one")
        owner = key if key is not None else next(iter(keys), "")
        return self._backend.ledger.levels(owner, model, self._backend.models[model].limits)

    def wait_for_requests(self, number: int, timeout_s: float = 5.0) -> bool:
        """Block until ``number`` requests have arrived; False when time runs out first."""
        return self._log.wait_for(number, timeout_s)

    def wait_for_connections(self, number: int, timeout_s: float = 5.0) -> bool:
        """Block until exactly ``number`` connections are open; False when time runs out first.

        Zero waits for clients to close theirs.
        """
        http = self._http
        return number == 0 if http is None else http.wait_for_connections(number, timeout_s)

    def reset(self) -> None:
        """Fill all buckets to their start level, bring back all models, open the gate.

        Forgets requests, faults, answers, files and batches. The probabilities of faults and
        callables that answer stay.
        """
        backend = self._backend
        backend.ledger.clear()
        backend.faults.clear()
        backend.script.clear()
        backend.models = dict(self._all_models)
        self._api.clear()
        self._log.clear()
        backend.gate.release()

    # ------------------------------------------------------------------ serving

    def _handle(self, request: Request) -> Reply:
        record = self._record(request)
        self._log.arrive(record)
        fault = self._backend.faults.next_fault(record.model)
        record.fault = fault.kind
        reply = self._guarded_reply(request, record, fault)
        reply.headers = self._common_headers(record) | dict(reply.headers)
        if fault.damage is not None:
            reply = fault.damage(reply, lambda: self._backend.pause(self._drip_s))
        self._log.answer(record, reply.status)
        return reply

    def _record(self, request: Request) -> RequestRecord:
        identifier = self._backend.new_id("req")
        method, path, headers = request.method, request.path, request.headers
        record = RequestRecord(self._clock(), method, path, headers, identifier)
        record.query = parse_qs(request.query, keep_blank_values=True)
        with contextlib.suppress(ApiError):
            record.payload, record.files = parsed_body(headers, request.body)
        record.model = (record.payload or {}).get("model")
        return record

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
        if fault.instead is not None:
            return fault.instead()
        scripted = self._on_request and self._on_request(record.payload, request.headers)
        if scripted:
            return as_reply(*scripted)
        serve, identifier = self._api.router.find(request.method, request.path)
        self._authenticate(request, record)
        return serve(Call(request, record, identifier))

    def _authenticate(self, request: Request, record: RequestRecord) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        known = self._api_keys is None or key in self._api_keys
        if scheme.lower() != "bearer" or not key or key in self._rejected_keys or not known:
            raise invalid_api_key()
        record.key = key
