"""containerd as a node runs it, asked to pull an image as the kubelet asks it."""

import contextlib
import os
import shutil
import signal
import subprocess
import time

import grpc
import pytest

_STOP_SECONDS, _READY_SECONDS = 20, 120
_PULL, _VERSION = "/runtime.v1.ImageService/PullImage", "/runtime.v1.RuntimeService/Version"
_CONFIGURATION = """
version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  stream_server_port = "0"
  # Works on every file system: nothing is run from it.
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
"""


def _text(number, value):
    """A protobuf field of text, or of a message that is encoded already."""
    value = value.encode() if isinstance(value, str) else value
    length, size = b"", len(value)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + value


class Runtime:
    """A running containerd, without any configuration of registries."""

    def __init__(self, socket):
        self._channel = grpc.insecure_channel(f"unix://{socket}")
        self._pull, self._version = (self._channel.unary_unary(method) for method in (_PULL, _VERSION))

    def is_ready(self):
        """Whether it answers requests: it listens before it does."""
        try:
            self._version(b"", timeout=10)
        except grpc.RpcError:
            return False
        return True

    def pull(self, image, username="", password=""):
        """Pull with what a pull secret holds; the error is what a pod's event would say, or "".

        The request is PullImageRequest of Kubernetes' CRI API: the image, and the account.
        """
        account = _text(2, _text(1, username) + _text(2, password)) if username else b""
        try:
            self._pull(_text(1, _text(1, image)) + account, timeout=60)
        except grpc.RpcError as error:
            return error.details()
        return ""

    def close(self):
        self._channel.close()


@contextlib.contextmanager
def running(folder):
    """Start containerd below a folder.

    Skips the test where it isn't installed, or may not run: it has to be root.
    """
    program = shutil.which("containerd")
    if program is None or os.geteuid() != 0:
        pytest.skip("no containerd here, or no right to run it (Debian: apt-get install containerd; as root)")
    configuration = folder / "containerd.toml"
    configuration.write_text(_CONFIGURATION.format(folder=folder))
    with (folder / "containerd.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "--config", configuration], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder
        )
    runtime = Runtime(folder / "containerd.sock")
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while not runtime.is_ready():
            said = (folder / "containerd.log").read_text()[-2000:]
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        yield runtime
    finally:
        runtime.close()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
