"""`seedbed repository-ids`, against a server on loopback that answers as GitHub's API does."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from seedbed import github, spec, spec_file
from seedbed.cli import repository_ids
from seedbed.errors import ConflictError, InfrastructureError, SpecError, UsageError
from seedbed.spec_sources import read_toml

FOUND = {"full_name": "Acme/flights", "id": 501, "owner": {"id": 1296269}, "created_at": "2024-01-02T03:04:05Z"}
NEW = {**FOUND, "created_at": "2026-07-15T00:00:00Z"}
FORM = "/repos/Acme/flights/actions/oidc/customization/sub"
NUMBERED = {"use_default": True, "use_immutable_subject": True, "sub_claim_prefix": "repo:Acme@1296269/flights@501"}
NAMED = {"use_default": True, "use_immutable_subject": False, "sub_claim_prefix": "repo:Acme/flights"}
PATH = "/repos/acme/flights"
SPEC = """\
# Ours: don't touch.
[project]
name = "Flight Delays"   # as on the door
branch = "main"

# What decides.
[data]
target = "late"
source = "flights.csv"

[data.features]
distance = "number"

[environments.prod]
target = "aws"
account = "123456789012"
region = "eu-west-1"
"""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.answers, self.asked = {}, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        status, headers, body = self.server.answers.get(self.path, (404, {}, {"message": "Not Found"}))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def api():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


@pytest.fixture
def ask(api):
    def run(name="acme/flights", **environ):
        return github.find(name, {"GITHUB_API_URL": api.url, **environ})

    return run


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "flights"
    folder.mkdir()
    (folder / spec.FILE_NAME).write_text(SPEC, encoding="utf-8")
    return folder


@pytest.fixture
def command(api, monkeypatch):
    """The command; as a process of its own it is part of the overview's tests."""

    def run(*arguments):
        monkeypatch.setenv("GITHUB_API_URL", api.url)
        return CliRunner().invoke(repository_ids.command, [str(argument) for argument in arguments])

    return run


@pytest.mark.parametrize(
    ("repository", "form", "numbered", "ids"),
    [
        (FOUND, NUMBERED, True, "1296269/501"),
        (FOUND, NAMED, False, "none"),
        (NEW, NAMED, False, "none"),
        (FOUND, None, None, None),
        (NEW, None, True, "1296269/501"),
        (FOUND, {"use_default": True}, None, None),
    ],
)
def test_what_the_tokens_carry(api, ask, repository, form, numbered, ids):
    api.answers[PATH] = (200, {}, repository)
    if form:
        api.answers[FORM] = (200, {}, form)
    found = ask(GITHUB_TOKEN="ghp_x")
    assert (found.name, found.owner_id, found.id) == ("Acme/flights", 1296269, 501)
    assert (found.numbered, found.ids) == (numbered, ids)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_who_may_not_see_the_form_is_told_the_numbers_all_the_same(api, ask, status):
    api.answers[PATH] = (200, {}, FOUND)
    api.answers[FORM] = (status, {}, {"message": "no"})
    assert ask().numbered is None


@pytest.mark.parametrize(
    "form", [{**NAMED, "use_default": False}, {**NUMBERED, "sub_claim_prefix": "repo:Acme-1296269/flights-501"}]
)
def test_tokens_of_another_form_are_named_before_roles_are_made_for_them(api, ask, form):
    api.answers[PATH] = (200, {}, FOUND)
    api.answers[FORM] = (200, {}, form)
    with pytest.raises(InfrastructureError, match="form of their own") as caught:
        ask(GITHUB_TOKEN="ghp_x")
    assert "use_default=true" in caught.value.hint


@pytest.mark.parametrize("variable", ["GITHUB_TOKEN", "GH_TOKEN"])
def test_the_token_goes_along_and_nowhere_into_messages(api, ask, variable):
    with pytest.raises(SpecError, match="doesn't show it to this token") as caught:
        ask(**{variable: "ghp_secret"})
    assert [headers["Authorization"] for _, headers in api.asked] == ["Bearer ghp_secret"]
    assert "ghp_secret" not in str(caught.value) + caught.value.hint


def test_without_a_token_none_is_sent_and_one_is_asked_for(api, ask):
    with pytest.raises(SpecError, match="doesn't show it to strangers") as caught:
        ask()
    assert "Authorization" not in api.asked[0][1]
    assert "GITHUB_TOKEN" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "headers", "when"),
    [
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1785542400"}, "at 00:00:00 UTC"),
        (429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1785542400"}, "at 00:00:00 UTC"),
        (403, {"retry-after": "61"}, "in 61 s"),
        (429, {"x-ratelimit-reset": "soon"}, "within the hour"),
    ],
)
def test_too_many_questions_end_at_a_time_that_is_said(api, ask, status, headers, when):
    api.answers[PATH] = (status, headers, {"message": "API rate limit exceeded"})
    with pytest.raises(InfrastructureError, match=f"asked too often from here; it answers again {when}") as caught:
        ask()
    assert "may ask more often" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, {}, {}), "wants a token"),
        ((403, {}, {}), "doesn't let this token read"),
        ((500, {}, {}), "answers with status 500"),
        ((302, {"Location": "http://localhost:9/repos/acme/flights"}, {}), "answers with status 302"),
        ((200, {}, b"<html>"), "something else than an API"),
        ((200, {}, []), "something else than an API"),
        ((200, {}, {"full_name": "a/b"}), "nothing of acme/flights"),
        ((200, {}, {**FOUND, "owner": None}), "nothing of acme/flights"),
        ((200, {"Content-Length": "100000"}, b'{"full_name": "Ac'), "something else than an API"),
    ],
)
def test_answers_that_are_none(api, ask, answer, message):
    api.answers[PATH] = answer
    with pytest.raises(InfrastructureError, match=message):
        ask()


def test_a_renamed_repository_is_found_under_its_new_name(api, ask):
    api.answers[PATH] = (301, {"Location": f"{api.url}/repositories/501"}, {})
    api.answers["/repositories/501"] = (200, {}, FOUND)
    assert ask(GITHUB_TOKEN="ghp_x").name == "Acme/flights"


def test_nobody_there():
    with Server() as server:
        url = server.url
    with pytest.raises(InfrastructureError, match="can't be reached") as caught:
        github.find("acme/flights", {"GITHUB_API_URL": url})
    assert "HTTPS_PROXY" in caught.value.hint


@pytest.mark.parametrize(
    "environ",
    [
        {"GITHUB_API_URL": "http://github.example.com/api/v3"},
        {"GITHUB_API_URL": "file:///etc"},
        {"GITHUB_TOKEN": "ghp_x\r\nX-Evil: 1"},
    ],
)
def test_what_would_leak_the_token_is_refused(environ):
    with pytest.raises(UsageError):
        github.find("acme/flights", environ)


@pytest.mark.parametrize(
    "text",
    [
        "acme/flights", "github.com/acme/flights", "https://github.com/acme/flights", "git@github.com:acme/flights.git",
        "https://github.com/acme/flights.git", "ssh://git@github.com/acme/flights.git", "https://GitHub.com/acme/flights/",
        "https://x-access-token:secret@github.com/acme/flights", "ssh://git@github.com:22/acme/flights", " acme/flights\n",
    ],
)  # fmt: skip
def test_addresses(text):
    assert github.parse_name(text) == "acme/flights"


@pytest.mark.parametrize(
    "text",
    [
        "flights", "acme/flights/x", "acme/", "/flights", "acme/..", "acme/.git", "acme/fl ights", "acme/flights?x", "",
        "-acme/flights", "git@gitlab.com:acme/flights.git", "https://github.com.evil.example/acme/flights", "a/b\nc",
    ],
)  # fmt: skip
def test_what_is_no_repository(text):
    with pytest.raises(UsageError):
        github.parse_name(text)


def test_print(api, command):
    api.answers[PATH] = (200, {}, NEW)
    done = command("acme/flights")
    assert done.exit_code == 0
    assert "Acme/flights" in done.output
    assert "carry both numbers" in done.output
    assert 'repository_ids = "1296269/501"' in done.output
    shown = json.loads(command("acme/flights", "--json").output)
    assert shown == {
        "ok": True, "repository": "github.com/Acme/flights", "owner_id": 1296269, "repository_id": 501,
        "numbers_in_tokens": True, "repository_ids": "1296269/501", "changed": False,
    }  # fmt: skip


def test_write_changes_two_keys_and_nothing_else(api, command, project):
    path = project / spec.FILE_NAME
    path.chmod(0o640)
    api.answers[PATH] = (200, {}, NEW)
    done = command("acme/flights", "--write", "-C", project)
    assert done.exit_code == 0, done.output
    assert "says so now" in done.output
    added = 'repository = "github.com/Acme/flights"\nrepository_ids = "1296269/501"\n'
    after = path.read_text(encoding="utf-8")
    assert after == SPEC.replace('branch = "main"\n', f'branch = "main"\n{added}')
    assert read_toml(path)["project"]["repository_ids"] == "1296269/501"
    assert path.stat().st_mode & 0o777 == 0o640
    again = command("acme/flights", "--write", "-C", project, "--json")
    assert json.loads(again.output)["changed"] is False
    assert path.read_text(encoding="utf-8") == after
    assert [file.name for file in project.iterdir()] == [spec.FILE_NAME]


def test_without_an_argument_it_is_the_projects_own(api, command, project):
    api.answers[PATH] = (200, {}, NEW)
    error = command("-C", project).exception
    assert isinstance(error, UsageError)
    assert "OWNER/REPOSITORY" in error.hint
    git = ["git", "-C", project]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "remote", "add", "origin", "git@github.com:acme/flights.git"], check=True)
    assert command("-C", project, "--write").exit_code == 0
    subprocess.run([*git, "remote", "set-url", "origin", "git@github.com:evil/flights.git"], check=True)
    api.answers["/repos/Acme/flights"] = (200, {}, NEW)
    assert "Acme/flights" in command("-C", project).output


def test_a_guess_is_not_written(api, command, project):
    api.answers[PATH] = (200, {}, FOUND)
    error = command("acme/flights", "--write", "-C", project).exception
    assert isinstance(error, ConflictError)
    assert "1296269/501" in error.hint
    assert (project / spec.FILE_NAME).read_text(encoding="utf-8") == SPEC
    assert "may carry both numbers or not" in command("acme/flights").output


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('[project]\nname = "A b"\n[data]', '[project]\nname = "A b"\nrepository_ids = "none"\n[data]'),
        ('[project]\nrepository_ids = "1/2" # old\nname = "A b"\n[data]',
         '[project]\nrepository_ids = "none" # old\nname = "A b"\n[data]'),
    ],
)  # fmt: skip
def test_where_a_key_goes(project, before, after):
    path, rest = project / spec.FILE_NAME, '\ntarget = "late"\nsource = "a.csv"\nfeatures = {x = "number"}\n'
    path.write_bytes((before + rest).encode())
    assert spec_file.set_keys(path, "project", {"repository_ids": "none"})
    assert path.read_bytes().decode() == after + rest
    assert not spec_file.set_keys(path, "project", {"repository_ids": "none"})


@pytest.mark.parametrize("values", [{"repository": "gitlab.example.com/a/b"}, {"colour": "red"}])
def test_a_file_that_would_not_be_valid_stays_as_it_was(project, values):
    path = project / spec.FILE_NAME
    with pytest.raises(SpecError):
        spec_file.set_keys(path, "project", values)
    assert path.read_text(encoding="utf-8") == SPEC


def test_a_link_stays_a_link(project, tmp_path):
    link = tmp_path / "link.toml"
    link.symlink_to(project / spec.FILE_NAME)
    assert spec_file.set_keys(link, "project", {"repository_ids": "none"})
    assert link.is_symlink()
    assert read_toml(project / spec.FILE_NAME)["project"]["repository_ids"] == "none"


def test_starting_imports_no_network(project):
    code = (
        "import sys, seedbed.cli.repository_ids; print([m for m in ('urllib.request', 'tomlkit') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
