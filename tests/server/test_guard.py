"""Who may do what: real servers, real keys and tokens, no secret in what is printed or answered."""

from __future__ import annotations

import json
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from headrace.clock import SECOND, FixedClock
from headrace.server.rates import Rates
from tests.server.serving import served
from tests.server.shop import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

ISSUER, AUDIENCE = "https://idp.example.com", "headrace"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
SHARED = b"a shared secret of thirty-two bytes or more"
LISTED = {"features": ["newest:ad"], "entities": {"user_id": ["u1"]}, "as_of": NOW}
BY_SERVICE: dict[str, Any] = {
    "feature_service": "shop@1",
    "entities": {"user_id": ["u1"]},
    "as_of": NOW,
    "context": {"bid": 1},
}


def jwks() -> dict[str, Any]:
    keys = [
        (jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY.public_key()), "rsa"),
        (jwt.algorithms.ECAlgorithm.to_jwk(EC_KEY.public_key()), "ec"),
        (jwt.algorithms.HMACAlgorithm.to_jwk(SHARED), "shared"),
    ]
    return {"keys": [{**json.loads(key), "kid": name} for key, name in keys]}


def copied(shop: Path, to: Path, **serving: Any) -> Path:
    """The shop with settings of its own."""
    shutil.copytree(shop, to)
    lines = [f"{key} = {json.dumps(value)}" for key, value in serving.items()]
    with (to / "headrace.toml").open("a", encoding="utf-8") as file:
        file.write("\n".join(["", "[serving]", *lines, ""]))
    return to


def headrace(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headrace.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def new_key(project: Path, name: str, *options: str) -> str:
    made = headrace("serve", "--project", project, "--new-key", name, "--json", *options)
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)["key"]


class Guarded:
    """A server with keys and tokens, and all it is sent and says."""

    def __init__(self, client: httpx.Client, project: Path) -> None:
        self.client = client
        self.project = project
        self.reader = new_key(project, "reader")
        self.shopper = new_key(project, "shopper", "--service", "shop")
        self.writer = new_key(project, "writer", "--role", "push")
        self.answers: list[str] = []
        self.error: dict[str, Any] = {}
        self.secrets = [key.split("_")[2] for key in (self.reader, self.shopper, self.writer)]

    def ask(self, credential: str | None, body: Any = LISTED, path: str = "/get-online-features") -> int:
        headers = {} if credential is None else {"authorization": f"Bearer {credential}"}
        if credential:
            self.secrets.append(credential)
        answer = self.client.post(path, json=body, headers=headers)
        self.answers.append(f"{answer.headers} {answer.text}")
        self.error = answer.json().get("error", {})
        return answer.status_code


@pytest.fixture(scope="module")
def guarded(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    project = copied(
        shop,
        tmp_path_factory.mktemp("guard") / "shop",
        keys="keys.toml",
        jwt_keys="jwks.json",
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
    )
    (project / "jwks.json").write_text(json.dumps(jwks()), encoding="utf-8")
    new_key(project, "first")
    log = project / "log"
    with served(project, log=log) as client:
        found = Guarded(client, project)
        waited = time.monotonic() + 30
        while found.ask(found.writer) == 401:
            assert time.monotonic() < waited, "the new keys were not seen"
        yield found
    printed = log.read_text(encoding="utf-8")
    kept = (project / "keys.toml").read_text(encoding="utf-8") + (
        project / ".headrace" / "audit.jsonl"
    ).read_text(encoding="utf-8")
    for secret in found.secrets:
        assert secret not in printed
        assert secret not in kept
        assert not any(secret in each for each in found.answers)


def token(key: Any = SHARED, algorithm: str = "HS256", kid: str | None = "shared", **changes: Any) -> str:
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "model-server",
        "exp": time.time() + 86_400,
        "roles": ["read_online"],
        **changes,
    }
    told = {name: value for name, value in claims.items() if value is not ...}
    return jwt.encode(told, key, algorithm, headers={} if kid is None else {"kid": kid})


def confused() -> str:
    """A token signed with the public key, as if that were a shared secret."""
    import base64
    import hashlib
    import hmac

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = token().split(".")[1]
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"rsa"}').rstrip(b"=").decode()
    signed = hmac.digest(pem, f"{header}.{claims}".encode(), hashlib.sha256)
    return f"{header}.{claims}.{base64.urlsafe_b64encode(signed).rstrip(b'=').decode()}"


def test_a_key_opens_what_its_role_may(guarded: Guarded) -> None:
    assert guarded.ask(guarded.reader) == 200
    assert guarded.ask(guarded.writer) == 403
    assert guarded.error["message"] == "This needs the role read_online; the caller has push."
    assert guarded.ask(guarded.reader, {}, "/push") == 403
    assert guarded.error["message"] == "This needs the role push; the caller has read_online."
    assert guarded.error["remedy"] == "Ask the operator of the server for a key of that role."
    assert guarded.ask(guarded.reader, {}, "/api/v1/anything") == 403
    assert guarded.error["message"] == "This needs the role admin; the caller has read_online."
    assert guarded.client.get("/health").status_code == 200
    assert guarded.client.post(
        "/get-online-features", json=LISTED, headers={"x-api-key": guarded.reader}
    ).is_success


def test_a_key_of_a_service_opens_that_service_only(guarded: Guarded) -> None:
    assert guarded.ask(guarded.shopper, BY_SERVICE) == 200
    assert guarded.ask(guarded.shopper, LISTED) == 403
    assert guarded.error["message"] == "The caller is limited to certain services."
    assert guarded.error["available"] == ["shop"]
    assert guarded.error["remedy"].startswith("Ask by feature_service for one of those, without features;")
    assert guarded.ask(guarded.shopper, {**BY_SERVICE, "feature_service": "other"}) == 403
    assert guarded.ask(guarded.shopper, {**BY_SERVICE, **LISTED}) == 403


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(SHARED, "HS256", "shared"), (RSA_KEY, "RS256", "rsa"), (EC_KEY, "ES256", "ec")],
    ids=["HS256", "RS256", "ES256"],
)
def test_a_token_opens(guarded: Guarded, key: Any, algorithm: str, kid: str) -> None:
    assert guarded.ask(token(key, algorithm, kid)) == 200
    assert guarded.ask(token(key, algorithm, kid, roles=[])) == 403
    assert guarded.error["message"] == "This needs the role read_online; the caller has no role."
    assert guarded.ask(token(key, algorithm, kid, roles=..., scope="openid read_online")) == 200
    assert guarded.ask(token(key, algorithm, kid, services=["other"])) == 403
    assert guarded.ask(token(key, algorithm, kid, services=["shop"]), BY_SERVICE) == 200


SPOILED = {
    "half": lambda key: key[:-1],
    "other secret": lambda key: key[:-1] + ("0" if key[-1] != "0" else "1"),
    "other id": lambda key: "hr_" + "0" * 16 + key[19:],
}
BAD = {
    "none": None,
    "no key": "hr_key",
    "not signed": token(None, "none", None),
    "not signed, with a key": token(None, "none"),
    "key confusion": confused(),
    "another algorithm": token(SHARED * 2, "HS512"),
    "another key": token(SHARED + b"!"),
    "unknown key": token(kid="who"),
    "no key named": token(kid=None),
    "expired": token(exp=time.time() - 60),
    "no expiry": token(exp=...),
    "not yet": token(nbf=time.time() + 43_200),
    "another issuer": token(iss="https://evil.example.com"),
    "no issuer": token(iss=...),
    "another audience": token(aud="other"),
    "no audience": token(aud=...),
    "no subject": token(sub=...),
    "cut": token()[:-9],
    "three dots": "..",
    "no token": "e30.e30.e30",
    "spoiled header": "W10.e30.e30",
}


@pytest.mark.parametrize("name", [*BAD, *SPOILED])
def test_what_is_no_key_and_no_token_is_refused_without_saying_why(guarded: Guarded, name: str) -> None:
    credential = BAD[name] if name in BAD else SPOILED[name](guarded.reader)
    assert guarded.ask(credential) == 401
    assert "www-authenticate" in guarded.answers[-1]
    assert "The request is not authorized." in guarded.answers[-1]


def test_two_credentials_are_none(guarded: Guarded) -> None:
    headers = {"x-api-key": guarded.reader, "authorization": f"Bearer {guarded.writer}"}
    assert guarded.client.post("/get-online-features", json=LISTED, headers=headers).status_code == 401


def test_writes_are_on_record_with_who_and_what_came_of_it(guarded: Guarded) -> None:
    sent = {"authorization": f"Bearer {guarded.reader}", "x-request-id": "write-1"}
    assert guarded.client.post("/push", json={}, headers=sent).status_code == 403
    lines = (guarded.project / ".headrace" / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    found = next(line for line in map(json.loads, lines) if line["request"] == "write-1")
    assert (found["who"], found["what"], found["outcome"], found["status"]) == (
        "reader", "POST /push", "refused", 403,
    )  # fmt: skip
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT.*Z", found["when"])


def test_a_deleted_key_is_refused_without_a_restart(guarded: Guarded) -> None:
    gone = new_key(guarded.project, "gone")
    until = time.monotonic() + 30
    while guarded.ask(gone) != 200:
        assert time.monotonic() < until
    path = guarded.project / "keys.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(gone.split("_")[1], "0" * 16), encoding="utf-8")
    while guarded.ask(gone) != 401:
        assert time.monotonic() < until
    assert guarded.ask(guarded.reader) == 200


def test_request_ids_are_taken_over_if_sane(guarded: Guarded) -> None:
    get = guarded.client.get
    assert get("/health", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = set()
    for odd in ("a b", "<script>", "x" * 65, "hr_secret"):
        own = get("/health", headers={"x-request-id": odd}).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{12}-[0-9a-f]+", own)
        made.add(own)
    assert len(made) == 4


def test_a_key_is_made_for_services_there_are(shop: Path, tmp_path: Path) -> None:
    project = copied(shop, tmp_path / "shop", keys="keys.toml")
    for service in ("nope", "shop@7", "newest"):
        made = headrace("serve", "--project", project, "--new-key", "a", "--json", "--service", service)
        error = json.loads(made.stdout or made.stderr)["error"]
        assert (made.returncode, error["type"]) == (1, "UnknownNameError")
        assert error["available"] == (["1"] if "@" in service else ["shop"])
    assert not (project / "keys.toml").exists()
    new_key(project, "a", "--service", "shop@v1", "--service", "shop")
    assert 'services = ["shop@1", "shop"]' in (project / "keys.toml").read_text(encoding="utf-8")


def test_a_second_key_of_a_name_is_said_to_be_one(shop: Path, tmp_path: Path) -> None:
    project = copied(shop, tmp_path / "shop", keys="keys.toml")
    first = headrace("serve", "--project", project, "--new-key", "ranker")
    assert "There are now" not in first.stdout + first.stderr
    new_key(project, "other")
    second = headrace("serve", "--project", project, "--new-key", "ranker")
    assert "There are now 2 keys named ranker;" in second.stdout + second.stderr
    third = headrace("serve", "--project", project, "--new-key", "ranker", "--json")
    assert json.loads(third.stdout)["keys_of_that_name"] == 3


def test_rates_let_through_what_they_say() -> None:
    clock = FixedClock("2026-03-01")
    rates = Rates(clock)
    assert [rates.take("a", 3) for _ in range(5)] == [0, 0, 0, 1, 1]
    assert rates.take("b", 0.1) == 0
    assert rates.take("b", 0.1) == 10
    clock.advance(SECOND // 3 + 1)
    assert [rates.take("a", 3) for _ in range(2)] == [0, 1]
    clock.advance(100 * SECOND)
    assert [rates.take("a", 3) for _ in range(4)] == [0, 0, 0, 1]
    assert [Rates(clock, 0.5).take("a", 4) for _ in range(2)] == [0, 0]


def test_who_comes_too_often_is_told_when_to_come_back(shop: Path, tmp_path: Path) -> None:
    project = copied(shop, tmp_path / "shop", keys="keys.toml")
    slow, fast = new_key(project, "slow", "--rate", "0.01"), new_key(project, "fast")
    with served(project) as client:

        def ask(key: str) -> httpx.Response:
            return client.post("/get-online-features", json=LISTED, headers={"x-api-key": key})

        assert ask(slow).status_code == 200
        refused = ask(slow)
        assert (refused.status_code, refused.json()["error"]["type"]) == (429, "AuthError")
        assert 90 <= int(refused.headers["retry-after"]) <= 100
        assert [ask(fast).status_code for _ in range(5)] == [200] * 5


def test_other_origins_may_ask_only_where_told(server: httpx.Client, shop: Path, tmp_path: Path) -> None:
    origin = "https://ads.example.com"
    asks = {"origin": origin, "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in server.get("/health", headers={"origin": origin}).headers
    assert server.options("/get-online-features", headers=asks).status_code == 405
    with served(copied(shop, tmp_path / "shop", cors=[origin])) as client:
        allowed = client.options("/get-online-features", headers=asks)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, origin)
        other = client.options("/get-online-features", headers={**asks, "origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_nobody_is_served_by_accident(shop: Path) -> None:
    refused = headrace("serve", "--project", shop, "--host", "0.0.0.0", "--port", "0")  # noqa: S104
    assert refused.returncode == 1
    assert "--insecure" in refused.stderr + refused.stdout
    assert headrace("serve", "--project", shop, "--new-key", "a").returncode == 1


def certificate(home: Path) -> tuple[Path, Path]:
    """A certificate for this machine, signed by itself."""
    import datetime as dt
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "headrace")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(EC_KEY.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(EC_KEY, hashes.SHA256())
    )
    (home / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = EC_KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (home / "key.pem").write_bytes(private)
    return home / "cert.pem", home / "key.pem"


def test_https_with_a_certificate(shop: Path, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    trusts = ssl.create_default_context(cafile=str(cert))
    with served(shop, "--tls-cert", cert, "--tls-key", key, tls=trusts) as client:
        assert client.base_url.scheme == "https"
        assert client.post("/get-online-features", json=LISTED).status_code == 200
    other = headrace("serve", "--project", shop, "--port", "0", "--tls-cert", cert, "--tls-key", cert)
    assert (other.returncode, "PRIVATE KEY" in other.stderr) == (1, False)


def test_a_file_of_keys_that_holds_something_else_is_refused_without_showing_it(shop: Path) -> None:
    with tempfile.TemporaryDirectory() as home:
        project = copied(shop, Path(home) / "shop", keys="keys.toml")
        (project / "keys.toml").write_text("[keys.a]\nname = 5\nsalt = 'topsecret'\n", encoding="utf-8")
        refused = headrace("serve", "--project", project, "--port", "0")
        assert refused.returncode == 1
        assert "topsecret" not in refused.stdout + refused.stderr
        assert "Traceback" not in refused.stdout + refused.stderr
