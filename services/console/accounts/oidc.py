"""Signing in through an OpenID Connect provider: authorization code with PKCE, and roles by group."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx
import jwt
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from joserfc.jwt import Token, decode

from services.console.errors import ProviderRefused, ProviderUnavailable
from services.console.models import ConsoleSettings

CALLBACK: Final = "/sign-in/oidc/callback"
BEGUN_S: Final = 600  # how long a person may take at the provider
LEEWAY_S: Final = 60  # by how much its clock may differ from ours
KNOWN_S: Final = 3600.0  # how long its own description is believed
KEYS_AGAIN_S: Final = 30.0  # an unknown key is looked up no more often
TIMEOUT: Final = httpx.Timeout(8.0, connect=3.0)
# Signed with the provider's private key alone: `none` and our own secret as a key prove nothing.
ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA",
)  # fmt: skip
_AUDIENCE: Final = "spondyl-oidc"


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and what it keeps until it comes back."""

    address: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom the provider vouches for."""

    issuer: str
    subject: str
    name: str
    title: str
    groups: tuple[str, ...]
    next: str


class Provider:
    """One provider. What it says of itself is asked when needed, so that it may be down at our start."""

    def __init__(self, settings: ConsoleSettings, key: Ed25519PrivateKey) -> None:
        secret = settings.oidc_client_secret  # (the start was refused without one)
        self.issuer = settings.oidc_issuer.rstrip("/")
        self._settings, self._key = settings, key
        self._secret = secret.get_secret_value() if secret else ""
        self._metadata: Mapping[str, Any] = {}
        self._keys: KeySet | None = None
        self._asked_at = self._keys_at = float("-inf")
        self._turn = asyncio.Lock()

    async def begin(self, redirect_uri: str, next_path: str) -> Begun:
        """Send a browser to the provider. Raises ProviderUnavailable."""
        metadata = await self._describe()
        made = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
        settings = self._settings
        address = prepare_grant_uri(
            metadata["authorization_endpoint"], settings.oidc_client_id, "code", redirect_uri,
            settings.oidc_scopes, made["state"], nonce=made["nonce"],
            code_challenge=create_s256_code_challenge(made["verifier"]), code_challenge_method="S256",
        )  # fmt: skip
        claims = {**made, "next": next_path, "aud": _AUDIENCE, "exp": int(time.time()) + BEGUN_S}
        return Begun(address, jwt.encode(claims, self._key, algorithm="EdDSA"))

    async def finish(self, redirect_uri: str, query: Mapping[str, str], cookie: str) -> Vouched:
        """Who came back. Raises ProviderRefused, ProviderUnavailable."""
        begun = self._begun(cookie)
        if not secrets.compare_digest(query.get("state", "").encode(), begun["state"].encode()):
            raise ProviderRefused(
                "the answer belongs to another sign-in than this browser's", text="oidc_state"
            )
        metadata = await self._describe()
        if query.get("iss", metadata["issuer"]) != metadata["issuer"]:  # RFC 9207: another provider's answer
            raise ProviderRefused("the answer comes from another provider", text="oidc_token")
        if "error" in query:
            text = "oidc_denied" if query["error"] == "access_denied" else "oidc_token"
            raise ProviderRefused(f"the provider answers {query['error'][:60]!r}", text=text)
        token = await self._token(metadata, redirect_uri, query.get("code", ""), begun["verifier"])
        claims = await self._claims(metadata, token, begun["nonce"])
        return self._vouched(claims, await self._more(metadata, token, claims), begun["next"])

    def _begun(self, cookie: str) -> dict[str, Any]:
        try:
            return dict(jwt.decode(cookie, self._key.public_key(), algorithms=["EdDSA"], audience=_AUDIENCE))
        except jwt.InvalidTokenError:
            raise ProviderRefused(
                f"this sign-in was not begun in this browser, or more than {BEGUN_S // 60} minutes ago",
                text="oidc_state",
            ) from None

    def _vouched(self, claims: Mapping[str, Any], more: Mapping[str, Any], next_path: str) -> Vouched:
        settings = self._settings
        groups = more.get(settings.oidc_groups_claim) or ()
        groups = [groups] if isinstance(groups, str) else groups
        name = str(more.get("preferred_username") or more.get("email") or claims["sub"])
        return Vouched(
            issuer=str(claims["iss"]),
            subject=str(claims["sub"]),
            name=name,
            title=str(more.get("name") or name),
            groups=tuple(it for it in groups if isinstance(it, str)) if isinstance(groups, list) else (),
            next=next_path,
        )

    async def _token(
        self, metadata: Mapping[str, Any], redirect_uri: str, code: str, verifier: str
    ) -> Mapping[str, Any]:
        """What the code is worth. A code is worth something once, and to us alone."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        who = (quote(self._settings.oidc_client_id, safe=""), quote(self._secret, safe=""))  # RFC 6749, 2.3.1
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
                answer = await client.post(str(metadata["token_endpoint"]), data=form, auth=who)
                token = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise self._away(error) from None
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise self._away(ValueError(f"status {answer.status_code}"))
        if answer.is_error or not isinstance(token, dict) or "id_token" not in token:
            raise ProviderRefused(f"the provider gives no ID token: {str(token)[:120]}", text="oidc_token")
        return token

    async def _claims(self, metadata: Mapping[str, Any], token: Mapping[str, Any], nonce: str) -> CodeIDToken:
        """The ID token's claims: signed by the provider, for us, for this sign-in, now."""
        registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
        options = {
            "iss": {"essential": True, "value": metadata["issuer"]},
            "aud": {"essential": True, "value": self._settings.oidc_client_id},
        }
        params = {"nonce": nonce, "client_id": self._settings.oidc_client_id}
        if "access_token" in token:
            params["access_token"] = token["access_token"]
        try:
            read = await self._decoded(str(token["id_token"]), metadata, registry)
            claims = CodeIDToken(read.claims, read.header, options, params)
            claims.validate(leeway=LEEWAY_S)
        except (JoseError, ValueError, KeyError) as error:
            raise ProviderRefused(
                f"the provider's ID token does not hold: {error}"[:200], text="oidc_token"
            ) from None
        return claims

    async def _decoded(self, id_token: str, metadata: Mapping[str, Any], registry: JWSRegistry) -> Token:
        try:
            return decode(id_token, await self._key_set(metadata), registry=registry)
        except InvalidKeyIdError:  # the provider has a new key since
            return decode(id_token, await self._key_set(metadata, again=True), registry=registry)

    async def _more(
        self, metadata: Mapping[str, Any], token: Mapping[str, Any], claims: CodeIDToken
    ) -> Mapping[str, Any]:
        """Claims that the ID token leaves to the user-info endpoint."""
        endpoint = metadata.get("userinfo_endpoint")
        if self._settings.oidc_groups_claim in claims or not endpoint or "access_token" not in token:
            return dict(claims)
        headers = {"authorization": f"Bearer {token['access_token']}", "accept": "application/json"}
        said = await self._get(str(endpoint), headers)
        if said.get("sub") != claims["sub"]:
            raise ProviderRefused(
                "the provider tells of another person than it vouches for", text="oidc_token"
            )
        return {**said, **claims}

    async def _describe(self) -> Mapping[str, Any]:
        async with self._turn:
            if not self._metadata or time.monotonic() - self._asked_at > KNOWN_S:
                found = await self._get(f"{self.issuer}/.well-known/openid-configuration")
                if str(found.get("issuer", "")).rstrip("/") != self.issuer:
                    other = str(found.get("issuer"))[:80]
                    raise ProviderUnavailable(
                        f"{self.issuer} calls itself {other!r}: see SPONDYL_OIDC_ISSUER"
                    )
                self._metadata, self._asked_at, self._keys = found, time.monotonic(), None
        return self._metadata

    async def _key_set(self, metadata: Mapping[str, Any], *, again: bool = False) -> KeySet:
        stale = again and time.monotonic() - self._keys_at > KEYS_AGAIN_S
        if self._keys is None or stale:
            found = await self._get(str(metadata["jwks_uri"]))
            self._keys, self._keys_at = KeySet.import_key_set(found), time.monotonic()  # type: ignore[arg-type]
        return self._keys

    async def _get(self, address: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
                answer = await client.get(address, headers=headers)
                answer.raise_for_status()
                found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise self._away(error) from None
        if not isinstance(found, dict):
            raise self._away(ValueError(f"{address} answers no object"))
        return found

    def _away(self, error: Exception) -> ProviderUnavailable:
        return ProviderUnavailable(f"the provider {self.issuer} does not answer: {str(error)[:160]}")
