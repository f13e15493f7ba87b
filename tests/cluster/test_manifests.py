"""Whole environments on a real API server: everything is admitted, without a warning, gets ready, and goes again.

Each case's tests are its life, in their order. Nothing is mocked but the values that dynamic resources would draw.
"""

import copy
from dataclasses import dataclass

import pytest
from tests.cluster import platform
from tests.cluster.api import ApiError, wait
from tests.cluster.standin import readiness

MANAGER = "seedbed-test"
SECONDS = 120
WORKLOADS = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "Job"))


@dataclass
class Applied:
    """An environment on the cluster."""

    api: object
    objects: list
    label: str

    @property
    def namespaces(self):
        return [o["metadata"]["name"] for o in self.objects if o["kind"] == "Namespace"]

    def live(self, api_version, kind):
        return [o for space in self.namespaces for o in self.api.list(api_version, kind, space)]

    def wait_until_ready(self, objects):
        for manifest in objects:
            said = []

            def ready(manifest=manifest, said=said):
                found = self.api.get_path(self.api.path_of(manifest))
                said[:] = [readiness.missing(self.api, found)]
                return not said[0]

            try:
                wait(ready, SECONDS)
            except TimeoutError:
                pytest.fail(f"{manifest['kind']} {manifest['metadata']['name']}: {said[0]}")

    def refused(self):
        """What controllers were refused: pods above a quota, or against the Pod Security Standard.

        Two that are counted at the same moment are none: the controller that came second tries again.
        """
        found = [e["message"] for e in self.live("v1", "Event") if e["reason"] == "FailedCreate"]
        return [message for message in found if "the object has been modified" not in message]


@pytest.fixture(scope="module")
def environments():
    return {}


@pytest.fixture(params=platform.CASES)
def applied(request, environments, cluster, record, configured):
    """The case's environment, applied by whichever of its tests comes first."""
    case = request.param
    if case not in environments:
        objects = platform.declared(record, configured, case).objects
        api = cluster.api
        for manifest in objects:
            api.apply(manifest, manager=MANAGER)
        label = f"seedbed/environment={platform.CASES[case]['project']}.prod"
        environments[case] = Applied(api, objects, label)
    return environments[case]


def test_everything_is_admitted_without_a_warning(applied):
    assert applied.namespaces
    assert applied.api.warnings == []


def test_everything_gets_ready_and_no_pod_is_refused(applied):
    applied.wait_until_ready(applied.objects)
    assert applied.refused() == []


def test_each_scheduled_job_runs_when_its_time_comes(applied):
    for schedule in [o for o in applied.objects if o["kind"] == "CronJob"]:
        metadata = {**schedule["metadata"], "name": f"{schedule['metadata']['name']}-now"}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata}
        job["spec"] = copy.deepcopy(schedule["spec"]["jobTemplate"]["spec"])
        applied.api.apply(job, manager=MANAGER)
        applied.wait_until_ready([job])
    assert applied.refused() == []


def test_the_quota_leaves_room_for_a_rolling_update_of_everything(applied):
    rolled = [o for o in applied.objects if o["kind"] in {"Deployment", "StatefulSet", "DaemonSet"}]
    change = {"spec": {"template": {"metadata": {"annotations": {"rolled": "once"}}}}}
    for manifest in rolled:
        path = applied.api.path_of(manifest)
        applied.api.request("PATCH", path, change, content_type="application/merge-patch+json")
    applied.wait_until_ready(rolled)
    assert applied.refused() == []


def test_the_same_manifests_again_change_nothing(applied):
    declared = [o for o in applied.objects if o["kind"] not in {"Deployment", "StatefulSet", "DaemonSet"}]
    for manifest in declared:
        before = applied.api.get_path(applied.api.path_of(manifest))
        after = applied.api.apply(manifest, manager=MANAGER, dry_run=True)
        assert after.get("spec") == before.get("spec"), manifest
        assert after.get("data") == before.get("data"), manifest


def test_pods_that_do_not_meet_the_standard_are_refused(applied):
    container = {"name": "shell", "image": "docker.io/library/busybox:1", "resources": {"limits": {"memory": "64Mi"}}}
    for space in applied.namespaces:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shell", "namespace": space}}
        with pytest.raises(ApiError, match="PodSecurity") as refusal:
            applied.api.apply({**pod, "spec": {"containers": [container]}}, dry_run=True)
        assert refusal.value.status == 403


def test_no_pod_has_a_token_that_it_does_not_need(applied):
    holders = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]
        for pod in applied.live("v1", "Pod")
        if any("serviceAccountToken" in source for v in pod["spec"].get("volumes", ()) for source in projected(v))
    }
    assert holders <= {"prometheus"}


def projected(volume):
    return volume.get("projected", {}).get("sources", ())


def test_all_that_controllers_made_of_it_carries_its_label(applied):
    key, value = applied.label.split("=")
    made = [
        o
        for version, kind in (("v1", "Pod"), ("v1", "PersistentVolumeClaim"), *WORKLOADS, ("apps/v1", "ReplicaSet"))
        for o in applied.live(version, kind)
    ]
    assert bool(made) == any((o["apiVersion"], o["kind"]) in WORKLOADS for o in applied.objects)
    assert [o["metadata"]["name"] for o in made if o["metadata"].get("labels", {}).get(key) != value] == []
    own = {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in applied.objects}
    assert own - applied.api.everything(applied.label) == set()


def test_what_is_deleted_leaves_nothing(applied):
    api = applied.api
    for manifest in reversed(applied.objects):
        if manifest["kind"] != "Namespace":
            api.delete(api.path_of(manifest), seconds=SECONDS)
    for space in applied.namespaces:
        api.delete(api.path("v1", "Namespace", space), seconds=SECONDS)
    assert api.everything(applied.label) == set()
    claimed = {volume["spec"]["claimRef"]["namespace"] for volume in api.list("v1", "PersistentVolume")}
    assert not claimed & set(applied.namespaces)
