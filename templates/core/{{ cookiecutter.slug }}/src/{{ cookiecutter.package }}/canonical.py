"""The same model as the same bytes, so that a registry sees when a training brought nothing new."""

from __future__ import annotations

import io
import json
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

SCHEMA = "schema.json"
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file knows
UNIX = 3


def skops(content: bytes) -> bytes:
    """Return a skops file that depends on nothing but the model in it.

    skops tells objects apart, and names their files, by where they happened to be in memory, and the zip says
    when it was written. Here they are numbered in the order of their appearance in the schema. Equal numbers
    and texts are one object: whether they were is an accident of how the parameters were read.

    Args:
        content: what `skops.io.dumps` returned.
    """
    found = io.BytesIO()
    with ZipFile(io.BytesIO(content)) as old, ZipFile(found, "w") as new:
        schema = json.loads(old.read(SCHEMA))
        names: dict[str, str] = {}
        _number(schema, {}, names)
        for name, numbered in names.items():
            _write(new, numbered, old.read(name))
        _write(new, SCHEMA, json.dumps(schema, indent=2).encode())
    return found.getvalue()


def _number(node: Any, ids: dict[Any, int], names: dict[str, str]) -> None:
    """Rename the objects and files of a part of the schema, and remember what was named how."""
    if isinstance(node, list):
        for child in node:
            _number(child, ids, names)
    elif isinstance(node, dict):
        for key, child in node.items():
            # A model's own attributes may have such names; what they hold is a dict.
            if key == "__id__" and isinstance(child, int):
                same = (node["__class__"], node["content"]) if node.get("is_json") else child
                node[key] = ids.setdefault(same, len(ids))
            elif key == "file" and isinstance(child, str):
                node[key] = names.setdefault(child, f"{len(names)}.{child.rpartition('.')[2]}")
            else:
                _number(child, ids, names)


def _write(archive: ZipFile, name: str, content: bytes) -> None:
    entry = ZipInfo(name, LONG_AGO)
    entry.create_system = UNIX  # else the system that runs this
    # Not compressed: how small a file gets depends on the library.
    archive.writestr(entry, content, ZIP_STORED)
