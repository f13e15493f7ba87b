"""What each account may and may not ask for, by the API server's own judgement."""

import contextlib

import pytest
from tests.cluster.api import wait
from tests.infra.kubernetes import can_i

PROJECT = "flights"


@pytest.fixture
def judge(cluster, on_cluster):
    """Answers of a cluster with the environment's accounts, of which nothing stays."""
    api, objects = cluster.api, on_cluster(accounts, project=PROJECT, registryPort="30599").objects
    try:
        for manifest in objects:
            api.apply(manifest)

        def allows(row):
            return api.allows(row.account, row.verb, row.resource, row.namespace, row.name)

        # The server decides by copies, which follow what was applied.
        with contextlib.suppress(TimeoutError):
            wait(lambda: all(allows(row) for row in can_i.ROWS if row.allowed))
        yield allows
    finally:
        for manifest in reversed(objects):
            api.delete(api.path_of(manifest), seconds=120)


def accounts(cluster):
    """Everything of an environment that has to do with rights."""
    import pulumi_kubernetes as kubernetes

    from mlops_platform.components.kubernetes.access import Access
    from mlops_platform.components.kubernetes.monitoring.project import ProjectFiles
    from mlops_platform.components.kubernetes.monitoring.prometheus import Prometheus
    from mlops_platform.components.kubernetes.namespaces import Namespaces

    namespaces = Namespaces("namespaces", cluster=cluster)
    kubeflow = kubernetes.core.v1.Namespace("kubeflow", metadata=cluster.metadata("kubeflow", "kubeflow"))
    name = kubeflow.metadata["name"]
    Access("access", cluster=cluster, namespaces=namespaces, kubeflow=name)
    files = ProjectFiles(prometheus={}, rules={}, alertmanager={}, dashboards={}, provisioning={})
    Prometheus("prometheus", cluster=cluster, namespaces=namespaces, files=files, monitors=())


def test_each_account_may_do_exactly_what_its_row_says(judge):
    assert [str(row) for row in can_i.ROWS if judge(row) is not row.allowed] == []
