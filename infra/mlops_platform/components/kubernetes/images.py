"""The images that an environment on a cluster runs, each by tag and by the digest of its index where one is known."""

from __future__ import annotations

IMAGES = {
    "alertmanager": "docker.io/prom/alertmanager:v0.34.1@sha256:e9733bafb1bdef9b00e25a21f8f99dc26a22224bf16641ad754d1649f4c3357a",  # noqa: E501
    "grafana": "docker.io/grafana/grafana:13.2.3@sha256:b28bae15e219c998fb0e0424ed724930cc61b1f61fb404d47c862f9a23f9e572",  # noqa: E501
    "minio": "docker.io/pgsty/silo:RELEASE.2026-09-16T00-00-00Z@sha256:635197cb9f36d01bee221d34d1c7d7960f6a95c48b0b6c01d99cd13bdae51a46",  # noqa: E501
    # The plain image has neither PostgreSQL's driver nor boto3; no digest of this one is known to us.
    "mlflow": "ghcr.io/mlflow/mlflow:v3.17.0-full",
    "postgres": "docker.io/library/postgres:17.11-alpine@sha256:b0f9560a2de083e2cc7382e75f808c7381a32852a7ec49117deedb300e552b24",  # noqa: E501
    "prometheus": "docker.io/prom/prometheus:v3.15.0@sha256:efd719c99d83b060d9daefdcf00360461adf279f45ef5391f8d111892118753e",  # noqa: E501
    "registry": "docker.io/library/registry:3@sha256:ddf754342cfc8acc51a56d5d0ab6af06826461864460636d8bd5c546dab2a7b8",
    "seaweedfs": "docker.io/chrislusf/seaweedfs:4.48@sha256:4e61d15fd35994cb1e43e1e553dff106794841fd9a99ade2fc8c8bfce4d7872d",  # noqa: E501
}


def reference(name: str, mirror: str = "") -> str:
    """The full reference of an image.

    Args:
        name: a key of `IMAGES`.
        mirror: host and path that stand in place of the image's own host; empty: its own.
    """
    return mirrored(IMAGES[name], mirror)


def mirrored(image: str, mirror: str) -> str:
    """The same image in a mirror, which keeps each under the path that it has at home.

    Docker's short names are written out first: `mysql:8.4` is `docker.io/library/mysql:8.4`.
    """
    host, slash, path = image.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        path = image if slash else f"library/{image}"
        host = "docker.io"
    return f"{mirror}/{path}" if mirror else f"{host}/{path}"
