import importlib
import json
import os
import pty
import select
import subprocess
import sys

import click
import pytest

from seedbed import __version__
from seedbed.cli.main import COMMANDS
from seedbed.errors import SeedbedError


def test_version(seedbed):
    assert seedbed("--version").out == f"seedbed {__version__}\n"


def test_overview_lists_every_command_and_the_exit_codes(seedbed):
    result = seedbed("--help")
    assert result.code == 0
    for name, (_, summary) in COMMANDS.items():
        assert f"  {name} " in result.out
        assert len(summary) <= 66, "wraps on an 80-column terminal"
    assert "7 infrastructure" in result.out


def leaves(command):
    children = getattr(command, "commands", {}).values()
    return [leaf for child in children for leaf in leaves(child)] or [command]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_and_json(name):
    module, summary = COMMANDS[name]
    command = importlib.import_module(module).command
    assert command.name == name
    assert command.help.replace("\n", " ").startswith(summary.rstrip(".")), "the overview and the help say the same"
    assert "Example" in command.help
    assert f"seedbed {name}" in command.help
    for leaf in leaves(command):
        assert f"seedbed {name}" in leaf.help
        assert any("--json" in parameter.opts for parameter in leaf.params)
        for parameter in leaf.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, parameter.name


def test_help_imports_nothing_heavy():
    code = "import sys; sys.argv=['seedbed','--help']\ntry:\n  from seedbed.cli.main import main; main()\nexcept SystemExit: pass\n"
    code += "print([m for m in ('pulumi','cookiecutter','jinja2','rich','msgspec','psutil') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_exit_codes_are_those_of_the_help():
    def subclasses(cls):
        return [cls, *(leaf for child in cls.__subclasses__() for leaf in subclasses(child))]

    assert sorted({cls.exit_code for cls in subclasses(SeedbedError)}) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nwe"], 2, "Did you mean 'new'?"),
        (["up"], 2, "Missing argument 'ENV'"),
        (["new", "--spec", "nowhere.toml"], 3, "no spec file"),
        (["new", "x", "--no-input", "--set", "choices.ci=jenkins"], 3, "not one of github, gitlab, both, none"),
        (["up", "dev"], 3, "no seedbed.toml"),
        (["status", "dev"], 3, "no seedbed.toml"),
    ],
)
def test_mistakes_have_their_exit_code_a_message_and_a_next_step(seedbed, arguments, code, message):
    result = seedbed(*arguments)
    assert result.code == code
    assert result.out == ""
    assert message in result.err
    assert "Next:" in result.err
    as_json = seedbed(*arguments, "--json")
    assert as_json.code == code
    assert as_json.json["ok"] is False
    assert message in as_json.json["error"]["message"]
    assert as_json.json["error"]["hint"]


def test_a_defect_shows_no_traceback_but_keeps_it(seedbed, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import seedbed.creation\ndef broken(*a, **k): raise RuntimeError('boom')\nseedbed.creation.create = broken\n"
    )
    result = seedbed("new", "x", "--no-input", env={"PYTHONPATH": str(tmp_path)})
    assert result.code == 1
    assert "RuntimeError: boom" in result.err
    assert "Traceback" not in result.err
    kept = result.err.split("file ")[-1].strip()
    with open(kept, encoding="utf-8") as file:
        assert "Traceback" in file.read()
    os.remove(kept)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(seedbed, shell):
    result = seedbed("completion", shell)
    assert result.code == 0
    assert "_SEEDBED_COMPLETE" in result.out


def test_completion_completes_commands(seedbed):
    env = {"_SEEDBED_COMPLETE": "bash_complete", "COMP_WORDS": "seedbed sta", "COMP_CWORD": "1"}
    assert seedbed(env=env).out == "plain,status\nplain,state\n"


def test_environments_are_completed_and_named_where_one_is_missing(seedbed, tmp_path):
    project = tmp_path / "project"
    assert seedbed("new", str(project), "--no-input").code == 0
    env = {"_SEEDBED_COMPLETE": "bash_complete", "COMP_WORDS": "seedbed up ", "COMP_CWORD": "2"}
    assert seedbed(env=env, cwd=project).out == "plain,dev\n"
    assert "Missing argument 'ENV'. The project has: dev.\n" in seedbed("status", cwd=project).err


def test_schema_is_json(seedbed):
    assert json.loads(seedbed("schema").out)["title"] == "seedbed.toml"


def run_on_a_terminal(command, cwd, answers, env):
    """Run a command on a pseudo-terminal, type the answers, and return what the person saw and the exit code."""
    main, child = pty.openpty()
    process = subprocess.Popen(command, cwd=cwd, stdin=child, stdout=child, stderr=child, env={**os.environ, **env})
    os.close(child)
    os.write(main, answers.encode())
    seen = b""
    while select.select([main], [], [], 60)[0]:  # a question without an answer would wait for ever
        try:
            chunk = os.read(main, 4096)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
    os.close(main)  # hangs up: a program that still asks ends
    return seen.decode(), process.wait(60)


def test_prompts_validate_each_answer_and_offer_defaults(tmp_path):
    answers = "日本\nBird Model\nSpecies of birds\n\n3.9\n3.12\n\nnone\n\n\nfalse\n"
    seen, code = run_on_a_terminal([sys.executable, "-m", "seedbed", "new"], tmp_path, answers, {"TERM": "dumb"})
    assert code == 0, seen
    assert "needs at least one Latin letter" in seen
    assert "'3.9' is not one of 3.11, 3.12, 3.13" in seen
    spec = (tmp_path / "bird-model" / "seedbed.toml").read_text()
    for line in ('name = "Bird Model"', 'python = "3.12"', 'ci = "none"', 'serving = "fastapi"', "monitoring = false"):
        assert line in spec


def test_no_color_and_pipes_have_no_escape_codes(seedbed):
    assert "\x1b" not in seedbed("new", "--spec", "x").err
