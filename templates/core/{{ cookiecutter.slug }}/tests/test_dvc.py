"""`dvc repro` must run a stage again after a change of any module that it uses."""

import ast
from functools import cache
from pathlib import Path

import pytest
import yaml

import {{ cookiecutter.package }}

from support import ROOT

PACKAGE = Path({{ cookiecutter.package }}.__file__).parent
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
# It only raises: a run that raises has made nothing.
HARMLESS = {"errors"}


@cache
def parsed(module):
    return ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))


def imported(tree):
    """Return this package's modules that code imports when it runs, by the names they get there."""
    found = {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names = [(alias.name, alias.name) for alias in node.names]
            found |= dict(names) if node.module is None else {name: node.module for name, _ in names}
        found |= imported(node)
    return found


def closure(modules):
    found = set()
    while modules:
        module = modules.pop()
        if module not in found:
            found.add(module)
            modules |= set(imported(parsed(module)).values()) - found
    return found


def functions(module):
    return {node.name: node for node in parsed(module).body if isinstance(node, ast.FunctionDef)}


def used(module, name):
    """Return the modules that a function and those that it calls in its own module use."""
    known, own = imported(parsed(module)), functions(module)
    wanted, seen, found = {name}, set(), set()
    while wanted:
        node = own[wanted.pop()]
        seen.add(node.name)
        names = {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}
        called = {getattr(item.func, "id", "") for item in ast.walk(node) if isinstance(item, ast.Call)}
        found |= {known[item] for item in names & known.keys()} | set(imported(node).values())
        wanted |= called & own.keys() - seen
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_every_module_that_it_uses(stage):
    command = functions("__main__")[f"_{stage}"]
    attributes = [node for node in ast.walk(command) if isinstance(node, ast.Attribute)]
    of_stages = {node.attr for node in attributes if getattr(node.value, "id", "") == "stages"}
    (name,) = {attribute for attribute in of_stages if attribute in functions("stages")}
    direct = used("stages", name) | set(imported(command).values()) - {"stages"}
    wanted = closure(direct) - HARMLESS | {"stages"}
    listed = {Path(path).stem for path in STAGES[stage]["deps"] if path.endswith(".py")}
    assert listed == wanted
