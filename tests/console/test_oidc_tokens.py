"""ID tokens that a provider would never make, judged as the callback does."""

import asyncio
import hashlib
import time

import jwt
import pytest
from joserfc.jwk import KeySet, RSAKey
from joserfc.jwt import encode
from oidc_provider import CLIENT, OTHER_CLIENT, SECRET

from services.console.accounts.oidc import Provider as OpenIdProvider
from services.console.errors import ProviderRefused
from services.console.models import ConsoleSettings

NOW = int(time.time())
GOOD = {"iss": "https://id.example", "aud": CLIENT, "sub": "1", "iat": NOW, "exp": NOW + 3600, "nonce": "n"}
METADATA = {"issuer": "https://id.example", "jwks_uri": "https://id.example/keys"}


@pytest.fixture(scope="module")
def signing():
    """The provider's key pair."""
    return RSAKey.generate_key(2048, auto_kid=True)


@pytest.fixture
def judge(tmp_path, signing):
    """Judges an ID token as the callback does; the provider's keys are known already."""
    settings = ConsoleSettings(
        data=tmp_path, oidc_issuer=GOOD["iss"], oidc_client_id=CLIENT, oidc_client_secret=SECRET
    )
    provider = OpenIdProvider(settings, None)
    provider._keys = KeySet([signing])

    def claims(token):
        return asyncio.run(provider._claims(METADATA, {"id_token": token}, "n"))

    return claims


def test_an_id_token_within_the_clocks_leeway_holds(judge, signing):
    """Two machines' clocks are never the same."""
    token = encode({"alg": "RS256", "kid": signing.kid}, {**GOOD, "exp": int(time.time()) - 20}, signing)
    assert judge(token)["sub"] == "1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": OTHER_CLIENT}, {"aud": [CLIENT, OTHER_CLIENT], "azp": OTHER_CLIENT},
        {"iss": "https://evil.example"}, {"exp": NOW - 120}, {"nonce": "another"}, {"nonce": None},
        {"sub": None}, {"exp": None}, {"iat": NOW + 3600},
    ],
    ids="-".join,
)  # fmt: skip
def test_an_id_token_that_is_not_for_us_here_and_now_is_refused(judge, signing, wrong):
    """Signed by the provider is not enough: for this client, this browser, this minute."""
    claims = {name: value for name, value in {**GOOD, **wrong}.items() if value is not None}
    with pytest.raises(ProviderRefused, match="does not hold"):
        judge(encode({"alg": "RS256", "kid": signing.kid}, claims, signing))


def test_an_id_token_that_the_provider_did_not_sign_is_refused(judge, signing):
    """No signature, our own secret, the public key as a secret, or another key: all known tricks."""
    other = RSAKey.generate_key(2048, parameters={"kid": signing.kid})
    forged = [
        jwt.encode(GOOD, "", algorithm="none", headers={"kid": signing.kid}),
        jwt.encode(GOOD, SECRET.ljust(40), algorithm="HS256", headers={"kid": signing.kid}),
        jwt.encode(GOOD, hashlib.sha256(signing.as_pem(private=False)).hexdigest(), algorithm="HS256"),
        encode({"alg": "RS256", "kid": signing.kid}, GOOD, other),
        "not.a.token",
        "",
    ]
    for token in forged:
        with pytest.raises(ProviderRefused):
            judge(token)
