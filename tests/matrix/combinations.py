"""The choices that a user has, read from the spec: a choice added there can't be forgotten here."""

import itertools
from typing import get_args

from allpairspy import AllPairs
from tests.unit.test_render import answers

from seedbed import creation
from seedbed import spec as specs

EXAMPLES = {"classification": "penguins", "regression": "penguin-mass"}
LICENSE = "project.license"
# Answered with any text, not with one of a few.
OPEN = {"name", "description", "branch", "registry", "repository", "repository_ids"}


def axes():
    """Every choice and its values, as `--set` takes them."""
    found = {"project.task": get_args(specs.Task)}
    for section in ("choices", "project"):
        for field, kind in specs.field_types(specs.section_types()[section]).items():
            if field not in OPEN:
                found[f"{section}.{field}"] = ("true", "false") if kind is bool else get_args(kind)
    return found


def every():
    """All combinations of all choices."""
    given = axes()
    return [dict(zip(given, values, strict=True)) for values in itertools.product(*given.values())]


def covering():
    """Few combinations in which every two values of two choices still meet."""
    given = dict(sorted(axes().items(), key=lambda axis: -len(axis[1])))  # the longest first: it needs fewer rows so
    licenses = itertools.cycle(given.pop(LICENSE))  # nothing else depends on it, so that it needn't meet the others
    return [
        dict(zip(given, values, strict=True)) | {LICENSE: next(licenses)} for values in AllPairs(list(given.values()))
    ]


def each():
    """The first of the covering ones until every value of every choice was there once."""
    missing, rows = {(key, value) for key, values in axes().items() for value in values}, []
    for row in covering():
        if missing & row.items():
            rows.append(row)
            missing -= row.items()
    return rows


def label(combination):
    return " ".join(combination[key] for key in axes())


def create(combination, folder):
    """Generate the project of a combination, from the example with its task."""
    sets = {key.replace(".", "__"): value for key, value in combination.items() if key != "project.task"}
    given = answers(EXAMPLES[combination["project.task"]], **sets)
    return creation.create(given, folder).destination
