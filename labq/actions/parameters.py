"""Parts that the parameter models of several methods share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from labq.actions.values import (
    DockerImage,
    Flag,
    Index,
    Integer,
    Level,
    Maybe,
    NonEmpty,
    Prompts,
    Text,
    TextList,
    TextTable,
    is_run,
    labelled,
    refusals,
    refused,
)

IMAGE_FORMATS = ("cpio.newc", "ext4", "tar")
OVERLAY_KEYS = ("format", "overlays", "partition", "sparse", "overlay_backend")

OverlayBackend = Literal["auto", "e2fsprogs", "guestfs"]
"""What writes an overlay into a file system image; both give the same result."""


def _dashed(name: str) -> str:
    return name.replace("_", "-")


class Parameters(BaseModel):
    """Root of all parameter models: frozen. A run ignores unknown keys and takes null for absent."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _has_no_nulls(cls, data: Any, info: ValidationInfo) -> Any:
        if is_run(info) and isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data


Form = TypeVar("Form", bound=Parameters)


def first_of_forms(
    data: dict[object, object],
    handler: Callable[[object], Form],
    left_out: Sequence[Collection[str]],
) -> Form:
    """Return what is valid once one of these groups of keys is left out, as LAVA's lax check does.

    Raises the ValidationError of the first form when all are invalid.
    """
    errors = []
    for names in left_out:
        try:
            return handler({key: data[key] for key in data if key not in names})
        except ValidationError as error:
            errors.append(error)
    raise errors[0]


class DockerLogin(Parameters):
    """How to log in to a registry of images."""

    registry: Text
    user: Text
    password: Text


class DockerOptions(Parameters):
    """What can be said of a container beside its image."""

    local: Flag = False
    container_name: Text = ""
    network_from: Text = ""
    login: Maybe[DockerLogin] = None


class Docker(DockerOptions):
    """A container; `image` names what it is made from."""

    image: DockerImage


class NamedDocker(DockerOptions):
    """A container as deploy `docker` and boot `fvp` write it: `name` names the image."""

    name: DockerImage


def _not_empty_in_runs(value: str, info: ValidationInfo) -> str:
    if not value and is_run(info):
        raise refused("must not be empty")
    return value


class Source(Parameters):
    """One file to fetch."""

    url: Annotated[Text, AfterValidator(_not_empty_in_runs)]
    compression: Literal["bz2", "gz", "xz", "zip", "zstd"] | None = None
    archive: Maybe[Literal["tar"]] = None
    md5sum: Text = ""
    sha256sum: Text = ""
    sha512sum: Text = ""
    headers: TextTable = Field(default_factory=dict)
    use_cache: Flag = True

    def digests(self) -> dict[str, str]:
        """Return the checksums that are asked for, by algorithm, lower case."""
        asked = {"md5": self.md5sum, "sha256": self.sha256sum, "sha512": self.sha512sum}
        return {name: value.strip().lower() for name, value in asked.items() if value}


class Overlay(Source):
    """A file or a tar archive that is written into an image at `path`."""

    format: Literal["file", "tar"]
    path: Text


LAVA_OVERLAY = Overlay.model_construct(url="", format="tar", path="/")
"""What stands for `lava: true` among overlays: the tests of the job."""


def _overlays(value: object, info: ValidationInfo) -> object:
    """Put LAVA_OVERLAY in the place of `lava: true`, leave `lava: false` out."""
    value = labelled(value, info)
    if not isinstance(value, dict) or "lava" not in value:
        return value
    if type(value["lava"]) is not bool:
        raise refusals((("lava",), "must be true or false"))
    others = {label: one for label, one in value.items() if label != "lava"}
    return {"lava": LAVA_OVERLAY, **others} if value["lava"] else others


class Artifact(Source):
    """One file to fetch, with what is written into it before it is used.

    `format` says what the image is, `partition` (from 0) where in a disk image the file system is,
    `sparse` that the image is an Android sparse image.
    """

    plain_keys: ClassVar[frozenset[str]] = frozenset()
    """Those of OVERLAY_KEYS that mean something without overlays, too."""
    plain_formats: ClassVar[tuple[str, ...]] = ()
    """The values that `format` may have without overlays."""

    format: Text = ""
    overlays: Annotated[dict[str, Overlay], BeforeValidator(_overlays)] = Field(
        default_factory=dict
    )
    partition: Maybe[Integer] = None
    sparse: Flag = False
    overlay_backend: Maybe[OverlayBackend] = None

    @property
    def takes_lava_overlay(self) -> bool:
        """Return whether the tests of the job are among the overlays."""
        return "lava" in self.overlays

    @model_validator(mode="before")
    @classmethod
    def _has_one_form(cls, data: Any, info: ValidationInfo) -> Any:
        """Judge the keys of overlays as LAVA does, where they are of use and where they are not."""
        if is_run(info) or not isinstance(data, dict):
            return data
        if info.context is Level.LAX and cls._is_plain(data):
            return {key: data[key] for key in data if key not in OVERLAY_KEYS or cls._keeps(key)}
        errors = cls._overlay_errors(data) if "overlays" in data else cls._plain_errors(data)
        if errors:
            raise refusals(*errors)
        return data

    @classmethod
    def _keeps(cls, key: str) -> bool:
        return key in cls.plain_keys

    @classmethod
    def _is_plain(cls, data: dict[object, object]) -> bool:
        return not (cls._keeps("format") and "format" in data) or (
            data["format"] in cls.plain_formats
        )

    @classmethod
    def _plain_errors(cls, data: dict[object, object]) -> list[tuple[tuple[str, ...], str]]:
        errors: list[tuple[tuple[str, ...], str]] = [
            ((key,), "only of use together with 'overlays'")
            for key in OVERLAY_KEYS
            if key in data and not cls._keeps(key)
        ]
        if not cls._is_plain(data):
            known = ", ".join(cls.plain_formats)
            errors.append((("format",), f"must be {known}, or 'overlays' must say what it is for"))
        return errors

    @classmethod
    def _overlay_errors(cls, data: dict[object, object]) -> list[tuple[tuple[str, ...], str]]:
        known = ", ".join(IMAGE_FORMATS)
        if "format" not in data:
            return [] if cls._keeps("format") else [((), f"'overlays' needs 'format': {known}")]
        if data["format"] not in IMAGE_FORMATS:
            return [(("format",), f"with 'overlays' it must be one of: {known}")]
        return []


Image = TypeVar("Image", bound=Artifact)


def _not_empty(value: dict[str, Image]) -> dict[str, Image]:
    if not value:
        raise refused("needs at least one image")
    return value


Images = Annotated[dict[str, Image], BeforeValidator(labelled), AfterValidator(_not_empty)]
"""Artifacts by label, at least one."""


class DiskImage(Artifact):
    """An image of a disk; `root_partition` (from 0) is where the root file system is."""

    root_partition: Maybe[Index] = None


def _kernel_type(
    value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
) -> object:
    known = get_args(KernelKind)
    return None if is_run(info) and value not in known else handler(value)


KernelKind = Literal["image", "uimage", "zimage"]


class Kernel(Artifact):
    """The kernel; `type` picks the boot command: booti, bootm or bootz.

    A run takes an unknown type for none: boot loaders that need no such command are told others.
    """

    type: Annotated[KernelKind | None, WrapValidator(_kernel_type)] = None


class DeployParameters(Parameters):
    """What every deploy method understands."""

    os: Text = ""
    authorize: Maybe[Literal["ssh"]] = None
    overlay_backend: Maybe[OverlayBackend] = None


class AutoLogin(Parameters):
    """How to log in on the console."""

    login_prompt: NonEmpty
    username: Text
    password_prompt: Text = ""
    password: Text = ""
    login_commands: list[Text] = Field(default_factory=list)
    ignore_kernel_messages: Flag = False

    @model_validator(mode="before")
    @classmethod
    def _has_one_form(cls, data: Any, info: ValidationInfo) -> Any:
        """Judge the keys of the password as LAVA does: with it and without are two forms."""
        if is_run(info) or not isinstance(data, dict):
            return data
        secret = ("password_prompt", "password", "ignore_kernel_messages")
        commands = data.get("login_commands")
        has_empty = isinstance(commands, list) and "" in commands
        if info.context is Level.LAX and not has_empty:
            return {key: data[key] for key in data if key not in secret}
        with_password = has_empty or any(key in data for key in secret)
        missing = [key for key in secret[:2] if key not in data] if with_password else []
        if missing:
            why = "commands that are empty" if has_empty else "the others"
            raise refusals(*(((key,), f"is missing beside {why}") for key in missing))
        return data


class TransferOverlay(Parameters):
    """How the booted device fetches its overlay."""

    download_command: Text = ""
    unpack_command: Text
    transfer_method: Literal["http", "nfs", "zmodem"] = "http"

    @model_validator(mode="after")
    def _has_download(self) -> TransferOverlay:
        if self.transfer_method != "zmodem" and "download_command" not in self.model_fields_set:
            raise refused("needs the key 'download_command'")
        return self


def _message(value: object, info: ValidationInfo) -> object:
    return "" if value is False and is_run(info) else value


Message = Annotated[Text, BeforeValidator(_message)]


class BootMessages(Parameters):
    """Messages that mark the phases of a boot; empty kernel message: do not wait for one."""

    model_config = ConfigDict(alias_generator=_dashed)

    kernel_start_message: Maybe[Message] = None
    bootloader_final_message: Maybe[Message] = None
    shutdown_message: Maybe[Message] = None


class BootKeys(Parameters):
    """What every boot method understands."""

    soft_reboot: TextList = Field(default_factory=list)
    ignore_kernel_messages: Flag = False
    failure_message: Text = ""


class BootBlock(BootKeys):
    """A boot whose phases have messages."""

    parameters: BootMessages = Field(default_factory=BootMessages)


class PromptBoot(BootBlock):
    """A boot that ends at one of `prompts`."""

    prompts: Prompts = Field(default_factory=list)


class LoginBoot(PromptBoot):
    """A boot that ends with a login."""

    auto_login: Maybe[AutoLogin] = None


class BootParameters(LoginBoot):
    """A boot after which the device can fetch its overlay itself."""

    transfer_overlay: Maybe[TransferOverlay] = None
