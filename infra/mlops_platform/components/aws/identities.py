"""As whom the environment's pods are known to AWS: each as a role of its own, and none with a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from mlops_platform.components.aws import roles
from mlops_platform.components.aws.account import Account, document
from mlops_platform.components.aws.eks import EksCluster
from mlops_platform.components.aws.policies import store_rights
from mlops_platform.components.kubernetes import layout, service, tracking
from mlops_platform.components.kubernetes.kubeflow.wiring import RUNNER
from mlops_platform.components.kubernetes.monitoring import monitor
from mlops_platform.components.object_store import ObjectStore
from mlops_platform.names import namespace_name
from mlops_platform.settings import Settings

_COMPONENT = "identity"
PIPELINES = "pipelines"


@dataclass(frozen=True)
class Holder:
    """Who has a consumer's rights.

    Attributes:
        namespace: of the pods.
        service_accounts: under which they run.
    """

    namespace: str
    service_accounts: tuple[str, ...]


def holders(settings: Settings) -> Mapping[str, Holder]:
    """Each consumer of the store in an environment, by its name in `store.consumers`.

    Kubeflow's accounts have these names in its own manifests: of its runs, of the server that keeps what they are
    started with, and of the server that shows what they made.
    """
    options = settings.kubernetes
    assert options is not None  # noqa: S101 - `settings.load` sets them where there is a cluster
    names = {part.name for part in layout.parts(settings)}
    found = {
        "tracking": (tracking.COMPONENT, layout.PLATFORM),
        "service": (service.COMPONENT, layout.SERVING),
        monitor.CONSUMER: (monitor.DRIFT, layout.MONITORING),
    }
    own = {
        consumer: Holder(namespace_name(settings.project, settings.stack, purpose), (account,))
        for consumer, (account, purpose) in found.items()
        if account in names
    }
    if options.pipelines != "install":
        return own
    return {PIPELINES: Holder(layout.KUBEFLOW, (RUNNER, "ml-pipeline", "ml-pipeline-ui")), **own}


class Identities(pulumi.ComponentResource):
    """A role for each consumer of the store, and which pods take it on.

    A pod is given its role when it is made, so what makes pods waits for this.

    Args:
        name: Pulumi name.
        account: where.
        cluster: on which the pods run.
        storage: that they use.
        key_arn: of the key that it is encrypted with.
        opts: Pulumi options.

    Attributes:
        role_arns: ARN of each consumer's role.
    """

    role_arns: dict[str, pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        *,
        account: Account,
        cluster: EksCluster,
        storage: ObjectStore,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:aws:Identities", name, None, opts)
        self._account = account
        self._cluster = cluster
        self._store = pulumi.Output.all(data=storage.data_bucket, artifacts=storage.artifact_bucket, key=key_arn)
        self.role_arns = {
            consumer: self._identity(consumer, holder) for consumer, holder in holders(account.settings).items()
        }
        self.register_outputs({})

    def _identity(self, consumer: str, holder: Holder) -> pulumi.Output[str]:
        role, able = roles.declare(
            consumer,
            parent=self,
            account=self._account,
            component=_COMPONENT,
            trusts=roles.trust("pods.eks.amazonaws.com", "sts:TagSession", when=self._only(holder)),
            rights=self._store.apply(lambda found: self._rights(consumer, found)),
        )
        for service_account in holder.service_accounts:
            aws.eks.PodIdentityAssociation(
                f"{consumer}-{service_account}",
                cluster_name=self._cluster.name,
                namespace=holder.namespace,
                service_account=service_account,
                role_arn=role.arn,
                tags=self._account.tags(_COMPONENT),
                opts=self._account.child(self, depends_on=able),
            )
        arn: pulumi.Output[str] = role.arn
        return arn

    def _only(self, holder: Holder) -> roles.Conditions:
        """Whom the role is for: EKS puts these tags on each session, and nobody else can speak for it.

        Source: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
        """
        tags = {
            "eks-cluster-arn": self._cluster.arn,
            "kubernetes-namespace": holder.namespace,
            "kubernetes-service-account": list(holder.service_accounts),
        }
        session = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
        return {"StringEquals": {"aws:SourceAccount": self._account.id, **session}}

    def _rights(self, consumer: str, found: Mapping[str, str]) -> str:
        data, artifacts = (
            self._account.arn("s3", found[bucket], region=False, account=False) for bucket in ("data", "artifacts")
        )
        return document(*store_rights(consumer, data, artifacts, found["key"]))
