"""A run of batches, from requests to results, on a scripted service in virtual time."""

from __future__ import annotations

import itertools
import logging
import pickle
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from helpers_batches import CHAT, FakeService, answered, chat, chats, echo, parsed_lines, refused

from customgroqchat._batch_start import BatchProgress
from customgroqchat._runs_batches import RunsBatches
from customgroqchat.batch_run import BatchRun
from customgroqchat.exceptions import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ClientClosedException,
    GroqError,
    InternalServerError,
    InvalidRequestException,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)


def texts(run: BatchRun) -> list[str]:
    return [result.unwrap().choices[0].message.content or "" for result in run]


def upper(count: int) -> list[str]:
    return [f"QUESTION {number}" for number in range(count)]


def down() -> APIConnectionError:
    return APIConnectionError("The connection failed.")


def broken() -> InternalServerError:
    return InternalServerError("HTTP 503: over capacity", status_code=503)


# --- from requests to results ----------------------------------------------------------------


def test_requests_become_results_in_their_order() -> None:
    service = FakeService()
    run = service.batches.run(chats(5))
    assert texts(run) == upper(5)
    assert (run.ids, len(run), run.done) == (("batch_0",), 5, True)
    results = list(run)  # once more
    assert [result.position for result in results] == [0, 1, 2, 3, 4]
    assert {result.batch_id for result in results} == {"batch_0"}


def test_the_batch_is_created_as_wanted() -> None:
    service = FakeService()
    service.batches.run(chats(1), completion_window="7d", metadata={"job": "nightly"})
    batch = service.known["batch_0"]["batch"]
    assert (batch["completion_window"], batch["metadata"]) == ("7d", {"job": "nightly"})
    assert (batch["endpoint"], batch["input_file_id"]) == (CHAT, "file_in0")


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    service = FakeService()
    service.batches.run(chats(1))
    assert "metadata" not in service.known["batch_0"]["batch"]


def test_many_requests_are_split_and_put_together_again() -> None:
    service = FakeService(polls=3)
    run = service.batches.run((request for request in chats(7)), max_lines=3)
    assert texts(run) == upper(7)
    assert run.ids == ("batch_0", "batch_1", "batch_2")
    assert [result.batch_id for result in run] == ["batch_0"] * 3 + ["batch_1"] * 3 + ["batch_2"]
    assert [result.position for result in run] == list(range(7))


def test_a_file_has_no_more_bytes_than_it_may() -> None:
    service = FakeService()
    run = service.batches.run(chats(7), max_bytes=500)
    assert len(run.ids) > 1
    assert all(len(content) <= 500 for name, content in service.contents.items() if "in" in name)
    assert texts(run) == upper(7)


def test_common_fields_reach_the_file() -> None:
    service = FakeService()
    service.batches.run(chats(1), common={"temperature": 0})
    (line,) = parsed_lines(service.contents["file_in0"])
    assert line["body"]["temperature"] == 0


def test_without_requests_nothing_is_done() -> None:
    service = FakeService()
    run = service.batches.run([])
    assert (list(run), len(run), bool(run), run.ids, service.calls) == ([], 0, True, (), [])


def test_errors_are_among_the_results() -> None:
    def answer(line: dict[str, Any]) -> dict[str, Any] | None:
        text = line["body"]["messages"][0]["content"]
        if text == "question 1":
            return refused(line["custom_id"], 400, message="no", code="context_length_exceeded")
        return None if text == "question 2" else echo(line)

    run = FakeService(answer).batches.run(chats(4))
    assert [result.ok for result in run] == [True, False, False, True]
    errors = [result.error for result in run if result.error]
    assert [type(error).__name__ for error in errors] == ["BadRequestError", "APIError"]
    assert "no line for this request" in errors[1].message


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_of_a_batch_that_ends_early_what_is_done_is_kept(status: str) -> None:
    service = FakeService(
        lambda line: None if line["custom_id"].endswith("1") else echo(line), ends={0: status}
    )
    results = list(service.batches.run(chats(3)))
    assert [result.ok for result in results] == [True, False, True]
    assert getattr(results[1].error, "code", None) == f"batch_{status}"


def test_a_batch_that_is_refused_says_which_requests_were_wrong() -> None:
    service = FakeService(ends={1: "failed"})
    service.errors[1] = {"data": [{"line": 2, "code": "bad_line", "message": "No."}]}
    results = list(service.batches.run(chats(5), max_lines=2))
    assert [result.ok for result in results] == [True, True, False, False, True]
    assert isinstance(results[3].error, BadRequestError)
    assert "Line 2: No." in str(results[2].error)


def test_a_file_that_is_gone_costs_only_its_own_results() -> None:
    service = FakeService()
    run = service.batches.run(chats(4), max_lines=2)
    del service.contents["file_out_batch_0"]
    results = list(run)
    assert [result.ok for result in results] == [False, False, True, True]
    assert "file_out_batch_0 is gone" in str(results[0].error)


# --- what is wrong is said before anything is sent -------------------------------------------


def test_a_wrong_request_in_a_list_is_told_before_anything_is_sent() -> None:
    service = FakeService()
    with pytest.raises(InvalidRequestException, match=r"requests\[4\]") as caught:
        service.batches.run([*chats(4), chat("a", temperature=3)], max_lines=1)
    assert service.calls == []
    assert not hasattr(caught.value, "batch_ids")


def test_a_wrong_request_in_a_later_file_of_an_iterator_tells_what_was_begun() -> None:
    service = FakeService()
    with pytest.raises(InvalidRequestException, match=r"requests\[4\]") as caught:
        service.batches.run(iter([*chats(4), chat("a", temperature=3)]), max_lines=2)
    assert caught.value.batch_ids == ("batch_0",)  # type: ignore[attr-defined]
    assert "client.batches.resume(['batch_0'])" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"deadline": 0}, "deadline"),
        ({"poll_interval_s": 0}, "poll_interval_s"),
        ({"poll_interval_s": 9, "longest_poll_interval_s": 8}, "poll_interval_s"),
        ({"on_started": 5}, "callback"),
        ({"on_progress": 5}, "callback"),
        ({"resume": [""]}, "ids"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], field: str) -> None:
    service = FakeService()
    with pytest.raises(InvalidRequestException) as caught:
        service.batches.run(chats(1), **options)
    assert (caught.value.field, service.calls) == (field, [])


# --- creation --------------------------------------------------------------------------------


def test_each_creation_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    service, told = FakeService(), []
    with caplog.at_level(logging.INFO, logger="customgroqchat"):
        service.batches.run(
            chats(3), max_lines=2, on_started=lambda ids: told.append((ids, *service.calls[-1:]))
        )
    assert told == [
        (("batch_0",), "batches.create"),
        (("batch_0", "batch_1"), "batches.create"),
    ]
    assert "batch batch_0 has 2 requests, in file_in0" in caplog.text


def test_a_refusal_before_the_first_batch_is_raised_as_it_is_and_leaves_no_file() -> None:
    service = FakeService()
    refusal = PermissionDeniedError("HTTP 403: not_available_for_plan", status_code=403)
    service.faults["batches.create"] = [refusal]
    service.known = Unborn()  # type: ignore[assignment]
    with pytest.raises(PermissionDeniedError) as caught:
        service.batches.run(chats(1))
    assert caught.value is refusal
    assert not hasattr(refusal, "batch_ids")
    assert service.contents == {}


def test_an_error_after_the_first_batch_tells_what_was_begun() -> None:
    service = FakeService()
    service.faults["files.create"] = [None, down()]
    with pytest.raises(APIConnectionError) as caught:
        service.batches.run(chats(3), max_lines=1)
    assert caught.value.batch_ids == ("batch_0",)  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(caught.value)).batch_ids == ("batch_0",)


class Unborn(dict[str, Any]):
    """Batches whose creation does not come about."""

    def __setitem__(self, _: str, __: Any) -> None:
        pass


@pytest.mark.parametrize("fault", [down(), InternalServerError("x", status_code=502)])
def test_a_creation_that_is_not_confirmed_is_looked_up_and_not_repeated(fault: GroqError) -> None:
    service = FakeService()
    service.faults["batches.create"] = [None, fault]
    assert texts(service.batches.run(chats(2), max_lines=1)) == upper(2)
    assert (service.count("batches.create"), service.count("batches.list")) == (2, 1)


@pytest.mark.parametrize("listing", [None, down()])
def test_a_creation_that_did_not_come_about_is_an_error(listing: GroqError | None) -> None:
    service = FakeService()
    service.faults = {"batches.create": [down()], "batches.list": [listing]}
    service.known = Unborn()  # type: ignore[assignment]
    with pytest.raises(APIConnectionError):
        service.batches.run(chats(2))
    assert list(service.contents) == ["file_in0"]  # perhaps there is a batch that needs it


def test_what_has_no_name_was_not_created() -> None:
    service = FakeService()
    service.files.create = lambda **_: SimpleNamespace(id=None)
    with pytest.raises(APIResponseValidationError, match="no id"):
        service.batches.run(chats(2))
    assert service.calls == []


# --- waiting ---------------------------------------------------------------------------------


def waits(service: FakeService) -> list[float]:
    times = [at for at, batch_id in service.asked if batch_id == "batch_0"]
    return [round(b - a, 6) for a, b in itertools.pairwise(times)]


def test_the_intervals_grow_up_to_the_longest() -> None:
    service = FakeService(polls=12)
    service.clock.chance = 0.0
    service.batches.run(chats(1))
    assert waits(service) == [
        2.0,
        3.0,
        4.5,
        6.75,
        10.125,
        15.1875,
        22.78125,
        34.171875,
        51.257812,
        60.0,
        60.0,
    ]


def test_chance_shortens_them_by_a_quarter_at_most() -> None:
    service = FakeService(polls=4)
    service.clock.chance = 1.0
    service.batches.run(chats(1), poll_interval_s=10.0, longest_poll_interval_s=10.0)
    assert waits(service) == [7.5, 7.5, 7.5]


def test_only_those_that_have_not_ended_are_asked_for() -> None:
    service = FakeService(polls=1)
    service.batches.run(chats(3), max_lines=1)
    assert service.count("batches.retrieve") == 3


@pytest.mark.parametrize("fault", [down(), broken()])
def test_a_question_without_an_answer_is_asked_again(
    fault: GroqError, caplog: pytest.LogCaptureFixture
) -> None:
    service = FakeService()
    service.faults["batches.retrieve"] = [fault, fault, None, fault]
    assert texts(service.batches.run(chats(2))) == upper(2)
    assert caplog.text.count("how the batches are cannot be told") == 3


def test_the_service_is_left_alone_for_as_long_as_it_wants() -> None:
    service = FakeService(polls=2)
    service.faults["batches.retrieve"] = [
        RateLimitError("HTTP 429: slower", status_code=429, retry_after=45.0)
    ]
    service.batches.run(chats(1))
    assert waits(service)[0] == 45.0


def test_a_key_that_is_revoked_ends_the_waiting_and_the_batches_go_on() -> None:
    service = FakeService()
    service.faults["batches.retrieve"] = [AuthenticationError("HTTP 401: no", status_code=401)]
    with pytest.raises(AuthenticationError) as caught:
        service.batches.run(chats(1))
    assert caught.value.batch_ids == ("batch_0",)  # type: ignore[attr-defined]
    assert service.count("batches.cancel") == 0


def test_the_deadline_ends_the_waiting_and_the_batches_go_on() -> None:
    service = FakeService(polls=1000)
    began = service.clock.monotonic()
    with pytest.raises(APITimeoutError) as caught:
        service.batches.run(chats(4), max_lines=2, deadline=100.0)
    assert service.clock.monotonic() - began == 100.0
    assert caught.value.message == (
        "The batches did not end within the deadline (2 in_progress). "
        "Of 4 requests, 0 are completed and 0 have failed."
    )
    assert "client.batches.resume(['batch_0', 'batch_1'])" in (caught.value.hint or "")
    assert caught.value.batch_ids == ("batch_0", "batch_1")  # type: ignore[attr-defined]
    assert service.count("batches.cancel") == 0


def test_at_the_deadline_the_service_is_asked_once_more() -> None:
    service = FakeService(polls=2)
    assert texts(service.batches.run(chats(1), deadline=0.5)) == upper(1)


def test_the_time_of_uploading_counts() -> None:
    service = FakeService(polls=1000)
    began = service.clock.monotonic()
    with pytest.raises(APITimeoutError):
        service.batches.run(
            chats(1), deadline=100.0, on_started=lambda ids: service.clock.advance(70.0)
        )
    assert service.clock.monotonic() - began == 100.0


def test_progress_is_told_after_each_question() -> None:
    service = FakeService(polls=2)
    service.clock.chance = 0.0
    told: list[BatchProgress] = []
    run = service.batches.run(chats(3), max_lines=2, on_progress=told.append)
    assert told == [
        BatchProgress(3, 0, 0, {"in_progress": 2}, 0.0),
        BatchProgress(3, 3, 0, {"completed": 2}, 2.0),
    ]
    assert repr(run) == "<BatchRun of 3 requests: 3 completed, 0 failed; batches: 2 completed>"


def test_a_run_need_not_wait() -> None:
    service = FakeService(polls=2)
    run = service.batches.run(chats(2), wait=False)
    assert (run.done, service.count("batches.retrieve")) == (False, 0)
    assert run.refresh().batches == {"in_progress": 1}
    assert run.wait(deadline=60.0) is run
    assert texts(run) == upper(2)
    assert [batch.status for batch in run.batches] == ["completed"]


def test_who_asks_for_results_waits_for_them() -> None:
    assert texts(FakeService(polls=5).batches.run(chats(2), wait=False)) == upper(2)


def test_a_question_by_hand_may_fail() -> None:
    service = FakeService()
    run = service.batches.run(chats(1), wait=False)
    service.faults["batches.retrieve"] = [down()]
    with pytest.raises(APIConnectionError):
        run.refresh()


# --- early ends ------------------------------------------------------------------------------


def test_ctrl_c_leaves_the_batches_and_tells_their_names(caplog: pytest.LogCaptureFixture) -> None:
    service = FakeService()
    service.faults["batches.retrieve"] = [None, KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt) as caught:
        service.batches.run(chats(2), max_lines=1)
    assert caught.value.batch_ids == ("batch_0", "batch_1")  # type: ignore[attr-defined]
    assert "client.batches.resume(['batch_0', 'batch_1'])" in caplog.text
    assert service.count("batches.cancel") == 0


def test_ctrl_c_ends_the_batches_if_that_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    service = FakeService()
    service.faults["batches.retrieve"] = [None, KeyboardInterrupt()]
    ended = BadRequestError("HTTP 400: ended", status_code=400)
    service.faults["batches.cancel"] = [ended, ClientClosedException("The client is closed.")]
    with pytest.raises(KeyboardInterrupt):
        service.batches.run(chats(2), max_lines=1, cancel_on_interrupt=True)
    assert service.calls[-2:] == ["batches.cancel batch_0", "batches.cancel batch_1"]
    assert "batch_0 cannot be cancelled: HTTP 400: ended" in caplog.text
    assert "batch_1 cannot be cancelled: The client is closed." in caplog.text
    assert "are cancelled" in caplog.text


def test_what_a_hook_raises_ends_the_run_and_tells_the_names() -> None:
    def full(ids: tuple[str, ...]) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full") as caught:
        FakeService().batches.run(chats(2), on_started=full)
    assert caught.value.batch_ids == ("batch_0",)  # type: ignore[attr-defined]


def test_a_download_that_fails_tells_the_names_and_may_be_repeated() -> None:
    service = FakeService()
    run = service.batches.run(chats(2))
    service.faults["files.content"] = [down()]
    with pytest.raises(APIConnectionError, match="The batches have ended") as caught:
        list(run)
    assert caught.value.batch_ids == ("batch_0",)  # type: ignore[attr-defined]
    assert texts(run) == upper(2)


def test_a_run_can_be_cancelled_and_has_what_was_done() -> None:
    service = FakeService(lambda line: None, polls=3, ends={0: "cancelled"})
    run = service.batches.run(chats(1), wait=False)
    run.cancel()
    assert run.batches[0].status == "cancelling"
    (result,) = run
    assert getattr(result.error, "code", None) == "batch_cancelled"


# --- resuming --------------------------------------------------------------------------------


def test_a_resumed_run_uploads_nothing_and_joins_the_same() -> None:
    service = FakeService(polls=1000)
    with pytest.raises(APITimeoutError) as caught:
        service.batches.run(chats(5), max_lines=2, deadline=60.0)
    service.polls, begun = 1, len(service.contents)
    ids = caught.value.batch_ids  # type: ignore[attr-defined]
    run = service.batches.run(chats(5), max_lines=2, resume=ids)
    assert texts(run) == upper(5)
    assert service.count("files.create") == service.count("batches.create") == begun == 3


def test_what_was_not_uploaded_before_the_crash_is_uploaded() -> None:
    service, told = FakeService(), []
    service.faults["files.create"] = [None, KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        service.batches.run(chats(5), max_lines=2, on_started=told.append)
    run = service.batches.run(chats(5), max_lines=2, resume=told[-1], on_started=told.append)
    assert texts(run) == upper(5)
    assert run.ids == ("batch_0", "batch_1", "batch_2")
    assert told == [("batch_0",), ("batch_0", "batch_1"), ("batch_0", "batch_1", "batch_2")]


def test_without_the_requests_their_order_is_read_from_the_input_files() -> None:
    service = FakeService()
    requests = [chat(f"question {n}", custom_id=name) for n, name in enumerate("dacb")]
    ids = service.batches.run(requests, max_lines=3).ids
    run = service.batches.resume(ids)
    assert [result.custom_id for result in run] == ["d", "a", "c", "b"]
    assert [result.position for result in run] == [0, 1, 2, 3]
    assert texts(run) == upper(4)
    assert len(run) == 4


def test_without_the_input_files_as_well_the_order_is_that_of_the_names() -> None:
    service = FakeService()
    (batch_id,) = service.batches.run(chats(3)).ids
    del service.contents["file_in0"]
    run = service.batches.resume(batch_id)
    assert len(run) == 3
    assert texts(run) == upper(3)


def test_a_resumed_run_need_not_wait_and_knows_nothing_yet() -> None:
    service = FakeService()
    run = service.batches.resume(["batch_0"], wait=False)
    assert (run.ids, run.done, len(run)) == (("batch_0",), False, 0)
    assert run.progress.batches == {"unknown": 1}


def test_a_batch_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(NotFoundError):
        FakeService().batches.resume(["batch_9"])


def test_other_requests_than_those_of_the_batch_are_noticed() -> None:
    service = FakeService()
    ids = service.batches.run([chat("a", custom_id="a"), chat("b", custom_id="b")]).ids
    run = service.batches.run([chat("c", custom_id="c")], resume=ids)
    with pytest.raises(InvalidRequestException, match=r"was made of other requests: 'a'"):
        list(run)


def test_names_in_another_order_are_noticed() -> None:
    service = FakeService()
    ids = service.batches.run(chats(2), max_lines=1).ids
    with pytest.raises(InvalidRequestException, match="in the order in which they were told"):
        list(service.batches.run(chats(2), max_lines=1, resume=ids[::-1]))


def test_more_batches_than_requests_are_noticed() -> None:
    service = FakeService()
    with pytest.raises(InvalidRequestException, match=r"2 batches .* fill 1 files only"):
        service.batches.run(chats(2), resume=["batch_0", "batch_1"])


@pytest.mark.parametrize("ids", [[], "", [5], [""]])
def test_what_is_no_name_is_refused(ids: Any) -> None:
    with pytest.raises(InvalidRequestException):
        FakeService().batches.resume(ids)


# --- files -----------------------------------------------------------------------------------


def test_files_are_deleted_once_all_results_were_read() -> None:
    service = FakeService()
    run = service.batches.run(chats(3), max_lines=2, delete_files=True)
    results = iter(run)
    next(results)
    assert len(service.contents) == 4
    assert len(list(results)) == 2
    assert service.contents == {}


def test_a_file_that_cannot_be_deleted_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    service = FakeService()
    run = service.batches.run(chats(1))
    service.faults["files.delete"] = [down()]
    run.delete_files()
    assert "the file file_in0 cannot be deleted" in caplog.text
    assert list(service.contents) == ["file_in0"]


# --- size ------------------------------------------------------------------------------------


def test_of_a_long_iterator_one_file_is_held_at_a_time() -> None:
    service, ahead = FakeService(polls=1), []

    def requests() -> Iterator[dict[str, Any]]:
        for number in range(400):
            ahead.append(number - 50 * service.count("batches.create"))
            yield chat(f"question {number}")

    run = service.batches.run(requests(), max_lines=50)
    assert max(ahead) == 50
    assert texts(run) == upper(400)


def test_whoever_inherits_says_where_the_files_are() -> None:
    with pytest.raises(NotImplementedError):
        RunsBatches().run([])


def test_answers_of_others_are_kept_apart() -> None:
    """A line for a request is found, wherever in the files it stands, and no other is taken."""
    service = FakeService(lambda line: answered(line["custom_id"], line["custom_id"]))
    run = service.batches.run(chats(120), max_lines=50)
    assert texts(run) == [result.custom_id for result in run]
