"""Names that derive from the project's name, each within the limits of the system that will read it."""

from __future__ import annotations

import hashlib
import keyword
import re
import sys
import unicodedata

SLUG_LIMIT = 40
BUCKET_LIMIT = 63
NAMESPACE_LIMIT = 63


def slugify(text: str) -> str:
    """Lower-case ASCII words joined by hyphens, starting with a letter; empty when nothing of the text can stay."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")
    slug = slug.lstrip("-0123456789")
    return shorten(slug, SLUG_LIMIT)


def shorten(name: str, limit: int) -> str:
    """The name itself, or its beginning and a hash of the whole when it is longer than `limit` characters."""
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: limit - 9].rstrip('-')}-{digest}"


def package_name(slug: str) -> str:
    """The Python package of a project with this slug."""
    return slug.replace("-", "_")


def is_importable_name(package: str) -> bool:
    """Whether a package of this name can be imported without hiding Python's own modules."""
    return package.isidentifier() and not keyword.iskeyword(package) and package not in sys.stdlib_module_names


def bucket_name(slug: str, environment: str, purpose: str) -> str:
    """The S3 bucket of an environment for a purpose ("data" or "artifacts"): 3 to 63 characters.

    The Pulumi program follows the same rule; a test holds the two together.
    """
    return shorten(f"{slug}-{environment}-{purpose}", BUCKET_LIMIT)


def namespace_name(slug: str, environment: str, purpose: str = "") -> str:
    """The Kubernetes namespace of an environment, as a whole or for a purpose: at most 63 characters.

    The Pulumi program follows the same rule; a test holds the two together.
    """
    return shorten("-".join(filter(None, (slug, environment, purpose))), NAMESPACE_LIMIT)


def identifier(column: str, taken: set[str]) -> str:
    """A Python identifier for a column of any name, different from those already taken; adds it to `taken`."""
    ascii_text = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode()
    base = re.sub(r"\W+", "_", ascii_text.lower()).strip("_") or "column"
    if base[0].isdigit() or keyword.iskeyword(base):
        base = f"column_{base}"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    taken.add(name)
    return name
