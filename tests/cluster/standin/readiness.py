"""When an object is what was asked for: what the real provider waits for, kind by kind."""

SKIP = "pulumi.com/skipAwait"


class FailedError(Exception):
    """It will never be ready."""


def missing(api, live):
    """What still keeps an object from being ready; "" when it is.

    Raises:
        FailedError: waiting is of no use.
    """
    metadata = live["metadata"]
    if metadata.get("annotations", {}).get(SKIP) == "true":
        return ""
    check = _CHECKS.get(live["kind"])
    return check(api, live) if check else ""


def _condition(live, name):
    for condition in (live.get("status") or {}).get("conditions") or ():
        if condition["type"] == name and condition["status"] == "True":
            return condition
    return None


def _observed(live):
    return live.get("status", {}).get("observedGeneration", 0) >= live["metadata"]["generation"]


def _deployment(_api, live):
    status, wanted = live.get("status", {}), live["spec"]["replicas"]
    done = _observed(live) and status.get("updatedReplicas", 0) == status.get("availableReplicas", 0) == wanted
    if done and status.get("replicas", 0) == wanted:
        return ""
    refused = _condition(live, "ReplicaFailure")
    return f"{status.get('availableReplicas', 0)} of {wanted} pods available" + (
        f"; {refused['message']}" if refused else ""
    )


def _stateful_set(api, live):
    status, wanted = live.get("status", {}), live["spec"]["replicas"]
    same = status.get("currentRevision") == status.get("updateRevision")
    if _observed(live) and same and status.get("readyReplicas", 0) == wanted:
        return ""
    # A stateful set has no condition that says why its pods are refused; only events do.
    events = api.list("v1", "Event", live["metadata"]["namespace"])
    uid = live["metadata"]["uid"]
    said = [e["message"] for e in events if e["involvedObject"].get("uid") == uid and e["type"] == "Warning"]
    return "; ".join([f"{status.get('readyReplicas', 0)} of {wanted} pods ready", *said[-1:]])


def _daemon_set(_api, live):
    status = live.get("status", {})
    wanted = status.get("desiredNumberScheduled", 0)
    done = _observed(live) and status.get("updatedNumberScheduled", 0) == status.get("numberAvailable", 0) == wanted
    return "" if done else f"{status.get('numberAvailable', 0)} of {wanted} pods available"


def _job(_api, live):
    if failed := _condition(live, "Failed"):
        raise FailedError(failed["message"])
    return "" if _condition(live, "Complete") else "the job has not completed"


def _claim(api, live):
    if live.get("status", {}).get("phase") == "Bound":
        return ""
    name = live["spec"].get("storageClassName")
    if name is None:
        return "the claim has no storage class, and the cluster has no default one"
    found = api.get("storage.k8s.io/v1", "StorageClass", name)
    # Such a claim is bound when the first pod uses it, which is declared after it.
    if found and found.get("volumeBindingMode") == "WaitForFirstConsumer":
        return ""
    return f"the claim is not bound to a volume of class {name}"


def _service(api, live):
    spec = live["spec"]
    if spec["type"] == "LoadBalancer" and not live["status"]["loadBalancer"].get("ingress"):
        return "no load balancer has an address for it"
    if spec["type"] == "ExternalName" or spec.get("clusterIP") == "None":
        return ""
    metadata = live["metadata"]
    labels = f"kubernetes.io/service-name={metadata['name']}"
    slices = api.list("discovery.k8s.io/v1", "EndpointSlice", metadata["namespace"], labels)
    endpoints = [endpoint for one in slices for endpoint in one.get("endpoints") or ()]
    ready = any(endpoint["conditions"].get("ready", True) for endpoint in endpoints)
    return "" if ready else "the service has no ready pod behind it"


def _ingress(_api, live):
    return "" if live["status"]["loadBalancer"].get("ingress") else "no ingress controller has an address for it"


def _definition(_api, live):
    return "" if _condition(live, "Established") else "the definition is not established"


def _pod(_api, live):
    finished = live.get("status", {}).get("phase") == "Succeeded"
    return "" if finished or _condition(live, "Ready") else "the pod is not ready"


def _quota(_api, live):
    return "" if live.get("status", {}).get("hard", {}).keys() == live["spec"]["hard"].keys() else "not counted yet"


def _secret(_api, live):
    waits = live["type"] == "kubernetes.io/service-account-token" and not live.get("data")
    return "no token was issued for the account" if waits else ""


_CHECKS = {
    "CustomResourceDefinition": _definition,
    "DaemonSet": _daemon_set,
    "Deployment": _deployment,
    "Ingress": _ingress,
    "Job": _job,
    "PersistentVolumeClaim": _claim,
    "Pod": _pod,
    "ResourceQuota": _quota,
    "Secret": _secret,
    "Service": _service,
    "StatefulSet": _stateful_set,
}
