"""Questions that a project's own infra/ answers, without an engine, an account or a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from seedbed.environments.project import Project
from seedbed.environments.stack_config import PROGRAM, stack_config
from seedbed.errors import InfrastructureError, SpecError

_SECONDS = 180.0
_REFUSED = 3


def answer(project: Project, name: str, module: str, about: str, **other: str) -> Any:
    """What a module of infra/ says of an environment.

    Args:
        project: whose infra/ is asked.
        name: the environment's.
        module: of the package mlops_platform, run as a program.
        about: what it is asked for, for the message when it has no answer.
        other: values of the configuration in place of the spec's.

    Raises:
        SpecError: infra/ refuses a value of the environment's configuration.
        InfrastructureError: it has no answer: it is damaged, or of a version that doesn't know the question.
    """
    config = {key.removeprefix(f"{PROGRAM}:"): value for key, value in stack_config(project.spec, name).items()}
    restore = "Restore infra/ from the project's history, or generate the project with this seedbed."
    try:
        result = _run(project.infra, module, json.dumps({"stack": name, "config": config | other}))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InfrastructureError(f"{project.infra} can't say {about}: {error}", hint=restore) from None
    if result.returncode not in {0, _REFUSED}:
        said = result.stderr.strip().splitlines()[-1:] or ["no message"]
        raise InfrastructureError(f"{project.infra} can't say {about}: {said[0]}", hint=restore)
    found = json.loads(result.stdout)
    if result.returncode == _REFUSED:
        # Most remedies are about Pulumi's configuration, which the spec decides here.
        elsewhere = f"Set another value in [environments.{name}] of seedbed.toml."
        raise SpecError(found["problem"], hint=found["remedy"] if "seedbed " in found["remedy"] else elsewhere)
    return found


@cache
def _run(infra: Path, module: str, question: str) -> subprocess.CompletedProcess[str]:
    """Ask once: what an environment costs and whether its account can take it begin with the same question."""
    return subprocess.run(
        [sys.executable, "-m", f"mlops_platform.{module}"],
        cwd=infra, input=question, text=True, capture_output=True, timeout=_SECONDS, check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": ""},
    )  # fmt: skip
