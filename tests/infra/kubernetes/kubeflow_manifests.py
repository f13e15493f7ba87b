"""A small installation in the shape of Kubeflow Pipelines 2.17: what we change there, and a little that we don't.

A real API server takes all of it. As upstream's, its pods meet the `restricted` Pod Security Standard.
"""

import yaml

_LABELS = {"application-crd-id": "kubeflow-pipelines"}


def _object(kind, name, *, version="v1", namespace="kubeflow", labels=_LABELS, **rest):
    metadata = {"name": name, "labels": dict(labels)}
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": metadata | ({"namespace": namespace} if namespace else {}),
        **rest,
    }


def _deployment(name, image, *, container=None, env=(), args=(), init=(), **pod):
    def made(name, image, **rest):
        security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        return {"name": name, "image": image, "securityContext": security, **rest}

    containers = [made(container or name, image, env=list(env), args=list(args))]
    if init:
        pod["initContainers"] = [made(*item) for item in init]
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": containers, "securityContext": security, **pod},
    }
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return _object("Deployment", name, version="apps/v1", spec=spec)


def _definition(group, version, plural, kind):
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [{"name": version, "served": True, "storage": True, "schema": schema}]
    spec = {"group": group, "names": names, "scope": "Namespaced", "versions": versions}
    kind = "CustomResourceDefinition"
    return _object(kind, f"{plural}.{group}", version="apiextensions.k8s.io/v1", namespace="", spec=spec)


def _key(secret, key):
    return {"valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _claim(name):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}}
    return _object("PersistentVolumeClaim", name, spec=spec)


def objects():
    """Made anew at each call, to be changed by a test."""
    database = _key("mysql-secret", "password")
    return [
        _object("Namespace", "kubeflow", namespace="", labels={"pod-security.kubernetes.io/enforce": "baseline"}),
        _definition("argoproj.io", "v1alpha1", "workflows", "Workflow"),
        _definition("kubeflow.org", "v1beta1", "viewers", "Viewer"),
        _object("ServiceAccount", "kubeflow-pipelines-cache-deployer-sa"),
        _object("ClusterRole", "kubeflow-pipelines-cache-deployer-clusterrole", namespace="",
                version="rbac.authorization.k8s.io/v1", rules=[]),
        _object("ServiceAccount", "pipeline-runner"),
        _object("ServiceAccount", "seedweed-not-a-match"),
        _object("Secret", "mlpipeline-minio-artifact", stringData={"accesskey": "minio", "secretkey": "minio123"}),
        _object("Secret", "mysql-secret", stringData={"username": "root", "password": ""}),
        _object("ConfigMap", "pipeline-install-config",
                data={"bucketName": "mlpipeline", "defaultPipelineRoot": "", "cronScheduleTimezone": "UTC"}),
        _object("ConfigMap", "kfp-launcher", data={"defaultPipelineRoot": ""}),
        _object("ConfigMap", "workflow-controller-configmap", data={
            "artifactRepository": "# of the store seedbed\narchiveLogs: true\ns3:\n  endpoint: seaweedfs.kubeflow.svc:9000\n"
                                  "  bucket: mlpipeline\n  keyFormat: logs/{{pod.name}}\n  insecure: true\n",
            "executor": "imagePullPolicy: IfNotPresent\n",
        }),
        *(_object("Service", name, spec={"selector": {"app": name}, "ports": [{"name": "http", "port": port}]})
          for name, port in (("seaweedfs", 9000), ("cache-server", 443), ("ml-pipeline", 8888), ("ml-pipeline-ui", 80))),
        _object("NetworkPolicy", "seaweedfs", version="networking.k8s.io/v1", spec={"podSelector": {}}),
        _claim("seaweedfs-pvc"), _claim("mysql-pv-claim"),
        _object("PriorityClass", "workflow-controller", version="scheduling.k8s.io/v1", namespace="", value=1000000),
        _deployment("ml-pipeline", "ghcr.io/kubeflow/kfp-api-server:2.17.0", container="ml-pipeline-api-server", env=[
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "OBJECTSTORECONFIG_HOST", "value": "seaweedfs.kubeflow"},
            {"name": "OBJECTSTORECONFIG_BUCKETNAME",
             "valueFrom": {"configMapKeyRef": {"name": "pipeline-install-config", "key": "bucketName"}}},
            {"name": "DBCONFIG_PASSWORD", **database},
            {"name": "V2_DRIVER_IMAGE", "value": "ghcr.io/kubeflow/kfp-driver:2.17.0"},
            {"name": "V2_LAUNCHER_IMAGE", "value": "ghcr.io/kubeflow/kfp-launcher:2.17.0"},
        ], init=[("wait", "alpine:3.23")]),
        _deployment("ml-pipeline-ui", "ghcr.io/kubeflow/kfp-frontend:2.17.0", env=[
            {"name": "MINIO_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "MINIO_ACCESS_KEY", **_key("mlpipeline-minio-artifact", "accesskey")},
        ], volumes=[{"name": "config", "configMap": {"name": "ml-pipeline-ui-configmap"}}]),
        _deployment("workflow-controller", "quay.io/argoproj/workflow-controller:v4.0.5",
                    args=["--namespaced", "--executor-image", "quay.io/argoproj/argoexec:v4.0.5"]),
        _deployment("mysql", "mysql:8.4", env=[{"name": "MYSQL_ALLOW_EMPTY_PASSWORD", "value": "true"}]),
        _deployment("seaweedfs", "ghcr.io/chrislusf/seaweedfs:4.34"),
        _deployment("cache-server", "ghcr.io/kubeflow/kfp-cache-server:2.17.0"),
        _deployment("cache-deployer-deployment", "ghcr.io/kubeflow/kfp-cache-deployer:2.17.0"),
        _deployment("metadata-writer", "ghcr.io/kubeflow/kfp-metadata-writer:2.17.0"),
        {"apiVersion": "kubeflow.org/v1beta1", "kind": "Viewer",
         "metadata": {"name": "example", "namespace": "kubeflow"}, "spec": {"type": "tensorboard"}},
    ]  # fmt: skip


def text(given=None):
    """The file that kustomize would have rendered."""
    return yaml.safe_dump_all(given if given is not None else objects(), explicit_start=True)
