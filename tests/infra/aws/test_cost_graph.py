"""The whole graph of each variant and size: nothing of it is without a price unless it is known to be free."""

import pytest
from tests.unit.test_render import answers

from seedbed import creation
from seedbed.environments.aws import cost
from seedbed.environments.project import find_project

SPEC = """
[project]
name = "Flights"
repository = "github.com/acme/flights"
repository_ids = "1/2"
[data]
source = "x"
target = "y"
[data.features]
x = "number"
[environments.prod]
target = "aws"
account = "123456789012"
region = "eu-west-1"
budget = 200
budget_email = "ml@example.com"
"""
CERTIFICATE = "certificate = 'arn:aws:acm:eu-west-1:123456789012:certificate/8f3b6c1e-1d2a-4c55-9d3e-0a1b2c3d4e5f'"


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    return creation.create(answers(), tmp_path_factory.mktemp("cost") / "out").destination


@pytest.mark.parametrize(
    ("more", "control_planes", "gateways"),
    [
        (["size = 'small'", "domain = 'ml.example.com'", CERTIFICATE], 1, 1),
        (["size = 'standard'", "private_endpoint = true"], 1, 1),
        (["size = 'ha'", "protect = true"], 1, 3),
        (["variant = 'lite'"], 0, 0),
        (["variant = 'storage'"], 0, 0),
        (["variant = 'registry'"], 0, 0),
    ],
    ids=["small", "standard", "ha", "lite", "storage", "registry"],
)
def test_of_every_variant_and_size_everything_has_a_price_or_is_known_to_be_free(
    generated, tmp_path, more, control_planes, gateways
):
    (tmp_path / "infra").symlink_to(generated / "infra")
    (tmp_path / "seedbed.toml").write_text(SPEC + "\n".join(more))
    found = cost.estimate(find_project(tmp_path), "prod")
    assert found.not_priced == {}
    counts = {line.price.name: line.count for line in found.lines}
    assert counts.get("EKS control plane", 0) == control_planes
    assert counts.get("NAT gateway", 0) == gateways
    assert counts.get("KMS key") == 1
    kinds = {price.name for price in found.by_use}
    assert ("S3 storage" in kinds) == ("variant = 'registry'" not in more)
    assert ("ECR storage" in kinds) == ("variant = 'storage'" not in more)
    assert (found.month < 5) == (not control_planes)
