"""New data before a training: it is published, and the commit stays what it was."""

import importlib.util
import subprocess
from pathlib import Path

import pytest

from {{ cookiecutter.package }}.errors import StoreError
from {{ cookiecutter.package }}.pipelines import store
from {{ cookiecutter.package }}.serving.collect import Collected

from support import ROOT

OLD, NEW = "1" * 32 + ".dir", "2" * 32 + ".dir"


def record(version):
    return f"outs:\n- md5: {version}\n  path: raw\n"


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def program(repository, monkeypatch):
    """The program in a repository that names data; what it asks of DVC and the store is noted."""
    spec = importlib.util.spec_from_file_location("ci_collect", ROOT / "ci/collect.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    Path("data").mkdir()
    Path(".gitignore").write_text("/build/\n")
    Path(module.RECORD).write_text(record(OLD))
    repository()
    module.did, module.rows, module.before = [], 3, []
    run = module._run

    def noted(name, *arguments):
        if name != "dvc":
            return run(name, *arguments)
        module.did.append(arguments)
        if arguments[0] == "add":
            Path(module.RECORD).write_text(record(NEW))
        return b""

    def collect(log, since):
        module.did.append(("collect", log))
        file = Path("data/raw/feedback-1.parquet") if module.rows else None
        if file:  # that it is data is recorded then
            Path(module.RECORD).write_text(record(NEW))
        version = NEW if module.rows or module.before else OLD
        return Collected(module.rows, file, before=0, lost=0, version=version)

    def fetch_more(_, version, folder, prefix):
        module.before.append((version, str(folder), prefix))

    monkeypatch.setattr(module, "_run", noted)
    monkeypatch.setattr(module, "collect", collect)
    monkeypatch.setattr(module.intake, "start", lambda: OLD)
    monkeypatch.setattr(store, "latest", lambda _: None)
    monkeypatch.setattr(store, "fetch_more", fetch_more)
    monkeypatch.setattr(store, "publish", lambda _, version: module.did.append(("publish", version)))
    monkeypatch.setenv("PREDICTION_LOG", "s3://artifacts/log")
    monkeypatch.setenv("DATA_BUCKET", "bucket")
    return module


def test_what_is_new_is_pushed_and_published_and_the_commit_s_files_stay(program):
    assert program.main() == 0
    assert program.did == [
        (*program.REMOTE, "s3://bucket/dvc"),
        ("collect", "s3://artifacts/log"),
        ("push", "--quiet", program.RECORD),
        ("publish", NEW),
    ]
    assert git("status", "--porcelain") == ""
    assert Path(program.RECORD).read_text() == record(OLD)
    git("apply", "--index", str(program.PATCH))
    assert Path(program.RECORD).read_text() == record(NEW)
    assert git("diff", "--cached", "--name-only").split() == [program.RECORD]


def test_what_was_collected_earlier_and_never_committed_is_not_lost(program, monkeypatch):
    monkeypatch.setattr(store, "latest", lambda _: NEW)
    program.rows = 0
    assert program.main() == 0
    assert program.before == [(NEW, "data/raw", "feedback-")]
    assert [step[0] for step in program.did[:3]] == ["remote", "add", "collect"]
    assert program.did[-1] == ("publish", NEW)
    assert NEW in program.PATCH.read_text()


def test_also_what_dvc_has_staged_already(program, monkeypatch):
    run = program._run
    staged = ("push", "--quiet", program.RECORD)
    monkeypatch.setattr(
        program, "_run", lambda *given: (git("add", "data") if given[1:] == staged else None, run(*given))[1]
    )
    assert program.main() == 0
    assert git("status", "--porcelain") == ""
    assert NEW in program.PATCH.read_text()


def test_nothing_new_changes_nothing(program):
    program.rows = 0
    assert program.main() == 0
    assert [step[0] for step in program.did] == ["remote", "collect"]
    assert not program.PATCH.exists()


def test_a_store_that_refuses_is_one_message(program, monkeypatch, capsys):
    def refuse(*_):
        raise StoreError("the bucket refuses", "ask for the right to write")

    monkeypatch.setattr(store, "publish", refuse)
    assert program.main() == 1
    assert "next: ask for the right to write" in capsys.readouterr().err
    assert not program.PATCH.exists()


def test_dvc_s_own_words_are_told(program):
    with pytest.raises(Exception, match=r"(?s)git no-such-command failed: .*next: may CI write"):
        program._run("git", "no-such-command")


@pytest.mark.parametrize("name", ["PREDICTION_LOG", "DATA_BUCKET"])
def test_a_variable_that_is_missing_is_named(program, monkeypatch, capsys, name):
    monkeypatch.delenv(name)
    assert program.main() == 1
    assert name in capsys.readouterr().err
