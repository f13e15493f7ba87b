"""Whether an account of AWS can take an environment: looked at in seconds, before anything is changed."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from seedbed.environments.aws import quotas, rights
from seedbed.environments.aws.account import CONNECTIONS, Account
from seedbed.environments.aws.declared import Declared
from seedbed.environments.aws.errors import (
    DENIED,
    INVALID,
    AwsError,
    CredentialsExpiredError,
    NotAllowedError,
    code_of,
    translated,
)
from seedbed.environments.aws.quotas import Needs
from seedbed.environments.aws.scope import Scope, existing, pages
from seedbed.environments.cluster.finding import Finding

_OIDC = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
_CLUSTER, _BUCKET, _ROLE, _REPOSITORY = (
    "aws:eks/cluster:Cluster", "aws:s3/bucket:Bucket", "aws:iam/role:Role", "aws:ecr/repository:Repository",
)  # fmt: skip
_SUBNET, _NAT = "aws:ec2/subnet:Subnet", "aws:ec2/natGateway:NatGateway"
_RENAME = "Remove it if nobody needs it, or give the project or the environment another name"
_STANDARD_SUPPORT = "STANDARD_SUPPORT"


@dataclass(frozen=True)
class Plan:
    """What is to come into an account.

    Attributes:
        scope: whose it is.
        declared: all that the program declares.
        recorded: of that, how many of each of Pulumi's types the state has already.
        leaving: type and name of the recorded buckets and repositories that are declared no more.
        identity_provider: host of the provider that the spec says the account has already; empty: none is needed.
        cpus: virtual CPUs of the nodes that are still to be started.
    """

    scope: Scope
    declared: list[Declared]
    recorded: Counter[str]
    leaving: tuple[tuple[str, str], ...] = ()
    identity_provider: str = ""
    cpus: int = 0

    def names(self, type_: str, key: str) -> list[str]:
        """Names of the declared resources of a type."""
        return [str(found.inputs[key]) for found in self.declared if found.type == type_ and found.inputs.get(key)]

    @property
    def missing(self) -> list[Declared]:
        """Those of which the state has none of their type; a half-made type counts as made."""
        return [found for found in self.declared if not self.recorded[found.type]]

    @property
    def needs(self) -> Needs:
        """What is still to be made, as quotas count it."""
        # Whoever records a program's resources calls the ID of each by its name.
        zones = {f"{r.name}-id": str(r.inputs["availabilityZoneId"]) for r in self.declared if r.type == _SUBNET}
        nats = {zones.get(str(r.inputs.get("subnetId")), "") for r in self.declared if r.type == _NAT}
        return Needs(Counter(found.type for found in self.declared) - self.recorded, self.cpus, frozenset(nats))


def look(plan: Plan) -> list[Finding]:
    """Everything that stands in the way, errors first.

    Raises:
        AwsError: the credentials expired, or AWS does not answer.
    """
    account = plan.scope.account
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("your rights", lambda: rights.check(account, plan.missing, plan.scope.environment)),
        ("the account's identity providers", lambda: _identity_provider(plan)),
        ("whether the names of the buckets are free", lambda: _buckets(plan)),
        ("whether the name of the cluster is free", lambda: _cluster(plan)),
        ("whether the names of the roles are free", lambda: _roles(plan)),
        ("whether the names of the repositories are free", lambda: _repositories(plan)),
        ("the versions of Kubernetes that EKS has", lambda: _version(plan)),
        ("the AWS CLI", lambda: _cli(plan)),
        ("the way to the cluster", lambda: _way_in(plan)),
        ("whether what is declared no more is empty", lambda: _leaving(plan)),
        *(
            (f"the quota of {quota.title}", partial(quotas.check, account, quota, plan.needs))
            for quota in quotas.QUOTAS
        ),
    ]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        found = [finding for answer in pool.map(lambda check: _run(*check), checks) for finding in answer]
    return sorted(found, key=lambda finding: finding.level)


def region(account: Account) -> list[Finding]:
    """Whether the account's region is there and enabled: elsewhere no service would answer.

    Raises:
        AwsError: the credentials expired, or AWS does not answer.
    """
    return _run("whether the region is enabled", partial(_region, account))


def _run(title: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    found: list[Finding] = []
    try:
        with translated(f"check {title}"):
            found.extend(check())
    except CredentialsExpiredError:
        raise
    except NotAllowedError:
        found.append(Finding("warning", f"Not checked, {title}: your account may not look", "It may be all right"))
    except AwsError as error:
        found.append(Finding("warning", f"Not checked, {title}: {error.message}", "It may be all right"))
    return found


def _region(account: Account) -> Iterator[Finding]:
    from botocore.exceptions import ClientError

    client = account.client("ec2", account.home_region)
    try:
        found = client.describe_regions(RegionNames=[account.region], AllRegions=True)["Regions"]
    except ClientError as error:
        if code_of(error) not in {"InvalidParameterValue", *INVALID} or code_of(error) in DENIED:
            raise
        found = []
    if not found:
        yield Finding("error", f"AWS has no region {account.region}", "Correct `region` in seedbed.toml")
    elif found[0].get("OptInStatus") == "not-opted-in":
        yield Finding(
            "error",
            f"Region {account.region} is not enabled for account {account.number}",
            f"Enable it, which takes minutes: aws account enable-region --region-name {account.region}",
        )


def _identity_provider(plan: Plan) -> Iterator[Finding]:
    wanted = plan.names(_OIDC, "url")
    if not wanted and not plan.identity_provider:
        return
    client = plan.scope.account.client("iam")
    arns = [item["Arn"] for item in client.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    there = {arn.partition(":oidc-provider/")[2]: arn for arn in arns}
    for url in wanted:
        host = url.removeprefix("https://")
        if host not in there:
            continue
        tags = existing(client.list_open_id_connect_provider_tags, "NoSuchEntity", OpenIDConnectProviderArn=there[host])
        if tags and not plan.scope.owns(tags["Tags"]):
            yield Finding(
                "error",
                f"The account has an identity provider for {host} already, and can have only one",
                'Use it: set oidc_provider = "existing" in the environment',
            )
    if not wanted and plan.identity_provider not in there:
        yield Finding(
            "error",
            f"The account has no identity provider for {plan.identity_provider}",
            'Have it made: set oidc_provider = "create" in the environment',
        )


def _buckets(plan: Plan) -> Iterator[Finding]:
    from botocore.exceptions import ClientError

    client = plan.scope.account.client("s3")
    for name in plan.names(_BUCKET, "bucket"):
        try:
            client.head_bucket(Bucket=name, ExpectedBucketOwner=plan.scope.account.number)
        except ClientError as error:
            if code_of(error) == "404":
                continue
            if code_of(error) not in {"301", "400", *DENIED}:
                raise
            yield Finding(
                "error",
                f"Bucket {name} is there already, and is somebody else's or closed to you",
                "Give the project or the environment another name: everybody shares the names of buckets",
            )
            continue
        tags = existing(client.get_bucket_tagging, "NoSuchTagSet", Bucket=name)
        if not tags or not plan.scope.owns(tags["TagSet"]):
            yield _taken("a bucket", name)


def _cluster(plan: Plan) -> Iterator[Finding]:
    client = plan.scope.account.client("eks")
    for name in plan.names(_CLUSTER, "name"):
        answer = existing(client.describe_cluster, "ResourceNotFoundException", name=name)
        if not answer:
            continue
        if not plan.scope.owns(answer["cluster"].get("tags") or {}):
            yield _taken("an EKS cluster", name)
        elif answer["cluster"]["status"] == "DELETING":
            yield Finding("error", f"EKS cluster {name} is still being deleted", "Wait some minutes for it")


def _roles(plan: Plan) -> Iterator[Finding]:
    client = plan.scope.account.client("iam")
    for name in plan.names(_ROLE, "name"):
        answer = existing(client.get_role, "NoSuchEntity", RoleName=name)
        if answer and not plan.scope.owns(answer["Role"].get("Tags") or ()):
            yield _taken("a role", name)


def _repositories(plan: Plan) -> Iterator[Finding]:
    if not (wanted := set(plan.names(_REPOSITORY, "name"))):
        return
    client = plan.scope.account.client("ecr")
    for repository in pages(client, "describe_repositories", "repositories"):
        if repository["repositoryName"] in wanted:
            tags = client.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"]
            if not plan.scope.owns(tags):
                yield _taken("an image repository", repository["repositoryName"])


def _taken(what: str, name: str) -> Finding:
    return Finding("error", f"The account has {what} {name} already, which this environment did not make", _RENAME)


def _version(plan: Plan) -> Iterator[Finding]:
    if not (wanted := plan.names(_CLUSTER, "version")):
        return
    client = plan.scope.account.client("eks")
    offered = {v["clusterVersion"]: v for v in pages(client, "describe_cluster_versions", "clusterVersions")}
    for version in wanted:
        if version not in offered:
            yield Finding(
                "error",
                f"EKS has no Kubernetes {version} in {plan.scope.account.region}",
                f"Set kubernetes_version to one of {', '.join(_newest_first(offered))}, or leave it out",
            )
        elif (offered[version].get("versionStatus") or offered[version].get("status", "")).upper() not in {
            _STANDARD_SUPPORT,
            "",
        }:
            yield Finding(
                "warning",
                f"Kubernetes {version} is out of EKS's standard support, which costs six times as much an hour",
                f"Set kubernetes_version to a newer one: {', '.join(_newest_first(offered))}",
            )


def _newest_first(versions: Iterable[str]) -> list[str]:
    return sorted(versions, key=lambda version: [int(part) for part in version.split(".")], reverse=True)


def _cli(plan: Plan) -> Iterator[Finding]:
    if plan.names(_CLUSTER, "name") and not shutil.which("aws"):
        yield Finding(
            "error",
            "The AWS CLI is not on PATH, and by it the engine, kubectl and seedbed log in to the cluster",
            "Install it: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
        )


def _way_in(plan: Plan) -> Iterator[Finding]:
    """A cluster can't be filled from where it can't be reached, and nothing is in its network before it is made."""
    for found in plan.missing:
        if found.type == _CLUSTER and not found.inputs["vpcConfig"].get("endpointPublicAccess"):
            yield Finding(
                "error",
                "private_endpoint closes the cluster's API server before anything of yours can be in its network",
                "Begin without it and with api_networks set to where you are; connect the network (VPN, peering,"
                " transit gateway); then set private_endpoint and run up again",
            )


def _leaving(plan: Plan) -> Iterator[Finding]:
    """The program declares resources that empty what they belong to when they go: that is for `down` alone."""
    for type_, name in plan.leaving:
        noun, full = _FULL[type_]
        if full(plan.scope.account, name):
            yield Finding(
                "error",
                f"{noun} {name} isn't part of the environment any more, and would be deleted with all that it holds",
                "Set back what you changed in seedbed.toml (variant, serving, the name), or save what you need and"
                " empty it",
            )


def _bucket_is_full(account: Account, name: str) -> bool:
    ask = account.client("s3").list_object_versions
    answer = existing(ask, "NoSuchBucket", Bucket=name, MaxKeys=1, ExpectedBucketOwner=account.number) or {}
    return bool(answer.get("Versions") or answer.get("DeleteMarkers"))


def _repository_is_full(account: Account, name: str) -> bool:
    ask = account.client("ecr").list_images
    answer = existing(ask, "RepositoryNotFoundException", repositoryName=name, maxResults=1) or {}
    return bool(answer.get("imageIds"))


# What holds things of others → what it is called, and how it is asked.
_FULL: dict[str, tuple[str, Callable[[Account, str], bool]]] = {
    _BUCKET: ("Bucket", _bucket_is_full),
    _REPOSITORY: ("Repository", _repository_is_full),
}


def leaving(recorded: Iterable[dict[str, Any]], declared: Iterable[Declared]) -> tuple[tuple[str, str], ...]:
    """Type and name of the recorded buckets and repositories that the program declares no more."""
    staying = {str(found.inputs.get(key)) for found in declared for key in ("bucket", "name")}
    there = ((str(resource["type"]), str(resource.get("id", ""))) for resource in recorded)
    return tuple((type_, name) for type_, name in there if type_ in _FULL and name and name not in staying)


def recorded_types(recorded: Iterable[dict[str, Any]]) -> Counter[str]:
    """How many of each of Pulumi's types a state has."""
    return Counter(str(resource["type"]) for resource in recorded)
