"""Each kind of resource of an environment: CI may change it, or a person has to."""

import pytest
from tests.aws import environments
from tests.infra.aws.iam import Request, allowed
from tests.infra.aws.rights_table import BUDGET, CLUSTER, DATA, GROUP, IMAGES, KEY, OWN_ROLE, POD_IDENTITY, ec2, ours
from tests.infra.aws.test_policies import policies, scope  # noqa: F401 - a fixture

ADDON = f"{CLUSTER.replace(':cluster/', ':addon/')}/metrics-server/1"
# With the call that changes one.
BY_CI = {
    "budgets:Budget": ("budgets:ModifyBudget", BUDGET, {}),
    "cloudwatch:LogGroup": ("logs:PutRetentionPolicy", GROUP, ours()),
    "ec2:DefaultSecurityGroup": ("ec2:RevokeSecurityGroupIngress", ec2("security-group"), ours()),
    "ec2:Eip": ("ec2:ReleaseAddress", ec2("elastic-ip"), ours()),
    # Another one would have to be given its role; its tags can be changed.
    "ec2:FlowLog": ("ec2:CreateTags", ec2("vpc-flow-log"), ours()),
    "ec2:InternetGateway": ("ec2:AttachInternetGateway", ec2("internet-gateway"), ours()),
    "ec2:NatGateway": ("ec2:DeleteNatGateway", ec2("natgateway"), ours()),
    "ec2:Route": ("ec2:ReplaceRoute", ec2("route-table"), ours()),
    "ec2:RouteTable": ("ec2:DeleteRouteTable", ec2("route-table"), ours()),
    "ec2:RouteTableAssociation": ("ec2:ReplaceRouteTableAssociation", ec2("route-table"), ours()),
    "ec2:Subnet": ("ec2:ModifySubnetAttribute", ec2("subnet"), ours()),
    "ec2:Vpc": ("ec2:ModifyVpcAttribute", ec2("vpc"), ours()),
    "ec2:VpcEndpoint": ("ec2:ModifyVpcEndpoint", ec2("vpc-endpoint"), ours()),
    "ecr:LifecyclePolicy": ("ecr:PutLifecyclePolicy", IMAGES, {}),
    "ecr:Repository": ("ecr:PutImageScanningConfiguration", IMAGES, {}),
    "eks:Addon": ("eks:UpdateAddon", ADDON, {}),
    "eks:Cluster": ("eks:UpdateClusterVersion", CLUSTER, {}),
    "s3:Bucket": ("s3:PutBucketTagging", DATA, {}),
    "s3:BucketLifecycleConfiguration": ("s3:PutLifecycleConfiguration", DATA, {}),
    "s3:BucketLogging": ("s3:PutBucketLogging", DATA, {}),
    "s3:BucketOwnershipControls": ("s3:PutBucketOwnershipControls", DATA, {}),
    "s3:BucketPolicy": ("s3:PutBucketPolicy", DATA, {}),
    "s3:BucketPublicAccessBlock": ("s3:PutBucketPublicAccessBlock", DATA, {}),
    "s3:BucketServerSideEncryptionConfiguration": ("s3:PutEncryptionConfiguration", DATA, {}),
    "s3:BucketVersioning": ("s3:PutBucketVersioning", DATA, {}),
}
# Who may do what, and the key.
BY_A_PERSON = {
    "eks:AccessEntry": ("eks:CreateAccessEntry", CLUSTER, {}),
    "eks:AccessPolicyAssociation": ("eks:AssociateAccessPolicy", CLUSTER, {}),
    "eks:PodIdentityAssociation": ("eks:UpdatePodIdentityAssociation", POD_IDENTITY, {}),
    "iam:OpenIdConnectProvider": ("iam:AddClientIDToOpenIDConnectProvider", "*", {}),
    "iam:Policy": ("iam:CreatePolicyVersion", "arn:aws:iam::123456789012:policy/flights-prod-ci-apply-state", {}),
    "iam:Role": ("iam:UpdateRole", OWN_ROLE, ours()),
    "iam:RolePolicy": ("iam:PutRolePolicy", OWN_ROLE, ours()),
    "iam:RolePolicyAttachment": ("iam:AttachRolePolicy", OWN_ROLE, ours()),
    "kms:Alias": ("kms:UpdateAlias", KEY, {}),
    "kms:Key": ("kms:PutKeyPolicy", KEY, {}),
}


@pytest.mark.parametrize("kind", [*BY_CI, *BY_A_PERSON])
def test_who_changes_it(scope, kind):  # noqa: F811
    action, resource, context = {**BY_CI, **BY_A_PERSON}[kind]
    assert allowed(Request(action, resource, context), *policies(scope())["apply"]) is (kind in BY_CI)


def test_no_kind_is_forgotten():
    found = {f"{token.split(':')[1].partition('/')[0]}:{token.rpartition(':')[2]}" for token in environments.tokens()}
    assert found == BY_CI.keys() | BY_A_PERSON.keys()
