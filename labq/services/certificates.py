"""labq's own certificate authority, in a folder, and the certificate of the server that hosts connect to."""

from __future__ import annotations

import ipaddress
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from labq.domain.errors import ConfigurationError

AUTHORITY_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)
# A host whose clock is a little behind must not find a certificate that is not valid yet.
BACKDATED = timedelta(days=1)
LONGEST_NAME = 64
_DNS = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9.-]{0,251}[a-zA-Z0-9])?")


@dataclass(frozen=True, slots=True)
class Issued:
    """The files of a server's certificate and of the authority that signed it, and its end."""

    certificate: Path
    key: Path
    authority: Path
    expires_at: datetime


def ensure(folder: Path, names: Sequence[str], now: datetime) -> Issued:
    """Return a server's certificate for these addresses; it is made when there is none that is good.

    One is good when it has these names, is signed by the folder's authority and has RENEW_BEFORE
    left. Raises ConfigurationError for names that are no address, and for files that are not ours.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority, key = _authority(folder, now)
    wanted = [_general_name(name) for name in dict.fromkeys(names)]
    path = folder / "redis.pem"
    found = _read(path) if path.exists() else None
    if found is None or not _is_good(found, authority, wanted, now):
        found = _issue(folder, (authority, key), wanted, now)
    return Issued(path, folder / "redis.key", folder / "ca.pem", found.not_valid_after_utc)


def renew(folder: Path, now: datetime) -> Issued | None:
    """Make the folder's server certificate anew when it ends soon; None when it does not, or there is none."""
    path = folder / "redis.pem"
    if not path.exists() or _read(path).not_valid_after_utc - now > RENEW_BEFORE:
        return None
    names = _read(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return ensure(folder, [str(name.value) for name in names], now)


def _authority(folder: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate, key = folder / "ca.pem", folder / "ca.key"
    if certificate.exists() and key.exists():
        return _read(certificate), _read_key(key)
    made = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"labq authority {now:%Y-%m-%d}")])
    signed = (
        _builder(name, name, made.public_key())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(made, hashes.SHA256())
    )
    _write(key, _pem_of(made))
    _write(certificate, signed.public_bytes(serialization.Encoding.PEM))
    return signed, made


def _issue(
    folder: Path,
    authority: tuple[x509.Certificate, ec.EllipticCurvePrivateKey],
    names: list[x509.GeneralName],
    now: datetime,
) -> x509.Certificate:
    issuer, issuer_key = authority
    made = ec.generate_private_key(ec.SECP256R1())
    title = str(names[0].value)[:LONGEST_NAME]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    signed = (
        _builder(subject, issuer.subject, made.public_key())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(min(now + SERVER_LIFE, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    _write(folder / "redis.key", _pem_of(made))
    _write(folder / "redis.pem", signed.public_bytes(serialization.Encoding.PEM))
    return signed


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _is_good(
    found: x509.Certificate,
    authority: x509.Certificate,
    names: list[x509.GeneralName],
    now: datetime,
) -> bool:
    has = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    try:
        found.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return list(has) == names and found.not_valid_after_utc - now > RENEW_BEFORE


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass
    if not _DNS.fullmatch(name):
        raise ConfigurationError(f"{name!r} is no address: it takes a DNS name or an IP address")
    return x509.DNSName(name)


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} is no certificate: {error}") from error


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        found = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"{path} is no key: {error}") from error
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise ConfigurationError(f"{path} is no key of labq's authority")
    return found


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
    Path(name).replace(path)
