"""The templates: what each family adds to the text, and how gpt-oss reads tools."""

import pytest

from customgroqchat._token_families import FAMILIES, UNKNOWN, family_of
from customgroqchat._token_harmony import _namespace
from customgroqchat._token_request import read_request

SYSTEM = {"role": "system", "content": ""}
USER = {"role": "user", "content": ""}
ANSWER = {"role": "assistant", "content": ""}
FUNCTION = {"name": "f", "description": "d", "parameters": {}}
TOOLS = [{"type": "function", "function": FUNCTION}]


def overhead(model, messages, **rest):
    """The tokens of a template alone: a text of any length counts nothing."""
    request = read_request({"messages": messages, **rest})
    return family_of(model).count(request, lambda text: 0)


def words(model, messages, **rest):
    """The tokens where each word is one."""
    request = read_request({"messages": messages, **rest})
    return family_of(model).count(request, lambda text: len(text.split()))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("openai/gpt-oss-20b", "gpt-oss"),
        ("openai/gpt-oss-safeguard-20b", "gpt-oss"),
        ("OpenAI/GPT-OSS-120B", "gpt-oss"),
        ("qwen/qwen3.8-27b", "qwen3.8"),
        ("qwen/qwen3-32b", "qwen3"),
        ("llama-3.1-8b-instant", "llama-3.1"),
        ("llama-3.3-70b-versatile", "llama-3.1"),
        ("llama3-8b-8192", "llama-3"),
        ("meta-llama/llama-4-scout-17b-16e-instruct", "llama-4"),
        ("meta-llama/llama-guard-4-12b", "llama-guard"),
        ("meta-llama/llama-prompt-guard-2-22m", "prompt-guard"),
        ("deepseek-r1-distill-llama-70b", "deepseek-distill"),
        ("moonshotai/Kimi-K2-Instruct-0905:groq", "kimi"),
        ("allam-2-7b", "allam"),
        ("acme/new-1", "unknown"),
        ("", "unknown"),
    ],
)
def test_family_of_a_model(model, name):
    assert family_of(model).name == name


@pytest.mark.parametrize(
    ("model", "messages", "tokens"),
    [
        ("gpt-oss", [USER], 71),
        ("gpt-oss", [{"role": "system", "content": "Be brief."}, USER], 74),
        ("gpt-oss", [{"role": "developer", "content": "Be brief."}, USER], 74),
        ("gpt-oss", [USER, ANSWER, USER], 71 + 6 + 4),
        ("llama-3.1", [USER], 35),
        ("llama-3.1", [SYSTEM, USER], 35),
        ("llama-3.1", [SYSTEM, USER, ANSWER, USER], 45),
        ("llama3-", [USER], 10),
        ("llama3-", [SYSTEM, USER, ANSWER, USER], 25),
        ("llama-4", [SYSTEM, USER], 15),
        ("qwen3-32b", [USER], 8),
        ("qwen3-32b", [SYSTEM, USER], 13),
        ("qwen3.8", [USER], 12),
        ("kimi", [USER], 25),
        ("kimi", [SYSTEM, USER], 11),
        ("deepseek-r1-distill", [USER], 3),
        ("unknown", [USER], 71),
    ],
)
def test_plain_conversations(model, messages, tokens):
    assert overhead(model, messages) == tokens


@pytest.mark.parametrize(
    ("prompt", "functions", "charged"), [(7, [], 19), (11, [{"name": "f"}], 270)]
)
def test_what_was_seen_of_the_qwen_in_service(prompt, functions, charged):
    tools = [{"type": "function", "function": function} for function in functions]
    request = read_request({"messages": [{"role": "user", "content": "Hi"}], "tools": tools})
    sizes = {"Hi": prompt, '{"name":"f"}': 35}
    assert family_of("qwen/qwen3.8-27b").count(request, sizes.__getitem__) == charged


def test_qwen_without_reasoning_is_told_so():
    assert overhead("qwen3-32b", [USER], reasoning_effort="none") == 12
    assert overhead("qwen3-32b", [USER], reasoning_effort="default") == 8


@pytest.mark.parametrize(
    ("model", "choice", "extra"),
    [
        ("llama-3.1", "auto", 146),
        ("llama-3.1", "none", 27),
        ("llama-4", "none", 0),
        ("qwen3-32b", "none", 82),
        ("gpt-oss", "none", 14),
    ],
)
def test_tools_that_are_forbidden(model, choice, extra):
    cost = overhead(model, [USER], tools=TOOLS, tool_choice=choice) - overhead(model, [USER])
    assert cost == extra


@pytest.mark.parametrize(("model", "extra"), [("gpt-oss", 28), ("llama-3.3", 16), ("llama3-", 6)])
def test_a_json_object(model, extra):
    cost = overhead(model, [USER], response_format={"type": "json_object"})
    assert cost - overhead(model, [USER]) == extra


def test_a_json_schema_is_part_of_the_prompt():
    schema = {"name": "s", "schema": {"type": "object", "title": "one two three four"}}
    wanted = {"type": "json_schema", "json_schema": schema}
    cost = words("gpt-oss", [USER], response_format=wanted) - words("gpt-oss", [USER])
    assert cost == pytest.approx(69 + 0.81 * 4)
    bare = {"type": "json_schema", "json_schema": "no mapping"}
    assert words("qwen", [USER], response_format=bare) == words("qwen", [USER]) + 69 + 2


def test_thoughts_of_earlier_answers_are_left_out():
    answer = {"role": "assistant", "content": "<think>\nlet me see\n</think>\n\nForty two."}
    assert words("qwen3-32b", [USER, answer]) == words("qwen3-32b", [USER, ANSWER]) + 2
    assert words("kimi", [USER, answer]) > words("kimi", [USER, ANSWER]) + 2


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{} x"}}


class TestToolCalls:
    def test_scale_with_name_and_arguments(self):
        message = {"role": "assistant", "tool_calls": [CALL]}
        cost = words("kimi", [USER, message]) - words("kimi", [USER, ANSWER])
        assert cost == pytest.approx(11 + 2.05 * 2)

    def test_arguments_may_be_an_object(self):
        message = {"role": "assistant", "tool_calls": [{"function": {"arguments": {"a": "b c"}}}]}
        assert words("gpt-oss", [message]) == 67 + 7 + 1 + 2

    def test_gpt_oss_drops_what_is_said_beside_a_call(self):
        message = {"role": "assistant", "tool_calls": [CALL]}
        talking = {**message, "content": "Let me look that up."}
        assert words("gpt-oss", [USER, talking]) == words("gpt-oss", [USER, message])
        assert words("kimi", [USER, talking]) > words("kimi", [USER, message])

    def test_the_older_way_of_calling(self):
        older = {"role": "assistant", "function_call": CALL["function"]}
        newer = {"role": "assistant", "tool_calls": [CALL]}
        assert words("gpt-oss", [older]) == words("gpt-oss", [newer])

    def test_a_result_is_named_by_its_call(self):
        call = {**CALL, "function": {"name": "a b c", "arguments": ""}}
        message = {"role": "assistant", "tool_calls": [call]}
        result = {"role": "tool", "content": "5"}
        unnamed = words("gpt-oss", [message, result])
        assert words("gpt-oss", [message, {**result, "tool_call_id": "c1"}]) == unnamed + 2
        assert words("gpt-oss", [message, {**result, "name": "a b c"}]) == unnamed + 2
        assert words("gpt-oss", [result]) == 67 + 7 + 1 + 1

    @pytest.mark.parametrize("calls", ["text", {"a": 1}, 5, None])
    def test_calls_that_are_no_list_are_none(self, calls):
        assert words("gpt-oss", [{"role": "assistant", "tool_calls": calls}]) == 67 + 6

    @pytest.mark.parametrize("call", ["text", 5, {"function": "text"}, {"function": 5}])
    def test_a_call_that_is_no_mapping_counts_as_it_stands(self, call):
        message = {"role": "assistant", "tool_calls": [call]}
        assert words("gpt-oss", [message]) == 67 + 7 + 1 + 1


def rendered(*functions):
    tools = [{"type": "function", "function": function} for function in functions]
    text = _namespace(read_request({"tools": tools}))
    start, end = "# Tools\n\n## functions\n\nnamespace functions {\n\n", "} // namespace functions"
    assert text.startswith(start)
    assert text.endswith(end)
    return text[len(start) : -len(end)]


def parameter(schema):
    """How a single parameter's type is written."""
    parameters = {"type": "object", "properties": {"x": schema}, "required": ["x"]}
    text = rendered({"name": "f", "parameters": parameters})
    assert text.startswith("type f = (_: {\n")
    assert text.endswith("}) => any;\n\n")
    return text[len("type f = (_: {\n") : -len("\n}) => any;\n\n")]


class TestHarmony:
    def test_a_function(self):
        function = {
            "name": "get_weather",
            "description": "Get the weather.\nToday's only.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "Its name"},
                    "days": {"type": "integer", "default": 1},
                },
                "required": ["city"],
                "additionalProperties": False,
            },
        }
        assert rendered(function) == (
            "// Get the weather.\n"
            "// Today's only.\n"
            "type get_weather = (_: {\n"
            "// Its name\n"
            "city: string,\n"
            "days?: number, // default: 1\n"
            "}) => any;\n\n"
        )

    def test_a_function_without_parameters(self):
        assert rendered({"name": "now"}) == "type now = () => any;\n\n"
        empty = {"name": "now", "parameters": {"type": "object", "properties": {}}}
        assert rendered(empty) == "type now = (_: {\n}) => any;\n\n"

    def test_functions_follow_each_other(self):
        assert rendered({"name": "a"}, {"name": "b"}) == rendered({"name": "a"}) + rendered(
            {"name": "b"}
        )

    def test_a_function_that_is_no_mapping(self):
        assert rendered("text") == "text"

    @pytest.mark.parametrize(
        ("schema", "type_"),
        [
            ({"type": "number"}, "number"),
            ({"type": "boolean"}, "boolean"),
            ({}, "any"),
            ("no schema", "any"),
            ({"enum": ["a", 1, None]}, '"a" | 1 | null'),
            ({"type": ["string", "null"]}, "string | null"),
            ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "string | number"),
            ({"oneOf": [{"type": "string"}, {"type": "array"}]}, "string | any[]"),
            ({"type": "array", "items": {"type": "string"}}, "string[]"),
            ({"type": {"odd": 1}}, "{'odd': 1}"),
            ({"type": "object", "properties": "odd", "required": "odd"}, "{\n    }"),
        ],
    )
    def test_types(self, schema, type_):
        assert parameter(schema) == f"x: {type_},"

    def test_an_object_in_an_object(self):
        inner = {"type": "object", "properties": {"y": {"type": "string"}}}
        assert parameter(inner) == "x: {\n    y?: string,\n    },"

    def test_a_function_without_description_costs_more(self):
        function = {"name": "f", "parameters": {}}
        bare = overhead("gpt-oss", [USER], tools=[{"function": function}])
        assert bare - overhead("gpt-oss", [USER], tools=TOOLS) == 6

    def test_additional_properties_cost_nothing(self):
        schema = {"type": "object", "properties": {"a": {"type": "string"}}}
        assert parameter({**schema, "additionalProperties": False}) == parameter(schema)


def test_every_family_is_found_by_each_of_its_marks():
    for family in FAMILIES:
        assert all(family_of(mark) is family for mark in family.marks)
    assert UNKNOWN not in FAMILIES
