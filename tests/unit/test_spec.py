import tomllib

import pytest

from seedbed import naming
from seedbed import spec as specs
from seedbed.environments import stack_config
from seedbed.errors import SpecError

DATA = {"source": "x.csv", "target": "late", "features": {"carrier": "category", "distance": "number?"}, "time": "at"}


def answers(**sections):
    return {"project": {"name": "Flight Delays"}, "data": DATA, **sections}


def problems(raw):
    with pytest.raises(SpecError) as caught:
        specs.parse(raw)
    assert caught.value.exit_code == 3
    return caught.value.details["problems"]


def test_names_derive_from_the_project_name():
    spec = specs.parse(answers())
    assert (spec.slug, spec.package) == ("flight-delays", "flight_delays")


def test_defaults_fill_what_is_not_given():
    spec = specs.parse(answers())
    assert spec.choices == specs.Choices(ci="github", serving="fastapi", monitoring=True)
    assert list(spec.environments) == ["dev"]


def test_the_written_file_gives_the_same_spec_again():
    raw = answers(
        project={"name": 'Quotes " and \\ and ünïcode', "description": "a = [1] # not a comment '''"},
        environments={"dev": {"s3_port": 9000}, "prod-eu": {"protect": True}},
    )
    spec = specs.parse(raw)
    assert specs.parse(tomllib.loads(specs.to_toml(spec))) == spec


def test_keys_of_a_store_elsewhere_are_written_where_they_are_set():
    environments = {"dev": {}, "shared": {"store": "s3", "s3_region": "eu-west-1", "artifact_bucket": "acme.models"}}
    written = tomllib.loads(specs.to_toml(specs.parse(answers(environments=environments))))["environments"]
    assert not any(key.endswith(("_bucket", "_region", "_endpoint")) for key in written["dev"])
    assert environments["shared"].items() <= written["shared"].items()
    assert "s3_endpoint" not in written["shared"]


def test_values_from_flags_and_variables_are_strings():
    spec = specs.parse(answers(choices={"monitoring": "false"}, environments={"dev": {"s3_port": "9000"}}))
    assert spec.choices.monitoring is False
    assert spec.environments["dev"].s3_port == 9000


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (answers(choises={}), "choises: unknown section, did you mean choices?"),
        (answers(choices={"servin": "fastapi"}), "choices.servin: unknown key, did you mean choices.serving?"),
        (answers(choices={"ci": "jenkins"}), "choices.ci: 'jenkins' is not one of github, gitlab, both, none"),
        (answers(environments={"dev": {"s3_port": 70000}}), "environments.dev.s3_port: expected `int` <= 65535, got 70000"),
        (answers(environments={"dev": {"store": "disk"}}), "environments.dev.store: 'disk' is not one of seaweedfs, minio, s3"),
        (answers(environments={"dev": {"s3_region": "eu"}}), "environments.dev.s3_region: is about a store elsewhere"),
        (answers(environments={"a": {}, "b": {"store": "minio", "data_bucket": "acme"}}), "environments.b.data_bucket: is about"),
        (answers(environments={"dev": {"store": "s3", "s3_port": 9000}}), "environments.dev.s3_port: is the port of a store on"),
        (answers(environments={"dev": {"store": "s3", "data_bucket": "a\nb"}}), "environments.dev.data_bucket: 'a\\nb' is not"),
        (answers(environments={"Dev!": {}}), "environments.Dev!: use 1 to 20 lower-case letters"),
        (answers(environments={}), "environments: at least one"),
        ({"data": DATA}, "project.name: needed, and given nowhere"),
        (answers(project={"name": "class"}), "project.name: gives the package name 'class'"),
        (answers(project={"name": "json"}), "project.name: gives the package name 'json'"),
        (answers(project={"name": "pandas"}), "project.name: gives the package name 'pandas'"),
        (answers(project={"name": "Sthree One"}), "project.name: gives names of buckets that begin with 'sthree-one'"),
        (answers(project={"name": "日本"}), "project.name: needs at least one Latin letter"),
        (answers(project={"name": "a\nb"}), "project.name: holds characters that can't be seen: U+000A"),
        (answers(project={"name": "a\u202eb"}), "project.name: holds characters that can't be seen: U+202E"),
        (answers(project={"name": "x" * 101}), "project.name: is longer than 100 characters"),
        (answers(data={**DATA, "features": {"carrier": "colour"}}), "data.features: each column is one of number"),
        (answers(data={**DATA, "features": {}}), "data.features: name at least one input column"),
        (answers(data={**DATA, "features": {"late": "number"}}), "data.features.late: is also data.target"),
        (answers(data={**DATA, "time": "late"}), "data.time: is also data.target"),
        (answers(data={**DATA, "group": "late"}), "data.group: is also data.target"),
        (answers(data={**DATA, "time": "t", "group": "g"}), "data.group: the rows are divided by data.time"),
        (answers(data={**DATA, "classes": ["a", 1]}), "data.classes: all of one kind"),
        (answers(data={**DATA, "classes": ["a"]}), "data.classes: there is one"),
        (answers(data={**DATA, "classes": ["a", "b\n"]}), "data.classes: holds characters that can't be seen"),
        (answers(data={**DATA, "decimal": ",", "thousands": ","}), "data.thousands: is ',', and so is data.decimal"),
        (answers(data={**DATA, "decimal": ";"}), "data.decimal: ';' is not one of ., ,"),
        (answers(data={**DATA, "files": {"separater": ";"}}), "data.files: object contains unknown field `separater`"),
        (answers(data={**DATA, "files": {"encoding": "klingon"}}), "data.files.encoding: Python knows no encoding"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_key(raw, expected):
    found = problems(raw)
    assert any(problem.startswith(expected) for problem in found), found


CLUSTER = {"target": "kubernetes", "context": "kind-flights"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"target": "kubernetes"}, "context: name the cluster's context in your kubeconfig"),
        ({"size": "ha"}, "size: is about another target than local"),
        ({**CLUSTER, "mlflow_port": 5000}, "mlflow_port: is about another target than kubernetes"),
        ({**CLUSTER, "cluster_issuer": "acme"}, "cluster_issuer: is for the certificates of an Ingress"),
        ({**CLUSTER, "size": "huge"}, "size: 'huge' is not one of small, standard, ha"),
        ({**CLUSTER, "store_tls": "perhaps"}, "store_tls: "),
    ],
)
def test_what_an_environment_cant_be_is_named(environment, expected):
    (problem,) = problems(answers(environments={"prod": environment}))
    assert problem.startswith(f"environments.prod.{expected}")


AWS = {"target": "aws", "account": "123456789012", "region": "eu-west-1"}
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/8f3b6c1e-1d2a-4c55-9d3e-0a1b2c3d4e5f"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"account": "12"}, "account: '12' must be the account's 12 digits"),
        ({"region": "EU-WEST-1"}, "region: 'EU-WEST-1' must be the name of a region"),
        ({"domain": "ml.acme.com"}, "certificate: needed with domain, for TLS"),
        ({"domain": "ml.acme.com", "cluster_issuer": "acme"}, "cluster_issuer: AWS's load balancers take"),
        ({"certificate": CERTIFICATE}, "certificate: is for the environment's own load balancer"),
        (
            {"domain": "ml.acme.com", "ingress_class": "nginx", "certificate": CERTIFICATE},
            "certificate: is for the environment's own load balancer",
        ),
        ({"variant": "lite", "cluster_admins": "x"}, "cluster_admins: is about a cluster, and variant lite has none"),
        ({"variant": "storage", "size": "ha"}, "size: is about a cluster, and variant storage has none"),
        ({"variant": "registry", "private_endpoint": True}, "private_endpoint: is about a cluster, and variant"),
    ],
)
def test_what_an_environment_on_aws_cant_be_is_named(environment, expected):
    (problem,) = problems(answers(environments={"prod": {**AWS, **environment}}))
    assert problem.startswith(f"environments.prod.{expected}")


@pytest.mark.parametrize(
    "environment",
    [
        {"domain": "ml.acme.com", "certificate": CERTIFICATE, "cluster_admins": "arn:aws:iam::1:role/a"},
        {"domain": "ml.acme.com", "ingress_class": "nginx", "cluster_issuer": "acme"},
        {"domain": "ml.acme.com", "ingress_class": "nginx"},
        {"variant": "lite", "budget": 5, "budget_email": "a@b.cd"},
    ],
)
def test_what_an_environment_on_aws_is_told_reaches_the_program(environment):
    spec = specs.parse(answers(environments={"prod": {**AWS, **environment}}))
    assert specs.parse(tomllib.loads(specs.to_toml(spec))) == spec
    told = stack_config.stack_config(spec, "prod")
    assert {str(value) for value in environment.values()} <= set(told.values())


def test_each_target_has_a_store_of_its_own_and_only_its_own_keys_are_written():
    spec = specs.parse(answers(environments={"dev": {}, "prod": CLUSTER, "edge": {**CLUSTER, "store": "seaweedfs"}}))
    assert [environment.store for environment in spec.environments.values()] == ["seaweedfs", "minio", "seaweedfs"]
    text = specs.to_toml(spec)
    assert specs.parse(tomllib.loads(text)) == spec
    written = tomllib.loads(text)["environments"]
    assert "context" not in written["dev"]
    assert "s3_port" not in written["prod"]


def test_all_mistakes_are_reported_at_once():
    found = problems(answers(choices={"ci": "x", "unknown": 1}, environments={"dev": {"target": "moon"}}))
    assert len(found) == 3


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Flight Delays", "flight-delays"),
        ("  Größe & Übung ", "groe-ubung"),
        ("1a", "a"),
        ("../x", "x"),
        ("/abs/path", "abs-path"),
        ("C:\\x", "c-x"),
        ("--trust", "trust"),
        ("", ""),
        ("...", ""),
    ],
)
def test_slugs(text, slug):
    assert naming.slugify(text) == slug


def test_long_names_stay_within_limits_and_apart():
    first, second = naming.slugify("x" * 99 + "a"), naming.slugify("x" * 99 + "b")
    assert first != second
    assert len(first) == len(second) == naming.SLUG_LIMIT
    assert len(naming.bucket_name(first, "e" * 20, "artifacts")) <= naming.BUCKET_LIMIT


def test_column_identifiers_are_unique_and_valid():
    taken = set()
    names = [naming.identifier(column, taken) for column in ("a b", "a-b", "a_b", "1st", "class", "数", "")]
    assert names == ["a_b", "a_b_2", "a_b_3", "column_1st", "column_class", "column", "column_2"]
    assert all(name.isidentifier() for name in names)


def test_schema_covers_every_section():
    schema = specs.json_schema()
    assert set(schema["$defs"]["ProjectSpec"]["properties"]) == set(specs.ProjectSpec.__struct_fields__)
    assert schema["$defs"]["Choices"]["additionalProperties"] is False
