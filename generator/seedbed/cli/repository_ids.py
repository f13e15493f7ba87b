from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seedbed.cli import output
from seedbed.cli.options import json_option, project_option

if TYPE_CHECKING:
    from seedbed.environments.project import Project
    from seedbed.github import Repository


@click.command("repository-ids")
@click.argument("repository", metavar="[OWNER/REPOSITORY]", required=False)
@click.option("--write", is_flag=True, help="Put repository and repository_ids into the project's seedbed.toml.")
@project_option
@json_option
def command(repository: str | None, write: bool, project: Path | None, as_json: bool) -> None:
    """Find the numbers in the tokens of a GitHub repository's CI.

    AWS lets CI in by what its tokens say, and since July 2026 they name owner and repository by number
    too. Without an argument it is the repository that seedbed.toml names, or else the git remote origin.
    GITHUB_TOKEN or GH_TOKEN is needed for a private one.

    \b
    Examples:
      seedbed repository-ids --write
      GITHUB_TOKEN=$(gh auth token) seedbed repository-ids acme/flights
    """
    import os

    from seedbed import github, spec
    from seedbed.environments.project import find_project

    here = find_project(project) if write or project or not repository else None
    found = github.find(github.parse_name(repository or _named(here)), os.environ)
    changed = write and _write(here, found)
    if as_json:
        output.emit(
            {
                "repository": found.address,
                "owner_id": found.owner_id,
                "repository_id": found.id,
                "numbers_in_tokens": found.numbered,
                "repository_ids": found.ids,
                "changed": changed,
            }
        )
        return
    output.line(found.name, bold=True)
    output.line(f"  owner       {found.owner_id}")
    output.line(f"  repository  {found.id}")
    output.line(f"  tokens      {_TOKENS[found.numbered]}")
    if write:
        output.line(f"{spec.FILE_NAME} says so now." if changed else f"{spec.FILE_NAME} says so already.")
        output.line("Next: `seedbed up ENV` for each environment on AWS lets its CI in.")
    elif found.ids:
        output.line(f'Next: in {spec.FILE_NAME}, [project] repository = "{found.address}"')
        output.line(f'      and repository_ids = "{found.ids}"; --write does both.')
    else:
        output.line(f'Next: {_ASK}. Or set repository_ids = "{found.owner_id}/{found.id}" where its tokens carry')
        output.line("      them, and none where they don't.")


_TOKENS = {True: "carry both numbers", False: "carry names only", None: "may carry both numbers or not"}
_ASK = "ask with a token that may administer it (GITHUB_TOKEN), and GitHub says which"


def _named(project: Project | None) -> str:
    """The repository that the project is in."""
    from seedbed import github
    from seedbed.errors import UsageError

    assert project is not None  # noqa: S101 - looked for where no repository is given
    if found := project.spec.project.repository or github.remote(project.root):
        return found
    raise UsageError(
        "Which repository? Neither seedbed.toml nor a git remote named origin names one",
        hint="Give it: seedbed repository-ids OWNER/REPOSITORY --write",
    )


def _write(project: Project | None, found: Repository) -> bool:
    from seedbed import spec, spec_file
    from seedbed.errors import ConflictError

    assert project is not None  # noqa: S101 - as above
    if found.ids is None:
        raise ConflictError(
            f"GitHub doesn't say to you whether the tokens of {found.name} carry numbers, and a guess would shut its CI"
            " out; nothing was changed",
            hint=f"{_ASK[0].upper()}{_ASK[1:]}. Or set repository_ids by hand: {found.owner_id}/{found.id} if they do,"
            " none if not.",
        )
    return spec_file.set_keys(
        project.root / spec.FILE_NAME, "project", {"repository": found.address, "repository_ids": found.ids}
    )
