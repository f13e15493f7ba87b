"""Where a data file comes from: a local path, or an object in S3 that is fetched into a temporary folder."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from seedbed.errors import SpecError

S3 = "s3://"
_CHUNK = 1 << 22  # bytes
_SECONDS = 20  # until an object store that doesn't answer is given up


@contextmanager
def local_file(source: str, base: Path, environ: Mapping[str, str] | None = None) -> Iterator[Path]:
    """The file on this machine; one from S3 is there as long as the context lasts.

    Args:
        source: a path, or `s3://bucket/key`. S3 takes the standard variables: AWS_ENDPOINT_URL, AWS_PROFILE, ...
        base: what a relative path starts from.
        environ: environment variables; default: the process's own.

    Raises:
        SpecError: there is no such file, or it can't be read.
    """
    if source.startswith(S3):
        with tempfile.TemporaryDirectory(prefix="seedbed-") as folder:
            yield _fetch(source, Path(folder), os.environ if environ is None else environ)
    elif "://" in source:
        raise SpecError(
            f"data.source: {source} is neither a path nor an S3 URL", hint="Download it, and give the file's path."
        )
    else:
        path = base / Path(source).expanduser()
        _require_readable(path)
        yield path


def _require_readable(path: Path) -> None:
    try:
        if path.is_dir():
            raise SpecError(f"data.source: {path} is a folder, not a file", hint="Give one CSV or Parquet file.")
        if not path.exists():
            raise SpecError(f"data.source: there is no file {path}", hint=_instead_of(path))
        if not path.is_file():
            raise SpecError(f"data.source: {path} is not a regular file", hint="Save the data to a file first.")
        with path.open("rb"):
            pass
    except OSError as error:
        raise SpecError(
            f"data.source: {path} can't be read: {error.strerror}", hint="Check its permissions."
        ) from error


def _instead_of(missing: Path) -> str:
    """What somebody who named a missing file may have meant."""
    present = missing.parent.is_dir() and [path.name for path in missing.parent.iterdir() if path.is_file()]
    if present and (close := difflib.get_close_matches(missing.name, present, n=1)):
        return f"Is it {missing.with_name(close[0])}?"
    return "A relative path starts from the folder of the spec file; that of --data, from the folder that you are in."


def _fetch(url: str, folder: Path, environ: Mapping[str, str]) -> Path:
    bucket, _, key = url.removeprefix(S3).partition("/")
    if not bucket or not key or key.endswith("/"):
        raise SpecError(f"data.source: {url} names no object", hint="Write s3://BUCKET/PATH/FILE.csv")
    path = folder / PurePosixPath(key).name
    try:
        with _store(environ).open_input_stream(f"{bucket}/{key}") as remote, path.open("wb") as local:
            while chunk := remote.read(_CHUNK):
                local.write(chunk)
    except OSError as error:
        raise SpecError(f"data.source: {url}: {_reason(error)}", hint=_hint(error)) from error
    return path


def _store(environ: Mapping[str, str]) -> Any:
    """The S3 client; credentials come from where every AWS tool takes them."""
    import pyarrow.fs

    options: dict[str, Any] = {
        "connect_timeout": _SECONDS,
        "request_timeout": _SECONDS,
        "retry_strategy": pyarrow.fs.AwsStandardS3RetryStrategy(max_attempts=2),
    }
    if endpoint := environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL"):
        address = urlsplit(endpoint)
        options |= {"endpoint_override": address.netloc, "scheme": address.scheme}
    if region := environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"):
        options["region"] = region
    return pyarrow.fs.S3FileSystem(**options)


def _reason(error: OSError) -> str:
    """The store's answer without the client's ornaments."""
    text = str(error)
    if isinstance(error, FileNotFoundError) or "NO_SUCH_BUCKET" in text or "NO_SUCH_KEY" in text:
        return "there is no such bucket or object"
    if isinstance(error, PermissionError) or any(code in text for code in _DENIED):
        return "the object store denies access"
    if "NETWORK_CONNECTION" in text or "curlCode" in text:
        return "the object store can't be reached"
    return " ".join(text.split())[:300]


_DENIED = ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "HTTP status 403")


def _hint(error: OSError) -> str:
    if "denies" in _reason(error):
        return "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; the key must be allowed to read it."
    return "Check the URL, AWS_ENDPOINT_URL (a store other than AWS) and AWS_DEFAULT_REGION."
