"""An account of AWS: S3, ECR, identities, and, unless a team has a cluster already, EKS with the platform on it."""

from __future__ import annotations

from dataclasses import replace

from mlops_platform.components.aws import account as accounts
from mlops_platform.components.aws import base as bases
from mlops_platform.components.aws.account import Account
from mlops_platform.components.aws.base import Base
from mlops_platform.contract import Outputs
from mlops_platform.settings import Settings


def build(settings: Settings) -> Outputs:
    """Declare everything of an environment on AWS, as far as its variant has it.

    Raises:
        PlatformError: what it needs from outside is missing, such as Kubeflow's manifests; or it isn't known which
            zones the region has.
    """
    if settings.kubernetes is None:
        account = accounts.connect(settings)
        return _outputs(account, bases.declare(account))
    # Pulumi's classes for Kubernetes take longer to load than those for all of the above.
    from mlops_platform.components.aws import platform
    from mlops_platform.components.kubernetes.platform import read

    sources = read(settings)
    account = accounts.connect(settings)
    base = bases.declare(account)
    found = platform.declare(account, base=base, sources=sources)
    declared = found.platform
    return replace(
        _outputs(account, base),
        mlflow_tracking_uri=declared.tracking_url,
        kfp_host=declared.pipelines_host,
        pipeline_volume=declared.pipeline_volume,
        namespace=found.namespace,
        kubeconfig=found.kubeconfig,
        prometheus_url=declared.prometheus_url,
        grafana_url=declared.grafana_url,
    )


def _outputs(account: Account, base: Base) -> Outputs:
    return Outputs(
        s3_region=account.region,
        data_bucket=base.storage.data_bucket if base.storage else "",
        artifact_bucket=base.storage.artifact_bucket if base.storage else "",
        registry=base.images.address if base.images else "",
        ci_role=base.ci.ci_role if base.ci else "",
        preview_role=base.ci.preview_role if base.ci else "",
        apply_role=base.ci.apply_role if base.ci else "",
    )
