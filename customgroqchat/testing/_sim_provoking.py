"""What a test can ask of the simulator: faults, answers, limits and models as it needs them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from ._sim_api import Api
from ._sim_backend import Backend
from ._sim_batches import BatchEnd
from ._sim_controls import Gate
from ._sim_damage import as_reply, failure_body
from ._sim_faults import Interruption, RequestFault
from ._sim_models import retire
from ._sim_script import Answers, Scripted


class Provoking:
    """The controls of ``SimulatedGroq``. From any thread; none of them blocks."""

    _backend: Backend
    _api: Api

    # ------------------------------------------------------------------- faults

    def fail_next(
        self,
        status: int,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        times: float = 1,
        model: str | None = None,
    ) -> None:
        """Answer the next ``times`` requests, whatever they ask, with this.

        ``body`` is bytes, text or a JSON object; by default an error envelope of that status.
        With ``model`` only requests for that model count; ``math.inf`` times is for good.
        """
        content = failure_body(status) if body is None else body
        fault = RequestFault("fail_next", lambda: as_reply(status, headers, content))
        self._backend.faults.add_fault(fault, times, model)

    def fault_next(
        self, kind: str, times: float = 1, *, after_pieces: int = 1, model: str | None = None
    ) -> None:
        """Let the next ``times`` requests meet a fault, such as ``"reset"`` or ``"drip"``.

        ``docs/testing.rst`` tells what the kinds, ``FAULT_KINDS``, do and which of them are
        charged. Those that begin with ``stream_`` wait for streams that are admitted, and happen
        after ``after_pieces`` pieces of text. With ``model`` only requests for that model count;
        ``math.inf`` times is for good.

        Raises:
            ValueError: The kind is unknown.
        """
        self._backend.faults.add(kind, times, after_pieces, model)

    def set_faults(self, faults: Mapping[str, float]) -> None:
        """Let chance bring these from now on, as the argument ``faults`` did; none with ``{}``.

        Raises:
            ValueError: As for the argument.
        """
        self._backend.faults.set_odds(faults)

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
        self._backend.faults.add_interruption(Interruption(kind, after_pieces, error), times)

    def fail_json_next(self, times: int = 1, failed_generation: str = '{"answer": ') -> None:
        """Let the next ``times`` answers that have to be JSON fail (400 ``json_validate_failed``).

        They are admitted and charged as answers are. Chats and responses without a
        ``response_format`` of JSON are left alone.
        """
        self._backend.script.garble(failed_generation, times)

    # ------------------------------------------------------------------ answers

    def answer_next(self, *answers: Scripted) -> None:
        """Let the next chats and responses be answered with these, in order.

        An answer is a text, or a message: a mapping with any of ``content``, ``reasoning`` and
        ``tool_calls``, a list of ``{"name": …, "arguments": …}``. The caps of requests and models
        cut them as they cut all answers. Where JSON was asked for, what is none gives a 400
        ``json_validate_failed``.
        """
        self._backend.script.add(answers)

    def set_answers(self, answers: Answers | None) -> None:
        """Let these be the next answers, in place of those that wait, as the argument did."""
        self._backend.script.set_answers(answers)

    def call_tools(self, tools: bool | Collection[str] = True) -> None:
        """Let models call tools that are offered to them, as the argument ``call_tools`` did."""
        self._backend.script.set_tools(tools)

    # -------------------------------------------------------- limits and models

    def exhaust(self, model: str, code: str = "TPD", left: float = 0.0) -> None:
        """Let no more than ``left`` of a limit be left, for every key; it refills as ever.

        ``code`` is that of the limit: RPM, RPD, TPM, TPD, ITPM, OTPM, ASH or ASD.

        Raises:
            KeyError: The model is unknown.
            ValueError: The model has no such limit.
        """
        if code not in self._backend.models[model].limits:
            raise ValueError(f"{model} has no limit {code}")
        self._backend.ledger.set_level(model, code, left)

    def retire(self, model: str, status: Literal["decommissioned", "gone"] | None = None) -> None:
        """Let a model be retired: 400 ``model_decommissioned``, or 404 ``model_not_found``.

        Without ``status`` as the real service answers for it: models that were shut down since
        August 2026 are not found, all others are said to be decommissioned.
        """
        retire(self._backend.models, model, status)

    def set_batches(self, steps: int | None = None, end: BatchEnd | None = None) -> None:
        """Change how batches go on, as the arguments ``batch_steps`` and ``batch_end`` did.

        Raises:
            ValueError: As for the arguments.
        """
        self._api.batches.set(steps, end)

    # ----------------------------------------------------------------- the gate

    def hold(self) -> Gate:
        """Hold back the answers of all requests that are admitted from now on.

        Returns a context manager at whose end they are answered; it also has ``held``,
        ``wait_until_held(number)`` and ``release(number)``.
        """
        self._backend.gate.close()
        return self._backend.gate

    def release(self) -> None:
        """Answer everything that :meth:`hold` holds back."""
        self._backend.gate.release()
