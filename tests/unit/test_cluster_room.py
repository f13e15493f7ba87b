"""Whether pods fit on nodes, by hand-made nodes and pods."""

import pytest

from seedbed.environments.cluster import room
from seedbed.environments.cluster.demand import Workload

OURS = "flights.dev"


def node(name, cpu="4", memory="8Gi", *, ready="True", **spec):
    conditions = [{"type": "Ready", "status": ready}]
    status = {"allocatable": {"cpu": cpu, "memory": memory}, "conditions": conditions}
    return {"metadata": {"name": name}, "spec": spec, "status": status}


def container(cpu, memory, **more):
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}}, **more}


def pod(where, *containers, phase="Running", owner="", init=()):
    labels = {"seedbed/environment": owner} if owner else None
    spec = {"nodeName": where, "containers": list(containers), "initContainers": list(init)}
    return {"metadata": {"labels": labels}, "spec": spec, "status": {"phase": phase}}


def left(nodes, pods=()):
    return {
        name: (float(amount.cpu), float(amount.memory) / 2**30)
        for name, amount in room.free(nodes, pods, without=OURS).items()
    }


def test_what_runs_is_taken_off_and_what_has_ended_or_is_ours_is_not():
    pods = [
        pod("a", container("500m", "1Gi"), container("0.25", "512Mi")),
        pod("a", container("1", "1Gi"), phase="Succeeded"),
        pod("a", container("1", "1Gi"), owner=OURS),
        pod("a", container("1", "1Gi"), owner="other.dev"),
        pod(None, container("1", "1Gi"), phase="Pending"),
        {"metadata": {}, "spec": {"nodeName": "a", "containers": [{"name": "says nothing"}]}, "status": {}},
    ]
    assert left([node("a")], pods) == {"a": (2.25, 5.5)}


def test_an_init_container_counts_when_it_asks_for_more_and_a_sidecar_always():
    first = pod("a", container("1", "1Gi"), init=[container("2", "512Mi")])
    assert left([node("a")], [first]) == {"a": (2.0, 7.0)}
    sidecar = pod("a", container("1", "1Gi"), init=[container("2", "512Mi", restartPolicy="Always")])
    assert left([node("a")], [sidecar]) == {"a": (1.0, 6.5)}


@pytest.mark.parametrize(
    "unusable",
    [
        {"unschedulable": True},
        {"ready": "False"},
        {"ready": "Unknown"},
        {"taints": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]},
        {"taints": [{"key": "x", "effect": "NoExecute"}]},
    ],
)
def test_a_node_that_takes_no_pods_is_no_room(unusable):
    assert left([node("a"), node("b", **unusable)]) == {"a": (4.0, 8.0)}


def test_a_node_that_is_only_avoided_is_room():
    assert left([node("a", taints=[{"key": "x", "effect": "PreferNoSchedule"}])]) == {"a": (4.0, 8.0)}


def short(nodes, *workloads):
    return room.shortage(room.free(nodes, [], without=OURS), workloads)


def test_room_that_suffices_and_room_that_does_not():
    store = Workload("store", "1", "2Gi", "20Gi", 4)
    assert short([node("a")], store) == ""
    assert short([node("a", cpu="3")], store) == (
        "it needs 4.00 CPU and 8.0 GiB, and 1 usable nodes have 3.00 CPU and 8.0 GiB left"
    )
    assert "have 4.00 CPU and 7.0 GiB left" in short([node("a", memory="7Gi")], store)


def test_enough_in_all_and_no_node_for_one_pod():
    nodes = [node("a", memory="3Gi"), node("b", memory="3Gi")]
    assert short(nodes, Workload("tracking", "1", "4Gi", "", 1)) == (
        "a pod of tracking needs 1.00 CPU and 4.0 GiB, and no node has that left beside the others"
    )
    assert short(nodes, Workload("tracking", "1", "2Gi", "", 2)) == ""
    assert "a pod of tracking" in short(nodes, Workload("tracking", "1", "2Gi", "", 3))


def test_many_small_pods_need_no_node_of_their_own():
    nodes = [node("a", memory="3Gi"), node("b", memory="3Gi")]
    assert short(nodes, Workload("pipelines", "1", "4Gi", "", 1, spread=True)) == ""
