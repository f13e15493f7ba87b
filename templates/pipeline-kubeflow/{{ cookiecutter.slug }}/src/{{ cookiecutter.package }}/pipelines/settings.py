"""What a step of the pipeline may use, and what it finds in the cluster. Fit the figures to your data."""

from __future__ import annotations

import re
from dataclasses import dataclass

from {{ cookiecutter.package }}.errors import ConfigError

# The Kubernetes secret that carries the environment's variables; its keys are their names.
SECRET = "seedbed-environment"  # noqa: S105 - a name
STORE = (
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION",
    "DATA_BUCKET",
)
REGISTRY = ({{ '"MLFLOW_TRACKING_URI"' if cookiecutter.tracking else '"ARTIFACT_BUCKET"' }},)

MOUNT = "/mnt/data"
VOLUME_SIZE = "10Gi"  # of the volume that a run makes for itself: room for one data version
RUN_SECONDS = 6 * 3600  # a run that takes longer is stopped, also one that waits for a node or a volume
TRANSIENT = ("fetch", "register")  # steps that talk to servers; the others would fail again in the same way
RETRIES = 3
RETRY_PAUSE = "30s"  # before the first; doubles with each one after it
RETRY_PAUSE_LIMIT = "5m"

_CLAIM = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Resources:
    """What one step asks of its node, in Kubernetes' units, and how long it may take.

    Attributes:
        cpu: cores that are kept free for it, such as "500m".
        cpu_limit: cores that it may use.
        memory: memory that is kept free for it, such as "1Gi".
        memory_limit: memory at which it is stopped.
        seconds: from the start of its pod to the moment at which it is stopped.
    """

    cpu: str
    cpu_limit: str
    memory: str
    memory_limit: str
    seconds: int


LIGHT = Resources("100m", "1", "512Mi", "1Gi", 900)
DATA = Resources("500m", "2", "1Gi", "4Gi", 3600)
TRAINING = Resources("1", "4", "2Gi", "8Gi", 4 * 3600)
STEPS = {
    "configure": LIGHT,
    "fetch": DATA,
    "validate": DATA,
    "preprocess": DATA,
    "train": TRAINING,
    "evaluate": DATA,
    "register": DATA,
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a compiled pipeline will run.

    Attributes:
        image: with this project installed; a digest in it stays as it is.
        volume: a PersistentVolumeClaim that outlives the run. It keeps the data versions it has seen, and
            lets unchanged steps be cached. Empty: each run makes a volume of its own, and deletes it at its
            end; steps that follow it are never the same as those of another run.
        storage_class: of the volume that a run makes. Empty: Kubeflow's choice, which is the class "standard"
            whatever the cluster's default is; Kubeflow (2.17) can't be asked for that one.
        volume_writer: number of the user that the one step that writes to the volume runs as: 0 where a new
            volume belongs to root. Empty: the image's user, as in all other steps.

    Raises:
        ConfigError: one of them can't be a name of its kind.
    """

    image: str
    volume: str = ""
    storage_class: str = ""
    volume_writer: str = ""

    def __post_init__(self) -> None:
        """Refuse what Kubernetes would refuse much later."""
        if not self.image or any(character.isspace() for character in self.image):
            raise ConfigError(f"{self.image!r} isn't an image", "such as registry.example.com/project:1")
        if self.volume and not _CLAIM.fullmatch(self.volume):
            raise ConfigError(f"{self.volume!r} isn't the name of a PersistentVolumeClaim")
        if self.volume_writer and not self.volume_writer.isdecimal():
            raise ConfigError(f"{self.volume_writer!r} isn't the number of a user", "such as 0")
        if self.storage_class and not _CLAIM.fullmatch(self.storage_class):
            raise ConfigError(
                f"{self.storage_class!r} isn't the name of a storage class", "list them: kubectl get sc"
            )
