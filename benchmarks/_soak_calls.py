"""The calls of the soak: what each asks for, and what becomes of it."""

from __future__ import annotations

import functools
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass
from typing import Any

from customgroqchat import GroqClient, GroqError
from customgroqchat.testing import SimulatedGroq
from customgroqchat.testing._sim_tokens import answer_pieces

MODEL = "openai/gpt-oss-20b"
#: Seconds that a call may take longer than it was told to, on a machine that does all this.
MARGIN_S = 1.0
_DEADLINES_S = (0.3, 1.0, 3.0)
_LONGEST_PAUSE_S = 0.05
_TAGS = ("red", "green", "blue", None)
_PRIORITIES = ("high", "normal", "low")
_SHORTEST, _LONGEST = 12, 40  # tokens of an answer

ANSWER, PART, NEVER = "answer", "part of an answer", "never ended"


@dataclass
class Call:
    """One call. It is written by the thread that makes it, and read when that has ended.

    Attributes:
        kind: What was done, such as ``"stream, left"``.
        text: What was said to the model; no other call says it.
        cap: The tokens that the whole answer has.
        deadline_s: Seconds after which it shall have ended.
        began_s: When it began.
        took_s: Seconds until it had ended, or None.
        outcome: ``ANSWER``, ``PART``, the name of the error's class, or None: it never ended.
        stranger: What it raised, if that is no error of the package's.
        said: What the caller was handed.
        handed_after: How many requests had arrived when the caller was handed the first of it.
    """

    kind: str
    text: str
    cap: int
    deadline_s: float
    began_s: float
    took_s: float | None = None
    outcome: str | None = None
    stranger: BaseException | None = None
    said: str = ""
    handed_after: int | None = None

    @property
    def messages(self) -> list[dict[str, str]]:
        return [{"role": "user", "content": self.text}]

    @property
    def expected(self) -> str:
        """The whole answer of the simulated service."""
        return "".join(answer_pieces({"messages": self.messages}, self.cap))

    def __str__(self) -> str:
        """Return what was done and what became of it, in a line."""
        took = "" if self.took_s is None else f" after {self.took_s:.3f} s of {self.deadline_s:.3f}"
        raised = "" if self.stranger is None else f" ({self.stranger})"
        said = f", having said {self.said[-60:]!r}" if self.said else ""
        return f"{self.kind}: {self.text}: {self.outcome or NEVER}{raised}{took}{said}"

    @property
    def late_s(self) -> float:
        """Seconds beyond its deadline; negative if it was in time."""
        return 0.0 if self.took_s is None else self.took_s - self.deadline_s


class Caller:
    """Makes calls of all kinds, one after the other, on one thread.

    Args:
        client: What is tried.
        simulator: What it talks to.
        name: A word that no other caller has.
        rng: What it does next.
    """

    def __init__(
        self, client: GroqClient, simulator: SimulatedGroq, name: str, rng: random.Random
    ) -> None:
        self.calls: list[Call] = []
        self._client, self._simulator = client, simulator
        self._name, self._rng = name, rng
        self._serials = itertools.count(1)
        self._kinds: dict[str, tuple[int, Callable[[str], None]]] = {
            "chat": (4, self._chat),
            "text": (1, self._text),
            "stream, read": (3, self._stream_read),
            "stream, final": (1, self._stream_final),
            "stream, left": (2, self._stream_left),
            "stream, dropped": (2, self._stream_dropped),
            "submit": (2, self._submit),
            "submit, stream": (1, self._submit_stream),
            "cancel": (2, self._cancel),
            "cancel, stream": (1, self._cancel_stream),
            "cancel by tag": (1, self._cancel_by_tag),
        }

    def run(self, until_s: float) -> None:
        """Make calls until it is ``until_s`` on the monotonic clock, and end the last one."""
        weights = [weight for weight, _ in self._kinds.values()]
        while time.monotonic() < until_s:
            (kind,) = self._rng.choices(list(self._kinds), weights)
            self._kinds[kind][1](kind)

    # --- kinds of calls ---------------------------------------------------------------------

    def _chat(self, kind: str) -> None:
        call = self._new(kind)
        asked = self._options(call)
        self._make(call, lambda: self._hand_over(call, self._client.chat_completion(**asked)))

    def _text(self, kind: str) -> None:
        call = self._new(kind)
        asked = self._options(call)
        asked["prompt"] = asked.pop("messages")[0]["content"]
        self._make(call, lambda: self._hand_over(call, self._client.text_completion(**asked)))

    def _stream_read(self, kind: str) -> None:
        call = self._new(kind)
        self._make(call, lambda: self._read(call, self._open(call)))

    def _stream_final(self, kind: str) -> None:
        call = self._new(kind)
        self._make(call, lambda: self._hand_over(call, self._open(call).get_final_completion()))

    def _stream_left(self, kind: str) -> None:
        call = self._new(kind)

        def leave() -> str:
            with self._open(call) as stream:
                return self._read(call, stream, self._rng.randint(0, call.cap))

        self._make(call, leave)

    def _stream_dropped(self, kind: str) -> None:
        call = self._new(kind)
        self._make(call, lambda: self._read(call, self._open(call), self._rng.randint(0, call.cap)))

    def _submit(self, kind: str) -> None:
        call = self._new(kind)
        self._make(call, lambda: self._take(call, self._client.submit(**self._options(call))))

    def _submit_stream(self, kind: str) -> None:
        call = self._new(kind)

        def take() -> str:
            future = self._client.submit(**self._options(call), stream=True)
            return self._read(call, _ended(future, call).result())

        self._make(call, take)

    def _cancel(self, kind: str) -> None:
        call = self._new(kind)
        call.deadline_s = self._rng.uniform(0, _LONGEST_PAUSE_S)

        def cancel() -> str:
            future = self._client.submit(**self._options(call, deadline=None))
            time.sleep(call.deadline_s)
            request = future if self._rng.random() < 0.5 else future.request_id
            self._client.cancel(request)
            return self._take(call, future)

        self._make(call, cancel)

    def _cancel_stream(self, kind: str) -> None:
        call = self._new(kind)
        pause_s = self._rng.uniform(0, 2 * _LONGEST_PAUSE_S)

        def close_from_elsewhere() -> str:
            stream = self._open(call)
            alarm = threading.Timer(pause_s, stream.close)
            alarm.start()
            try:
                return self._read(call, stream, call.cap, at_most=PART)
            finally:
                alarm.join()

        self._make(call, close_from_elsewhere)

    def _cancel_by_tag(self, kind: str) -> None:
        tag = self._name + kind
        calls = [self._new(kind) for _ in range(3)]
        pause_s = self._rng.uniform(0, _LONGEST_PAUSE_S)
        futures: list[Future[Any] | GroqError] = []
        for call in calls:
            call.deadline_s = pause_s
            try:
                futures.append(self._client.submit(**self._options(call, deadline=None, tag=tag)))
            except GroqError as error:
                futures.append(error)
        time.sleep(pause_s)
        self._client.cancel(tag=tag)
        for call, future in zip(calls, futures, strict=True):
            self._make(call, functools.partial(self._take, call, future))

    # --- what they have in common -----------------------------------------------------------

    def _new(self, kind: str) -> Call:
        text = f"{self._name} call number {next(self._serials)} has code {self._rng.random()}"
        cap = self._rng.randint(_SHORTEST, _LONGEST)
        call = Call(kind, text, cap, self._rng.choice(_DEADLINES_S), time.monotonic())
        self.calls.append(call)
        return call

    def _options(self, call: Call, **changes: Any) -> dict[str, Any]:
        return {
            "model_name": MODEL,
            "messages": call.messages,
            "max_completion_tokens": call.cap,
            "deadline": call.deadline_s,
            "tag": self._rng.choice(_TAGS),
            "priority": self._rng.choice(_PRIORITIES),
        } | changes

    def _open(self, call: Call) -> Any:
        return self._client.chat_completion(**self._options(call), stream=True)

    def _make(self, call: Call, action: Callable[[], str]) -> None:
        try:
            call.outcome = action()
        except (GroqError, CancelledError) as error:
            call.outcome = type(error).__name__
            # A plain CancelledError is how futures say it, and nobody else may.
            if not isinstance(error, GroqError) and not call.kind.startswith("cancel"):
                call.stranger = error
        except Lost:
            return
        except Exception as error:
            call.outcome, call.stranger = type(error).__name__, error
        call.took_s = time.monotonic() - call.began_s

    def _take(self, call: Call, future: Future[Any] | GroqError) -> str:
        if isinstance(future, GroqError):
            raise future
        return self._hand_over(call, _ended(future, call).result())

    def _hand_over(self, call: Call, answer: Any) -> str:
        self._hand(call, said_in(answer))
        return ANSWER

    def _read(
        self, call: Call, stream: Iterable[Any], most: int | None = None, at_most: str = ANSWER
    ) -> str:
        """Read a stream, or ``most`` chunks of it; it is dropped on return unless it is closed."""
        for number, chunk in enumerate(stream):
            if number == most:
                return PART
            self._hand(call, said_in(chunk))
        return at_most

    def _hand(self, call: Call, piece: str) -> None:
        if call.handed_after is None:
            call.handed_after = self._simulator.count()
        call.said += piece


class Lost(Exception):
    """A future that has not ended long after it should have."""


def _ended(future: Future[Any], call: Call) -> Future[Any]:
    if not wait([future], call.deadline_s + 10 * MARGIN_S).done:
        raise Lost
    return future


def said_in(answer: Any) -> str:
    """The text of an answer, of a chunk, or of a text completion; "" where there is none."""
    choices = answer.get("choices") or [{}]
    part = choices[0].get("message") or choices[0].get("delta") or choices[0]
    return part.get("content") or part.get("text") or ""
