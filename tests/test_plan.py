"""What many requests will take and cost, worked out before anything is spent."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers_properties import repeatable
from helpers_servers import unused_port, user
from hypothesis import given
from hypothesis import strategies as st
from test_client_limits import clock_of, jumping

from customgroqchat import (
    AuthenticationError,
    GroqClient,
    InvalidRequestException,
    ModelNotFoundException,
    ModelPlan,
    Plan,
    TokenCount,
    TokenCounter,
    TokenLimitExceededException,
)
from customgroqchat._bucket import BucketState
from customgroqchat._presets import preset_facts
from customgroqchat.plan import Tally, given_prices, prices_of, told_prices
from customgroqchat.testing import SimulatedGroq

MakeClient = Callable[..., GroqClient]

ONE = {"RPM": 1.0, "RPD": 1.0, "TPM": 150.0, "TPD": 150.0, "ITPM": 100.0, "OTPM": 50.0}
BUCKETS = {"RPM": BucketState(30, 30, 60.0), "TPM": BucketState(6_000, 6_000, 60.0)}
PRICES = {"prompt": 1e-6, "completion": 4e-6}


def tallied(**requests: int) -> Tally:
    tally = Tally()
    for model, number in requests.items():
        for _ in range(number):
            tally.add(model, ONE)
    return tally


# --- the arithmetic ----------------------------------------------------------------------------


def test_requests_are_added_up_by_model() -> None:
    plan = tallied(a=3, b=1).plan({"a": BUCKETS, "b": {}}, {"a": PRICES, "b": PRICES})
    assert (plan.requests, plan.prompt_tokens, plan.completion_tokens) == (4, 400, 200)
    assert plan.tokens == 600
    first = plan.models["a"]
    assert (first.requests, first.prompt_tokens, first.completion_tokens) == (3, 300, 150)
    assert first.tokens == 450
    assert first.limits == {"RPM": 30, "TPM": 6_000}
    assert plan.models["b"].limits == {}


def test_the_cost_is_that_of_prompts_answers_and_requests() -> None:
    prices = {"a": PRICES, "b": {**PRICES, "request": 0.5, "image": 9.0}}
    plan = tallied(a=2, b=3).plan({"a": {}, "b": {}}, prices)
    assert plan.models["a"].cost_usd == pytest.approx(2 * 100e-6 + 2 * 200e-6)
    assert plan.models["b"].cost_usd == pytest.approx(3 * 300e-6 + 1.5)
    assert plan.cost_usd == pytest.approx(5 * 300e-6 + 1.5)
    assert plan.prices_missing == ()


def test_one_unknown_price_makes_the_sum_unknown() -> None:
    plan = tallied(a=2, b=3).plan({"a": {}, "b": {}}, {"a": PRICES})
    assert plan.models["a"].cost_usd is not None
    assert (plan.models["b"].cost_usd, plan.cost_usd) == (None, None)
    assert plan.prices_missing == ("b",)


def test_models_go_side_by_side_and_the_slowest_counts() -> None:
    slow = {"TPM": BucketState(150, 150, 60.0)}
    plan = tallied(a=60, b=3).plan({"a": BUCKETS, "b": slow}, {})
    assert (plan.models["a"].seconds, plan.models["a"].binding) == (60.0, "RPM")
    assert (plan.models["b"].seconds, plan.models["b"].binding) == (120.0, "TPM")
    assert (plan.seconds, plan.minutes, plan.binding) == (120.0, 2.0, "TPM of b")


def test_what_fits_at_once_waits_for_nothing() -> None:
    plan = tallied(a=30).plan({"a": BUCKETS}, {})
    assert (plan.seconds, plan.binding) == (0.0, None)


def test_a_plan_of_nothing() -> None:
    plan = Plan()
    assert (plan.requests, plan.tokens, plan.seconds, plan.binding) == (0, 0, 0.0, None)
    assert (plan.cost_usd, plan.prices_missing) == (0.0, ())
    assert json.dumps(plan.to_dict())
    assert "all" in str(plan)


@repeatable
@given(st.dictionaries(st.sampled_from("abc"), st.integers(1, 40)), st.booleans())
def test_the_whole_is_the_sum_of_the_models(requests: dict[str, int], priced: bool) -> None:
    names = list(requests)
    prices = dict.fromkeys(names if priced else names[1:], PRICES)
    plan = tallied(**requests).plan(dict.fromkeys(names, BUCKETS), prices)
    parts = plan.models.values()
    assert plan.requests == sum(requests.values())
    assert plan.tokens == sum(part.tokens for part in parts) == 150 * plan.requests
    assert plan.seconds == max((part.seconds for part in parts), default=0.0)
    assert (plan.cost_usd is None) == bool(plan.prices_missing) == (not priced and bool(names))
    assert json.loads(json.dumps(plan.to_dict()))["tokens"] == plan.tokens


# --- how it is shown -----------------------------------------------------------------------------


def test_a_plan_of_one_model_is_a_table_of_one_row() -> None:
    plan = tallied(m=1_200).plan({"m": BUCKETS}, {"m": PRICES})
    assert str(plan).splitlines() == [
        "model  requests   prompt  completion  cost in USD      time  bound by",
        "m         1,200  120,000      60,000       0.3600  39.0 min  RPM",
    ]


def test_a_plan_of_several_models_has_a_row_for_all_and_its_notes() -> None:
    tally = tallied(a=1, longer=2)
    tally.refuse(1, InvalidRequestException("It is wrong."))
    tally.refuse(7, InvalidRequestException("Worse."))
    lines = str(tally.plan({"a": {}, "longer": BUCKETS}, {"a": PRICES})).splitlines()
    assert lines[1:] == [
        "a              1     100          50       0.0003   0 s  nothing",
        "longer         2     200         100      unknown   0 s  nothing",
        "all            3     300         150      unknown   0 s  nothing",
        "no price is known of longer",
        "refused: 2, the first at index 1: It is wrong.",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2.0 min"), (7_200, "2.0 h"), (864_000, "10.0 days")],
)
def test_times_are_shown_in_their_unit(seconds: float, text: str) -> None:
    plan = Plan({"m": ModelPlan(1, 1, 1, None, seconds, "TPM", {})})
    assert f"  {text}  TPM" in str(plan)


def test_everything_is_in_the_dict() -> None:
    tally = tallied(m=60)
    tally.refuse(3, InvalidRequestException("It is wrong.", field="seed"))
    whole = json.loads(json.dumps(tally.plan({"m": BUCKETS}, {"m": PRICES}).to_dict()))
    part = whole["models"]["m"]
    assert part == {
        "requests": 60,
        "prompt_tokens": 6_000,
        "completion_tokens": 3_000,
        "tokens": 9_000,
        "cost_usd": pytest.approx(0.018),
        "seconds": 60.0,
        "binding": "RPM",
        "limits": {"RPM": 30, "TPM": 6_000},
    }
    same = ("requests", "prompt_tokens", "completion_tokens", "tokens", "cost_usd", "seconds")
    assert {name: whole[name] for name in same} == {name: part[name] for name in same}
    assert (whole["minutes"], whole["binding"], whole["prices_missing"]) == (1.0, "RPM of m", [])
    (refused,) = whole["refused"]
    assert (refused["index"], refused["error"]) == (3, "InvalidRequestException")


# --- prices --------------------------------------------------------------------------------------


def test_the_service_tells_prices_as_text() -> None:
    models: list[Any] = [
        {"id": "m", "pricing": {"prompt": "0.000001", "completion": "0.000004", "image": None}},
        {"id": "free", "pricing": {"prompt": "0", "completion": 0}},
        {"id": "unpriced", "pricing": {}},
        {"id": "untold"},
        {"id": "half", "pricing": {"prompt": "1"}},
        {"id": "none", "pricing": {"prompt": "1", "completion": None}},
        {"id": "odd", "pricing": {"prompt": "free", "completion": "1"}},
        {"id": "negative", "pricing": {"prompt": "-1", "completion": "1"}},
        {"id": "endless", "pricing": {"prompt": "inf", "completion": "nan"}},
        {"id": "list", "pricing": ["1"]},
    ]
    assert told_prices(models) == {"m": PRICES, "free": {"prompt": 0.0, "completion": 0.0}}


def test_what_is_known_of_models_has_the_prices_of_those_that_chat() -> None:
    models = ["openai/gpt-oss-20b", "whisper-large-v3", "allam-2-7b", "unknown"]
    known = prices_of(map(preset_facts, models))
    assert list(known) == ["openai/gpt-oss-20b"]
    prices = known["openai/gpt-oss-20b"]
    assert (prices["prompt"], prices["completion"]) == pytest.approx((7.5e-8, 3e-7))


def test_prices_of_ones_own() -> None:
    assert given_prices({"m": {"prompt": 1e-6, "completion": "4e-6"}}) == {"m": PRICES}
    assert given_prices({}) == {}


@pytest.mark.parametrize(
    "price",
    [None, 1.0, {}, {"prompt": 1.0}, {"prompt": -1, "completion": 1}, {"completion": 10**999}],
)
def test_wrong_prices_of_ones_own(price: Any) -> None:
    with pytest.raises(InvalidRequestException, match="prices of m") as caught:
        given_prices({"m": price})
    assert caught.value.field == "prices"


# --- the client ----------------------------------------------------------------------------------


class Dear(TokenCounter):
    """Every prompt has a thousand tokens."""

    def count_request(self, request: Any) -> TokenCount:
        return TokenCount(1_000, exact=True)


LIMITED = {
    "m": {"token_per_minute": 12_000, "req_per_minute": 100},
    "other": {"context_window": 2_000},
}


@pytest.fixture
def planner(simulator: SimulatedGroq, make_client: MakeClient) -> GroqClient:
    return make_client(simulator.url, LIMITED, token_counter=Dear())


def asking(number: int, **more: Any) -> Iterator[dict[str, Any]]:
    return ({"model": "m", "messages": user(), **more} for _ in range(number))


def test_nothing_is_spent_and_nothing_is_sent(
    planner: GroqClient, simulator: SimulatedGroq
) -> None:
    before = planner.check_model_limits("m")
    plan = planner.plan(asking(100), max_completion_tokens=100, prices=False)
    assert (plan.requests, plan.prompt_tokens) == (100, 100_000)
    assert 0 < plan.completion_tokens <= 10_000
    assert (plan.cost_usd, plan.prices_missing) == (None, ("m",))
    assert plan.models["m"].limits == {"TPM": 12_000, "RPM": 100}
    assert simulator.count() == 0
    assert planner.check_model_limits("m") == before
    assert planner.get_queue_status()["queued"] == 0


def test_a_long_backlog_is_bound_by_its_tightest_limit(planner: GroqClient) -> None:
    plan = planner.plan(asking(120), max_completion_tokens=1, prices=False)
    assert plan.binding == "TPM of m"
    assert plan.seconds == pytest.approx((plan.tokens - 12_000) / 200, rel=0.01)


def test_the_requests_are_those_of_map(planner: GroqClient) -> None:
    requests: list[Any] = [
        {"messages": user()},
        {"model_name": "other", "messages": user(), "priority": "high", "tag": "t"},
    ]
    common = {"model": "m", "max_wait": 5, "deadline": 9, "timeout": 3, "callback": print}
    plan = planner.plan(requests, prices=False, **common)
    assert {name: model.requests for name, model in plan.models.items()} == {"m": 1, "other": 1}
    assert plan.refused == ()


REFUSED: list[tuple[Any, type[Exception]]] = [
    ({"messages": user(), "temperature": 9}, InvalidRequestException),
    ({"messages": []}, InvalidRequestException),
    ({"messages": user(), "priority": "urgent"}, InvalidRequestException),
    ({"messages": user(), "tag": 5}, InvalidRequestException),
    ({"messages": user(), "max_wait": -1}, InvalidRequestException),
    ({"messages": user(), "deadline": "soon"}, InvalidRequestException),
    ({"messages": user(), "callback": "print"}, InvalidRequestException),
    ({"messages": user(), "timeout": "soon"}, InvalidRequestException),
    ({"messages": user(), "model": "m", "model_name": "m"}, InvalidRequestException),
    ("not a mapping", InvalidRequestException),
    ({"messages": user(), "model_name": "other", "max_tokens": 1_001}, TokenLimitExceededException),
    ({"messages": user(), "max_tokens": 12_000}, TokenLimitExceededException),
]


@pytest.mark.parametrize(("wrong", "kind"), REFUSED)
def test_what_would_be_refused_is_listed_and_not_counted(
    planner: GroqClient, wrong: Any, kind: type[Exception]
) -> None:
    fine = {"messages": user(), "max_tokens": 10}
    plan = planner.plan([fine, wrong, fine], model_name="m", prices=False)
    assert plan.requests == 2
    ((index, error),) = plan.refused
    assert index == 1
    assert type(error) is kind
    assert str(error) in str(plan)


def test_a_model_that_a_strict_configuration_does_not_know_is_refused(
    simulator: SimulatedGroq, make_client: MakeClient
) -> None:
    client = make_client(simulator.url, LIMITED, strict_models=True)
    plan = client.plan([{"model": "unknown", "messages": user()}])
    assert [type(error) for _, error in plan.refused] == [ModelNotFoundException]
    assert simulator.count() == 0  # nobody needs prices for nothing


def test_without_a_key_there_is_no_plan(simulator: SimulatedGroq) -> None:
    with GroqClient({}, base_url=simulator.url) as client, pytest.raises(AuthenticationError):
        client.plan(asking(3))


def test_what_is_wrong_for_all_is_raised(planner: GroqClient) -> None:
    with pytest.raises(InvalidRequestException, match="both model and model_name"):
        planner.plan(asking(1), model="m", model_name="m")
    with pytest.raises(InvalidRequestException, match="prices of m"):
        planner.plan(asking(1), prices={"m": {}})


class Message(dict[str, Any]):
    """A message that can be watched."""


def test_no_request_is_kept_be_it_right_or_wrong(planner: GroqClient) -> None:
    alive: weakref.WeakValueDictionary[int, Message] = weakref.WeakValueDictionary()
    most = 0

    def requests() -> Iterator[dict[str, Any]]:
        nonlocal most
        for number in range(300):
            message = alive[number] = Message(user()[0])
            most = max(most, len(alive))
            yield {"messages": [message], "seed": number if number % 2 else "wrong"}

    plan = planner.plan(requests(), model="m", prices=False)
    assert (plan.requests, len(plan.refused)) == (150, 150)
    assert most < 5


# --- the client asks for prices ------------------------------------------------------------------


def test_the_service_is_asked_for_prices_once(
    groq_simulator_factory: Callable[..., SimulatedGroq], make_client: MakeClient
) -> None:
    simulator = groq_simulator_factory()
    client = make_client(simulator.url, token_counter=Dear())
    model = "openai/gpt-oss-20b"
    plan = client.plan(asking(10, model=model), max_completion_tokens=100)
    cost = 10_000 * 0.075e-6 + plan.completion_tokens * 0.3e-6
    assert plan.cost_usd == pytest.approx(cost)
    assert [record.path for record in simulator.requests] == ["/openai/v1/models"]


def test_a_service_that_cannot_be_asked_leaves_prices_unknown(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(f"http://127.0.0.1:{unused_port()}", max_retries=0)
    plan = client.plan(asking(2))
    assert (plan.requests, plan.cost_usd, plan.prices_missing) == (2, None, ("m",))
    assert "prices are not known" in caplog.text


def test_prices_of_ones_own_are_asked_of_nobody(
    planner: GroqClient, simulator: SimulatedGroq
) -> None:
    plan = planner.plan(asking(5), prices={"m": PRICES}, max_tokens=10)
    assert plan.cost_usd == pytest.approx(5e-3 + plan.completion_tokens * 4e-6)
    assert simulator.count() == 0
    assert planner.plan(asking(1), prices={}).prices_missing == ("m",)


# --- and it comes true ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "binding"),
    [
        ({"req_per_minute": 600, "token_per_minute": 60_000}, "TPM of m"),
        ({"req_per_minute": 60, "token_per_minute": 60_000}, "RPM of m"),
    ],
)
def test_the_requests_take_what_was_planned(
    groq_simulator_factory: Callable[..., SimulatedGroq],
    make_client: MakeClient,
    limits: dict[str, int],
    binding: str,
) -> None:
    simulator = groq_simulator_factory(models={"m": {}}, completion_tokens=300)
    client = jumping(make_client, simulator.url, limits)
    requests = [{"model": "m", "messages": user(), "max_completion_tokens": 400}] * 400
    list(client.map(requests[:5]))  # now the client knows how long answers are
    plan = client.plan(requests, prices=False)
    begun_s = clock_of(client).monotonic()
    answers = list(client.map(requests, max_wait=None))
    took_s = clock_of(client).monotonic() - begun_s
    assert plan.binding == binding
    assert took_s == pytest.approx(plan.seconds, rel=0.05)
    used = sum(answer.usage.total_tokens for answer in answers)
    assert used == pytest.approx(plan.tokens, rel=0.1)
