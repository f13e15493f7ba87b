"""A release by `kubectl set image` and the `up`s around it, with the engine and the provider on a real API server."""

import pytest
from pulumi.automation.errors import CommandError
from tests.e2e.cluster_project import kubectl

from seedbed.environments.cluster import connection, release

pytestmark = pytest.mark.engine
SPACE, SELECTOR = "released", {"seedbed/test": "release"}
# As the model service is declared: an image that is the releaser's, among what is ours.
PROGRAM = """
labels = {labels}
space = kubernetes.core.v1.Namespace("space", metadata={{"name": "{space}", "labels": labels}}, opts=options)
kubernetes.apps.v1.Deployment(
    "service",
    metadata={{"name": "service", "namespace": space.metadata["name"], "labels": labels,
        "annotations": {{"pulumi.com/skipAwait": "true"}}}},
    spec={{"selector": {{"match_labels": labels}}, "template": {{"metadata": {{"labels": labels}}, "spec": {{
        "containers": [{{"name": "service", "image": "docker.io/acme/flights:1",
            "env": [{{"name": "LOG_FILES", "value": "{value}"}}]}}]}}}}}},
    opts=pulumi.ResourceOptions(provider=provider, ignore_changes=["spec.template.spec.containers[0].image"]))
"""


def program(value):
    return PROGRAM.format(labels=SELECTOR, space=SPACE, value=value)


@pytest.fixture(scope="module")
def up(stack):
    stack.program(program(1)).up()
    return stack


@pytest.fixture
def deploy(cluster):
    if cluster.kubectl is None:
        pytest.skip("there is no kubectl")

    def run(tag):
        kubectl(cluster, "set", "image", "deployment/service", f"service=docker.io/acme/flights:{tag}", "-n", SPACE)

    return run


def container(cluster):
    (found,) = cluster.api.get("apps/v1", "Deployment", "service", SPACE)["spec"]["template"]["spec"]["containers"]
    return found["image"].rpartition(":")[2], found["env"][0]["value"]


@pytest.fixture
def found(cluster, monkeypatch):
    """What is found of a release, by the state as it is now."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))

    def find(stack):
        recorded = stack.stack.export_stack().deployment["resources"]
        return release.find(connection.connect(cluster.context), recorded)

    return find


def test_without_a_release_there_is_nothing_to_record(up, found):
    assert found(up) is None


def test_an_up_that_changes_nothing_leaves_a_release_alone(up, cluster, deploy):
    deploy(2)
    assert up.up().changes.keys() == {"same"}
    assert container(cluster) == ("2", "1")


def test_a_change_that_knows_nothing_of_the_release_is_refused_and_takes_nothing_back(up, cluster):
    with pytest.raises(CommandError, match="kubectl-set"):
        up.program(program(2)).up()
    assert container(cluster) == ("2", "1")


def test_once_the_state_knows_it_the_change_is_made_and_the_release_stays(up, cluster, found, deploy):
    told = found(up)
    assert told.image == "docker.io/acme/flights:2"
    up.refresh(target=[told.urn])
    assert found(up) is None
    assert up.up().operations["service"] == "update"
    assert container(cluster) == ("2", "2")
    deploy(3)
    assert container(cluster) == ("3", "2")
    assert up.up().changes.keys() == {"same"}


def test_a_refresh_of_everything_does_it_too(up, cluster, found):
    assert found(up).image == "docker.io/acme/flights:3"
    up.program(program(3)).up(refresh=True)
    assert container(cluster) == ("3", "3")
    assert found(up) is None


def test_a_service_that_is_gone_was_not_released(up, cluster, found):
    cluster.api.delete(cluster.api.path("apps/v1", "Deployment", "service", SPACE))
    assert found(up) is None
