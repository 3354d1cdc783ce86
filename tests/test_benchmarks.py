"""The benchmark of quota: its arithmetic and its report; nothing here asserts a time."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from customgroqchat.testing import RequestRecord, SimulatedGroq
from customgroqchat.testing._sim_tokens import count_prompt_tokens

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
try:
    import _quota_neighbour as neighbour
    import _quota_server as server
    import _quota_workloads as workloads
    import quota
finally:
    sys.path.pop(0)

MODEL = workloads.MODEL


def workload(**changes: Any) -> workloads.Workload:
    """One model with 600 tokens and 60 requests per minute, all of them there at the start."""
    limits = {MODEL: {"RPM": 60, "TPM": 600}}
    settings: dict[str, Any] = {"limits": limits, "latency_s": (0.25, 0.75), **changes}
    return workloads.Workload("test", "of the arithmetic", **settings)


def costs(tokens: float = 0, requests: float = 0) -> dict[str, dict[str, float]]:
    return {MODEL: {"TPM": tokens, "RPM": requests}}


# --- the optimum --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "spent", "seconds"),
    [
        pytest.param({}, costs(tokens=600, requests=60), 0.0, id="it all fits at once"),
        pytest.param({}, costs(tokens=900), 30.25, id="300 more than fit, at 10 a second"),
        pytest.param({}, costs(tokens=900, requests=100), 40.25, id="the slower limit binds"),
        pytest.param(
            {"rules": {"start_level": {"TPM": 0.5}}}, costs(tokens=600), 30.25, id="half full"
        ),
        pytest.param(
            {"limits": {MODEL: {"RPD": 86_400}}},
            {MODEL: {"RPD": 86_407.0}},
            7.25,
            id="a day's bucket",
        ),
        pytest.param(
            {"limits": {"a": {"TPM": 60}, "b": {"TPM": 60}}},
            {"a": {"TPM": 60.0}, "b": {"TPM": 65.0}},
            5.25,
            id="each model has its own",
        ),
        pytest.param({}, {}, 0.0, id="nothing was delivered"),
    ],
)
def test_the_optimum_is_the_slowest_bucket_and_the_shortest_latency(
    changes: Mapping[str, Any], spent: workloads.Costs, seconds: float
) -> None:
    found = workloads.optimum_s(workload(**changes), spent, {}, wall_s=100.0)
    assert found == pytest.approx(seconds)


def test_what_a_neighbour_took_does_not_flow_to_the_client() -> None:
    taken = costs(tokens=400)  # in 100 s: 4 of the 10 that flow in each second
    found = workloads.optimum_s(workload(), costs(tokens=900), taken, wall_s=100.0)
    assert found == pytest.approx(300 / 6 + 0.25)


def test_no_call_can_end_before_it_was_due() -> None:
    late = workloads.optimum_s(workload(), costs(tokens=900), {}, wall_s=100.0, last_due_s=40.0)
    assert late == pytest.approx(40.25)


def test_a_neighbour_who_took_everything_leaves_no_bound() -> None:
    taken = costs(tokens=1_600)
    found = workloads.optimum_s(workload(), costs(tokens=900), taken, wall_s=100.0)
    assert found == pytest.approx(100.25)


# --- the workloads ------------------------------------------------------------------------


def test_names_are_unique() -> None:
    names = [each.name for each in [*workloads.WORKLOADS, *workloads.RULES]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("each", [*workloads.WORKLOADS, *workloads.RULES], ids=lambda w: w.name)
@pytest.mark.parametrize("scale", [1.0, workloads.QUICK], ids=["full", "quick"])
def test_every_workload_exhausts_a_bucket_and_takes_less_than_a_minute(
    each: workloads.Workload, scale: float
) -> None:
    spent = {model: {"RPM": 0.0, "TPM": 0.0} for model in each.limits}
    count = server.by_words if "count_tokens" in each.rules else count_prompt_tokens
    refund = each.rules.get("refund", True)
    for call in each.calls(scale):
        prompt = count({"model": call.model, "messages": [{"content": call.prompt}]})
        spent[call.model]["RPM"] += 1
        spent[call.model]["TPM"] += prompt + (call.output_tokens if refund else call.cap)
    taken = {MODEL: {"TPM": each.neighbour * 500.0}}
    assert 3 < workloads.optimum_s(each, spent, taken, wall_s=1.0) < 50


def test_calls_are_the_same_each_time_and_in_order() -> None:
    watch = workloads.Watch(calls=3, first_s=1.0, every_s=2.0)
    each = workload(watch=watch)
    calls = each.calls()
    assert calls == each.calls()
    assert [call.due_s for call in calls] == sorted(call.due_s for call in calls)
    assert sum(call.watched for call in calls) == 3


@pytest.mark.parametrize(
    ("belief", "told"), [(2.0, {MODEL: {"RPM": 120, "TPM": 1_200}}), (None, {})]
)
def test_a_client_is_told_what_it_shall_believe(belief: float | None, told: object) -> None:
    assert workload(belief=belief).believed() == told


# --- the server's process -----------------------------------------------------------------


def record(status: int, *, mark: bool = False, prompt: int = 10, output: int = 5) -> RequestRecord:
    headers = {neighbour.MARK: "1"} if mark else {}
    seen = RequestRecord(0.0, "POST", "/", headers, "req", model=MODEL, status=status)
    seen.prompt_tokens, seen.completion_tokens = prompt, output
    seen.charge = {"TPM": 100}
    return seen


@pytest.mark.parametrize(("refund", "tokens"), [(True, 30), (False, 200)])
def test_the_server_tells_the_client_from_the_neighbour(refund: bool, tokens: int) -> None:
    records = [record(200), record(200), record(429), record(429, mark=True), record(500)]
    said = server.report(records, refund)
    assert (said["client"]["served"], said["client"]["refused"]) == (2, 1)
    assert said["client"]["costs"][MODEL] == {
        "RPM": 2,
        "RPD": 2,
        "TPM": tokens,
        "TPD": tokens,
    }
    assert said["neighbour"] == {"served": 0, "refused": 1, "costs": {}}


@pytest.mark.parametrize(
    ("attempt", "retry_after", "seconds"),
    [(0, "3", 3.0), (0, "61", 0.5), (1, None, 1.0), (9, None, 8.0)],
)
def test_the_neighbour_waits_as_the_official_sdk_does(
    attempt: int, retry_after: str | None, seconds: float
) -> None:
    assert neighbour.pause_s(attempt, retry_after, chance=0.0) == seconds


def test_the_neighbour_is_one_who_can_be_told_apart() -> None:
    with SimulatedGroq() as groq:
        with neighbour.Neighbour(groq.url, "key", MODEL, tokens_per_second=5_000.0) as other:
            assert groq.wait_for_requests(2)
        seen = groq.requests
    assert all(neighbour.MARK in one.headers for one in seen)
    assert other.asked >= 2


# --- the driver and its report ------------------------------------------------------------


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [quota.percentile(values, rank) for rank in (50, 99)] == [50.0, 99.0]
    assert quota.percentile([3.0], 50) == 3.0


def test_a_row_shows_every_result_under_its_head() -> None:
    seen = {"served": 8, "asked": 9, "refused": 4}
    result = quota.Result(
        9, 10, 3, 50.0, 40.0, watched_s=[0.5, 2.0], neighbour=seen, losses={"RateLimitError": 1}
    )
    wanted = ["9/10", "3", "50.0", "80.0%", "0.50 2.00", "8/9 4", "1 RateLimitError"]
    assert result.cells() == wanted
    head, line = quota.row("", quota.HEAD), quota.row("ours", wanted)
    assert head.index("lost to") == line.index("1 RateLimitError")


def test_what_does_not_apply_is_a_dash() -> None:
    assert quota.Result(10, 10, 0, 1.0, 0.0).cells()[3:] == ["-", "-", "-", ""]


def test_this_client_is_measured_against_a_server_in_another_process() -> None:
    two = workloads.Flood(calls=2)
    watch = workloads.Watch(calls=1, first_s=0.0, every_s=0.0, priority="high")
    result = quota.measure("ours", workload(flood=two, watch=watch, limits={MODEL: {"TPM": 9_000}}))
    assert result.losses == {}
    assert (result.delivered, result.asked, result.refused) == (3, 3, 0)
    assert len(result.watched_s) == 1
    assert 0 < result.wall_s < math.inf


class Scripted:
    """A client whose calls end as the test says, or never."""

    def __init__(self, *outcomes: Any) -> None:
        self._outcomes = iter(outcomes)

    def submit(self, call: workloads.Call) -> Future[Any]:
        future: Future[Any] = Future()
        outcome = next(self._outcomes)
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        elif outcome is not None:
            future.set_result(outcome)
        return future

    def close(self) -> None:
        pass


def test_what_calls_were_lost_to_is_told() -> None:
    calls = workload(flood=workloads.Flood(calls=3)).calls()
    client = Scripted("answer", TimeoutError(), None)
    attempts = quota.drive(client, calls, longest_s=0.0)
    assert [attempt.loss for attempt in attempts] == [None, "TimeoutError", "unfinished"]


@pytest.mark.parametrize(
    ("name", "module"), [("groq", "groq"), ("token-throttle", "token_throttle")]
)
def test_a_missing_package_is_a_line_of_the_report(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # importing it raises ImportError
    quota.main(["tokens", "--quick", "--clients", name])
    assert f"{name} is not installed" in capsys.readouterr().out


def test_a_limiter_has_to_be_told_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "token_throttle", ModuleType("token_throttle"))
    line = quota.line("token-throttle", workload(belief=None), 1.0)
    assert "has to be told the limits" in line


@pytest.mark.parametrize("wrong", [["nothing-like-it"], ["--clients", "ours,theirs"]])
def test_a_wrong_name_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        quota.main(wrong)
    assert "is none of" in capsys.readouterr().err
