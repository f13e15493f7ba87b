"""The real AWS provider: what the program declares fits its schema, and comes, stays and goes as it says."""

import json
import os

import pytest
from tests.aws import account, environments, provider, schema, terraform_cli
from tests.infra.aws.conftest import ACCOUNT

VARIABLE = "SEEDBED_TEST_AWS"
pytestmark = pytest.mark.skipif(VARIABLE not in os.environ, reason="builds AWS's provider: `make test-aws` runs it")
# What Terraform says of every provider that was built here.
_OWN_BUILD = "Provider development overrides are in effect"
# What moto can't hold, and why: it is planned all the same, and nothing else is left out.
_NOT_IN_MOTO = {
    "aws_eks_": "moto forgets a cluster's settings",
    "aws_budgets_": "moto doesn't say who is told of a budget",
    "aws_s3_bucket_logging": "moto reads the log bucket's policy, and fails where a principal is everybody",
}


@pytest.fixture(scope="session")
def program():
    """The AWS provider, and Terraform on PATH."""
    if terraform_cli.find() is None:
        pytest.skip("terraform is not on PATH")
    if (found := provider.find()) is None:
        pytest.skip("the provider isn't built: python -m tests.aws.provider")
    return found


@pytest.fixture
def moto(monkeypatch):
    # Without this, it doesn't have the policies that AWS keeps for everybody, which the cluster's roles get.
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
    with account.running() as found:
        yield found


@pytest.fixture
def prepared(program, moto, tmp_path):
    """Terraform on a configuration, in the account on loopback."""

    def prepare(configuration):
        connected = {**configuration["provider"]["aws"], **moto.connection}
        whole = {**configuration, "provider": {"aws": connected}}
        tmp_path.joinpath("main.tf.json").write_text(json.dumps(whole, indent=1))
        return terraform_cli.Terraform(tmp_path, program, moto.variables)

    return prepare


@pytest.mark.parametrize("case", environments.CASES)
def test_the_provider_takes_and_plans_everything(record, configured, prepared, case):
    configuration = environments.configuration(record, configured, case)
    terraform = prepared(configuration.json)
    found = json.loads(terraform.run("validate", "-json", codes=(0, 1)))["diagnostics"]
    assert [diagnostic for diagnostic in found if diagnostic["summary"] != _OWN_BUILD] == []
    terraform.run("plan", "-out=plan", "-input=false", "-refresh=false")
    changes = json.loads(terraform.run("show", "-json", "plan"))["resource_changes"]
    assert {change["address"] for change in changes} == configuration.addresses
    assert {tuple(change["change"]["actions"]) for change in changes} == {("create",)}


@pytest.mark.parametrize("case", environments.CASES)
def test_it_is_made_stays_as_it_is_and_goes(record, configured, prepared, moto, case):
    configuration = environments.configuration(record, configured, case).without(tuple(_NOT_IN_MOTO))
    region = configuration.json["provider"]["aws"]["region"]
    before = moto.left(ACCOUNT, region)
    terraform = prepared(configuration.json)
    terraform.run("apply", "-auto-approve", "-input=false")
    assert moto.left(ACCOUNT, region) > before
    # moto doesn't keep the tags that a bucket is made with, only those that it is given later.
    buckets = {address for address in configuration.addresses if address.startswith("aws_s3_bucket.")}
    assert _changed(terraform) == {address: {"tags", "tags_all"} for address in buckets}
    terraform.run("apply", "-auto-approve", "-input=false")
    assert _changed(terraform) == {}
    terraform.run("destroy", "-auto-approve", "-input=false")
    assert moto.left(ACCOUNT, region) == before


def _changed(terraform):
    """What a further plan would change: address → names of attributes."""
    terraform.run("plan", "-out=plan", "-input=false")
    changes = json.loads(terraform.run("show", "-json", "plan"))["resource_changes"]
    found = {}
    for address, change in ((one["address"], one["change"]) for one in changes):
        if change["actions"] != ["no-op"]:
            now, then = change["before"] or {}, change["after"] or {}
            found[address] = {name for name in now.keys() | then.keys() if now.get(name) != then.get(name)}
    return found


def test_the_schema_in_the_file_is_the_providers(program):
    assert schema.FILE.read_text(encoding="utf-8") == schema.text(schema.ask(program), environments.tokens())
