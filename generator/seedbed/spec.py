"""The spec: the one model behind prompts, flags, spec files, the JSON schema and the template context."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec

from seedbed import __version__, naming, spec_rules
from seedbed.errors import SpecError

FILE_NAME = "seedbed.toml"

Task = Literal["classification", "regression"]
# A question mark: rows may leave it empty.
FeatureKind = Literal[
    "number", "integer", "boolean", "category", "date", "number?", "integer?", "boolean?", "category?", "date?"
]  # fmt: skip
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Class = bool | int | str
# Keys that are only written when they are set.
_RARE = {
    "project": frozenset({"repository", "repository_ids"}),
    "data": frozenset({"group", "classes", "decimal", "thousands", "files"}),
}
_ENVIRONMENT_NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")


class _Section(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    pass


class Seedbed(_Section, frozen=True, kw_only=True):
    """What made the project."""

    version: Annotated[str, msgspec.Meta(description="The seedbed that made or last updated the project")] = __version__


class Project(_Section, frozen=True, kw_only=True):
    """What the project is called and does."""

    name: Annotated[str, msgspec.Meta(description="Display name; slug, package and bucket names derive from it")]
    description: Annotated[str, msgspec.Meta(description="One line about the model's purpose")] = ""
    python: Annotated[
        Literal["3.11", "3.12", "3.13"], msgspec.Meta(description="Lowest Python the project supports")
    ] = "3.11"
    task: Annotated[Task, msgspec.Meta(description="What the model predicts: a class or a number")] = "classification"
    license: Annotated[
        Literal["Apache-2.0", "MIT", "none"], msgspec.Meta(description="Licence of the generated repository")
    ] = "Apache-2.0"
    branch: Annotated[
        str, msgspec.Meta(description="Branch that CI trains from when code or data changes, and applies infra/ from")
    ] = "main"
    registry: Annotated[
        str,
        msgspec.Meta(description="Where CI pushes images, such as ghcr.io/acme; empty: the registry of the CI system"),
    ] = ""
    repository: Annotated[
        str, msgspec.Meta(description="Where the code is, such as github.com/acme/flights: whose CI gets a role on AWS")
    ] = ""
    repository_ids: Annotated[
        str,
        msgspec.Meta(
            description="Numbers of the owner and the repository on GitHub, such as 1296269/501 (seedbed "
            "repository-ids), or none where its tokens carry none: made before 2026-07-15, and not opted in"
        ),
    ] = ""


class Choices(_Section, frozen=True, kw_only=True):
    """What selects the template layers."""

    ci: Annotated[Literal["github", "gitlab", "both", "none"], msgspec.Meta(description="Continuous integration")] = (
        "github"
    )
    serving: Annotated[Literal["fastapi", "flask", "none"], msgspec.Meta(description="HTTP model service")] = "fastapi"
    tracking: Annotated[
        bool, msgspec.Meta(description="MLflow keeps runs and models; without it, plain files keep the models")
    ] = True
    monitoring: Annotated[bool, msgspec.Meta(description="Drift and service monitoring")] = True


Decimal = Literal[".", ","]
Thousands = Literal["", ",", ".", " ", "'"]


class CsvForm(_Section, frozen=True, kw_only=True):
    """How a CSV file is written."""

    encoding: Annotated[str, msgspec.Meta(description="Of its text")] = "utf-8"
    separator: Annotated[Literal[",", ";", "\t", "|"], msgspec.Meta(description="Between its values")] = ","
    decimal: Annotated[Decimal, msgspec.Meta(description="Before the decimals of its numbers")] = "."
    thousands: Annotated[Thousands, msgspec.Meta(description="Between the thousands of its numbers")] = ""


class Data(_Section, frozen=True, kw_only=True):
    """The table that the model learns from."""

    source: Annotated[
        str,
        msgspec.Meta(description="CSV or Parquet file to start with: relative to the spec file, or s3://BUCKET/KEY"),
    ]
    target: Annotated[str, msgspec.Meta(description="Column that the model predicts")]
    features: Annotated[
        dict[str, FeatureKind], msgspec.Meta(description="Input columns and what they hold; `?`: may be empty")
    ]
    time: Annotated[str, msgspec.Meta(description="Column that orders the rows in time; empty: rows have no order")] = (
        ""
    )
    group: Annotated[
        str,
        msgspec.Meta(
            description="Column that says what several rows belong to, such as a patient: rows of one are tested "
            "together, or trained on together; empty: each row is by itself. Not with `time`"
        ),
    ] = ""
    classes: Annotated[
        list[Class],
        msgspec.Meta(description="Classes of the target that the project accepts; empty: those that `source` has"),
    ] = msgspec.field(default_factory=list)
    encoding: Annotated[str, msgspec.Meta(description="Of the text in `source`; the project's own data is UTF-8")] = (
        "utf-8"
    )
    decimal: Annotated[Decimal, msgspec.Meta(description="Before the decimals of the numbers in a CSV `source`")] = "."
    thousands: Annotated[Thousands, msgspec.Meta(description="Between the thousands of those numbers")] = ""
    files: Annotated[
        CsvForm,
        msgspec.Meta(description="How CSV files are written that `make data` is given, unless as the project's own"),
    ] = CsvForm()


class Environment(_Section, frozen=True, kw_only=True):
    """A place where the platform runs: one Pulumi stack."""

    target: Annotated[
        Literal["local", "kubernetes", "aws"],
        msgspec.Meta(
            description="What the platform runs on: this machine, any cluster that a kubeconfig reaches, or AWS"
        ),
    ] = "local"
    protect: Annotated[bool, msgspec.Meta(description="Refuse `down` until the name is typed")] = False
    store: Annotated[
        Literal["seaweedfs", "minio", "s3"],
        msgspec.Meta(
            description="Object store: on this machine seaweedfs, which needs no installation, or minio, the program "
            "of that name on PATH; on a cluster minio unless told otherwise; s3 is a store that somebody else runs, "
            "with its keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ),
    ] = "seaweedfs"
    s3_port: Annotated[Port, msgspec.Meta(description="Port of a store on this machine; 0: any free one")] = 0
    s3_endpoint: Annotated[str, msgspec.Meta(description="URL of a store with `store = s3`; empty: AWS")] = ""
    s3_region: Annotated[str, msgspec.Meta(description="Region of a store with `store = s3`; empty: us-east-1")] = ""
    data_bucket: Annotated[
        str,
        msgspec.Meta(description="Existing bucket for data with `store = s3`, kept by `down`; empty: one is made"),
    ] = ""
    artifact_bucket: Annotated[
        str,
        msgspec.Meta(description="Existing bucket for artifacts with `store = s3`, kept by `down`; empty: one is made"),
    ] = ""
    mlflow_port: Annotated[Port, msgspec.Meta(description="Port of MLflow; 0: any free one")] = 0
    registry_port: Annotated[
        Port, msgspec.Meta(description="Port of the container registry; 0: any free one, 30500 on a cluster's nodes")
    ] = 0
    context: Annotated[str, msgspec.Meta(description="Context of your kubeconfig that names the cluster")] = ""
    size: Annotated[
        Literal["small", "standard", "ha"], msgspec.Meta(description="How big an environment on a cluster is")
    ] = "small"
    storage_class: Annotated[
        str, msgspec.Meta(description="Storage class of a cluster's volumes; empty: its default class")
    ] = ""
    store_size: Annotated[
        str, msgspec.Meta(description="Size of each volume of a cluster's store, such as 50Gi; empty: as `size` says")
    ] = ""
    store_image: Annotated[
        str, msgspec.Meta(description="Another image that speaks MinIO's interface; empty: the pinned one")
    ] = ""
    store_tls: Annotated[bool, msgspec.Meta(description="TLS between a cluster's store and everything else")] = False
    pipelines: Annotated[Literal["install", "none"], msgspec.Meta(description="Kubeflow Pipelines on a cluster")] = (
        "install"
    )
    pipelines_host: Annotated[
        str, msgspec.Meta(description="URL of a Kubeflow Pipelines that exists already, in place of installing one")
    ] = ""
    pipelines_manifests: Annotated[
        str,
        msgspec.Meta(description="Kubeflow's rendered manifests, relative to infra/; empty: kubeflow-pipelines.yaml"),
    ] = ""
    image_mirror: Annotated[
        str, msgspec.Meta(description="Host and path under which all images are found; empty: where each comes from")
    ] = ""
    domain: Annotated[
        str, msgspec.Meta(description="Domain under which an Ingress publishes a cluster's services; empty: none is")
    ] = ""
    ingress_class: Annotated[str, msgspec.Meta(description="Class of the Ingress; empty: the default")] = ""
    cluster_issuer: Annotated[
        str, msgspec.Meta(description="ClusterIssuer of cert-manager for the Ingress; empty: no TLS there")
    ] = ""
    api_servers: Annotated[
        str,
        msgspec.Meta(
            description="Networks from which the API server reaches pods, where policies are enforced, with commas "
            "between them; empty: none have to be named, as on kind, minikube, GKE and AKS"
        ),
    ] = ""
    service_image: Annotated[
        str,
        msgspec.Meta(
            description="First image of the model service, which `kubectl set image` replaces later; empty: none is "
            "pushed yet, and no service runs"
        ),
    ] = ""
    pipeline_image: Annotated[
        str,
        msgspec.Meta(description="Image of the pipeline's steps; empty: none is pushed yet, no drift is sought"),
    ] = ""
    account: Annotated[str, msgspec.Meta(description="Number of the AWS account; no other is ever touched")] = ""
    region: Annotated[str, msgspec.Meta(description="AWS region, such as eu-west-1")] = ""
    variant: Annotated[
        Literal["platform", "lite", "storage", "registry"],
        msgspec.Meta(
            description="What of AWS: all, on a cluster of its own; lite: S3, ECR and identities, no cluster; or S3 or "
            "ECR alone"
        ),
    ] = "platform"
    private_endpoint: Annotated[
        bool, msgspec.Meta(description="Whether the EKS API server is reached from inside its network only")
    ] = False
    api_networks: Annotated[
        str, msgspec.Meta(description="Networks from which a public EKS API server is reached; empty: all")
    ] = ""
    network_cidr: Annotated[
        str,
        msgspec.Meta(
            description="Private addresses of the EKS cluster's network, /16 to /20, such as 10.20.0.0/16; empty: "
            "10.0.0.0/16. It stays while the environment lives"
        ),
    ] = ""
    cluster_admins: Annotated[
        str,
        msgspec.Meta(
            description="ARNs of IAM roles and users that administer the EKS cluster, besides whoever makes it, with "
            "commas between them"
        ),
    ] = ""
    certificate: Annotated[
        str,
        msgspec.Meta(
            description="ARN of the certificate in ACM for all names under `domain` on AWS; needed there unless "
            "`ingress_class` is set"
        ),
    ] = ""
    kubernetes_version: Annotated[str, msgspec.Meta(description="Version of EKS, such as 1.36; empty: its default")] = (
        ""
    )
    oidc_provider: Annotated[
        Literal["create", "existing"],
        msgspec.Meta(description="Make the AWS account's identity provider for CI, or use the one that it has"),
    ] = "create"
    budget: Annotated[
        int, msgspec.Meta(ge=0, description="US dollars a month at which an alarm goes off on AWS; 0: none")
    ] = 0
    budget_email: Annotated[str, msgspec.Meta(description="Who is told when the budget is used up")] = ""


class ProjectSpec(_Section, frozen=True, kw_only=True):
    """The whole spec. `slug` and `package` are derived, never written."""

    seedbed: Seedbed = Seedbed()
    project: Project
    choices: Choices = Choices()
    data: Data
    environments: dict[str, Environment] = msgspec.field(default_factory=lambda: {"dev": Environment()})

    @property
    def slug(self) -> str:
        """The project's name for folders, buckets and images."""
        return naming.slugify(self.project.name)

    @property
    def package(self) -> str:
        """The project's Python package."""
        return naming.package_name(self.slug)


_DEFAULTS: dict[str, _Section] = {
    "project": Project(name=""),
    "data": Data(source="", target="", features={}),
}
_SECTIONS: dict[str, type[_Section]] = {
    "seedbed": Seedbed,
    "project": Project,
    "choices": Choices,
    "data": Data,
}


def parse(raw: dict[str, Any]) -> ProjectSpec:
    """Check nested answers, as read from TOML, and return the spec.

    Strings are accepted for numbers and booleans, since flags and environment variables have no types.

    Raises:
        SpecError: listing every problem found, each with the key it is about.
    """
    problems = [_unknown("section", key, ProjectSpec.__struct_fields__) for key in raw if key not in _known_sections()]
    sections: dict[str, Any] = {}
    for name, section in _SECTIONS.items():
        value = raw.get(name, {})
        if isinstance(value, dict):
            value, unknown = _known_keys(name, value, section)
            problems += unknown
        sections[name] = _convert(name, value, section, problems)
    environments = raw.get("environments", {"dev": {}})
    if not isinstance(environments, dict) or not environments:
        problems.append("environments: at least one [environments.NAME] table is needed")
        environments = {}
    sections["environments"] = {}
    for name, value in environments.items():
        if not _ENVIRONMENT_NAME.fullmatch(name):
            problems.append(
                f"environments.{name}: use 1 to 20 lower-case letters, digits and hyphens, starting with a letter"
            )
        known, unknown = (
            _known_keys(f"environments.{name}", value, Environment) if isinstance(value, dict) else (value, [])
        )
        if isinstance(known, dict) and known.get("target") == "kubernetes":
            known = {"store": "minio", **known}
        if isinstance(known, dict) and known.get("target") == "aws":
            known = {"store": "s3", **known}
        problems += unknown
        sections["environments"][name] = _convert(f"environments.{name}", known, Environment, problems)
    if not problems:
        spec = ProjectSpec(**sections)
        problems = spec_rules.problems(spec)
        if not problems:
            return spec
    raise SpecError(
        "The spec is not valid:\n" + "\n".join(f"  - {problem}" for problem in problems),
        hint="Correct the keys above; `seedbed new --help` shows examples, `seedbed schema` every key.",
        details={"problems": problems},
    )


def json_schema() -> dict[str, Any]:
    """The JSON schema of seedbed.toml."""
    schema = msgspec.json.schema(ProjectSpec)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": FILE_NAME, **schema}


def to_toml(spec: ProjectSpec) -> str:
    """The spec as the text of seedbed.toml; `parse` of it gives the same spec."""
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment("Written by `seedbed new`; `seedbed up`, `status` and the others read it."))
    values = msgspec.to_builtins(spec)
    # Most keys are for another target or store than this environment's, and would only be in the way.
    values["environments"] = {
        name: {key: value for key, value in environment.items() if spec_rules.is_told(environment, key)}
        for name, environment in values["environments"].items()
    }
    for section, keys in _RARE.items():
        unset = {key: value for key, value in msgspec.to_builtins(_DEFAULTS[section]).items() if key in keys}
        values[section] = {key: value for key, value in values[section].items() if unset.get(key, ...) != value}
    for name, value in values.items():
        document.add(name, tomlkit.item(value))
    return tomlkit.dumps(document)


def field_types(section: type[_Section]) -> dict[str, Any]:
    """Each key of a section and the type of its value, without annotations."""
    return get_type_hints(section)


def section_types() -> dict[str, type[_Section]]:
    """The sections with fixed keys, in the order of the file."""
    return dict(_SECTIONS)


def _known_sections() -> tuple[str, ...]:
    return ProjectSpec.__struct_fields__


def _known_keys(where: str, value: dict[str, Any], section: type[_Section]) -> tuple[dict[str, Any], list[str]]:
    known = {key: item for key, item in value.items() if key in section.__struct_fields__}
    return known, [_unknown("key", f"{where}.{key}", [f"{where}.{f}" for f in section.__struct_fields__])
                   for key in value if key not in known]  # fmt: skip


def _unknown(what: str, key: str, candidates: Any) -> str:
    close = difflib.get_close_matches(key, list(candidates), n=1)
    return f"{key}: unknown {what}" + (f", did you mean {close[0]}?" if close else "")


def _convert(where: str, value: Any, section: type[_Section], problems: list[str]) -> Any:
    try:
        return msgspec.convert(value, section, strict=False)
    except msgspec.ValidationError as error:
        problems.append(_explain(where, str(error), value, section))
        return None


def _explain(where: str, message: str, value: Any, section: type[_Section]) -> str:
    text, _, path = message.partition(" - at `$")
    key = path.rstrip("`").lstrip(".")
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", text):
        return f"{where}.{missing[1]}: needed, and given nowhere"
    given = value.get(key) if isinstance(value, dict) else None
    if key in section.__struct_fields__ and (allowed := get_args(get_type_hints(section)[key])):
        return f"{where}.{key}: {given!r} is not one of {', '.join(map(str, allowed))}"
    if key == "features[...]":
        kinds = ", ".join(get_args(FeatureKind))
        return f"{where}.features: each column is one of {kinds}"
    return (
        f"{where}.{key}".rstrip(".") + f": {text[0].lower()}{text[1:]}" + (f", got {given!r}" if key and given else "")
    )
