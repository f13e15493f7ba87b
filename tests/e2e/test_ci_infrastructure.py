"""The infrastructure as CI previews and applies it: the real engine, a small program, and a server that keeps comments."""

import json
import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from tests.conftest import run
from tests.unit.test_render import answers

from seedbed import creation

pytestmark = [pytest.mark.project, pytest.mark.engine]

PROGRAM = """
import pulumi

class Thing(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("test:index:Thing", name)

for name in pulumi.Config().get("things").split():
    Thing(name)
pulumi.export("secret", pulumi.Output.secret("not-to-be-seen"))
"""


@pytest.fixture
def project(tmp_path, made, pulumi):
    """A project whose infrastructure is two things that are nowhere, in an environment that CI may change."""
    root = creation.create(answers(choices__ci="both"), tmp_path / "project").destination
    (root / ".venv").symlink_to(made.root / ".venv")
    shutil.rmtree(root / "infra/mlops_platform")
    (root / "infra/__main__.py").write_text(PROGRAM)
    things(root, "one two")
    env = {
        "ENVIRONMENT": "prod", "PULUMI_BACKEND_URL": (tmp_path / "state").as_uri(), "PULUMI_CONFIG_PASSPHRASE": "secret",
        "PULUMI_SKIP_UPDATE_CHECK": "true", "PATH": f"{pulumi.folder}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    (tmp_path / "state").mkdir()
    return lambda *arguments, **more: run([root / ".venv/bin/python", *arguments], root, env={**env, **more}), root


def things(root, names):
    config = {"mlops-platform:target": "aws", "mlops-platform:things": names}
    (root / "infra/Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))


def report(root):
    return (root / "build/infrastructure.md").read_text()


def test_a_preview_changes_nothing_and_an_apply_does_what_it_said(project):
    ci, root = project
    done = ci("ci/infrastructure.py", "preview")
    assert done.returncode == 0, done.stdout
    assert report(root).splitlines()[0] == "### Infrastructure of `prod`: 3 create"
    again = ci("ci/infrastructure.py", "preview")
    assert "3 create" in again.stdout or "3 create" in report(root), "the first preview made nothing"
    done = ci("ci/infrastructure.py", "apply")
    assert done.returncode == 0, done.stdout
    assert "prod: 3 create" in done.stdout
    things(root, "one three")
    assert ci("ci/infrastructure.py", "preview").returncode == 0
    assert report(root).splitlines()[0] == "### Infrastructure of `prod`: 1 create, 1 delete"
    assert "three" in report(root)
    assert "not-to-be-seen" not in report(root) + done.stdout


def test_a_program_that_fails_is_red_and_says_so_in_the_report(project):
    ci, root = project
    (root / "infra/__main__.py").write_text("raise RuntimeError('no such zone')\n")
    done = ci("ci/infrastructure.py", "preview")
    assert done.returncode == 1
    assert "the preview failed" in report(root).splitlines()[0]
    assert "no such zone" in report(root)
    assert ci("ci/infrastructure.py", "apply").returncode == 1


def test_an_environment_of_one_machine_is_refused(project):
    ci, root = project
    done = ci("ci/infrastructure.py", "apply", ENVIRONMENT="dev")
    assert done.returncode == 1
    assert "runs on the machine that starts it" in done.stdout
    assert not (root / "build").exists()


def test_the_report_becomes_the_comment_of_the_request(project):
    ci, _ = project
    kept = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(kept)

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
            kept.append({"id": 1, "body": body, "path": self.path})
            self.answer(kept[-1])

        def answer(self, content):
            text = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    assert ci("ci/infrastructure.py", "preview").returncode == 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        done = ci("ci/comment.py", "build/infrastructure.md", GITHUB_ACTIONS="true", GITHUB_API_URL=url,
                  GITHUB_REPOSITORY="acme/penguins", PULL_REQUEST="7", GITHUB_TOKEN="token")  # fmt: skip
        server.shutdown()
    assert done.returncode == 0, done.stdout
    assert kept[0]["path"] == "/repos/acme/penguins/issues/7/comments"
    assert "### Infrastructure of `prod`: 3 create" in kept[0]["body"]
