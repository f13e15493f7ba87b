"""The release of an image by a generated project's own program, with CI's account, on a real API server."""

import subprocess
import sys

import pytest
import yaml
from tests.cluster.api import wait
from tests.cluster.test_ci_account import SERVING, ci, deployment  # noqa: F401 - a fixture
from tests.unit.test_render import answers

from seedbed import creation

SECONDS = 60
DEADLINE = 20  # seconds that the cluster waits for pods
IMAGES = tuple(f"docker.io/acme/flights@sha256:{digit * 64}" for digit in "123")
QUOTA = {
    "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full", "namespace": SERVING},
    "spec": {"hard": {"pods": "1"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project") / "out"
    return creation.create(answers(choices__ci="github"), folder).destination / "ci/deploy.py"


@pytest.fixture
def api(ci):  # noqa: F811 - the fixture
    return ci.api


@pytest.fixture
def running(api):
    """The service as the environment leaves it: its Deployment, ready, with the image of the settings."""
    manifest = deployment("docker.io/acme/flights:1")
    manifest["spec"] |= {
        "progressDeadlineSeconds": DEADLINE,
        "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
    }
    api.apply(manifest, force=True)
    wait(lambda: ready(api), SECONDS)


@pytest.fixture
def release(program, tmp_path, api):
    """Run the program with CI's kubeconfig, or with another namespace in it; gives the completed process."""

    def run(image, **changes):
        content = yaml.safe_load((tmp_path / "ci.yaml").read_text())
        content["contexts"][0]["context"] |= changes
        return subprocess.run(
            [sys.executable, program, image], env={"KUBECONFIG_CONTENT": yaml.safe_dump(content)},
            capture_output=True, text=True, timeout=4 * SECONDS, check=False,
        )  # fmt: skip

    return run


def service(api):
    return api.get("apps/v1", "Deployment", "service", SERVING)


def image_of(api):
    return service(api)["spec"]["template"]["spec"]["containers"][0]["image"]


def ready(api):
    found = service(api)
    status = found["status"]
    return status.get("observedGeneration") == found["metadata"]["generation"] and status.get("readyReplicas") == 1


def images_that_run(api):
    pods = api.list("v1", "Pod", SERVING, "app.kubernetes.io/component=service")
    return {pod["spec"]["containers"][0]["image"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}


@pytest.mark.usefixtures("running")
def test_an_image_is_released_and_one_that_never_gets_ready_is_put_back(api, release):
    done = release(IMAGES[0])
    assert done.returncode == 0, done.stderr
    assert "1 of 1 pods have the image, 1 are ready" in done.stdout
    assert images_that_run(api) == {IMAGES[0]}

    api.apply(QUOTA)
    wait(lambda: api.get("v1", "ResourceQuota", "full", SERVING).get("status", {}).get("used"), SECONDS)
    failed = release(IMAGES[1])
    assert failed.returncode == 1
    assert "no pod can be made" in failed.stderr
    assert "exceeded quota: full" in failed.stderr
    assert f"{IMAGES[0]} is put back" in failed.stderr
    assert image_of(api) == IMAGES[0]
    assert images_that_run(api) == {IMAGES[0]}, "what ran has run on"

    # The same again, with room: that the cluster gave up on it before doesn't count.
    api.delete(api.path_of(QUOTA), seconds=SECONDS)
    again = release(IMAGES[1])
    assert again.returncode == 0, again.stderr
    assert images_that_run(api) == {IMAGES[1]}


@pytest.mark.usefixtures("running")
def test_the_change_is_cis_own_and_is_the_image_and_nothing_else(api, release):
    before = service(api)
    assert release(IMAGES[2]).returncode == 0
    after = service(api)
    (own,) = [fields for fields in after["metadata"]["managedFields"] if fields["manager"] == "ci"]
    assert own["operation"] == "Update"
    assert image_of(api) == IMAGES[2]
    before["spec"]["template"]["spec"]["containers"][0]["image"] = IMAGES[2]
    assert after["spec"] == before["spec"]


def test_without_a_service_and_elsewhere_it_changes_nothing_and_says_why(api, release):
    elsewhere = release(IMAGES[0], namespace="flights-prod")
    assert elsewhere.returncode == 1
    assert "forbidden" in elsewhere.stderr
    api.delete(api.path_of(deployment("")), seconds=SECONDS)
    missing = release(IMAGES[0])
    assert missing.returncode == 1
    assert "set service_image" in missing.stderr
    assert service(api) is None
