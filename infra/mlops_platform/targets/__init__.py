"""The places where an environment can run: each builds its resources and says what it has to offer."""

from __future__ import annotations

from mlops_platform.contract import Outputs
from mlops_platform.settings import Settings
from mlops_platform.targets import local

_BUILDERS = {"local": local.build}


def build(settings: Settings) -> Outputs:
    """Declare the resources of the chosen target.

    Raises:
        PlatformError: a program that the target needs is missing.
    """
    return _BUILDERS[settings.target](settings)
