"""Fields whose change means a new object, as the real provider has them.

Configuration maps and secrets are among them unless the provider is told that they may be changed: pods don't see a
new version of either, and a new name or a new object makes that visible.
"""

_METADATA = (("metadata", "name"), ("metadata", "namespace"))
_SELECTOR = ("spec", "selector")
_FIELDS = {
    "ClusterRoleBinding": [("roleRef",)],
    "ConfigMap": [("data",), ("binaryData",)],
    "Deployment": [_SELECTOR],
    "Job": [_SELECTOR, ("spec", "completions"), ("spec", "parallelism"), ("spec", "template")],
    # Not its size, by which a claim grows where its class allows that.
    "PersistentVolumeClaim": [("spec", name) for name in ("accessModes", "selector", "storageClassName", "volumeName")],
    "Pod": [("spec",)],
    "ResourceQuota": [("spec", "scopes")],
    "RoleBinding": [("roleRef",)],
    "Secret": [("data",), ("stringData",), ("type",)],
    "Service": [("spec", "clusterIP")],
    "StatefulSet": [
        _SELECTOR,
        ("spec", "podManagementPolicy"),
        ("spec", "revisionHistoryLimit"),
        ("spec", "serviceName"),
        ("spec", "volumeClaimTemplates"),
    ],
    "StorageClass": [("parameters",), ("provisioner",)],
}
_MUTABLE_ON_REQUEST = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}


def needed(manifest, path, config):
    """Whether a change at this path can only be had by a new object."""
    kind = manifest.get("kind", "")
    fields = _FIELDS.get(kind, [])
    allowed = config.get(_MUTABLE_ON_REQUEST.get(kind, "")) == "true" and not manifest.get("immutable")
    if kind in _MUTABLE_ON_REQUEST and allowed:
        fields = [("type",)] if kind == "Secret" else []
    return any(path[: len(field)] == field or field[: len(path)] == path for field in (*_METADATA, *fields))
