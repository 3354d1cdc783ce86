"""JSON schemas: what does not fit, what is filled in, what is flat, what is strict."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customgroqchat._schemas import MisfitError, Problem, inlined, misfits, without_fillers
from customgroqchat._strictness import NotStrictError, strict_form
from customgroqchat.testing._sim_schema import example

STRING, INTEGER, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}


def an_object(required: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": [*required]}


TREE = {
    "$ref": "#/$defs/Node",
    "$defs": {
        "Node": an_object(
            ("value",), value=INTEGER, below={"type": "array", "items": {"$ref": "#/$defs/Node"}}
        )
    },
}


def texts(value: Any, schema: Any) -> list[str]:
    return [str(problem) for problem in misfits(value, schema)]


# --- what does not fit ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ("x", STRING),
        (1, INTEGER),
        (1.0, INTEGER),
        (1.5, {"type": "number"}),
        (True, {"type": "boolean"}),
        (None, NULL),
        (None, {"type": ["string", "null"]}),
        ([1, 2], {"type": "array", "items": INTEGER}),
        ([1, "x"], {"type": "array", "prefixItems": [INTEGER, STRING]}),
        ({"a": 1}, an_object(("a",), a=INTEGER)),
        ({"b": 1}, an_object(a=INTEGER)),
        ({"b": 1}, {"type": "object", "additionalProperties": INTEGER}),
        ("b", {"enum": ["a", "b"]}),
        (1, {"const": 1}),
        (1, {"anyOf": [STRING, INTEGER]}),
        ("x", {"oneOf": [STRING, INTEGER]}),
        ({"a": 1}, {"allOf": [{"type": "object"}, an_object(a=INTEGER)]}),
        ("anything", {}),
        ("anything", True),
        ("anything", {"type": "of tomorrow"}),
        ({"value": 1, "below": [{"value": 2}]}, TREE),
        ("x", {"$ref": "#/$defs/missing"}),
        ("x", {"$ref": "https://example.com/schema"}),
        (2, {"type": "integer", "minimum": 2, "maximum": 2}),
        ("ab", {"minLength": 2, "maxLength": 2}),
        ([], {"maxItems": 0}),
        (10**400, {"type": "integer", "minimum": 1}),
    ],
)
def test_it_fits(value: Any, schema: Any) -> None:
    assert misfits(value, schema) == []


@pytest.mark.parametrize(
    ("value", "schema", "problem"),
    [
        (1, STRING, "expected a string, got 1"),
        ("1", INTEGER, "expected an integer, got '1'"),
        (1.5, INTEGER, "expected an integer, got 1.5"),
        (True, INTEGER, "expected an integer, got True"),
        (float("inf"), INTEGER, "expected an integer, got inf"),
        (False, {"type": "number"}, "expected a number, got False"),
        (0, {"type": "boolean"}, "expected true or false, got 0"),
        ([], {"type": "object"}, "expected an object, got []"),
        ({}, {"type": "array"}, "expected an array, got {}"),
        (1, {"type": ["string", "null"]}, "expected a string or null, got 1"),
        ("c", {"enum": ["a", "b"]}, "expected 'a' or 'b', got 'c'"),
        (True, {"const": 1}, "expected 1, got True"),
        ("x", False, "nothing is allowed here"),
        ({}, an_object(("a",), a=STRING), "a: it is required, and missing"),
        ({"a": {"b": [1]}}, an_object(a=an_object(b={"items": STRING})), "a.b[0]: expected a str"),
        ({"b": 1}, {"additionalProperties": False}, "b: there is no such field"),
        ({"b": 1}, {"additionalProperties": STRING}, "b: expected a string, got 1"),
        ([1, 1], {"prefixItems": [INTEGER, STRING]}, "[1]: expected a string, got 1"),
        (1, {"minimum": 2}, "expected at least 2, got 1"),
        (3, {"maximum": 2}, "expected at most 2, got 3"),
        (2, {"exclusiveMinimum": 2}, "expected more than 2, got 2"),
        (2, {"exclusiveMaximum": 2}, "expected less than 2, got 2"),
        ("a", {"minLength": 2}, "expected a length of at least 2, got 'a'"),
        ([1], {"maxItems": 0}, "expected a length of at most 0, got [1]"),
        ("a", {"allOf": [STRING, {"minLength": 2}]}, "expected a length of at least 2, got 'a'"),
        ({"value": 1, "below": [{}]}, TREE, "below[0].value: it is required, and missing"),
    ],
)
def test_it_does_not_fit_and_the_place_is_told(value: Any, schema: Any, problem: str) -> None:
    (found,) = texts(value, schema)
    assert found.startswith(problem)


def test_all_that_is_wrong_is_told() -> None:
    schema = an_object(("a", "b"), a=STRING, b=STRING)
    assert texts({"a": 1}, schema) == [
        "b: it is required, and missing",
        "a: expected a string, got 1",
    ]


def test_of_a_union_the_branch_objects_that_was_meant() -> None:
    cat = an_object(("cat",), cat=an_object(("age",), age=INTEGER))
    schema = {"anyOf": [STRING, cat]}
    assert texts({"cat": {"age": "old"}}, schema) == ["cat.age: expected an integer, got 'old'"]


def test_what_is_nested_too_deeply_is_said_to_be() -> None:
    deep: Any = {}
    for _ in range(5_000):
        deep = {"below": [deep], "value": 1}
    assert texts(deep, TREE) == ["it is nested too deeply"]
    assert without_fillers(deep, TREE) is deep


def test_a_schema_that_refers_to_itself_alone_ends() -> None:
    assert texts(1, {"$ref": "#"}) == ["it is nested too deeply"]


def test_the_error_tells_all_problems() -> None:
    error = MisfitError(Problem(("a", 0, "b"), "it is wrong"), Problem((), "and so is this"))
    assert str(error) == "a[0].b: it is wrong; and so is this"
    assert isinstance(error, ValueError)


# --- nulls that stand for nothing -------------------------------------------------------------


def test_nulls_of_optional_fields_are_left_out() -> None:
    nullable = {"type": ["string", "null"]}
    schema = an_object(("a",), a=nullable, b=STRING, c=nullable)
    value = {"a": None, "b": None, "c": None, "d": None}
    assert without_fillers(value, schema) == {"a": None, "c": None, "d": None}


def test_they_are_wherever_objects_are() -> None:
    inside = an_object(b=STRING)
    schema = an_object(
        rows={"type": "array", "items": inside},
        either={"anyOf": [STRING, inside]},
        named={"type": "object", "additionalProperties": inside},
    )
    filled, plain = {"b": None}, {}
    value = {"rows": [filled, filled], "either": filled, "named": {"x": filled}}
    cleaned = {"rows": [plain, plain], "either": plain, "named": {"x": plain}}
    assert without_fillers(value, schema) == cleaned
    assert without_fillers({"value": 1, "below": None}, TREE) == {"value": 1}


def test_what_fits_nothing_is_left_as_it_is() -> None:
    value = {"a": [None]}
    assert without_fillers(value, {"anyOf": [STRING, INTEGER]}) == value
    assert without_fillers("text", an_object(a=STRING)) == "text"


# --- references written in place --------------------------------------------------------------


def test_references_are_written_in_place() -> None:
    schema = {
        **an_object(
            one={"$ref": "#/$defs/A", "description": "the first"}, two={"$ref": "#/$defs/B"}
        ),
        "$defs": {"A": STRING, "B": {"anyOf": [{"$ref": "#/$defs/A"}, NULL]}},
    }
    first = {"type": "string", "description": "the first"}
    assert inlined(schema) == an_object(one=first, two={"anyOf": [STRING, NULL]})


def test_what_contains_itself_remains_a_definition() -> None:
    flat = inlined(TREE)
    assert flat["type"] == "object"
    assert flat["$defs"]["Node"] == TREE["$defs"]["Node"]
    assert flat["properties"]["below"]["items"] == {"$ref": "#/$defs/Node"}
    listed = inlined({"type": "array", "items": {"$ref": "#/$defs/Node"}, "$defs": TREE["$defs"]})
    assert listed["items"] == {"$ref": "#/$defs/Node"}
    assert listed["$defs"] == TREE["$defs"]


def test_the_older_definitions_are_written_in_place_as_well() -> None:
    schema = {**an_object(a={"$ref": "#/definitions/A"}), "definitions": {"A": STRING}}
    assert inlined(schema) == an_object(a=STRING)


def test_names_with_slashes_are_found() -> None:
    schema = {"items": {"$ref": "#/$defs/a~1b~0"}, "$defs": {"a/b~": STRING}}
    assert inlined(schema) == {"items": STRING}


def test_a_reference_that_leads_nowhere_stays() -> None:
    assert inlined({"items": {"$ref": "#/$defs/a/b"}}) == {"items": {"$ref": "#/$defs/a/b"}}


# --- strict -----------------------------------------------------------------------------------


def test_strict_objects_have_all_fields_and_no_others() -> None:
    strict = strict_form(an_object(("a",), a=STRING, b=INTEGER))
    assert strict == {
        "type": "object",
        "properties": {"a": STRING, "b": {"type": ["integer", "null"]}},
        "required": ["a", "b"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("optional", "nullable"),
    [
        (STRING, {"type": ["string", "null"]}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"type": "string", "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"enum": ["a"]}, {"anyOf": [{"enum": ["a"]}, NULL]}),
        (
            {"const": "a", "type": "string", "description": "what"},
            {"anyOf": [{"const": "a", "type": "string"}, NULL], "description": "what"},
        ),
        ({"anyOf": [STRING, INTEGER]}, {"anyOf": [STRING, INTEGER, NULL]}),
        ({"anyOf": [STRING, NULL]}, {"anyOf": [STRING, NULL]}),
        ({"oneOf": [STRING, INTEGER]}, {"anyOf": [STRING, INTEGER, NULL]}),
        (
            {"allOf": [STRING], "description": "what"},
            {"type": ["string", "null"], "description": "what"},
        ),
        ({"type": "string", "default": "a"}, {"type": ["string", "null"]}),
        ({"type": "array", "items": STRING}, {"type": ["array", "null"], "items": STRING}),
        ({"$ref": "#/$defs/A"}, {"anyOf": [{"$ref": "#/$defs/A"}, NULL]}),
        (
            {"$ref": "#/$defs/A", "description": "what"},
            {"type": ["string", "null"], "description": "what"},
        ),
    ],
)
def test_optional_fields_become_nullable(optional: Any, nullable: Any) -> None:
    schema = {**an_object(a=optional), "$defs": {"A": STRING}}
    strict = strict_form(schema)
    assert strict["properties"]["a"] == nullable
    assert strict["$defs"] == {"A": STRING}
    assert misfits({"a": None}, strict) == []


def test_an_optional_object_becomes_one_or_null() -> None:
    strict = strict_form(an_object(a=an_object(b=STRING)))
    inside = strict_form(an_object(b=STRING))
    assert strict["properties"]["a"] == {"anyOf": [inside, NULL]}


def test_references_and_definitions_are_kept() -> None:
    strict = strict_form({**TREE["$defs"]["Node"], "$defs": TREE["$defs"]})
    assert strict["properties"]["below"]["items"] == {"$ref": "#/$defs/Node"}
    assert strict["$defs"]["Node"]["additionalProperties"] is False
    assert misfits({"value": 1, "below": [{"value": 2, "below": None}]}, strict) == []
    described = {"$ref": "#/$defs/Node", "description": "which ends"}
    inside = strict_form({**an_object(("a",), a=described), "$defs": TREE["$defs"]})
    assert inside["properties"]["a"] == {"$ref": "#/$defs/Node"}


def test_what_fits_the_strict_form_fits_without_its_fillers() -> None:
    schema = an_object(("a",), a=STRING, b=INTEGER)
    value = {"a": "x", "b": None}
    assert misfits(value, strict_form(schema)) == []
    assert misfits(without_fillers(value, schema), schema) == []


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (STRING, "its top is no object"),
        ({"type": "object"}, "an object may have any fields"),
        ({**an_object(), "additionalProperties": True}, "fields of any name are allowed"),
        (an_object(a={"type": "object", "additionalProperties": STRING}), "a: fields of any name"),
        (an_object(a={}), "a: anything is allowed"),
        (an_object(a={"title": "A"}), "a: anything is allowed"),
        (an_object(a=True), "a: anything is allowed"),
        (an_object(a={"type": "array"}), "a: an array may hold anything"),
        (an_object(a={"type": "array", "prefixItems": [STRING]}), "a: it has 'prefixItems'"),
        (an_object(a={"allOf": [STRING, {"minLength": 1}]}), "a: it has 'allOf'"),
        (an_object(a=an_object(b={"not": STRING})), "a.b: it has 'not'"),
    ],
)
def test_not_every_schema_can_be_strict(schema: Any, why: str) -> None:
    with pytest.raises(NotStrictError) as caught:
        strict_form(schema)
    assert str(caught.value).startswith(why)


# --- whatever the schema ------------------------------------------------------------------------

LEAVES = st.sampled_from(
    [
        *(STRING, INTEGER, {"type": ["number", "null"]}, {"enum": ["a", 1]}, {"const": 3}),
        {"type": "string", "enum": ["x"]},
        {"$ref": "#/$defs/A"},
        {"$ref": "#/$defs/A", "description": "what"},
    ]
)


def objects(inside: Any) -> Any:
    """Return objects with up to three fields, of which some are required."""

    def with_required(fields: dict[str, Any]) -> Any:
        return st.sets(st.sampled_from([*fields, "a"])).map(
            lambda names: an_object(tuple(sorted(names & fields.keys())), **fields)
        )

    return st.dictionaries(st.sampled_from("abcd"), inside, max_size=3).flatmap(with_required)


def larger(inside: Any) -> Any:
    branches = st.lists(inside, min_size=1, max_size=3)
    return st.one_of(
        objects(inside),
        inside.map(lambda item: {"type": "array", "items": item}),
        branches.map(lambda found: {"anyOf": found}),
        branches.map(lambda found: {"oneOf": found, "default": 1}),
    )


SCHEMAS = objects(st.recursive(LEAVES, larger, max_leaves=8)).map(
    lambda schema: {**schema, "$defs": {"A": an_object(n=INTEGER)}}
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from("ax"),
    lambda inside: (
        st.lists(inside, max_size=2) | st.dictionaries(st.sampled_from("abn"), inside, max_size=3)
    ),
    max_leaves=6,
)


@given(SCHEMAS)
def test_an_answer_in_strict_mode_fits_without_its_fillers(schema: Any) -> None:
    strict = strict_form(schema)
    value = example(strict)
    assert misfits(value, strict) == []
    assert misfits(without_fillers(value, schema), schema) == []


@given(SCHEMAS, VALUES)
def test_the_strict_form_allows_nothing_more(schema: Any, value: Any) -> None:
    if not misfits(value, strict_form(schema)):
        assert misfits(without_fillers(value, schema), schema) == []


@given(SCHEMAS, VALUES)
def test_what_is_written_in_place_allows_the_same(schema: Any, value: Any) -> None:
    assert misfits(value, inlined(schema)) == misfits(value, schema)


@given(SCHEMAS, VALUES)
def test_what_fits_fits_without_its_fillers_as_well(schema: Any, value: Any) -> None:
    if not misfits(value, schema):
        assert misfits(without_fillers(value, schema), schema) == []
