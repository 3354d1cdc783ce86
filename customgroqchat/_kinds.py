"""The kinds of values that settings have, and the rules for one value.

A kind reads the text of an environment variable (``parse``), accepts or refuses a value
(``check``), and shows it without its secrets (``shown``, ``found``). Pure: no file, no environment,
no clock. Everything here is safe from any thread.
"""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar


class InvalidValue(ValueError):
    """A value that its setting does not allow; the text, if any, is advice for this very value."""


# --- showing without telling -----------------------------------------------------------------


def mask(secret: str) -> str:
    """Return what may be shown of a secret: at most its last four characters."""
    if len(secret) < 16 or not secret.isprintable():
        return "***"
    return f"{'gsk_' if secret.startswith('gsk_') else ''}…{secret[-4:]}"


_TYPES = {"str": "a text", "int": "a number", "float": "a number", "NoneType": "null"}


def type_of(value: object) -> str:
    """Return the type of a value in words that also suit JSON."""
    name = type(value).__name__
    return "an object" if isinstance(value, Mapping) else _TYPES.get(name, f"a {name}")


def describe(value: object) -> str:
    """Return a short text for a value of any type, with keys and passwords taken out."""
    if isinstance(value, bool):
        return json.dumps(value)
    if not isinstance(value, str | int | float | list | tuple):
        return type_of(value)
    text = re.sub(r"gsk_\w+", "gsk_…", re.sub(r"//\S*@", "//***@", repr(value)))
    return text if len(text) <= 80 else f"{text[:79]}…"


# --- kinds of values -------------------------------------------------------------------------


class Kind(ABC):
    """What values a setting may have."""

    words: ClassVar[str] = ""
    secret: ClassVar[bool] = False
    takes_null: ClassVar[bool] = False  # otherwise null in a file means "not set here"
    expands: ClassVar[bool] = False  # whether ${NAME} in a file stands for a variable

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return self.words

    def parse(self, text: str) -> Any:
        """Return the value that a variable's text stands for, or the text if it is none."""
        return text

    @abstractmethod
    def check(self, value: Any) -> Any:
        """Return the value as it is kept, or raise :class:`InvalidValue`."""

    def shown(self, value: Any) -> Any:
        """Return an accepted value for a report, its secrets masked."""
        return value

    def found(self, value: Any) -> str:
        """Return a refused value for an error message, its secrets masked."""
        if not self.secret:
            return describe(value)
        return mask(value) if isinstance(value, str) else type_of(value)


_WORDS = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(
    ("false", "no", "off", "0"), False
)


class Flag(Kind):
    """True or false; as text also yes/no, on/off, 1/0."""

    words = "true or false"

    def parse(self, text: str) -> Any:
        """Read the usual words."""
        return _WORDS.get(text.lower(), text)

    def check(self, value: Any) -> Any:
        """Accept a bool only."""
        if not isinstance(value, bool):
            raise InvalidValue
        return value


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number in a range; a bool is none."""

    low: int
    high: int

    @property
    def allowed(self) -> str:
        """The range, in words."""
        return f"a whole number from {self.low} to {self.high:,}"

    def parse(self, text: str) -> Any:
        """Read digits with an optional sign."""
        return int(text) if re.fullmatch(r"[+-]?[0-9]{1,20}", text) else text

    def check(self, value: Any) -> Any:
        """Accept an int in the range."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidValue
        if not self.low <= value <= self.high:
            raise InvalidValue
        return value


class Limit(Whole):
    """A whole number, or -1 or null for unlimited, which is kept as None."""

    takes_null = True

    @property
    def allowed(self) -> str:
        """The range, in words."""
        return f"{super().allowed}, or -1 for unlimited"

    def check(self, value: Any) -> Any:
        """Accept a limit; 0 is refused, for it would let nothing through."""
        if value is None or (value == -1 and isinstance(value, int)):
            return None
        if value == 0 and not isinstance(value, bool):
            raise InvalidValue("0 would let nothing through")
        return super().check(value)


@dataclass(frozen=True)
class Seconds(Kind):
    """A finite number of seconds in a range, kept as a float."""

    low: float
    high: float

    @property
    def allowed(self) -> str:
        """The range, in words."""
        return f"seconds from {self.low:g} to {self.high:,.0f}"

    def parse(self, text: str) -> Any:
        """Read a decimal number."""
        try:
            return float(text)
        except ValueError:
            return text

    def check(self, value: Any) -> Any:
        """Accept a number in the range, which neither NaN nor infinity is."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidValue
        if not self.low <= value <= self.high:
            raise InvalidValue
        return float(value)


class SecondsOrOff(Seconds):
    """Seconds, or "off" (in a file also null), which is kept as None."""

    takes_null = True

    @property
    def allowed(self) -> str:
        """The range, in words."""
        return f'{super().allowed}, or "off"'

    def check(self, value: Any) -> Any:
        """Accept seconds or the word."""
        if value is None or (isinstance(value, str) and value.lower() == "off"):
            return None
        return super().check(value)


class Timeout(Seconds):
    """Seconds to connect and seconds to wait for data; one number stands for both."""

    @property
    def allowed(self) -> str:
        """The range, in words."""
        return f"{super().allowed}, or a pair of them: [connect, read]"

    def parse(self, text: str) -> Any:
        """Read "read-and-connect" or "connect,read"."""
        numbers = [super(Timeout, self).parse(part.strip()) for part in text.split(",")]
        if any(isinstance(number, str) for number in numbers):
            return text
        return numbers if len(numbers) > 1 else numbers[0]

    def check(self, value: Any) -> Any:
        """Accept one number or two; keep two."""
        pair = value if isinstance(value, list | tuple) else (value, value)
        if len(pair) != 2:
            raise InvalidValue
        return (super().check(pair[0]), super().check(pair[1]))


@dataclass(frozen=True)
class Word(Kind):
    """One of a few words, in letters of either case."""

    choices: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """The words."""
        return " or ".join([", ".join(map(json.dumps, self.choices[:-1])), f'"{self.choices[-1]}"'])

    def check(self, value: Any) -> Any:
        """Accept one of the words; keep it in small letters."""
        word = value.lower() if isinstance(value, str) else None
        if word not in self.choices:
            raise InvalidValue
        return word


class Verify(Flag):
    """Whether to verify certificates, or the path of the authorities to trust."""

    words = "true, false, or the path of a file or directory of certificates"

    def check(self, value: Any) -> Any:
        """Accept a bool or a path; whether the path exists is for the loader to see."""
        return value if isinstance(value, bool) else _path_text(value)


class FilePath(Kind):
    """The path of a file, kept as a ``Path``."""

    words = "the path of a file"

    def check(self, value: Any) -> Any:
        """Accept a path; what lies there is for the loader to see."""
        return Path(_path_text(value))

    def shown(self, value: Any) -> Any:
        """Return the path as text."""
        return value and str(value)


def _path_text(value: Any) -> str:
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise InvalidValue
    return path


class Table(Kind):
    """A mapping of texts to values; in a variable, a JSON object."""

    def parse(self, text: str) -> Any:
        """Read JSON."""
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text

    def check(self, value: Any) -> Any:
        """Accept a mapping whose every item is accepted; keep a copy that cannot change."""
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            raise InvalidValue
        return MappingProxyType({name: self.check_item(name, value[name]) for name in value})

    @abstractmethod
    def check_item(self, name: str, content: Any) -> Any:
        """Return the content as it is kept, or raise :class:`InvalidValue`."""


@dataclass(frozen=True)
class WeightTable(Table):
    """Names and their weights: positive numbers, kept as floats."""

    low: float
    high: float

    @property
    def allowed(self) -> str:
        """The range, in words."""
        return f"an object of names and numbers from {self.low:g} to {self.high:,.0f}"

    def check_item(self, name: str, content: Any) -> float:
        """Accept a number in the range, which neither NaN nor infinity is."""
        if isinstance(content, bool) or not isinstance(content, int | float):
            raise InvalidValue(f"the weight of {describe(name)} is not a number")
        if not self.low <= content <= self.high:
            raise InvalidValue(f"the weight of {describe(name)} is {describe(content)}")
        return float(content)

    def shown(self, value: Any) -> Any:
        """Return a plain dict."""
        return dict(value)
