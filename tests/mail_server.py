"""A real SMTP server on a loopback port, with TLS and a sign-in, which may also fail on purpose."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from servers import free_port

HERE = ipaddress.ip_address("127.0.0.1")
USER, PASSWORD = "spondyl", "a-password-of-the-tests"


def certificate(directory):
    """A key and a certificate for 127.0.0.1, signed by itself; its path is what clients trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(HERE)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path, key_path = directory / "smtp.pem", directory / "smtp.key"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key_path)
    return path, context


class MailServer:
    """Keeps what it gets; ``answers`` are given to the next messages instead of taking them."""

    def __init__(self, directory, security):
        self.mails, self.answers, self.encrypted = [], [], []
        self._controller = None
        self.certificate, context = certificate(directory)
        self._wanted = {
            "starttls": {
                "tls_context": context, "require_starttls": True, "authenticator": self._signed_in,
                "auth_required": True,
            },
            "tls": {"ssl_context": context},
            "none": {},
        }[security]  # fmt: skip
        self._port = free_port()
        self.settings = {
            "smtp_host": "127.0.0.1", "smtp_port": self._port, "smtp_security": security,
            "smtp_ca": self.certificate, "smtp_from": "clinic@example.org",
            "smtp_user": USER if security == "starttls" else "", "smtp_password": PASSWORD,
        }  # fmt: skip

    def _signed_in(self, _server, _session, _envelope, _mechanism, data):
        fits = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=fits)

    async def handle_DATA(self, server: SMTP, session, envelope):  # noqa: N802  (aiosmtpd calls it so)
        """Take it, or answer as the test says; BREAK cuts the line."""
        answer = self.answers.pop(0) if self.answers else "250 taken"
        if answer == "BREAK":
            self.mails.append(envelope)
            server.transport.abort()
            return "250 never said"
        if answer.startswith("250"):
            self.mails.append(envelope)
            self.encrypted.append(session.ssl is not None or server.transport.get_extra_info("sslcontext"))
        return answer

    def __enter__(self):
        self._controller = Controller(self, hostname="127.0.0.1", port=self._port, **self._wanted)
        self._controller.start()
        return self

    def __exit__(self, *_):
        controller, self._controller = self._controller, None
        if controller:
            controller.stop()
