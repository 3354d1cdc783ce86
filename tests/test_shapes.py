"""Types of Python as JSON: their schemas, and their values."""

from __future__ import annotations

import datetime
import decimal
import enum
import pathlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)

import pytest

from customgroqchat._annotations import shape_of
from customgroqchat._schemas import MisfitError
from customgroqchat._shapes import UnknownTypeError, document, loaded


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Base(TypedDict):
    name: str


class Town(Base, total=False):
    """A town.

    Attributes:
        people: How many there are.
    """

    people: int


class Point(NamedTuple):
    x: int
    y: float = 0.5


@dataclass
class Item:
    """A thing.

    Args:
        price: In euros.
    """

    name: str
    price: decimal.Decimal = decimal.Decimal(0)
    colour: Colour = Colour.RED
    tags: list[str] = field(default_factory=list, metadata={"description": "Words."})
    serial: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a thing has a name")


@dataclass
class Node:
    value: int
    below: list[Node] = field(default_factory=list)


T = TypeVar("T")


@dataclass
class Box(Generic[T]):
    inside: T


@dataclass
class Lost:
    what: Nowhere  # type: ignore[name-defined]  # noqa: F821


Name = NewType("Name", str)
STRING, INTEGER = {"type": "string"}, {"type": "integer"}
NODE = {
    "type": "object",
    "properties": {
        "value": INTEGER,
        "below": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
    },
    "required": ["value"],
}


class Remark:
    """What libraries put into Annotated."""

    def __init__(self, description: str | None = None, documentation: str | None = None) -> None:
        self.description, self.documentation = description, documentation


def schema_of(hint: Any) -> dict[str, Any]:
    return document(shape_of(hint))


def load(hint: Any, value: Any) -> Any:
    return loaded(shape_of(hint), value)


# --- both ways --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "schema", "value", "meant"),
    [
        (str, STRING, "x", "x"),
        (int, INTEGER, 2.0, 2),
        (float, {"type": "number"}, 2, 2.0),
        (bool, {"type": "boolean"}, True, True),
        (None, {"type": "null"}, None, None),
        (type(None), {"type": "null"}, None, None),
        (Any, {}, [1], [1]),
        (object, {}, "x", "x"),
        (decimal.Decimal, {"type": "number"}, 0.1, decimal.Decimal("0.1")),
        (datetime.date, {**STRING, "format": "date"}, "2026-10-01", datetime.date(2026, 10, 1)),
        (datetime.time, {**STRING, "format": "time"}, "10:30", datetime.time(10, 30)),
        (
            datetime.datetime,
            {**STRING, "format": "date-time"},
            "2026-10-01T10:30:00Z",
            datetime.datetime(2026, 10, 1, 10, 30, tzinfo=datetime.timezone.utc),
        ),
        (uuid.UUID, {**STRING, "format": "uuid"}, str(uuid.UUID(int=7)), uuid.UUID(int=7)),
        (pathlib.Path, STRING, "a/b", pathlib.Path("a/b")),
        (Name, STRING, "x", "x"),
        (T, {}, 1, 1),
        (Literal["a", 1], {"enum": ["a", 1]}, 1, 1),
        (Literal[1, True], {"enum": [1, True]}, True, True),
        (Colour, {**STRING, "enum": ["red", "blue"]}, "blue", Colour.BLUE),
        (Size, {**INTEGER, "enum": [1, 2]}, 2, Size.LARGE),
        (list, {"type": "array", "items": {}}, [1, "x"], [1, "x"]),
        (list[int], {"type": "array", "items": INTEGER}, [1], [1]),
        (Sequence[int], {"type": "array", "items": INTEGER}, [1], [1]),
        (
            Iterable[Colour],
            {"type": "array", "items": {**STRING, "enum": ["red", "blue"]}},
            ["red"],
            [Colour.RED],
        ),
        (set[int], {"type": "array", "items": INTEGER}, [1, 1], {1}),
        (AbstractSet[int], {"type": "array", "items": INTEGER}, [1], {1}),
        (frozenset[int], {"type": "array", "items": INTEGER}, [1], frozenset({1})),
        (tuple[int, ...], {"type": "array", "items": INTEGER}, [1, 2], (1, 2)),
        (
            tuple[int, Colour],
            {
                "type": "array",
                "prefixItems": [INTEGER, {**STRING, "enum": ["red", "blue"]}],
                "minItems": 2,
                "maxItems": 2,
            },
            [1, "red"],
            (1, Colour.RED),
        ),
        (dict, {"type": "object"}, {"a": 1}, {"a": 1}),
        (dict[str, Any], {"type": "object"}, {"a": 1}, {"a": 1}),
        (
            Mapping[str, Colour],
            {"type": "object", "additionalProperties": {**STRING, "enum": ["red", "blue"]}},
            {"a": "red"},
            {"a": Colour.RED},
        ),
        (Optional[int], {"type": ["integer", "null"]}, None, None),  # noqa: UP045
        (Union[int, str], {"type": ["integer", "string"]}, "x", "x"),  # noqa: UP007
        (float | int, {"type": ["number", "integer"]}, 3, 3.0),
        (int | Any, {}, "x", "x"),
        (
            list[int] | None,
            {"anyOf": [{"type": "array", "items": INTEGER}, {"type": "null"}]},
            [1],
            [1],
        ),
        (Annotated[int, "How many."], {**INTEGER, "description": "How many."}, 1, 1),
        (Annotated[int, Remark("How many.")], {**INTEGER, "description": "How many."}, 1, 1),
        (Annotated[int, Remark(None, "Many.")], {**INTEGER, "description": "Many."}, 1, 1),
        (Annotated[int, 7, Remark()], INTEGER, 1, 1),
        (
            Town,
            {
                "type": "object",
                "properties": {
                    "name": STRING,
                    "people": {**INTEGER, "description": "How many there are."},
                },
                "required": ["name"],
            },
            {"name": "Oslo", "mayor": "unknown to the type"},
            {"name": "Oslo"},
        ),
        (
            Point,
            {
                "type": "object",
                "properties": {"x": INTEGER, "y": {"type": "number", "default": 0.5}},
                "required": ["x"],
            },
            {"x": 1},
            Point(1),
        ),
        (
            Item,
            {
                "type": "object",
                "properties": {
                    "name": STRING,
                    "price": {"type": "number", "description": "In euros."},
                    "colour": {**STRING, "enum": ["red", "blue"]},
                    "tags": {"type": "array", "items": STRING, "description": "Words."},
                },
                "required": ["name"],
            },
            {"name": "pen", "price": 0.1, "colour": "blue"},
            Item("pen", decimal.Decimal("0.1"), Colour.BLUE),
        ),
        (
            Node,
            {**NODE, "$defs": {"Node": NODE}},
            {"value": 1, "below": [{"value": 2}]},
            Node(1, [Node(2)]),
        ),
        (
            list[Node],
            {"type": "array", "items": {"$ref": "#/$defs/Node"}, "$defs": {"Node": NODE}},
            [{"value": 1}],
            [Node(1)],
        ),
        (
            Box[int],
            {"type": "object", "properties": {"inside": {}}, "required": ["inside"]},
            {"inside": "x"},
            Box("x"),
        ),
    ],
    ids=str,
)
def test_a_type_has_a_schema_and_values(hint: Any, schema: Any, value: Any, meant: Any) -> None:
    assert schema_of(hint) == schema
    found = load(hint, value)
    assert found == meant
    assert type(found) is type(meant)


def test_a_type_is_written_out_wherever_it_stands_unless_that_has_no_end() -> None:
    pair = schema_of(tuple[Point, Point])
    assert pair["prefixItems"] == [schema_of(Point)] * 2
    trees = schema_of(tuple[Node, Node])
    assert trees["prefixItems"] == [{"$ref": "#/$defs/Node"}] * 2
    assert trees["$defs"] == {"Node": NODE}


def test_a_branch_of_a_union_is_the_first_that_fits() -> None:
    hint = list[Point | datetime.date | str]
    value = [{"x": 1}, "2026-10-01", "soon"]
    assert load(hint, value) == [Point(1), datetime.date(2026, 10, 1), "soon"]


# --- what is wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "value", "problem"),
    [
        (Item, {}, "name: it is required, and missing"),
        (list[Point], [{"x": 1}, {"x": "1"}], "[1].x: expected an integer, got '1'"),
        (list[datetime.date], ["soon"], "[0]: expected a date in ISO 8601, got 'soon'"),
        (dict[str, uuid.UUID], {"a": "7"}, "a: expected a UUID, got '7'"),
        (tuple[int, datetime.time], [1, "noon"], "[1]: expected a time in ISO 8601, got 'noon'"),
        (list[Item], [{"name": ""}], "[0]: a thing has a name"),
        (datetime.date | None, "soon", "expected a date in ISO 8601, got 'soon'"),
        (Annotated[datetime.date, "when"], "soon", "expected a date in ISO 8601, got 'soon'"),
    ],
)
def test_the_place_of_a_misfit_is_told(hint: Any, value: Any, problem: str) -> None:
    with pytest.raises(MisfitError) as caught:
        load(hint, value)
    assert str(caught.value) == problem


def test_a_misfit_inside_a_record_keeps_its_place() -> None:
    @dataclass
    class Outer:
        items: list[Item]

    Outer.__annotations__ = {"items": list[Item]}
    with pytest.raises(MisfitError, match=r"^items\[1\]: a thing has a name$"):
        load(Outer, {"items": [{"name": "x"}, {"name": ""}]})


@pytest.mark.parametrize(
    ("hint", "why"),
    [
        (bytes, "bytes has no shape in JSON"),
        (complex | None, "complex has no shape in JSON"),
        (dict[int, str], "the keys of JSON are strings"),
        (Literal[b"x"], "b'x' is no value of JSON"),
        (type[int], "has no shape in JSON"),
        ("int", "'int' has no shape in JSON"),
        (7, "7 has no shape in JSON"),
        (Lost, "an annotation of Lost cannot be read: name 'Nowhere' is not defined"),
    ],
)
def test_some_types_have_no_shape(hint: Any, why: str) -> None:
    with pytest.raises(UnknownTypeError, match=why):
        schema_of(hint)


def test_two_types_of_one_name_that_contain_themselves_are_refused() -> None:
    other = dataclass(type("Node", (), {"__annotations__": {"next": "Other"}}))
    other.__annotations__["next"] = Optional[other]  # noqa: UP045
    with pytest.raises(
        UnknownTypeError, match="two types that contain themselves are named 'Node'"
    ):
        schema_of(tuple[Node, other])


# --- what typing_extensions and newer versions add ----------------------------------------------


def test_fields_that_say_themselves_whether_they_are_required() -> None:
    extensions = pytest.importorskip("typing_extensions")
    functional = extensions.TypedDict(
        "functional",
        {
            "a": extensions.NotRequired[int],
            "b": extensions.ReadOnly[extensions.Required[Annotated[int, "Be."]]],
            "c": extensions.ReadOnly[int],
        },
    )
    schema = schema_of(functional)
    assert schema["required"] == ["b", "c"]
    assert schema["properties"]["b"] == {**INTEGER, "description": "Be."}
    assert load(functional, {"b": 1, "c": 2}) == {"b": 1, "c": 2}


def test_a_named_type_is_the_type() -> None:
    extensions = pytest.importorskip("typing_extensions")
    assert schema_of(extensions.TypeAliasType("Numbers", list[int])) == schema_of(list[int])


# --- models of pydantic -------------------------------------------------------------------------


class FakeModel:
    """What pydantic 1 and 2 agree on, more or less."""

    @classmethod
    def schema(cls) -> dict[str, Any]:
        inside = {"$ref": "#/definitions/Inside"}
        return {
            "title": "FakeModel",
            "type": "object",
            "properties": {"a": {"title": "A", "type": "integer"}, "title": inside},
            "definitions": {"Inside": {"title": "Inside", "type": "string"}},
        }

    @classmethod
    def parse_raw(cls, text: str) -> str:
        if '"bad"' in text:
            raise ValueError("this is bad")
        return f"model of {text}"


def test_a_model_is_known_by_its_methods() -> None:
    properties = {"a": INTEGER, "title": STRING}  # a field may be named so; titles are left out
    model = {"type": "object", "properties": properties}
    assert schema_of(list[FakeModel]) == {"type": "array", "items": model}
    assert load(list[FakeModel], [{"a": 1, "title": "é"}]) == ['model of {"a": 1, "title": "é"}']
    with pytest.raises(MisfitError, match=r"\[0\]: this is bad"):
        load(list[FakeModel], [{"title": "bad"}])


class DetailedError(ValueError):
    """What pydantic raises, as far as it matters."""

    def errors(self) -> list[dict[str, Any]]:
        return [{"loc": ("__root__", "below", 0, "value"), "msg": "it is odd"}]


class FakeTree:
    """As of pydantic 2, and one that contains itself."""

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        below = {"type": "array", "items": {"$ref": "#/$defs/FakeTree"}}
        value = {"title": "Value", "type": "integer", "not": {"multipleOf": 2}}
        fields = {"value": value, "below": below, "any": True}
        tree = {"title": "FakeTree", "type": "object", "properties": fields}
        return {"$defs": {"FakeTree": tree}, "$ref": "#/$defs/FakeTree"}

    @classmethod
    def model_validate_json(cls, text: str) -> str:
        if "3" in text:
            raise DetailedError
        return text


class FakeAdapter:
    """What stands for any type, and is none itself."""

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer"}

    def validate_json(self, text: str) -> str:
        return text


def test_a_model_that_contains_itself_brings_its_definition() -> None:
    schema = schema_of(dict[str, FakeTree])
    tree = schema["$defs"]["FakeTree"]
    assert "title" not in tree
    assert "title" not in tree["properties"]["value"]
    assert tree["properties"]["any"] is True
    inside = schema["additionalProperties"]
    assert inside["properties"]["below"]["items"] == {"$ref": "#/$defs/FakeTree"}
    with pytest.raises(MisfitError) as caught:
        load(dict[str, FakeTree], {"a": {"value": 3}})
    assert str(caught.value) == "a.below[0].value: it is odd"


def test_what_stands_for_a_type_will_do() -> None:
    assert schema_of(FakeAdapter()) == INTEGER
    assert load(list[FakeAdapter()], [7]) == ["7"]  # type: ignore[misc]


def test_models_of_pydantic_2() -> None:
    pydantic = pytest.importorskip("pydantic", minversion="2")
    inside = pydantic.create_model("Inside", name=(str, pydantic.Field(description="Its name.")))
    outer = pydantic.create_model(
        "Outer",
        one=(inside, ...),
        many=(list[inside], []),
        n=(Annotated[int, pydantic.Field(gt=2)], 3),
    )
    schema = schema_of(list[outer])["items"]
    assert schema["properties"]["one"] == {
        "type": "object",
        "properties": {"name": {**STRING, "description": "Its name."}},
        "required": ["name"],
    }
    assert load(outer, {"one": {"name": "x"}}) == outer(one=inside(name="x"))
    with pytest.raises(MisfitError, match=r"^\[0\]\.one\.name: expected a string, got 3$"):
        load(list[outer], [{"one": {"name": 3}}])
    assert load(pydantic.TypeAdapter(list[int]), [1]) == [1]


def test_a_model_may_be_more_particular_than_its_schema() -> None:
    pydantic = pytest.importorskip("pydantic", minversion="2")

    def even(number: int) -> int:
        if number % 2:
            raise ValueError("it is odd")
        return number

    model = pydantic.create_model("Even", n=(Annotated[int, pydantic.AfterValidator(even)], ...))
    with pytest.raises(MisfitError, match=r"^\[0\]\.n: Value error, it is odd$"):
        load(list[model], [{"n": 3}])


def test_a_model_that_contains_itself() -> None:
    pydantic = pytest.importorskip("pydantic", minversion="2")

    class Tree(pydantic.BaseModel):
        value: int
        below: list[Tree] = pydantic.Field(default_factory=list)

    Tree.model_rebuild(_types_namespace={"Tree": Tree})
    schema = schema_of(dict[str, Tree])
    assert schema["$defs"].keys() == {"Tree"}
    assert "title" not in schema["$defs"]["Tree"]
    found = load(dict[str, Tree], {"a": {"value": 1, "below": [{"value": 2}]}})
    assert found["a"].below[0].value == 2


def test_models_of_pydantic_1() -> None:
    v1 = pytest.importorskip("pydantic.v1")
    inside = v1.create_model("Inside", name=(str, ...))
    outer = v1.create_model("Outer", one=(inside, ...), n=(v1.conint(gt=2), 3))
    assert schema_of(outer)["properties"]["one"]["required"] == ["name"]
    assert load(outer, {"one": {"name": "x"}}) == outer(one=inside(name="x"))
