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
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import SplitResult, urlsplit

DEFAULT_BASE_URL = "https://api.groq.com"


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


_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")
_PLACEHOLDER = re.compile(
    r"(gsk)?((your|insert|enter|paste|replace)\w*(key|token|secret|here|me)\w*"
    r"|(groq)?apikey(here)?|changeme|placeholder|todo|x{3,}|)"
)


class Key(Kind):
    """An API key: what can stand in an HTTP header, and is not an example's placeholder."""

    words = "an API key: characters of ASCII, without spaces, line breaks or quotation marks"
    secret = True
    expands = True

    def check(self, value: Any) -> Any:
        """Accept a text that can be sent as it is."""
        if not isinstance(value, str) or not _HEADER_SAFE.fullmatch(value):
            raise InvalidValue(self._advice(value))
        if value[0] in "\"'" or value[-1] in "\"'":
            raise InvalidValue("the quotation marks are part of the value")
        if _PLACEHOLDER.fullmatch(re.sub(r"[^a-z0-9]", "", value.lower())):
            raise InvalidValue("this is a placeholder; create a key at console.groq.com/keys")
        return value

    def shown(self, value: Any) -> Any:
        """Return the masked key."""
        return value if value is None else mask(value)

    @staticmethod
    def _advice(value: object) -> str:
        if value == "":
            return "it is empty"
        if isinstance(value, str) and value.strip() != value:
            return "it begins or ends with white space or a line break"
        if isinstance(value, str) and value.lower().startswith("bearer "):
            return "give it without 'Bearer'"
        return ""


def _split(text: object) -> SplitResult:
    """Return the parts of a URL that has a host and a possible port, and no odd characters."""
    if not isinstance(text, str) or not text.isprintable() or re.search(r"[\s\\]", text):
        raise InvalidValue
    try:
        parts = urlsplit(text)
        usable = parts.hostname and parts.port != 0
    except ValueError:
        raise InvalidValue from None
    if not usable:
        raise InvalidValue
    return parts


class BaseUrl(Kind):
    """The address of the service, kept without a trailing slash and without ``/openai/v1``."""

    words = (
        "an http or https URL with a host, without user, query or fragment, "
        f"such as {DEFAULT_BASE_URL}"
    )
    expands = True

    def check(self, value: Any) -> Any:
        """Accept an address to which the paths of the API can be appended."""
        parts = _split(value)
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            raise InvalidValue
        if "?" in value or "#" in value:
            raise InvalidValue
        path = parts.path.rstrip("/").removesuffix("/openai/v1").rstrip("/")
        if path.endswith("/chat/completions"):
            raise InvalidValue("give the service's address, not that of one endpoint")
        return f"{parts.scheme}://{parts.netloc.lower()}{path}"

    def found(self, value: Any) -> str:
        """Leave out the query as well, for it may hold a key."""
        return describe(re.sub(r"[?#].*", "?…", value) if isinstance(value, str) else value)


def is_exposed(url: str) -> bool:
    """Return whether a checked base URL sends the key unencrypted to another machine."""
    import ipaddress

    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


class Verify(Flag):
    """Whether to verify certificates, or the path of the authorities to trust."""

    words = "true, false, or the path of a file or directory of certificates"

    def check(self, value: Any) -> Any:
        """Accept a bool or a path; whether the path exists is for the loader to see."""
        if isinstance(value, bool):
            return value
        path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
        if not isinstance(path, str) or not path or "\0" in path:
            raise InvalidValue
        return path


class Table(Kind):
    """A mapping of texts to texts; in a variable, a JSON object."""

    def parse(self, text: str) -> Any:
        """Read JSON."""
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text

    def check(self, value: Any) -> Any:
        """Accept a mapping whose every item is accepted; keep a copy that cannot change."""
        if not isinstance(value, Mapping):
            raise InvalidValue
        items = dict(value)
        for name, content in items.items():
            if not isinstance(name, str) or not isinstance(content, str):
                raise InvalidValue
            self.check_item(name, content)
        return MappingProxyType(items)

    @abstractmethod
    def check_item(self, name: str, content: str) -> None:
        """Raise :class:`InvalidValue` for an item that is not allowed."""


_OWN_HEADERS = {
    "authorization": "the key is given as api_key",
    "connection": "the client sets Connection",
    "content-length": "the client sets Content-Length",
    "content-type": "the client sets Content-Type",
    "host": "the client sets Host",
    "transfer-encoding": "the client sets Transfer-Encoding",
}


class HeaderTable(Table):
    """Headers for every request, except those that the client sets itself."""

    words = "an object of header names and texts"
    secret = True

    def check_item(self, name: str, content: str) -> None:
        """Accept what HTTP accepts."""
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise InvalidValue("one of the names is not the name of a header")
        if name.lower() in _OWN_HEADERS:
            raise InvalidValue(_OWN_HEADERS[name.lower()])
        if not re.fullmatch(r"(?! )[\t\x20-\x7e\xa0-\xff]*(?<![\t ])", content):
            raise InvalidValue(f"the text of {name} cannot be sent in a header")

    def shown(self, value: Any) -> Any:
        """Name the headers and hide what they say."""
        return dict.fromkeys(value, "***")


_PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


class ProxyTable(Table):
    """Which proxy to use for which scheme."""

    words = 'an object of "http", "https" or "all" to the URL of a proxy; {} for no proxy at all'
    secret = True

    def check_item(self, name: str, content: str) -> None:
        """Accept a scheme (or scheme://host) and a URL."""
        if not re.fullmatch(r"(https?|all)(://[^\s/]+)?", name):
            raise InvalidValue(f"{describe(name)} is not a scheme")
        if _split(content).scheme not in _PROXY_SCHEMES:
            raise InvalidValue(f"the URL for {name} needs one of: {', '.join(_PROXY_SCHEMES)}")

    def shown(self, value: Any) -> Any:
        """Hide users and passwords."""
        return value and {name: re.sub(r"//\S*@", "//***@", url) for name, url in value.items()}
