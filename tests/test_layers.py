"""Imports go downward only: each layer knows the ones below it, and none above."""

from __future__ import annotations

import ast
import graphlib
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import customgroqchat

ROOT = "customgroqchat"
PACKAGE = Path(customgroqchat.__file__).parent

#: From the bottom to the top; modules of one layer may know each other.
LAYERS = {
    "words": "exceptions _records _text _types _version _http _logs",
    "pure": "_bucket _headers _retry _ordering _objects _limits _expectation _faults _validation "
    "_text_completion _token_estimator _token_families _token_harmony _token_request "
    "_token_count _token_payload _token_responses _calibration "
    "_presets model_facts _model_advice _fallbacks "
    "_settings _kinds _kinds_http _forecast plan _concurrency _breaker _fairness "
    "_options _outcomes _endpoints _endpoint_checks _responses_collector "
    "_calls _charging _foreign _fitting _pricing _reconciliation "
    "_schemas _strictness _shapes _annotations _docstrings _plain_types _foreign_models "
    "_response_formats _signatures _tool_results "
    "_rule_learner _rungs _scope_state _sse _collector _json events "
    "_audio_length _batch_lines _batch_results "
    "_lazy _pretty _dumping _came_about types types.*",
    "machine": "_files _vocabulary_fetch _clock _process _surroundings _token_vocabulary "
    "_line _watchdog _observer _futures",
    "sources": "stores stores.* config_loader _config _config_files _limit_memory token_counter "
    "_memory_file _calibration_memory _calibrator "
    "_transport _incoming _connecting _model_catalog _multipart",
    "parts": "rate_limit_handler _ledger _limit_book congestion api_client _lanes _timetable "
    "_queue_errors _queue_status _queue_threads queue_manager _lookouts _shared_ledgers "
    "streaming _waiting_room _bodies _response",
    "handler": "request_handler sender _feed _reports _work",
    "surfaces": "_batch_start batch_run _runs_batches _asking _caller _chain "
    "structured tools _tool_calls _accumulate resources resources.* "
    "_map _waiting observability observability.*",
    "client": "groq_client _client_questions _client_resources _client_verbs _client_copies "
    "_assembly _official _client _constants _models _exceptions _streaming",
    "package": f"{ROOT}",
    "testing": "testing testing.*",
    "commands": "cli _cli_tokens __main__",
}
SIMULATOR = ("testing._sim*", "testing.simulator")

# The one door to each dependency; pytest is for the fixtures that users ask for by name.
DOORS = {
    "requests": {"_transport", "_incoming", "_vocabulary_fetch"},
    "urllib3": {"_transport", "_incoming", "_connecting", "_multipart"},
    "tiktoken": {"_token_vocabulary"},
    "tinytag": {"_audio_length"},
    "dotenv": {"_config_files"},
    "pytest": {"testing.fixtures"},
    "prometheus_client": {"observability.prometheus"},
    "opentelemetry": {"observability.otel"},
}

# What type checkers bring with them, and nothing but annotations uses.
FOR_CHECKERS = {"typing_extensions"}


class Import(NamedTuple):
    """One imported module. ``when`` is "load", "call" (inside a function) or "typing"."""

    target: str
    when: str


@cache
def modules() -> dict[str, ast.Module]:
    """Return the syntax tree of every module, by its name without the package's."""
    return {_name_of(path): ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}


def _name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or ROOT


def _is_package(name: str) -> bool:
    return name == ROOT or (PACKAGE / Path(*name.split("."))).is_dir()


def imports_of(name: str, tree: ast.Module, known: Iterable[str]) -> list[Import]:
    """Return all imports of a module; those of the package by their short names."""
    modules = set(known)
    return [
        Import(_shortened(target), when)
        for node, when in _walked(tree, "load")
        if isinstance(node, ast.Import | ast.ImportFrom)
        for target in _targets(name, node, modules)
    ]


def _walked(node: ast.AST, when: str) -> Iterator[tuple[ast.AST, str]]:
    yield node, when
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        when = "call"
    for field, value in ast.iter_fields(node):
        guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        inside = "typing" if guarded and field == "body" else when
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _walked(child, inside)


def _targets(name: str, node: ast.AST, known: set[str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = ".".join(filter(None, [_package_of(name, node.level), node.module]))
    submodules = [f"{base}.{alias.name}" for alias in node.names]
    found = [target for target in submodules if _shortened(target) in known]
    return found or [base]


def _package_of(name: str, level: int) -> str:
    if level == 0:
        return ""
    path = [ROOT] if name == ROOT else [ROOT, *name.split(".")]
    up = level - 1 if _is_package(name) else level
    return ".".join(path[: len(path) - up])


def _shortened(target: str) -> str:
    """Return the name of a module within the package, or that of another, which none has here."""
    return "types." if target == "types" else target.removeprefix(f"{ROOT}.")


@cache
def all_imports() -> list[tuple[str, Import]]:
    return [
        (name, imported)
        for name, tree in modules().items()
        for imported in imports_of(name, tree, modules())
    ]


def matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def layer_of(name: str) -> int:
    found = [i for i, names in enumerate(LAYERS.values()) if matches(name, names.split())]
    assert len(found) == 1, f"{name} is in {len(found)} layers; give it one in LAYERS"
    return found[0]


# --- the reader itself -----------------------------------------------------------------------


def test_every_form_of_import_is_read() -> None:
    source = """
import os, requests.adapters
from . import _process
from .stores import Store
from .. import outside
if TYPE_CHECKING:
    from .groq_client import GroqClient
else:
    import json
def call():
    from .testing.clock import FakeClock
    import customgroqchat._clock
"""
    tree = ast.parse(source)
    assert imports_of("api_client", tree, {"_process", "stores", "groq_client"}) == [
        Import("os", "load"),
        Import("requests.adapters", "load"),
        Import("_process", "load"),
        Import("stores", "load"),
        Import("", "load"),
        Import("groq_client", "typing"),
        Import("json", "load"),
        Import("testing.clock", "call"),
        Import("_clock", "call"),
    ]


def test_relative_imports_start_where_they_stand() -> None:
    known = {"_clock", "stores.base", "stores"}
    inside = ast.parse("from .._clock import Clock\nfrom .base import Store\nfrom . import base")
    expected = [Import(name, "load") for name in ("_clock", "stores.base", "stores.base")]
    assert imports_of("stores.memory", inside, known) == expected
    package = ast.parse("from .base import Store")
    assert imports_of("stores", package, known) == [Import("stores.base", "load")]
    assert imports_of(ROOT, ast.parse("from . import _clock"), known) == [Import("_clock", "load")]


def test_the_whole_package_is_read() -> None:
    names = set(modules())
    assert names >= {ROOT, "groq_client", "stores", "stores.memory", "testing._sim_http", "cli"}
    internal = {imported.target for _, imported in all_imports()} & names
    assert len(internal) > 30


# --- downward --------------------------------------------------------------------------------


def test_every_module_has_its_layer() -> None:
    assert all(layer_of(name) >= 0 for name in modules())


def test_no_layer_names_a_module_that_is_gone() -> None:
    listed = {pattern for names in LAYERS.values() for pattern in names.split()}
    assert [name for name in listed if not any(matches(m, [name]) for m in modules())] == []


def test_imports_go_downward_only() -> None:
    upward = {
        (name, imported.target)
        for name, imported in all_imports()
        if imported.target in modules() and layer_of(imported.target) > layer_of(name)
    }
    assert upward == set()


def test_no_module_is_loaded_in_a_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for name, imported in all_imports():
        if imported.when == "load" and imported.target in graph:
            graph[name].add(imported.target)
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))
    assert order[-1] != "exceptions"


@pytest.mark.parametrize("name", ["queue_manager", "_lanes"])
def test_the_queue_knows_neither_limits_nor_http(name: str) -> None:
    known = {imported.target for module, imported in all_imports() if module == name}
    assert known & {"rate_limit_handler", "api_client", "stores", "_transport"} == set()


def test_the_limiter_knows_no_http() -> None:
    limiter = {"rate_limit_handler", "_ledger", "_limit_book"}
    known = {name for module, name in _targets_by_module() if module in limiter}
    assert known & {"api_client", "_transport", "queue_manager"} == set()


def _targets_by_module() -> set[tuple[str, str]]:
    return {(module, imported.target) for module, imported in all_imports()}


def test_the_simulator_shares_nothing_with_what_it_tests() -> None:
    shared = {
        (module, target)
        for module, target in _targets_by_module()
        if matches(module, SIMULATOR) and target in modules() and not matches(target, SIMULATOR)
    }
    assert shared == set()


# --- the outside -----------------------------------------------------------------------------


def importers_of(*roots: str) -> set[str]:
    return {module for module, target in _targets_by_module() if target.split(".")[0] in roots}


def test_each_dependency_has_one_door() -> None:
    assert {name: importers_of(name) for name in DOORS} == DOORS


def test_there_are_no_other_dependencies() -> None:
    roots = {target.split(".")[0] for _, target in _targets_by_module() if target not in modules()}
    assert roots - sys.stdlib_module_names - {"__future__", *FOR_CHECKERS} == set(DOORS)


def test_heavy_dependencies_are_loaded_when_they_are_needed() -> None:
    at_load = {
        imported.target.split(".")[0] for _, imported in all_imports() if imported.when == "load"
    }
    assert at_load & {"tiktoken", "dotenv"} == set()
    doors = {
        (module, imported.when)
        for module, imported in all_imports()
        if imported.target == "_transport"
    }
    assert doors == {("api_client", "call"), ("api_client", "typing")}


def test_time_and_chance_are_read_in_one_place() -> None:
    outside = importers_of("time", "random", "secrets")
    assert {name for name in outside if not matches(name, SIMULATOR)} == {"_clock"}


# What looks at the clock or draws chance without an import of ``time`` or ``random``.
HIDDEN = {"now", "utcnow", "today", "urandom", "getrandom", "default_timer", "uuid1", "uuid4"}


def calls(tree: ast.Module) -> set[str]:
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    attributes = {node.attr for node in functions if isinstance(node, ast.Attribute)}
    return attributes | {node.id for node in functions if isinstance(node, ast.Name)}


def test_no_module_reads_time_or_chance_by_another_way() -> None:
    found = {name: calls(tree) & HIDDEN for name, tree in modules().items()}
    assert {name: used for name, used in found.items() if used} == {}


def test_nothing_sleeps() -> None:
    assert [name for name, tree in modules().items() if "sleep" in calls(tree)] == []


@pytest.mark.parametrize("name", LAYERS["pure"].split())
def test_pure_modules_have_no_clock_no_lock_no_thread_and_no_socket(name: str) -> None:
    impure = {"threading", "_thread", "time", "random", "socket", "ssl", "selectors", "http"}
    impure |= {"requests", "urllib3", "multiprocessing", "subprocess", "concurrent", "queue"}
    roots = {target.split(".")[0] for module, target in _targets_by_module() if module == name}
    assert roots & impure == set()
