"""The engine with the provider plugin on a real API server: what seedbed's program relies on.

The tests are the life of one small environment, in their order: an engine's start costs more than what it does.
"""

import base64
from pathlib import Path

import pytest
import yaml
from pulumi.automation.errors import CommandError

pytestmark = pytest.mark.engine
SECRET = "hunter2-of-the-test"

PROGRAM = """
labels = {{"seedbed/test": "standin"}}
space = kubernetes.core.v1.Namespace("space", metadata={{"name": "standin", "labels": labels}}, opts=options)
kubernetes.core.v1.Secret(
    "keys", metadata={{"name": "keys", "namespace": space.metadata["name"], "labels": labels}},
    string_data={{"password": pulumi.Output.secret({secret!r})}}, opts=options)
kubernetes.apps.v1.Deployment(
    "app", metadata={{"name": "app", "namespace": space.metadata["name"], "labels": labels}},
    opts=pulumi.ResourceOptions(provider=provider{more}), spec={{"replicas": {replicas}, "selector": {{"match_labels": {{"app": {app!r}}}}}, "template": {{
        "metadata": {{"labels": {{"app": {app!r}}}}},
        "spec": {{"termination_grace_period_seconds": 1, "containers": [{{"name": "app", "image": "docker.io/library/app:1",
            "resources": {{"requests": {{"memory": "1024Mi", "cpu": "{cpu}"}}}}}}]}}}}}})
kubernetes.core.v1.Service(
    "front", metadata={{"name": "front", "namespace": space.metadata["name"], "labels": labels}}, opts=options,
    spec={{"selector": {{"app": {app!r}}}, "ports": [{{"port": 80, "target_port": 8080}}]}})
"""


STUCK = """
kubernetes.core.v1.ConfigMap(
    "stuck", metadata={"name": "stuck", "namespace": "default", "labels": labels, "finalizers": ["example.com/nobody"]},
    opts=pulumi.ResourceOptions(provider=provider, custom_timeouts={"delete": "3s"}))
"""


def program(replicas=1, app="app", cpu="0.1", more=""):
    return PROGRAM.format(replicas=replicas, app=app, cpu=cpu, more=more, secret=SECRET)


def changed(run):
    return {name: operation for name, operation in run.operations.items() if name not in {"cluster", "standin-test"}}


@pytest.fixture(scope="module")
def up(stack):
    """The small environment, up."""
    stack.program(program())
    assert stack.preview().changes["create"] == 6
    assert stack.up().changes["create"] == 6
    return stack


def live(cluster):
    return cluster.api.get("apps/v1", "Deployment", "app", "standin")


def test_up_waits_until_all_is_ready_and_changes_nothing_the_second_time(up, cluster):
    assert live(cluster)["status"]["availableReplicas"] == 1
    assert up.up().changes == {"same": 6}


def test_no_secret_is_in_the_state(up):
    state = up.state()
    assert '"keys"' in state
    assert SECRET not in state
    assert base64.b64encode(SECRET.encode()).decode() not in state


def test_one_changed_setting_changes_one_object(up, cluster):
    assert changed(up.program(program(replicas=2)).up()) == {"app": "update"}
    assert live(cluster)["status"]["availableReplicas"] == 2


def test_an_immutable_field_makes_a_new_object(up, cluster):
    before = live(cluster)["metadata"]["uid"]
    assert up.program(program(app="other")).up().changes == {"same": 4, "replace": 1, "update": 1}
    assert live(cluster)["metadata"]["uid"] != before


def test_what_was_deleted_by_hand_shows_in_a_refresh_and_comes_back(up, cluster):
    api = cluster.api
    api.delete(api.path("v1", "Service", "front", "standin"))
    assert up.refresh().changes == {"same": 5, "delete": 1}
    assert changed(up.up()) == {"front": "create"}
    assert api.get("v1", "Service", "front", "standin")
    assert up.refresh().changes == {"same": 6}


def test_what_was_changed_by_hand_shows_and_is_not_undone_without_a_word(up, cluster):
    scale(cluster, 3)
    assert up.refresh().changes == {"same": 5, "update": 1}
    with pytest.raises(CommandError, match="(?i)conflict"):
        up.up()
    assert live(cluster)["spec"]["replicas"] == 3
    # Whoever agrees with the change says so in the program.
    assert changed(up.program(program(replicas=3, app="other")).up()) == {}


def scale(cluster, replicas):
    path = cluster.api.path("apps/v1", "Deployment", "app", "standin")
    patch = {"spec": {"replicas": replicas}}
    cluster.api.request("PATCH", path, patch, content_type="application/merge-patch+json")


def test_what_never_gets_ready_is_an_error_after_its_time_and_is_not_forgotten(up, cluster):
    text = program(replicas=3, app="other", cpu="64", more=', custom_timeouts={"update": "3s"}')
    with pytest.raises(CommandError, match="(?i)app.*become live"):
        up.program(text).up()
    assert live(cluster)["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "64"
    assert changed(up.program(program(replicas=3, app="other")).up()) == {"app": "update"}


def test_a_cluster_that_is_not_reached_is_an_error_and_keeps_the_state(up, tmp_path):
    variables = up.stack.workspace.env_vars
    reached = variables["KUBECONFIG"]
    content = yaml.safe_load(Path(reached).read_text())
    content["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    away = tmp_path / "away"
    away.write_text(yaml.safe_dump(content))
    variables["KUBECONFIG"] = str(away)
    try:
        for command in (up.refresh, up.destroy):
            with pytest.raises(CommandError, match="unreachable"):
                command()
    finally:
        variables["KUBECONFIG"] = reached
    assert up.refresh().changes == {"same": 6}


def test_a_finalizer_whose_controller_is_gone_is_waited_for_with_an_end(up, cluster):
    up.program(program(replicas=3, app="other") + STUCK).up()
    try:
        with pytest.raises(CommandError, match="stuck"):
            up.destroy()
        assert '"stuck"' in up.state()
    finally:
        path = cluster.api.path("v1", "ConfigMap", "stuck", "default")
        patch = {"metadata": {"finalizers": None}}
        cluster.api.request("PATCH", path, patch, content_type="application/merge-patch+json")


def test_down_leaves_nothing(up, cluster):
    up.destroy()
    assert cluster.api.everything("seedbed/test=standin") == set()
