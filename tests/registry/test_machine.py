"""What a machine keeps, and what is left of it when it loses its power in between."""

from registry_rig import keep

from services.kit import pki
from services.kit.enrolment.machine import Machine
from services.registry import files


def is_pair(directory, name):
    """Whether key and certificate belong together."""
    held = pki.certificates((directory / f"{name}.crt").read_text())[0]
    return pki.read_key(directory / f"{name}.key").public_key() == held.public_key()


def test_a_power_cut_between_key_and_certificate_leaves_a_gateway_that_can_go_on(rig, tmp_path):
    """A new key beside the old certificate could neither connect nor ask for another: for ever."""
    rig.joined()
    directory = keep(rig, tmp_path / "north") / "secrets"
    key = pki.new_key()
    wanted = pki.Wanted("gw-north", "both", rig.desk.until(90))
    made = pki.issue(rig.desk.authorities.signing, key.public_key(), wanted, rig.now)
    (directory / "gateway.new").write_bytes(pki.key_pem(key) + pki.pem_of(made).encode())
    (directory / "gateway.key").write_bytes(pki.key_pem(key))  # and here the light went out
    assert not is_pair(directory, "gateway")
    Machine(directory.parent).settle()
    assert is_pair(directory, "gateway")
    assert not list(directory.glob("*.new"))
    assert pki.certificates((directory / "gateway.crt").read_text())[0] == made
    assert oct((directory / "gateway.key").stat().st_mode)[-3:] == "600"


def test_the_centre_makes_a_pair_anew_whose_halves_do_not_fit(rig):
    """The same at the centre: its key is its own, it simply takes another."""
    files.write_all(rig.desk)
    own = rig.settings.centre / "secrets"
    (own / "telemetry.key").write_bytes(pki.key_pem(pki.new_key()))
    files.write_all(rig.desk)
    assert is_pair(own, "telemetry")
