"""Who may ask the cluster's API server for what: an account for CI, and none for anything that runs."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import accounts, layout, rights
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.kubeconfig import ApiServer
from mlops_platform.components.kubernetes.namespaces import Namespaces
from mlops_platform.components.kubernetes.rights import Rules

CI = "ci"


class Access(pulumi.ComponentResource):
    """What CI may do: deploy the service, submit pipelines, read what MLflow knows, and nothing more.

    It is outside of the cluster. Where the cluster itself knows who asks, as EKS does, CI is a group of its users.
    Elsewhere it has an account with a token, which nothing renews: it lasts until the environment goes, or until its
    secret is replaced.

    Args:
        name: Pulumi name.
        cluster: where.
        namespaces: the environment's.
        kubeflow: Kubeflow's namespace, if the environment has brought one.
        opts: Pulumi options.
    """

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        namespaces: Namespaces,
        kubeflow: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:kubernetes:Access", name, None, opts)
        self._cluster = cluster
        self._namespaces = namespaces
        self._subject = self._group() if cluster.settings.target == "aws" else self._account()
        if namespaces.serving is not None:
            self._grant("deploy", namespaces.serving, rights.DEPLOY)
        if kubeflow is not None:
            self._grant("submit", kubeflow, rights.SUBMIT)
        if cluster.settings.tracking:
            self._grant("read", namespaces.platform, rights.READ)
        self.register_outputs({})

    @property
    def namespace(self) -> str:
        """That CI works in."""
        return self._cluster.namespace(layout.SERVING if self._namespaces.serving is not None else layout.PLATFORM)

    def kubeconfig(self, api: ApiServer) -> pulumi.Output[str]:
        """A kubeconfig of CI's account, with one context; a secret. Empty if the cluster has issued no token.

        Args:
            api: the cluster's API server, as CI reaches it.
        """
        space = self._namespaces.platform
        token = kubernetes.core.v1.Secret(
            "ci-token",
            metadata=self._cluster.metadata(
                "ci-token",
                CI,
                namespace=space,
                annotations={"kubernetes.io/service-account.name": self._subject["name"]},
            ),
            type="kubernetes.io/service-account-token",
            opts=self._cluster.child(self),
        )
        name = self._cluster.namespace()
        return pulumi.Output.secret(
            token.data.apply(lambda data: _kubeconfig(api, data or {}, name=name, namespace=self.namespace))
        )

    def _group(self) -> dict[str, pulumi.Input[str]]:
        return {"kind": "Group", "name": group(self._cluster.environment), "api_group": "rbac.authorization.k8s.io"}

    def _account(self) -> dict[str, pulumi.Input[str]]:
        space = self._namespaces.platform
        account = accounts.declare(self, cluster=self._cluster, component=CI, namespace=space)
        return {"kind": "ServiceAccount", "name": account, "namespace": space}

    def _grant(self, purpose: str, namespace: pulumi.Input[str], rules: Rules) -> None:
        name = f"seedbed-ci-{purpose}"
        metadata = self._cluster.metadata(name, CI, namespace=namespace)
        options = self._cluster.child(self)
        role = kubernetes.rbac.v1.Role(f"ci-{purpose}", metadata=metadata, rules=rules, opts=options)
        kubernetes.rbac.v1.RoleBinding(
            f"ci-{purpose}",
            metadata=metadata,
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": role.metadata["name"]},
            subjects=[self._subject],
            opts=options,
        )


def group(environment: str) -> str:
    """The group that an environment's CI is in, where the cluster knows who asks.

    Args:
        environment: as its label names it.
    """
    return f"seedbed:{environment}:{CI}"


def _kubeconfig(api: ApiServer, data: Mapping[str, str], *, name: str, namespace: str) -> str:
    """A kubeconfig for CI's token.

    Args:
        api: the API server.
        data: of the token's secret, base64.
        name: of its cluster, context and user.
        namespace: that CI works in.
    """
    if "token" not in data:
        pulumi.log.warn("The cluster has issued no token for CI yet: run up once more, with --refresh.")
        return ""
    # Whoever runs this may trust any server; CI isn't told to: it gets the cluster's own authority instead.
    authority = data.get("ca.crt", "") if api.authority is None else base64.b64encode(api.authority.encode()).decode()
    cluster = {
        "server": api.url,
        **({"certificate-authority-data": authority} if authority else {}),
        **({"tls-server-name": api.server_name} if api.server_name else {}),
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": base64.b64decode(data["token"]).decode()}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
    }
    # In one line and without a blank, so that any file of variables holds it and GitLab can mask it.
    return json.dumps(content, separators=(",", ":"))
