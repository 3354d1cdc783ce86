"""What the package has is named and explained in the pages, and what they name exists."""

from __future__ import annotations

import builtins
import functools
import importlib
import inspect
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from helpers_docs import NAMES, blocks, read

import customgroqchat
from customgroqchat import Groq, GroqClient, exceptions
from customgroqchat._fallbacks import Reason
from customgroqchat.resources import _resource
from customgroqchat.types.chat.completion_create_params import CompletionCreateParamsBase
from customgroqchat.types.responses.response_create_params import ResponseCreateParamsBase

PACKAGE = Path(customgroqchat.__file__).parent


def test_the_layers_have_every_module_of_the_package() -> None:
    paths = [*PACKAGE.glob("*.py"), *(path.parent for path in PACKAGE.glob("*/__init__.py"))]
    modules = {path.stem for path in paths if not path.stem.startswith("__")}
    page = read("docs/architecture.rst")
    layers = page[page.index("\nlayer ") : page.index("*Pure* modules")]
    assert sorted(re.findall(r"``(\w+)``", layers)) == sorted(modules)


def test_the_exports_are_those_of_the_package() -> None:
    entries = re.findall(r"^``(\w+)``\n    \S", read("docs/package_exports.rst"), re.MULTILINE)
    assert sorted(entries) == sorted(customgroqchat.__all__)


def test_every_public_method_of_the_client_has_its_entry() -> None:
    page = read("docs/groq_client.rst")
    members = [name for name in dir(GroqClient) if not name.startswith("_")]
    entries = re.findall(r"^``([\w.]+)[(`]", page, re.MULTILINE)
    wanted = {*members, "chat.completions.create", "models.list"}
    assert wanted - set(entries) == set()


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("map", GroqClient.map),
        ("cancel", GroqClient.cancel),
        ("close", GroqClient.close),
        ("reload_config", GroqClient.reload_config),
    ],
)
def test_an_entry_names_the_parameters_that_the_method_has(name: str, method: Any) -> None:
    entry = re.search(rf"^``{name}\((.*?)\)``$", read("docs/groq_client.rst"), re.M | re.S)
    assert entry, name
    documented = re.findall(r"(?:^|[\s*])(\w+)(?:=[\w.]+)?(?=,|$)", entry[1])
    parameters = [each for each in inspect.signature(method).parameters if each != "self"]
    assert documented == parameters


def test_every_keyword_of_a_call_is_explained() -> None:
    page = read("docs/groq_client.rst")
    keywords = list(inspect.signature(GroqClient.chat_completion).parameters)
    assert [each for each in keywords[3:-1] if f"``{each}``" not in page] == []


RESOURCES = [
    *("chat.completions", "responses", "embeddings"),
    *("audio.transcriptions", "audio.translations", "audio.speech"),
    *("models", "files", "batches"),
]
# What is on a page of its own, and what serves the client itself.
ELSEWHERE = {"parse", "run_tools", "facts", "prices", "run", "resume", "available", "stream_of"}


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_method_of_a_resource_has_an_example(resource: str) -> None:
    page = read("docs/resources.rst")
    code = "\n".join(block.text for block in blocks(page, "python", "session"))
    with GroqClient({}, api_key="gsk_one") as client:
        kind = type(functools.reduce(getattr, resource.split("."), client))
    methods = {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"}
    assert methods, resource
    missing = [each for each in methods - ELSEWHERE if f"client.{resource}.{each}(" not in code]
    assert missing == []


@pytest.mark.parametrize("options", [_resource.DirectOptions, _resource.PacedOptions])
def test_every_keyword_of_all_methods_is_explained(options: Any) -> None:
    page = read("docs/resources.rst")
    section = page[page.index("Keywords of all methods") : page.index("Left out, or null")]
    assert [each for each in options.__annotations__ if f"``{each}``" not in section] == []


def test_every_keyword_of_a_copy_is_named() -> None:
    page = read("docs/resources.rst")
    section = page[page.index("Copies with other defaults") :]
    keywords = set(inspect.signature(GroqClient.copy).parameters) - {"self", "http_client"}
    assert [each for each in keywords if f"``{each}``" not in section] == []


# Methods whose keywords stand in a TypedDict.
TYPED: dict[str, Any] = {
    "chat.completions": CompletionCreateParamsBase,
    "responses": ResponseCreateParamsBase,
}
OFFICIAL = {"create", "retrieve", "list", "info", "content", "delete", "cancel"}


def keywords_of(resource: str, method: Any) -> set[str]:
    """Return the keywords of the API that a method takes, by its TypedDict or its signature."""
    if resource in TYPED:
        return {*TYPED[resource].__annotations__, "stream"}
    named = inspect.signature(method).parameters.values()
    return {each.name for each in named if each.kind is not each.VAR_KEYWORD}


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_keyword_of_a_method_is_named(resource: str) -> None:
    page = read("docs/official_sdk.rst")
    section = page[page.index("Methods and their keywords") :]
    found = re.findall(r"^(``.*``)\n((?: {4}.*\n)+)", section, re.MULTILINE)
    entries = {
        path: set(re.findall(r"``(\w+)``", text))
        for paths, text in found
        for path in re.findall(r"``([\w.]+)``", paths)
    }
    with GroqClient({}, api_key="gsk_one") as client:
        part = functools.reduce(getattr, resource.split("."), client)
        methods = {name: getattr(part, name) for name in OFFICIAL & set(dir(part))}
    wanted = {f"{resource}.{name}": keywords_of(resource, methods[name]) for name in methods}
    assert {path: entries.get(path) for path in wanted} == wanted


def test_every_keyword_of_the_official_constructor_is_explained() -> None:
    page = read("docs/official_sdk.rst")
    section = page[page.index("The constructor") : page.index("Methods and their keywords")]
    entries = re.findall(r"^``(\w+)``$", section, re.MULTILINE)
    assert entries == [*inspect.signature(Groq).parameters][:-1]


def test_every_variable_of_the_environment_is_named() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    variables = set(re.findall(r"\bGROQ_[A-Z_]+\b", sources))
    pages = read("docs/official_sdk.rst") + read("docs/config_loader.rst")
    assert variables >= {"GROQ_API_KEY", "GROQ_LOG"}
    assert [each for each in variables if f"``{each}``" not in pages] == []


def test_every_reason_to_fall_back_is_explained() -> None:
    page = read("docs/fallbacks.rst")
    assert [each for each in get_args(Reason) if f'``"{each}"``' not in page] == []


def test_every_error_is_explained() -> None:
    page = read("docs/exceptions.rst")
    explanations = page[page.index("What each means") :]
    missing = [name for name in exceptions.__all__ if f"``{name}``" not in explanations]
    assert missing == []


def test_the_tree_of_errors_is_that_of_the_module() -> None:
    tree = re.search(r"GroqError \(.*\n(?: +[├│└].*\n)+", exceptions.__doc__ or "")
    assert tree
    assert tree[0] in read("docs/exceptions.rst")


def test_the_names_of_the_package_in_literals_exist() -> None:
    """An error or a class that a page mentions is one that can be imported."""
    names = "testing stores config_loader tools types types.chat types.audio types.responses"
    names += " types.chat.chat_completion_chunk"
    homes = [customgroqchat, builtins]
    homes += [importlib.import_module(f"customgroqchat.{name}") for name in names.split()]
    strangers = {"JsonResponse", "PriorityQueue", "ThreadPoolExecutor"}
    for name in NAMES:
        words = set(re.findall(r"``([A-Z][a-z]+[A-Z]\w+)``", read(name))) - strangers
        unknown = {word for word in words if not any(hasattr(home, word) for home in homes)}
        assert unknown == set(), name
