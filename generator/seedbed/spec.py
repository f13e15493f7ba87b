"""The spec: the one model behind prompts, flags, spec files, the JSON schema and the template context."""

from __future__ import annotations

import difflib
import re
import unicodedata
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec

from seedbed import __version__, naming
from seedbed.errors import SpecError

FILE_NAME = "seedbed.toml"

Task = Literal["classification", "regression"]
# A question mark: rows may leave it empty.
FeatureKind = Literal[
    "number", "integer", "boolean", "category", "date", "number?", "integer?", "boolean?", "category?", "date?"
]  # fmt: skip
COLUMN_NAME_LIMIT = 200
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
# A host, perhaps a port, and the lower-case path that images go under.
_REGISTRY = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_BRANCH = re.compile(r"[A-Za-z0-9_]+([./-][A-Za-z0-9_]+)*")
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
    encoding: Annotated[str, msgspec.Meta(description="Of the text in `source`; the project's own data is UTF-8")] = (
        "utf-8"
    )


class Environment(_Section, frozen=True, kw_only=True):
    """A place where the platform runs: one Pulumi stack."""

    target: Annotated[Literal["local"], msgspec.Meta(description="What the platform runs on")] = "local"
    protect: Annotated[bool, msgspec.Meta(description="Refuse `down` until the name is typed")] = False
    store: Annotated[
        Literal["seaweedfs", "minio", "s3"],
        msgspec.Meta(
            description="Object store: seaweedfs needs no installation, minio the program of that name on PATH; "
            "s3 is a store that somebody else runs, with its keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
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
    registry_port: Annotated[Port, msgspec.Meta(description="Port of the container registry; 0: any free one")] = 0


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
        problems += unknown
        sections["environments"][name] = _convert(f"environments.{name}", known, Environment, problems)
    if not problems:
        spec = ProjectSpec(**sections)
        problems = _semantic_problems(spec)
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
    # Most environments have no use for the keys of a store elsewhere; empty, they would only be in the way.
    values["environments"] = {
        name: {key: value for key, value in environment.items() if value != ""}
        for name, environment in values["environments"].items()
    }
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


def _semantic_problems(spec: ProjectSpec) -> list[str]:
    problems = []
    for where, text, limit in (
        ("project.name", spec.project.name, 100),
        ("project.description", spec.project.description, 1000),
    ):
        problems += [f"{where}: {flaw}" for flaw in text_flaws(text, limit)]
    if not spec.slug:
        problems.append("project.name: needs at least one Latin letter, since folder and bucket names derive from it")
    elif not naming.is_importable_name(spec.package) or spec.package in _RESERVED_PACKAGES:
        problems.append(
            f"project.name: gives the package name '{spec.package}', which is already a module's; add a word"
        )
    problems += _ci_problems(spec.project)
    data = spec.data
    for where, column in [
        ("data.target", data.target),
        ("data.time", data.time),
        *(("data.features", f) for f in data.features),
    ]:
        problems += [f"{where}: {flaw}" for flaw in text_flaws(column, COLUMN_NAME_LIMIT)]
    if not data.target:
        problems.append("data.target: name the column to predict")
    if not data.features:
        problems.append("data.features: name at least one input column")
    problems += [
        f"data.features.{name}: is also data.{role}; an input can't be both"
        for role, name in (("target", data.target), ("time", data.time))
        if name in data.features
    ]
    if data.time and data.time == data.target:
        problems.append("data.time: is also data.target")
    for name, environment in spec.environments.items():
        problems += [f"environments.{name}.{problem}" for problem in _store_problems(environment)]
    return problems


def _store_problems(environment: Environment) -> list[str]:
    """What contradicts the choice of the store, and names that files of the project can't take."""
    if environment.store == "s3":
        problems = [
            f"{key}: {name!r} is not the name of a bucket: 3 to 63 lower-case letters, digits, hyphens and dots"
            for key in ("data_bucket", "artifact_bucket")
            if (name := getattr(environment, key)) and not _BUCKET_NAME.fullmatch(name)
        ]
        if environment.s3_port:
            problems.append("s3_port: is the port of a store on this machine, and store is s3")
        return problems
    return [
        f"{key}: is about a store elsewhere, and store is {environment.store}"
        for key in ("s3_endpoint", "s3_region", "data_bucket", "artifact_bucket")
        if getattr(environment, key)
    ]


def _ci_problems(project: Project) -> list[str]:
    problems = []
    if project.registry and not _REGISTRY.fullmatch(project.registry):
        problems.append(
            f"project.registry: {project.registry!r} is not a registry's host and path, such as ghcr.io/acme"
        )
    if not _BRANCH.fullmatch(project.branch):
        problems.append(f"project.branch: {project.branch!r} is not the name of a branch, such as main")
    return problems


def text_flaws(text: str, limit: int) -> list[str]:
    """Why a text can't go into files, listings and shells; characters that can't be seen are refused by name."""
    flaws = []
    if len(text) > limit:
        flaws.append(f"longer than {limit} characters")
    hidden = sorted({c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}})
    if hidden:
        flaws.append("holds characters that can't be seen: " + ", ".join(f"U+{ord(c):04X}" for c in hidden[:5]))
    return flaws


# Modules that the generated repository itself imports or has: a package of the same name would hide them.
_RESERVED_PACKAGES = frozenset(
    [
        "alembic",
        "boto3",
        "botocore",
        "click",
        "data",
        "docs",
        "dvc",
        "evidently",
        "fastapi",
        "flask",
        "gunicorn",
        "httpx",
        "infra",
        "joblib",
        "kfp",
        "kubernetes",
        "matplotlib",
        "mlflow",
        "mypy",
        "numpy",
        "pandas",
        "pandera",
        "pip",
        "prometheus_client",
        "psutil",
        "pulumi",
        "pulumi_aws",
        "pulumi_kubernetes",
        "pyarrow",
        "pydantic",
        "pytest",
        "requests",
        "ruff",
        "scipy",
        "setuptools",
        "skops",
        "sklearn",
        "sqlalchemy",
        "src",
        "starlette",
        "tests",
        "urllib3",
        "uvicorn",
        "yaml",
        "mlops_platform",
    ]
)
