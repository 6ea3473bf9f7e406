"""A bucket of an S3-compatible service, by pyarrow's client (the AWS SDK for C++)."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

from pyarrow import fs

from services.telemetry.archive.stores import (
    LOOKING,
    WRITING,
    Credentials,
    Patience,
    StoredObject,
    checked,
)
from services.telemetry.errors import ArchiveUnavailable, ObjectMissing

AT_ONCE: Final = 8  # uploads
_KEYS: Final = "SPONDYL_ARCHIVE_S3_ACCESS_KEY and SPONDYL_ARCHIVE_S3_SECRET_KEY"
# What the service (or the client) says, and what it means; the first that is found counts.
_NO_BUCKET: Final = "there is no such bucket: see SPONDYL_ARCHIVE_URL"
_MEANINGS: Final = (
    ("InvalidAccessKeyId|INVALID_ACCESS_KEY_ID", f"it does not know the access key: see {_KEYS}"),
    ("SignatureDoesNotMatch|SIGNATURE_DOES_NOT_MATCH", f"the secret key is wrong: see {_KEYS}"),
    ("NoSuchBucket|NO_SUCH_BUCKET|Bucket .* not found", _NO_BUCKET),
    (
        "AccessDenied|ACCESS_DENIED|HTTP status 403|code 403",
        f"it refuses access: the key lacks the right to this bucket, or is wrong: see {_KEYS}",
    ),
    (
        "QuotaExceeded|XMinioStorageFull|InsufficientStorage|HTTP status 507",
        "it is full: nothing is lost, Redis keeps what is not archived; make room",
    ),
    (
        r"curlCode|NETWORK_CONNECTION|[Tt]imeout|timed out|HTTP status 5\d\d",
        "it does not answer: see SPONDYL_ARCHIVE_URL and the network; nothing is lost meanwhile",
    ),
)


class S3Store:
    """Objects below a prefix of one bucket."""

    def __init__(
        self,
        url: str,
        bucket: str,
        prefix: str,
        credentials: Credentials,
        endpoint: str | None,
        patience: Patience = WRITING,
    ) -> None:
        # Checksums in trailers are stored as content by services that do not know them; what is written here
        # is read back and compared by SHA-256.
        os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        os.environ.setdefault("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
        self.url = url
        self._bucket = bucket
        self._base = f"{bucket}/{prefix}".rstrip("/")
        self._files = _client(credentials, endpoint, patience)
        self._looking = _client(credentials, endpoint, LOOKING)

    def check(self) -> None:
        """Ask for the bucket."""
        with self._told("look at", self._bucket):
            if not self._has_bucket():
                raise ArchiveUnavailable(f"cannot look into {self.url}: {_NO_BUCKET}")

    def put(self, path: str, data: bytes) -> None:
        """One upload; the object is there when the service has confirmed all of it."""
        with self._told("write", path), self._files.open_output_stream(self._at(path)) as stream:
            stream.write(data)

    def put_all(self, objects: Mapping[str, bytes]) -> None:
        """Some at once: each waits for the network most of its time."""
        with ThreadPoolExecutor(min(AT_ONCE, max(1, len(objects))), "put") as pool:
            list(pool.map(self.put, objects, objects.values()))

    def get(self, path: str) -> bytes:
        """All of the object."""
        with self._told("read", path), self._files.open_input_stream(self._at(path)) as stream:
            return bytes(stream.read())

    def get_range(self, path: str, offset: int, length: int) -> bytes:
        """One ranged read."""
        with self._told("read", path), self._files.open_input_file(self._at(path)) as file:
            return bytes(file.read_at(length, offset))

    def exists(self, path: str) -> bool:
        """Whether the object is there."""
        with self._told("look for", path):
            return bool(self._files.get_file_info(self._at(path)).type == fs.FileType.File)

    def delete(self, path: str) -> None:
        """Let it go; one that is not there is no mistake."""
        with contextlib.suppress(ObjectMissing), self._told("delete", path):
            try:
                self._files.delete_file(self._at(path))
            except (
                OSError
            ):  # it is deleted, then a marker of its folder is made, which not every service takes
                if self.exists(path):
                    raise

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """All objects below the prefix."""
        below = f"{self._base}/{checked(prefix)}" if prefix else self._base
        with self._told("list", prefix):
            found = self._files.get_file_info(
                fs.FileSelector(below, recursive=True, allow_not_found=bool("/" in below))
            )
            files = [row for row in found if row.type == fs.FileType.File]
            for row in sorted(files, key=lambda row: row.path):
                yield StoredObject(row.path.removeprefix(f"{self._base}/"), int(row.size))

    def _at(self, path: str) -> str:
        return f"{self._base}/{checked(path)}"

    def _has_bucket(self) -> bool:
        return bool(self._looking.get_file_info(self._bucket).type != fs.FileType.NotFound)

    @contextlib.contextmanager
    def _told(self, what: str, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            self.check()  # else an archive of 40 objects has 40 that are gone
            raise ObjectMissing(f"the archive {self.url} has no object {path}") from None
        except OSError as error:
            raise ArchiveUnavailable(f"cannot {what} {path} in {self.url}: {_meaning(error)}") from None


def _client(credentials: Credentials, endpoint: str | None, patience: Patience) -> Any:
    parts = urlsplit(endpoint or "")
    return fs.S3FileSystem(
        access_key=credentials.access_key,
        secret_key=credentials.secret_key,
        region=credentials.region or "us-east-1",
        endpoint_override=parts.netloc or endpoint or None,
        scheme=parts.scheme or "https",
        connect_timeout=patience.connect_s,
        request_timeout=patience.silent_s,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=patience.attempts),
    )


def _meaning(error: Any) -> str:
    text = str(error)
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, text):
            return meaning
    return text
