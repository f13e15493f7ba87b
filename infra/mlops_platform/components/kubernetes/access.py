"""Who may ask the cluster's API server for what: an account for CI, and none for anything that runs."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import yaml

from mlops_platform.components.kubernetes import accounts, layout
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.kubeconfig import ApiServer
from mlops_platform.components.kubernetes.namespaces import Namespaces

CI = "ci"
_LOOK = ["get", "list", "watch"]
# For `kubectl set image` and `kubectl rollout` of the one Deployment. Whoever may change it can run any image that the
# namespace admits, with what can be mounted there: so nothing but the service lives in it.
_DEPLOY: list[dict[str, Any]] = [
    {"api_groups": ["apps"], "resources": ["deployments"], "resource_names": ["service"], "verbs": [*_LOOK, "patch"]},
    {"api_groups": ["apps"], "resources": ["replicasets"], "verbs": _LOOK},
    {"api_groups": [""], "resources": ["pods"], "verbs": _LOOK},
]
# Kubeflow asks nobody who they are, so its server isn't published: the API server passes requests on for those whom it
# knows. GET and POST are enough to submit a run and to follow it. Of the two forms, kfp's own client uses the second.
_PIPELINES_SERVICES = ("ml-pipeline:8888", "ml-pipeline:http")
_SUBMIT: list[dict[str, Any]] = [
    {
        "api_groups": [""],
        "resources": ["services/proxy"],
        "resource_names": list(_PIPELINES_SERVICES),
        "verbs": ["get", "create"],
    },
]


class Access(pulumi.ComponentResource):
    """The account with which CI deploys the service and submits pipelines, and nothing more.

    It is outside of the cluster, where no token is renewed for it: its own one lasts until the environment goes, or
    until its secret is replaced.

    Args:
        name: Pulumi name.
        cluster: where.
        namespaces: the environment's.
        api: the cluster's API server, as CI reaches it.
        kubeflow: Kubeflow's namespace, if the environment has brought one.
        opts: Pulumi options.

    Attributes:
        kubeconfig: of CI's account, with one context; a secret. Empty if the cluster has issued no token.
        pipelines_url: of Kubeflow Pipelines, through the API server, for whoever has this account's token; empty
            without Kubeflow in the environment.
    """

    kubeconfig: pulumi.Output[str]
    pipelines_url: str

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        namespaces: Namespaces,
        api: ApiServer,
        kubeflow: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:kubernetes:Access", name, None, opts)
        self._cluster = cluster
        account = accounts.declare(self, cluster=cluster, component=CI, namespace=namespaces.platform)
        self._subject = {"kind": "ServiceAccount", "name": account, "namespace": namespaces.platform}
        if namespaces.serving is not None:
            self._grant("deploy", namespaces.serving, _DEPLOY)
        self.pipelines_url = ""
        if kubeflow is not None:
            self._grant("submit", kubeflow, _SUBMIT)
            service = f"namespaces/{layout.KUBEFLOW}/services/{_PIPELINES_SERVICES[0]}"
            self.pipelines_url = f"{api.url}/api/v1/{service}/proxy"
        token = kubernetes.core.v1.Secret(
            "ci-token",
            metadata=cluster.metadata(
                "ci-token",
                CI,
                namespace=namespaces.platform,
                annotations={"kubernetes.io/service-account.name": account},
            ),
            type="kubernetes.io/service-account-token",
            opts=cluster.child(self),
        )
        own = cluster.namespace(layout.SERVING if namespaces.serving is not None else layout.PLATFORM)
        self.kubeconfig = pulumi.Output.secret(
            token.data.apply(lambda data: _kubeconfig(api, data or {}, name=cluster.namespace(), namespace=own))
        )
        self.register_outputs({"kubeconfig": self.kubeconfig})

    def _grant(self, purpose: str, namespace: pulumi.Input[str], rules: list[dict[str, Any]]) -> None:
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
    return yaml.safe_dump(content, sort_keys=False)
