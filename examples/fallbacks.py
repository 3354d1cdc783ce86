"""Ask another model if one has used up its day, is over capacity, or was shut down."""

from __future__ import annotations

from typing import Any

from _service import service

from customgroqchat import ChatCompletion, GroqClient, GroqError, accumulate

BRIEF: dict[str, Any] = {"max_completion_tokens": 300}
RETIRED = "mixtral-8x7b-32768"  # in code that nobody has looked at for a year
BEST, NEXT, LAST = "openai/gpt-oss-120b", "qwen/qwen3.8-27b", "openai/gpt-oss-20b"


TIRED = f"""\
Rate limit reached for model `{BEST}` in organization `org_1` service tier `on_demand` on tokens \
per day (TPD): Limit 200000, Used 199990, Requested 400. Please try again in 2m48.48s."""


def simulated_trouble(payload: dict[str, Any] | None, _headers: Any) -> Any:
    """Return what the simulator shall answer for two of the models: status, headers and body."""
    model = (payload or {}).get("model")
    if model == BEST:
        error = {"message": TIRED, "type": "tokens", "code": "rate_limit_exceeded"}
        return 429, {"retry-after": "169"}, {"error": error}
    if model == NEXT:
        return 498, {}, {"error": {"message": "Flex capacity exceeded", "code": "capacity"}}
    return None


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def show(answer: ChatCompletion) -> None:
    for step in answer.fallbacks:
        print(f"  {step}: {type(step.error).__name__}")
    print(f"  {answer.model}: {answer.choices[0].message.content}")


def main() -> None:
    trouble = {"retired": [RETIRED], "on_request": simulated_trouble}
    with service(**trouble) as connection, GroqClient(**connection) as client:
        print("A model that was shut down is replaced by the next one:")
        show(client.chat_completion(RETIRED, ask("Name a planet."), fallbacks=[LAST], **BRIEF))

        print("All calls of a copy have its fallbacks; a call may name others, or None:")
        robust = client.with_options(fallbacks=[NEXT, LAST], tag="robust")
        show(robust.chat.completions.create(model=BEST, messages=ask("Name a moon."), **BRIEF))

        print("Streams and futures as well:")
        with robust.chat_completion(RETIRED, ask("Name a star."), stream=True, **BRIEF) as stream:
            show(accumulate(stream))

        print("If none can be had, the last error says what was tried:")
        try:
            client.chat_completion(RETIRED, ask("Name a comet."), fallbacks=["no-such-model"])
        except GroqError as error:
            tried = [step.model for step in error.fallbacks]
            print(f"  {type(error).__name__} of {error.model}, after {tried}")


if __name__ == "__main__":
    main()
