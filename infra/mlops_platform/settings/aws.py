"""What only an environment on AWS has to decide."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from mlops_platform.errors import PlatformError
from mlops_platform.partitions import Partition
from mlops_platform.settings import values
from mlops_platform.settings.values import Get

# What an environment consists of: all of it; what a team with a cluster of its own needs; its store or registry alone.
VARIANTS = ("platform", "lite", "storage", "registry")
OIDC_PROVIDERS = ("create", "existing")
GITHUB, GITLAB = "github.com", "gitlab.com"
# Repositories on GitHub made before 2026-07-15, and those on GitHub Enterprise Server, have no numbers in the subject.
NO_IDS = "none"
_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}")
_VERSION = re.compile(r"1\.[0-9]{2}")
_REPOSITORY = re.compile(r"(github\.com|gitlab\.com)(/[A-Za-z0-9_.-]+){2,20}")
_IDS = re.compile(r"[1-9][0-9]{0,19}/[1-9][0-9]{0,19}")
_BRANCH = re.compile(r"[A-Za-z0-9_]+([./-][A-Za-z0-9_]+)*")
# Without the comma, which IAM would take in a name: it stands between two of them here.
_PRINCIPAL = re.compile(r"iam::[0-9]{12}:(role|user)/[A-Za-z0-9_+=.@/-]{1,576}")
_CERTIFICATE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_EMAIL = re.compile(r"[^\s@\"<>]+@[^\s@\"<>]+\.[^\s@\"<>]+")
_DOLLARS = re.compile(r"[0-9]{1,9}")
# What is said of a cluster that only the whole platform has.
_OF_THE_CLUSTER = ("apiNetworks", "certificate", "clusterAdmins", "kubernetesVersion", "networkCidr")
# AWS has no larger networks; a smaller one has no room for the four kinds of subnets' smallest.
_LARGEST, _SMALLEST = 16, 20
# Of the Services of a cluster (see components/aws/eks.py): EKS takes no network with these addresses in it.
SERVICE_CIDR = "172.20.0.0/16"
# Those that aren't anybody's on the internet.
_OWN = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
_GITHUB_PARTS = 3  # the host, the owner, the repository


@dataclass(frozen=True, kw_only=True)
class AwsSettings:
    """An environment on AWS.

    Attributes:
        account: number of the account, so that no other one is ever changed by mistake.
        region: that everything is in.
        variant: one of `VARIANTS`.
        private_endpoint: whether the cluster's API server is reached from inside its network only.
        api_networks: CIDRs from which a public API server is reached.
        network_cidr: addresses of the network.
        cluster_admins: ARNs of IAM roles and users that administer the cluster, besides whoever made it.
        certificate: ARN of the certificate in ACM with which the environment's own load balancer answers for all names
            under `KubernetesSettings.domain`; empty: it has no load balancer.
        kubernetes_version: of the cluster; empty: the newest that EKS takes for its standard.
        repository: host and path of the code, such as "github.com/acme/flights"; empty: no identity for CI.
        repository_ids: numbers of the owner and the repository on GitHub, such as "1296269/501"; `NO_IDS` where its
            tokens carry none.
        branch: from which CI trains and applies infra/.
        oidc_provider: "create" makes the account's identity provider for that host, "existing" uses the one it has.
        budget: US dollars a month at which the alarm goes off; 0: there is none.
        budget_email: who is told.
        protect: whether the engine refuses to delete what holds data.
    """

    account: str
    region: str
    variant: str = VARIANTS[0]
    private_endpoint: bool = False
    api_networks: tuple[str, ...] = ("0.0.0.0/0",)
    network_cidr: str = "10.0.0.0/16"
    cluster_admins: tuple[str, ...] = ()
    certificate: str = ""
    kubernetes_version: str = ""
    repository: str = ""
    repository_ids: str = ""
    branch: str = "main"
    oidc_provider: str = OIDC_PROVIDERS[0]
    budget: int = 0
    budget_email: str = ""
    protect: bool = False


def load(get: Get) -> AwsSettings:
    """Read and check what the configuration says of AWS.

    Args:
        get: gives a key's value, or None when it isn't set.

    Raises:
        PlatformError: a value is missing or out of its range; the message names the key and the command that sets it.
    """
    account = _needed(
        get, "account", _ACCOUNT, "must be the account's 12 digits (aws sts get-caller-identity)", "123456789012"
    )
    region = _needed(get, "region", _REGION, "must be the name of a region", "eu-west-1")
    repository, ids = _repository(get)
    budget, email = _budget(get)
    return AwsSettings(
        account=account,
        region=region,
        variant=_variant(get),
        private_endpoint=values.flag(get, "privateEndpoint", default=False),
        api_networks=_networks(get),
        network_cidr=_network_cidr(get),
        cluster_admins=_cluster_admins(get, Partition.of(region)),
        certificate=_certificate(get, account, region),
        kubernetes_version=_matching(get, "kubernetesVersion", _VERSION, "is not a version of Kubernetes", "1.36"),
        repository=repository,
        repository_ids=ids,
        branch=_matching(get, "branch", _BRANCH, "is not the name of a branch", "main") or AwsSettings.branch,
        oidc_provider=values.one_of(get, "oidcProvider", OIDC_PROVIDERS),
        budget=budget,
        budget_email=email,
        protect=values.flag(get, "protect", default=False),
    )


def _variant(get: Get) -> str:
    variant = values.one_of(get, "variant", VARIANTS)
    if variant == VARIANTS[0]:
        _check_publishing(get)
    else:
        for key in _OF_THE_CLUSTER:
            if value := get(key):
                raise values.refusal(key, value, f"is about a cluster, and variant {variant} has none", "")
    return variant


def _check_publishing(get: Get) -> None:
    """What is on the internet has TLS, from a controller that can be given the certificate."""
    certificate, issuer = get("certificate") or "", get("clusterIssuer") or ""
    if not (domain := get("domain")):
        if certificate:
            rule = "is for the names under a domain, and there is none without domain"
            raise values.refusal("certificate", certificate, rule, "")
        return
    if get("ingressClass"):
        if certificate:
            rule = "is for the environment's own load balancer, and ingressClass names another controller"
            raise values.refusal("certificate", certificate, rule, "")
        return
    wanted = (
        f"Ask ACM for one (aws acm request-certificate --domain-name '*.{domain}' --validation-method DNS), then:"
        " pulumi config set certificate ARN. Or name a controller of your own: pulumi config set ingressClass NAME"
    )
    if issuer:
        raise PlatformError(
            f"Configuration clusterIssuer = {issuer!r} names who signs certificates within the cluster, and AWS's load"
            " balancers take theirs from ACM only",
            wanted,
        )
    if not certificate:
        raise PlatformError(
            f"Configuration certificate = '' is needed with domain = {domain!r}: without it the load balancer on the"
            " internet would have no TLS",
            wanted,
        )


def _cluster_admins(get: Get, partition: Partition) -> tuple[str, ...]:
    value = get("clusterAdmins") or ""
    found = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
    for arn in found:
        prefix, _, principal = arn.partition(f"arn:{partition.name}:")
        if prefix or not _PRINCIPAL.fullmatch(principal):
            rule = (
                f"must be ARNs of IAM roles or users in {partition.name}, with commas between them (a session, as aws"
                " sts get-caller-identity shows it, is none: name its role)"
            )
            example = f"arn:{partition.name}:iam::123456789012:role/ml-platform"
            raise values.refusal("clusterAdmins", arn, rule, example)
    return found


def _certificate(get: Get, account: str, region: str) -> str:
    value = get("certificate") or ""
    beginning = f"arn:{Partition.of(region).name}:acm:{region}:{account}:certificate/"
    if value and not (value.startswith(beginning) and _CERTIFICATE_ID.fullmatch(value.removeprefix(beginning))):
        rule = "must be the ARN of a certificate in ACM, in the environment's own account and region"
        raise values.refusal("certificate", value, rule, f"{beginning}12345678-1234-1234-1234-123456789012")
    return value


def _repository(get: Get) -> tuple[str, str]:
    repository = _matching(
        get,
        "repository",
        _REPOSITORY,
        "must be the code's host and path, on github.com or gitlab.com",
        "github.com/acme/flights",
    )
    ids = get("repositoryIds") or ""
    on_github = repository.startswith(f"{GITHUB}/")
    if on_github and repository.count("/") != _GITHUB_PARTS - 1:
        raise values.refusal("repository", repository, "is not OWNER/REPOSITORY on GitHub", "github.com/acme/flights")
    if on_github and not ids:
        raise PlatformError(
            f"The numbers of {repository} and its owner are not known, and GitHub's tokens carry them: its CI could not"
            " be told from somebody else's",
            f"Find them and write them down: seedbed repository-ids {repository.removeprefix(GITHUB + '/')} --write."
            " With Pulumi alone: pulumi config set repositoryIds OWNER/REPOSITORY, both as numbers. A repository made"
            f" before 2026-07-15 that didn't opt in has none: the value is {NO_IDS}",
        )
    if ids and not on_github:
        raise values.refusal(
            "repositoryIds", ids, "is about a repository on GitHub, and repository names none there", ""
        )
    if ids not in {"", NO_IDS} and not _IDS.fullmatch(ids):
        raise values.refusal("repositoryIds", ids, f"must be two numbers, OWNER/REPOSITORY, or {NO_IDS}", "1296269/501")
    return repository, ids


def _budget(get: Get) -> tuple[int, str]:
    value, email = get("budget") or "0", get("budgetEmail") or ""
    if not _DOLLARS.fullmatch(value):
        raise values.refusal("budget", value, "must be whole US dollars a month, or 0 for no alarm", "200")
    budget = int(value)
    if email and not _EMAIL.fullmatch(email):
        raise values.refusal("budgetEmail", email, "is not an address", "ml@example.com")
    if bool(budget) != bool(email):
        key, other = ("budgetEmail", "budget") if budget else ("budget", "budgetEmail")
        raise values.refusal(key, "", f"is needed with {other}: an alarm goes off at an amount, and tells somebody", "")
    return budget, email


def _networks(get: Get) -> tuple[str, ...]:
    value = get("apiNetworks") or ""
    try:
        found = tuple(str(ipaddress.ip_network(part.strip())) for part in value.split(",") if part.strip())
    except ValueError as error:
        rule = f"is not a list of networks with commas between them: {error}"
        raise values.refusal("apiNetworks", value, rule, "203.0.113.0/24") from None
    return found or AwsSettings.api_networks


def _network_cidr(get: Get) -> str:
    value = get("networkCidr") or AwsSettings.network_cidr
    rule = f"must be a network of private addresses, of /{_LARGEST} to /{_SMALLEST}"
    try:
        found = ipaddress.IPv4Network(value.strip())
    except ValueError as error:
        raise values.refusal("networkCidr", value, f"{rule}: {error}", "10.20.0.0/16") from None
    if not _LARGEST <= found.prefixlen <= _SMALLEST or not any(found.subnet_of(own) for own in _OWN):
        raise values.refusal("networkCidr", value, rule, "10.20.0.0/16")
    if found.overlaps(ipaddress.IPv4Network(SERVICE_CIDR)):
        rule = f"overlaps {SERVICE_CIDR}, which the cluster's Services have"
        raise values.refusal("networkCidr", value, rule, "10.20.0.0/16")
    return str(found)


def _needed(get: Get, key: str, pattern: re.Pattern[str], rule: str, example: str) -> str:
    if not (value := _matching(get, key, pattern, rule, example)):
        raise values.refusal(key, "", rule, example)
    return value


def _matching(get: Get, key: str, pattern: re.Pattern[str], rule: str, example: str) -> str:
    value = get(key) or ""
    if value and not pattern.fullmatch(value):
        raise values.refusal(key, value, rule, example)
    return value
