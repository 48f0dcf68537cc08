"""Tells Sentry of an upgrade, so that what goes wrong afterwards is seen beside it."""

from __future__ import annotations

from labq import __version__
from labq.config import Settings
from labq.services.upgrading import Upgraded

PATIENCE_SECONDS = 3.0


def report(settings: Settings, done: Upgraded, error: str = "") -> None:
    """Send one event with release, environment and revisions; without LABQ_SENTRY_DSN nothing."""
    if not settings.sentry_dsn:
        return
    import sentry_sdk  # noqa: PLC0415 - costs nothing without a DSN

    client = sentry_sdk.Client(
        dsn=settings.sentry_dsn,
        release=f"labq@{__version__}",
        environment=settings.sentry_environment,
        default_integrations=False,
        auto_enabling_integrations=False,
    )
    message = f"deployed labq {__version__}, schema {done.found} to {done.target}"
    client.capture_event(
        {
            "message": f"{message}: {error}" if error else message,
            "level": "error" if error else "info",
            "logger": "labq.deployment",
            "fingerprint": ["labq.deployment", done.target],
            "tags": {
                "deployment": __version__,
                "schema.from": done.found,
                "schema.to": done.target,
                "seconds": f"{done.seconds:.1f}",
            },
        }
    )
    client.close(timeout=PATIENCE_SECONDS)
