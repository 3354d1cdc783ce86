"""Requests become files: checked, named, split."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from helpers_batches import CHAT, MODEL, chat, chats, parsed_lines
from helpers_properties import repeatable
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._batch_lines import (
    PUBLISHED_LIMITS,
    FileLimits,
    InputFile,
    LineRules,
    NumberedIds,
    input_files,
)
from customgroqchat._types import NOT_GIVEN
from customgroqchat.exceptions import InvalidRequestException


def files(requests: Any, limits: FileLimits = PUBLISHED_LIMITS, **rules: Any) -> list[InputFile]:
    return list(input_files(requests, LineRules(limits=limits, **rules)))


def lines(requests: Any, **rules: Any) -> list[dict[str, Any]]:
    (file,) = files(requests, **rules)
    return parsed_lines(file.content)


def refusal(requests: Any, **rules: Any) -> InvalidRequestException:
    with pytest.raises(InvalidRequestException) as caught:
        files(requests, **rules)
    return caught.value


# --- one line --------------------------------------------------------------------------------


def test_a_request_becomes_a_line() -> None:
    assert lines([chat("Grüße", temperature=0, custom_id="first")]) == [
        {"custom_id": "first", "method": "POST", "url": CHAT, "body": chat("Grüße", temperature=0)}
    ]


def test_names_that_were_not_given_are_made_of_the_positions() -> None:
    (file,) = files([chat("a"), chat("b", custom_id="mine"), chat("c")])
    assert list(file.custom_ids) == ["request-000000000", "mine", "request-000000002"]
    assert [line["custom_id"] for line in parsed_lines(file.content)] == list(file.custom_ids)


def test_a_line_of_a_batch_file_is_taken_as_it_is() -> None:
    line = {"custom_id": "x", "method": "POST", "url": CHAT, "body": chat("a")}
    assert lines([line]) == [line]
    assert lines([{"body": chat("a"), "custom_id": "x"}]) == [line]


def test_common_fields_are_those_of_all_but_who_has_them() -> None:
    common = {"model": "common", "temperature": 0.5, "seed": NOT_GIVEN}
    messages = [{"role": "user", "content": "a"}]
    found = lines([{"messages": messages}, chat("b", temperature=1)], common=common)
    assert [(line["body"]["model"], line["body"]["temperature"]) for line in found] == [
        ("common", 0.5),
        (MODEL, 1),
    ]
    assert "seed" not in found[0]["body"]


def test_the_model_may_have_its_name_of_map() -> None:
    request = {"model_name": MODEL, "messages": chat("a")["messages"]}
    assert lines([request])[0]["body"] == chat("a")


def test_another_endpoint_has_other_bodies() -> None:
    endpoint = "/v1/audio/transcriptions"
    (line,) = lines([{"model": "whisper-large-v3", "url": "https://a/b"}], endpoint=endpoint)
    assert line["url"] == endpoint
    assert line["body"] == {"model": "whisper-large-v3", "url": "https://a/b"}


# --- what is wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "field", "words"),
    [
        (chat("a", temperature=3), "requests[1].temperature", "temperature cannot be 3"),
        ({"model": MODEL, "messages": []}, "requests[1].messages", "messages cannot be []"),
        ({"model": MODEL}, "requests[1].messages", "messages cannot be None"),
        (chat("a", stream=True), "requests[1].stream", "are in a file"),
        (chat("a", max_completion_tokens="auto"), "requests[1].max_completion_tokens", "a number"),
        (chat("a", priority="low"), "requests[1].priority", "not for a batch"),
        (chat("a", extra_body={"b": 1}), "requests[1].extra_body", "not for a batch"),
        (chat("a", custom_id=7), "requests[1].custom_id", "custom_id cannot be 7"),
        (chat("a", custom_id=" "), "requests[1].custom_id", "custom_id cannot be ' '"),
        (chat("a", seed_={1, 2}), "requests[1].seed_", "A set is not JSON"),
        ("a", "requests[1]", "It cannot be 'a'"),
        ({"body": chat("a"), "method": "GET"}, "requests[1].method", "Give 'POST'"),
        ({"body": chat("a"), "url": "/v1/x"}, "requests[1].url", f"is {CHAT}"),
        ({"body": chat("a"), "model": "b"}, "requests[1].model", "method, url and body only"),
        ({"body": "a"}, "requests[1].body", "body cannot be 'a'"),
        (chat("a" * 600), "requests[1].body", "a whole file has 500 at most"),
    ],
)
def test_a_wrong_request_is_named_by_its_position(request_: Any, field: str, words: str) -> None:
    error = refusal([chat("fine"), request_], limits=FileLimits(100, 500))
    assert error.field == field
    assert str(error).startswith("requests[1]: ")
    assert words in str(error)


def test_all_that_are_wrong_are_told_at_once() -> None:
    bad = [chat("a", temperature=3), chat("b"), {"model": 5, "messages": []}, chat("c", top_p=2)]
    error = refusal(bad)
    assert str(error) == (
        "3 requests are wrong. "
        "requests[0]: temperature cannot be 3. Give a number from 0 to 2. "
        "requests[2]: model cannot be 5. Give the model's name, such as 'openai/gpt-oss-20b'. "
        "requests[3]: top_p cannot be 2. Give a number from 0 to 1. Hint: Mend these requests."
    )
    assert error.field == "requests[0].temperature"


def test_of_very_many_the_positions_are_told() -> None:
    bad = [chat("a", temperature=3)] * 13 + [chat("b")] + [chat("a", temperature=3)] * 2
    assert "So are requests 10-12, 14-15." in refusal(bad).message
    assert "So are requests 10." in refusal(bad[:11]).message


@pytest.mark.parametrize("requests", [None, 5, "text", b"bytes", {"model": MODEL}])
def test_what_is_no_list_of_requests_is_refused(requests: Any) -> None:
    assert refusal(requests).field == "requests"


def test_a_fault_that_json_alone_sees_is_raised_as_it_is() -> None:
    class Fickle(Sequence[Any]):
        """Is not to be had at the first reading."""

        reads = 0

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: Any) -> Any:
            self.reads += 1
            if self.reads == 1:
                raise TypeError("not yet")
            if index:
                raise IndexError
            return "x"

    with pytest.raises(TypeError, match="not yet"):
        files([chat("a", strange=Fickle())])


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "place", "words"),
    [
        (["a", "a"], 1, "requests[0] has it already"),
        ([None, "request-000000000"], 1, "requests[0] has it already"),
        (["request-000000001", None], 1, "and requests[0] has it"),
    ],
)
def test_no_two_requests_have_one_name(names: list[str | None], place: int, words: str) -> None:
    error = refusal([chat("a", custom_id=name) for name in names])
    assert error.field == f"requests[{place}].custom_id"
    assert words in str(error)


def test_a_name_is_used_once_in_all_files() -> None:
    requests = [chat("a", custom_id=name) for name in ("a", "b", "a")]
    assert "requests[2]" in refusal(requests, limits=FileLimits(1, 10_000)).message


def test_generated_names_of_an_earlier_run_may_be_given() -> None:
    names = ["request-000000005", "request-000000001", "request-000000000", "request-0000000001"]
    (file,) = files([chat("a", custom_id=name) for name in names])
    assert list(file.custom_ids) == names


def test_many_names_that_only_count_take_no_room() -> None:
    (file,) = files(chats(5))
    assert isinstance(file.custom_ids, NumberedIds)
    assert (len(file.custom_ids), "request-000000004" in file.custom_ids) == (5, True)
    assert "request-000000005" not in file.custom_ids


# --- splitting -------------------------------------------------------------------------------


def test_a_file_has_no_more_lines_than_it_may() -> None:
    found = files(chats(7), limits=FileLimits(3, 10_000))
    assert [(file.first, len(file.custom_ids)) for file in found] == [(0, 3), (3, 3), (6, 1)]


@repeatable
@given(st.lists(st.text(min_size=1, max_size=200), max_size=20), st.integers(1, 5))
def test_files_hold_all_requests_in_order_within_the_limits(texts: list[str], most: int) -> None:
    limits = FileLimits(most, 2_000)
    found = files([chat(text) for text in texts], limits=limits)
    told = [line for file in found for line in parsed_lines(file.content)]
    assert [line["body"]["messages"][0]["content"] for line in told] == texts
    assert [line["custom_id"] for line in told] == [
        name for file in found for name in file.custom_ids
    ]
    for file, after in itertools.pairwise(found):
        first = after.content.splitlines(keepends=True)[0]
        full = len(file.content) + len(first) > limits.size or len(file.custom_ids) == most
        assert full, "it was closed too soon"
    assert all(len(f.content) <= limits.size and len(f.custom_ids) <= most for f in found)


def test_nothing_makes_no_file() -> None:
    assert files([]) == files(iter([])) == []


def test_the_published_limits() -> None:
    assert PUBLISHED_LIMITS == (50_000, 100_000_000)


# --- reading ---------------------------------------------------------------------------------


def test_an_iterator_is_read_one_file_at_a_time() -> None:
    read = []

    def requests() -> Iterator[dict[str, Any]]:
        for number in range(9):
            read.append(number)
            yield chat("a")

    made = input_files(requests(), LineRules(limits=FileLimits(3, 10_000)))
    assert read == []
    next(made)
    assert read == [0, 1, 2, 3]


def test_a_list_is_checked_as_a_whole_before_there_is_a_file() -> None:
    with pytest.raises(InvalidRequestException, match=r"requests\[3\]"):
        input_files([*chats(3), chat("a", temperature=3)], LineRules(limits=FileLimits(1, 1_000)))


def test_of_an_iterator_the_files_before_the_wrong_request_are_made() -> None:
    made = input_files(
        iter([*chats(3), chat("a", temperature=3)]), LineRules(limits=FileLimits(2, 1_000))
    )
    assert len(next(made).custom_ids) == 2
    with pytest.raises(InvalidRequestException, match=r"requests\[3\]"):
        next(made)


def test_a_wrong_request_is_told_before_its_file_is_closed() -> None:
    requests = iter([chat("a"), chat("b", temperature=3), *chats(5)])
    with pytest.raises(InvalidRequestException, match=r"requests\[1\]"):
        next(input_files(requests, LineRules(limits=FileLimits(2, 1_000))))


def test_lone_surrogates_do_not_break_a_line() -> None:
    (file,) = files([chat("a\ud800\nb")])
    (line,) = file.content.splitlines()
    assert json.loads(line)["body"]["messages"][0]["content"] == "a\ud800\nb"
