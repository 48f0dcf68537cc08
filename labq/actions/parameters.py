"""Parts that the parameter models of several methods share. Unknown keys pass."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


StringList = Annotated[list[str], BeforeValidator(_as_list)]


def _dashed(name: str) -> str:
    return name.replace("_", "-")


class Parameters(BaseModel):
    """Root of all parameter models: frozen, and unknown keys are ignored as LAVA does."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Artifact(Parameters):
    """One file to fetch."""

    url: str = Field(min_length=1)
    compression: Literal["bz2", "gz", "xz", "zip", "zstd"] | None = None
    archive: Literal["tar"] | None = None
    md5sum: str = ""
    sha256sum: str = ""
    sha512sum: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    use_cache: bool = True

    def digests(self) -> dict[str, str]:
        """Return the checksums that are asked for, by algorithm, lower case."""
        asked = {"md5": self.md5sum, "sha256": self.sha256sum, "sha512": self.sha512sum}
        return {name: value.strip().lower() for name, value in asked.items() if value}


class AutoLogin(Parameters):
    """How to log in on the console."""

    login_prompt: str = Field(min_length=1)
    username: str = ""
    password_prompt: str = ""
    password: str = ""
    login_commands: list[str] = Field(default_factory=list)


class TransferOverlay(Parameters):
    """How the booted device fetches its overlay."""

    download_command: str = ""
    unpack_command: str = Field(min_length=1)
    transfer_method: Literal["http", "nfs", "zmodem"] = "http"


class BootMessages(Parameters):
    """Messages that mark the phases of a boot; empty kernel message: do not wait for one."""

    model_config = ConfigDict(alias_generator=_dashed)

    kernel_start_message: str | None = None
    bootloader_final_message: str | None = None
    shutdown_message: str | None = None


class BootParameters(Parameters):
    """What every boot method understands."""

    prompts: StringList = Field(default_factory=list)
    auto_login: AutoLogin | None = None
    transfer_overlay: TransferOverlay | None = None
    parameters: BootMessages = Field(default_factory=BootMessages)
    soft_reboot: StringList = Field(default_factory=list)
    ignore_kernel_messages: bool = False
    failure_message: str = ""
