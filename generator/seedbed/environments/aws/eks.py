"""The EKS cluster of an environment, reached with the person's AWS credentials alone: no kubeconfig, no AWS CLI."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from seedbed.environments.aws.account import Account
from seedbed.environments.aws.errors import translated
from seedbed.environments.aws.scope import existing
from seedbed.environments.cluster.connection import Api
from seedbed.environments.cluster.errors import UnreachableError
from seedbed.environments.cluster.place import OnCluster
from seedbed.errors import ConflictError

# EKS takes a token as long as the request in it is valid, and refuses one that is valid for longer.
_TOKEN_SECONDS = 60
_TOKEN_PREFIX = "k8s-aws-v1."  # noqa: S105 - a format
_UPDATE_SECONDS, _PAUSE_SECONDS = 300.0, 2.0
_USABLE = frozenset({"ACTIVE", "UPDATING"})


@dataclass(frozen=True)
class OnEks(OnCluster):
    """The part of an environment on AWS that is on its cluster.

    Attributes:
        account: that the cluster is in.
        cluster: its name.
    """

    account: Account = field(kw_only=True)
    cluster: str = field(kw_only=True)

    @property
    def context(self) -> str:
        """The cluster's name, for messages."""
        return self.cluster

    def record_release(self, say: Callable[[str], None]) -> None:
        """Have the state know of an image that CI released since.

        Raises:
            SeedbedError: the cluster can't be reached, or the state not be written.
        """
        self._record_release(self._reached(), say)

    def require_gone(self) -> str:
        """Why nothing can be known of the cluster.

        Raises:
            ConflictError: it is there.
            AwsError: whether it is there can't be found out.
        """
        if (found := describe(self.account, self.cluster)) is None:
            return f"AWS has no EKS cluster {self.cluster} in account {self.account.number}, {self.account.region}"
        raise ConflictError(
            f"EKS cluster {self.cluster} is there ({found['status']}), so it is not gone; nothing was changed",
            hint=f"Run `seedbed down {self.name}` without --cluster-gone.",
        )

    def _connect(self, context: str) -> Api:
        found = describe(self.account, self.cluster)
        if found is None or found["status"] not in _USABLE:
            raise UnreachableError(
                f"EKS cluster {context} " + ("does not exist" if found is None else f"is {found['status']}"),
                hint=f"Its state is kept. If it was deleted by hand: seedbed down {self.name} --cluster-gone"
                f" --confirm {self.name}",
            )
        api = Api(context, _client(found, token(self.account, self.cluster)))
        api.get("/version")
        return api


def describe(account: Account, name: str) -> dict[str, Any] | None:
    """What EKS says of a cluster; None when it has none of this name.

    Raises:
        AwsError: AWS refuses, or doesn't answer.
    """
    with translated(f"look at EKS cluster {name}"):
        answer = existing(account.client("eks").describe_cluster, "ResourceNotFoundException", name=name)
    return dict(answer["cluster"]) if answer else None


def unprotect(account: Account, name: str) -> None:
    """Let a cluster be deleted; one that is gone, or may be deleted already, stays as it is.

    Raises:
        AwsError: AWS refuses, or doesn't answer.
    """
    found = describe(account, name)
    if found is None or not found.get("deletionProtection"):
        return
    client = account.client("eks")
    with translated(f"take the protection off EKS cluster {name}"):
        update = client.update_cluster_config(name=name, deletionProtection=False)["update"]["id"]
        deadline = time.monotonic() + _UPDATE_SECONDS
        while (
            client.describe_update(name=name, updateId=update)["update"]["status"] == "InProgress"
            and time.monotonic() < deadline
        ):
            time.sleep(_PAUSE_SECONDS)


def token(account: Account, cluster: str) -> str:
    """A token that says to a cluster who is asking, as `aws eks get-token` makes it.

    It is a request to STS that the credentials have signed, which the cluster sends to have it answered: see
    https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster
    """
    from botocore.signers import RequestSigner

    sts: Any = account.client("sts")
    signer = RequestSigner(
        sts.meta.service_model.service_id, account.region, "sts", "v4", sts._request_signer._credentials,  # noqa: SLF001
        sts.meta.events,
    )  # fmt: skip
    request = {
        "method": "GET",
        "url": f"{sts.meta.endpoint_url.rstrip('/')}/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster},
        "context": {},
    }
    with translated("sign a token for the cluster"):
        url = signer.generate_presigned_url(
            request, region_name=account.region, expires_in=_TOKEN_SECONDS, operation_name=""
        )
    return _TOKEN_PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def _client(cluster: dict[str, Any], bearer: str) -> Any:
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import load_kube_config_from_dict
    from urllib3 import Retry

    name = cluster["name"]
    authority = cluster["certificateAuthority"]["data"]
    configuration = Configuration()
    configuration.retries = Retry(0)
    content = {
        "apiVersion": "v1", "kind": "Config", "current-context": name,
        "clusters": [
            {"name": name, "cluster": {"server": cluster["endpoint"], "certificate-authority-data": authority}}
        ],
        "users": [{"name": name, "user": {"token": bearer}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }  # fmt: skip
    load_kube_config_from_dict(content, client_configuration=configuration, persist_config=False)  # type: ignore[no-untyped-call]
    return ApiClient(configuration)
