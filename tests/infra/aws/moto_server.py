"""The APIs of AWS other than S3, by moto over loopback. It takes any credentials."""

import contextlib

from moto.moto_api._internal import moto_api_backend
from moto.server import ThreadedMotoServer

KEYS = {"AWS_ACCESS_KEY_ID": "ACCESSKEY", "AWS_SECRET_ACCESS_KEY": "s3cret-of-the-test"}
SERVICES = ("ec2", "ecr", "eks", "elastic_load_balancing", "elastic_load_balancing_v2", "sts")


@contextlib.contextmanager
def serve():
    """A server with nothing in it; gives its URL. All servers of a process show the same."""
    moto_api_backend.reset()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def point_at(url, monkeypatch, *, services=SERVICES):
    """Let the default chain of credentials and addresses end there, and nowhere on this machine."""
    for variable in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(variable, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for variable, value in KEYS.items():
        monkeypatch.setenv(variable, value)
    for service in services:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service.upper()}", url)
