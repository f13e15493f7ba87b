"""CI for GitHub and GitLab: the same jobs for the same events, and nothing red before anything is set up."""

import itertools
import json
import os
import re
import runpy
import shutil
import subprocess
import tomllib
from dataclasses import replace

import pytest
import yaml
from tests import ci_model
from tests.ci_model import Event
from tests.conftest import ROOT
from tests.unit.test_render import answers

from seedbed import creation
from seedbed.environments import stack, stack_config
from seedbed.environments.project import find_project
from seedbed.errors import InfrastructureError
from seedbed.toolchain.pulumi_cli import PulumiCli

CODE = ("src/penguin_species/model.py",)
READY = {
    "DATA_BUCKET": "data", "ARTIFACT_BUCKET": "artifacts", "MLFLOW_TRACKING_URI": "https://mlflow",
    "PREDICTION_LOG": "s3://artifacts/log", "ENVIRONMENT": "prod", "PULUMI_BACKEND_URL": "s3://state",
    "REGISTRY_USERNAME": "ci", "CI_ROLE_ARN": "arn:aws:iam::123456789012:role/ci",
    "DEPLOY": "true", "AWS_ACCESS_KEY_ID": "AKIA",
}  # fmt: skip
REGISTRIES = ("", "ghcr.io/acme", "registry.example.com/team", "123456789012.dkr.ecr.eu-west-1.amazonaws.com")
ALWAYS = {"ci/check", "ci/alert-rules", "ci/images-check"}
# Only GitHub has it: a schedule there starts on the default branch, and GitLab's says on which.
ELSEWHERE = "other-branch"
# What may write, and why it must.
WRITES = {
    ("ci", "data"): {"id-token"},
    ("train", "images"): {"id-token", "attestations", "packages"},
    ("train", "train"): {"id-token"},
    ("train", "deploy"): {"id-token"},
    ("train", "record"): {"contents"},
    ("train", ELSEWHERE): {"actions"},
    ("drift", ELSEWHERE): {"actions"},
    ("drift", "drift"): {"id-token", "actions"},
    ("infra", "preview"): {"id-token", "pull-requests"},
    ("infra", "apply"): {"id-token"},
}


def make(folder, **sets):
    return creation.create(answers(**{f"choices__{key}": value for key, value in sets.items()}), folder).destination


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return make(tmp_path_factory.mktemp("both") / "out", ci="both")


@pytest.fixture(scope="module")
def sides(both):
    return ci_model.github(both), ci_model.gitlab(both)


def plain(jobs):
    return {ci_model.plain(job) for job in jobs}


CHECKED = {"ci/check", "ci/alert-rules", "ci/data"}
EVENTS = {
    "code changes on main": (
        Event("change", CODE), {*CHECKED, "train/images", "train/train", "train/deploy"},
    ),
    "a page changes on main": (Event("change", ("README.md",)), CHECKED),
    "data changes on main": (
        Event("change", ("data/raw.dvc",)), {*CHECKED, "train/images", "train/train", "train/deploy"},
    ),
    "infrastructure changes on main": (
        Event("change", ("infra/mlops_platform/names.py",)), {*CHECKED, "infra/apply"},
    ),
    "alerts change on main": (Event("change", ("prometheus/alerts.yml",)), {*CHECKED, "infra/apply"}),
    "a dashboard changes on main": (Event("change", ("grafana/dashboards/it.json",)), {*CHECKED, "infra/apply"}),
    "the spec changes on main": (Event("change", ("seedbed.toml",)), {*CHECKED, "infra/apply"}),
    "a request": (Event("request", CODE), {*ALWAYS, "ci/data"}),
    "a request about infrastructure": (Event("request", ("infra/Pulumi.yaml",)), {*ALWAYS, "ci/data", "infra/preview"}),
    "the time to train": (Event("schedule", schedule="train"), {"train/images", "train/train"}),
    "the time to look for drift": (Event("schedule", schedule="drift"), {"drift/drift"}),
    "drift was found": (Event("started", schedule="train"), {"train/images", "train/train"}),
}  # fmt: skip


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_starts_the_same_jobs_in_both(sides, name):
    event, expected = EVENTS[name]
    for jobs in ci_model.started(*sides, replace(event, variables=READY)):
        assert plain(jobs) == expected


@pytest.mark.parametrize("name", EVENTS)
def test_before_anything_is_set_up_only_what_needs_nothing_runs_and_the_rest_says_what_to_set(sides, name):
    event, expected = EVENTS[name]
    hosted = {*ALWAYS, "train/images"}  # needs nothing that the host doesn't give by itself
    for jobs in ci_model.started(*sides, event):
        assert {job for job in plain(jobs) if "not-" not in job} == expected & hosted
        told = {job for job in jobs if "not-" in job}
        assert bool(told) == bool(expected - hosted)


def test_a_request_from_a_fork_gets_no_job_that_needs_secrets(sides):
    event = Event("fork", (*CODE, "infra/Pulumi.yaml"), variables=READY)
    for jobs in ci_model.started(*sides, event):
        assert {job for job in plain(jobs) if "not-" not in job} == ALWAYS


def test_committing_the_model_is_off_until_the_variable_says_so(sides):
    event = Event("change", CODE, variables={**READY, "COMMIT_MODEL": "true"})
    for jobs in ci_model.started(*sides, event):
        assert plain(jobs) == {
            *CHECKED, "train/images", "train/train", "train/record", "train/deploy",
        }  # fmt: skip


def test_the_commit_of_the_model_starts_nothing_that_trains(sides):
    event = Event("change", ("champion.json",), variables={**READY, "COMMIT_MODEL": "true"})
    for jobs in ci_model.started(*sides, event):
        assert not [job for job in jobs if job.startswith("train/")]
    for side, lines in zip(
        sides,
        (
            ci_model.github_commands(sides[0]["train"]["jobs"]["record"]),
            ci_model.gitlab_commands(sides[1]["train"]["record"]),
        ),
        strict=True,
    ):
        assert side
        assert any("[skip ci]" in line for line in lines)


def test_both_have_the_same_files_and_jobs_and_each_job_calls_the_same_commands(sides):
    github, gitlab = sides
    assert set(github) == set(gitlab) == set(ci_model.FILES)
    for name in ci_model.FILES:
        jobs = github[name]["jobs"]
        ours = {job: ci_model.github_commands(content) for job, content in jobs.items() if job != ELSEWHERE}
        theirs = {ci_model.plain(job): ci_model.gitlab_commands(content) for job, content in gitlab[name].items()}
        assert set(ours) == set(theirs)
        for job, lines in ours.items():
            assert ci_model.project_commands(lines) == ci_model.project_commands(theirs[job]), job


def test_each_sentence_names_every_variable_that_its_job_waits_for(sides):
    github, gitlab = sides
    seen = 0
    for name, workflow in github.items():
        for job, content in workflow["jobs"].items():
            if "not-" not in job:
                continue
            wanted = set(re.findall(r"vars\.(\w+)", content["if"]))
            assert wanted
            for text in (ci_model.github_commands(content), ci_model.gitlab_commands(gitlab[name][job])):
                assert [variable for variable in wanted if variable not in text[0]] == []
            waiting = [
                other for other, others in workflow["jobs"].items()
                if other != job and wanted & set(re.findall(r"vars\.(\w+)", others.get("if", "")))
            ]  # fmt: skip
            assert waiting, f"{job} speaks for a job"
            seen += 1
    assert seen == 5
    assert {job for name in github for job in github[name]["jobs"]} - {
        job for name in gitlab for job in map(ci_model.plain, gitlab[name])
    } == {ELSEWHERE}


def test_no_job_has_more_rights_than_it_needs(both):
    for name, workflow in ci_model.github(both).items():
        assert workflow["permissions"] == {}
        for job, content in workflow["jobs"].items():
            rights = content["permissions"]
            assert {right for right, level in rights.items() if level == "write"} == WRITES.get((name, job), set())
            assert set(rights) - WRITES.get((name, job), set()) <= {"contents"}
            assert 0 < content["timeout-minutes"] <= 120


def test_what_changes_something_outside_takes_turns_and_is_never_broken_off(sides):
    github, gitlab = sides
    turns = {
        (name, job): content.get("concurrency", workflow.get("concurrency"))
        for name, workflow in github.items()
        for job, content in workflow["jobs"].items()
    }
    jobs = [("train", "images"), ("train", "train"), ("train", "deploy"), ("infra", "apply")]
    for name, job in jobs:
        assert turns[name, job]["cancel-in-progress"] is False
        assert gitlab[name][job]["interruptible"] is False
    assert len({turns[each]["group"] for each in jobs}) == len(jobs), "one that waits holds up no other"
    assert len({gitlab[name][job]["resource_group"] for name, job in jobs}) == len(jobs)
    # GitHub would let a run wait for the approval of another one's release, and a preview for that of an apply.
    for name in ("train", "infra"):
        assert "concurrency" not in github[name]
    assert turns["infra", "preview"]["group"] != turns["infra", "apply"]["group"]
    # Neither is it done a second time because it took too long, or its machine went away half-way.
    for name, job in [*jobs[1:], ("train", "record")]:
        assert gitlab[name][job]["retry"] == 0
        assert gitlab[name][job]["interruptible"] is False
    for jobs_of_file in gitlab.values():
        for job in jobs_of_file.values():
            assert job["retry"] == 0 or "stuck_or_timeout_failure" not in job["retry"]["when"]


def test_ci_sees_whether_the_stack_s_settings_are_of_the_spec_that_is_there(both, tmp_path, monkeypatch):
    """What seedbed writes beside the settings is what the project makes of its spec; seedbed brings it up to date."""
    root = shutil.copytree(both, tmp_path / "project")
    program = runpy.run_path(str(root / "ci/infrastructure.py"))

    def recorded():
        return yaml.safe_load((root / "infra/Pulumi.dev.yaml").read_text())["config"][stack_config.SPEC]

    def found():
        return program["digest"](tomllib.loads((root / "seedbed.toml").read_text()), "dev")

    assert recorded() == found()
    before = found()
    spec = root / "seedbed.toml"
    spec.write_text(spec.read_text().replace("registry_port = 0", "registry_port = 5001"))
    assert recorded() == before != found()
    cli = PulumiCli(tmp_path / "pulumi", "3.259.0", "a test")  # the settings come before it is asked
    monkeypatch.setattr(stack.toolchain, "require", lambda: cli)
    with pytest.raises(InfrastructureError, match="is not up"):
        stack.open_stack(find_project(root), "dev", print)
    assert recorded() == found()
    assert "5001" in (root / "infra/Pulumi.dev.yaml").read_text()


def test_what_changes_something_that_runs_waits_for_an_approval(sides):
    github, gitlab = sides
    for name, job, environment in (("train", "deploy", "service"), ("infra", "apply", "infrastructure")):
        assert github[name]["jobs"][job]["environment"] == environment
        assert gitlab[name][job]["environment"] == {"name": environment}, "GitLab keeps what was deployed when"
        assert ci_model.gitlab_waits(gitlab[name][job])


def test_only_what_talks_to_the_cluster_gets_the_way_to_it(both):
    for workflow in ci_model.github(both).values():
        for job, content in workflow["jobs"].items():
            secret = "secrets.KUBECONFIG_CONTENT"
            steps = [step for step in content["steps"] if secret in str(step)]
            assert len(steps) == (job in {"deploy", "train", "drift"}), "and of it the one step that needs it"
            assert secret not in f"{workflow.get('env')} {content.get('env')}"


def test_whatever_the_pipeline_reads_of_its_place_is_handed_over(sides, both):
    """GitLab's variables are all there by themselves; GitHub's are what a job says."""
    sources = [path.read_text() for path in (both / "src").rglob("pipelines/*.py")]
    wanted = set(re.findall(r'"((?:PIPELINE|KFP)_[A-Z_]+)"', "".join(sources))) - {"KFP_TOKEN_FILE"}
    assert len(wanted) == 8
    train = sides[0]["train"]["jobs"]["train"]
    (step,) = [step for step in train["steps"] if "ci/train.py" in step.get("run", "")]
    assert wanted - {*train["env"], *step["env"]} == set()


def test_what_is_not_a_change_learns_from_labels_first(sides, both):
    github, gitlab = sides[0]["train"]["jobs"]["train"], sides[1]["train"]["train"]
    (collect,) = [step for step in github["steps"] if "ci/collect.py" in step.get("run", "")]
    for kind, expected in {"change": False, "schedule": True, "manual": True, "started": True}.items():
        for log in ("", "s3://artifacts/log"):
            event = Event(kind, schedule="train", variables={"PREDICTION_LOG": log})
            assert ci_model.github_step_runs(collect, event, {}) is (expected and bool(log))
            (line,) = [line for line in ci_model.gitlab_commands(gitlab) if "ci/collect.py" in line]
            variables = {**ci_model.gitlab_variables(event), "PATH": os.environ["PATH"]}
            script = line.replace(".venv/bin/python ci/collect.py", "echo collected")
            done = subprocess.run(["bash", "-euc", script], env=variables, capture_output=True, text=True, check=True)
            assert ("collected" in done.stdout) is (expected and bool(log))


def test_a_run_is_followed_for_less_than_its_job_and_its_role_on_aws_last(sides, both):
    minutes = int(re.search(r"^MINUTES = (\d+)$", (both / "ci/train.py").read_text(), re.MULTILINE)[1])
    assert minutes + 15 <= sides[0]["train"]["jobs"]["train"]["timeout-minutes"] <= 60
    assert sides[1]["train"]["train"]["timeout"] == "1h"


def test_a_check_for_drift_keeps_every_report(sides):
    github, gitlab = sides[0]["drift"]["jobs"]["drift"], sides[1]["drift"]["drift"]
    (kept,) = [step["with"]["path"].split() for step in github["steps"] if "upload-artifact" in step.get("uses", "")]
    assert kept == gitlab["artifacts"]["paths"] == ["reports/drift.*", "reports/performance.html"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://tracking.flights-prod.svc:5000", "check"),
        ("https://mlflow.example.com", "check --publish"),
        ("https://mlflow.svc.example.com", "check --publish"),
    ],
)
def test_reports_are_published_where_ci_may_write(sides, address, expected):
    """Inside of a cluster CI only reads, and the monitor there publishes."""
    for lines in (
        ci_model.github_commands(sides[0]["drift"]["jobs"]["drift"]),
        ci_model.gitlab_commands(sides[1]["drift"]["drift"]),
    ):
        script = "\n".join(line for line in lines if line.startswith(("set --", "case ")))
        command = ["bash", "-euc", script + '\necho "$@"']
        variables = {"MLFLOW_TRACKING_URI": address, "PATH": os.environ["PATH"]}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


def test_on_gitlab_a_request_with_nothing_but_a_role_says_so_and_is_not_red(sides):
    """The role's trust is in the branch, and a request's token names another one."""
    variables = {name: value for name, value in READY.items() if name != "AWS_ACCESS_KEY_ID"}
    event = Event("request", (*CODE, "infra/Pulumi.yaml"), variables=variables)
    github, gitlab = ci_model.started(*sides, event)
    assert plain(gitlab) == {*ALWAYS, "ci/data-not-checked", "infra/infrastructure-not-set-up"}
    assert {"ci/data", "infra/preview"} <= github
    for name, job in (("ci", "data-not-checked"), ("infra", "infrastructure-not-set-up")):
        assert "Merge requests have no role" in " ".join(ci_model.gitlab_commands(sides[1][name][job]))


@pytest.mark.parametrize(("kind", "expected"), [("change", "role: arn"), ("request", ": key")])
def test_on_gitlab_the_branch_has_the_role_and_a_request_the_keys(sides, kind, expected):
    script = sides[1]["ci"]["data"]["before_script"][-1] + '\necho "${AWS_ROLE_ARN:+role}: ${AWS_ACCESS_KEY_ID:-arn}"'
    given = {"CI_ROLE_ARN": "arn", "AWS_ACCESS_KEY_ID": "key", "AWS_ID_TOKEN": "t", "PATH": os.environ["PATH"]}
    env = ci_model.gitlab_variables(Event(kind, variables=given))
    script = re.sub(r"/\w+/aws-id-token", os.devnull, script)
    done = subprocess.run(["bash", "-euc", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


def test_on_gitlab_comments_and_commits_have_a_token_each(sides, both):
    """One that every branch sees writes comments; only the branch's own job sees the one that pushes."""
    text = {(name, job): str(content) for name, jobs in sides[1].items() for job, content in jobs.items()}
    assert {key for key, content in text.items() if "GITLAB_COMMENT_TOKEN" in content} == {("infra", "preview")}
    assert {key for key, content in text.items() if "GITLAB_PUSH_TOKEN" in content} == {("train", "record")}
    assert "GITLAB_TOKEN" not in "".join(path.read_text() for path in (both / "ci").glob("*.py")) + str(text)


@pytest.fixture(scope="module")
def of_release(tmp_path_factory):
    given = answers(choices__ci="both", project__branch="release")
    return creation.create(given, tmp_path_factory.mktemp("release") / "out").destination


def test_all_of_it_happens_on_the_branch_of_the_spec(of_release):
    sides = ci_model.github(of_release), ci_model.gitlab(of_release)
    for event, expected in EVENTS.values():
        for jobs in ci_model.started(*sides, replace(event, variables=READY, branch="release")):
            assert plain(jobs) == expected
    for kind in ("change", "manual"):
        event = Event(kind, (*CODE, "infra/Pulumi.yaml"), variables=READY, branch="feature")
        github, gitlab = ci_model.started(*sides, event)
        assert gitlab == set()
        assert github == (set() if kind == "change" else {f"train/{ELSEWHERE}", f"drift/{ELSEWHERE}"})


@pytest.mark.parametrize("file", ["train", "drift"])
def test_what_a_schedule_starts_on_another_branch_is_handed_over(of_release, tmp_path, file):
    sides = ci_model.github(of_release), ci_model.gitlab(of_release)
    github, gitlab = ci_model.started(*sides, Event("schedule", schedule=file, variables=READY))
    assert (github, gitlab) == ({f"{file}/{ELSEWHERE}"}, set())
    (step,) = sides[0][file]["jobs"][ELSEWHERE]["steps"]
    (tmp_path / "gh").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "gh").chmod(0o755)
    given = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "BRANCH": step["env"]["BRANCH"]}
    for name, told in (("schedule", f"workflow run {file}.yml --repo acme/it --ref release"), ("other", "::notice")):
        env = {**given, "GITHUB_EVENT_NAME": name, "GITHUB_REPOSITORY": "acme/it"}
        done = subprocess.run(["bash", "-euc", step["run"]], env=env, capture_output=True, text=True, check=True)
        assert done.stdout.startswith(told)


def test_drift_starts_the_training_of_its_own_branch(of_release):
    for lines, branch in (
        (ci_model.github_commands(ci_model.github(of_release)["drift"]["jobs"]["drift"]), '--ref "$GITHUB_REF_NAME"'),
        (ci_model.gitlab_commands(ci_model.gitlab(of_release)["drift"]["drift"]), 'ref="$CI_COMMIT_BRANCH"'),
    ):
        assert [line for line in lines if branch in line]


def test_alerts_are_tested_by_the_prometheus_that_a_cluster_runs(sides):
    pinned = runpy.run_path(str(ROOT / "infra/mlops_platform/components/kubernetes/images.py"))["IMAGES"]
    for image in (
        sides[0]["ci"]["jobs"]["alert-rules"]["steps"][-1]["env"]["IMAGE"],
        sides[1]["ci"]["alert-rules"]["image"]["name"],
    ):
        assert f"docker.io/{image}" == pinned["prometheus"]
    # The same commands as in the project's own test, which is skipped where there is no promtool.
    for lines in (
        ci_model.github_commands(sides[0]["ci"]["jobs"]["alert-rules"]),
        ci_model.gitlab_commands(sides[1]["ci"]["alert-rules"]),
    ):
        for command in ("check config prometheus/prometheus.yml", "test rules prometheus/alerts_test.yml"):
            assert f"promtool {command}" in lines


def test_the_checked_data_is_that_of_the_bucket_which_the_variable_names(sides):
    for lines in (
        ci_model.github_commands(sides[0]["ci"]["jobs"]["data"]),
        ci_model.gitlab_commands(sides[1]["ci"]["data"]),
    ):
        assert [line for line in lines if "dvc remote add" in line and '"s3://$DATA_BUCKET/dvc"' in line]
    assert sides[0]["ci"]["jobs"]["data"]["env"]["DATA_BUCKET"] == "${{ vars.DATA_BUCKET }}"


def test_every_dockerfile_is_kept_up_to_date(both):
    (docker,) = [
        update for update in ci_model.load(both / ".github/dependabot.yml")["updates"]
        if update["package-ecosystem"] == "docker"
    ]  # fmt: skip
    folders = {f"/{path.parent.relative_to(both)}".removesuffix(".") for path in both.rglob("Dockerfile")}
    assert set(docker["directories"]) == folders | {"/"}


def test_where_no_image_is_pushed_none_is_released(tmp_path):
    given = answers(choices__ci="both", project__registry="registry.example.com/team")
    root = creation.create(given, tmp_path / "out").destination
    variables = {name: value for name, value in READY.items() if name != "REGISTRY_USERNAME"}
    event = Event("change", CODE, variables=variables)
    for jobs in ci_model.started(ci_model.github(root), ci_model.gitlab(root), event):
        assert not {"train/images", "train/deploy"} & jobs
        assert "train/images-not-pushed" in jobs


def test_the_image_that_is_released_is_the_one_that_was_pushed(sides, tmp_path):
    github, gitlab = sides[0]["train"]["jobs"], sides[1]["train"]
    (step,) = [step for step in github["deploy"]["steps"] if "ci/deploy.py" in step.get("run", "")]
    assert step["env"]["SERVING_IMAGE"] == "${{ needs.images.outputs.serving }}"
    assert github["images"]["outputs"] == {
        target: f"${{{{ steps.image.outputs.name }}}}/{target}@${{{{ steps.{target}.outputs.digest }}}}"
        for target in ("serving", "pipeline")
    }
    for digit, target in enumerate(("serving", "pipeline")):
        image = {"containerimage.descriptor": {"size": 1}, "containerimage.digest": f"sha256:{str(digit) * 64}"}
        (tmp_path / f"{target}.json").write_text(json.dumps(image, indent=2))
    lines = [line for line in gitlab["images"]["script"] if "image.env" in line or line.startswith("digest=")]
    command = ["bash", "-euo", "pipefail", "-c", "\n".join(lines)]
    subprocess.run(command, cwd=tmp_path, env={"IMAGE": "registry/penguins", "PATH": os.environ["PATH"]}, check=True)
    assert (tmp_path / gitlab["images"]["artifacts"]["reports"]["dotenv"]).read_text().splitlines() == [
        f"SERVING_IMAGE=registry/penguins/serving@sha256:{'0' * 64}",
        f"PIPELINE_IMAGE=registry/penguins/pipeline@sha256:{'1' * 64}",
    ]
    assert gitlab["deploy"]["needs"] == ["images"]


def test_nothing_of_an_event_gets_into_a_command(both):
    commands = [
        line
        for workflow in ci_model.github(both).values()
        for job in workflow["jobs"].values()
        for line in ci_model.github_commands(job)
    ]
    assert commands
    assert [line for line in commands if "${{" in line] == []


@pytest.mark.parametrize("registry", REGISTRIES)
@pytest.mark.parametrize("serving", ["fastapi", "none"])
def test_images_are_pushed_with_provenance_where_the_spec_says(tmp_path, registry, serving):
    given = answers(choices__ci="both", choices__serving=serving, project__registry=registry)
    root = creation.create(given, tmp_path / "out").destination
    targets = {"pipeline", *({"serving"} if serving != "none" else ())}
    github, gitlab = ci_model.github(root)["train"]["jobs"]["images"], ci_model.gitlab(root)["train"]["images"]
    pushed = [step["with"] for step in github["steps"] if "build-push-action" in step.get("uses", "")]
    assert {step["target"] for step in pushed} == targets
    assert all(step["push"] is True and step["provenance"] == "mode=max" for step in pushed)
    name = next(step["run"] for step in github["steps"] if step.get("id") == "image")
    assert (registry or "ghcr.io/${OWNER,,}") + "/penguin-species" in name
    builds = [line for line in gitlab["script"] if "buildx build" in line]
    assert {re.search(r"--target (\w+)", line)[1] for line in builds} == targets
    assert all("--push --provenance mode=max" in line for line in builds)
    assert gitlab["variables"]["IMAGE"] == (f"{registry}/penguin-species" if registry else "$CI_REGISTRY_IMAGE")
    uses = " ".join(step.get("uses", "") for step in github["steps"])
    assert ("amazon-ecr-login" in uses) == ("ecr" in registry) == ("id_tokens" in gitlab)
    assert ("packages" in github["permissions"]) == (registry in {"", "ghcr.io/acme"})
    # Everything that the images are made of makes new ones. pyproject.toml's lists reach them through the lock.
    allowed = re.findall(r"^!(\S+)$", (root / ".dockerignore").read_text(), re.MULTILINE)
    paths = [f"{item}/x" if (root / item).is_dir() else item for item in allowed]
    assert len(paths) > 3
    for path in ("pyproject.toml", "data/.gitignore"):
        paths.remove(path)
    for path in (*paths, "Dockerfile"):
        for jobs in ci_model.started(
            ci_model.github(root), ci_model.gitlab(root), Event("change", (path,), variables=READY)
        ):
            assert "train/images" in jobs, path


def test_every_image_of_gitlab_is_pinned_by_its_digest(both):
    text = "".join(path.read_text() for path in [both / ".gitlab-ci.yml", *(both / ".gitlab").rglob("*.yml")])
    found = re.findall(r"(?:image|- name|image:\n +name): (\S+)", text)
    assert len(found) > 6
    assert [image for image in found if not re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", image)] == []


@pytest.mark.parametrize(
    ("ci", "serving", "monitoring", "tracking"),
    list(
        itertools.product(
            ("github", "gitlab", "both", "none"), ("fastapi", "none"), ("true", "false"), ("true", "false")
        )
    ),
)
def test_what_is_not_chosen_leaves_no_trace(tmp_path, ci, serving, monitoring, tracking):
    root = make(tmp_path / "out", ci=ci, serving=serving, monitoring=monitoring, tracking=tracking)
    for side, places in {"github": (".github",), "gitlab": (".gitlab", ".gitlab-ci.yml", "renovate.json")}.items():
        assert {(root / place).exists() for place in places} == {ci in {side, "both"}}
    for place in ("ci", "tests/ci"):
        assert (root / place).exists() == (ci != "none")
    files = [
        path
        for place in (".github", ".gitlab", ".gitlab-ci.yml", "renovate.json", "ci", "tests/ci")
        for path in ((root / place).rglob("*") if (root / place).is_dir() else [root / place])
        if path.is_file()
    ]
    text = "".join(path.read_text().lower() for path in files)
    for word, wanted in {
        "github": ci in {"github", "both"},
        "gitlab": ci in {"gitlab", "both"},
        "drift": monitoring == "true" and ci != "none",
        "serving": serving != "none" and ci != "none",
        "kubeconfig": ci != "none",
        "promtool": monitoring == "true" and ci != "none",
        "mlflow": tracking == "true" and ci != "none",
    }.items():
        assert (word in text) == wanted, word
