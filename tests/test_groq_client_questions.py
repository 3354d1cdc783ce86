"""GroqClient: its questions: tokens, queue, models, limits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers_servers import unused_port, user

from customgroqchat import (
    APIConnectionError,
    AuthenticationError,
    GroqClient,
    InvalidRequestException,
    ModelList,
    ModelNotFoundException,
    TokenCount,
    TokenCounter,
    TokenLimitExceededException,
    Wait,
    WaitExplanation,
)
from customgroqchat._waiting import explained
from customgroqchat.testing import FakeClock, SimulatedGroq

OSS = "openai/gpt-oss-20b"
Simulate = Callable[..., SimulatedGroq]
MakeClient = Callable[..., GroqClient]


def test_counting_tokens_asks_nobody(client: GroqClient, simulator: SimulatedGroq) -> None:
    text, messages = client.count_tokens("Hello", OSS), client.count_tokens(user("Hello"), OSS)
    assert isinstance(text, TokenCount)
    assert int(text) == int(messages) > 1  # the template of a conversation is in it
    assert client.count_tokens("Hello") >= text
    assert simulator.count() == 0


def test_a_counter_of_ones_own_decides_what_is_set_aside(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    class Dear(TokenCounter):
        def count_request(self, request: Any) -> TokenCount:
            return TokenCount(5_000, exact=True)

    client = make_client(simulator.url, {"m": {"token_per_minute": 5_050}}, token_counter=Dear())
    with pytest.raises(TokenLimitExceededException):
        client.chat_completion("m", user(), max_tokens=51)
    with simulator.hold() as gate:
        future = client.submit("m", user(), max_tokens=50)
        gate.wait_until_held(1)
        assert client.check_model_limits("m")["limits"]["TPM"]["remaining"] < 50
    future.result(10)
    assert client.check_model_limits("m")["limits"]["TPM"]["remaining"] > 4_900


def test_the_queue_can_be_looked_at(simulator: SimulatedGroq, make_client: MakeClient) -> None:
    config = {"m": {"req_per_minute": 1}}
    client = make_client(simulator.url, config, max_workers=2, max_queue=99, policy="greedy")
    assert client.get_queue_status() == {
        "queued": 0,
        "in_flight": 0,
        "max_workers": 2,
        "max_queue": 99,
        "closed": False,
        "lanes": {},
    }
    with simulator.hold() as gate:
        client.submit("m", user())
        gate.wait_until_held(1)
        for priority in ("high", "low", "low", 9):
            client.submit("m", user(), priority=priority)
        client.submit("other", user())
        gate.wait_until_held(2)
        client.submit("other", user())
        status = client.get_queue_status()
        assert json.dumps(status)
        assert (status["queued"], status["in_flight"]) == (5, 2)
        lane = status["lanes"]["m"]
        assert (lane["queued"], lane["in_flight"]) == (4, 1)
        assert lane["by_priority"] == {"high": 1, "low": 2, "9": 1}
        assert lane["oldest_s"] >= 0
        assert lane["head"]["dimension"] == "RPM"
        assert 55 < lane["head"]["wait_s"] <= 60
        assert status["lanes"]["other"]["head"] is None  # it waits for a worker only
    client.close()
    assert client.get_queue_status()["closed"]


def test_two_accounts_of_one_model_are_told_apart(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    Path("groq.json").write_text(json.dumps({"m": {"api_key": "gsk_" + "a" * 52}}))
    client = make_client(simulator.url, "groq.json", api_key=None)
    client.chat_completion("m", user())
    Path("groq.json").write_text(json.dumps({"m": {"api_key": "gsk_" + "b" * 52}}))
    client.reload_config()
    client.chat_completion("m", user())
    lanes = client.get_queue_status()["lanes"]
    assert len(lanes) == 2
    assert all(re.fullmatch(r"m@[0-9a-f]{16}", name) for name in lanes)
    assert [record.key for record in simulator.requests] == ["gsk_" + c * 52 for c in "ab"]


def test_the_models_are_listed_even_while_everything_is_held_up(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, max_workers=1)
    with simulator.hold() as gate:
        client.submit("m", user())
        gate.wait_until_held(1)
        listed = client.models.list()
    assert isinstance(listed, ModelList)
    assert [model.id for model in listed.data] == ["m", "other"]
    assert listed.data[0].context_window == 131_072


def test_available_models_are_the_configured_ones_and_the_services(
    simulator: SimulatedGroq, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    config: dict[str, Any] = {"z": {}, "other": {}}
    assert make_client(simulator.url).get_available_models() == ["m", "other"]
    assert make_client(simulator.url, config).get_available_models() == ["z", "other", "m"]
    asked = simulator.count()
    strict = make_client(simulator.url, config, strict_models=True)
    assert strict.get_available_models() == ["z", "other"]
    assert simulator.count() == asked
    nobody = f"http://127.0.0.1:{unused_port()}"
    assert make_client(nobody, config, max_retries=0).get_available_models() == ["z", "other"]
    assert "only configured models are listed" in caplog.text
    with pytest.raises(APIConnectionError):
        make_client(nobody, max_retries=0).get_available_models()


def test_a_model_that_the_service_calls_inactive_is_not_available(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    data = [{"id": "on", "active": True}, {"id": "off", "active": False}, {"id": "unsaid"}]
    simulator = groq_simulator_factory(
        on_request=lambda payload, headers: (200, {}, {"data": data})
    )
    assert make_client(simulator.url).get_available_models() == ["on", "unsaid"]


def test_a_refusal_to_list_models_is_raised(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    simulator.fail_next(401, times=2)
    with pytest.raises(AuthenticationError):
        make_client(simulator.url).get_available_models()
    with pytest.raises(AuthenticationError):
        make_client(simulator.url).models.list()


def test_limits_are_guessed_then_told_by_the_service(
    groq_simulator_factory: Simulate, make_client: MakeClient
) -> None:
    simulator = groq_simulator_factory(limits={"RPD": 500_000, "TPM": 250_000, "RPM": 1_000})
    client = make_client(simulator.url, {"mine": {"req_per_day": 7}})
    before = client.check_model_limits(OSS)
    assert before["model"] == OSS
    assert before["context_window"] == 131_072
    assert before["limits"]["TPM"] == {
        "limit": 8_000,
        "remaining": 8_000,
        "window_s": 60.0,
        "source": "preset",
    }
    assert client.check_model_limits("unheard/of")["limits"] == {}
    assert client.check_model_limits("mine")["limits"]["RPD"]["source"] == "configured"
    assert simulator.count() == 0
    client.chat_completion(OSS, user(), max_tokens=10)
    after = client.check_model_limits(OSS)["limits"]
    assert set(after) == {"TPM", "RPD"}  # the guesses are gone: the account has another plan
    assert (after["TPM"]["limit"], after["TPM"]["source"]) == (250_000, "server")
    assert 249_000 < after["TPM"]["remaining"] <= 250_000
    assert json.dumps(client.check_model_limits(OSS))
    assert simulator.count() == 1


# --- what a request would wait for ------------------------------------------------------------

ONE_A_MINUTE = {"m": {"req_per_minute": 1}}


def test_a_request_that_waits_for_nothing(client: GroqClient, simulator: SimulatedGroq) -> None:
    for explanation in (client.explain_wait("m"), client.explain_wait("m", user(), tag="t")):
        assert explanation.wait_s == 0.0
        assert (explanation.dimension, explanation.ahead, explanation.reason) == (None, 0, None)
        assert str(explanation) == "A request to m could be sent now."
    assert simulator.count() == 0


def test_the_limit_that_binds_and_until_when(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    clock = FakeClock()
    client = make_client(simulator.url, ONE_A_MINUTE, clock=clock)
    client.chat_completion("m", user())
    clock.advance(20.0)
    before = client.check_model_limits("m")
    explanation = client.explain_wait("m")
    assert explanation.model == "m"
    assert explanation.wait_s == pytest.approx(40.0, abs=0.5)
    assert explanation.available_at == pytest.approx(clock.wall() + explanation.wait_s)
    assert (explanation.dimension, explanation.limit, explanation.requested) == ("RPM", 1, 1)
    assert explanation.used == 1
    assert explanation.ahead == 0
    assert client.check_model_limits("m") == before
    assert simulator.count() == 1
    clock.advance(41.0)
    assert client.explain_wait("m").wait_s == 0.0
    assert client.chat_completion("m", user(), max_wait=0).choices


def test_a_wait_is_that_of_these_messages(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    clock = FakeClock()
    client = make_client(simulator.url, {"m": {"token_per_minute": 6_000}}, clock=clock)
    client.chat_completion("m", user(), max_completion_tokens=5_000)
    short = client.explain_wait("m", user(), max_completion_tokens=10)
    long = client.explain_wait("m", user("word " * 3_000), max_completion_tokens=2_500)
    assert short.wait_s == 0.0
    assert (long.dimension, long.limit) == ("TPM", 6_000)
    assert long.wait_s > 0
    assert long.requested is not None
    assert long.requested > 5_000


def test_requests_in_front_are_counted(simulator: SimulatedGroq, make_client: MakeClient) -> None:
    client = make_client(simulator.url, ONE_A_MINUTE)
    client.chat_completion("m", user())
    for priority in ("high", "normal", "low"):
        client.submit("m", user(), priority=priority)
    assert client.explain_wait("m", priority="high").ahead == 1
    assert client.explain_wait("m").ahead == 2
    assert client.explain_wait("m", priority="low").ahead == 3
    assert client.explain_wait("other").ahead == 0


def test_what_can_never_pass_or_is_wrong_is_no_wait(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, {"m": {"token_per_minute": 100}}, strict_models=True)
    with pytest.raises(TokenLimitExceededException):
        client.explain_wait("m", user(), max_completion_tokens=101)
    with pytest.raises(ModelNotFoundException):
        client.explain_wait("other")
    wrongs: list[Any] = [[], "Hello", [{"role": "robot", "content": "Hi"}]]
    for wrong in wrongs:
        with pytest.raises(InvalidRequestException):
            client.explain_wait("m", wrong)
    with pytest.raises(InvalidRequestException):
        client.explain_wait("m", priority="urgent")
    with (
        GroqClient({}, base_url=simulator.url) as nobody,
        pytest.raises(AuthenticationError),
    ):
        nobody.explain_wait("m")


@pytest.mark.parametrize(
    ("wait", "ahead", "text"),
    [
        (Wait(0.0), 0, "could be sent now."),
        (Wait(0.0), 1, "could be sent now, after 1 request in front of it."),
        (
            Wait(12.34, "TPM", 8_000, 7_950, 1_200),
            1_500,
            "could be sent in 12.3 s, after 1,500 requests in front of it: "
            "of 8,000 TPM, 7,950 are in use and 1,200 are needed.",
        ),
        (Wait(3.0, "RPD"), 0, "could be sent in 3.0 s: RPD is used up."),
        (Wait(3.0), 0, "could be sent in 3.0 s: it has to wait its turn."),
        (
            Wait(1.0, reason="its circuit breaker is open"),
            0,
            "could be sent in 1.0 s: its circuit breaker is open.",
        ),
    ],
)
def test_an_explanation_is_a_sentence_and_a_dict(wait: Wait, ahead: int, text: str) -> None:
    explanation = explained("some/model", wait, ahead, 1_000.0)
    assert str(explanation) == f"A request to some/model {text}"
    facts = wait._asdict()
    del facts["is_guess"]  # which is no business of who asks
    assert json.loads(json.dumps(explanation.to_dict())) == {
        "model": "some/model",
        **facts,
        "available_at": 1_000.0 + wait.wait_s,
        "ahead": ahead,
    }
    assert WaitExplanation(**explanation.to_dict()) == explanation
