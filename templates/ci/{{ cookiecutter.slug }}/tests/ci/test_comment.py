{%- set github = cookiecutter.ci in ("github", "both") -%}
{%- set gitlab = cookiecutter.ci in ("gitlab", "both") -%}
"""The comment on a request, against a server that keeps comments as the real one does."""

import json
import runpy
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support import ROOT

comment = runpy.run_path(str(ROOT / "ci/comment.py"))
PLACES = {
{%- if github %}
    "github": ("/repos/acme/penguins/issues/7/comments", "/repos/acme/penguins/issues/comments/", "PATCH"),
{%- endif %}
{%- if gitlab %}
    "gitlab": ("/projects/5/merge_requests/7/notes", "/projects/5/merge_requests/7/notes/", "PUT"),
{%- endif %}
}
VARIABLES = {
{%- if github %}
    "github": {
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": "URL",
        "GITHUB_REPOSITORY": "acme/penguins",
        "PULL_REQUEST": "7",
        "GITHUB_TOKEN": "letmein",
    },
{%- endif %}
{%- if gitlab %}
    "gitlab": {
        "CI_API_V4_URL": "URL",
        "CI_PROJECT_ID": "5",
        "CI_MERGE_REQUEST_IID": "7",
        "GITLAB_COMMENT_TOKEN": "letmein",
    },
{%- endif %}
}


class Comments(BaseHTTPRequestHandler):
    """The comments of one request; `server.kept` holds them."""

    def do_GET(self):
        path, _, query = self.path.partition("?")
        page = int(query.rpartition("page=")[2])
        known = path == self.server.place[0]
        self.answer(self.server.kept[(page - 1) * 100 : page * 100] if known else None)

    def do_POST(self):
        added = {"id": len(self.server.kept) + 1, "body": self.body()}
        self.server.kept.append(added)
        self.answer(added if self.path == self.server.place[0] else None)

    def do_PATCH(self):
        folder, _, number = self.path.rpartition("/")
        changed = self.server.kept[int(number) - 1]
        changed["body"] = self.body()
        self.answer(changed if (folder + "/", self.command) == self.server.place[1:] else None)

    def do_PUT(self):
        self.do_PATCH()

    def body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]

    def answer(self, content):
        allowed = "letmein" in (self.headers["Authorization"] or self.headers["PRIVATE-TOKEN"] or "")
        text = json.dumps(content).encode()
        self.send_response(403 if not allowed else 404 if content is None else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def outside(monkeypatch):
    """The tests themselves may run in CI."""
    for names in VARIABLES.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=PLACES)
def server(request, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Comments) as server:
        server.place, server.kept = PLACES[request.param], []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name, value in VARIABLES[request.param].items():
            monkeypatch.setenv(name, value.replace("URL", f"http://127.0.0.1:{server.server_address[1]}"))
        yield server
        server.shutdown()


def post(tmp_path, text):
    (tmp_path / "report.md").write_text(text)
    return comment["main"]([str(tmp_path / "report.md")])


def test_a_later_run_replaces_the_comment_and_no_other(server, tmp_path):
    server.kept += [{"id": number, "body": "by a person"} for number in range(1, 131)]
    assert post(tmp_path, "first") == 0
    assert post(tmp_path, "second") == 0
    written = [item["body"] for item in server.kept if item["body"] != "by a person"]
    assert [text.splitlines()[1:] for text in written] == [["second"]]


def test_a_refusal_is_an_error_with_a_hint(server, tmp_path, monkeypatch, capsys):
    for name in [name for names in VARIABLES.values() for name in names if name.endswith("TOKEN")]:
        monkeypatch.setenv(name, "stranger")
    assert post(tmp_path, "text") == 1
    assert "may the token write comments?" in capsys.readouterr().err


def test_outside_ci_it_says_so(tmp_path, capsys):
    assert post(tmp_path, "text") == 1
    assert "isn't set" in capsys.readouterr().err
