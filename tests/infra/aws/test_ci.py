"""The roles of the project's CI: who gets in, and what is made for that."""

import pytest
from tests import ci_model
from tests.infra.aws import graph
from tests.infra.aws.iam import may_assume, statements
from tests.unit.test_render import answers

from mlops_platform.components.aws import ci, ci_trust
from seedbed import creation

GITHUB = {"repository": "github.com/Acme/flights", "repositoryIds": "1296269/501"}
UNNUMBERED = {**GITHUB, "repositoryIds": "none"}
GITLAB = {"repository": "gitlab.com/acme/ml/flights"}
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
ISSUER = "token.actions.githubusercontent.com"
PARTS = {
    "key": "arn:aws:kms:eu-west-1:123456789012:key/1",
    "data_bucket": "flights-prod-data-123456789012",
    "artifact_bucket": "flights-prod-artifacts-123456789012",
    "log_bucket": "flights-prod-logs-123456789012",
    "repositories": ("flights/pipeline", "flights/serving"),
}


@pytest.fixture
def declared(on_aws):
    def run(parts=PARTS, **values):
        def declare(account):
            made = ci.CiIdentity("ci", account=account, **parts)
            return {"ci_role": made.ci_role, "preview_role": made.preview_role, "apply_role": made.apply_role}

        return on_aws(declare, **values)

    return run


def trusted(recorded, role):
    return recorded.find("Role", role).inputs["assumeRolePolicy"]


def provider(issuer=ISSUER):
    return {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{issuer}"}


def github(context, ref="refs/heads/main", *, repository="Acme@1296269/flights@501", number="501", audience=None):
    """What a token of GitHub says, under the names that AWS gives it."""
    claims = {"aud": audience or "sts.amazonaws.com", "sub": f"repo:{repository}:{context}", "ref": ref}
    return {f"{ISSUER}:{name}": value for name, value in {**claims, "repository_id": number}.items()}


MERGE = "refs/pull/7/merge"
TOKENS = [
    # Each role, by the jobs that take it on, and by those of the others.
    ("ci", github("environment:training"), True),
    ("ci", github("environment:registry"), True),
    ("ci", github("environment:data"), False),
    ("ci", github("environment:infrastructure-preview"), False),
    ("ci", github("environment:infrastructure"), False),
    ("ci-preview", github("environment:data"), True),
    ("ci-preview", github("environment:data", MERGE), True),
    ("ci-preview", github("environment:infrastructure-preview", MERGE), True),
    ("ci-preview", github("environment:training"), False),
    ("ci-preview", github("environment:infrastructure"), False),
    ("ci-apply", github("environment:infrastructure"), True),
    ("ci-apply", github("environment:infrastructure-preview"), False),
    ("ci-apply", github("environment:registry"), False),
    # A job that names no environment, on the branch or for a pull request.
    ("ci", github("ref:refs/heads/main"), False),
    ("ci-apply", github("ref:refs/heads/main"), False),
    ("ci-preview", github("pull_request", MERGE), False),
    # A job that names the environment on another branch, a tag or a pull request.
    ("ci", github("environment:training", "refs/heads/evil"), False),
    ("ci", github("environment:training", "refs/heads/main-evil"), False),
    ("ci", github("environment:training", "refs/tags/main"), False),
    ("ci-apply", github("environment:infrastructure", MERGE), False),
    # Names that only begin alike.
    ("ci", github("environment:training-evil"), False),
    ("ci-apply", github("environment:infrastructure:evil"), False),
    ("ci-apply", github("environment:Infrastructure"), False),
    # Somebody else's repository: by name with other numbers, by numbers with another name, by a fork, by an old form.
    ("ci", github("environment:training", repository="Acme@1296269/flights@502", number="502"), False),
    ("ci", github("environment:training", repository="Acme@7/flights@501"), False),
    ("ci", github("environment:training", repository="Evil@1296269/flights@501"), False),
    ("ci", github("environment:training", repository="acme@1296269/flights@501"), False),
    ("ci", github("environment:training", repository="Acme@1296269/flights-evil@501"), False),
    ("ci", github("environment:training", repository="Acme/flights"), False),
    ("ci", github("environment:training", number="502"), False),
    ("ci", github("environment:training", audience="https://github.com/Acme"), False),
]


@pytest.mark.parametrize(("role", "token", "expected"), TOKENS)
def test_who_gets_in_from_github(declared, role, token, expected):
    assert may_assume(trusted(declared(**GITHUB), role), provider(), token) is expected


@pytest.mark.parametrize("claim", ["aud", "sub", "ref", "repository_id"])
def test_a_token_that_leaves_something_out_gets_nowhere(declared, claim):
    token = github("environment:training")
    del token[f"{ISSUER}:{claim}"]
    assert not may_assume(trusted(declared(**GITHUB), "ci"), provider(), token)


def test_a_repository_without_numbers_in_its_tokens(declared):
    trust = trusted(declared(**UNNUMBERED), "ci")
    assert may_assume(trust, provider(), github("environment:training", repository="Acme/flights"))
    assert not may_assume(trust, provider(), github("environment:training"))
    assert not may_assume(trust, provider(), github("environment:training", repository="Acme/flights-evil"))


def test_another_branch(declared):
    trust = trusted(declared(**GITHUB, branch="release/2"), "ci-apply")
    assert may_assume(trust, provider(), github("environment:infrastructure", "refs/heads/release/2"))
    assert not may_assume(trust, provider(), github("environment:infrastructure", "refs/heads/main"))


def test_where_aws_reads_no_further_claims_they_are_not_asked_for(declared):
    """Nobody would get in: a key that isn't there never equals anything."""
    recorded = declared(**GITHUB, region="us-gov-west-1")
    (statement,) = statements(trusted(recorded, "ci-apply"))
    assert set(statement["Condition"]["StringEquals"]) == {f"{ISSUER}:aud", f"{ISSUER}:sub"}
    assert statement["Principal"] == {"Federated": f"arn:aws-us-gov:iam::123456789012:oidc-provider/{ISSUER}"}


@pytest.mark.parametrize(
    ("subject", "audience", "expected"),
    [
        ("project_path:acme/ml/flights:ref_type:branch:ref:main", "sts.amazonaws.com", True),
        ("project_path:acme/ml/flights:ref_type:branch:ref:feature", "sts.amazonaws.com", False),
        ("project_path:acme/ml/flights:ref_type:tag:ref:main", "sts.amazonaws.com", False),
        ("project_path:acme/ml/flights-evil:ref_type:branch:ref:main", "sts.amazonaws.com", False),
        ("project_path:evil/ml/flights:ref_type:branch:ref:main", "sts.amazonaws.com", False),
        ("project_path:acme/ml/flights:ref_type:branch:ref:main", "https://gitlab.com", False),
    ],
)
def test_who_gets_in_from_gitlab(declared, subject, audience, expected):
    recorded = declared(**GITLAB)
    token = {"gitlab.com:sub": subject, "gitlab.com:aud": audience}
    for role in ("ci", "ci-apply"):
        assert may_assume(trusted(recorded, role), provider("gitlab.com"), token) is expected
    assert recorded.outputs["preview_role"] == ""


@pytest.mark.parametrize("repository", [GITHUB, UNNUMBERED, GITLAB])
def test_every_trust_is_exact(declared, repository):
    recorded = declared(**repository)
    for role in recorded.all("Role"):
        (statement,) = statements(role.inputs["assumeRolePolicy"])
        assert list(statement["Condition"]) == ["StringEquals"]
        assert "*" not in role.inputs["assumeRolePolicy"]
        keys = {key.rpartition(":")[2] for key in statement["Condition"]["StringEquals"]}
        assert keys >= {"aud", "sub"}
        assert len(role.inputs["assumeRolePolicy"]) <= 2048


def test_each_generated_job_that_takes_on_a_role_is_in_one(tmp_path):
    root = creation.create(answers(choices__ci="both", project__registry=REGISTRY), tmp_path / "out").destination
    found = {
        job.get("environment")
        for workflow in ci_model.github(root).values()
        for job in workflow["jobs"].values()
        if "aws-actions/configure-aws-credentials" in str(job["steps"])
    }
    assert found == {name for names in ci_trust.ENVIRONMENTS.values() for name in names}
    tokens = [
        token
        for jobs in ci_model.gitlab(root).values()
        for job in jobs.values()
        for token in job.get("id_tokens", {}).values()
    ]
    assert tokens
    assert {token["aud"] for token in tokens} == {ci_trust.AUDIENCE}


def test_the_provider_of_github(declared):
    made = declared(**GITHUB)
    inputs = made.find("OpenIdConnectProvider").inputs
    assert inputs["url"] == f"https://{ISSUER}"
    assert inputs["clientIdLists"] == [ci_trust.AUDIENCE]
    urn = made.find("OpenIdConnectProvider").urn
    assert all(urn in role.dependencies for role in made.all("Role"))


def test_an_account_that_has_a_provider_keeps_it_as_it_is(declared):
    made = declared(**GITLAB, oidcProvider="existing")
    assert made.all("OpenIdConnectProvider") == []
    (statement,) = statements(trusted(made, "ci"))
    assert statement["Principal"] == provider("gitlab.com")


@pytest.mark.parametrize("parts", [PARTS, {**PARTS, "cluster": "flights-prod", "budget": "flights-prod"},
                                   {"key": PARTS["key"], "repositories": PARTS["repositories"]},
                                   {k: v for k, v in PARTS.items() if k != "repositories"}])  # fmt: skip
def test_each_variant_has_policies_that_say_something(declared, parts):
    made = declared(parts, **GITHUB)
    policies = [*made.all("RolePolicy"), *made.all("Policy")]
    assert all(statements(policy.inputs["policy"]) for policy in policies)
    everything = " ".join(policy.inputs["policy"] for policy in policies)
    assert ("ec2:CreateRoute" in everything) == ("cluster" in parts)
    assert ("ecr:PutImage" in everything) == ("repositories" in parts)
    assert ("flights-prod-data" in everything) == ("data_bucket" in parts)
    assert "arn:aws:s3:::/" not in everything
    assert {role.inputs["name"] for role in made.all("Role")} == {
        "flights-prod-ci", "flights-prod-ci-preview", "flights-prod-ci-apply",
    }  # fmt: skip
    attached = {attachment.inputs["policyArn"] for attachment in made.all("RolePolicyAttachment")}
    assert len(attached) == len(made.all("Policy"))


def test_no_change_without_a_change(declared):
    first, second = (declared(**GITHUB) for _ in range(2))
    assert graph.inputs(first) == graph.inputs(second)


def test_names_and_lengths(declared):
    made = declared(
        **{**GITHUB, "repository": f"github.com/{'o' * 39}/{'r' * 100}", "repositoryIds": f"{'9' * 20}/{'9' * 20}"},
        project="p" * 40, stack="s" * 20, branch="b" * 100,
    )  # fmt: skip
    names = [role.inputs["name"] for role in made.all("Role")]
    assert len(set(names)) == 3
    assert max(map(len, names)) <= 64
    assert all(len(role.inputs["assumeRolePolicy"]) <= 2048 for role in made.all("Role"))
    assert all(len(policy.inputs["name"]) <= 128 for policy in made.all("Policy"))


def test_who_applies_has_as_long_as_the_job(declared):
    seconds = {role.name: role.inputs["maxSessionDuration"] for role in declared(**GITHUB).all("Role")}
    assert seconds == {"ci": 3600, "ci-preview": 3600, "ci-apply": 7200}
