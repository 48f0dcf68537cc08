"""Deploy `tftp`: put kernel, device tree and ramdisk where the boot loader fetches them by TFTP."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from labq.actions.method import Method
from labq.actions.overlay.entries import Entry
from labq.actions.overlay.uimage import add_header
from labq.actions.parameters import Artifact, DeployParameters, Kernel, Parameters
from labq.actions.steps.bring import bring_overlay, with_overlay
from labq.actions.steps.cache import place
from labq.actions.steps.dictionary import lookup
from labq.actions.steps.download import Download
from labq.actions.steps.images import FETCHED, fetch_all, images, remember_images
from labq.actions.steps.modules import modules_entries
from labq.actions.steps.tftp_folder import clean, tftp_folder
from labq.actions.steps.work import Work
from labq.actions.values import Flag, Maybe, Text, refused, textual_keys
from labq.domain.errors import ConfigurationError, Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class TftpRamdisk(Artifact):
    """The ramdisk; the test overlay is appended unless `install_overlay` is off."""

    install_overlay: Flag = True
    install_modules: Flag = True
    header: Maybe[Literal["u-boot"]] = None


class NfsRoot(Artifact):
    """A root file system that is unpacked and exported; `prefix` is its place in the archive."""

    install_overlay: Flag = True
    install_modules: Flag = True
    prefix: Text = ""


class PersistentNfs(Parameters):
    """A root file system that is exported already: `address` is `host:path`."""

    address: Text
    install_overlay: Flag = True


class TftpParameters(DeployParameters):
    """The block of `to: tftp`."""

    kernel: Kernel
    ramdisk: Maybe[TftpRamdisk] = None
    dtb: Maybe[Artifact] = None
    dtbo: list[Artifact] = Field(default_factory=list)
    tee: Maybe[Artifact] = None
    modules: Maybe[Artifact] = None
    extra_files: Annotated[dict[str, Artifact], BeforeValidator(textual_keys)] = Field(
        default_factory=dict
    )
    nfsrootfs: Maybe[NfsRoot] = None
    persistent_nfs: Maybe[PersistentNfs] = None
    preseed: Maybe[Artifact] = None

    @model_validator(mode="after")
    def _has_one_root(self) -> TftpParameters:
        if self.nfsrootfs is not None and self.persistent_nfs is not None:
            raise refused("only one of nfsrootfs, persistent_nfs may stand here")
        return self

    def files(self) -> dict[str, Artifact]:
        """Return what is fetched, by label; overlays of the device tree are `dtbo0`, `dtbo1`, ..."""
        named = {
            "kernel": self.kernel,
            "ramdisk": self.ramdisk,
            "dtb": self.dtb,
            "tee": self.tee,
            "modules": self.modules,
        }
        found: dict[str, Artifact] = {label: one for label, one in named.items() if one}
        found |= {f"dtbo{number}": one for number, one in enumerate(self.dtbo)}
        return found | self.extra_files


def check(parameters: TftpParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Name the parts of LAVA's method that labq does not drive."""
    return [
        Problem(path=key, message="not supported by this labq")
        for key in ("nfsrootfs", "persistent_nfs", "preseed")
        if getattr(parameters, key) is not None
    ]


def fetch(session: Session, parameters: TftpParameters) -> None:
    """Fetch all files into the run's folder."""
    work = Work(session)
    folder = session.folder / session.step.namespace
    with work.block("tftp-deploy", closes=False):
        fetch_all(
            work,
            {
                label: Download(
                    artifact=artifact, folder=folder / label, keep_packed=label == "ramdisk"
                )
                for label, artifact in parameters.files().items()
            },
        )


def run(session: Session, parameters: TftpParameters) -> None:
    """Append overlay and modules to the ramdisk, and put the files below the TFTP folder."""
    work = Work(session)
    with work.block("tftp-deploy", opens=False):
        entries = bring_overlay(work, fetch=False)
        paths = images(session, FETCHED)
        if parameters.ramdisk is not None:
            if not parameters.ramdisk.install_overlay:
                entries = []
            if parameters.modules is not None and parameters.ramdisk.install_modules:
                entries = [*modules_entries(paths["modules"]), *entries]
            paths["ramdisk"] = _ramdisk(work, parameters.ramdisk, paths["ramdisk"], entries)
        with work.action("prepare-tftp-overlay"):
            served = _serve(session, paths)
        remember_images(session, {label: str(path) for label, path in served.items()})


def _ramdisk(work: Work, ramdisk: TftpRamdisk, path: Path, entries: Sequence[Entry]) -> Path:
    """Return the ramdisk to serve: a copy with the entries, and with U-Boot's header if need be."""
    options = lookup(work.session.plan.dictionary, "actions", "deploy", "parameters")
    wraps = lookup(options, "add_header") == "u-boot" if isinstance(options, Mapping) else False
    if not entries and not (wraps and ramdisk.header is None):
        return path
    made = with_overlay(work, entries, path)
    if wraps and isinstance(options, Mapping):
        architecture = str(options.get("mkimage_arch") or "arm64")
        try:
            add_header(made, architecture)
        except KeyError as error:
            raise ConfigurationError(f"mkimage_arch {architecture!r} is unknown") from error
    return made


def _serve(session: Session, paths: Mapping[str, Path]) -> dict[str, Path]:
    """Put the files below the device's TFTP folder as `<job>/tftp-deploy-<random>/<label>/<file>`.

    Boards share the server of their host: the random part keeps each to the files of its own run.
    """
    clean(session.plan.device)
    root = tftp_folder(session.plan.device) / str(session.plan.job)
    root /= f"tftp-deploy-{secrets.token_hex(4)}"
    served = {}
    for label, path in paths.items():
        served[label] = root / label / path.name
        place(path, served[label], writable=False)
    return served


METHOD = Method(
    name="tftp",
    action="tftp-deploy",
    parameters=TftpParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
    run=run,
    download=fetch,
    check=check,
)
