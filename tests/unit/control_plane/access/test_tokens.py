"""People's tokens: what is taken, and every known trick that is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from control_plane.access.principal import Kind, Role
from control_plane.access.tokens import TokenRules, check_token, kid_of, read_keys
from nexus.errors import NotAuthorised
from tests.fakes.issuer import AUDIENCE, ISSUER, claims, ec_key, jwk, rsa_key, token

RULES = TokenRules(ISSUER, AUDIENCE)
KEYS = read_keys({"keys": [jwk("rsa-1", rsa_key("own")), jwk("ec-1", ec_key("own"))]})


def check(text: str, *, kid: str = "rsa-1", rules: TokenRules = RULES, late_s: float = 0) -> Any:
    return check_token(text, KEYS[kid], rules, now=datetime.now(UTC) + timedelta(seconds=late_s))


def refused(text: str, *, kid: str = "rsa-1", late_s: float = 0) -> str:
    with pytest.raises(NotAuthorised) as caught:
        check(text, kid=kid, late_s=late_s)
    return caught.value.code


def hmac_token(told: dict[str, Any], secret: bytes) -> str:
    """An HS256 token by hand: PyJWT itself refuses to sign with a public key."""
    head = {"alg": "HS256", "typ": "JWT", "kid": "rsa-1"}
    body = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, told))
    mac = base64.urlsafe_b64encode(hmac.new(secret, body, hashlib.sha256).digest()).rstrip(b"=")
    return (body + b"." + mac).decode()


def test_a_person_is_who_the_token_says() -> None:
    person = check(token(claims()))
    assert (person.kind, person.id, person.tenant_id) == (Kind.PERSON, "person-1", "barber_shop")
    assert person.roles == {Role.TENANT_ADMIN}
    assert check(token(claims(), kid="ec-1", key=ec_key("own"), alg="ES256"), kid="ec-1").id == "person-1"


@pytest.mark.parametrize(
    ("told", "roles"),
    [
        (["tenant_viewer", "analyst"], {Role.TENANT_VIEWER, Role.ANALYST}),
        ("analyst tenant_viewer", {Role.TENANT_VIEWER, Role.ANALYST}),
        ("analyst,tenant_viewer", {Role.TENANT_VIEWER, Role.ANALYST}),
        (["PLATFORM_ADMIN", "platform_admins", "us-east-1_pool_Google", 7, None], set()),
        ({"platform_admin": True}, set()),
        (None, set()),
    ],
)
def test_only_known_roles_are_roles(told: Any, roles: set[Role]) -> None:
    assert check(token(claims(**{"cognito:groups": told}))).roles == roles


def test_claims_have_the_names_of_the_settings() -> None:
    rules = TokenRules(ISSUER, AUDIENCE, tenant_claim="org", roles_claim="roles")
    person = check(token(claims(org="pizza_shop", roles=["analyst"])), rules=rules)
    assert (person.tenant_id, person.roles) == ("pizza_shop", {Role.ANALYST})


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://login.evil.example"},
        {"iss": None},
        {"aud": "client-2"},
        {"aud": None},
        {"aud": ["client-2", "client-3"]},
        {"aud": None, "client_id": AUDIENCE},
        {"aud": None, "token_use": "access", "client_id": "client-2"},
        {"exp": None},
        {"exp": "never"},
        {"exp": float("nan")},
        {"sub": None},
        {"iat": 9_999_999_999},
        {"nbf": 9_999_999_999},
        {"custom:tenant_id": "../pizza_shop"},
        {"custom:tenant_id": ["pizza_shop"]},
        {"custom:tenant_id": "_platform"},
    ],
)
def test_claims_that_are_not_for_us(changes: dict[str, Any]) -> None:
    assert refused(token(claims(**changes))) == "credential_invalid"


def test_cognitos_access_token_names_its_client() -> None:
    assert check(token(claims(aud=None, token_use="access", client_id=AUDIENCE))).id == "person-1"


def test_an_audience_may_be_one_of_several() -> None:
    assert check(token(claims(aud=["other", AUDIENCE]))).id == "person-1"


def test_time_ends_a_token() -> None:
    told = token(claims())
    assert check(told, late_s=3629).id == "person-1"
    assert refused(told, late_s=3631) == "credential_expired"


def test_an_unsigned_token_is_nothing() -> None:
    unsigned = jwt.encode(claims(), "", algorithm="none", headers={"kid": "rsa-1"})
    assert refused(unsigned) == "credential_invalid"
    for alg in ("None", "NONE", "nOnE", ""):
        head = base64.urlsafe_b64encode(json.dumps({"alg": alg, "kid": "rsa-1"}).encode()).rstrip(b"=").decode()
        assert refused(f"{head}.{unsigned.split('.')[1]}.") == "credential_invalid"
    signed = token(claims())
    assert refused(signed.rsplit(".", 1)[0] + ".") == "credential_invalid"


def test_the_public_key_is_no_hmac_secret() -> None:
    public = rsa_key("own").public_key()
    for form in (serialization.Encoding.PEM, serialization.Encoding.DER):
        secret = public.public_bytes(form, serialization.PublicFormat.SubjectPublicKeyInfo)
        assert refused(hmac_token(claims(), secret)) == "credential_invalid"
    assert refused(hmac_token(claims(), json.dumps(jwk("rsa-1", rsa_key("own"))).encode())) == "credential_invalid"


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256"])
def test_an_algorithm_that_the_key_is_not_for(alg: str) -> None:
    assert refused(token(claims(), alg=alg)) == "credential_invalid"


def test_another_key_under_the_same_name() -> None:
    assert refused(token(claims(), key=rsa_key("other"))) == "credential_invalid"
    assert refused(token(claims(), key=ec_key("other"), alg="ES256", kid="ec-1"), kid="ec-1") == "credential_invalid"
    assert refused(token(claims(), key=ec_key("own"), alg="ES256"), kid="rsa-1") == "credential_invalid"


def test_a_key_that_the_token_brings_along_is_not_looked_at() -> None:
    for brought in ({"jwk": jwk("rsa-1", rsa_key("other"))}, {"jku": "https://evil.example/keys"}, {"x5u": "https://evil.example/cert"}):
        assert refused(token(claims(), key=rsa_key("other"), **brought)) == "credential_invalid"


def test_a_changed_payload_is_noticed() -> None:
    head, body, mac = token(claims()).split(".")
    told = json.loads(base64.urlsafe_b64decode(body + "=="))
    told["cognito:groups"] = ["platform_admin"]
    forged = base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode()
    assert refused(f"{head}.{forged}.{mac}") == "credential_invalid"


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c", "....", "é.é.é", "eyJhbGciOiJSUzI1NiJ9.e30.x", "null.null.null"])
def test_what_is_no_token_names_no_key(text: str) -> None:
    with pytest.raises(NotAuthorised, match="credential_invalid"):
        kid_of(text)


def test_a_kid_is_text() -> None:
    for kid in (7, None, "", ["rsa-1"]):
        head = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "kid": kid}).encode()).rstrip(b"=").decode()
        with pytest.raises(NotAuthorised, match="credential_invalid"):
            kid_of(f"{head}.e30.x")


def test_only_strong_signing_keys_are_read() -> None:
    p384 = ec.generate_private_key(ec.SECP384R1())
    weak = jwk("weak", rsa_key("weak", 1024))
    encrypting = jwk("enc", rsa_key("own"), use="enc")
    hashing = {"kty": "oct", "kid": "oct", "k": "c2VjcmV0", "use": "sig", "alg": "HS256"}
    other = jwk("ps", rsa_key("own"), alg="PS256")
    nameless = {name: value for name, value in jwk("x", rsa_key("own")).items() if name != "kid"}
    broken = {**jwk("broken", ec_key("own")), "x": "AAAA"}
    found = read_keys(
        {"keys": [weak, jwk("p384", p384), encrypting, hashing, other, nameless, broken, "text", jwk("good", rsa_key("own"))]}
    )
    assert set(found) == {"good"} and found["good"].algorithm == "RS256"
    assert read_keys({}) == read_keys({"keys": None}) == {}
