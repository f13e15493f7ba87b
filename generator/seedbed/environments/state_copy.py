"""A copy of an environment's state in a bucket, made by the engine, and proven to be one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seedbed import toolchain
from seedbed.environments import stack as stacks
from seedbed.environments.aws.remote_state import RemoteState
from seedbed.environments.project import Project
from seedbed.environments.state import Runs, settings_file
from seedbed.errors import InfrastructureError


class Copy:
    """The engine at work in a folder of its own, so that the project's files stay as they are.

    Args:
        project: whose environment it is.
        name: the environment's.
        folder: empty, and removed afterwards.
        cli: the engine's program.
        say: told what an interruption does.
    """

    def __init__(
        self, project: Project, name: str, folder: Path, cli: toolchain.PulumiCli, say: Callable[[str], None]
    ) -> None:
        from seedbed.environments.engine import Engine

        self._project, self._name, self._folder = project, name, folder
        self._engine = Engine(cli, say, Runs.of(project, name))
        self._environment = stacks.process_environment(project, name, cli)
        for source in (project.infra / "Pulumi.yaml", settings_file(project, name)):
            shutil.copyfile(source, folder / source.name)

    def transfer(self, url: str, provider: str) -> dict[str, Any]:
        """Copy the state, lock it anew, and prove the copy.

        Args:
            url: of the bucket.
            provider: that locks the secrets there; empty: the passphrase, as before.

        Returns:
            What Pulumi.<stack>.yaml must say, for the copy to be opened.

        Raises:
            InfrastructureError: the copy is not the same.
            pulumi.automation.errors.CommandError: a step failed.
        """
        here: dict[str, str] = {}
        there = {"PULUMI_BACKEND_URL": url}
        encrypted = self._folder / "state.json"
        self._run(self._project.infra, here, "export", "--file", str(encrypted))
        if RemoteState(self._project, self._name, url).content() is None:
            self._run(self._folder, there, "init", self._name, "--no-select")
        self._run(self._folder, there, "import", "--file", str(encrypted))
        if provider:
            self._run(self._folder, there, "change-secrets-provider", provider)
        wanted = self._shown(self._project.infra, here)
        # Without the passphrase, if it is not to be needed any more.
        without = dict.fromkeys(stacks.PASSPHRASE_VARIABLES, "") if provider else {}
        if self._shown(self._folder, {**there, **without}) != wanted:
            raise InfrastructureError(
                f"What arrived in {url} is not the same as the state of '{self._name}', which is where it was",
                hint="Run the command again; if it stays, report it.",
            )
        return _parsed(self._settings)

    @property
    def _settings(self) -> Path:
        return self._folder / f"Pulumi.{self._name}.yaml"

    def _shown(self, folder: Path, more: dict[str, str]) -> Any:
        """Resources and outputs with their secrets opened, in memory alone."""
        shown = self._run(folder, more, "export", "--show-secrets")
        resources = json.loads(shown)["deployment"].get("resources") or []
        return [_plain(resource) for resource in resources]

    def _run(self, folder: Path, more: dict[str, str], verb: str, *arguments: str) -> str:
        command = ["stack", verb, *arguments]
        if verb != "init":
            command += ["--stack", self._name]
        return str(self._engine.run(command, str(folder), {**self._environment, **more}).stdout)


def _parsed(path: Path) -> dict[str, Any]:
    import yaml

    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return found


def _plain(value: Any) -> Any:
    """A value without the ciphertext beside an opened secret, which differs with the key."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != "ciphertext"}
    return [_plain(item) for item in value] if isinstance(value, list) else value
