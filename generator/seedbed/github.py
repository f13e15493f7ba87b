"""What GitHub says of a repository: its name as it stands in the tokens of its jobs, and the numbers in them."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from seedbed.errors import InfrastructureError, SpecError, UsageError

if TYPE_CHECKING:
    from urllib.request import Request

HOST = "github.com"
NO_IDS = "none"
_API = "https://api.github.com"
# The version from which on the API says whether tokens carry numbers.
_API_VERSION = "2026-03-10"
_TIMEOUT = 20.0
_ANSWER_LIMIT = 1_000_000  # bytes
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# From then on every new repository's tokens carry them; so do those of one that was renamed or moved since.
_NUMBERED_SINCE = datetime(2026, 7, 15, tzinfo=UTC)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9_.-]{1,100}")
_ADDRESS = re.compile(
    r"(?:https?://(?:[^@/]+@)?|ssh://git@|git@)?(?P<host>[A-Za-z0-9.-]+\.[a-z]+)(?::22)?[/:](?P<path>.+)"
)
_TOKEN = re.compile(r"[A-Za-z0-9_.-]+")
_NOT_FOUND, _GONE, _UNAUTHORIZED, _FORBIDDEN, _TOO_MANY = 404, 410, 401, 403, 429


@dataclass(frozen=True)
class Repository:
    """A repository on GitHub.

    Attributes:
        name: OWNER/REPOSITORY in GitHub's own spelling, which its tokens have too.
        owner_id: the owner's number.
        id: its own number.
        numbered: whether the tokens of its jobs carry both; None: GitHub doesn't tell, to whom asked.
    """

    name: str
    owner_id: int
    id: int
    numbered: bool | None

    @property
    def address(self) -> str:
        """As the key `repository` of a spec has it."""
        return f"{HOST}/{self.name}"

    @property
    def ids(self) -> str | None:
        """As the key `repository_ids` of a spec has it; None: it isn't known what belongs there."""
        if self.numbered is None:
            return None
        return f"{self.owner_id}/{self.id}" if self.numbered else NO_IDS


def parse_name(text: str) -> str:
    """OWNER/REPOSITORY out of that itself, or out of an address of it.

    Raises:
        UsageError: it is no repository on GitHub.
    """
    path = text.strip()
    if not _NAME.fullmatch(path) and (address := _ADDRESS.fullmatch(path)):
        if address["host"].lower() != HOST:
            raise UsageError(
                f"{text!r} is on {address['host']}, and not on {HOST}",
                hint="Only GitHub's tokens carry numbers: elsewhere repository_ids stays empty.",
            )
        path = address["path"].strip("/")
    name = path.removesuffix(".git")
    if not _NAME.fullmatch(name) or name.rpartition("/")[2] in {".", ".."}:
        raise UsageError(f"{text!r} is no repository on {HOST}", hint="Give OWNER/REPOSITORY, such as acme/flights.")
    return name


def remote(folder: Path) -> str:
    """The address of the git remote "origin"; empty where there is none, or no git."""
    command = ["git", "remote", "get-url", "origin"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def find(name: str, environ: Mapping[str, str]) -> Repository:
    """Ask GitHub for a repository.

    Args:
        name: OWNER/REPOSITORY.
        environ: GITHUB_TOKEN or GH_TOKEN opens a private repository, and tells whether its tokens carry numbers;
            GITHUB_API_URL is where the API is, if not at api.github.com.

    Raises:
        SpecError: GitHub has no such repository, or doesn't show it.
        UsageError: GITHUB_API_URL or the token won't do.
        InfrastructureError: GitHub can't be reached, refuses the token, has been asked too often, or answers with
            something that is unknown here.
    """
    api = _Api(environ)
    found = api.ask(f"/repos/{name}", name)
    try:
        whole, own, owners = str(found["full_name"]), int(found["id"]), int(found["owner"]["id"])
        created = datetime.fromisoformat(found["created_at"])
    except (KeyError, TypeError, ValueError):
        raise InfrastructureError(
            f"{api.url} says nothing of {name} that can be understood",
            hint="Look whether GITHUB_API_URL is GitHub's API.",
        ) from None
    numbered = _numbered(api, Repository(whole, owners, own, numbered=True))
    if numbered is None and created >= _NUMBERED_SINCE:
        numbered = True
    return Repository(whole, owners, own, numbered)


def _numbered(api: _Api, repository: Repository) -> bool | None:
    """Whether its tokens carry numbers, where GitHub tells: to those who may administer it.

    Raises:
        InfrastructureError: its tokens have another form than the roles on AWS are made for.
    """
    path = f"/repos/{repository.name}/actions/oidc/customization/sub"
    try:
        form = api.ask(path, repository.name)
    except (SpecError, _RefusedError):
        return None
    numbered = form.get("use_immutable_subject")
    expected = repository.name
    if numbered:
        owner, _, name = repository.name.partition("/")
        expected = f"{owner}@{repository.owner_id}/{name}@{repository.id}"
    prefix = form.get("sub_claim_prefix", f"repo:{expected}")
    if form.get("use_default") is False or prefix != f"repo:{expected}":
        raise InfrastructureError(
            f"The tokens of {repository.name} have a form of their own ({prefix}…), and no role would let them in",
            hint="Give them GitHub's own form: gh api --method PUT"
            f" {path} -F use_default=true -F use_immutable_subject=true",
        )
    return numbered if isinstance(numbered, bool) else None


class _RefusedError(InfrastructureError):
    """GitHub knows who asks, and doesn't tell them."""


class _Api:
    """GitHub's REST API, asked by whoever the environment's token belongs to."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.url = (environ.get("GITHUB_API_URL") or _API).rstrip("/")
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise UsageError(
                f"GITHUB_API_URL is {self.url!r}, and a token would cross the network in plain text",
                hint="Give an address with https://, or none for api.github.com.",
            )
        self._token = environ.get("GITHUB_TOKEN") or environ.get("GH_TOKEN") or ""
        if self._token and not _TOKEN.fullmatch(self._token):
            raise UsageError("GITHUB_TOKEN or GH_TOKEN holds characters that no token has", hint="Set it again.")

    def ask(self, path: str, name: str) -> dict[str, Any]:
        """What it answers for a path about the repository of this name."""
        from urllib.error import HTTPError
        from urllib.request import Request, build_opener

        headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": _API_VERSION,
            "User-Agent": "seedbed",
        }
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = Request(f"{self.url}{path}", headers=headers)  # noqa: S310 - the scheme was looked at
        try:
            with build_opener(_same_host_only()).open(request, timeout=_TIMEOUT) as answer:
                content = json.loads(answer.read(_ANSWER_LIMIT))
        except HTTPError as error:
            with error:
                raise self._refused(error.code, error.headers, name) from None
        except (OSError, http.client.HTTPException) as error:
            raise InfrastructureError(
                f"{self.url} can't be reached: {getattr(error, 'reason', error)}",
                hint="Look at the network and its proxy (HTTPS_PROXY), and run the command again.",
            ) from None
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise InfrastructureError(
                f"{self.url} answers with something else than an API would",
                hint="Look whether GITHUB_API_URL is GitHub's API, and what a proxy on the way does.",
            )
        return content

    def _refused(self, status: int, headers: Any, name: str) -> SpecError | InfrastructureError:
        again = headers.get("retry-after")
        if status == _TOO_MANY or (status == _FORBIDDEN and (again or headers.get("x-ratelimit-remaining") == "0")):
            hint = (
                "Wait for that"
                if self._token
                else "Set GITHUB_TOKEN (gh auth token), which may ask more often, or wait"
            )
            return InfrastructureError(
                f"GitHub has been asked too often from here; it answers again {_end(headers)}",
                hint=f"{hint}, and run the command again.",
            )
        if status in {_NOT_FOUND, _GONE}:
            whom = "this token" if self._token else "strangers"
            return SpecError(
                f"GitHub has no repository {name}, or doesn't show it to {whom}",
                hint="Check the spelling. A private one needs a token that may read it: export GITHUB_TOKEN=$(gh auth"
                " token)",
            )
        if status == _UNAUTHORIZED:
            return _RefusedError(
                "GitHub doesn't accept the token" if self._token else "GitHub wants a token",
                hint="Set GITHUB_TOKEN to one that is still good: gh auth token",
            )
        if status == _FORBIDDEN:
            return _RefusedError(
                f"GitHub doesn't let this token read {name}",
                hint="Give it the right to read the repository's metadata, and your organization's single sign-on.",
            )
        return InfrastructureError(f"{self.url} answers with status {status}", hint="Run the command again later.")


def _end(headers: Any) -> str:
    """When the limit ends, in words."""
    if (reset := str(headers.get("x-ratelimit-reset", ""))).isdigit():
        return f"at {datetime.fromtimestamp(int(reset), UTC):%H:%M:%S} UTC"
    if (seconds := str(headers.get("retry-after", ""))).isdigit():
        return f"in {seconds} s"
    return "within the hour"


def _same_host_only() -> Any:
    """A renamed repository is found under its number; a token is never sent along to another host."""
    from urllib.request import HTTPRedirectHandler

    class SameHost(HTTPRedirectHandler):
        def redirect_request(
            self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> Request | None:
            if urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
                return None
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    return SameHost()
