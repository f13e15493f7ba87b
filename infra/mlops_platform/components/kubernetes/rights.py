"""What the accounts of an environment may ask of the API server: whoever runs `up` has to be able to grant it."""

from __future__ import annotations

from typing import Any

from mlops_platform.components.kubernetes import layout
from mlops_platform.components.kubernetes.layout import PIPELINES_PORT, PORTS
from mlops_platform.names import namespace_name
from mlops_platform.settings import Settings

Rules = list[dict[str, Any]]
_LOOK = ["get", "list", "watch"]
# Prometheus': of each namespace, the pods that there are to scrape.
SCRAPE: Rules = [{"api_groups": [""], "resources": ["pods"], "verbs": _LOOK}]
# CI's, for `kubectl set image` and `kubectl rollout` of the one Deployment. Whoever may change it can run any image
# that the namespace admits, with what can be mounted there: so nothing but the service lives in it.
DEPLOY: Rules = [
    {"api_groups": ["apps"], "resources": ["deployments"], "resource_names": ["service"], "verbs": [*_LOOK, "patch"]},
    {"api_groups": ["apps"], "resources": ["replicasets"], "verbs": _LOOK},
    {"api_groups": [""], "resources": ["pods"], "verbs": _LOOK},
]
# CI's too. Kubeflow asks nobody who they are, so its server isn't published: the API server passes requests on for
# those whom it knows. GET and POST are enough to submit a run and to follow it. Of the two forms, kfp's own client uses
# the second.
PIPELINES_SERVICES = (f"ml-pipeline:{PIPELINES_PORT}", "ml-pipeline:http")
SUBMIT: Rules = [
    {
        "api_groups": [""],
        "resources": ["services/proxy"],
        "resource_names": list(PIPELINES_SERVICES),
        "verbs": ["get", "create"],
    },
]
# CI's as well: what is the champion, and what was it trained on. MLflow changes nothing for a GET; what moves the
# champion or records a run is a POST, and runs of the pipeline do that from inside.
READ: Rules = [
    {
        "api_groups": [""],
        "resources": ["services/proxy"],
        "resource_names": [f"tracking:{PORTS['tracking']}"],
        "verbs": ["get"],
    },
]


def granted(settings: Settings) -> list[dict[str, Any]]:
    """What an environment's roles grant, Kubeflow's own apart.

    Returns:
        For each namespace, kind and object: `namespace`, `group`, `resource` (a subresource after a slash), `name`
        (empty: of all objects) and `verbs`.
    """
    options = settings.kubernetes
    assert options is not None  # noqa: S101 - `settings.load` sets them for this target
    places: list[tuple[str, Rules]] = []
    for purpose in layout.purposes(settings):
        namespace = namespace_name(settings.project, settings.stack, purpose)
        if purpose == layout.PLATFORM and settings.tracking:
            places.append((namespace, READ))
        if purpose == layout.SERVING:
            places.append((namespace, DEPLOY))
        if settings.monitoring:
            places.append((namespace, SCRAPE))
    if options.pipelines == "install":
        places.append((layout.KUBEFLOW, SUBMIT))
    return [
        {"namespace": namespace, "group": group, "resource": resource, "name": name, "verbs": rule["verbs"]}
        for namespace, rules in places
        for rule in rules
        for group in rule["api_groups"]
        for resource in rule["resources"]
        for name in rule.get("resource_names", [""])
    ]
