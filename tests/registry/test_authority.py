"""The authority: given from above, changed for a new one, and nobody else's certificates believed."""

from datetime import timedelta

import pytest
from cryptography import x509
from registry_rig import RegistryRig, keep, outcome, reload, tls_of
from servers import Mosquitto, eventually, free_port

from broker.bus import Tls
from services.kit import pki
from services.kit.errors import SpondylError
from services.registry import files
from services.registry.authority import Authorities
from services.registry.errors import Conflict

pytestmark = pytest.mark.filterwarnings(
    # paho leaves the socket of a failed handshake to the garbage collector
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)  # fmt: skip


class Hospital:
    """A hospital's own authority, with intermediates below it."""

    def __init__(self):
        self.now, self.root = pki.utc_now(), None
        self.root = self.intermediate("Hospital root")

    def intermediate(self, name, *, is_authority=True, days=400):
        """Key and chain of one: itself and the root; the first is the root."""
        key = pki.new_key()
        subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
        above = self.root or pki.Signer(key, ())
        begun = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.root.certificate.subject if self.root else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - timedelta(days=500))
            .not_valid_after(self.now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # signs
        signed = begun.add_extension(usage, critical=True).sign(above.key, pki.hashes.SHA256())
        return pki.Signer(key, (signed, *above.chain))


def give(directory, signer, *, pem=None):
    """Put an authority where the registry looks for its own."""
    (directory / "registry").mkdir(parents=True, exist_ok=True)
    (directory / "registry" / "authority.key").write_bytes(pki.key_pem(signer.key))
    (directory / "registry" / "authority.pem").write_text(signer.pem if pem is None else pem)


def running(rig, tmp_path):
    """The central broker of this registry."""
    port = int(rig.settings.registry_broker_listen.rpartition(":")[2])
    return Mosquitto(tmp_path, rig.settings.centre / "mosquitto" / "mosquitto.conf", port)


@pytest.fixture
def below(tmp_path):
    """A registry below a hospital's authority, and the hospital."""
    hospital = Hospital()
    give(tmp_path / "centre", hospital.intermediate("Spondyl intermediate"))
    rig = RegistryRig(tmp_path / "centre", registry_broker_listen=f"127.0.0.1:{free_port()}")
    yield rig, hospital
    rig.close()


@pytest.mark.system
def test_below_a_hospital_s_root_only_our_own_certificates_are_believed(below, tmp_path):
    """Its root must be trusted to check the chain; who else it vouches for must not become a gateway so."""
    rig, hospital = below
    rig.joined()
    tls = tls_of(keep(rig, tmp_path / "north"))
    other, key = hospital.intermediate("Radiology"), pki.new_key()
    wanted = pki.Wanted("gw-north", "client", hospital.now + timedelta(days=9))
    leaf = pki.issue(other, key.public_key(), wanted, hospital.now)
    (tmp_path / "o.crt").write_text(pki.pem_of(leaf) + pki.pem_of(other.certificate))
    (tmp_path / "o.key").write_bytes(pki.key_pem(key))
    with running(rig, tmp_path) as broker:
        url = f"mqtts://localhost:{broker.port}"
        assert outcome(url, tls) == "connected"
        assert outcome(url, Tls(tls.ca, str(tmp_path / "o.crt"), str(tmp_path / "o.key"))) != "connected"


def test_an_authority_that_cannot_sign_is_refused_at_the_start(tmp_path):
    """Half a chain, a foreign key, a plain certificate, an expired one: said before anything is issued."""
    hospital = Hospital()
    signer = hospital.intermediate("Spondyl intermediate")
    for name, wanted, pem, key in (
        ("half", "give the whole chain", pki.pem_of(signer.certificate), signer.key),
        ("foreign", "is not the one of the key beside it", signer.pem, pki.new_key()),
        ("plain", "is no authority's certificate", hospital.intermediate("x", is_authority=False), None),
        ("old", "expired on", hospital.intermediate("x", days=-1), None),
        ("empty", "holds no certificate|cannot be read|certificate in PEM", "", signer.key),
    ):
        made = pem if key is None else pki.Signer(key, signer.chain)
        give(tmp_path / name, made, pem=None if key is None else pem)
        with pytest.raises(SpondylError, match=wanted):
            Authorities(tmp_path / name / "registry", hospital.now)
    give(tmp_path / "no-key", signer)
    (tmp_path / "no-key" / "registry" / "authority.key").unlink()
    with pytest.raises(SpondylError, match=r"authority\.key is missing beside authority\.pem"):
        Authorities(tmp_path / "no-key" / "registry", hospital.now)


@pytest.mark.system
def test_a_new_authority_takes_over_while_the_old_one_s_certificates_still_hold(tmp_path):
    """Prepared, it is trusted; activated, it signs; nobody is cut off in between, and both can revoke."""
    rig = RegistryRig(tmp_path / "centre", registry_broker_listen=f"127.0.0.1:{free_port()}")
    directory = rig.settings.directory
    with pytest.raises(Conflict, match="rotate prepare` first"):
        Authorities.activate(directory, rig.now)
    rig.joined()
    old = tls_of(keep(rig, tmp_path / "old"))
    with running(rig, tmp_path) as broker:
        url = f"mqtts://localhost:{broker.port}"
        Authorities.prepare(directory, rig.now)
        with pytest.raises(Conflict, match="prepared already"):
            Authorities.prepare(directory, rig.now)
        files.write_all(rig.desk)
        reload(broker)
        assert outcome(url, old) == "connected"
        (tmp_path / "old" / "secrets" / "ca.crt").write_text(rig.desk.authorities.bundle)  # as it asks hourly

        Authorities.activate(directory, rig.now)
        files.write_all(rig.desk)
        reload(broker)
        rig.joined("gw-south", "south", ("bed-07",))
        new = tls_of(keep(rig, tmp_path / "new", "gw-south"))
        reload(broker)
        eventually(lambda: outcome(url, new) == "connected", 20, "the new one's")
        assert outcome(url, old) == "connected"
        issuers = {one["issuer"] for one in _issued(rig) if one["name"] in ("gw-north", "gw-south")}
        assert len(issuers) == 2

        for name in ("gw-north", "gw-south"):
            rig.ask("POST", f"/gateways/{name}/revoke", json={"reason": "test"})
        reload(broker)
        eventually(lambda: outcome(url, old) == outcome(url, new) == "own_revoked", 20, "both are refused")
    rig.close()


def _issued(rig):
    from sqlalchemy import select

    from services.kit.database import reading
    from services.registry.tables import CERTIFICATES

    with reading(rig.engine) as connection:
        return [dict(row) for row in connection.execute(select(CERTIFICATES)).mappings()]
