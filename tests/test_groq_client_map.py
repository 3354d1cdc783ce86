"""GroqClient.map: many requests, lazily, in order or not, and what happens to those left over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers_servers import said, until, user

from customgroqchat import (
    BadRequestError,
    ClientClosedException,
    GroqClient,
    InvalidRequestException,
    RequestCancelledException,
    TokenLimitExceededException,
)
from customgroqchat.testing import SimulatedGroq

MakeClient = Callable[..., GroqClient]


def echo(
    payload: dict[str, Any] | None, headers: dict[str, str]
) -> tuple[int, dict[str, str], Any]:
    """Answer at once with what was said; "bad" is refused."""
    text = said(payload)
    if text == "bad":
        return 400, {}, {"error": {"message": "Bad."}}
    return 200, {}, {"choices": [{"message": {"content": text}}]}


@pytest.fixture
def echoing(groq_simulator_factory: Callable[..., SimulatedGroq]) -> SimulatedGroq:
    return groq_simulator_factory(on_request=echo)


def content(answer: Any) -> str:
    return str(answer.choices[0].message.content)


class Counted:
    """An iterable of requests that tells how far it was read, and whether it was closed."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        self.taken = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for text in self.texts:
            self.taken += 1
            yield {"model_name": "m", "messages": user(text)}


@pytest.mark.parametrize(("ordered", "wanted"), [(True, 2_000), (False, 500)])
def test_two_thousand_requests_are_taken_only_as_they_are_answered(
    echoing: SimulatedGroq, make_client: MakeClient, ordered: bool, wanted: int
) -> None:
    client = make_client(echoing.url, max_workers=8)
    source = Counted([str(number) for number in range(2_000)])
    answers = client.map(source, ordered=ordered, look_ahead=20)
    assert source.taken == 0  # nothing happens before the first next()
    got: list[str] = []
    for answer in answers:
        got.append(content(answer))
        assert source.taken - len(got) < 20
        assert client.get_queue_status()["queued"] < 20
        if len(got) == wanted:
            break
    answers.close()  # type: ignore[attr-defined]
    assert source.taken < wanted + 20
    assert len(set(got)) == wanted
    if ordered:
        assert got == source.texts


def test_the_look_ahead_is_twice_the_workers_by_default_and_no_more_than_the_queue(
    echoing: SimulatedGroq, make_client: MakeClient
) -> None:
    for settings, expected in (({"max_workers": 3}, 6), ({"max_workers": 8, "max_queue": 5}, 5)):
        source = Counted(["x"] * 100)
        answers = make_client(echoing.url, **settings).map(source)
        next(answers)
        assert source.taken == expected


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("number", [0, 1, 5])
def test_few_requests_and_none(
    echoing: SimulatedGroq, make_client: MakeClient, ordered: bool, number: int
) -> None:
    source = Counted([str(index) for index in range(number)])
    answers = list(make_client(echoing.url).map(source, ordered=ordered))
    assert sorted(map(content, answers)) == source.texts


def test_unordered_answers_do_not_wait_for_a_slow_one(
    groq_simulator_factory: Callable[..., SimulatedGroq], make_client: MakeClient
) -> None:
    # The slow one waits for quota that the others, of another model, do not need.
    simulator = groq_simulator_factory(models={"m": {}, "slow": {}})
    client = make_client(simulator.url, {"slow": {"req_per_minute": 1}})
    client.chat_completion("slow", user())
    requests = [{"model": name, "messages": user()} for name in ("slow", "m", "m")]
    answers = client.map(requests, ordered=False, look_ahead=3)
    assert [next(answers).model for _ in range(2)] == ["m", "m"]
    answers.close()  # type: ignore[attr-defined]
    assert client.get_queue_status()["queued"] == 0


def test_arguments_for_all_and_arguments_of_one(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    called: list[Any] = []
    requests: list[dict[str, Any]] = [
        {"messages": user("a")},
        {"messages": user("b"), "max_tokens": 3, "priority": "high", "tag": "b", "timeout": 9},
        {"model_name": "m", "messages": user("c"), "callback": called.append},
    ]
    client = make_client(simulator.url, max_workers=1)
    answers = list(client.map(requests, model="m", max_tokens=5, temperature=0))
    assert [answer.usage.completion_tokens for answer in answers] == [5, 3, 5]
    until(lambda: called)  # on another thread, a little after the answer is there
    assert called == [answers[2]]
    payloads = {said(record.payload): record.payload for record in simulator.requests}
    assert payloads["b"] == {
        "model": "m",
        "messages": user("b"),
        "max_tokens": 3,
        "temperature": 0,
    }


# --- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [True, False])
def test_an_error_ends_the_iteration_and_cancels_the_rest(
    simulator: SimulatedGroq, make_client: MakeClient, ordered: bool
) -> None:
    config = {"m": {"req_per_minute": 2}}
    client = make_client(simulator.url, config, max_workers=1)
    simulator.fail_next(400)
    source = Counted([str(number) for number in range(50)])
    answers = client.map(source, ordered=ordered, look_ahead=5)
    with pytest.raises(BadRequestError) as caught:
        list(answers)
    assert caught.value.model == "m"
    assert client.get_queue_status()["queued"] == 0  # though the error is still in our hands
    assert source.taken <= 5
    assert next(answers, None) is None


WRONG: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"model_name": "m", "messages": user("bad")}, BadRequestError),
    ({"model_name": "m", "messages": []}, InvalidRequestException),
    ({"model_name": "m"}, InvalidRequestException),
    ({"messages": user()}, InvalidRequestException),
    ({"model_name": "m", "messages": user(), "temperature": 9}, InvalidRequestException),
    ({"model_name": "m", "messages": user(), "priority": "urgent"}, InvalidRequestException),
    ({"model_name": "small", "messages": user()}, TokenLimitExceededException),
]


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize(("wrong", "kind"), WRONG)
def test_an_error_can_take_the_place_of_its_answer(
    echoing: SimulatedGroq,
    make_client: MakeClient,
    ordered: bool,
    wrong: dict[str, Any],
    kind: type[Exception],
) -> None:
    client = make_client(echoing.url, {"small": {"context_window": 1}})
    fine = list(Counted(["a", "b"]))
    requests = [fine[0], wrong, fine[1]]
    outcomes = list(client.map(requests, ordered=ordered, return_exceptions=True))
    assert len(outcomes) == 3
    if not ordered:
        outcomes.sort(key=lambda outcome: isinstance(outcome, Exception))
        outcomes.insert(1, outcomes.pop())
    assert type(outcomes[1]) is kind
    assert {content(outcomes[0]), content(outcomes[2])} == {"a", "b"}


def test_what_is_wrong_is_raised_in_its_place_not_before(
    echoing: SimulatedGroq, make_client: MakeClient
) -> None:
    requests = [*Counted(["a", "b"]), {"model_name": "m", "messages": []}, *Counted(["c"])]
    answers = make_client(echoing.url).map(requests)
    assert [content(next(answers)), content(next(answers))] == ["a", "b"]
    with pytest.raises(InvalidRequestException):
        next(answers)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_source_that_fails_ends_it_and_cancels_the_rest(
    simulator: SimulatedGroq, make_client: MakeClient, ordered: bool
) -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield from Counted(["a", "b", "c"])
        raise OSError("the file ends here")

    client = make_client(simulator.url, {"m": {"req_per_minute": 1}})
    with pytest.raises(OSError, match="ends here"):
        list(client.map(broken(), ordered=ordered))
    assert client.get_queue_status()["queued"] == 0


@pytest.mark.parametrize("ordered", [True, False])
def test_what_was_not_sent_is_cancelled_when_the_iterator_is_closed(
    simulator: SimulatedGroq, make_client: MakeClient, ordered: bool
) -> None:
    client = make_client(simulator.url, {"m": {"req_per_minute": 1}})
    answers = client.map(Counted(["x"] * 50), ordered=ordered, look_ahead=10)
    assert next(answers).choices
    assert client.get_queue_status()["queued"] == 9
    answers.close()  # type: ignore[attr-defined]
    assert client.get_queue_status()["queued"] == 0
    assert simulator.count() == 1


def test_a_cancelled_request_is_an_error_in_its_place(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, {"m": {"req_per_minute": 1}})
    requests = [
        {"model": "m", "messages": user("a")},
        {"model": "m", "messages": user("b"), "tag": "unwanted"},
    ]
    answers = client.map(requests, return_exceptions=True)
    assert next(answers).choices
    assert client.cancel(tag="unwanted") == 1
    assert isinstance(next(answers), RequestCancelledException)


def test_a_closed_client_ends_it(echoing: SimulatedGroq, make_client: MakeClient) -> None:
    client = make_client(echoing.url)
    answers = client.map(Counted(["x"] * 50), look_ahead=2)
    assert next(answers).choices
    client.close()
    with pytest.raises(ClientClosedException):
        list(answers)
