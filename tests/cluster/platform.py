"""Everything that the program declares for an environment on a cluster, for some choices that differ in much."""

import functools
import tempfile
from pathlib import Path

import pytest
import yaml
from tests.unit.test_render import answers

from mlops_platform import targets
from mlops_platform.components.kubernetes.monitoring import project
from seedbed import creation

# Values of configuration that an environment may be made from. Together they have each size, each kind of store and
# registry, each part left out once, and everything that is off by default on once. The node ports differ, so that all
# can be on one cluster.
CASES = {
    "small": {
        "project": "small", "registryPort": "30501", "pipelines": "none", "pipelineImage": "docker.io/acme/small:1",
    },
    "small-s3": {
        "project": "small-s3", "store": "s3", "s3Endpoint": "https://s3.example.com", "dataBucket": "data",
        "artifactBucket": "artifacts", "registry": "ghcr.io/acme", "tracking": "false", "monitoring": "false",
        "serving": "false", "pipelines": "none",
    },
    "standard": {
        "project": "standard", "size": "standard", "store": "seaweedfs", "storageClass": "kwok-volume",
        "registryPort": "30502", "serviceImage": "docker.io/acme/standard:1", "imageMirror": "mirror.example.com/hub",
        "pipelinesHost": "https://kubeflow.example.com", "pipelineImage": "docker.io/acme/standard:1",
    },
    "ha": {
        "project": "ha", "size": "ha", "storeTls": "true", "domain": "ml.example.com", "clusterIssuer": "letsencrypt",
        "ingressClass": "nginx", "registryPort": "30503", "serviceImage": "docker.io/acme/ha:1", "storeSize": "5Gi",
        "pipelines": "none", "pipelineImage": "docker.io/acme/ha:1",
    },
}  # fmt: skip
# What somebody else's store and registry need, which the program reads from the environment.
_KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAOFTHETEST", "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
    "REGISTRY_USERNAME": "pusher", "REGISTRY_PASSWORD": "password-of-the-test",
}  # fmt: skip


_KUBECONFIG = {
    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    "clusters": [
        {"name": "test", "cluster": {"server": "https://api.example.com:6443", "insecure-skip-tls-verify": True}}
    ],
}


@functools.cache
def _monitoring():
    """What a generated project says of its monitoring."""
    with tempfile.TemporaryDirectory() as folder:
        creation.create(answers("penguins"), Path(folder, "project"))
        return project.read(Path(folder, "project"))


def declared(record, configured, name, **more):
    """What the whole program declares for a case."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder, "kubeconfig")
        kubeconfig.write_text(yaml.safe_dump(_KUBECONFIG))
        for key, value in {**_KEYS, "KUBECONFIG": str(kubeconfig)}.items():
            patch.setenv(key, value)
        # The program lies in no project here.
        files = _monitoring()
        patch.setattr(project, "read", lambda: files)
        return record(lambda: vars(targets.build(configured(**{**CASES[name], **more}))))
