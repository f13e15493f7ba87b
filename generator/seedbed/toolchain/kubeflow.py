"""Kubeflow Pipelines' manifests: rendered once from its own repository at a pinned commit, and kept in the cache.

They are third-party text that is not part of seedbed, and since 2.14 they name parts of other repositories: only
kustomize, with a network, puts them together. `kubectl` has it built in.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seedbed.errors import ToolMissingError
from seedbed.toolchain.pulumi_cli import cache_folder

# These three are the same in infra/mlops_platform/components/kubernetes/kubeflow/manifests.py, which has to work alone.
VERSION = "2.17.0"
COMMIT = "4a3592cb2dd0a91a4652ab93893ec8beda1f3158"  # what the tag 2.17.0 names
SOURCES = tuple(
    f"https://github.com/kubeflow/pipelines//manifests/kustomize/{part}?ref={COMMIT}&timeout=300s"
    for part in ("cluster-scoped-resources", "env/platform-agnostic")
)
FILE = "kubeflow-pipelines.yaml"
_PROGRAMS = ("kubectl", "git")
_TIMEOUT = 900.0  # seconds; kustomize itself gives each repository 300
_EXPECTED = frozenset(
    {
        ("Namespace", "kubeflow"),
        ("CustomResourceDefinition", "workflows.argoproj.io"),
        ("CustomResourceDefinition", "scheduledworkflows.kubeflow.org"),
        ("ConfigMap", "pipeline-install-config"),
        *(
            ("Deployment", name)
            for name in (
                "metadata-envoy-deployment",
                "metadata-grpc-deployment",
                "ml-pipeline",
                "ml-pipeline-persistenceagent",
                "ml-pipeline-scheduledworkflow",
                "ml-pipeline-ui",
                "mysql",
                "workflow-controller",
            )
        ),
    }
)
Say = Callable[[str], None]


def ensure(infra: Path, say: Say = lambda _: None) -> Path:
    """Have the manifests in a project's infrastructure folder, where its program looks for them by default.

    Args:
        infra: the folder of Pulumi.yaml.
        say: told what is done if it takes time.

    Returns:
        The file; one that is there already stays as it is.

    Raises:
        ToolMissingError: they can't be obtained, or not written.
    """
    file = infra / FILE
    if not file.is_file():
        _write(file, obtain(say).read_bytes())
        say(f"Kubeflow Pipelines {VERSION}: its manifests are in {file}")
    return file


def obtain(say: Say = lambda _: None) -> Path:
    """The manifests in the cache, rendered now if they aren't there.

    Args:
        say: told what is done if it takes time.

    Raises:
        ToolMissingError: kubectl or git is missing, github.com can't be reached, or what came isn't complete.
    """
    file = cache_folder() / "kubeflow" / VERSION / FILE
    if file.is_file():
        return file
    if missing := [program for program in _PROGRAMS if not shutil.which(program)]:
        raise _failure(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not on PATH")
    say(f"Obtaining the manifests of Kubeflow Pipelines {VERSION} from github.com: usually a minute or two, once")
    text = "---\n".join(_render(source) for source in SOURCES)
    if lacking := _EXPECTED - _objects(text):
        shown = ", ".join(" ".join(found) for found in sorted(lacking))
        raise _failure(f"what `kubectl kustomize` gave is not complete: it has no {shown}")
    _write(file, text.encode())
    return file


def commands(file: Path) -> str:
    """The two commands that make the file, where kubectl, git and github.com can be had."""
    first, second = SOURCES
    path = shlex.quote(str(file))
    return f'kubectl kustomize "{first}" > {path}\n(echo ---; kubectl kustomize "{second}") >> {path}'


def _render(source: str) -> str:
    # A repository that asks for a password is one that isn't there.
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        result = subprocess.run(
            ["kubectl", "kustomize", source], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=_TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _failure(f"`kubectl kustomize` gave nothing for {source} within {_TIMEOUT:.0f} s") from None
    except (OSError, UnicodeDecodeError) as error:
        raise _failure(f"`kubectl kustomize` can't be used: {error}") from error
    if result.returncode:
        said = " ".join(result.stderr.split())[-600:] or f"exit code {result.returncode}"
        raise _failure(f"`kubectl kustomize` failed for {source}: {said}")
    return result.stdout


def _objects(text: str) -> set[tuple[str, str]]:
    import yaml

    try:
        documents: list[Any] = list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise _failure(f"what `kubectl kustomize` gave is no YAML: {' '.join(str(error).split())}") from error
    return {
        (str(document.get("kind")), str(document["metadata"].get("name")))
        for document in documents
        if isinstance(document, dict) and isinstance(document.get("metadata"), dict)
    }


def _write(file: Path, content: bytes) -> None:
    """All of it or nothing: a run that was cut off leaves no half of a file, and two at once do no harm."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}-", delete=False) as staging:
            path = Path(staging.name)
            try:
                staging.write(content)
                staging.flush()
                path.chmod(0o644)
                path.replace(file)
            finally:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise ToolMissingError(f"{file} can't be written: {error.strerror}", hint="Make room, or allow it.") from error


def _failure(problem: str) -> ToolMissingError:
    return ToolMissingError(
        f"Kubeflow Pipelines {VERSION} can't be installed: {problem}",
        hint=f"Without kubectl, git or access to github.com, run these elsewhere and put the file into infra/:\n"
        f'{commands(Path(FILE))}\nOr leave Kubeflow out (pipelines = "none"), or name a server that exists'
        " (pipelines_host).",
    )
