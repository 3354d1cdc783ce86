"""ConfigLoader: where settings come from, which of them wins, and what is wrong with them.

From the weakest to the strongest: defaults and published presets, the JSON file (or a mapping in
its place), ``.env``, the environment, arguments. Every wrong value of every source is reported at
once. Nothing is sent, no thread is started, and the environment is never changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ._config import Config, Explanation, Layer, Layers, ModelConfig, Origin, Sourced, build
from ._config_files import Unreadable, find_dotenv, read_dotenv, read_json, repeated_keys
from ._kinds import InvalidValue, describe, type_of
from ._kinds_http import Key, is_exposed
from ._records import ConfigProblem
from ._settings import ALL, CLIENT, MODEL, Setting, nearest
from .exceptions import ConfigLoaderException

__all__ = ["Config", "ConfigLoader", "Explanation", "ModelConfig", "Origin"]

_PATH_VARIABLE = "GROQ_CONFIG_PATH"
_GIVEN_KEY = replace(CLIENT["api_key"], kind=Key(in_code=True))
_HEADERS_VARIABLE = "GROQ_CUSTOM_HEADERS"  # of the official SDK: "Name: value" lines
_PREFIX = "CUSTOMGROQCHAT_"
_DEFAULTS = "defaults"
_YES = {"1", "true", "t", "yes", "y"}  # python-dotenv's own words for PYTHON_DOTENV_DISABLED


class ConfigLoader:
    """Loads the configuration of a client. It may be used from any thread.

    Args:
        config: The path of a JSON file; or a mapping of the same shape in its place (``{}`` for no
            file at all); or a loaded :class:`Config`, which is used as it is, with arguments on
            top. Without it the file is the one named by ``GROQ_CONFIG_PATH``, else
            ``./config.json`` if there is one.
        environ: The environment variables; those of the process if None, read at each loading.
        cwd: The directory that relative paths and the search for ``.env`` start from; the
            process's working directory if None.

    Raises:
        TypeError: ``config`` is none of these.
    """

    def __init__(
        self,
        config: str | os.PathLike[str] | Mapping[str, Any] | Config | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
    ) -> None:
        """Take note of the sources; nothing is read yet."""
        if not isinstance(config, str | os.PathLike | Mapping | Config | None):
            raise TypeError(
                f"config must be a path, a mapping, a Config or None, not {type(config).__name__}"
            )
        self._config = config
        self._environ = environ
        self._cwd = cwd

    def load(self, **arguments: Any) -> Config:
        """Read all sources anew and return the configuration.

        It blocks as long as reading two small files takes. A missing API key is no error here.

        Args:
            **arguments: Settings of the client, which win over every other source; None counts as
                not given. An ``api_key`` or ``base_url`` holds for all models, also for those
                whose block names another.

        Raises:
            ConfigLoaderException: Something is wrong; it lists everything that is.
            TypeError: An argument is not a setting of the client.
        """
        _refuse_unknown(arguments)
        loading = _Loading(
            os.environ if self._environ is None else self._environ,
            Path.cwd() if self._cwd is None else Path(self._cwd).absolute(),
        )
        return loading.run(self._config, arguments)

    def explain(self, **arguments: Any) -> Explanation:
        """Load, and return where each value comes from, secrets masked.

        Arguments and errors are those of :meth:`load`.
        """
        return self.load(**arguments).explain()


def _refuse_unknown(arguments: Mapping[str, object]) -> None:
    for name in arguments:
        if name not in CLIENT:
            near = nearest(name, CLIENT)
            advice = f"; did you mean {near!r}?" if near else ""
            raise TypeError(f"{name!r} is not a setting of the client{advice}")


class _Loading:
    """One loading: gathers the layers, and every problem on the way."""

    def __init__(self, environ: Mapping[str, str], cwd: Path) -> None:
        self._environ = environ
        self._cwd = cwd
        self._dotenv_path: Path | None = None
        self._dotenv: Mapping[str, str | None] = {}
        self._found_by_itself = False
        self._problems: list[ConfigProblem] = []

    def run(self, config: Any, arguments: Mapping[str, Any]) -> Config:
        base = config._layers if isinstance(config, Config) else self._layers(config)
        given = self._arguments(arguments)
        if "default_headers" in given:
            self._add_custom_headers(given)
        layers = self._with_limits_file(self._with_certificates(base.under(given)))
        self._check_exposure(layers)
        self._raise_problems()
        return config if isinstance(config, Config) and not given else build(layers)

    # --- one layer after the other ---

    def _layers(self, config: str | os.PathLike[str] | Mapping[str, Any] | None) -> Layers:
        self._read_dotenv()
        shared, blocks = self._file(*self._document(config))
        client = {
            **{name: Sourced(setting.default, "default") for name, setting in CLIENT.items()},
            **{name: sourced for name, sourced in shared.items() if name in CLIENT},
            **self._variables(self._dotenv, f"file {self._dotenv_name}, variable"),
            **self._variables(self._environ, "environment variable"),
        }
        self._add_custom_headers(client)
        return Layers(client=client, shared=shared, blocks=blocks, arguments={})

    def _add_custom_headers(self, layer: dict[str, Sourced]) -> None:
        """Add the headers of the variable that the official SDK reads as well."""
        text = self._environ.get(_HEADERS_VARIABLE) or self._dotenv.get(_HEADERS_VARIABLE) or ""
        lines = [line.partition(":") for line in text.split("\n") if ":" in line]
        found = {name.strip(): content.strip() for name, _, content in lines}
        place = Sourced(None, f"environment variable {_HEADERS_VARIABLE}", "default_headers")
        taken = self._take(CLIENT["default_headers"], found, place) if found else {}
        for name, added in taken.items():
            own = layer[name]
            is_default = own.source == "default"
            source = replace(added if is_default else own, value={**added.value, **own.value})
            layer[name] = source

    def _arguments(self, arguments: Mapping[str, Any]) -> dict[str, Sourced]:
        layer: dict[str, Sourced] = {}
        for name, value in arguments.items():
            if value is not None:
                setting = _GIVEN_KEY if name == "api_key" else CLIENT[name]
                layer |= self._take(setting, value, Sourced(None, "argument", name))
        return layer

    def _variables(self, variables: Mapping[str, str | None], label: str) -> Layer:
        layer: dict[str, Sourced] = {}
        for name, setting in CLIENT.items():
            text = variables.get(setting.variable) or ""
            if text.strip():  # an empty variable is how shells and containers say "not set"
                value = setting.kind.parse(text if setting.kind.secret else text.strip())
                place = Sourced(None, f"{label} {setting.variable}", name)
                layer |= self._take(setting, value, place)
        self._report_misspelt(variables, label)
        return layer

    def _report_misspelt(self, variables: Mapping[str, str | None], label: str) -> None:
        known = {setting.variable for setting in CLIENT.values()}
        for name in sorted(name for name in variables if name.startswith(_PREFIX)):
            word = name.removeprefix(_PREFIX).lower()
            near = nearest(word, CLIENT)
            if near and name not in known:
                place = Sourced(None, f"{label} {name}", word)
                self._report(place, "an unknown variable", f"did you mean {CLIENT[near].variable}?")

    def _file(self, document: Any, source: str) -> tuple[Layer, Mapping[str, Layer]]:
        for path in repeated_keys(document):
            self._report(_inside(source, path), "the same key more than once", "each key once")
        if not isinstance(document, Mapping):
            found = type_of(document)
            self._report(_inside(source, "(whole file)"), found, "an object, one key per model")
            return {}, {}
        blocks = {
            name: self._block(name, block, source)
            for name, block in document.items()
            if self._is_block(name, block, source)
        }
        return blocks.pop(_DEFAULTS, {}), blocks

    def _is_block(self, name: Any, block: Any, source: str) -> bool:
        if not isinstance(name, str) or not re.fullmatch(r"\S+", name) or not name.isprintable():
            allowed = "the id of a model, without spaces"
            self._report(_inside(source, "(name of a model)"), describe(name), allowed)
            return False
        if not isinstance(block, Mapping):
            advice = f"; settings of the client belong in the {_DEFAULTS!r} block"
            allowed = "an object with the settings of a model" + (advice if name in ALL else "")
            self._report(_inside(source, name), type_of(block), allowed)
            return False
        return True

    def _block(self, block_name: str, block: Mapping[Any, Any], source: str) -> Layer:
        table = ALL if block_name == _DEFAULTS else MODEL
        layer: dict[str, Sourced] = {}
        for key, value in block.items():
            place = _inside(source, f"{block_name}.{key}")
            if key not in table:
                self._report(place, "an unknown key", _advice(str(key), table))
            elif value is not None or table[key].kind.takes_null:
                layer |= self._take(table[key], value, place)
        return layer

    # --- one value ---

    def _take(self, setting: Setting, value: Any, place: Sourced) -> Layer:
        kind = setting.kind
        try:
            expanded = self._expand(value) if place.in_file and kind.expands else value
            return {setting.name: replace(place, value=kind.check(expanded))}
        except InvalidValue as refusal:
            advice = f" ({refusal})" if str(refusal) else ""
            self._report(place, kind.found(value), kind.allowed + advice)
            return {}

    def _expand(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        reference = re.compile(r"\$\{([^{}]*)\}")
        if "${" in reference.sub("", value):
            raise InvalidValue("'${' is not closed")
        return reference.sub(lambda match: self._variable(match[1]), value)

    def _variable(self, name: str) -> str:
        text = self._environ.get(name) or self._dotenv.get(name)
        if not text:
            raise InvalidValue(f"the variable {name} is not set")
        return text

    # --- files ---

    def _read_dotenv(self) -> None:
        if self._environ.get("PYTHON_DOTENV_DISABLED", "").casefold() in _YES:
            return
        self._dotenv_path = find_dotenv(self._cwd)
        if self._dotenv_path:
            try:
                self._dotenv = read_dotenv(self._dotenv_path)
            except Unreadable as fault:
                self._report_unreadable(f"file {self._dotenv_name}", fault)

    @property
    def _dotenv_name(self) -> str:
        return os.path.relpath(self._dotenv_path, self._cwd) if self._dotenv_path else ".env"

    def _document(
        self, config: str | os.PathLike[str] | Mapping[str, Any] | None
    ) -> tuple[Any, str]:
        """Return the content of the file, or what stands in its place, and its name."""
        if isinstance(config, Mapping):
            return config, "mapping given as config"
        path, source = self._path(config)
        if path is None:
            return {}, source
        try:
            return read_json(path), source
        except Unreadable as fault:
            self._report_unreadable(source, fault)
            return {}, source

    def _path(self, given: str | os.PathLike[str] | None) -> tuple[Path | None, str]:
        if isinstance(given, str) and given.lstrip().startswith(("{", "[")):
            place = Sourced(None, "argument", "config")
            self._report(place, "JSON text", "the path of a JSON file, or a mapping")
            return None, ""
        if given is not None:
            return self._resolved(given), f"file {os.fspath(given)}"
        if text := self._environ.get(_PATH_VARIABLE):
            return self._resolved(text), f"file {text} (named by {_PATH_VARIABLE})"
        if self._dotenv_path and (text := self._dotenv.get(_PATH_VARIABLE)):
            path = self._resolved(text, self._dotenv_path.parent)
            return path, f"file {text} (named by {_PATH_VARIABLE} in {self._dotenv_name})"
        path = self._cwd / "config.json"
        self._found_by_itself = path.is_file()
        return (path if self._found_by_itself else None), "file ./config.json"

    def _resolved(self, path: str | os.PathLike[str], start: Path | None = None) -> Path:
        try:
            expanded = Path(path).expanduser()
        except RuntimeError:  # "~name" of a user that does not exist: a file of that name, then
            expanded = Path(path)
        return (start or self._cwd) / expanded

    # --- values that must suit one another, or the machine ---

    def _with_certificates(self, layers: Layers) -> Layers:
        """Return the layers with the path of the certificates made absolute, if it is one."""
        verify = layers.client["verify"]
        if not isinstance(verify.value, str):
            return layers
        path = self._resolved(verify.value)
        if not path.exists():
            self._report(verify, describe(verify.value), "a path that exists")
        return _with(layers, "verify", replace(verify, value=str(path)))

    def _with_limits_file(self, layers: Layers) -> Layers:
        """Return the layers with the path of remembered limits made absolute, if there is one."""
        file = layers.client["limits_file"]
        if file.value is None:
            return layers
        path = self._resolved(file.value)
        if path.is_dir():
            self._report(file, describe(str(file.value)), "a file, not a directory")
        return _with(layers, "limits_file", replace(file, value=path))

    def _check_exposure(self, layers: Layers) -> None:
        if layers.client["allow_http"].value:
            return
        models = [layers.model(name)["base_url"] for name in layers.blocks]
        for url in dict.fromkeys([layers.client["base_url"], *models]):
            if is_exposed(url.value):
                allowed = "https, or http on this machine only, unless allow_http is set"
                self._report(url, describe(url.value), allowed)

    # --- problems ---

    def _report(self, place: Sourced, found: str, allowed: str) -> None:
        self._problems.append(ConfigProblem(place.source, place.key, found, allowed))

    def _report_unreadable(self, source: str, fault: Unreadable) -> None:
        self._report(Sourced(None, source, fault.where), fault.found, fault.allowed)

    def _raise_problems(self) -> None:
        if not self._problems:
            return
        count = len(self._problems)
        heading = f"The configuration has {count} problem{'s' if count > 1 else ''}:"
        raise ConfigLoaderException(
            "\n  ".join([heading, *map(str, self._problems)]),
            problems=tuple(self._problems),
            config_key=self._problems[0].key if count == 1 else None,
            hint=self._hint(),
        )

    def _hint(self) -> str | None:
        if self._found_by_itself and any("./config.json" in p.source for p in self._problems):
            return (
                "./config.json was read because it lies in the working directory; if it belongs "
                f"to another program, name yours in {_PATH_VARIABLE}, or give config={{}}."
            )
        return None


def _with(layers: Layers, name: str, value: Sourced) -> Layers:
    return replace(layers, client={**layers.client, name: value})


def _inside(source: str, key: str) -> Sourced:
    return Sourced(None, source, key, in_file=True)


def _advice(key: str, table: Mapping[str, Setting]) -> str:
    if near := nearest(key, table):
        return f"did you mean {near!r}?"
    if key in CLIENT:
        return f"a setting of the client belongs in the {_DEFAULTS!r} block"
    return "one of: " + ", ".join(table)
