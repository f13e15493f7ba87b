"""The platform of one environment: reads the stack's configuration, builds the target, exports the contract."""

from pathlib import Path

import pulumi

from mlops_platform import contract, settings, targets
from mlops_platform.errors import PlatformError

try:
    chosen = settings.load(pulumi.Config().get, stack=pulumi.get_stack(), directory=Path(__file__).parent)
    contract.export(targets.build(chosen))
except PlatformError as error:
    # Pulumi shows a RunError's text alone, and anything else with a stack trace.
    raise pulumi.RunError(str(error)) from error
