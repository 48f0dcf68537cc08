"""What a host is told when it joins: where server and Redis are, as seen from outside, and whom to trust."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from cryptography import x509

from labq.config import Settings
from labq.domain.errors import ConfigurationError
from labq.domain.names import LOOPBACK
from labq.services.enrolments import Joined


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The certificate that hosts trust: PEM, and the SHA-256 of its DER form in hexadecimal."""

    certificate: str = ""
    sha256: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSetup:
    """What a host keeps."""

    host: str
    redis_url: str
    credential: str
    certificate: str


def find_authority(settings: Settings) -> Authority:
    """Return the certificate of LABQ_REDIS_CA or of labq's own authority; empty without one.

    Raises ConfigurationError for a file that is no certificate.
    """
    path = settings.redis_ca or settings.state / "tls" / "ca.pem"
    if settings.redis_ca is None and not path.exists():
        return Authority()
    return read_authority(path)


def read_authority(path: Path) -> Authority:
    """Return the certificate in a file; raises ConfigurationError when there is none."""
    try:
        text = path.read_text()
        expires_at = x509.load_pem_x509_certificate(text.encode()).not_valid_after_utc
        return Authority(certificate=text, sha256=fingerprint(text), expires_at=expires_at)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path} is no certificate that hosts can trust: {error}"
        ) from error


def fingerprint(certificate: str) -> str:
    """Return the SHA-256 of a PEM certificate; raises ValueError."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()


def set_up(settings: Settings, joined: Joined) -> HostSetup:
    """Return what a host keeps; raises ConfigurationError like `redis_place`."""
    place = redis_place(settings)
    return HostSetup(
        host=joined.host,
        redis_url=f"{place.scheme}://{joined.user}:{joined.password}@{place.netloc}/0",
        credential=joined.credential,
        certificate=find_authority(settings).certificate if place.scheme == "rediss" else "",
    )


def redis_place(settings: Settings) -> SplitResult:
    """Return scheme and address of Redis for hosts, without user and password.

    Raises ConfigurationError where hosts elsewhere could reach it without TLS only, or not at all.
    """
    name = "LABQ_REDIS_PUBLIC_URL" if settings.redis_public_url else "LABQ_REDIS_URL"
    parts = urlsplit(settings.redis_public_url or settings.redis_url)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise ConfigurationError(
            f"{name} is no address for hosts: set LABQ_REDIS_PUBLIC_URL to rediss://ADDRESS:PORT"
        )
    if parts.scheme == "redis" and parts.hostname not in LOOPBACK:
        raise ConfigurationError(
            f"{name} is plain redis://, which would send passwords over the network: give Redis a "
            "TLS port and set LABQ_REDIS_PUBLIC_URL to rediss://ADDRESS:PORT"
        )
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], path="", query="")
