"""What `status` says of workloads that don't work."""

import pytest

from seedbed.environments.cluster import workloads

DEPLOYMENTS, JOBS, PODS = "/apis/apps/v1/deployments", "/apis/batch/v1/jobs", "/api/v1/pods"


class Server:
    def __init__(self, **answers):
        self.answers = answers

    def items(self, path, *, selector):
        assert selector == "seedbed/environment=flights.dev"
        return iter(self.answers.get(path, ()))


def look(*recorded, **answers):
    return workloads.look(Server(**answers), "flights.dev", recorded)


def deployment(ready=0, *, generation=1, seen=1, conditions=()):
    return {
        "metadata": {"name": "web", "namespace": "n", "generation": generation},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}},
        "status": {"readyReplicas": ready, "observedGeneration": seen, "conditions": list(conditions)},
    }


def pod(**status):
    return {"metadata": {"name": "web-1", "namespace": "n", "labels": {"app": "web", "x": "y"}}, "status": status}


def waiting(reason, message=""):
    return [{"state": {"waiting": {"reason": reason, **({"message": message} if message else {})}}}]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (
            {"containerStatuses": waiting("ImagePullBackOff", "401 from registry")},
            "pod web-1: ImagePullBackOff: 401 from registry",
        ),
        ({"initContainerStatuses": waiting("CrashLoopBackOff")}, "pod web-1: CrashLoopBackOff"),
        ({"containerStatuses": waiting("ContainerCreating")}, "its pods are not ready yet"),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient memory"}]},
            "pod web-1 has no node: 0/1 nodes: Insufficient memory",
        ),
        ({"phase": "Failed", "reason": "Evicted"}, "pod web-1 failed: Evicted"),
    ],
)
def test_the_pods_own_words_are_the_reason(status, reason):
    (found,) = look(**{DEPLOYMENTS: [deployment()], PODS: [pod(**status)]})
    assert not found.healthy
    assert found.reason == reason


def test_an_update_that_was_not_seen_yet_is_not_ready():
    (found,) = look(**{DEPLOYMENTS: [deployment(1, generation=2, seen=1)]})
    assert not found.healthy
    (found,) = look(**{DEPLOYMENTS: [deployment(1, generation=2, seen=2)]})
    assert found.healthy


def test_a_job_that_failed_and_one_of_a_schedule():
    failed = {"type": "Failed", "status": "True", "message": "Job has reached the specified backoff limit"}
    job = {"metadata": {"name": "setup", "namespace": "n"}, "spec": {}, "status": {"conditions": [failed]}}
    (found,) = look(**{JOBS: [job]})
    assert (found.healthy, found.reason) == (False, "Job has reached the specified backoff limit")
    job["metadata"]["ownerReferences"] = [{"kind": "CronJob"}]
    assert look(**{JOBS: [job]}) == []
    done = {"metadata": {"name": "setup", "namespace": "n"}, "spec": {"completions": 1}, "status": {"succeeded": 1}}
    (found,) = look(**{JOBS: [done]})
    assert found.healthy


def test_what_the_state_records_and_the_cluster_lacks():
    found = look(("Deployment", "n", "web"), ("StatefulSet", "n", "store"), **{DEPLOYMENTS: [deployment(1)]})
    assert [(w.kind, w.healthy, w.reason) for w in found] == [
        ("Deployment", True, ""),
        ("StatefulSet", False, "is gone from the cluster"),
    ]
