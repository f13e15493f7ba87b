import itertools

import pytest

QUANTITIES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
CHOICES = [
    {"size": size, "store": store, "tracking": tracking, "serving": serving, "monitoring": monitoring}
    for size in ("small", "standard", "ha")
    for store in ("minio", "seaweedfs", "s3")
    for tracking, serving, monitoring in itertools.product(("true", "false"), repeat=3)
]


def number(text):
    """A quantity as Kubernetes reads it: cores, bytes or a count."""
    for suffix, factor in QUANTITIES.items():
        if text.endswith(suffix):
            return float(text.removesuffix(suffix)) * factor
    return float(text.removesuffix("m")) / 1000 if text.endswith("m") else float(text)


@pytest.fixture
def namespaces(on_cluster):
    def run(**values):
        def declare(cluster):
            from mlops_platform.components.kubernetes.namespaces import Namespaces

            made = Namespaces("namespaces", cluster=cluster)
            return {name: getattr(made, name) for name in ("platform", "serving", "monitoring")}

        return on_cluster(declare, **values)

    return run


def hard(recorded, namespace):
    return {
        key: number(value)
        for quota in recorded.all("ResourceQuota")
        if quota["metadata"]["namespace"] == namespace
        for key, value in quota["spec"]["hard"].items()
    }


def test_each_purpose_has_a_namespace_that_only_admits_restricted_pods(namespaces):
    recorded = namespaces()
    assert recorded.outputs == {
        "platform": "flights-prod", "serving": "flights-prod-serving", "monitoring": "flights-prod-monitoring",
    }  # fmt: skip
    for namespace in recorded.all("Namespace"):
        labels = namespace["metadata"]["labels"]
        assert labels["seedbed/environment"] == "flights.prod"
        assert {key.partition("/")[2]: value for key, value in labels.items() if "pod-security" in key} == {
            "enforce": "restricted", "enforce-version": "v1.36",
            "audit": "restricted", "audit-version": "latest",
            "warn": "restricted", "warn-version": "latest",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"serving": "false"}, ["flights-prod", "flights-prod-monitoring"]),
        ({"monitoring": "false"}, ["flights-prod", "flights-prod-serving"]),
        ({"serving": "false", "monitoring": "false"}, ["flights-prod"]),
        # CI's account needs a home even where everything else is somebody else's.
        (
            {
                "serving": "false", "monitoring": "false", "tracking": "false",
                "store": "s3", "registry": "ghcr.io/acme",
            },
            ["flights-prod"],
        ),
    ],
)  # fmt: skip
def test_only_namespaces_that_are_needed_are_made(namespaces, values, expected):
    recorded = namespaces(**values)
    assert sorted(o["metadata"]["name"] for o in recorded.all("Namespace")) == expected
    assert sorted(name for name in recorded.outputs.values() if name) == expected
    for kind in ("ResourceQuota", "LimitRange"):
        assert sorted(o["metadata"]["namespace"] for o in recorded.all(kind)) == expected


@pytest.mark.parametrize("values", CHOICES, ids=lambda values: "-".join(values.values()))
def test_the_quota_has_room_for_everything_scaled_up_in_the_middle_of_an_update(namespaces, values):
    from mlops_platform.components.kubernetes.sizes import SEAWEEDFS_HELPERS, SIZES

    sizes = SIZES[values["size"]]
    placed = {
        "flights-prod": [
            *(["store", "setup"] if values["store"] != "s3" else []),
            *(["database", "tracking"] if values["tracking"] == "true" else []),
            "registry",
        ],
        "flights-prod-serving": ["service"] if values["serving"] == "true" else [],
        "flights-prod-monitoring": (
            ["prometheus", "alertmanager", "grafana", "drift", "retraining"] if values["monitoring"] == "true" else []
        ),
    }
    recorded = namespaces(**values)
    for namespace, names in placed.items():
        if not names:
            assert not hard(recorded, namespace)
            continue
        room = hard(recorded, namespace)
        # A full set that is still shutting down, beside a full set of its successors: nothing that an update of a
        # Deployment, StatefulSet or Job does can need more.
        pods = {name: 2 * max(sizes[name].replicas, sizes[name].most) for name in names}
        if "drift" in pods:
            pods["drift"] *= 2  # the exporter, and the nightly report
        assert room["pods"] >= sum(pods.values())
        beside = [*SEAWEEDFS_HELPERS.values()] if values["store"] == "seaweedfs" and "store" in names else []
        helpers = {what: sum(number(getattr(one, what)) for one in beside) for what in ("cpu", "memory")}
        needed = {
            what: sum(count * number(getattr(sizes[name], what)) for name, count in pods.items())
            + pods.get("store", 0) * helpers[what]
            for what in ("cpu", "memory")
        }
        assert room["requests.cpu"] >= needed["cpu"] - 1e-9
        memory = needed["memory"]
        assert room["requests.memory"] >= memory
        assert room["limits.memory"] >= memory  # every pod's limit is what it asks for
        volumes = {name: sizes[name].replicas for name in names if sizes[name].storage}
        assert room["persistentvolumeclaims"] >= sum(volumes.values())
        storage = sum(count * number(sizes[name].storage) for name, count in volumes.items())
        assert room["requests.storage"] >= storage
        # It is a bound all the same: not a third set.
        assert room["pods"] < 3 * sum(pods.values()) / 2
        assert room["requests.memory"] < 3 * memory / 2


def test_a_larger_volume_of_the_store_has_room(namespaces):
    assert hard(namespaces(storeSize="3Ti"), "flights-prod")["requests.storage"] >= 3 * 2**40
    small = hard(namespaces(storeSize="1Gi"), "flights-prod")["requests.storage"]
    assert small < hard(namespaces(), "flights-prod")["requests.storage"]


def test_nothing_gets_a_load_balancer_and_only_the_registry_a_node_port(namespaces):
    recorded = namespaces()
    found = {
        o["metadata"]["namespace"]: (
            o["spec"]["hard"]["services.loadbalancers"],
            o["spec"]["hard"]["services.nodeports"],
        )
        for o in recorded.all("ResourceQuota")
    }
    assert found == {
        "flights-prod": ("0", "1"), "flights-prod-serving": ("0", "0"), "flights-prod-monitoring": ("0", "0"),
    }  # fmt: skip
    external = namespaces(registry="ghcr.io/acme")
    assert hard(external, "flights-prod")["services.nodeports"] == 0


def test_a_container_that_says_nothing_is_admitted_with_defaults(namespaces):
    for limits in namespaces().all("LimitRange"):
        (item,) = limits["spec"]["limits"]
        assert item["type"] == "Container"
        # The quota counts these three, so each needs a default; and a default limit below the default request is refused.
        assert set(item["defaultRequest"]) == {"cpu", "memory"}
        assert number(item["default"]["memory"]) >= number(item["defaultRequest"]["memory"])


@pytest.mark.parametrize(
    ("text", "again"),
    [("1000m", "1"), ("250m", "250m"), ("2", "2"), ("1500m", "1500m")],
)
def test_cores_are_written_as_the_api_server_gives_them_back(text, again):
    from mlops_platform.components.kubernetes import quantities

    assert quantities.cpu_text(quantities.millicores(text)) == again


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("2048Gi", "2Ti"),
        ("0", "0"),
        ("", "0"),
        ("1000", "1000"),
        ("5Ki", "5Ki"),
    ],
)
def test_sizes_are_written_as_the_api_server_gives_them_back(text, again):
    from mlops_platform.components.kubernetes import quantities

    assert quantities.size_text(quantities.size(text)) == again
