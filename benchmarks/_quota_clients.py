"""The clients that ``quota.py`` compares, each used as its manual says.

All have the same number of threads. Packages that are compared with are imported when they are
asked for; without them there is a :class:`ClientUnavailable` that says so.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from _quota_workloads import Call, Workload

from customgroqchat import GroqClient, __version__
from customgroqchat.testing._sim_tokens import count_prompt_tokens

KEY = "benchmark"
THREADS = 16
# Longer than any run is allowed to take; keeps threads from outliving a run that was given up.
LONGEST_S = 150.0

_SETTINGS = {
    "RPM": "req_per_minute",
    "RPD": "req_per_day",
    "TPM": "token_per_minute",
    "TPD": "token_per_day",
}


class ClientUnavailable(Exception):
    """A client cannot run here, or not this workload; the text says why in a few words."""


class Client(Protocol):
    """What the driver needs of a client."""

    def submit(self, call: Call) -> Future[Any]:
        """Start a call and return at once."""
        ...

    def close(self) -> None:
        """Stop; may leave calls that were given up to their threads."""
        ...


def messages(call: Call) -> list[dict[str, str]]:
    return [{"role": "user", "content": call.prompt}]


class Ours:
    """This package: every call is queued at once, with its priority."""

    def __init__(self, url: str, workload: Workload) -> None:
        config = {
            model: {_SETTINGS[code]: limit for code, limit in limits.items()}
            for model, limits in workload.believed().items()
        }
        self._client = GroqClient(config, api_key=KEY, base_url=url, max_workers=THREADS)
        self._client.count_tokens("Vocabularies are read once, before the clock starts.")

    def submit(self, call: Call) -> Future[Any]:
        return self._client.submit(
            call.model,
            messages(call),
            priority=call.priority,
            max_completion_tokens=call.cap,
            seed=call.output_tokens,
        )

    def close(self) -> None:
        self._client.close(0.0)


class Official:
    """The official SDK as it comes, behind a thread pool.

    Watched calls have a pool to themselves, so what delays them is the quota only.
    """

    def __init__(self, url: str, _workload: Workload) -> None:
        self._sdk: Any = _imported("groq").Groq(api_key=KEY, base_url=url)
        self._pool = ThreadPoolExecutor(THREADS)
        self._own_pool = ThreadPoolExecutor(THREADS)

    def submit(self, call: Call) -> Future[Any]:
        pool = self._own_pool if call.watched else self._pool
        return pool.submit(self._call, call)

    def close(self) -> None:
        for pool in (self._pool, self._own_pool):
            pool.shutdown(wait=False, cancel_futures=True)

    def _call(self, call: Call) -> Any:
        with self._reserved(call) as reservation:
            answer = self._sdk.chat.completions.create(
                model=call.model,
                messages=messages(call),
                max_completion_tokens=call.cap,
                seed=call.output_tokens,
            )
            if reservation is not None:
                used = {"requests": 1, "tokens": answer.usage.total_tokens}
                reservation.set_actual_usage(used)
            return answer

    def _reserved(self, _call: Call) -> AbstractContextManager[Any]:
        return nullcontext()


class Throttled(Official):
    """The official SDK behind token-throttle, which sets prompt and cap aside beforehand.

    It is handed the simulator's own count of the prompt, which is more than a user would know.
    """

    def __init__(self, url: str, workload: Workload) -> None:
        throttle = _imported("token_throttle", "token-throttle")
        limits = workload.believed()
        if not limits:
            raise ClientUnavailable("has to be told the limits")
        super().__init__(url, workload)
        _silence("token_throttle")  # it warns of every call that cost more than was set aside
        self._limiter: Any = throttle.SyncRateLimiter(
            lambda model: _throttle_config(throttle, model, limits[model]),
            backend=throttle.SyncMemoryBackendBuilder(),
        )

    def _reserved(self, call: Call) -> AbstractContextManager[Any]:
        prompt = count_prompt_tokens({"model": call.model, "messages": messages(call)})
        scope: AbstractContextManager[Any] = self._limiter.reserve(
            {"requests": 1, "tokens": prompt + call.cap},
            call.model,
            timeout=LONGEST_S,
            usage_on_error={"requests": 1, "tokens": 0},
        )
        return scope


def _throttle_config(throttle: Any, model: str, limits: Mapping[str, int]) -> Any:
    quotas = [
        throttle.Quota(
            metric="requests" if code.startswith("R") else "tokens",
            limit=limit,
            per_seconds=60 if code.endswith("M") else 86_400,
        )
        for code, limit in limits.items()
    ]
    return throttle.PerModelConfig(quotas=throttle.UsageQuotas(quotas), model_family=model)


def _silence(package: str) -> None:
    warnings.filterwarnings("ignore", module=package)
    logging.getLogger(package).setLevel(logging.CRITICAL)


def _imported(module: str, package: str | None = None) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ClientUnavailable(f"{package or module} is not installed") from error


CLIENTS: dict[str, Callable[[str, Workload], Client]] = {
    "ours": Ours,
    "groq": Official,
    "token-throttle": Throttled,
}


def version(name: str) -> str:
    """Return the version of a client, or that it is not installed."""
    if name == "ours":
        return __version__
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
