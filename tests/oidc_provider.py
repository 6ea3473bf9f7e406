"""A real OpenID Connect provider (canaille) as a process of its own, with people, groups and two clients.

    python tests/oidc_provider.py PORT REDIRECT_URI [REDIRECT_URI ...]

Everybody's password is PASSWORD; its consent page is shown at every first sign-in of a person.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from servers import Server

CLIENT, SECRET = "spondyl-console", "a secret of the provider's tests"
OTHER_CLIENT = "somebody-else"
PASSWORD = "provided by the provider"
PEOPLE = {
    "grace": ["clinicians"],
    "alan": ["north-therapists", "wall"],
    "mallory": ["gardeners"],
    "norma": [],
    "emmy": [],
}
SCOPES = ["openid", "profile", "email", "groups"]


class Provider(Server):
    """The provider on a loopback port of its own."""

    name = "provider"

    def __init__(self, directory: Path, *redirect_uris: str) -> None:
        super().__init__(directory)
        self.redirect_uris = redirect_uris

    def command(self) -> list[str]:
        """This file, run."""
        return [sys.executable, str(Path(__file__)), str(self.port), *self.redirect_uris]

    @property
    def issuer(self) -> str:
        """Its name, which is its address."""
        return f"http://127.0.0.1:{self.port}"


def serve(port: int, redirect_uris: list[str]) -> None:
    """Serve until ended."""
    from canaille import create_app
    from canaille.backends.memory.backend import MemoryBackend
    from joserfc.jwk import RSAKey
    from werkzeug.serving import make_server

    class Exact(MemoryBackend):
        """Finds what has all the attributes asked for; as shipped it finds what has any of them."""

        __module__ = MemoryBackend.__module__  # its models are looked for beside it

        def do_query(self, model, *args, **kwargs):
            found = [
                {it.id for it in super(Exact, self).do_query(model, **{k: v})} for k, v in kwargs.items()
            ]
            everything = super().do_query(model, *args, **kwargs)
            return [it for it in everything if all(it.id in ids for ids in found)]

    key = RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True)
    config = {
        "SECRET_KEY": "of the tests",
        "SERVER_NAME": f"127.0.0.1:{port}",
        "PREFERRED_URL_SCHEME": "http",
        "CANAILLE": {"DATABASE": "memory", "SMTP": None, "JAVASCRIPT": False},
        "CANAILLE_OIDC": {"TRUSTED_DOMAINS": [], "ACTIVE_JWKS": [key]},
    }
    app = create_app(config=config, backend=Exact(config))
    with app.app_context():
        _fill(app.backend, redirect_uris)
    make_server("127.0.0.1", port, app, threaded=True).serve_forever()


def _fill(backend: object, redirect_uris: list[str]) -> None:
    """People with their groups, and the clients that may ask about them."""
    from canaille.app import models

    for name in PEOPLE:
        backend.save(
            models.User(
                user_name=name, display_name=name, password=PASSWORD,
                formatted_name=f"{name.title()} Provided",
                family_name="Provided", emails=[f"{name}@provider.example"],
            )
        )  # fmt: skip
    for group in sorted({group for groups in PEOPLE.values() for group in groups}):
        members = [backend.get(models.User, user_name=name) for name, of in PEOPLE.items() if group in of]
        backend.save(models.Group(display_name=group, members=members))
    for client_id in (CLIENT, OTHER_CLIENT):
        client = models.Client(
            client_id=client_id, client_secret=SECRET, client_name=client_id, redirect_uris=redirect_uris,
            client_id_issued_at=datetime.now(UTC), grant_types=["authorization_code"],
            response_types=["code"], scope=SCOPES, token_endpoint_auth_method="client_secret_basic",
        )  # fmt: skip
        backend.save(client)
        client.audience = [client]
        backend.save(client)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2:])
