import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from {{ cookiecutter.package }} import __main__ as program
from {{ cookiecutter.package }} import registry
from {{ cookiecutter.package }}.gate import Decision

from support import ROOT


def test_a_failure_is_one_message_with_a_next_step_and_code_1(capsys):
    assert program.main(["validate"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "next: add one: make data" in error


def test_the_stages_run_from_the_command_line(raw, capsys):
    shutil.copyfile(ROOT / "params.yaml", "params.yaml")
    text = Path("params.yaml").read_text().replace("max_iter: 200", "max_iter: 2")
    Path("params.yaml").write_text(text)
    for stage in ("validate", "prepare", "train", "evaluate"):
        assert program.main([stage]) == 0
    assert Path("metrics.json").is_file()
    assert "linear baseline" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("promoted", "unchanged", "word"),
    [(True, False, "promoted"), (False, False, "refused"), (False, True, "unchanged")],
)
def test_what_became_of_a_model_is_said_and_no_failure(
    trained, monkeypatch, capsys, promoted, unchanged, word
):
    decision = Decision(promoted, "because", "r2", 0.1, None, 0.2, "7", unchanged=unchanged)
    monkeypatch.setattr(registry, "register", lambda *_: decision)
    monkeypatch.chdir(trained.folder)
    shutil.copyfile(ROOT / "params.yaml", "params.yaml")
    assert program.main(["register"]) == 0
    assert capsys.readouterr().out == f"{word}: version 7: because\n"


def test_help_needs_no_machine_learning_library():
    code = "import sys\nimport {{ cookiecutter.package }}.__main__ as m\n"
    code += "try: m.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print([name for name in ('pandas', 'sklearn', {% if cookiecutter.tracking %}'mlflow'{% else %}'boto3'{% endif %}, 'pandera') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_reader_who_has_seen_enough_is_no_failure():
    command = [sys.executable, "-m", "{{ cookiecutter.package }}", "data", "version"]
    Path("data/raw").mkdir(parents=True)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0
