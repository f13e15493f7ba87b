{%- set github = cookiecutter.ci in ("github", "both") -%}
{%- set gitlab = cookiecutter.ci in ("gitlab", "both") -%}
{%- set request = "pull or merge request" if cookiecutter.ci == "both" else ("pull request" if github else "merge request") -%}
"""Show a Markdown file as a comment on a {{ request }}: `python ci/comment.py FILE`.

The comment of an earlier run is replaced, so that there is one and it is the newest.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MARK = "<!-- written by ci/comment.py -->"
PAGES = 20
PAGE_SIZE = 100
TIMEOUT = 30  # seconds


@dataclass(frozen=True, slots=True)
class Thread:
    """Where a request's comments are.

    Attributes:
        comments: the address that lists them and takes new ones.
        comment: the address under which each one is found by its id.
        edit: the HTTP method that replaces one.
        headers: that open the door.
    """

    comments: str
    comment: str
    edit: str
    headers: dict[str, str]

{% if github %}
def github(variables: Mapping[str, str]) -> Thread:
    """Return the comments of the pull request PULL_REQUEST; the other variables are set by GitHub."""
    repository = f"{variables['GITHUB_API_URL']}/repos/{variables['GITHUB_REPOSITORY']}"
    return Thread(
        comments=f"{repository}/issues/{variables['PULL_REQUEST']}/comments",
        comment=f"{repository}/issues/comments",
        edit="PATCH",
        headers={"Authorization": f"Bearer {variables['GITHUB_TOKEN']}"},
    )

{% endif %}
{%- if gitlab %}
def gitlab(variables: Mapping[str, str]) -> Thread:
    """Return the notes of the pipeline's merge request; GitLab sets all but GITLAB_COMMENT_TOKEN."""
    project = f"{variables['CI_API_V4_URL']}/projects/{variables['CI_PROJECT_ID']}"
    notes = f"{project}/merge_requests/{variables['CI_MERGE_REQUEST_IID']}/notes"
    headers = {"PRIVATE-TOKEN": variables["GITLAB_COMMENT_TOKEN"]}
    return Thread(comments=notes, comment=notes, edit="PUT", headers=headers)

{% endif %}
def main(arguments: list[str]) -> int:
    """Post the file.

    Returns:
        The exit code: 0 done, 1 failed, with the reason on stderr.
    """
    try:
        (name,) = arguments
        {%- if cookiecutter.ci == "both" %}
        thread = github(os.environ) if "GITHUB_ACTIONS" in os.environ else gitlab(os.environ)
        {%- else %}
        thread = {{ "github" if github else "gitlab" }}(os.environ)
        {%- endif %}
        print(post(thread, Path(name).read_text(encoding="utf-8")))
    except ValueError:
        print("usage: python ci/comment.py FILE", file=sys.stderr)
    except KeyError as error:
        print(f"error: {error} isn't set; CI runs this for a {{ request }}", file=sys.stderr)
    except OSError as error:
        print(f"error: the comment was not written: {error}", file=sys.stderr)
    else:
        return 0
    return 1


def post(thread: Thread, text: str) -> str:
    """Write the comment, in place of that of an earlier run.

    Returns:
        What was done, in words.

    Raises:
        OSError: the server can't be reached, or refuses.
    """
    body = {"body": f"{MARK}\n{text}"}
    for comment in _comments(thread):
        if comment["body"].startswith(MARK):
            _ask(thread, thread.edit, f"{thread.comment}/{comment['id']}", body)
            return "replaced the comment of before"
    _ask(thread, "POST", thread.comments, body)
    return "wrote a comment"


def _comments(thread: Thread) -> Iterator[Any]:
    for page in range(1, PAGES + 1):
        found = _ask(thread, "GET", f"{thread.comments}?per_page={PAGE_SIZE}&page={page}")
        yield from found
        if len(found) < PAGE_SIZE:
            return


def _ask(thread: Thread, method: str, url: str, body: dict[str, str] | None = None) -> Any:
    headers = {"Content-Type": "application/json", "Accept": "application/json", **thread.headers}
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, headers, method=method)  # noqa: S310 - CI sets the address
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        hint = "may the token write comments?" if error.code in {401, 403, 404} else error.reason
        raise OSError(f"{method} {url.partition('?')[0]}: {error.code}, {hint}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
