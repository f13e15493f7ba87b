"""What CI may change in an environment that stands: statements of IAM policies, by what they are about.

It changes neither who may do what (roles, their policies, the key's policy, who is let into the cluster) nor deletes
what holds data. A role that could do the former would be its account's administrator in disguise; both are left to the
person who runs `seedbed up` and `seedbed down`.
"""

from __future__ import annotations

from mlops_platform.components.aws.account import ENVIRONMENT_TAG
from mlops_platform.components.aws.policies import Scope, Statement, allow, state_rights

_OURS = f"aws:ResourceTag/{ENVIRONMENT_TAG}"
_TAGGED_AS_OURS = f"aws:RequestTag/{ENVIRONMENT_TAG}"
# Action of EC2 → the type of what it makes. No two of a group where what one makes is what another one needs: a right
# to make it with our tag would be one to use any.
_CREATIONS: tuple[dict[str, str], ...] = (
    {"CreateVpc": "vpc", "AllocateAddress": "elastic-ip", "CreateInternetGateway": "internet-gateway"},
    {
        "CreateSubnet": "subnet",
        "CreateRouteTable": "route-table",
        "CreateSecurityGroup": "security-group",
        "CreateNetworkAcl": "network-acl",
    },
    {"CreateNatGateway": "natgateway", "CreateVpcEndpoint": "vpc-endpoint"},
    {
        "AuthorizeSecurityGroupEgress": "security-group-rule",
        "AuthorizeSecurityGroupIngress": "security-group-rule",
    },
)
# On what carries our tag already; one question is about one thing only.
_NETWORK_CHANGES = (
    "AssociateRouteTable", "AttachInternetGateway", "CreateNetworkAclEntry", "CreateRoute", "CreateTags",
    "DeleteInternetGateway", "DeleteNatGateway", "DeleteNetworkAcl", "DeleteNetworkAclEntry", "DeleteRoute",
    "DeleteRouteTable", "DeleteSecurityGroup", "DeleteSubnet", "DeleteTags", "DeleteVpc", "DeleteVpcEndpoints",
    "DescribeVpcAttribute",
    "DetachInternetGateway", "DisassociateAddress", "DisassociateRouteTable", "ModifySecurityGroupRules",
    "ModifySubnetAttribute", "ModifyVpcAttribute", "ModifyVpcEndpoint", "ReleaseAddress",
    "ReplaceNetworkAclAssociation", "ReplaceNetworkAclEntry", "ReplaceRoute", "ReplaceRouteTableAssociation",
    "RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress", "UpdateSecurityGroupRuleDescriptionsEgress",
    "UpdateSecurityGroupRuleDescriptionsIngress",
)  # fmt: skip
# Otherwise EC2 describes everything of a region or nothing.
_NETWORK_QUESTIONS = (
    "Addresses", "AddressesAttribute", "AvailabilityZones", "FlowLogs", "InternetGateways", "NatGateways",
    "NetworkAcls", "NetworkInterfaces", "PrefixLists", "RouteTables", "SecurityGroupRules", "SecurityGroups",
    "Subnets", "Tags", "VpcEndpoints", "Vpcs",
)  # fmt: skip


def parts(scope: Scope) -> tuple[str, ...]:
    """Names of the policies that `apply_rights` gives; they depend on neither the key nor names of what is made."""
    return ("state", "stores", *(("network", "cluster") if scope.cluster else ()))


def apply_rights(scope: Scope) -> dict[str, list[Statement]]:
    """What the job that changes the infrastructure may do, by the name of the policy that says so.

    One policy takes 6,144 characters, which all of it together exceeds.
    """
    rights = {"stores": _stores, "network": _network, "cluster": _cluster, "state": _state}
    return {name: rights[name](scope) for name in parts(scope)}


def _stores(scope: Scope) -> list[Statement]:
    """How buckets, repositories and the budget are set up; not what is in them."""
    statements: list[Statement] = []
    buckets = [scope.bucket_arn(name) for name in (scope.data_bucket, scope.artifact_bucket, scope.log_bucket) if name]
    if buckets:
        statements += [
            allow(
                "s3:CreateBucket",
                "s3:GetBucket*",
                "s3:Get*Configuration",
                "s3:ListBucket",
                "s3:ListTagsForResource",
                "s3:PutBucketLogging",
                "s3:PutBucketOwnershipControls",
                "s3:PutBucketPolicy",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketTagging",
                "s3:PutBucketVersioning",
                "s3:PutEncryptionConfiguration",
                "s3:PutLifecycleConfiguration",
                "s3:TagResource",
                "s3:UntagResource",
                on=buckets,
            ),
            # A bucket's policy, which it may change, could otherwise grant it.
            {"Effect": "Deny", "Action": "s3:*Object*", "Resource": [f"{bucket}/*" for bucket in buckets]},
        ]
    if scope.repositories:
        statements.append(
            allow(
                "ecr:CreateRepository",
                "ecr:DeleteLifecyclePolicy",
                "ecr:DescribeRepositories",
                "ecr:GetLifecyclePolicy",
                "ecr:ListTagsForResource",
                "ecr:PutImageScanningConfiguration",
                "ecr:PutImageTagMutability",
                "ecr:PutLifecyclePolicy",
                "ecr:TagResource",
                "ecr:UntagResource",
                on=scope.repository_arns,
            )
        )
    if scope.key:
        statements += [
            allow(
                "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags", on=scope.key
            ),
            # A new repository or cluster is encrypted with it by the service itself.
            allow("kms:CreateGrant", on=scope.key, when={"Bool": {"kms:GrantIsForAWSResource": "true"}}),
        ]
    if scope.budget:
        budget = scope.account.arn("budgets", f"budget/{scope.budget}", region=False)
        statements.append(allow("budgets:ListTagsForResource", "budgets:ModifyBudget", "budgets:ViewBudget", on=budget))
    return statements


def _network(scope: Scope) -> list[Statement]:
    """The network: what is made gets our tag, and only what has it is changed or deleted."""
    environment = scope.account.environment
    ours, tagged = {_OURS: environment}, {_TAGGED_AS_OURS: environment}
    made = [
        allow(
            *(f"ec2:{action}" for action in group),
            on=[scope.account.arn("ec2", f"{kind}/*") for kind in sorted(set(group.values()))],
            when={"StringEquals": tagged},
        )
        for group in _CREATIONS
    ]
    creations = [action for group in _CREATIONS for action in group]
    everything = scope.account.arn("ec2", "*/*")
    return [
        *made,
        allow("ec2:CreateTags", on=everything, when={"StringEquals": {"ec2:CreateAction": creations, **tagged}}),
        allow(
            *(f"ec2:{action}" for action in (*creations, *_NETWORK_CHANGES)), on=everything, when={"StringEquals": ours}
        ),
        allow(
            *(f"ec2:Describe{what}" for what in _NETWORK_QUESTIONS),
            on="*",
            when={"StringEquals": {"aws:RequestedRegion": scope.account.region}},
        ),
    ]


def _cluster(scope: Scope) -> list[Statement]:
    """The cluster's settings and version, and how long its logs are kept. What runs in it is up to its own rules."""
    environment = {"StringEquals": {_OURS: scope.account.environment}}
    return [
        allow(
            "eks:AssociateEncryptionConfig",
            "eks:CreateAddon",
            "eks:DescribeCluster",
            "eks:DescribeUpdate",
            "eks:ListTagsForResource",
            "eks:ListUpdates",
            "eks:TagResource",
            "eks:UntagResource",
            "eks:UpdateClusterConfig",
            "eks:UpdateClusterVersion",
            on=scope.cluster_arn,
        ),
        allow(
            "eks:DeleteAddon",
            "eks:DescribeAddon",
            "eks:DescribeUpdate",
            "eks:ListTagsForResource",
            "eks:TagResource",
            "eks:UntagResource",
            "eks:UpdateAddon",
            on=scope.account.arn("eks", f"addon/{scope.cluster}/*"),
        ),
        allow(
            "eks:DescribeAccessEntry",
            "eks:ListAssociatedAccessPolicies",
            on=scope.account.arn("eks", f"access-entry/{scope.cluster}/*"),
        ),
        allow(
            "eks:DescribePodIdentityAssociation",
            on=scope.account.arn("eks", f"podidentityassociation/{scope.cluster}/*"),
        ),
        allow(
            "logs:AssociateKmsKey",
            "logs:DeleteRetentionPolicy",
            "logs:ListTagsForResource",
            "logs:PutRetentionPolicy",
            "logs:TagResource",
            "logs:UntagResource",
            on=scope.account.arn("logs", "log-group:*"),
            when=environment,
        ),
        allow(
            "logs:DescribeLogGroups",
            on="*",
            when={"StringEquals": {"aws:RequestedRegion": scope.account.region}},
        ),
    ]


def _state(scope: Scope) -> list[Statement]:
    return state_rights(scope, write=True)
