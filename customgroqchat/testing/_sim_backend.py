"""What all endpoints of the simulator share: models, limits, time, chance and the gate."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ._sim_buckets import Admission, Ledger, Snapshot
from ._sim_controls import Gate, RequestRecord
from ._sim_faults import FaultQueue
from ._sim_model import SimulatedModel
from ._sim_script import Script
from ._sim_wire import rate_limit_headers, refusal_error, type_id

Payload = Mapping[str, Any]
Latency = float | tuple[float, float] | Callable[[Payload], float]


@dataclass
class Backend:
    """The parts that the endpoints work with; the settings are those of ``SimulatedGroq``."""

    models: dict[str, SimulatedModel]
    ledger: Ledger
    gate: Gate
    faults: FaultQueue
    script: Script
    stopping: threading.Event
    rng: random.Random
    wall_clock: Callable[[], float]
    latency_s: Latency
    headers_at: Literal["admission", "end"]

    def pause(self, seconds: float) -> None:
        """Block for real time; raises ConnectionAbortedError when the server stops."""
        if self.stopping.wait(seconds) if seconds > 0 else self.stopping.is_set():
            raise ConnectionAbortedError("the simulator is stopping")

    def new_id(self, prefix: str) -> str:
        """An identifier such as ``file_01…``, which holds the present time."""
        return type_id(prefix, self.wall_clock(), self.rng)

    def admit(
        self, record: RequestRecord, model_id: str, cap: int | None = 0, audio_s: int = 0
    ) -> Admission:
        """Charge ``record.prompt_tokens`` and the rest to a model; raises ApiError if refused.

        A ``cap`` of 0 is an answer without output tokens, None one without a cap.
        """
        limits, key = self.models[model_id].limits, record.key or ""
        admission = self.ledger.admit(key, model_id, limits, record.prompt_tokens, cap, audio_s)
        record.charge = admission.charge
        if admission.refusal is not None:
            record.refused_by = admission.refusal.dimension.code
            raise refusal_error(model_id, admission.refusal, admission.snapshot)
        return admission

    def draw_latency(self, payload: Payload) -> float:
        """Seconds that this request is to wait."""
        if callable(self.latency_s):
            return self.latency_s(payload)
        if isinstance(self.latency_s, tuple):
            return self.rng.uniform(*self.latency_s)
        return self.latency_s

    def wait(self, latency_s: float) -> None:
        """Block at the gate, and then for the latency."""
        self.gate.pass_through()
        self.pause(latency_s)

    def work_off(self, payload: Payload, admission: Admission) -> dict[str, str]:
        """Block as for a chat, and return the headers of an answer without output tokens."""
        self.wait(self.draw_latency(payload))
        final = self.ledger.settle(admission, 0)
        return self.limit_headers(admission, final)

    def limit_headers(self, admission: Admission, final: Snapshot) -> dict[str, str]:
        """The ``x-ratelimit-*`` headers: as at admission, or as they are in the end."""
        shown = admission.snapshot if self.headers_at == "admission" else final
        return rate_limit_headers(shown)
