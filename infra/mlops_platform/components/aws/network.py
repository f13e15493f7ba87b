"""The network of an environment: nodes without addresses of the internet, over three zones."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from mlops_platform.components.aws import logs, roles
from mlops_platform.components.aws.account import Account, document
from mlops_platform.components.aws.policies import Statement, allow
from mlops_platform.components.aws.zones import zones
from mlops_platform.resources.lasting_choice import LastingChoice

_COMPONENT = "network"
_ANYWHERE = "0.0.0.0/0"
# By these, load balancers find their subnets:
# https://docs.aws.amazon.com/eks/latest/userguide/tag-subnets-auto.html
_FOR_PUBLIC_BALANCERS = {"kubernetes.io/role/elb": "1"}
_FOR_PRIVATE_BALANCERS = {"kubernetes.io/role/internal-elb": "1"}
# What makes the layers of images, add-ons and open data readable.
_READ = ("s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:GetBucketLocation")


class Network(pulumi.ComponentResource):
    """A network with three kinds of subnets, one of each in every zone.

    - private, for nodes and pods: out through a NAT, in from the network only. Each has a quarter of all addresses,
      since EKS Auto Mode hands them out sixteen at a time.
    - public, for load balancers and NATs.
    - control, for the cluster's API server alone: network policies can name it by these addresses, and it reaches
      nothing but the network.

    Access lists of subnets stay as AWS has them: they know no connections, so what they forbid is forbidden to the
    answers from outside too. Security groups and network policies are the border.

    Args:
        name: Pulumi name.
        account: where.
        key_arn: of the key that its logs are encrypted with.
        opts: Pulumi options.

    Attributes:
        vpc_id: of the network.
        cidr: all its addresses.
        private_subnets: their IDs, by zone.
        public_subnets: their IDs, by zone.
        control_subnets: their IDs, by zone.
        control_cidrs: their addresses.
        ready: what a node needs to get out; whoever makes nodes waits for it, and goes before it.

    Raises:
        PlatformError: it isn't known which zones the region has.
    """

    vpc_id: pulumi.Output[str]
    cidr: str
    private_subnets: list[pulumi.Output[str]]
    public_subnets: list[pulumi.Output[str]]
    control_subnets: list[pulumi.Output[str]]
    control_cidrs: tuple[str, ...]
    ready: list[pulumi.Resource]

    def __init__(
        self,
        name: str,
        *,
        account: Account,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mlops:aws:Network", name, None, opts)
        self._account = account
        self._zones = zones(account.region)
        self.cidr = account.options.network_cidr
        # Another one would be another network, and a cluster can't move.
        choice = LastingChoice(
            _COMPONENT,
            subject="network's addresses",
            value=self.cidr,
            keys="networkCidr (network_cidr in seedbed.toml)",
            opts=pulumi.ResourceOptions(parent=self),
        )
        vpc = aws.ec2.Vpc(
            _COMPONENT,
            cidr_block=self.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=self._tags(),
            opts=account.child(self, depends_on=[choice]),
        )
        self.vpc_id = vpc.id
        # Without rules: what is made without a group of its own reaches nothing.
        aws.ec2.DefaultSecurityGroup("closed", vpc_id=vpc.id, tags=self._tags("closed"), opts=account.child(self))
        private, rest = _quarters(ipaddress.IPv4Network(self.cidr), self._zones)
        blocks = list(rest.subnets(new_prefix=24))
        control = list(blocks[-1].subnets(new_prefix=28))[: len(self._zones)]
        self.control_cidrs = tuple(map(str, control))

        way_out = self._public_table()
        publics = self._subnets("public", blocks[: len(self._zones)], _FOR_PUBLIC_BALANCERS)
        self.public_subnets = [subnet.id for subnet in publics]
        public_ways = [
            self._associate("public", zone, subnet, way_out.route_table_id)
            for zone, subnet in zip(self._zones, publics, strict=True)
        ]
        nats = self._nats(publics, [way_out, *public_ways])
        privates = self._subnets("private", private, _FOR_PRIVATE_BALANCERS)
        self.private_subnets = [subnet.id for subnet in privates]
        controls = self._subnets("control", control)
        self.control_subnets = [subnet.id for subnet in controls]
        # No way out of these: the network itself is in every table.
        inside = self._table("control")
        for zone, subnet in zip(self._zones, controls, strict=True):
            self._associate("control", zone, subnet, inside.id)
        self.ready = self._private_ways(privates, nats)
        self._log(key_arn)
        self.register_outputs({"vpc_id": self.vpc_id})

    def _public_table(self) -> aws.ec2.Route:
        gateway = aws.ec2.InternetGateway(
            _COMPONENT, vpc_id=self.vpc_id, tags=self._tags(), opts=self._account.child(self)
        )
        table = self._table("public")
        return aws.ec2.Route(
            "public",
            route_table_id=table.id,
            destination_cidr_block=_ANYWHERE,
            gateway_id=gateway.id,
            opts=self._account.child(self),
        )

    def _nats(self, publics: Sequence[aws.ec2.Subnet], ways: Sequence[pulumi.Resource]) -> Sequence[aws.ec2.NatGateway]:
        """One of them, or one in each zone where a zone may fail."""
        options = self._account.settings.kubernetes
        assert options is not None  # noqa: S101 - `settings.load` sets them where there is a cluster
        count = len(self._zones) if options.size == "ha" else 1
        found = []
        for zone, subnet in list(zip(self._zones, publics, strict=True))[:count]:
            address = aws.ec2.Eip(
                f"nat-{zone}",
                domain="vpc",
                tags=self._tags(f"nat-{zone}"),
                # It is of no use, and can't be given up, without a gateway to the internet.
                opts=self._account.child(self, depends_on=ways),
            )
            found.append(
                aws.ec2.NatGateway(
                    f"nat-{zone}",
                    allocation_id=address.id,
                    subnet_id=subnet.id,
                    tags=self._tags(f"nat-{zone}"),
                    opts=self._account.child(self, depends_on=ways),
                )
            )
        return found

    def _private_ways(
        self, privates: Sequence[aws.ec2.Subnet], nats: Sequence[aws.ec2.NatGateway]
    ) -> list[pulumi.Resource]:
        """A table for each zone in every size, so that another size changes a route and no table."""
        tables = [self._table(f"private-{zone}") for zone in self._zones]
        ways: list[pulumi.Resource] = []
        for index, (zone, subnet, table) in enumerate(zip(self._zones, privates, tables, strict=True)):
            route = aws.ec2.Route(
                f"private-{zone}",
                route_table_id=table.id,
                destination_cidr_block=_ANYWHERE,
                nat_gateway_id=nats[min(index, len(nats) - 1)].id,
                opts=self._account.child(self),
            )
            ways += [route, self._associate("private", zone, subnet, table.id)]
        storage = aws.ec2.VpcEndpoint(
            "s3",
            vpc_id=self.vpc_id,
            service_name=f"com.amazonaws.{self._account.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            policy=document(*_through_endpoint(self._account.id)),
            tags=self._tags("s3"),
            opts=self._account.child(self),
        )
        return [*ways, storage]

    def _log(self, key_arn: pulumi.Input[str]) -> None:
        account = self._account
        log_name = f"/aws/vpc/{account.name('flow-logs', limit=100)}"
        group = logs.declare(
            "flow-logs", parent=self, account=account, log_name=log_name, component=_COMPONENT, key_arn=key_arn
        )
        arn = account.arn("logs", f"log-group:{log_name}")
        role, able = roles.declare(
            "flow-logs",
            parent=self,
            account=account,
            component=_COMPONENT,
            trusts=roles.trust(
                "vpc-flow-logs.amazonaws.com",
                when={
                    "StringEquals": {"aws:SourceAccount": account.id},
                    "ArnLike": {"aws:SourceArn": account.arn("ec2", "vpc-flow-log/*")},
                },
            ),
            rights=document(
                allow("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents", on=[arn, f"{arn}:*"]),
                allow("logs:DescribeLogGroups", on=account.arn("logs", "log-group:*")),
            ),
        )
        aws.ec2.FlowLog(
            _COMPONENT,
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            tags=self._tags(),
            opts=account.child(self, depends_on=able),
        )

    def _subnets(
        self, kind: str, networks: Sequence[ipaddress.IPv4Network], tags: Mapping[str, str] | None = None
    ) -> list[aws.ec2.Subnet]:
        return [
            aws.ec2.Subnet(
                f"{kind}-{zone}",
                vpc_id=self.vpc_id,
                availability_zone_id=zone,
                cidr_block=str(network),
                map_public_ip_on_launch=False,
                tags={**self._tags(f"{kind}-{zone}"), **(tags or {})},
                opts=self._account.child(self),
            )
            for zone, network in zip(self._zones, networks, strict=True)
        ]

    def _table(self, name: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(name, vpc_id=self.vpc_id, tags=self._tags(name), opts=self._account.child(self))

    def _associate(
        self, kind: str, zone: str, subnet: aws.ec2.Subnet, table: pulumi.Input[str]
    ) -> aws.ec2.RouteTableAssociation:
        return aws.ec2.RouteTableAssociation(
            f"{kind}-{zone}", subnet_id=subnet.id, route_table_id=table, opts=self._account.child(self)
        )

    def _tags(self, purpose: str = "") -> dict[str, str]:
        return {"Name": self._account.name(purpose, limit=100), **self._account.tags(_COMPONENT)}


def _quarters(
    whole: ipaddress.IPv4Network, names: Sequence[str]
) -> tuple[list[ipaddress.IPv4Network], ipaddress.IPv4Network]:
    """A quarter of all addresses for each zone, and the last quarter."""
    quarters = list(whole.subnets(prefixlen_diff=2))
    return quarters[: len(names)], quarters[-1]


def _through_endpoint(account: str) -> list[Statement]:
    """What may pass: everything with the account's own buckets, and reading from all others.

    The layers of images and other things that a cluster is made of lie in buckets of AWS and of others, which nobody
    can list. But with keys of somebody else's nothing can be carried out of the network into a bucket of theirs.
    """
    own = allow("s3:*", on="*", when={"StringEquals": {"aws:ResourceAccount": account}})
    return [{**statement, "Principal": "*"} for statement in (own, allow(*_READ, on="*"))]
