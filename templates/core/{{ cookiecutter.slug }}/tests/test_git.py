"""What Git says about the code and data of a training run."""

from pathlib import Path

from {{ cookiecutter.package }} import git


def test_the_commit_and_whether_it_is_all(repository):
    Path("params.yaml").write_text("a: 1\n")
    commit = repository()
    assert (git.commit(), git.changed()) == (commit, False)
    for output in ("metrics.json", "dvc.lock", "reports/model_card.md"):
        Path(output).parent.mkdir(exist_ok=True)
        Path(output).write_text("new\n")
    assert not git.changed()
    Path("params.yaml").write_text("a: 2\n")
    assert git.changed()


def test_what_git_cannot_tell_is_no_reason_to_believe_that_nothing_changed(repository):
    Path("params.yaml").write_text("a: 1\n")
    repository()
    Path(".git/index").write_bytes(b"damaged")
    assert git.commit()
    assert git.changed()


def test_names_and_contents(repository):
    Path("folder").mkdir()
    Path("folder/größe.json").write_bytes(b"\xff\x00")
    commit = repository("v1")
    assert git.resolve("v1") == git.resolve("main") == git.resolve(commit[:10]) == commit
    for unknown in ("v2", "", "--all", "v1:folder", "a\0b"):
        assert git.resolve(unknown) == ""
    assert git.content(commit, "folder/größe.json") == b"\xff\x00"
    assert git.content(commit, "metrics.json") is None


def test_a_project_may_be_a_folder_of_a_repository(repository, monkeypatch):
    Path("models/late").mkdir(parents=True)
    Path("models/late/metrics.json").write_bytes(b"{}")
    Path("other.txt").write_text("1")
    commit = repository()
    Path("other.txt").write_text("2")
    monkeypatch.chdir("models/late")
    assert git.content(commit, "metrics.json") == b"{}"
    assert not git.changed()


def test_an_image_has_no_repository(monkeypatch):
    assert (git.commit(), git.changed()) == ("", False)
    monkeypatch.setenv("GIT_COMMIT", "4" * 40)
    assert git.commit() == "4" * 40
