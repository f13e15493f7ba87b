"""What a spec must be beyond the types of its keys."""

from __future__ import annotations

import codecs
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from seedbed import naming

if TYPE_CHECKING:
    from seedbed.spec import Environment, Project, ProjectSpec

_LOCAL_KEYS = frozenset({"s3_port", "mlflow_port"})
_CLUSTER_KEYS = frozenset(
    {
        "context", "size", "storage_class", "store_size", "store_image", "store_tls", "pipelines", "pipelines_host",
        "pipelines_manifests", "image_mirror", "domain", "ingress_class", "cluster_issuer",
        "api_servers", "service_image",
        "pipeline_image",
    }
)  # fmt: skip
_AWS_KEYS = frozenset(
    {
        "account", "region", "variant", "private_endpoint", "api_networks", "network_cidr", "cluster_admins",
        "certificate", "kubernetes_version", "oidc_provider", "budget", "budget_email",
    }
)  # fmt: skip
# What only the variant with a cluster has.
_EKS_KEYS = frozenset(
    {"private_endpoint", "api_networks", "network_cidr", "cluster_admins", "certificate", "kubernetes_version"}
)
# What EKS, S3 and ECR decide themselves.
_NOT_ON_AWS = frozenset({"context", "storage_class", "store_size", "store_image", "store_tls", "api_servers"})
_STORE_ELSEWHERE = frozenset({"s3_endpoint", "s3_region", "data_bucket", "artifact_bucket", "registry_port"})
_OF_OTHER_TARGETS = {
    "local": _CLUSTER_KEYS | _AWS_KEYS,
    "kubernetes": _LOCAL_KEYS | _AWS_KEYS,
    "aws": _LOCAL_KEYS | _NOT_ON_AWS | _STORE_ELSEWHERE,
}
COLUMN_NAME_LIMIT = 200
# A host, perhaps a port, and the lower-case path that images go under.
_REGISTRY = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_AMAZONS = ("sthree-", "amzn-s3-demo-")
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REPOSITORY = re.compile(r"(github\.com|gitlab\.com)(/[A-Za-z0-9_.-]+){2,20}")
_REPOSITORY_IDS = re.compile(r"none|[1-9][0-9]{0,19}/[1-9][0-9]{0,19}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}")
_BRANCH = re.compile(r"[A-Za-z0-9_]+([./-][A-Za-z0-9_]+)*")


def problems(spec: ProjectSpec) -> list[str]:
    """What can't be, though each key by itself is of the right type; a sentence each."""
    found = []
    for where, text, limit in (
        ("project.name", spec.project.name, 100),
        ("project.description", spec.project.description, 1000),
    ):
        found += [f"{where}: {flaw}" for flaw in text_flaws(text, limit)]
    if not spec.slug:
        found.append("project.name: needs at least one Latin letter, since folder and bucket names derive from it")
    elif not naming.is_importable_name(spec.package) or spec.package in _RESERVED_PACKAGES:
        found.append(f"project.name: gives the package name '{spec.package}', which is already a module's; add a word")
    elif spec.slug.startswith(_AMAZONS):
        found.append(f"project.name: gives names of buckets that begin with '{spec.slug}', which S3 keeps for itself")
    found += _ci(spec.project)
    found += _data(spec)
    for name, environment in spec.environments.items():
        problems = [*_target(environment), *_store(environment)]
        found += [f"environments.{name}.{problem}" for problem in problems]
    return found


def _data(spec: ProjectSpec) -> list[str]:
    data = spec.data
    roles = [("target", data.target), ("time", data.time), ("group", data.group)]
    names = [*((f"data.{role}", name) for role, name in roles), *(("data.features", name) for name in data.features)]
    found = [f"{where}: {flaw}" for where, column in names for flaw in text_flaws(column, COLUMN_NAME_LIMIT)]
    if not data.target:
        found.append("data.target: name the column to predict")
    if not data.features:
        found.append("data.features: name at least one input column")
    found += [
        f"data.features.{name}: is also data.{role}; an input can't be both"
        for role, name in roles
        if name in data.features
    ]
    found += [f"data.{role}: is also data.target" for role, name in roles[1:] if name and name == data.target]
    if data.time and data.group:
        found.append("data.group: the rows are divided by data.time, so groups have no say; leave one of the two out")
    if data.decimal == data.thousands:
        found.append(f"data.thousands: is {data.thousands!r}, and so is data.decimal")
    try:
        codecs.lookup(data.files.encoding)
    except (LookupError, ValueError):
        found.append(f"data.files.encoding: Python knows no encoding {data.files.encoding!r}")
    if data.files.decimal == data.files.thousands:
        found.append(f"data.files.thousands: is {data.files.thousands!r}, and so is data.files.decimal")
    return found + _classes(spec)


def _classes(spec: ProjectSpec) -> list[str]:
    classes = spec.data.classes
    if classes and spec.project.task != "classification":
        return ["data.classes: a regression has none"]
    if len(classes) == 1:
        return ["data.classes: there is one, and a model tells two or more apart"]
    if len({type(label) for label in classes}) > 1:
        return ["data.classes: all of one kind, please: booleans, whole numbers or text"]
    if len(set(classes)) < len(classes):
        return ["data.classes: names one twice"]
    return [f"data.classes: {flaw}" for label in classes for flaw in text_flaws(str(label), COLUMN_NAME_LIMIT)]


def is_told(environment: dict[str, Any], key: str) -> bool:
    """Whether an environment's key belongs into seedbed.toml: those of its own target, unless empty."""
    return environment[key] != "" and key not in _OF_OTHER_TARGETS[environment["target"]]


def _target(environment: Environment) -> list[str]:
    """Keys of another target than the environment's, and what its own target needs."""
    defaults = type(environment)()
    found = [
        f"{key}: is about another target than {environment.target}"
        for key in sorted(_OF_OTHER_TARGETS[environment.target])
        if getattr(environment, key) != getattr(defaults, key)
    ]
    if environment.target == "kubernetes" and not environment.context:
        found.append("context: name the cluster's context in your kubeconfig (kubectl config get-contexts)")
    if environment.target == "aws":
        found += _aws(environment)
    if environment.cluster_issuer and not environment.domain:
        found.append("cluster_issuer: is for the certificates of an Ingress, and there is none without domain")
    return found


def _aws(environment: Environment) -> list[str]:
    """What an environment on AWS needs; the Pulumi program checks the other values itself."""
    found = [
        f"{key}: needed for target aws, such as {example}"
        for key, example in (("account", '"123456789012"'), ("region", '"eu-west-1"'))
        if not getattr(environment, key)
    ]
    for key, pattern, rule in (
        ("account", _ACCOUNT, "must be the account's 12 digits, as text (aws sts get-caller-identity)"),
        ("region", _REGION, "must be the name of a region, such as eu-west-1"),
    ):
        value = getattr(environment, key)
        if value and not pattern.fullmatch(value):
            found.append(f"{key}: {value!r} {rule}")
    if environment.store != "s3":
        found.append("store: is s3 on AWS")
    if environment.variant == "platform":
        found += _published_on_aws(environment)
    else:
        defaults = type(environment)()
        found += [
            f"{key}: is about a cluster, and variant {environment.variant} has none"
            for key in sorted((_CLUSTER_KEYS | _EKS_KEYS) - _NOT_ON_AWS)
            if getattr(environment, key) != getattr(defaults, key)
        ]
    if bool(environment.budget) != bool(environment.budget_email):
        found.append("budget: needs an amount and budget_email together: an alarm goes off at one, and tells the other")
    return found


def _published_on_aws(environment: Environment) -> list[str]:
    """How TLS comes about for a domain: by ACM on the environment's load balancer, or by another controller."""
    own = bool(environment.domain and not environment.ingress_class)
    found = []
    if own and environment.cluster_issuer:
        found.append(
            "cluster_issuer: AWS's load balancers take certificates from ACM only; set certificate, or ingress_class to"
            " a controller of your own"
        )
    elif own and not environment.certificate:
        found.append(
            "certificate: needed with domain, for TLS; set the ARN of one in ACM, or ingress_class to a controller of"
            " your own"
        )
    if environment.certificate and not own:
        found.append(
            "certificate: is for the environment's own load balancer, which comes with domain and without ingress_class"
        )
    return found


def _store(environment: Environment) -> list[str]:
    """What contradicts the choice of the store, and names that files of the project can't take."""
    if environment.store == "s3":
        found = [
            f"{key}: {name!r} is not the name of a bucket: 3 to 63 lower-case letters, digits, hyphens and dots"
            for key in ("data_bucket", "artifact_bucket")
            if (name := getattr(environment, key)) and not _BUCKET_NAME.fullmatch(name)
        ]
        if environment.s3_port:
            found.append("s3_port: is the port of a store on this machine, and store is s3")
        return found
    return [
        f"{key}: is about a store elsewhere, and store is {environment.store}"
        for key in ("s3_endpoint", "s3_region", "data_bucket", "artifact_bucket")
        if getattr(environment, key)
    ]


def _ci(project: Project) -> list[str]:
    found = []
    if project.registry and not _REGISTRY.fullmatch(project.registry):
        found.append(f"project.registry: {project.registry!r} is not a registry's host and path, such as ghcr.io/acme")
    if project.repository and not _REPOSITORY.fullmatch(project.repository):
        found.append(
            f"project.repository: {project.repository!r} is not a path on github.com or gitlab.com, such as"
            " github.com/acme/flights"
        )
    if project.repository_ids and not _REPOSITORY_IDS.fullmatch(project.repository_ids):
        found.append(
            f"project.repository_ids: {project.repository_ids!r} is not two numbers, such as 1296269/501, or none"
        )
    if not _BRANCH.fullmatch(project.branch):
        found.append(f"project.branch: {project.branch!r} is not the name of a branch, such as main")
    return found


def text_flaws(text: str, limit: int) -> list[str]:
    """Why a text can't go into files, listings and shells; characters that can't be seen are refused by name."""
    flaws = []
    if len(text) > limit:
        flaws.append(f"is longer than {limit} characters")
    hidden = sorted({c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}})
    if hidden:
        flaws.append("holds characters that can't be seen: " + ", ".join(f"U+{ord(c):04X}" for c in hidden[:5]))
    return flaws


# Modules that the generated repository itself imports or has: a package of the same name would hide them.
_RESERVED_PACKAGES = frozenset(
    """
    a2wsgi alembic anyio boto3 botocore ci click data dateutil docker docs dvc evidently fastapi flask
    gunicorn httptools httpx infra jinja2 joblib kfp kubernetes matplotlib mlflow mlops_platform mypy
    nbclient nbformat notebooks numpy packaging pandas pandera pip prometheus_client psutil pulumi
    pulumi_aws pulumi_kubernetes pyarrow pydantic pytest requests ruamel ruff scipy setuptools sklearn
    skops sqlalchemy src starlette tests threadpoolctl typing_extensions urllib3 uvicorn werkzeug yaml
    """.split()  # noqa: SIM905, a line for each would be two screens
)
