"""A scripted service of files and batches, in memory and in virtual time."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from customgroqchat._batch_results import ENDED
from customgroqchat._batch_start import Service
from customgroqchat._records import ResponseInfo
from customgroqchat._runs_batches import RunsBatches
from customgroqchat.exceptions import NotFoundError
from customgroqchat.testing import FakeClock
from customgroqchat.types.batch import Batch

MODEL = "openai/gpt-oss-20b"
CHAT = "/v1/chat/completions"


class JumpingClock(FakeClock):
    """A clock on which whoever waits is at the end of the wait at once."""

    def get(self, items: queue.SimpleQueue[None], timeout_s: float | None) -> None:
        assert timeout_s is not None
        self.advance(timeout_s)


def chat(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}


def chats(count: int) -> list[dict[str, Any]]:
    return [chat(f"question {number}") for number in range(count)]


def completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": MODEL, "choices": [choice]}


def answered(custom_id: str, text: str) -> dict[str, Any]:
    """A line of an output file."""
    response = {"status_code": 200, "request_id": f"req_{custom_id}", "body": completion(text)}
    return {
        "id": f"batch_req_{custom_id}",
        "custom_id": custom_id,
        "response": response,
        "error": None,
    }


def refused(custom_id: str, status: int, **error: Any) -> dict[str, Any]:
    """A line of an error file."""
    response = {"status_code": status, "request_id": "req_bad", "body": {"error": error}}
    return {"id": "batch_req_bad", "custom_id": custom_id, "response": response, "error": None}


def jsonl(lines: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def parsed_lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def echo(line: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a request as nearly all are."""
    return answered(line["custom_id"], line["body"]["messages"][-1]["content"].upper())


class FakeService:
    """Files and batches. A batch needs ``polls`` questions until it has ended.

    Args:
        answer: Makes the line for a request; None for no line. A status of 400 or more, or an
            ``error``, puts it in the error file.
        polls: How often a batch is asked for before it has ended.
        ends: The status with which batches end, by their number; ``"completed"`` for others.
    """

    def __init__(
        self,
        answer: Callable[[dict[str, Any]], dict[str, Any] | None] = echo,
        *,
        polls: int = 2,
        ends: Mapping[int, str] | None = None,
    ) -> None:
        self.answer = answer
        self.polls = polls
        self.ends = ends or {}
        self.clock = JumpingClock()
        self.contents: dict[str, bytes] = {}
        self.known: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[float, str]] = []
        self.calls: list[str] = []
        self.faults: dict[str, list[BaseException | None]] = {}
        self.errors: dict[int, Any] = {}
        self.files = SimpleNamespace(
            create=self._upload, content=self._download, delete=self._remove
        )
        self.batches = Resource(self)

    # --- files ---

    def _upload(self, *, file: tuple[str, bytes, str], purpose: str) -> Any:
        self.note("files.create")
        name, content, kind = file
        assert (name.endswith(".jsonl"), purpose, kind) == (True, "batch", "application/jsonl")
        file_id = f"file_in{len(self.contents)}"
        self.contents[file_id] = content
        return SimpleNamespace(id=file_id)

    def _download(self, file_id: str) -> Any:
        self.note(f"files.content {file_id}")
        self._check_known(file_id, self.contents)
        return SimpleNamespace(read=lambda: self.contents[file_id])

    def _remove(self, file_id: str) -> None:
        self.note(f"files.delete {file_id}")
        self._check_known(file_id, self.contents)
        del self.contents[file_id]

    # --- batches ---

    def create(self, **wanted: Any) -> Batch:
        number = len(self.known)
        content = self.contents[wanted["input_file_id"]]
        batch = {
            "id": f"batch_{number}",
            "object": "batch",
            "status": "validating",
            "output_file_id": {},  # what is not set is told as an empty object
            "error_file_id": {},
            "errors": {},
            "request_counts": {"total": len(content.splitlines()), "completed": 0, "failed": 0},
            **wanted,
        }
        self.known[batch["id"]] = {"batch": batch, "polls": 0, "number": number}
        self.note("batches.create")
        return Batch.wrap(batch)

    def retrieve(self, batch_id: str) -> Batch:
        self.asked.append((self.clock.monotonic(), batch_id))
        self.note(f"batches.retrieve {batch_id}")
        self._check_known(batch_id, self.known)
        entry = self.known[batch_id]
        entry["polls"] += 1
        if entry["batch"]["status"] == "validating":
            entry["batch"]["status"] = "in_progress"
        if entry["polls"] >= self.polls and entry["batch"]["status"] not in ENDED:
            self.end(batch_id, self.ends.get(entry["number"], "completed"))
        return Batch.wrap(entry["batch"])

    def cancel(self, batch_id: str) -> Batch:
        self.note(f"batches.cancel {batch_id}")
        self.known[batch_id]["batch"]["status"] = "cancelling"
        return Batch.wrap(self.known[batch_id]["batch"])

    def list(self) -> Any:
        self.note("batches.list")
        return SimpleNamespace(data=[Batch.wrap(entry["batch"]) for entry in self.known.values()])

    def end(self, batch_id: str, status: str) -> None:
        """End a batch: its files are there, in another order than the requests."""
        entry = self.known[batch_id]
        batch = entry["batch"]
        batch |= {"status": status, "errors": self.errors.get(entry["number"], {})}
        if status == "failed":
            return
        made = map(self.answer, parsed_lines(self.contents[batch["input_file_id"]]))
        lines = [line for line in made if line is not None][::-1]
        bad = [line for line in lines if is_bad(line)]
        good = [line for line in lines if not is_bad(line)]
        for name, found in (("output_file_id", good), ("error_file_id", bad)):
            if found:
                batch[name] = f"file_{name[:3]}_{batch_id}"
                self.contents[batch[name]] = jsonl(found)
        batch["request_counts"] |= {"completed": len(good), "failed": len(bad)}

    # --- both ---

    def note(self, call: str) -> None:
        """Note a call, and raise what is scripted for calls of its name."""
        self.calls.append(call)
        waiting = self.faults.get(call.partition(" ")[0])
        if waiting and (fault := waiting.pop(0)):
            raise fault

    def count(self, name: str) -> int:
        return sum(call.partition(" ")[0] == name for call in self.calls)

    @staticmethod
    def _check_known(name: str, known: Mapping[str, Any]) -> None:
        if name not in known:
            raise NotFoundError(f"HTTP 404: no {name}", status_code=404, response=ResponseInfo(404))


def is_bad(line: Mapping[str, Any]) -> bool:
    return bool(line.get("error")) or line["response"]["status_code"] >= 400


class Resource(RunsBatches):
    """What ``client.batches`` is, over the scripted service."""

    def __init__(self, service: FakeService) -> None:
        self._fake = service
        self.create = service.create
        self.retrieve = service.retrieve
        self.cancel = service.cancel
        self.list = service.list

    def _service(self) -> Service:
        return Service(self._fake.files, self, self._fake.clock)
