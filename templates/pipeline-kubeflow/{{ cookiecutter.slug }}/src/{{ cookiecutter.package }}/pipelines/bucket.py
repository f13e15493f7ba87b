"""DVC's remote in an S3 bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from {{ cookiecutter.package }} import s3
from {{ cookiecutter.package }}.errors import StoreError
from {{ cookiecutter.package }}.pipelines.store import CHUNK, LATEST, object_key

if TYPE_CHECKING:
    from collections.abc import Iterator


class Bucket:
    """A prefix in an S3 bucket. Endpoint, region and keys come from the environment (`AWS_…`)."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self.name = f"s3://{bucket}/{prefix}"
        self._bucket, self._prefix = bucket, prefix
        self._endpoint = s3.endpoint()
        # One attempt: `fetch` retries, because a body can break off long after boto is content.
        self._client: Any = s3.connect(attempts=1)

    def chunks(self, key: str) -> Iterator[bytes]:
        """Give the content of an object, piece by piece."""
        with _s3_errors(f"{self.name}/{key}", self._endpoint):
            body = self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}/{key}")["Body"]
            yield from body.iter_chunks(CHUNK)

    def has(self, key: str) -> bool:
        """Say whether an object is there."""
        from botocore.exceptions import ClientError

        with _s3_errors(f"{self.name}/{key}", self._endpoint):
            try:
                self._client.head_object(Bucket=self._bucket, Key=f"{self._prefix}/{key}")
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:  # noqa: PLR2004
                    return False
                raise
        return True

    def publish(self, version: str) -> None:
        """Write down this version as the latest; same errors as `chunks`."""
        with _s3_errors(f"{self.name}/{object_key(version)}", self._endpoint):
            self._client.head_object(Bucket=self._bucket, Key=f"{self._prefix}/{object_key(version)}")
            self._client.put_object(
                Bucket=self._bucket, Key=f"{self._prefix}/{LATEST}", Body=version.encode()
            )


class _s3_errors:  # noqa: N801 - a context manager, used like a function
    """Turn boto's errors into OSError where asking again may help, and into StoreError where not."""

    def __init__(self, name: str, endpoint: str | None) -> None:
        self._name = name
        self._where = endpoint or "AWS"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            CredentialRetrievalError,
            NoCredentialsError,
        )

        if isinstance(error, ClientError):
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 404:  # noqa: PLR2004
                raise StoreError(
                    f"{self._name} isn't in the store", "push the data first: make push"
                ) from error
            if 400 <= status < 500 and status not in {408, 429}:  # noqa: PLR2004
                hint = "are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY those of this environment?"
                raise StoreError(f"{self._where} refuses {self._name}: {error}", hint) from error
            raise OSError(str(error)) from error
        if isinstance(error, NoCredentialsError | CredentialRetrievalError):
            hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as `seedbed outputs` prints them"
            raise StoreError(f"no credentials for {self._name}", hint) from error
        if isinstance(error, BotoCoreError):
            raise OSError(str(error)) from error
