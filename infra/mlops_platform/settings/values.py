"""Single configuration values: how each is read, and how one that won't do is refused."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from urllib.parse import urlsplit

from mlops_platform.errors import PlatformError

Get = Callable[[str], str | None]
_LOWEST_PORT, _HIGHEST_PORT = 1024, 65535


def one_of(get: Get, key: str, allowed: tuple[str, ...], default: str = "") -> str:
    """One of the allowed values; without one the default, which is the first of them unless given."""
    value = get(key) or default or allowed[0]
    if value not in allowed:
        close = difflib.get_close_matches(value, allowed, n=1)
        raise refusal(key, value, f"is not one of: {', '.join(allowed)}", close[0] if close else allowed[0])
    return value


def flag(get: Get, key: str, *, default: bool) -> bool:
    """A switch: true or false."""
    return one_of(get, key, ("true", "false"), str(default).lower()) == "true"


def port(get: Get, key: str) -> int:
    """A port that needs no rights of root; 0 without one."""
    value = get(key) or "0"
    if value != "0" and not (value.isdecimal() and _LOWEST_PORT <= int(value) <= _HIGHEST_PORT):
        raise refusal(key, value, f"must be {_LOWEST_PORT} to {_HIGHEST_PORT}, or 0 for any free port", "0")
    return int(value)


def ports(get: Get, *keys: str) -> dict[str, int]:
    """The port of each key; the same one twice is refused."""
    holders: dict[int, str] = {}
    found: dict[str, int] = {}
    for key in keys:
        number = found[key] = port(get, key)
        if number and (holder := holders.setdefault(number, key)) != key:
            raise refusal(key, str(number), f"is {holder} too", "0")
    return found


def url(get: Get, key: str, *, empty: str, example: str) -> str:
    """The address of a server, without a path; "" without one."""
    value = get(key) or ""
    try:
        parts = urlsplit(value)
        plain = parts.scheme in {"http", "https"} and value.rstrip("/") == f"{parts.scheme}://{parts.netloc}"
        usable = plain and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:  # a port that is no number, or brackets without an address
        usable = False
    if value and not usable:
        rule = f"must be http:// or https:// with a host and perhaps a port, or empty {empty}"
        raise refusal(key, value, rule, example)
    return value.rstrip("/")


def refusal(key: str, value: str, rule: str, example: str) -> PlatformError:
    """The error for a value outside its range, with a command that sets another."""
    return PlatformError(
        f"Configuration {key} = {value!r} {rule}",
        f"Set another value, for example: pulumi config set {key} {example or chr(34) * 2}",
    )
