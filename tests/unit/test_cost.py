"""What an environment costs: the arithmetic by hand-made graphs, and the command on a project's own infra/."""

import importlib.util
import json
import os
import pathlib
from decimal import Decimal

import pytest
from click.testing import CliRunner
from tests.unit.test_render import answers

from seedbed import creation
from seedbed.cli import preview, up
from seedbed.environments import operations
from seedbed.environments.aws import billing, cost, prices
from seedbed.environments.aws.declared import Declared
from seedbed.environments.operations import Outcome

SPEC = """
[project]
name = "Flights"
[data]
source = "x"
target = "y"
[data.features]
x = "number"
[environments.dev]
[environments.demo]
target = "kubernetes"
context = "kind-kind"
[environments.prod]
target = "aws"
account = "123456789012"
region = "us-east-1"
"""
# A process that reaches for the network says so; both the command and the one that it starts read this first.
NO_NETWORK = """
import os, socket
def refuse(self, address):
    if self.family != socket.AF_UNIX:
        open(os.environ["REACHED_OUT"], "a").write(repr(address))
        raise OSError("no network")
socket.socket.connect = socket.socket.connect_ex = refuse
"""


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    return creation.create(answers(), tmp_path_factory.mktemp("cost") / "out").destination


@pytest.fixture
def project(tmp_path, generated):
    """A spec beside the infra/ of a whole project, whose monitoring that reads."""

    def make(*more):
        root = tmp_path / "project"
        root.mkdir(exist_ok=True)
        if not (root / "infra").exists():
            (root / "infra").symlink_to(generated / "infra")
        (root / "seedbed.toml").write_text(SPEC + "\n".join(more))
        return root

    return make


def declared(type_, name="x", **inputs):
    return Declared(type_, name, inputs)


def ingress(name):
    return declared("kubernetes:networking.k8s.io/v1:Ingress", name)


def subnets(count, **tags):
    return [declared("aws:ec2/subnet:Subnet", str(n), tags=tags) for n in range(count)]


PUBLIC = subnets(3, **{"kubernetes.io/role/elb": "1"})
PARAMETERS = "kubernetes:eks.amazonaws.com/v1:IngressClassParams"


@pytest.mark.parametrize(
    ("resources", "kept"),
    [
        ([declared("aws:ec2/natGateway:NatGateway", n) for n in "abc"], {"nat-gateway": 3}),
        ([declared("aws:ec2/vpcEndpoint:VpcEndpoint", serviceName="s3")], {}),
        ([ingress("a"), ingress("b"), *PUBLIC, declared(PARAMETERS, spec={})], {"application-load-balancer": 2}),
        (
            [ingress("a"), ingress("b"), *PUBLIC, declared(PARAMETERS, spec={"scheme": "internet-facing"})],
            {"application-load-balancer": 2, "public-ipv4": 6},
        ),
        (
            [
                ingress("a"), ingress("b"), *PUBLIC, *subnets(3, **{"kubernetes.io/role/internal-elb": "1"}),
                declared(PARAMETERS, spec={"scheme": "internet-facing", "group": {"name": "all"}}),
            ],
            {"application-load-balancer": 1, "public-ipv4": 3},
        ),
        ([declared(PARAMETERS, spec={"scheme": "internet-facing"}), *PUBLIC], {}),
        ([declared("aws:iam/role:Role"), declared("kubernetes:core/v1:Service", spec={"type": "ClusterIP"})], {}),
        ([declared("aws:eks/addon:Addon", addonName="metrics-server")], {}),
    ],
)  # fmt: skip
def test_what_is_paid_for_all_the_time(resources, kept):
    found = billing.billed(resources)
    assert dict(found.kept) == kept
    assert not found.unknown


def test_what_is_paid_for_by_its_use():
    found = billing.billed([declared("aws:s3/bucket:Bucket"), declared("aws:cloudwatch/logGroup:LogGroup")])
    assert set(found.used) == {"s3-storage", "logs-taken-in", "logs-kept"}
    assert not found.kept


def test_what_nothing_is_known_of_is_named_with_what_makes_it_special():
    found = billing.billed(
        [
            declared("aws:rds/instance:Instance", "a"), declared("aws:rds/instance:Instance", "b"),
            declared("aws:ec2/vpcEndpoint:VpcEndpoint", vpcEndpointType="Interface"),
            declared("kubernetes:core/v1:Service", spec={"type": "LoadBalancer"}), ingress("a"),
            declared("aws:eks/addon:Addon", addonName="aws-guardduty-agent"),
        ]
    )  # fmt: skip
    assert found.unknown == {
        "aws:rds/instance:Instance": 2, "aws:ec2/vpcEndpoint:VpcEndpoint (Interface)": 1,
        "kubernetes:core/v1:Service (LoadBalancer)": 1, "aws:eks/addon:Addon (aws-guardduty-agent)": 1,
        "kubernetes:networking.k8s.io/v1:Ingress (of another class)": 1,
    }  # fmt: skip
    assert not found.kept


@pytest.mark.parametrize("token", sorted({*billing.KEPT, *billing.USED, *billing.FREE}))
def test_what_a_price_or_none_is_known_of_is_a_type_that_there_is(token):
    package = importlib.util.find_spec("pulumi_aws").submodule_search_locations[0]
    module, _, name = token.removeprefix("aws:").partition(":")
    source = pathlib.Path(package, module.split("/")[0], "__init__.py").parent.glob("*.py")
    assert any(f"'{token}'" in path.read_text() for path in source if path.stem.replace("_", "") == name.lower()), token


@pytest.mark.parametrize(("values", "replicas"), [({}, 2), ({"configurationValues": '{"replicas": 1}'}, 1)])
def test_an_add_on_costs_the_room_of_its_pods(values, replicas):
    (pods,) = billing.addon_pods([declared("aws:eks/addon:Addon", addonName="metrics-server", **values)])
    assert (pods.name, pods.replicas) == ("metrics-server", replicas)


def test_a_month_has_730_hours_and_sums_are_exact():
    table = prices.table()
    kept = {"eks-cluster": 1, "nat-gateway": 3, "public-ipv4": 3, "kms-key": 2}
    lines = tuple(cost.Line(table.prices[key], Decimal(count)) for key, count in kept.items())
    assert [line.month for line in lines] == [Decimal(text) for text in ("73.00", "98.55", "10.95", "2.00")]
    estimate = cost.Estimate(
        environment="prod", region="eu-west-1", prices_of="us-east-1", gathered="", lines=lines, by_use=(),
        not_priced={}, assumed=(), not_counted=(), budget=Decimal(0),
    )  # fmt: skip
    assert estimate.month == Decimal("184.50")
    assert estimate.of(Decimal(365)) == Decimal("92.25")
    assert round(estimate.hour, 12) == round(Decimal("184.50") / 730, 12)


@pytest.mark.parametrize(("budget", "warned"), [("0", False), ("73", False), ("72.99", True)])
def test_more_than_the_budget_is_said_with_both_figures(budget, warned):
    estimate = cost.Estimate(
        environment="prod", region="eu-west-1", prices_of="us-east-1", gathered="",
        lines=(cost.Line(prices.table().prices["eks-cluster"], Decimal(1)),), by_use=(), not_priced={}, assumed=(),
        not_counted=(), budget=Decimal(budget),
    )  # fmt: skip
    expected = "Environment 'prod' would cost about $73.00 a month, and its budget is $72.99"
    assert estimate.excess == (expected if warned else "")


def test_every_price_has_a_date_and_a_source_and_belongs_to_something():
    table = prices.table()
    dated = [
        *((price.as_of, price.source) for price in table.prices.values()),
        (table.machines_as_of, table.machines_source), (table.auto_mode_as_of, table.auto_mode_source),
    ]  # fmt: skip
    for as_of, source in dated:
        assert "2024" <= as_of[:4] <= table.gathered[:4]
        assert len(source) > 10
    known = {*billing.KEPT.values(), *(key for keys in billing.USED.values() for key in keys)}
    known |= {"application-load-balancer", "volume", "node-volume", "nat-data"}
    assert known == set(table.prices)


def test_on_this_machine_it_costs_nothing_and_nobody_is_asked(seedbed, project):
    root = project()
    assert "costs nothing" in seedbed("cost", "dev", cwd=root).out
    assert seedbed("cost", "dev", "--json", cwd=root).json["month"] == 0


def test_on_somebody_elses_cluster_only_the_demand_is_known(seedbed, project):
    root = project()
    shown = seedbed("cost", "demo", cwd=root)
    assert shown.code == 0
    assert "seedbed doesn't know its prices" in shown.out
    data = seedbed("cost", "demo", "--json", cwd=root).json
    assert data["month"] is None
    assert data["demand"]["cpu"] > 0.5
    assert data["demand"]["storage_gib"] == 20 + 10 + 2 + 5 + 1 + 10 + 5


def test_the_command_needs_no_network_and_its_lines_add_up(seedbed, project, tmp_path):
    reached = tmp_path / "reached"
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    environment = {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH")))),
        "REACHED_OUT": str(reached),
    }
    result = seedbed("cost", "prod", "--json", "--hours", "8", cwd=project(), env=environment)
    assert result.code == 0, result.err
    assert not reached.exists(), reached.read_text()
    data = result.json
    assert data["month"] == pytest.approx(sum(line["month"] for line in data["lines"]), abs=1e-4)
    assert data["month"] == pytest.approx(data["hour"] * 730, abs=1e-2)
    assert data["total"] == pytest.approx(data["hour"] * 8, abs=1e-4)
    assert all(line["source"] and line["as_of"] for line in data["lines"])
    assert any("serv" in text for text in data["assumed"]), "a service that isn't there yet is no part of the sum"


def test_the_table_shows_the_same_figures_and_sources_on_demand(seedbed, project):
    root = project("budget = 1", "budget_email = 'a@example.com'")
    data = seedbed("cost", "prod", "--json", cwd=root).json
    shown = seedbed("cost", "prod", "--hours", "8", "-v", cwd=root)
    assert f"about ${data['month']:,.2f} a month" in shown.out
    total = next(line.split() for line in shown.out.splitlines() if line.strip().startswith("Total"))
    assert total[1:] == [f"{data['hour']:,.4f}", f"{data['month']:,.2f}", f"{data['hour'] * 8:,.2f}"]
    for line in data["lines"]:
        assert line["source"] in shown.out
    assert "Not counted:" in shown.out
    assert "its budget is $1.00" in shown.err
    assert "TagKey=seedbed:environment,Status=Active" in shown.out


def test_an_infra_that_does_not_know_the_question_is_named(seedbed, project):
    root = project()
    (root / "infra").unlink()
    (root / "infra" / "mlops_platform").mkdir(parents=True)
    result = seedbed("cost", "prod", cwd=root)
    assert result.code == 7
    assert "can't say what environment 'prod' consists of" in result.err


def test_a_value_that_infra_refuses_is_a_mistake_in_the_spec(seedbed, project):
    result = seedbed("cost", "prod", cwd=project("api_networks = '10.0.0.300/8'"))
    assert result.code == 3
    assert "apiNetworks" in result.err


@pytest.fixture
def shown_with(monkeypatch, project):
    """Run `up` or `preview` with an engine that does nothing, and give the result and what it said meanwhile."""

    def run(command, verb, *arguments, more=()):
        outcome = Outcome(arguments[0], {"create": 2}, 0, 1.0, {}, ["from the engine"])

        def operate(found, env, progress, **_options):
            progress.say("the engine works")
            return outcome

        monkeypatch.setattr(operations, verb, operate)
        return CliRunner().invoke(command, [*arguments, "--project", str(project(*more))])

    return run


def test_up_says_what_it_costs_before_it_starts(shown_with):
    result = shown_with(up.command, "up", "prod", more=("budget = 1", "budget_email = 'a@example.com'"))
    said = result.stderr
    assert said.index("Cost: about $") < said.index("its budget is $1.00") < said.index("the engine works")
    assert "`seedbed cost prod`" in said


def test_preview_says_what_it_would_cost(shown_with):
    result = shown_with(preview.command, "preview", "prod")
    assert result.stdout.index("would change") < result.stdout.index("Cost: about $")
    assert "budget" not in result.output


@pytest.mark.parametrize(("command", "verb"), [(up.command, "up"), (preview.command, "preview")])
def test_both_give_the_figures_as_data(shown_with, command, verb):
    result = shown_with(command, verb, "prod", "--json", more=("budget = 1", "budget_email = 'a@example.com'"))
    data = json.loads(result.stdout)
    assert data["cost"]["month"] > 50
    assert data["cost"]["budget"] == 1
    assert "its budget is $1.00" in data["warnings"][0]
    assert data["warnings"][1] == "from the engine"


@pytest.mark.parametrize("env", ["dev", "demo"])
def test_elsewhere_nothing_is_asked_and_nothing_said(shown_with, monkeypatch, env):
    monkeypatch.setattr(cost, "estimate", None)
    result = shown_with(up.command, "up", env)
    assert result.exit_code == 0, result.exception
    assert "ost" not in result.stderr
    assert "cost" not in json.loads(shown_with(up.command, "up", env, "--json").stdout)


def test_up_goes_on_where_the_cost_is_not_known(shown_with, project):
    root = project()
    (root / "infra").unlink()
    (root / "infra" / "mlops_platform").mkdir(parents=True)
    result = shown_with(up.command, "up", "prod")
    assert result.exit_code == 0
    assert "what it costs is not known" in result.stderr
