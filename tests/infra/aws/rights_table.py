"""What each identity may do and what it may not: the table that its policies are held to."""

HERE = "eu-west-1:123456789012"
DATA, ARTIFACTS, LOGS = (f"arn:aws:s3:::flights-prod-{kind}-123456789012" for kind in ("data", "artifacts", "logs"))
STATE = "arn:aws:s3:::flights-state-123456789012-eu-west-1"
STACK = f"{STATE}/.pulumi/stacks/mlops-platform/prod.json"
LOCK = f"{STATE}/.pulumi/locks/organization/mlops-platform/prod/a.json"
KEY, STATE_KEY = (f"arn:aws:kms:{HERE}:key/{number}" for number in ("1111", "2222"))
IMAGES = f"arn:aws:ecr:{HERE}:repository/flights/serving"
CLUSTER = f"arn:aws:eks:{HERE}:cluster/flights-prod"
ENTRY = f"arn:aws:eks:{HERE}:access-entry/flights-prod/role/123456789012/evil/1"
ADDON = f"arn:aws:eks:{HERE}:addon/flights-prod/metrics-server/1"
POD_IDENTITY = f"arn:aws:eks:{HERE}:podidentityassociation/flights-prod/a-1"
GROUP = f"arn:aws:logs:{HERE}:log-group:/aws/eks/flights-prod/cluster"
BUDGET = "arn:aws:budgets::123456789012:budget/flights-prod"
ROLE, OWN_ROLE = (f"arn:aws:iam::123456789012:role/flights-prod-{name}" for name in ("pipelines", "ci-apply"))


def ec2(kind, region="eu-west-1"):
    return f"arn:aws:ec2:{region}:123456789012:{kind}/x-1"


def ours(environment="flights.prod", **more):
    return {"aws:ResourceTag/seedbed:environment": environment, **more}


def tagged(environment="flights.prod", **more):
    return {"aws:RequestTag/seedbed:environment": environment, **more}


def through_s3(context, region="eu-west-1"):
    return {"kms:ViaService": f"s3.{region}.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": context}


OWN = {"s3:ResourceAccount": "123456789012"}
ALIAS = {"kms:ResourceAliases": ["alias/flights-state"]}
HERE_ONLY = {"aws:RequestedRegion": "eu-west-1"}
YES, NO = True, False
CASES = [
    # The job on the branch: data, models, images.
    ("ci", "s3:GetObject", f"{DATA}/files/md5/ab", {}, YES),
    ("ci", "s3:PutObject", f"{DATA}/files/md5/ab", {}, YES),
    ("ci", "s3:DeleteObject", f"{DATA}/files/md5/ab", {}, YES),
    ("ci", "s3:ListBucket", DATA, {}, YES),
    ("ci", "s3:GetObject", f"{ARTIFACTS}/registry/registry.json", {}, YES),
    ("ci", "s3:PutObject", f"{ARTIFACTS}/registry/registry.json", {}, YES),
    ("ci", "s3:AbortMultipartUpload", f"{ARTIFACTS}/mlflow/1/model", {}, YES),
    ("ci", "s3:ListBucketMultipartUploads", ARTIFACTS, {}, YES),
    ("ci", "s3:DeleteObjectVersion", f"{DATA}/files/md5/ab", {}, NO),
    ("ci", "s3:DeleteBucket", DATA, {}, NO),
    ("ci", "s3:PutBucketPolicy", DATA, {}, NO),
    ("ci", "s3:PutLifecycleConfiguration", DATA, {}, NO),
    ("ci", "s3:PutBucketVersioning", DATA, {}, NO),
    ("ci", "s3:PutObjectRetention", f"{DATA}/a", {}, NO),
    ("ci", "s3:BypassGovernanceRetention", f"{DATA}/a", {}, NO),
    ("ci", "s3:GetObject", f"{LOGS}/2026", {}, NO),
    ("ci", "s3:GetObject", "arn:aws:s3:::flights-dev-data-123456789012/a", {}, NO),
    ("ci", "s3:GetObject", f"{DATA}-evil/a", {}, NO),
    ("ci", "s3:ListBucket", f"{DATA}-evil", {}, NO),
    ("ci", "s3:GetObject", "arn:aws:s3:::flights-prod-data/a", {}, NO),
    ("ci", "s3:ListAllMyBuckets", "*", {}, NO),
    ("ci", "s3:GetObject", STACK, OWN, NO),
    ("ci", "kms:Decrypt", KEY, through_s3(DATA), YES),
    ("ci", "kms:GenerateDataKey", KEY, through_s3(f"{ARTIFACTS}/mlflow/1"), YES),
    ("ci", "kms:Decrypt", KEY, {}, NO),
    ("ci", "kms:Decrypt", KEY, {"kms:EncryptionContext:aws:s3:arn": DATA}, NO),
    ("ci", "kms:Decrypt", KEY, through_s3(DATA, region="us-east-1"), NO),
    ("ci", "kms:Decrypt", KEY, through_s3(LOGS), NO),
    ("ci", "kms:Decrypt", KEY, through_s3(f"{DATA}-evil"), NO),
    ("ci", "kms:Decrypt", STATE_KEY, through_s3(DATA), NO),
    ("ci", "kms:ScheduleKeyDeletion", KEY, {}, NO),
    ("ci", "kms:CreateGrant", KEY, through_s3(DATA), NO),
    ("ci", "ecr:GetAuthorizationToken", "*", {}, YES),
    ("ci", "ecr:PutImage", IMAGES, {}, YES),
    ("ci", "ecr:BatchGetImage", IMAGES, {}, YES),
    ("ci", "ecr:UploadLayerPart", IMAGES, {}, YES),
    ("ci", "ecr:PutImage", f"{IMAGES}-evil", {}, NO),
    ("ci", "ecr:PutImage", f"arn:aws:ecr:{HERE}:repository/other/serving", {}, NO),
    ("ci", "ecr:PutImage", IMAGES.replace("eu-west-1", "us-east-1"), {}, NO),
    ("ci", "ecr:BatchDeleteImage", IMAGES, {}, NO),
    ("ci", "ecr:DeleteRepository", IMAGES, {}, NO),
    ("ci", "ecr:PutImageTagMutability", IMAGES, {}, NO),
    ("ci", "ecr:SetRepositoryPolicy", IMAGES, {}, NO),
    ("ci", "eks:DescribeCluster", CLUSTER, {}, YES),
    ("ci", "eks:DescribeCluster", f"{CLUSTER}-eu", {}, NO),
    ("ci", "eks:UpdateClusterConfig", CLUSTER, {}, NO),
    ("ci", "eks:CreateAccessEntry", CLUSTER, {}, NO),
    ("ci", "sts:AssumeRole", OWN_ROLE, {}, NO),
    ("ci", "iam:PassRole", ROLE, {}, NO),
    ("ci", "ec2:RunInstances", "*", {}, NO),
    # The job of a pull request: it reads the data and the state.
    ("preview", "s3:GetObject", f"{DATA}/files/md5/ab", {}, YES),
    ("preview", "s3:ListBucket", DATA, {}, YES),
    ("preview", "kms:Decrypt", KEY, through_s3(DATA), YES),
    ("preview", "s3:PutObject", f"{DATA}/files/md5/ab", {}, NO),
    ("preview", "s3:DeleteObject", f"{DATA}/files/md5/ab", {}, NO),
    ("preview", "kms:GenerateDataKey", KEY, through_s3(DATA), NO),
    ("preview", "kms:Decrypt", KEY, through_s3(ARTIFACTS), NO),
    ("preview", "s3:GetObject", f"{ARTIFACTS}/registry/registry.json", {}, NO),
    ("preview", "s3:ListBucket", ARTIFACTS, {}, NO),
    ("preview", "s3:GetObject", STACK, OWN, YES),
    ("preview", "s3:GetObject", f"{STATE}/.pulumi/meta.yaml", OWN, YES),
    ("preview", "s3:GetObject", STACK.replace(".json", ".pulumi-tags"), OWN, YES),
    ("preview", "s3:ListBucket", STATE, {**OWN, "s3:prefix": ".pulumi/stacks/"}, YES),
    ("preview", "kms:Decrypt", STATE_KEY, ALIAS, YES),
    ("preview", "s3:GetObject", STACK.replace("prod", "dev"), OWN, NO),
    ("preview", "s3:GetObject", STACK.replace("prod", "prod-eu"), OWN, NO),
    # Of a bucket that somebody else made under this name, and of another project's key.
    ("preview", "s3:GetObject", STACK, {"s3:ResourceAccount": "999999999999"}, NO),
    ("preview", "kms:Decrypt", STATE_KEY, {"kms:ResourceAliases": ["alias/flights-state-eu"]}, NO),
    ("preview", "kms:Decrypt", KEY, {"kms:ResourceAliases": ["alias/flights-prod"]}, NO),
    ("preview", "s3:PutObject", STACK, OWN, NO),
    ("preview", "s3:PutObject", LOCK, OWN, NO),
    ("preview", "s3:DeleteObject", LOCK, OWN, NO),
    ("preview", "kms:Encrypt", STATE_KEY, ALIAS, NO),
    ("preview", "ecr:GetAuthorizationToken", "*", {}, NO),
    ("preview", "ecr:BatchGetImage", IMAGES, {}, NO),
    ("preview", "eks:UpdateClusterVersion", CLUSTER, {}, NO),
    ("preview", "ec2:CreateTags", ec2("vpc"), ours(), NO),
    # The job that applies. State:
    ("apply", "s3:GetObject", STACK, OWN, YES),
    ("apply", "s3:PutObject", STACK, OWN, YES),
    ("apply", "s3:PutObject", f"{STACK}.bak", OWN, YES),
    ("apply", "s3:PutObject", LOCK, OWN, YES),
    ("apply", "s3:DeleteObject", LOCK, OWN, YES),
    ("apply", "s3:PutObject", f"{STATE}/.pulumi/history/mlops-platform/prod/prod-1.history.json", OWN, YES),
    ("apply", "s3:PutObject", f"{STATE}/.pulumi/backups/mlops-platform/prod/prod.1.json", OWN, YES),
    ("apply", "kms:Encrypt", STATE_KEY, ALIAS, YES),
    ("apply", "s3:PutObject", f"{STATE}/.pulumi/meta.yaml", OWN, NO),
    ("apply", "s3:PutObject", STACK.replace("prod", "dev"), OWN, NO),
    ("apply", "s3:DeleteObject", LOCK.replace("prod", "dev"), OWN, NO),
    ("apply", "s3:DeleteObjectVersion", STACK, OWN, NO),
    ("apply", "s3:DeleteBucket", STATE, OWN, NO),
    # How stores are set up, and not what is in them:
    ("apply", "s3:PutLifecycleConfiguration", DATA, {}, YES),
    ("apply", "s3:PutBucketVersioning", ARTIFACTS, {}, YES),
    ("apply", "s3:PutBucketPolicy", LOGS, {}, YES),
    ("apply", "s3:GetBucketPublicAccessBlock", DATA, {}, YES),
    ("apply", "s3:GetEncryptionConfiguration", DATA, {}, YES),
    ("apply", "s3:CreateBucket", DATA, {}, YES),
    ("apply", "s3:CreateBucket", "arn:aws:s3:::flights-prod-data-evil", {}, NO),
    ("apply", "s3:PutBucketPolicy", "arn:aws:s3:::flights-dev-data-123456789012", {}, NO),
    ("apply", "s3:DeleteBucket", DATA, {}, NO),
    ("apply", "s3:GetObject", f"{DATA}/files/md5/ab", {}, NO),
    ("apply", "s3:DeleteObject", f"{DATA}/files/md5/ab", {}, NO),
    ("apply", "s3:DeleteObjectVersion", f"{ARTIFACTS}/a", {}, NO),
    ("apply", "ecr:PutLifecyclePolicy", IMAGES, {}, YES),
    ("apply", "ecr:PutImageScanningConfiguration", IMAGES, {}, YES),
    ("apply", "ecr:DeleteRepository", IMAGES, {}, NO),
    ("apply", "ecr:BatchDeleteImage", IMAGES, {}, NO),
    ("apply", "ecr:PutImage", IMAGES, {}, NO),
    ("apply", "ecr:PutLifecyclePolicy", f"arn:aws:ecr:{HERE}:repository/other/serving", {}, NO),
    ("apply", "kms:DescribeKey", KEY, {}, YES),
    ("apply", "kms:CreateGrant", KEY, {"kms:GrantIsForAWSResource": "true"}, YES),
    ("apply", "kms:CreateGrant", KEY, {"kms:GrantIsForAWSResource": "false"}, NO),
    ("apply", "kms:CreateGrant", KEY, {}, NO),
    ("apply", "kms:PutKeyPolicy", KEY, {}, NO),
    ("apply", "kms:ScheduleKeyDeletion", KEY, {}, NO),
    ("apply", "kms:DisableKey", KEY, {}, NO),
    ("apply", "kms:Decrypt", KEY, through_s3(DATA), NO),
    ("apply", "budgets:ModifyBudget", BUDGET, {}, YES),
    ("apply", "budgets:ModifyBudget", f"{BUDGET}-eu", {}, NO),
    # The network: what is made carries our tag, and only what carries it is changed.
    ("apply", "ec2:CreateNatGateway", ec2("natgateway"), tagged(), YES),
    ("apply", "ec2:CreateNatGateway", ec2("subnet"), ours(), YES),
    ("apply", "ec2:CreateNatGateway", ec2("natgateway"), {}, NO),
    ("apply", "ec2:CreateNatGateway", ec2("natgateway"), tagged("flights.dev"), NO),
    ("apply", "ec2:CreateNatGateway", ec2("subnet"), ours("flights.dev"), NO),
    ("apply", "ec2:CreateNatGateway", ec2("subnet"), tagged(), NO),
    ("apply", "ec2:CreateSubnet", ec2("subnet"), tagged(), YES),
    ("apply", "ec2:CreateSubnet", ec2("vpc"), ours(), YES),
    ("apply", "ec2:CreateSubnet", ec2("vpc"), tagged(), NO),
    ("apply", "ec2:CreateVpcEndpoint", ec2("route-table"), tagged(), NO),
    ("apply", "ec2:CreateVpc", ec2("vpc"), tagged(), YES),
    ("apply", "ec2:CreateVpc", ec2("vpc", "us-east-1"), tagged(), NO),
    ("apply", "ec2:CreateTags", ec2("natgateway"), tagged(**{"ec2:CreateAction": "CreateNatGateway"}), YES),
    ("apply", "ec2:CreateTags", ec2("natgateway"), tagged(**{"ec2:CreateAction": "RunInstances"}), NO),
    ("apply", "ec2:CreateTags", ec2("vpc"), tagged(), NO),
    ("apply", "ec2:CreateTags", ec2("vpc"), ours(), YES),
    ("apply", "ec2:CreateTags", ec2("vpc"), {**tagged(), **ours("flights.dev")}, NO),
    ("apply", "ec2:DeleteTags", ec2("vpc"), ours("flights.dev"), NO),
    ("apply", "ec2:ReplaceRoute", ec2("route-table"), ours(), YES),
    ("apply", "ec2:ReplaceRoute", ec2("route-table"), {}, NO),
    ("apply", "ec2:ReplaceRoute", ec2("route-table"), ours("flights.prod-eu"), NO),
    ("apply", "ec2:AuthorizeSecurityGroupIngress", ec2("security-group"), ours(), YES),
    ("apply", "ec2:AuthorizeSecurityGroupIngress", ec2("security-group-rule"), tagged(), YES),
    ("apply", "ec2:AuthorizeSecurityGroupIngress", ec2("security-group"), tagged(), NO),
    ("apply", "ec2:DeleteVpc", ec2("vpc"), ours(), YES),
    ("apply", "ec2:DeleteVpc", ec2("vpc"), ours("other.prod"), NO),
    ("apply", "ec2:DescribeVpcs", "*", HERE_ONLY, YES),
    ("apply", "ec2:DescribeVpcs", "*", {"aws:RequestedRegion": "us-east-1"}, NO),
    ("apply", "ec2:DescribeInstanceAttribute", "*", HERE_ONLY, NO),
    ("apply", "ec2:RunInstances", ec2("instance"), {**tagged(), **ours()}, NO),
    ("apply", "ec2:DeleteVolume", ec2("volume"), ours(), NO),
    # The cluster:
    ("apply", "eks:UpdateClusterVersion", CLUSTER, {}, YES),
    ("apply", "eks:UpdateClusterConfig", CLUSTER, {}, YES),
    ("apply", "eks:UpdateClusterConfig", f"{CLUSTER}-eu", {}, NO),
    ("apply", "eks:DeleteCluster", CLUSTER, {}, NO),
    ("apply", "eks:UpdateAddon", ADDON, {}, YES),
    ("apply", "eks:UpdateAddon", ADDON.replace("flights-prod", "flights-prod-eu"), {}, NO),
    ("apply", "eks:DescribeAccessEntry", ENTRY, {}, YES),
    ("apply", "eks:CreateAccessEntry", CLUSTER, {}, NO),
    ("apply", "eks:AssociateAccessPolicy", ENTRY, {}, NO),
    ("apply", "eks:CreatePodIdentityAssociation", CLUSTER, {}, NO),
    ("apply", "eks:UpdatePodIdentityAssociation", POD_IDENTITY, {}, NO),
    ("apply", "logs:PutRetentionPolicy", GROUP, ours(), YES),
    ("apply", "logs:PutRetentionPolicy", GROUP, ours("flights.dev"), NO),
    ("apply", "logs:DeleteLogGroup", GROUP, ours(), NO),
    # Who may do what is nobody's of CI:
    ("apply", "iam:CreateRole", ROLE, tagged(), NO),
    ("apply", "iam:PutRolePolicy", OWN_ROLE, ours(), NO),
    ("apply", "iam:UpdateAssumeRolePolicy", OWN_ROLE, ours(), NO),
    ("apply", "iam:AttachRolePolicy", ROLE, ours(), NO),
    ("apply", "iam:PassRole", ROLE, {"iam:PassedToService": "eks.amazonaws.com"}, NO),
    ("apply", "iam:UpdateOpenIDConnectProviderThumbprint", "*", {}, NO),
    ("apply", "sts:AssumeRole", ROLE, {}, NO),
    # Pods.
    ("pipelines", "s3:GetObject", f"{DATA}/files/md5/ab", {}, YES),
    ("pipelines", "s3:PutObject", f"{DATA}/files/md5/ab", {}, NO),
    ("pipelines", "s3:PutObject", f"{ARTIFACTS}/pipelines/1", {}, YES),
    ("pipelines", "kms:Decrypt", KEY, through_s3(DATA), YES),
    ("pipelines", "ecr:PutImage", IMAGES, {}, NO),
    ("tracking", "s3:PutObject", f"{ARTIFACTS}/mlflow/1/model", {}, YES),
    ("tracking", "s3:DeleteObject", f"{ARTIFACTS}/mlflow/1/model", {}, YES),
    ("tracking", "s3:ListBucket", ARTIFACTS, {"s3:prefix": "mlflow/1"}, YES),
    ("tracking", "s3:ListBucket", ARTIFACTS, {"s3:prefix": "predictions/"}, NO),
    ("tracking", "s3:ListBucket", ARTIFACTS, {"s3:prefix": "mlflow-evil/"}, NO),
    ("tracking", "s3:PutObject", f"{ARTIFACTS}/mlflow-evil/model", {}, NO),
    ("tracking", "s3:GetObject", f"{ARTIFACTS}/predictions/1", {}, NO),
    ("tracking", "s3:GetObject", f"{DATA}/files/md5/ab", {}, NO),
    ("tracking", "kms:Decrypt", KEY, through_s3(DATA), NO),
    ("service", "s3:GetObject", f"{ARTIFACTS}/registry/registry.json", {}, YES),
    # What S3 looks at when the object isn't there: without it the answer would be "forbidden".
    ("service", "s3:ListBucket", ARTIFACTS, {}, YES),
    ("service", "s3:PutObject", f"{ARTIFACTS}/predictions/2026/1", {}, YES),
    ("service", "s3:GetObject", f"{ARTIFACTS}/predictions/2026/1", {}, NO),
    ("service", "s3:DeleteObject", f"{ARTIFACTS}/predictions/2026/1", {}, NO),
    ("service", "s3:PutObject", f"{ARTIFACTS}/registry/registry.json", {}, NO),
    ("service", "s3:ListBucket", ARTIFACTS, {"s3:prefix": "predictions/"}, NO),
    ("service", "s3:GetObject", f"{DATA}/files/md5/ab", {}, NO),
    ("monitoring", "s3:GetObject", f"{ARTIFACTS}/predictions/2026/1", {}, YES),
    ("monitoring", "s3:PutObject", f"{ARTIFACTS}/monitoring/drift.json", {}, YES),
    ("monitoring", "s3:DeleteObject", f"{ARTIFACTS}/monitoring/drift.json", {}, NO),
    ("monitoring", "s3:PutObject", f"{ARTIFACTS}/predictions/2026/1", {}, NO),
]  # fmt: skip
