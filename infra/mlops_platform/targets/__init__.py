"""The places where an environment can run: each builds its resources and says what it has to offer."""

from __future__ import annotations

import importlib

from mlops_platform.contract import Outputs
from mlops_platform.settings import Settings


def build(settings: Settings) -> Outputs:
    """Declare the resources of the chosen target.

    Raises:
        PlatformError: a program that the target needs is missing.
    """
    # Each is imported alone: what a cluster needs takes longer to load than a whole local environment to declare.
    target = importlib.import_module(f"mlops_platform.targets.{settings.target}")
    outputs: Outputs = target.build(settings)
    return outputs
