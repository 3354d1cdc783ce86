"""The parts that GroqClient is made of: each alone, then all of them put together by hand."""

from __future__ import annotations

from functools import partial
from typing import Any

from _service import service

from customgroqchat import (
    APIClient,
    ChatCompletion,
    ConfigLoader,
    Demand,
    QueueManager,
    RateLimitHandler,
    RequestHandler,
    RequestOptions,
    Reservation,
    TokenCounter,
)

MODEL = "openai/gpt-oss-20b"
PAYLOAD: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Name a river."}],
    "max_completion_tokens": 200,
    "reasoning_effort": "low",
}


class Free:
    """An admission for work that has no limits."""

    def release(self) -> None:
        """Nothing was set aside, so there is nothing to give back."""


def main() -> None:
    with service() as connection:
        loader = ConfigLoader({MODEL: {"token_per_minute": 1_000}})
        config = loader.load(policy="greedy", **connection)  # no slow start, to see the arithmetic
        print("ConfigLoader:     limit", config.model(MODEL).token_per_minute, "tokens per minute")

        counter = TokenCounter()
        tokens = counter.count_request(PAYLOAD)
        print(f"TokenCounter:     {tokens} tokens, {'exact' if tokens.exact else 'estimated'}")

        limiter = RateLimitHandler(config)
        demand = Demand(tokens.upper, output_cap=600)
        first, second = (limiter.admit(limiter.scope(MODEL), demand) for _ in range(2))
        assert isinstance(first, Reservation)
        assert not isinstance(second, Reservation)
        print(f"RateLimitHandler: one passes, the next in {second.wait_s:.1f} s")
        first.release()  # nothing was sent after all

        # The queue is given two functions: may this go now, and do it.
        shouting = QueueManager(lambda _: Free(), lambda work, _: work.upper(), max_workers=1)
        print("QueueManager:    ", shouting.submit("done by a worker", "a lane", level=2).result())
        shouting.close()

        api = APIClient(api_key=config.api_key, base_url=config.base_url)
        print("APIClient:       ", len(api.request("GET", "/models").data["data"]), "models")

        make_queue = partial(QueueManager, max_workers=4)
        handler = RequestHandler(
            config, counter=counter, limiter=limiter, api=api, make_queue=make_queue
        )
        future = handler.submit(PAYLOAD, RequestOptions(max_wait=30.0), ChatCompletion.wrap)
        print("RequestHandler:  ", future.result().choices[0].message.content)
        handler.queue.close()
        api.close()


if __name__ == "__main__":
    main()
