"""The real AWS provider that pulumi-aws wraps, as Terraform's plugin: built once from its Go module, kept in the cache.

Only the services that an environment is made of are compiled, by leaving the others out of the provider's two generated
tables: five minutes of CPU in place of thirty-five. The code of those services is the provider's own, untouched.
`python -m tests.aws.provider` obtains it.
"""

import fcntl
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from seedbed.errors import ToolMissingError
from seedbed.toolchain import go_build
from seedbed.toolchain.pulumi_cli import cache_folder

VERSION = "6.34.0"
# The Go proxy has no newer archive of it than this copy. The checksum database doesn't know the copy, so the sum is
# pinned here; what it needs in turn is pinned by its own go.sum.
MODULE = "github.com/upbound/terraform-provider-aws@v0.0.0-20260305123303-f7691456b787"
CHECKSUM = "h1:dJlp2eNgY/iVKTPINdguYlHbHc9CtXBZKmQmqYq0REs="
# The provider's own names of services. What these import from one another is compiled as well.
SERVICES = ("budgets", "ec2", "ecr", "eks", "iam", "kms", "logs", "s3", "s3control", "sts")
NAME = "terraform-provider-aws"

_PACKAGES = "internal/provider/sdkv2/service_packages_gen.go"
_CLIENTS = "internal/conns/awsclient_gen.go"
_SOURCES = ("main.go", "go.mod", "go.sum", "internal", "names", "version")
# Tools and helpers of the provider's own tests lie among its packages, and use services that it doesn't.
_TOOLS = ("acctest", "generate")
_SERVICE = re.compile(r'"github\.com/hashicorp/terraform-provider-aws/internal/service/([a-z0-9]+)"')
_SDK = re.compile(r'"github\.com/aws/aws-sdk-go-v2/service/([a-z0-9]+)')
_REGISTERED = re.compile(r"\s*([a-z0-9]+)\.ServicePackage\(ctx\),")
_CLIENT = re.compile(r"\) \*([a-z0-9]+)\.Client \{")
_SDK_IMPORT = re.compile(r'\s*(?:([a-z0-9]+) )?"github\.com/aws/aws-sdk-go-v2/service/([a-z0-9]+)"')


def path():
    """Where this version with these services is kept."""
    return cache_folder() / NAME / f"{VERSION}-{'-'.join(SERVICES)}" / NAME


def find():
    """Its path in the cache, or None."""
    return path() if path().is_file() else None


def obtain(say):
    """Its path, once it is built. Two that ask at once get one build.

    Raises:
        ToolMissingError: Go is missing and can't be obtained, or the module is refused.
    """
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_file():
            say(f"Building {NAME} {VERSION} from its Go module: five minutes of CPU, once")
            _build(target, say)
    return target


def _build(target, say):
    with tempfile.TemporaryDirectory(prefix=".building-", dir=target.parent) as folder:
        work = Path(folder)
        go = go_build.find_go(work, say)
        source = work / "source"
        _copy(_download(go, work), source)
        _leave_out(source)
        built = work / NAME
        command = [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(built), "."]
        go_build.run(command, source, NAME)
        built.rename(target)


def _download(go, work):
    command = ["env", f"GONOSUMDB={MODULE.partition('@')[0]}", go, "mod", "download", "-json", MODULE]
    facts = json.loads(go_build.run(command, work, NAME))
    if facts["Sum"] != CHECKSUM:
        raise ToolMissingError(f"{MODULE} has the checksum {facts['Sum']} and not the pinned {CHECKSUM}")
    return Path(facts["Dir"])


def _copy(module, target):
    """Copy what is compiled: the module cache's files are read-only, and their copies not."""
    skipped = shutil.ignore_patterns("*_test.go", "testdata")
    target.mkdir()
    for name in _SOURCES:
        if (module / name).is_dir():
            shutil.copytree(module / name, target / name, ignore=skipped, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(module / name, target / name)
    for folder, _, _ in os.walk(target):
        Path(folder).chmod(0o755)


def _leave_out(source):
    """Take all services but ours and what they import out of the table of services, and out of that of clients."""
    kept = _with_imports(source / "internal/service", SERVICES)
    packages = source / _PACKAGES
    lines = packages.read_text(encoding="utf-8").splitlines(keepends=True)
    packages.write_text("".join(line for line in lines if _service(line) in {None, *kept}), encoding="utf-8")

    clients = source / _CLIENTS
    used = {name for file in _compiled(source, kept) if file != clients for name in _found(_SDK, file)}
    head, *functions = re.split(r"(?m)^(?=func )", clients.read_text(encoding="utf-8"))
    imports = {match[1] or match[2]: match[2] for line in head.splitlines() if (match := _SDK_IMPORT.fullmatch(line))}
    needed = {alias for alias, package in imports.items() if package in used}
    head = "".join(
        line
        for line in head.splitlines(keepends=True)
        if not (match := _SDK_IMPORT.match(line)) or (match[1] or match[2]) in needed
    )
    functions = [text for text in functions if (match := _CLIENT.search(text)) is None or match[1] in needed]
    clients.write_text(head + "".join(functions), encoding="utf-8")


def _service(line):
    match = _SERVICE.search(line) or _REGISTERED.match(line)
    return match[1] if match else None


def _with_imports(folder, services):
    kept, open_ = set(), set(services)
    while open_:
        service = open_.pop()
        kept.add(service)
        files = (folder / service).rglob("*.go")
        open_ |= {name for file in files for name in _found(_SERVICE, file)} - kept
    return kept


def _compiled(source, services):
    for file in source.glob("internal/*/**/*.go"):
        part, name, *_ = file.relative_to(source / "internal").parts
        if part not in _TOOLS and (part != "service" or name in services):
            yield file


def _found(pattern, file):
    return pattern.findall(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{obtain(lambda text: sys.stderr.write(text + os.linesep))}\n")
    except ToolMissingError as error:
        sys.exit(f"error: {error}")
