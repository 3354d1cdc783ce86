"""Files and batches of the simulated service, asked with ``requests``."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests
from helpers_simulator import MODEL, ask, error_of, jsonl, parse_jsonl
from test_simulator_http import Simulate, Time

from customgroqchat.testing import SimulatedGroq, _sim_files

CHAT = "/v1/chat/completions"


def upload(
    simulator: SimulatedGroq, content: bytes = b"{}\n", name: str = "in.jsonl", **more: Any
) -> requests.Response:
    data = {"purpose": more.pop("purpose", "batch")}
    return ask(simulator, "POST", "/files", data=data, files={"file": (name, content)}, **more)


# ----------------------------------------------------------------------------- files


def test_a_file_is_kept_as_it_came(groq_simulator: SimulatedGroq) -> None:
    content = bytes(range(256)) * 64 + b"\r\n--"
    file = upload(groq_simulator, content).json()
    assert re.fullmatch(r"file_01[0-9a-z]{24}", file["id"])
    assert file == {
        "id": file["id"],
        "object": "file",
        "bytes": len(content),
        "created_at": file["created_at"],
        "filename": "in.jsonl",
        "purpose": "batch",
    }
    assert ask(groq_simulator, "GET", f"/files/{file['id']}").json() == file
    answer = ask(groq_simulator, "GET", f"/files/{file['id']}/content")
    assert answer.content == content
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["transfer-encoding"] == "chunked"


def test_files_are_listed_and_deleted(groq_simulator: SimulatedGroq) -> None:
    first, second = (upload(groq_simulator).json() for _ in range(2))
    listed = ask(groq_simulator, "GET", "/files").json()
    assert listed == {"object": "list", "data": [second, first]}
    deleted = ask(groq_simulator, "DELETE", f"/files/{first['id']}").json()
    assert deleted == {"id": first["id"], "object": "file", "deleted": True}
    assert ask(groq_simulator, "GET", "/files").json()["data"] == [second]
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content")):
        refused = ask(groq_simulator, method, f"/files/{first['id']}{path}")
        assert error_of(refused, 404)["type"] == "invalid_request_error"
    groq_simulator.reset()
    assert ask(groq_simulator, "GET", "/files").json()["data"] == []


def test_each_account_has_its_own_files(groq_simulator: SimulatedGroq) -> None:
    file = upload(groq_simulator, key="mine").json()
    assert ask(groq_simulator, "GET", "/files", key="other").json()["data"] == []
    assert error_of(ask(groq_simulator, "GET", f"/files/{file['id']}", key="other"), 404)


@pytest.mark.parametrize("name", ["upload", "IN.JSONL"])
def test_names_that_will_do(groq_simulator: SimulatedGroq, name: str) -> None:
    assert upload(groq_simulator, name=name).json()["filename"] == name


def test_a_file_may_not_be_too_large(
    groq_simulator: SimulatedGroq, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sim_files, "_LARGEST_FILE", 10)
    assert upload(groq_simulator, b"x" * 10).ok
    assert error_of(upload(groq_simulator, b"x" * 11), 413)["code"] == "request_too_large"


def test_unacceptable_files(groq_simulator: SimulatedGroq) -> None:
    refused = error_of(upload(groq_simulator, name="in.csv"), 400)
    assert "must be a .jsonl file" in refused["message"]
    refused = error_of(upload(groq_simulator, purpose="fine-tune"), 400)
    assert "purpose must be one of [batch]" in refused["message"]
    parts = {"purpose": (None, "batch")}
    refused = error_of(ask(groq_simulator, "POST", "/files", files=parts), 400)
    assert refused["message"] == "file is required"


# --------------------------------------------------------------------------- batches


def line(name: str, model: str = MODEL, **more: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": f"I am {name}"}]}
    return {"custom_id": name, "method": "POST", "url": CHAT, "body": body, **more}


def create(
    simulator: SimulatedGroq, content: bytes | None = None, **more: Any
) -> requests.Response:
    lines = jsonl(line(name) for name in "abcd") if content is None else content
    key = more.pop("key", "any")
    asked = {
        "input_file_id": upload(simulator, lines, key=key).json()["id"],
        "endpoint": CHAT,
        "completion_window": "24h",
        **more,
    }
    return ask(simulator, "POST", "/batches", json=asked, key=key)


def poll(simulator: SimulatedGroq, batch: dict[str, Any], times: int = 1) -> dict[str, Any]:
    for _ in range(times):
        batch = ask(simulator, "GET", f"/batches/{batch['id']}").json()
    return batch


def lines_of(simulator: SimulatedGroq, file_id: str) -> list[Any]:
    return parse_jsonl(ask(simulator, "GET", f"/files/{file_id}/content").content)


def counts(completed: int, failed: int, total: int) -> dict[str, int]:
    return {"completed": completed, "failed": failed, "total": total}


def test_a_batch_goes_on_at_each_poll(groq_simulator: SimulatedGroq) -> None:
    batch = create(groq_simulator, metadata={"job": "x"}).json()
    assert re.fullmatch(r"batch_01[0-9a-z]{24}", batch["id"])
    assert (batch["object"], batch["status"], batch["metadata"]) == (
        "batch", "validating", {"job": "x"}
    )  # fmt: skip
    assert batch["expires_at"] - batch["created_at"] == 24 * 3600
    seen = [poll(groq_simulator, batch) for _ in range(4)]
    assert [b["status"] for b in seen] == ["in_progress", "finalizing", "completed", "completed"]
    assert [b["request_counts"] for b in seen] == [
        counts(2, 0, 4), counts(4, 0, 4), counts(4, 0, 4), counts(4, 0, 4)
    ]  # fmt: skip
    assert [b["output_file_id"] is None for b in seen] == [True, True, False, False]
    final = seen[-1]
    assert (final["error_file_id"], final["errors"], final["failed_at"]) == (None, None, None)
    assert all(final[f"{moment}_at"] for moment in ("in_progress", "finalizing", "completed"))


def test_the_output_is_whole_and_in_another_order(groq_simulator: SimulatedGroq) -> None:
    batch = poll(groq_simulator, create(groq_simulator).json(), 3)
    rows = lines_of(groq_simulator, batch["output_file_id"])
    names = [row["custom_id"] for row in rows]
    assert names != list("abcd")
    assert sorted(names) == list("abcd")
    for row in rows:
        assert (row["error"], row["response"]["status_code"]) == (None, 200)
        body = row["response"]["body"]
        assert body["object"] == "chat.completion"
        said = body["choices"][0]["message"]["content"]
        assert said.startswith(f"You said: I am {row['custom_id']}")
        assert row["response"]["request_id"] == body["x_groq"]["id"]
    listed = {file["id"]: file for file in ask(groq_simulator, "GET", "/files").json()["data"]}
    assert listed[batch["output_file_id"]]["purpose"] == "batch_output"


def test_lines_that_are_refused_are_in_the_error_file(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.retire("allam-2-7b", "decommissioned")
    lines = [line("good"), line("bad", "no/such"), line("old", "allam-2-7b")]
    lines += [line("worse", body={"messages": 5})]
    batch = poll(groq_simulator, create(groq_simulator, jsonl(lines)).json(), 3)
    assert batch["request_counts"] == counts(1, 3, 4)
    (good,) = lines_of(groq_simulator, batch["output_file_id"])
    assert good["custom_id"] == "good"
    failed = {row["custom_id"]: row for row in lines_of(groq_simulator, batch["error_file_id"])}
    found = {
        name: (row["response"]["status_code"], row["response"]["body"]["error"].get("code"))
        for name, row in failed.items()
    }
    assert found == {
        "bad": (404, "model_not_found"), "old": (400, "model_decommissioned"), "worse": (400, None)
    }  # fmt: skip


def test_written_answers_reach_batches(groq_simulator: SimulatedGroq) -> None:
    groq_simulator.answer_next("One", "Two")
    groq_simulator.fail_json_next()
    as_json = line("j")
    as_json["body"]["response_format"] = {"type": "json_object"}
    lines = jsonl([line("a"), line("b"), as_json])
    batch = poll(groq_simulator, create(groq_simulator, lines).json(), 3)
    rows = lines_of(groq_simulator, batch["output_file_id"])
    said = {r["custom_id"]: r["response"]["body"]["choices"][0]["message"] for r in rows}
    assert {name: message["content"] for name, message in said.items()} == {"a": "One", "b": "Two"}
    (failed,) = lines_of(groq_simulator, batch["error_file_id"])
    assert failed["response"]["body"]["error"]["code"] == "json_validate_failed"


def test_recordings_may_be_transcribed_in_batches(groq_simulator: SimulatedGroq) -> None:
    body = {"model": "whisper-large-v3", "url": "https://example.com/a.mp3", "language": "fr"}
    lines = [
        {"custom_id": task, "method": "POST", "url": f"/v1/audio/{task}",
         "body": {**body, "response_format": "verbose_json"}}
        for task in ("transcriptions", "translations")
    ]  # fmt: skip
    batch = create(groq_simulator, jsonl(lines), endpoint="/v1/audio/transcriptions").json()
    rows = lines_of(groq_simulator, poll(groq_simulator, batch, 3)["output_file_id"])
    languages = {row["custom_id"]: row["response"]["body"]["language"] for row in rows}
    assert languages == {"transcriptions": "French", "translations": "English"}


def test_batches_take_nothing_from_the_limits(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(limits={"RPM": 1, "TPM": 1}, batch_steps=3)
    batch = poll(simulator, create(simulator).json())
    assert (batch["status"], batch["request_counts"]["completed"]) == ("completed", 4)
    assert simulator.levels(MODEL) == {"RPM": 1, "TPM": 1}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", [("empty_file", None)]),
        (b"\n \n", [("empty_file", None)]),
        (jsonl([line("a")]) + b"{no\n[]\n", [("invalid_json_line", 2), ("invalid_json_line", 3)]),
        (jsonl([line("a"), line("b"), line("a")]), [("duplicate_custom_id", 3)]),
        (jsonl([line("a", url="/v1/embeddings")]), [("invalid_url", 1)]),
        (jsonl([line("a", url="/openai/v1/chat/completions")]), [("invalid_url", 1)]),
        (jsonl([line("a", method="GET")]), [("invalid_method", 1)]),
        (jsonl([line("a", body=None)]), [("missing_required_parameter", 1)]),
        (jsonl([line("")]), [("missing_required_parameter", 1)]),
        (b"{}\n" * 50_001, [("too_many_lines", None)]),
    ],
    ids=lambda value: value[0][0] if isinstance(value, list) else "",
)  # fmt: skip
def test_malformed_input_fails_the_batch(
    groq_simulator: SimulatedGroq, content: bytes, expected: list[tuple[str, int | None]]
) -> None:
    batch = poll(groq_simulator, create(groq_simulator, content).json())
    assert batch["status"] == "failed"
    assert batch["failed_at"]
    assert batch["errors"]["object"] == "list"
    assert [(e["code"], e["line"]) for e in batch["errors"]["data"]] == expected
    assert all(error["message"] for error in batch["errors"]["data"])
    assert (batch["output_file_id"], batch["request_counts"]) == (None, counts(0, 0, 0))
    assert poll(groq_simulator, batch) == batch


def test_not_all_errors_of_a_long_file_are_told(groq_simulator: SimulatedGroq) -> None:
    batch = poll(groq_simulator, create(groq_simulator, b"{}\n" * 500).json())
    assert len(batch["errors"]["data"]) == 100


def test_a_file_may_be_gone_before_it_is_read(groq_simulator: SimulatedGroq) -> None:
    batch = create(groq_simulator).json()
    ask(groq_simulator, "DELETE", f"/files/{batch['input_file_id']}")
    batch = poll(groq_simulator, batch)
    assert batch["status"] == "failed"
    assert batch["errors"]["data"][0]["code"] == "file_not_found"


# ------------------------------------------------------------------ cancel, expire, fail


def cancel(simulator: SimulatedGroq, batch: dict[str, Any]) -> requests.Response:
    return ask(simulator, "POST", f"/batches/{batch['id']}/cancel")


def test_cancelling_keeps_what_is_done(groq_simulator: SimulatedGroq) -> None:
    batch = poll(groq_simulator, create(groq_simulator).json())
    cancelling = cancel(groq_simulator, batch).json()
    assert cancelling["status"] == "cancelling"
    assert cancel(groq_simulator, batch).json() == cancelling
    batch = poll(groq_simulator, batch)
    assert (batch["status"], batch["request_counts"]) == ("cancelled", counts(2, 0, 4))
    assert batch["cancelling_at"]
    assert batch["cancelled_at"]
    assert len(lines_of(groq_simulator, batch["output_file_id"])) == 2
    assert cancel(groq_simulator, batch).json() == batch


def test_cancelled_before_anything_was_done(groq_simulator: SimulatedGroq) -> None:
    batch = create(groq_simulator).json()
    assert cancel(groq_simulator, batch).json()["status"] == "cancelling"
    batch = poll(groq_simulator, batch)
    assert (batch["status"], batch["output_file_id"]) == ("cancelled", None)


def test_what_has_ended_cannot_be_cancelled(groq_simulator: SimulatedGroq) -> None:
    batch = poll(groq_simulator, create(groq_simulator).json(), 3)
    refused = error_of(cancel(groq_simulator, batch), 400)
    assert refused["message"] == "Cannot cancel a batch with status 'completed'."


def test_batches_may_be_made_to_expire(groq_simulator_factory: Simulate) -> None:
    simulator = groq_simulator_factory(batch_end="expired")
    batch = poll(simulator, create(simulator).json(), 2)
    assert (batch["status"], batch["request_counts"]) == ("expired", counts(2, 2, 4))
    late = lines_of(simulator, batch["error_file_id"])
    assert {row["error"]["code"] for row in late} == {"batch_expired"}
    assert {row["response"] for row in late} == {None}
    done = lines_of(simulator, batch["output_file_id"])
    assert sorted(row["custom_id"] for row in [*done, *late]) == list("abcd")


def test_batches_expire_by_the_clock(groq_simulator_factory: Simulate) -> None:
    time = Time()
    simulator = groq_simulator_factory(clock=time, batch_steps=0)
    batch = create(simulator, completion_window="7d").json()
    assert poll(simulator, batch, 9)["status"] == "validating"
    time.now += 7 * 86_400 + 1
    simulator.set_batches(steps=1)
    assert poll(simulator, batch)["status"] == "expired"


def test_batches_may_be_made_to_fail(groq_simulator: SimulatedGroq) -> None:
    batch = create(groq_simulator).json()
    groq_simulator.set_batches(end="failed")
    assert poll(groq_simulator, batch)["status"] == "failed"
    for wrong in ({"steps": -1}, {"end": "cancelled"}):
        with pytest.raises(ValueError, match="no steps or end of a batch"):
            groq_simulator.set_batches(**wrong)  # type: ignore[arg-type]


# ----------------------------------------------------------------------- create, list


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"endpoint": "/v1/embeddings"}, 400, "endpoint must be one of"),
        ({"completion_window": "23h"}, 400, "between 24h and 7d"),
        ({"completion_window": "8d"}, 400, "between 24h and 7d"),
        ({"completion_window": None}, 400, "between 24h and 7d"),
        ({"metadata": "x"}, 400, "'metadata' : value must be an object"),
        ({"input_file_id": "file_0"}, 404, "No such File object: file_0"),
    ],
)
def test_unacceptable_batches(
    groq_simulator: SimulatedGroq, change: dict[str, Any], status: int, text: str
) -> None:
    assert text in error_of(create(groq_simulator, **change), status)["message"]


def test_pages_lead_on(groq_simulator: SimulatedGroq) -> None:
    made = [create(groq_simulator).json()["id"] for _ in range(5)]
    found, cursors, query = [], [], {"limit": "2"}
    for _ in range(3):
        page = ask(groq_simulator, "GET", "/batches", params=query).json()
        found += [batch["id"] for batch in page["data"]]
        query = {"limit": "2", "cursor": page["paging"]["next_cursor"]}
        cursors.append(query["cursor"])
    assert found == made[::-1]
    assert [cursor is None for cursor in cursors] == [False, False, True]
    assert len(ask(groq_simulator, "GET", "/batches").json()["data"]) == 5


def test_named_batches_are_listed(groq_simulator: SimulatedGroq) -> None:
    made = [create(groq_simulator).json()["id"] for _ in range(3)]
    create(groq_simulator, key="other")
    page = ask(groq_simulator, "GET", "/batches", params={"id": [made[0], made[2], "x"]}).json()
    assert [batch["id"] for batch in page["data"]] == [made[2], made[0]]
    assert {batch["status"] for batch in page["data"]} == {"validating"}
    many = {"id": [f"b{n}" for n in range(201)]}
    assert error_of(ask(groq_simulator, "GET", "/batches", params=many), 400)


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "x"}, {"cursor": "x"}])
def test_unacceptable_pages(groq_simulator: SimulatedGroq, query: dict[str, str]) -> None:
    assert error_of(ask(groq_simulator, "GET", "/batches", params=query), 400)


def test_batches_of_others_are_not_found(groq_simulator: SimulatedGroq) -> None:
    batch = create(groq_simulator, key="other").json()
    for method, path in (("GET", ""), ("POST", "/cancel")):
        answer = ask(groq_simulator, method, f"/batches/{batch['id']}{path}")
        assert error_of(answer, 404)["type"] == "invalid_request_error"
    groq_simulator.reset()
    assert error_of(ask(groq_simulator, "GET", f"/batches/{batch['id']}", key="other"), 404)
