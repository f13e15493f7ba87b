"""The proof behind `down` knows everything that the program can make: no resource that it would not find."""

import pytest
from tests.unit.test_render import answers

from mlops_platform.components.aws import policies
from mlops_platform.components.aws.account import ENVIRONMENT_TAG, Account
from seedbed import creation
from seedbed.environments.aws import declared, kinds, leftovers, scope, state_store
from seedbed.environments.project import find_project

SPEC = """
[project]
name = "{name}"
repository = "github.com/acme/flights"
repository_ids = "1/2"
[data]
source = "x"
target = "y"
[data.features]
x = "number"
[environments.{environment}]
target = "aws"
account = "123456789012"
region = "eu-west-1"
budget = 200
budget_email = "ml@example.com"
{more}
"""
LONG = "Late arrivals of all flights from New York to wherever they go", "production-of-europe"
# On the cluster, or in the engine alone.
NOT_ON_AWS = ("kubernetes:", "pulumi-python:dynamic", "pulumi:providers:")
# The inputs that hold the names of what is searched for by name.
NAMED = {
    "aws:s3/bucket:Bucket": "bucket",
    "aws:ecr/repository:Repository": "name",
    "aws:iam/role:Role": "name",
    "aws:iam/policy:Policy": "name",
    "aws:kms/alias:Alias": "name",
    "aws:cloudwatch/logGroup:LogGroup": "name",
    "aws:budgets/budget:Budget": "name",
    "aws:eks/cluster:Cluster": "name",
}
CERTIFICATE = "certificate = 'arn:aws:acm:eu-west-1:123456789012:certificate/8f3b6c1e-1d2a-4c55-9d3e-0a1b2c3d4e5f'"
VARIANTS = [
    ["size = 'small'", "domain = 'ml.example.com'", CERTIFICATE],
    ["size = 'standard'", "private_endpoint = true"],
    ["size = 'ha'", "protect = true"],
    ["variant = 'lite'"],
    ["variant = 'storage'"],
    ["variant = 'registry'"],
]


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    return creation.create(answers(), tmp_path_factory.mktemp("inventory") / "out").destination


@pytest.fixture
def graph(generated, tmp_path):
    def ask(more, name="Flights", environment="prod"):
        (tmp_path / "infra").symlink_to(generated / "infra")
        text = SPEC.format(name=name, environment=environment, more="\n".join(more))
        (tmp_path / "seedbed.toml").write_text(text)
        project = find_project(tmp_path)
        return project, declared.ask(project, environment)

    return ask


@pytest.mark.parametrize("more", VARIANTS, ids=["small", "standard", "ha", "lite", "storage", "registry"])
def test_every_resource_of_every_variant_and_size_would_be_found(graph, more):
    searched = {type_ for kind in kinds.KINDS for type_ in kind.types}
    _, found = graph(more)
    types = {resource.type for resource in found if not resource.type.startswith(NOT_ON_AWS)}
    assert types, "something was declared"
    assert types - searched - set(kinds.PARTS_OF) == set()


def test_what_goes_with_something_else_goes_with_something_that_is_searched_for():
    searched = {type_ for kind in kinds.KINDS for type_ in kind.types}
    assert set(kinds.PARTS_OF.values()) <= searched
    assert not searched & set(kinds.PARTS_OF)


@pytest.mark.parametrize(("name", "environment"), [("Flights", "prod"), LONG, ("A", "b")])
def test_names_are_what_the_searches_look_at(graph, name, environment):
    project, found = graph([], name, environment)
    where = scope.Scope(None, "", f"{project.spec.slug}-{environment}")
    names = [(r.type, str(r.inputs[NAMED[r.type]])) for r in found if r.type in NAMED]
    assert {type_ for type_, _ in names} == set(NAMED)
    assert [found for found in names if not where.may_own(found[1])] == []


def test_both_sides_agree_on_the_tag_and_on_names(configured):
    assert scope.ENVIRONMENT_TAG == ENVIRONMENT_TAG
    for project in ("flights", "late-arrivals-of-all-flights-from-new-yo"):
        account = Account(provider=None, settings=configured(project=project))
        assert state_store.bucket_name(project, account.id, account.region) == policies.state_bucket(account)
        assert state_store.alias_name(project) == policies.state_alias(account)


def test_the_cluster_is_looked_for_under_its_name(graph):
    project, found = graph([], *LONG)
    (cluster,) = [r.inputs["name"] for r in found if r.type == "aws:eks/cluster:Cluster"]
    assert cluster == leftovers.cluster_name(project.spec.slug, LONG[1])
