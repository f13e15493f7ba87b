"""What each account of an environment may ask of the API server, and what it may not: rows for any judge of RBAC."""

from dataclasses import dataclass

PLATFORM, SERVING, MONITORING, KUBEFLOW = "flights-prod", "flights-prod-serving", "flights-prod-monitoring", "kubeflow"


@dataclass(frozen=True)
class Row:
    """A question and its answer.

    Attributes:
        account: a service account, as `namespace:name`.
        verb: of the request.
        resource: plural, with its group after a dot, and its subresource after a slash.
        namespace: in which it is asked; empty: for the whole cluster.
        name: of the object; empty: of none in particular.
        allowed: the answer.
    """

    account: str
    verb: str
    resource: str
    namespace: str
    name: str
    allowed: bool

    @property
    def kubectl(self):
        """The arguments with which kubectl asks it, of an administrator who may impersonate."""
        resource, _, subresource = self.resource.partition("/")
        return [
            "auth", "can-i", self.verb, f"{resource}/{self.name}" if self.name else resource,
            *([f"--subresource={subresource}"] if subresource else []),
            *([f"--namespace={self.namespace}"] if self.namespace else ["--all-namespaces"]),
            f"--as=system:serviceaccount:{self.account}",
        ]  # fmt: skip

    def __str__(self):
        place = self.namespace or "everywhere"
        answer = "may" if self.allowed else "may not"
        return f"{self.account} {answer} {self.verb} {self.resource} {self.name or '*'} in {place}"


def rows(account, answer, *questions):
    return [
        Row(account, verb, resource, namespace, name, answer)
        for verbs, resource, namespace, name in questions
        for verb in verbs.split()
    ]


_CI, _PROMETHEUS = f"{PLATFORM}:ci", f"{MONITORING}:prometheus"
_EVERY_VERB = "get list watch create update patch delete deletecollection"
CI_MAY = rows(
    _CI, True,
    ("get list watch patch", "deployments.apps", SERVING, "service"),
    ("get list watch", "replicasets.apps", SERVING, ""),
    ("get list watch", "pods", SERVING, ""),
    ("get create", "services/proxy", KUBEFLOW, "ml-pipeline:8888"),
    ("get create", "services/proxy", KUBEFLOW, "ml-pipeline:http"),
    ("get", "services/proxy", PLATFORM, "tracking:5000"),
)  # fmt: skip
CI_MAY_NOT = rows(
    _CI, False,
    # The service's Deployment, and nothing else of it.
    ("update delete create", "deployments.apps", SERVING, "service"),
    (_EVERY_VERB, "deployments.apps", SERVING, "other"),
    ("list watch create", "deployments.apps", SERVING, ""),
    ("patch update", "deployments.apps/scale", SERVING, "service"),
    ("create update patch delete", "replicasets.apps", SERVING, ""),
    ("create update patch delete", "pods", SERVING, ""),
    ("create get", "pods/exec", SERVING, ""),
    ("create get", "pods/portforward", SERVING, ""),
    ("get", "pods/log", SERVING, ""),
    ("update patch", "pods/ephemeralcontainers", SERVING, ""),
    (_EVERY_VERB, "secrets", SERVING, ""),
    (_EVERY_VERB, "configmaps", SERVING, ""),
    ("create", "serviceaccounts/token", SERVING, "default"),
    # Kubeflow's server, and nothing beside or behind it.
    ("update patch delete", "services/proxy", KUBEFLOW, "ml-pipeline:8888"),
    ("get create", "services/proxy", KUBEFLOW, "ml-pipeline"),
    ("get create", "services/proxy", KUBEFLOW, "ml-pipeline:8887"),
    ("get create", "services/proxy", KUBEFLOW, "ml-pipeline-ui:80"),
    ("get create", "services/proxy", KUBEFLOW, "mysql:3306"),
    ("get create", "services/proxy", KUBEFLOW, ""),
    # MLflow is read, and nothing beside it.
    ("create update patch delete", "services/proxy", PLATFORM, "tracking:5000"),
    ("get create", "services/proxy", PLATFORM, "tracking"),
    ("get create", "services/proxy", PLATFORM, "database:5432"),
    ("get create", "services/proxy", PLATFORM, "store:9000"),
    ("get create", "services/proxy", PLATFORM, ""),
    ("get create", "services/proxy", SERVING, "service:8000"),
    ("get create", "pods/proxy", PLATFORM, ""),
    ("get create", "pods/proxy", KUBEFLOW, ""),
    ("create get", "pods/portforward", KUBEFLOW, ""),
    ("create get", "pods/exec", KUBEFLOW, ""),
    (_EVERY_VERB, "workflows.argoproj.io", KUBEFLOW, ""),
    (_EVERY_VERB, "secrets", KUBEFLOW, ""),
    (_EVERY_VERB, "pods", KUBEFLOW, ""),
    # Its own namespace is no exception, though its token lies there.
    (_EVERY_VERB, "secrets", PLATFORM, ""),
    ("get", "secrets", PLATFORM, "ci-token"),
    ("create", "serviceaccounts/token", PLATFORM, "ci"),
    (_EVERY_VERB, "pods", PLATFORM, ""),
    ("patch", "deployments.apps", PLATFORM, "tracking"),
    ("patch", "deployments.apps", PLATFORM, "service"),
    ("get list", "pods", MONITORING, ""),
    # Nothing elsewhere, and no way to more.
    ("get list", "pods", "default", ""),
    ("get list", "namespaces", "", ""),
    ("get list", "nodes", "", ""),
    ("get list", "secrets", "", ""),
    ("create bind escalate", "roles.rbac.authorization.k8s.io", SERVING, ""),
    ("create", "rolebindings.rbac.authorization.k8s.io", SERVING, ""),
    ("create", "clusterrolebindings.rbac.authorization.k8s.io", "", ""),
    ("impersonate", "serviceaccounts", PLATFORM, ""),
)  # fmt: skip
PROMETHEUS_MAY = rows(
    _PROMETHEUS, True, *(("get list watch", "pods", namespace, "") for namespace in (PLATFORM, SERVING, MONITORING))
)  # fmt: skip
PROMETHEUS_MAY_NOT = rows(
    _PROMETHEUS, False,
    *(("create update patch delete", "pods", namespace, "") for namespace in (PLATFORM, SERVING, MONITORING)),
    *((_EVERY_VERB, "secrets", namespace, "") for namespace in (PLATFORM, SERVING, MONITORING)),
    ("create get", "pods/exec", MONITORING, ""),
    ("create get", "pods/portforward", PLATFORM, ""),
    ("get list watch", "pods", KUBEFLOW, ""),
    ("get list watch", "pods", "default", ""),
    ("get list watch", "pods", "", ""),
    ("get list", "nodes", "", ""),
    ("get", "nodes/metrics", "", ""),
)  # fmt: skip
# Nothing else that runs may ask for anything, whatever account it runs under.
WITHOUT_RIGHTS = [
    row
    for namespace, names in {
        PLATFORM: ("default", "store", "registry", "database", "tracking", "setup"),
        SERVING: ("default", "service"),
        MONITORING: ("default", "alertmanager", "grafana", "drift", "retraining"),
    }.items()
    for name in names
    for row in rows(
        f"{namespace}:{name}", False,
        (_EVERY_VERB, "pods", namespace, ""),
        (_EVERY_VERB, "secrets", namespace, ""),
        (_EVERY_VERB, "configmaps", namespace, ""),
        ("create", "serviceaccounts/token", namespace, name),
        ("get create", "services/proxy", KUBEFLOW, "ml-pipeline:8888"),
        ("list", "namespaces", "", ""),
    )
]  # fmt: skip
ROWS = [*CI_MAY, *CI_MAY_NOT, *PROMETHEUS_MAY, *PROMETHEUS_MAY_NOT, *WITHOUT_RIGHTS]


def can_i(objects, row):
    """The answer, worked out from recorded roles and bindings as the API server's RBAC authorizer does."""
    namespace, _, name = row.account.partition(":")
    subjects = [
        {"kind": "ServiceAccount", "name": name, "namespace": namespace},
        *({"kind": "Group", "name": group} for group in (
            "system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}",
        )),
    ]  # fmt: skip
    return any(_grants(rule, row) for rule in _rules(objects, subjects, row.namespace))


def _rules(objects, subjects, namespace):
    for binding in (o for o in objects if o["kind"] in {"RoleBinding", "ClusterRoleBinding"}):
        everywhere = binding["kind"] == "ClusterRoleBinding"
        bound = [{key: value for key, value in s.items() if key != "apiGroup"} for s in binding.get("subjects", [])]
        if not any(subject in bound for subject in subjects):
            continue
        if not everywhere and binding["metadata"]["namespace"] != namespace:
            continue
        reference = binding["roleRef"]
        (role,) = [
            o
            for o in objects
            if o["kind"] == reference["kind"]
            and o["metadata"]["name"] == reference["name"]
            and (o["kind"] == "ClusterRole" or o["metadata"]["namespace"] == binding["metadata"]["namespace"])
        ]
        yield from role["rules"]


def _grants(rule, row):
    resource, _, subresource = row.resource.partition("/")
    resource, _, group = resource.partition(".")
    wanted = f"{resource}/{subresource}" if subresource else resource
    return all(
        (
            {row.verb, "*"} & set(rule["verbs"]),
            {group, "*"} & set(rule["apiGroups"]),
            {wanted, "*", f"*/{subresource}"} & set(rule["resources"]),
            not rule.get("resourceNames") or row.name in rule["resourceNames"],
        )
    )
