"""The Pulumi program under test, small processes to supervise, and a check that no test leaves one behind."""

import sys
from pathlib import Path

import pytest
from tests.infra import minio_program

INFRA = Path(__file__).resolve().parents[2] / "infra"
sys.path.insert(0, str(INFRA))

KEYS = {"access_key": "ACCESSKEY", "secret_key": "s3cret-of-the-test"}
TINY_SERVER = Path(__file__).with_name("tiny_server.py")


@pytest.fixture
def home(tmp_path):
    from mlops_platform.supervision import marks

    folder = tmp_path / "home"
    yield folder
    left = [(process.pid, process.cmdline()) for process in marks.find(folder)]
    marks.stop(folder, grace=1)
    assert not left, f"the test left processes running: {left}"


@pytest.fixture
def make_service(home):
    """Services that run the tiny server; the last arguments are its modes."""
    from mlops_platform.supervision.service import Check, Service

    def make(*modes, port=0, environment=None, seconds=60.0, version="1", residue=()):
        return Service(
            home=home,
            name="tiny",
            command=(sys.executable, "-S", str(TINY_SERVER), "{port.http}", *modes),
            ports={"http": port},
            environment=environment or {},
            version=version,
            ready=(Check("http", "/healthz", "I am well"),),
            ready_seconds=seconds,
            residue=residue,
        )

    return make


@pytest.fixture(scope="session")
def pulumi_cli(pulumi):
    """The Pulumi command."""
    return str(pulumi.path)


@pytest.fixture(scope="session")
def servers():
    """Kind of store → how to run its server; a test of one whose program is missing is skipped."""
    from mlops_platform.components.local import minio, seaweedfs

    def find(kind):
        if kind == "seaweedfs":
            return seaweedfs.server()
        program = minio_program.find()
        if program is None:
            pytest.skip(minio_program.MISSING)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(minio.PROGRAM_VARIABLE, program)
            return minio.server()

    return find


@pytest.fixture(scope="session")
def store_props(servers):
    """The inputs of a store's process, with the keys `KEYS`."""

    def make(kind, home):
        server = servers(kind)
        return {
            "name": "store", "home": str(home), "command": server.command,
            "requested_ports": dict.fromkeys(server.ports, 0), "fixed_distances": server.fixed_distances,
            "environment": {
                **server.environment,
                server.access_key_variable: KEYS["access_key"],
                server.secret_key_variable: KEYS["secret_key"],
            },
            "version": server.version, "ready": [vars(check) for check in server.ready], "ready_seconds": 180,
            "residue": server.residue,
        }  # fmt: skip

    return make
