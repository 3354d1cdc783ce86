"""The Responses API: an answer, its stream of events, and a call of a function."""

from __future__ import annotations

import json
from typing import Any

from _service import service

from customgroqchat import GroqClient

MODEL = "openai/gpt-oss-20b"
BRIEF: dict[str, Any] = {"max_output_tokens": 300, "reasoning": {"effort": "low"}}
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


def main() -> None:
    with service() as connection, GroqClient(**connection) as client:
        response = client.responses.create(
            model=MODEL,
            instructions="Answer in one sentence.",
            input="Why is the sky blue?",
            **BRIEF,
        )
        print("Answer:", response.output_text)
        if response.usage is not None:
            print(f"Cost:   {response.usage.input_tokens} + {response.usage.output_tokens} tokens")

        print("Stream: ", end="")
        question = "Name a river."
        with client.responses.create(model=MODEL, input=question, stream=True, **BRIEF) as stream:
            for event in stream:
                if event.type == "response.output_text.delta":
                    print(event.delta, end="", flush=True)
            final = stream.get_final_completion()
        print(f" ({final['status']})")

        conversation: list[Any] = [{"role": "user", "content": "Do I need a coat in Oslo?"}]
        response = client.responses.create(
            model=MODEL, input=conversation, tools=[WEATHER], tool_choice="required", **BRIEF
        )
        for item in response.output:
            conversation.append(item)
            if item.type == "function_call":
                city = json.loads(item.arguments)["city"]
                result = {"city": city, "celsius": 3}
                print(f"Call:   {item.name}({city!r})")
                conversation.append(
                    {
                        "type": "function_call_output",
                        "call_id": item.call_id,
                        "output": json.dumps(result),
                    }
                )
        response = client.responses.create(
            model=MODEL, input=conversation, tools=[WEATHER], **BRIEF
        )
        print("Answer:", response.output_text)


if __name__ == "__main__":
    main()
