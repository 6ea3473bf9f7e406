"""`python -m services.kit.probe`: whether the service of this container can do its work, for a health check.

It asks the service that the environment describes for its own /readyz. Run every few seconds beside it, so
it loads nothing but the standard library and no settings: what is wrong in those the service says itself.
"""

import http.client
import json
import os
import ssl
import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

TIMEOUT_S: Final = 4.0  # checks behind /readyz have 2 s each, all at once
PORT: Final = "8080"
ANY_ADDRESS: Final = ("", "0.0.0.0", "::")  # noqa: S104  (listened on; asked is loopback)
MOST_BYTES: Final = 65_536


def main() -> None:
    """Print one line and end with 0 when ready, else 1."""
    ready, words = ask(os.environ)
    print(words)  # noqa: T201  (for who asks the container for its health)
    sys.exit(0 if ready else 1)


def ask(environment: Mapping[str, str]) -> tuple[bool, str]:
    """Whether the service is ready, and what it says about it in one line."""
    certificate = environment.get("SPONDYL_HTTP_CERTIFICATE")
    host = environment.get("SPONDYL_HTTP_HOST", "")
    port = environment.get("SPONDYL_HTTP_PORT") or PORT
    where = f"{'127.0.0.1' if host in ANY_ADDRESS else host}:{port}"
    try:
        return _answer(_connection(where, certificate))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return False, f"{where}/readyz cannot be asked: {error or type(error).__name__}"


def _connection(where: str, certificate: str | None) -> http.client.HTTPConnection:
    if not certificate:
        return http.client.HTTPConnection(where, timeout=TIMEOUT_S)
    # Ours is the only one that counts, by whatever name it is for: it is trusted itself, with no authority.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cafile=certificate)
    return http.client.HTTPSConnection(where, timeout=TIMEOUT_S, context=context)


def _answer(connection: http.client.HTTPConnection) -> tuple[bool, str]:
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = json.loads(answer.read(MOST_BYTES))
    finally:
        connection.close()
    ready = answer.status == HTTPStatus.OK
    detail = body.get("detail") if isinstance(body, dict) else None
    return ready, str(detail or f"/readyz answers {answer.status}")


if __name__ == "__main__":
    main()
