"""The kinds of values that HTTP gives its own rules: keys, addresses, headers, proxies. Pure."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ._kinds import InvalidValue, Kind, Table, describe, mask

DEFAULT_BASE_URL = "https://api.groq.com"

_HEADER_SAFE = re.compile(r"[\x21-\x7e]+( +[\x21-\x7e]+)*")
_PLACEHOLDER = re.compile(
    r"(gsk)?((your|insert|enter|paste|replace)\w*(key|token|secret|here|me)\w*"
    r"|(groq)?apikey(here)?|changeme|placeholder|todo|x{3,}|)"
)


class Key(Kind):
    """An API key: what can stand in an HTTP header, and is not an example's placeholder.

    Args:
        in_code: Whether it comes from a program, where a placeholder is a test's, and not from a
            file, where it is what somebody forgot to fill in.
    """

    words = "an API key: characters of ASCII, without line breaks or quotation marks around it"
    secret = True
    expands = True

    def __init__(self, *, in_code: bool = False) -> None:
        self._in_code = in_code

    def check(self, value: Any) -> Any:
        """Accept a text that can be sent as it is."""
        if not isinstance(value, str) or not _HEADER_SAFE.fullmatch(value):
            raise InvalidValue(self._advice(value))
        if value.lower().startswith("bearer "):
            raise InvalidValue("give it without 'Bearer'")
        if value[0] in "\"'" or value[-1] in "\"'":
            raise InvalidValue("the quotation marks are part of the value")
        if not self._in_code and _PLACEHOLDER.fullmatch(re.sub(r"[^a-z0-9]", "", value.lower())):
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

    def check_item(self, name: str, content: Any) -> str:
        """Accept what HTTP accepts."""
        if not isinstance(content, str):
            raise InvalidValue
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise InvalidValue("one of the names is not the name of a header")
        if name.lower() in _OWN_HEADERS:
            raise InvalidValue(_OWN_HEADERS[name.lower()])
        if not re.fullmatch(r"(?! )[\t\x20-\x7e\xa0-\xff]*(?<![\t ])", content):
            raise InvalidValue(f"the text of {name} cannot be sent in a header")
        return content

    def shown(self, value: Any) -> Any:
        """Name the headers and hide what they say."""
        return dict.fromkeys(value, "***")


_PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


class ProxyTable(Table):
    """Which proxy to use for which scheme."""

    words = 'an object of "http", "https" or "all" to the URL of a proxy; {} for no proxy at all'
    secret = True

    def check_item(self, name: str, content: Any) -> str:
        """Accept a scheme (or scheme://host) and a URL."""
        if not isinstance(content, str):
            raise InvalidValue
        if not re.fullmatch(r"(https?|all)(://[^\s/]+)?", name):
            raise InvalidValue(f"{describe(name)} is not a scheme")
        if _split(content).scheme not in _PROXY_SCHEMES:
            raise InvalidValue(f"the URL for {name} needs one of: {', '.join(_PROXY_SCHEMES)}")
        return content

    def shown(self, value: Any) -> Any:
        """Hide users and passwords."""
        return value and {name: re.sub(r"//\S*@", "//***@", url) for name, url in value.items()}
