"""Settings from the environment, checked once; all problems are listed together."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from labq.domain.errors import ConfigurationError, InvalidInputError
from labq.domain.mail_server import MailServer, read_addresses, read_server
from labq.domain.outbound import Rules, read_rules
from labq.domain.presets import Preset
from labq.domain.timeout_scale import check_scales, parse_scales
from labq.domain.windows import parse_windows

PREFIX = "LABQ_"
HOST_SETTINGS = ("host", "redis_url", "server_url", "credential")
"""What stands in the file that `labq host join` writes."""


def default_state() -> Path:
    """Return the state folder of this user: `$XDG_STATE_HOME/labq` or below the home folder."""
    base = os.environ.get("XDG_STATE_HOME")
    return Path(base) / "labq" if base else Path.home() / ".local" / "state" / "labq"


class Settings(BaseModel):
    """One field for each `LABQ_<NAME>`; lists are separated by colons or commas."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: Path = Field(default_factory=default_state)
    database_url: str = ""
    database_web_url: str = ""
    database_conductor_url: str = ""
    database_report_url: str = ""
    database_replica_url: str = ""
    database_replica_lag: float = Field(default=5.0, gt=0)
    cache: bool = True
    anonymous_rate: float = Field(default=50.0, ge=0)
    token_rate: float = Field(default=200.0, ge=0)
    ops: bool = True
    slow_request_ms: float = Field(default=500.0, gt=0)
    slow_transaction_ms: float = Field(default=1000.0, gt=0)
    slow_statement_ms: float = Field(default=100.0, gt=0)
    request_limit_seconds: float = Field(default=20.0, gt=0)
    redis_url: str = ""
    web_host: str = "127.0.0.1"
    web_port: int = 8480
    share_port: bool = False
    trusted_proxy: str = ""
    stream_port: int = 8481
    stream_url: str = ""
    event_port: int = Field(default=5500, ge=0, le=65535)
    event_topic: str = "org.lavasoftware"
    event_all: bool = False
    callback_allow: str = ""
    smtp_url: str = ""
    mail_from: str = ""
    mail_admins: str = ""
    secret_key: str = ""
    former_secret_keys: str = ""
    host: str = "local"
    host_address: str = "127.0.0.1"
    host_folder: Path | None = None
    host_file: Path | None = None
    public_url: str = ""
    redis_public_url: str = ""
    redis_ca: Path | None = None
    hosts_address: str = ""
    server_url: str = ""
    credential: str = ""
    host_lost_after: float = Field(default=1800.0, gt=0)
    lock_folder: Path | None = None
    lock_wait: float = Field(default=30.0, ge=0)
    device_types_path: str = ""
    context_variables: str = ""
    file_folders: str = ""
    tftp: str = ""
    tftp_folder: Path | None = None
    cache_bytes: int = 20 * 1024**3
    journal_bytes: int = 1024**3
    host_bytes: int = 0
    host_stop_seconds: float = 3.5
    run_memory_bytes: int = 0
    memory_reserve_bytes: int = 128 * 1024**2
    host_reserve_bytes: int = 256 * 1024**2
    log_bytes: int = 2 * 1024**3
    artifact_bytes: int = 1024**3
    run_artifact_bytes: int = 4 * 1024**3
    artifact_days: float = 7.0
    archive_url: str = ""
    archive_options: str = ""
    retention_windows: str = ""
    http_proxy: str = ""
    http_url_format: str = ""
    preset: Preset = Preset.BASELINE
    timeout_scale: str = ""
    boot_slots: int = 0
    deploy_slots: int = 0
    download_slots: int = 0
    fastboot_slots: int = 0
    worker_stuck_seconds: float = 30.0
    statsd_host: str = ""
    statsd_port: int = 8125
    sentry_dsn: str = ""
    sentry_environment: str = "production"
    log_level: str = "INFO"

    @field_validator("database_web_url", "database_conductor_url", "database_report_url")
    @classmethod
    def _check_database(cls, url: str) -> str:
        if url and not url.startswith(("postgresql://", "postgres://")):
            message = "not the URL of a PostgreSQL: postgresql://USER:PASSWORD@HOST/DATABASE"
            raise ValueError(message)
        return url

    @field_validator("timeout_scale")
    @classmethod
    def _check_timeout_scale(cls, text: str) -> str:
        try:
            check_scales(parse_scales(text, "timeout_scale"), "timeout_scale")
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        return text

    @property
    def sealing_keys(self) -> tuple[str, ...]:
        """Return the keys that stored secrets are under, the one for new ones first."""
        former = (key for key in self.former_secret_keys.split(",") if key)
        return (self.secret_key, *former) if self.secret_key else ()

    @property
    def web_database(self) -> str:
        """Return where web and stream connect: as a role of their own, else as all do."""
        return self.database_web_url or self.database_url

    @property
    def conductor_database(self) -> str:
        """Return where the conductor and the core workers connect."""
        return self.database_conductor_url or self.database_url

    @property
    def report_database(self) -> str:
        """Return where reports are read, by a role that can change nothing where there is one."""
        return self.database_report_url or self.web_database

    @field_validator("retention_windows")
    @classmethod
    def _check_retention_windows(cls, text: str) -> str:
        try:
            parse_windows(text)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return text

    @field_validator("smtp_url", "mail_from", "mail_admins", "callback_allow")
    @classmethod
    def _check_notifications(cls, text: str, info: ValidationInfo) -> str:
        try:
            if info.field_name == "smtp_url":
                read_server(text)
            elif info.field_name == "callback_allow":
                read_rules(text)
            else:
                read_addresses(text)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return text

    @property
    def site_url(self) -> str:
        """Return where people find this server, for links in mails."""
        own = f"http://{self.web_host}:{self.web_port}"
        return self.public_url.rstrip("/") or own

    @property
    def mail_server(self) -> MailServer | None:
        """Return where mail is given to be sent, None where no mail is sent."""
        return read_server(self.smtp_url, self.mail_from)

    @property
    def admin_addresses(self) -> tuple[str, ...]:
        """Return who is told what falls out of the lab; empty: all admins who have an address."""
        return read_addresses(self.mail_admins)

    @property
    def callback_rules(self) -> Rules:
        """Return where callbacks may go."""
        return read_rules(self.callback_allow)

    @property
    def bench_socket(self) -> Path:
        """Return where the host's bench listens."""
        return self.bench_folder / "bench.sock"

    @property
    def bench_folder(self) -> Path:
        """Return the folder of the host's runs, sockets and locks."""
        return self.host_folder or self.state / "hosts" / self.host

    @property
    def stream_socket(self) -> Path:
        """Return where the stream process takes connections from webs of the same machine."""
        return self.state / f"stream-{socket.gethostname()}-{self.stream_port}.sock"

    @property
    def device_type_folders(self) -> tuple[Path, ...]:
        """Return the site's folders of device-type templates, the first one wins."""
        return tuple(Path(part) for part in self.device_types_path.split(":") if part)

    @property
    def site_context_variables(self) -> frozenset[str]:
        """Return the names that a job's context may have beside LAVA's."""
        return frozenset(re.split(r"[\s,:]+", self.context_variables)) - {""}

    @property
    def site_timeout_scales(self) -> Mapping[str, float]:
        """Return the factors for timeouts on hosts that have none of their own."""
        return parse_scales(self.timeout_scale, f"{PREFIX}TIMEOUT_SCALE")

    @property
    def blobs(self) -> Path:
        """Return the folder of logs and artifacts on the server."""
        return self.state / "blobs"


def require(settings: Settings, *names: str) -> None:
    """Raise ConfigurationError naming every setting that is empty and must not be."""
    missing = [f"{PREFIX}{name.upper()}" for name in names if not getattr(settings, name)]
    if missing:
        raise ConfigurationError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"
        )


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of this process; raises ConfigurationError naming every bad variable."""
    source = os.environ if environment is None else environment
    values = {
        key[len(PREFIX) :].lower(): value
        for key, value in source.items()
        if key.startswith(PREFIX) and value
    }
    if file := values.get("host_file"):
        values |= _read_host_file(Path(file))
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(
            f"{PREFIX}{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
            for item in error.errors()
        )
        raise ConfigurationError(problems) from error


def _read_host_file(path: Path) -> dict[str, str]:
    """Return the settings that a host got when it joined; they go before the environment."""
    try:
        found = json.loads(path.read_text())
        values = {name: str(found[name]) for name in HOST_SETTINGS}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigurationError(f"{path} cannot be read as a host's file: {error}") from error
    authority = path.with_name("ca.pem")
    if values["redis_url"].startswith("rediss:") and authority.exists():
        values["redis_url"] += f"?ssl_ca_certs={quote(str(authority))}"
    return values
