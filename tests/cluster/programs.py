"""The programs of a real control plane, built once from their Go modules and kept in the cache by version.

Nothing of it is downloaded as a binary: the Go module proxy serves the sources, and the go.sum files beside this one
pin them. About ten minutes of CPU the first time; later runs find everything.
"""

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
from pathlib import Path

from seedbed.errors import ToolMissingError
from seedbed.toolchain import go_build
from seedbed.toolchain.pulumi_cli import cache_folder

KUBERNETES, KWOK = "1.36.3", "0.8.0"
PINS = Path(__file__).with_name("go")
_VERSION = "k8s.io/component-base/version"
_MINOR = KUBERNETES.split(".")[1]
_RELEASE = f"-X {_VERSION}.gitVersion=v{KUBERNETES} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor={_MINOR}"
# Program → the module it is built in, its package, and what the linker writes into it. Kubernetes' own module names a
# release of etcd that it is tested with, so the store comes from there as well.
PROGRAMS = {
    "etcd": ("kubernetes", "go.etcd.io/etcd/server/v3", ""),
    "kube-apiserver": ("kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", _RELEASE),
    "kube-controller-manager": ("kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", _RELEASE),
    "kube-scheduler": ("kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", _RELEASE),
    "kubectl": ("kubernetes", "k8s.io/kubernetes/cmd/kubectl", _RELEASE),
    "kwok": ("kwok", "sigs.k8s.io/kwok/cmd/kwok", ""),
}
# What kwok does to nodes, pods and volumes is written in files of its module.
STAGES = ("node/fast", "node/heartbeat", "pod/fast", "volume/fast")


def folder():
    """Where the programs of these versions are kept, with kwok's stages in `stages/`."""
    return cache_folder() / "test-cluster" / f"kubernetes-{KUBERNETES}-kwok-{KWOK}"


def obtain(say):
    """The folder, complete. Two test workers that ask at once get one build.

    Raises:
        ToolMissingError: Go is missing and can't be obtained, or a module is refused.
    """
    target = folder()
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            say(f"Building a test cluster (Kubernetes {KUBERNETES}): ten minutes of CPU, once")
            _build(target, say)
    return target


def _build(target, say):
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seedbed-go-")))
        staging = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".staging-", dir=target.parent)))
        go, finished = go_build.find_go(work, say), staging / "finished"
        finished.mkdir()
        for pins in sorted({pins for pins, _, _ in PROGRAMS.values()}):
            shutil.copytree(PINS / pins, work / pins)
        for name, (pins, package, flags) in PROGRAMS.items():
            say(f"Building {name}")
            linker = f"-s -w {flags}".strip()
            command = [go, "build", "-mod=mod", "-trimpath", "-ldflags", linker, "-o", str(finished / name), package]
            go_build.run(command, work / pins, name)
        found = go_build.run(
            [go, "list", "-mod=mod", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"], work / "kwok", "kwok"
        )
        _copy_stages(Path(found.strip()) / "kustomize" / "stage", finished / "stages")
        finished.rename(target)


def _copy_stages(source, target):
    target.mkdir()
    for stage in STAGES:
        for path in sorted((source / stage).glob("*.yaml")):
            if path.name != "kustomization.yaml":
                copy = target / f"{stage.replace('/', '-')}-{path.name}"
                copy.write_bytes(path.read_bytes())  # the module cache's files are read-only, and their copies not


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{obtain(lambda text: sys.stderr.write(text + os.linesep))}\n")
    except ToolMissingError as error:
        sys.exit(f"error: {error}")
