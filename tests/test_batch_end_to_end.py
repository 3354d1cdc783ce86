"""Batches run by a client against a service that speaks HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from helpers_batches import MODEL, chat, chats

from customgroqchat import GroqClient
from customgroqchat.exceptions import APIError, InvalidRequestException, NotFoundError
from customgroqchat.testing import SimulatedGroq


@pytest.fixture
def groq() -> Iterator[SimulatedGroq]:
    # One question is enough: three steps take a batch to its end.
    with SimulatedGroq(batch_steps=3) as groq:
        yield groq


@pytest.fixture
def client(groq: SimulatedGroq) -> Iterator[GroqClient]:
    with GroqClient({}, api_key="gsk_batches", base_url=groq.url) as client:
        yield client


def test_requests_are_answered_in_their_order(client: GroqClient) -> None:
    run = client.batches.run(chats(7), max_lines=3, completion_window="48h")
    results = list(run)
    assert [result.position for result in results] == list(range(7))
    for number, result in enumerate(results):
        answer = result.unwrap()
        assert f"question {number}" in (answer.choices[0].message.content or "")
        assert answer.model == MODEL
        assert answer.request_id == result.request_id
        assert (result.request_id or "").startswith("req_")
    assert [batch.completion_window for batch in run.batches] == ["48h"] * 3
    assert run.progress.completed == run.progress.total == 7


def test_a_request_that_is_refused_has_the_error_of_a_call(client: GroqClient) -> None:
    unknown = {**chat("a"), "model": "no-such-model"}
    good, bad = client.batches.run([chat("a"), unknown])
    assert good.ok
    assert isinstance(bad.error, NotFoundError)
    assert bad.error.code == "model_not_found"
    assert bad.error.hint


def test_a_resumed_run_has_the_same_results(groq: SimulatedGroq, client: GroqClient) -> None:
    requests = [chat(f"question {n}", custom_id=name) for n, name in enumerate("dbca")]
    run = client.batches.run(requests, wait=False)
    with GroqClient({}, api_key="gsk_batches", base_url=groq.url) as other:
        again = other.batches.resume(run.ids)
        assert [result.custom_id for result in again] == list("dbca")
        uploads = sum(record.method == "POST" for record in groq.requests)
        same = other.batches.run(requests, resume=run.ids)
        assert [result.response for result in same] == [result.response for result in again]
        assert sum(record.method == "POST" for record in groq.requests) == uploads


def test_a_batch_takes_nothing_of_the_limits_of_calls() -> None:
    with (
        SimulatedGroq(limits={"RPM": 1, "TPM": 500}, batch_steps=3) as groq,
        GroqClient({}, api_key="gsk_batches", base_url=groq.url) as client,
    ):
        assert all(result.ok for result in client.batches.run(chats(40)))
        client.chat_completion(MODEL, chat("a")["messages"], max_wait=0)


def test_an_expired_batch_tells_each_request() -> None:
    with (
        SimulatedGroq(batch_steps=3, batch_end="expired") as groq,
        GroqClient({}, api_key="gsk_batches", base_url=groq.url) as client,
    ):
        results = list(client.batches.run(chats(4)))
    assert len(results) == 4
    codes = {result.error.code for result in results if isinstance(result.error, APIError)}
    assert codes == {"batch_expired"}


def test_a_failed_batch_tells_each_request() -> None:
    with (
        SimulatedGroq(batch_steps=3, batch_end="failed") as groq,
        GroqClient({}, api_key="gsk_batches", base_url=groq.url) as client,
    ):
        results = list(client.batches.run(chats(2)))
    assert [result.ok for result in results] == [False, False]


def test_nothing_is_left_at_the_service_if_that_is_wanted(client: GroqClient) -> None:
    assert len(list(client.batches.run(chats(3), delete_files=True))) == 3
    assert list(client.files.list().data) == []


def test_a_wrong_request_is_told_before_anything_is_sent(
    groq: SimulatedGroq, client: GroqClient
) -> None:
    with pytest.raises(InvalidRequestException, match=r"requests\[1\]"):
        client.batches.run([chat("a"), chat("b", temperature=9)])
    assert list(groq.requests) == []


def test_a_creation_whose_answer_was_lost_is_not_repeated() -> None:
    def lose(payload: dict[str, Any] | None, _: Mapping[str, str]) -> None:
        if payload and "input_file_id" in payload:
            groq.fault_next("truncate")

    with (
        SimulatedGroq(batch_steps=3, on_request=lose) as groq,
        GroqClient({}, api_key="gsk_batches", base_url=groq.url) as client,
    ):
        run = client.batches.run(chats(2), max_lines=1)
        assert [result.ok for result in run] == [True, True]
        assert {batch.id for batch in client.batches.list().data} == set(run.ids)
