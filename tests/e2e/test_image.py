"""The service's image, built for real from the generated Dockerfile, answers a prediction.

An engine pulls the base images where it can. Where it can't, buildah is told to put stand-ins in their place: a
Debian from debootstrap with the same Python, and the uv of this suite. The Dockerfile is the project's own, unchanged.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import CACHE, run
from tests.e2e.test_project import PENGUIN, free_port

pytestmark = [
    pytest.mark.project,
    pytest.mark.skipif("SEEDBED_TEST_IMAGES" not in os.environ, reason="takes ten minutes: `make test-image` runs it"),
]

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# What makes this machine's package index reachable; it goes into the stand-in's settings, never into a file.
INDEX = re.compile(r"(UV|PIP)_\w*INDEX\w*|\w+_PROXY|\w+_proxy")


class Docker:
    """A Docker engine that can pull."""

    def build(self, root, target):
        tag = f"seedbed-test-{target}"
        good(run(["docker", "build", "--quiet", "--target", target, "--tag", tag, "."], root, timeout=1500))
        return tag

    def command(self, image, environment, arguments):
        return ["docker", "run", "--rm", "--network", "host", *settings(environment), image, *arguments]

    def says(self, image):
        return json.loads(good(run(["docker", "image", "inspect", image], Path.cwd())))[0]["Config"]

    def clean(self):
        run(["docker", "rmi", "--force", "seedbed-test-serving", "seedbed-test-pipeline"], Path.cwd())


@dataclass
class Buildah:
    """buildah as root, in a chroot: the image's own files and user, and the machine's network. Storage of its own."""

    storage: Path

    def build(self, root, target):
        tag = f"localhost/seedbed-test-{target}"
        bases = images(root)
        stand_ins = {} if self._pulls(bases[0]) else self._stand_ins(*bases)
        contexts = [
            part
            for image, stand_in in stand_ins.items()
            for part in ("--build-context", f"{image}=container-image://{stand_in}")
        ]
        options = ["--isolation", "chroot", "--network", "host", "--format", "docker", "--target", target]
        self._run("bud", *options, *contexts, "--tag", tag, root)
        return tag

    def command(self, image, environment, arguments):
        container = self._run("from", image).split()[-1]
        options = ["--isolation", "chroot", "--network", "host", *settings(environment)]
        return [*self._buildah(), "run", *options, container, "--", *arguments]

    def says(self, image):
        return json.loads(self._run("inspect", "--type", "image", image))["Docker"]["config"]

    def clean(self):
        self._run("rm", "--all")
        self._run("rmi", "--all", "--force")

    def _buildah(self):
        return ["buildah", "--root", self.storage / "root", "--runroot", self.storage / "run"]

    def _run(self, *arguments):
        return good(run([*self._buildah(), *arguments], Path.cwd(), timeout=1500))

    def _pulls(self, image):
        return run([*self._buildah(), "pull", "--quiet", image], Path.cwd(), timeout=300).returncode == 0

    def _stand_ins(self, uv, python):
        """Images to take in place of those that the Dockerfile names."""
        program = shutil.which("uv", path=Path(sys.executable).parent)
        return {
            uv: self._image("uv", program, "/uv"),
            python: self._image("python", debian(), "/", reaching_the_index()),
        }

    def _image(self, name, added, to, environment=()):
        container = self._run("from", "scratch").split()[-1]
        self._run("add", "--quiet", container, added, to)
        if environment:
            self._run("config", *settings(environment), container)
        self._run("commit", "--quiet", container, f"localhost/seedbed-test-{name}")
        return f"localhost/seedbed-test-{name}"


def settings(environment):
    return [part for item in environment.items() for part in ("--env", "=".join(item))]


def good(result):
    assert result.returncode == 0, result.stdout
    return result.stdout


def images(root):
    """The images that the Dockerfile starts from: uv's and Python's."""
    found = re.findall(r"^FROM (\S+@sha256:[0-9a-f]{64}) AS", (root / "Dockerfile").read_text(), re.MULTILINE)
    assert len(found) == 2
    return found


def reaching_the_index():
    found = {name: value for name, value in os.environ.items() if INDEX.fullmatch(name)}
    return found | ({"SSL_CERT_FILE": str(CERTIFICATES)} if CERTIFICATES.exists() else {})


def debian():
    """A Debian whose Python is the project's, made once and kept."""
    folder = CACHE / "debian-bookworm-python"
    if not folder.is_dir():
        made = folder.with_name(f"{folder.name}.{os.getpid()}")
        wanted = "--include=python3,python3-venv,ca-certificates"
        good(run(["debootstrap", "--variant=minbase", wanted, "bookworm", made], Path.cwd(), timeout=600))
        (made / "usr/bin/python").symlink_to("python3")
        if CERTIFICATES.exists():
            shutil.copyfile(CERTIFICATES, made / CERTIFICATES.relative_to("/"))
        made.rename(folder)
    return folder


@pytest.fixture
def engine(tmp_path):
    if shutil.which("docker") and run(["docker", "info"], Path.cwd()).returncode == 0:
        found = Docker()
    elif os.geteuid() == 0 and shutil.which("buildah") and shutil.which("debootstrap"):
        found = Buildah(tmp_path / "buildah")
    else:
        pytest.skip("there is neither a running Docker engine nor, for root, buildah and debootstrap")
    yield found
    found.clean()


def ask(url, body=None, parse=json.loads):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return parse(response.read())


def wait_for(url, seconds=300, parse=json.loads):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask(url, parse=parse)
        except OSError as error:
            assert time.monotonic() < deadline, f"{url}: {error}"
            time.sleep(0.25)


@pytest.fixture
def tracking(made, tmp_path):
    """An MLflow server with a champion: a container can't have the database file of a project without one."""
    port = free_port()
    command = [
        made.python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db", "--artifacts-destination", str(tmp_path / "artifacts"),
    ]  # fmt: skip
    with (tmp_path / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/version", parse=bytes.decode)
        uri = f"http://127.0.0.1:{port}"
        assert "promoted" in good(made.make("train", env={"MLFLOW_TRACKING_URI": uri}))
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def test_the_container_answers_a_prediction(made, engine, tracking):
    image = engine.build(made.root, "serving")
    said = engine.says(image)
    assert said["User"] == "10001:10001"
    assert said["Healthcheck"]["Test"][0] == "CMD"
    port = str(free_port())
    arguments = [{"0.0.0.0": "127.0.0.1", "8000": port}.get(part, part) for part in said["Cmd"]]  # noqa: S104
    environment = {"MLFLOW_TRACKING_URI": tracking, "MODEL_POLL_SECONDS": "0.5"}
    process = subprocess.Popen(engine.command(image, environment, arguments), start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz")
        answer = ask(f"http://127.0.0.1:{port}/predict", PENGUIN)
        label = {"id": answer["predictions"][0]["id"], "actual": "Adelie"}
        assert ask(f"http://127.0.0.1:{port}/feedback", label) == {"accepted": 1, "unknown": 0}
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
    assert answer["predictions"][0]["prediction"] == "Gentoo"


def test_the_pipelines_image_has_what_its_steps_run(made, engine):
    image = engine.build(made.root, "pipeline")
    said = engine.says(image)
    assert said["User"] == "10001:10001"
    result = run(engine.command(image, {}, said["Cmd"]), Path.cwd(), timeout=120)
    assert f"usage: python -m {made.package}.pipelines" in good(result)
    imports = ["python", "-c", f"import kfp, {made.package}.pipelines.components, {made.package}.stages"]
    good(run(engine.command(image, {}, imports), Path.cwd(), timeout=120))
