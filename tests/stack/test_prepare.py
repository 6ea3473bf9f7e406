"""What the demo chain is made of before its first start."""

import stat

import jwt
import pytest
import yaml
from cryptography import x509

from deploy.containers import prepare
from deploy.containers.engine import ROOT
from deploy.containers.stack import replicas
from services.kit.auth import tokens
from services.kit.errors import SpondylError


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    directory = tmp_path_factory.mktemp("chain") / "stack"
    prepare.prepare(directory)
    return directory


def contents(directory):
    kept = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    return {path: content for path, content in kept.items() if path.name not in ("passwords", "acl")}


def test_a_second_start_changes_nothing(chain):
    """A key made anew would lock every clinic out of its own data."""
    before = contents(chain)
    prepare.prepare(chain)
    assert contents(chain) == before


def test_every_certificate_is_the_authority_s_and_says_who_it_is(chain):
    """The name in it is the user at the broker."""
    authority = x509.load_pem_x509_certificate((chain / "centre" / "secrets" / "ca.crt").read_bytes())
    names = {}
    for path in chain.rglob("*.crt"):
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        certificate.verify_directly_issued_by(authority)
        names[path.parent.parent.name, path.stem] = certificate.subject.rfc4514_string()
    assert names["centre", "console"] == "CN=console"
    assert names["north", "gateway"] == "CN=gw-north"
    assert names["south", "bridge"] == "CN=bridge-south"


def test_the_simulated_therapist_holds_tokens_for_faults_and_not_the_access_key(chain):
    """Who has that key is everybody, at every site: the demo shows how a chain should be."""
    compose = yaml.safe_load((ROOT / "deploy" / "compose.demo.yaml").read_text())
    held = [
        row if isinstance(row, str) else row["source"] for row in compose["services"]["therapist"]["secrets"]
    ]
    assert "access.key" not in held
    for site in ("north", "south"):
        assert f"faults-{site}.token" in held
        token = (chain / "centre" / "secrets" / f"faults-{site}.token").read_text()
        claims = jwt.decode(token, options={"verify_signature": False})
        assert (claims["aud"], list(claims["grants"].values())) == ([tokens.PANEL], [[site]])


def test_keys_and_passwords_are_nobody_else_s(chain):
    """What engines of other users read lies open inside a directory that is not."""
    open_inside = {"redis.conf", "databases.sql", "postgres-password", "grafana-password"}
    for path in chain.rglob("*"):
        if path.suffix not in (".crt", ".pub", ".pem") and path.name not in open_inside:
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    assert not stat.S_IMODE(chain.stat().st_mode) & 0o077


def test_a_clinic_holds_no_secret_of_the_centre(chain):
    """Whoever takes a gateway home signs no token and no clearance with it, and speaks for no other site."""
    centre = chain / "centre" / "secrets"
    secret = {
        path.read_bytes() for path in centre.iterdir() if path.suffix in (".key", ".password", ".token")
    }
    secret -= {(centre / "bedside.key").read_bytes(), (centre / "bridge-north.key").read_bytes()}
    held = {path.read_bytes() for path in (chain / "clinics" / "north").rglob("*") if path.is_file()}
    assert not held & secret


def test_a_broker_finds_its_files_where_its_container_has_them(chain):
    """The path of the machine that made them means nothing inside."""
    for conf in chain.rglob("mosquitto.conf"):
        text = conf.read_text()
        assert str(chain) not in text
        assert "acl_file /var/lib/spondyl/mosquitto/acl" in text
        assert "require_certificate true" in text
        assert "use_identity_as_username true" in text


def test_replicas_of_several_services_are_asked_for_in_one_file(tmp_path):
    """podman-compose heeds the last `--scale` alone: whoever asked for three got one."""
    file = tmp_path / "replicas.yaml"
    assert replicas(["ingest=2", "billing=3"], file) == (str(file),)
    assert yaml.safe_load(file.read_text()) == {"services": {"ingest": {"scale": 2}, "billing": {"scale": 3}}}
    assert replicas([], file) == ()
    for wrong in ("ingest=0", "ingest", "gateway=2", "db=2"):
        with pytest.raises(
            SpondylError, match=f"{wrong.partition('=')[0]}.*there may be 1 to 8 of telemetry"
        ):
            replicas([wrong], file)
