"""Generated CI files as data: which jobs a change starts, with which variables, and what each job runs.

It knows the part of both languages that the templates use, and stops at anything else rather than guess.
"""

import re
from dataclasses import dataclass, field

import yaml

_GITHUB_EVENTS = {"change": "push", "request": "pull_request", "fork": "pull_request", "schedule": "schedule"}
FILES = ("ci", "train", "drift", "infra")


@dataclass(frozen=True)
class Event:
    """What starts CI.

    `kind` is change, request, fork (a request from one), schedule, manual or started (by the drift job); `paths` are what
    changed; `variables` are set in the project's settings; `branch` is the one on which it happens, unless it is a
    request. The repository's default branch is main.
    """

    kind: str
    paths: tuple[str, ...] = ()
    schedule: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    branch: str = "main"


class _Loader(yaml.SafeLoader):
    """GitLab's YAML: `!reference` stays what it names."""


class Reference(list):
    pass


_Loader.add_constructor("!reference", lambda loader, node: Reference(loader.construct_sequence(node)))
# `on` is a word here, not a truth value.
_Loader.yaml_implicit_resolvers = {
    first: [item for item in items if item[0] != "tag:yaml.org,2002:bool" or first not in "oOyYnN"]
    for first, items in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(path):
    return yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506, it is a safe loader


def github(root):
    """Each workflow by the name of its file."""
    return {path.stem: load(path) for path in sorted((root / ".github/workflows").glob("*.yml"))}


def gitlab(root):
    """Each included file by its name, its jobs with defaults and what they extend filled in, and when there are any."""
    base = load(root / ".gitlab-ci.yml")
    included = {item["local"] for item in base["include"]}
    present = {path.relative_to(root).as_posix() for path in (root / ".gitlab").rglob("*.yml")}
    assert included == present, "each file is included, and each included file is there"
    files = {path.rpartition("/")[2].removesuffix(".yml"): load(root / path) for path in sorted(included)}
    parts = {**base}
    for content in files.values():
        assert not parts.keys() & content.keys(), "GitLab would merge two jobs of one name"
        parts |= content
    given = {**base["default"], "workflow": base["workflow"]["rules"]}
    return {
        name: {job: {**given, **_resolved(parts, job)} for job in content if not job.startswith(".")}
        for name, content in files.items()
    }


def _resolved(parts, job):
    own = parts[job]
    parents = own.get("extends", [])
    merged = {}
    for parent in [parents] if isinstance(parents, str) else parents:
        merged = _merge(merged, _resolved(parts, parent))
    merged = _merge(merged, own)
    merged["rules"] = [
        rule
        for item in merged.get("rules", [])
        for rule in (parts[item[0]][item[1]] if isinstance(item, Reference) else [item])
    ]
    return merged


def _merge(below, above):
    merged = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = _merge(below[key], above[key])
    return merged


def started(github_files, gitlab_files, event):
    """The jobs that an event starts on either side, as "file/job"."""
    return _github_started(github_files, event), _gitlab_started(gitlab_files, event)


def plain(job):
    """A job's name without the Python version that GitLab's matrix carries in it."""
    return re.sub(r" 3\.\d+$", "", job)


def _matches(paths, globs):
    def pattern(glob):
        return re.escape(glob).replace(r"\*\*/\*", ".+").replace(r"\*\*", ".+")

    return any(re.fullmatch(pattern(glob), path) for path in paths for glob in globs)


def _github_started(files, event):
    jobs = set()
    for name, workflow in files.items():
        trigger = {
            "change": "push", "request": "pull_request", "fork": "pull_request",
            "schedule": "schedule", "manual": "workflow_dispatch", "started": "workflow_dispatch",
        }[event.kind]  # fmt: skip
        if trigger not in workflow["on"] or (event.kind in {"schedule", "started"} and name != event.schedule):
            continue
        found = workflow["on"][trigger]
        settings = found if isinstance(found, dict) else {}
        if event.branch not in settings.get("branches", [event.branch]):
            continue
        if "paths" in settings and trigger != "workflow_dispatch" and not _matches(event.paths, settings["paths"]):
            continue
        jobs |= {
            f"{name}/{job}"
            for job, content in workflow["jobs"].items()
            if _condition(content.get("if", True), event, {})
        }
    # What needs a job that didn't start doesn't start either, unless it says so.
    for name, workflow in files.items():
        for job, content in workflow["jobs"].items():
            needs = content.get("needs")
            if needs and f"{name}/{needs}" not in jobs and "!cancelled()" not in content.get("if", ""):
                jobs.discard(f"{name}/{job}")
            if (
                needs
                and f"needs.{needs}.result == 'success'" in content.get("if", "")
                and f"{name}/{needs}" not in jobs
            ):
                jobs.discard(f"{name}/{job}")
    return jobs


def github_value(expression, event, more):
    """The value of what stands in `${{ }}`; variables and secrets are the event's."""
    names = {
        "github.event_name": _GITHUB_EVENTS.get(event.kind, "workflow_dispatch"),
        "github.ref": f"refs/heads/{event.branch}" if event.kind not in {"request", "fork"} else "refs/pull/7/merge",
        "github.repository": "acme/penguins",
        "github.event.pull_request.head.repo.full_name": "acme/penguins"
        if event.kind == "request"
        else "fork/penguins",
        "github.event.pull_request.user.login": "ada",
        "github.event.pull_request.number": "7",
        "github.event.repository.visibility": "private",
        "github.ref_name": event.branch,
        "github.token": "token",
        **more,
    }

    def value(match):
        text = match[0]
        if text[0] == "'" or text in {"and", "or", "not", "True"}:
            return text
        if text.startswith(("vars.", "secrets.")):
            return repr("" if event.kind == "fork" else event.variables.get(text.partition(".")[2], ""))
        if text.startswith("needs.") and text.endswith(".result"):
            return "'success'"
        return repr(names[text])

    python = expression.replace("!cancelled()", "True").replace("&&", " and ").replace("||", " or ")
    python = re.sub(r"'[^']*'|[a-zA-Z_][\w.]*", value, " ".join(python.split()))
    return eval(python, {"__builtins__": {}})  # noqa: S307, text of our own templates


def _condition(expression, event, more):
    return expression is True or bool(github_value(expression, event, more))


def github_step_runs(step, event, more):
    return _condition(step.get("if", True), event, more)


def _gitlab_started(files, event):
    started = {
        job: f"{name}/{job}"
        for name, jobs in files.items()
        for job, content in jobs.items()
        if any(rule_decides(content["workflow"], event)) and any(rule_decides(content["rules"], event))
    }
    for jobs in files.values():
        for job in jobs.keys() & started.keys():
            needs = jobs[job].get("needs", [])
            missing = {need for need in needs if isinstance(need, str)} - started.keys()
            assert not missing, f"GitLab makes no pipeline in which {job} needs {missing}"
    return set(started.values())


def gitlab_waits(job):
    """Whether somebody has to start the job by hand, whatever started the pipeline."""
    starting = [rule for rule in job["rules"] if rule.get("when") != "never"]
    return bool(starting) and all(rule.get("when") == "manual" for rule in starting)


def rule_decides(rules, event):
    """Yield once, when the first rule that fits lets the job run."""
    variables = gitlab_variables(event)
    for rule in rules:
        if "if" in rule and not _gitlab_condition(rule["if"], variables):
            continue
        if "changes" in rule and not _matches(event.paths, rule["changes"]):
            continue
        if rule.get("when") != "never":
            yield True
        return


def gitlab_variables(event):
    return {
        "CI_PIPELINE_SOURCE": {
            "change": "push", "request": "merge_request_event", "fork": "merge_request_event",
            "schedule": "schedule", "manual": "web", "started": "pipeline",
        }[event.kind],
        "CI_DEFAULT_BRANCH": "main",
        "CI_COMMIT_BRANCH": "" if event.kind in {"request", "fork"} else event.branch,
        "CI_PIPELINE_SCHEDULE_DESCRIPTION": event.schedule if event.kind == "schedule" else "",
        "CI_REGISTRY_IMAGE": "registry.gitlab.example.com/acme/penguins",
        **({} if event.kind == "fork" else event.variables),
    }  # fmt: skip


def _gitlab_condition(text, variables):
    python = text.replace("&&", " and ").replace("||", " or ")
    python = re.sub(r"\bnull\b", "None", python)
    python = re.sub(r"\$(\w+)", lambda match: repr(variables.get(match[1])), python)
    return bool(eval(python, {"__builtins__": {}}))  # noqa: S307, text of our own templates


def github_commands(job):
    """The lines that a job runs."""
    return [line for step in job["steps"] for line in step.get("run", "").splitlines()]


def gitlab_commands(job):
    return [line for item in [*job.get("before_script", []), *job["script"]] for line in item.splitlines()]


def project_commands(lines):
    """Those of the lines that call the project: its verbs, its modules, its CI programs."""
    found = (re.search(r"(make [a-z]+|\.venv/bin/(?!uv).*)", line) for line in lines)
    return [re.sub(r" > champion.json$| \|\| code=.*|; fi$", "", match[1]) for match in found if match]
