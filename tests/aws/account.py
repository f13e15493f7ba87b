"""An account of AWS on loopback: moto's server, what Terraform's provider is told of it, and what is in it."""

import contextlib
import urllib.request

import boto3
from moto.server import ThreadedMotoServer
from tests.aws.provider import SERVICES

# What AWS keeps for a while of something that is deleted.
_GONE = {"PendingDeletion", "deleted"}


class Account:
    """A moto server's account.

    Args:
        port: of the server, on loopback.
    """

    def __init__(self, port):
        self._port = port

    @property
    def variables(self):
        """Of Terraform's environment. S3 Control's requests are for the host ACCOUNT.localhost, which resolves nowhere: as
        a proxy, moto is asked by its own address all the same.
        """
        return {"HTTP_PROXY": f"http://127.0.0.1:{self._port}", "NO_PROXY": "127.0.0.1"}

    @property
    def connection(self):
        """Arguments of the provider."""
        endpoints = dict.fromkeys(SERVICES, f"http://127.0.0.1:{self._port}")
        return {
            "access_key": "AKIAOFTHETEST",
            "secret_key": "secret-of-the-test",
            "s3_use_path_style": True,
            # What moto can't answer, it can't answer the next time either.
            "max_retries": 2,
            "endpoints": [{**endpoints, "s3control": f"http://localhost:{self._port}"}],
        }

    def client(self, service, region="eu-west-1"):
        """A client of boto3's."""
        return boto3.client(
            service, region_name=region, endpoint_url=f"http://127.0.0.1:{self._port}",
            aws_access_key_id="AKIAOFTHETEST", aws_secret_access_key="secret-of-the-test",
        )  # fmt: skip

    def left(self, account, region):
        """All that is in the account and doesn't come with it, as (kind, what it is called)."""
        s3, ecr, iam, kms, logs, budgets, ec2 = (
            self.client(service, region) for service in ("s3", "ecr", "iam", "kms", "logs", "budgets", "ec2")
        )
        found = {
            "bucket": [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]],
            "repository": [one["repositoryName"] for one in ecr.describe_repositories()["repositories"]],
            "role": [role["RoleName"] for role in iam.list_roles()["Roles"]],
            "policy": [policy["Arn"] for policy in iam.list_policies(Scope="Local")["Policies"]],
            "identity provider": [one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]],
            "alias": [one["AliasName"] for one in kms.list_aliases()["Aliases"] if "alias/aws/" not in one["AliasName"]],
            "key": [key["KeyId"] for key in kms.list_keys()["Keys"] if _state(kms, key) not in _GONE],
            "log group": [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]],
            "budget": [one["BudgetName"] for one in budgets.describe_budgets(AccountId=account).get("Budgets", [])],
            "network": [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]],
            "address": [one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]],
            "gateway": [one["NatGatewayId"] for one in ec2.describe_nat_gateways()["NatGateways"] if one["State"] not in _GONE],
            "endpoint": [one["VpcEndpointId"] for one in ec2.describe_vpc_endpoints()["VpcEndpoints"] if one["State"] not in _GONE],
            "flow log": [one["FlowLogId"] for one in ec2.describe_flow_logs()["FlowLogs"]],
        }  # fmt: skip
        return {(kind, name) for kind, names in found.items() for name in names}


def _state(kms, key):
    return kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"]


@contextlib.contextmanager
def running():
    """An empty account, until the block ends."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        # Accounts are the process's, not the server's.
        urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/reset", data=b"", timeout=30).close()
        yield Account(port)
    finally:
        server.stop()
