"""An account of AWS: S3, ECR, identities, and, unless a team has a cluster already, EKS with the platform on it."""

from __future__ import annotations

from mlops_platform.components.aws import account as accounts
from mlops_platform.contract import Outputs
from mlops_platform.settings import Settings


def build(settings: Settings) -> Outputs:
    """Declare everything of an environment on AWS, as far as its variant has it.

    Raises:
        PlatformError: what it needs from outside is missing, such as Kubeflow's manifests.
    """
    account = accounts.connect(settings)
    return Outputs(s3_region=account.region)
