"""Every kind of thing on AWS that an environment can consist of, and how each is looked for.

What has a tag of its own is found by the service's own list, which knows at once what is gone; AWS's list of all tagged
things, which is minutes late, is asked only for what no kind here covers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from seedbed.environments.aws import ec2
from seedbed.environments.aws.scope import ENDING_STATES, ENVIRONMENT_TAG, Found, Scope, existing, pages


@dataclass(frozen=True)
class Kind:
    """One kind.

    Attributes:
        name: in words, plural.
        arns: beginnings of ARNs after the account's number, with the service before: those that `search` finds.
        types: Pulumi's types that it is made by.
        search: finds what is there.
    """

    name: str
    arns: tuple[str, ...]
    types: tuple[str, ...]
    search: Callable[[Scope], Iterator[Found]]


def _clusters(scope: Scope) -> Iterator[Found]:
    client = scope.account.client("eks")
    for name in pages(client, "list_clusters", "clusters"):
        if scope.may_own(name) and (
            cluster := existing(client.describe_cluster, "ResourceNotFoundException", name=name)
        ):
            cluster = cluster["cluster"]
            if scope.owns(cluster.get("tags") or {}):
                yield Found("EKS cluster", name, cluster.get("status") in ENDING_STATES)


def _buckets(scope: Scope) -> Iterator[Found]:
    client = scope.account.client("s3")
    for bucket in client.list_buckets()["Buckets"]:
        name = bucket["Name"]
        tags = scope.may_own(name) and existing(client.get_bucket_tagging, "NoSuchTagSet", "NoSuchBucket", Bucket=name)
        if tags and scope.owns(tags["TagSet"]):
            yield Found("bucket", name)


def _repositories(scope: Scope) -> Iterator[Found]:
    client = scope.account.client("ecr")
    for repository in pages(client, "describe_repositories", "repositories"):
        name, arn = repository["repositoryName"], repository["repositoryArn"]
        tags = scope.may_own(name) and existing(
            client.list_tags_for_resource, "RepositoryNotFoundException", resourceArn=arn
        )
        if tags and scope.owns(tags["tags"]):
            yield Found("image repository", name)


def _roles(scope: Scope) -> Iterator[Found]:
    client = scope.account.client("iam")
    for role in pages(client, "list_roles", "Roles"):
        name = role["RoleName"]
        tags = scope.may_own(name) and existing(client.list_role_tags, "NoSuchEntity", RoleName=name)
        if tags and scope.owns(tags["Tags"]):
            yield Found("role", name)


def _policies(scope: Scope) -> Iterator[Found]:
    client = scope.account.client("iam")
    for policy in pages(client, "list_policies", "Policies", Scope="Local"):
        name = policy["PolicyName"]
        tags = scope.may_own(name) and existing(client.list_policy_tags, "NoSuchEntity", PolicyArn=policy["Arn"])
        if tags and scope.owns(tags["Tags"]):
            yield Found("policy", name)


def _identity_providers(scope: Scope) -> Iterator[Found]:
    client = scope.account.client("iam")
    for provider in client.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
        arn = provider["Arn"]
        tags = existing(client.list_open_id_connect_provider_tags, "NoSuchEntity", OpenIDConnectProviderArn=arn)
        if tags and scope.owns(tags["Tags"]):
            yield Found("identity provider", arn.partition("oidc-provider/")[2])


def _keys(scope: Scope) -> Iterator[Found]:
    """Keys by their tags; one that is to be deleted is said, not counted. And an alias is found without its key."""
    client = scope.account.client("kms")
    tagged = pages(
        scope.account.client("resourcegroupstaggingapi"), "get_resources", "ResourceTagMappingList",
        TagFilters=[{"Key": ENVIRONMENT_TAG, "Values": [scope.environment]}], ResourceTypeFilters=["kms:key"],
    )  # fmt: skip
    keys = {hit["ResourceARN"].rpartition("/")[2] for hit in tagged}
    aliases = {
        alias["AliasName"]: alias.get("TargetKeyId", "")
        for alias in pages(client, "list_aliases", "Aliases")
        if scope.may_own(alias["AliasName"])
    }
    for key in sorted(keys | set(aliases.values()) - {""}):
        described = existing(client.describe_key, "NotFoundException", KeyId=key)
        tags = described and existing(client.list_resource_tags, "NotFoundException", KeyId=key)
        if not (described and tags and scope.owns(tags["Tags"])):
            continue
        until = described["KeyMetadata"].get("DeletionDate")
        yield Found("key", key, until=until.strftime("%Y-%m-%d") if until else "")
        if not until:
            for alias in sorted(name for name, target in aliases.items() if target == key):
                yield Found("alias of a key", alias)


def _log_groups(scope: Scope) -> Iterator[Found]:
    client = scope.account.client("logs")
    for group in pages(client, "describe_log_groups", "logGroups"):
        name = group["logGroupName"]
        arn = scope.account.arn("logs", f"log-group:{name}")
        absent = "ResourceNotFoundException"
        tags = scope.may_own(name) and existing(client.list_tags_for_resource, absent, resourceArn=arn)
        # EKS makes the group of its logs anew, without tags, when a dying cluster has a last word.
        late = scope.cluster and name == f"/aws/eks/{scope.cluster}/cluster"
        if tags and (scope.owns(tags["tags"]) or (late and not tags["tags"])):
            yield Found("log group", name)


def _budgets(scope: Scope) -> Iterator[Found]:
    account = scope.account
    if account.partition != "aws":  # the others have no such service
        return
    client = account.client("budgets", account.home_region)
    for budget in pages(client, "describe_budgets", "Budgets", AccountId=account.number):
        name = budget["BudgetName"]
        arn = f"arn:{account.partition}:budgets::{account.number}:budget/{name}"
        tags = scope.may_own(name) and existing(client.list_tags_for_resource, "NotFoundException", ResourceARN=arn)
        if tags and scope.owns(tags.get("ResourceTags", ())):
            yield Found("budget", name)


KINDS: tuple[Kind, ...] = (
    *(Kind(f"{k.name}s", (f"ec2:{k.arn}/",), tuple(f"aws:{t}" for t in k.types), ec2.search_of(k)) for k in ec2.LISTS),
    Kind("instances", ("ec2:instance/",), (), ec2.instances),
    Kind(
        "load balancers and target groups",
        ("elasticloadbalancing:loadbalancer/", "elasticloadbalancing:targetgroup/", "elasticloadbalancing:listener"),
        (), ec2.balancers,
    ),
    Kind("EKS clusters", ("eks:",), ("aws:eks/cluster:Cluster",), _clusters),
    Kind("buckets", ("s3:",), ("aws:s3/bucket:Bucket",), _buckets),
    Kind("image repositories", ("ecr:repository/",), ("aws:ecr/repository:Repository",), _repositories),
    Kind("roles", ("iam:role/",), ("aws:iam/role:Role",), _roles),
    Kind("policies", ("iam:policy/",), ("aws:iam/policy:Policy",), _policies),
    Kind(
        "identity providers", ("iam:oidc-provider/",), ("aws:iam/openIdConnectProvider:OpenIdConnectProvider",),
        _identity_providers,
    ),
    Kind("keys", ("kms:key/",), ("aws:kms/key:Key", "aws:kms/alias:Alias"), _keys),
    Kind("log groups", ("logs:log-group:",), ("aws:cloudwatch/logGroup:LogGroup",), _log_groups),
    Kind("budgets", ("budgets:budget/",), ("aws:budgets/budget:Budget",), _budgets),
)  # fmt: skip
# What AWS deletes with something else, and so needs no search of its own: Pulumi's type → the type of that.
PARTS_OF: dict[str, str] = {
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "aws:ec2/vpc:Vpc",
    "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl": "aws:ec2/vpc:Vpc",
    "aws:ec2/route:Route": "aws:ec2/routeTable:RouteTable",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "aws:ec2/routeTable:RouteTable",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "aws:ec2/securityGroup:SecurityGroup",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "aws:ec2/securityGroup:SecurityGroup",
    "aws:s3/bucketPolicy:BucketPolicy": "aws:s3/bucket:Bucket",
    "aws:s3/bucketVersioning:BucketVersioning": "aws:s3/bucket:Bucket",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "aws:s3/bucket:Bucket",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": "aws:s3/bucket:Bucket",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "aws:s3/bucket:Bucket",
    "aws:s3/bucketLogging:BucketLogging": "aws:s3/bucket:Bucket",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "aws:s3/bucket:Bucket",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": "aws:ecr/repository:Repository",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "aws:ecr/repository:Repository",
    "aws:iam/rolePolicy:RolePolicy": "aws:iam/role:Role",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "aws:iam/role:Role",
    "aws:kms/keyPolicy:KeyPolicy": "aws:kms/key:Key",
    "aws:eks/accessEntry:AccessEntry": "aws:eks/cluster:Cluster",
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": "aws:eks/cluster:Cluster",
    "aws:eks/addon:Addon": "aws:eks/cluster:Cluster",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": "aws:eks/cluster:Cluster",
}
