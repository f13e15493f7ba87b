"""Whether an account may give the environment's own accounts their rights: what is found beforehand, and what happens."""

import pytest
from tests.cluster.api import Api, ApiError
from tests.e2e.cluster_project import account, kubeconfig, remove_account

from mlops_platform.components.kubernetes import rights as declared
from mlops_platform.demand import demand as ask
from seedbed.environments.cluster import connection, rights
from seedbed.environments.cluster.demand import Demand, Grant, Right, Workload

NAME, NAMESPACE = "maker", "granting-prod"
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture
def wanted(configured):
    """What an environment asks of a cluster, as the check before `up` hears of it."""

    def make(**values):
        chosen = configured(project="granting", **{"pipelines": "none", **values})
        said = ask(chosen) | {"grants": declared.granted(chosen)}
        for key, kind in (("workloads", Workload), ("rights", Right), ("grants", Grant)):
            said[key] = [kind(**one) for one in said[key]]
        return Demand(**said)

    return make


@pytest.fixture
def as_account(cluster, tmp_path, monkeypatch):
    """An account that may make what `up` makes, and has these rules besides: its connection, and its own view."""

    def make(demand, *rules):
        making = [
            {"apiGroups": [right.group], "resources": [right.resource], "verbs": ["create", "patch", "delete", "get"]}
            for right in demand.rights
        ]
        token = account(cluster, "default", NAME, [*making, *rules])
        path = kubeconfig(cluster, tmp_path / "kubeconfig", token=token)
        monkeypatch.setenv("KUBECONFIG", str(path))
        return connection.connect("other"), Api(str(path), "other")

    yield make
    remove_account(cluster, "default", NAME)


def rule(group, resources, verbs):
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


ALL_OF_THEM = (
    rule("apps", ["deployments"], ["get", "list", "watch", "patch"]),
    rule("apps", ["replicasets"], ["get", "list", "watch"]),
    rule("", ["pods"], ["get", "list", "watch"]),
    rule("", ["services/proxy"], ["get"]),
)


def found(api, demand):
    return [finding.what for finding in rights.check(api, demand) if finding.level == "error"]


@pytest.fixture
def grant(cluster, on_cluster):
    """Make the environment's namespaces as an administrator, and its roles as somebody else."""
    from tests.cluster.test_rbac import accounts

    objects = [
        o
        for o in on_cluster(accounts, project="granting", pipelines="none").objects
        if o["metadata"].get("namespace") != "kubeflow" and o["metadata"]["name"] != "kubeflow"
    ]
    spaces = [o for o in objects if o["kind"] == "Namespace"]

    def make(who):
        for manifest in spaces:
            cluster.api.apply(manifest)
        for manifest in objects:
            if manifest["kind"] in {"Role", "RoleBinding"}:
                who.apply(manifest)

    yield make
    for manifest in spaces:
        cluster.api.delete(cluster.api.path_of(manifest), seconds=120)


def test_who_lacks_the_rights_is_told_which_and_would_be_refused(wanted, as_account, grant):
    demand = wanted()
    api, who = as_account(demand)
    whats = {what.partition(" rights that it lacks itself: ")[::2] for what in found(api, demand)}
    in_namespace = "Your account can't give the environment's accounts in namespace {}".format
    assert whats == {
        (in_namespace(NAMESPACE), "get: services/proxy tracking:5000; get, list, watch: pods"),
        (in_namespace(f"{NAMESPACE}-monitoring"), "get, list, watch: pods"),
        (
            in_namespace(f"{NAMESPACE}-serving"),
            "list, watch: deployments.apps service; get, list, watch: replicasets.apps, pods",
        ),
    }
    with pytest.raises(ApiError, match="not currently held"):
        grant(who)


@pytest.mark.parametrize(
    ("rules", "fine"),
    [
        ((rule(RBAC, ["roles"], ["escalate", "bind"]),), True),
        (ALL_OF_THEM, True),
        ((rule(RBAC, ["roles"], ["escalate"]),), False),
        ((rule(RBAC, ["roles"], ["bind"]),), False),
        (ALL_OF_THEM[:2], False),
        ((*ALL_OF_THEM[:2], rule("", ["pods"], ["get", "list"])), False),
        (ALL_OF_THEM[:3], False),
    ],
    ids=["escalate and bind", "has them", "escalate alone", "bind alone", "no pods", "not every verb", "no proxy"],
)
def test_the_check_says_what_the_api_server_will_say(wanted, as_account, grant, rules, fine):
    demand = wanted()
    api, who = as_account(demand, *rules)
    assert (found(api, demand) == []) is fine
    if fine:
        grant(who)
        return
    with pytest.raises(ApiError, match="not currently held"):
        grant(who)


def test_an_administrator_is_asked_one_question(wanted, cluster, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    api = connection.connect(cluster.context)
    asked, create = [], api.create
    monkeypatch.setattr(api, "create", lambda path, body: asked.append(body) or create(path, body))
    assert found(api, wanted(pipelines="install")) == []
    assert len(asked) == 1


def test_kubeflow_takes_an_account_that_passes_any_right_on(wanted, as_account):
    demand = wanted(pipelines="install")
    everything = rule(RBAC, ["roles"], ["escalate", "bind"])
    api, _ = as_account(demand, everything)
    (what,) = found(api, demand)
    assert what.endswith("it needs escalate, bind: clusterroles.rbac.authorization.k8s.io")
    assert "Kubeflow" in what


def test_nothing_is_said_of_rights_that_nobody_is_given(wanted, as_account):
    demand = wanted(monitoring="false", serving="false", tracking="false")
    assert demand.grants == []
    api, _ = as_account(demand)
    assert found(api, demand) == []
