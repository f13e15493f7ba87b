"""Where the template layers, the Pulumi program and the examples are: inside the wheel, or in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGED = Path(__file__).parent / "resources"
_CHECKOUT = Path(__file__).parents[2]


def resource(name: str) -> Path:
    """The folder `templates`, `infra` or `examples`.

    Raises:
        FileNotFoundError: the installation is broken.
    """
    for root in (_PACKAGED, _CHECKOUT):
        if (path := root / name).is_dir():
            return path
    raise FileNotFoundError(f"seedbed's own folder '{name}' is missing: reinstall the package")
