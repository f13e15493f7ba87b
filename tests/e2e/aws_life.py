"""The way of an environment in an account of AWS, from `new` to `down`: what the test of a real account does."""

import hashlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import boto3

NAMES = ("SEEDBED_TEST_AWS_ACCOUNT", "SEEDBED_TEST_AWS_REGION")
# What a run takes at most; the estimate is for as long, so that a failed one that somebody cleans up later fits too.
HOURS = 4
ENVIRONMENT = "real"
DOWN_MINUTES = 45
GONE_SECONDS = 600
SPEC = """
[project]
name = "{name}"
[choices]
ci = "none"
[data]
source = "table.csv"
target = "y"
[data.features]
x = "number"
[environments.real]
target = "aws"
account = "{account}"
region = "{region}"
variant = "{variant}"
"""
NO_BUDGET, BUDGET = "budget = 0\n", 'budget = 5\nbudget_email = "nobody@example.com"\n'


class RefusedError(Exception):
    """The environment may cost too much, and nothing of it was made."""


@dataclass(frozen=True)
class Wanted:
    """What a run is about."""

    account: str
    region: str
    variant: str = "lite"
    limit: Decimal = Decimal(1)

    @classmethod
    def of(cls, variables):
        """What the variables say; None: no run is asked for."""
        if not all(variables.get(name) for name in NAMES):
            return None
        return cls(
            *(variables[name] for name in NAMES),
            variables.get("SEEDBED_TEST_AWS_VARIANT") or cls.variant,
            Decimal(variables.get("SEEDBED_TEST_AWS_USD") or cls.limit),
        )


@dataclass
class Life:
    """The way of one environment.

    Attributes:
        wanted: what it is about.
        folder: an empty one; the project comes into it.
        seedbed: runs the command line in the project, and gives what it answers with `--json`.
        slug: of the project: no other run's, by chance.
    """

    wanted: Wanted
    folder: Path
    seedbed: Callable
    slug: str = field(default_factory=lambda: f"account-test-{secrets.token_hex(3)}")

    @property
    def root(self):
        return self.folder / "project"

    def run(self):
        """All of it. Whatever happens after the first resource, `down` has the last word."""
        self._make()
        self._refuse_what_costs_too_much()
        assert self._tagged() == []
        try:
            self._live()
        finally:
            self.seedbed("down", ENVIRONMENT, "--yes", "--timeout", DOWN_MINUTES)
        self._prove_gone()

    def _make(self):
        (self.folder / "table.csv").write_text("x,y\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(60)))
        spec = SPEC.format(
            name=self.slug, **{key: getattr(self.wanted, key) for key in ("account", "region", "variant")}
        )
        (self.folder / "spec.toml").write_text(spec)
        self.seedbed("new", self.root, "--spec", self.folder / "spec.toml", "--no-input")

    def _refuse_what_costs_too_much(self):
        found = self.seedbed("cost", ENVIRONMENT, "--hours", HOURS)
        if found["not_priced"]:
            raise RefusedError(f"nobody knows what these cost: {found['not_priced']}")
        if Decimal(str(found["total"])) >= self.wanted.limit:
            raise RefusedError(
                f"{HOURS} hours of variant {self.wanted.variant} cost about ${found['total']:.2f}, and the limit is"
                f" ${self.wanted.limit}: SEEDBED_TEST_AWS_USD sets another"
            )

    def _live(self):
        planned = self.seedbed("preview", ENVIRONMENT)["changes"]
        assert set(planned) == {"create"}
        assert self._tagged() == [], "a preview makes nothing"
        assert self.seedbed("up", ENVIRONMENT)["changes"] == planned
        again = self.seedbed("up", ENVIRONMENT)
        assert again["changes"] == {}
        self._fill()
        self._set_a_budget()
        changed = self.seedbed("up", ENVIRONMENT)
        assert (changed["changes"], changed["unchanged"]) == ({"create": 1}, again["unchanged"])
        assert not {"create", "delete", "replace"} & set(self.seedbed("refresh", ENVIRONMENT)["changes"])
        assert self.seedbed("up", ENVIRONMENT)["changes"] == {}

    def _set_a_budget(self):
        path = self.root / "seedbed.toml"
        text = path.read_text()
        assert text.count(NO_BUDGET) == 1
        path.write_text(text.replace(NO_BUDGET, BUDGET))

    def _fill(self):
        """What makes emptying hard: versions, a deletion mark, an upload that nobody ends, an image."""
        values = self.seedbed("outputs", ENVIRONMENT)["variables"]
        if bucket := values.get("DATA_BUCKET"):
            s3 = self._client("s3")
            for body in (b"first", b"second"):
                s3.put_object(Bucket=bucket, Key="dir/object", Body=body)
            s3.delete_object(Bucket=bucket, Key="dir/object")
            upload = s3.create_multipart_upload(Bucket=bucket, Key="unfinished")["UploadId"]
            s3.upload_part(Bucket=bucket, Key="unfinished", PartNumber=1, UploadId=upload, Body=b"part")
        if "REGISTRY" in values:
            ecr = self._client("ecr")
            for page in ecr.get_paginator("describe_repositories").paginate():
                for found in page["repositories"]:
                    if found["repositoryName"].startswith(f"{self.slug}-{ENVIRONMENT}"):
                        _push(ecr, found["repositoryName"])

    def _prove_gone(self):
        """AWS lists for minutes what is gone; the key goes on a date, and only has to be on its way."""
        deadline = time.monotonic() + GONE_SECONDS
        while left := self._tagged():
            assert time.monotonic() < deadline, f"still there, {GONE_SECONDS} s after `down`: {left}"
            time.sleep(10)

    def _tagged(self):
        """ARNs of everything with the environment's tag, without keys that are being deleted."""
        tags = [{"Key": "seedbed:environment", "Values": [f"{self.slug}.{ENVIRONMENT}"]}]
        found = set()
        for region in {self.wanted.region, "us-east-1"}:  # where global services list theirs
            pages = self._client("resourcegroupstaggingapi", region).get_paginator("get_resources")
            for page in pages.paginate(TagFilters=tags):
                found |= {item["ResourceARN"] for item in page["ResourceTagMappingList"]}
        return [arn for arn in sorted(found) if not self._is_key_on_its_way(arn)]

    def _is_key_on_its_way(self, arn):
        if arn.split(":")[2] != "kms":
            return False
        return self._client("kms").describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "PendingDeletion"

    def _client(self, service, region=""):
        return boto3.client(service, region_name=region or self.wanted.region)


def _push(ecr, repository):
    """An image of two small layers, by ECR's own API."""
    blobs = []
    for body in (b"{}", b"content"):
        upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
        last = len(body) - 1
        ecr.upload_layer_part(
            repositoryName=repository, uploadId=upload, partFirstByte=0, partLastByte=last, layerPartBlob=body
        )
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[digest])
        blobs.append({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": len(body)})
    config = {**blobs[0], "mediaType": "application/vnd.oci.image.config.v1+json"}
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": blobs[1:]}
    ecr.put_image(repositoryName=repository, imageManifest=json.dumps(manifest), imageTag="test")
