"""Changing keys of a seedbed.toml, and nothing else in it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

from seedbed import spec as specs
from seedbed.errors import SpecError


def set_keys(path: Path, section: str, values: Mapping[str, str]) -> bool:
    """Give keys of a section these values; comments, order and all other keys stay as they are.

    Args:
        path: the file.
        section: such as "project".
        values: by key.

    Returns:
        Whether anything had to be changed.

    Raises:
        SpecError: it can't be written, or would not be valid any more; it is then as it was.
    """
    import tomlkit

    try:
        before = path.read_bytes().decode("utf-8")
        document = tomlkit.parse(before)
        table = document.setdefault(section, tomlkit.table())
        # What follows the last key, blank lines and comments, is about the next section.
        body = table.value.body
        after_keys = next((place for place in range(len(body), 0, -1) if body[place - 1][0] is not None), 0)
        rest = body[after_keys:]
        del body[after_keys:]
        for key, value in values.items():
            if table.get(key) != value:
                table[key] = value
        body.extend(rest)
        after = tomlkit.dumps(document)
        specs.parse(tomllib.loads(after))
        if after == before:
            return False
        _replace(path, after.encode())
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} can't be changed: {error}", hint="Set the keys by hand.") from error
    except (tomlkit.exceptions.ParseError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"{path} is not valid TOML: {error}") from error
    return True


def _replace(path: Path, content: bytes) -> None:
    """All of the new content or all of the old, whatever happens meanwhile."""
    target = path.resolve()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(target.stat().st_mode & 0o7777)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
