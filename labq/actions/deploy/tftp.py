"""Deploy `tftp`: put kernel, device tree and ramdisk where the boot loader fetches them by TFTP."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from labq.actions.method import Method
from labq.actions.overlay.entries import Entry, text
from labq.actions.parameters import Artifact, DeployParameters, Kernel, Parameters
from labq.actions.steps.bring import bring_overlay, with_overlay
from labq.actions.steps.cache import place
from labq.actions.steps.download import Download
from labq.actions.steps.images import FETCHED, fetch_all, images, remember_images
from labq.actions.steps.kernel_image import architecture_of, options_of, prepare_kernel, wrap
from labq.actions.steps.loader_values import EXTRA_FILES, KERNEL_TYPE, NFS, PRESEED_LOCAL
from labq.actions.steps.modules import modules_entries
from labq.actions.steps.preseed import IN_RAMDISK, prepared
from labq.actions.steps.tftp_folder import clean, tftp_folder
from labq.actions.steps.work import Work, namespaced
from labq.actions.values import Flag, Maybe, Text, refused, textual_keys
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")


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
            "preseed": self.preseed,
        }
        found: dict[str, Artifact] = {label: one for label, one in named.items() if one}
        found |= {f"dtbo{number}": one for number, one in enumerate(self.dtbo)}
        return found | {_extra(name): one for name, one in self.extra_files.items()}


def _extra(name: str) -> str:
    return f"{EXTRA_FILES}/{name}"


def check(parameters: TftpParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Name what labq does not drive, and names of files that lead elsewhere."""
    return [*_odd_names(parameters), *_odd_roots(parameters)]


def _odd_names(parameters: TftpParameters) -> Iterator[Problem]:
    for name in parameters.extra_files:
        if not _FILE_NAME.fullmatch(name):
            yield Problem(path=EXTRA_FILES, message=f"{name!r} is no name of a file")


def _odd_roots(parameters: TftpParameters) -> Iterator[Problem]:
    if parameters.nfsrootfs is not None:
        yield Problem(path="nfsrootfs", message="not supported by this labq")
    root = parameters.persistent_nfs
    if root is not None and not all(root.address.partition(":")[::2]):
        yield Problem(path="persistent_nfs.address", message="must be host:path")
    if root is not None and root.install_overlay:
        yield Problem(path="persistent_nfs", message="only without install_overlay in this labq")


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
    """Prepare ramdisk and kernel for the boot loader, and put all below the TFTP folder."""
    work = Work(session)
    with work.block("tftp-deploy", opens=False):
        overlay = bring_overlay(work, fetch=False)
        paths = images(session, FETCHED)
        if parameters.ramdisk is not None:
            entries = _entries(work, parameters, paths, overlay)
            paths["ramdisk"] = _ramdisk(work, parameters.ramdisk, paths["ramdisk"], entries)
        if "preseed" in paths:
            paths["preseed"] = prepared(paths["preseed"], parameters.os)
        kind = parameters.kernel.type or ""
        paths |= prepare_kernel(work, paths, kind)
        with work.action("prepare-tftp-overlay"):
            root, served = _serve(session, paths)
        _remember(session, parameters, root, served)


def _entries(
    work: Work, parameters: TftpParameters, paths: Mapping[str, Path], overlay: list[Entry]
) -> list[Entry]:
    """Return what is added to the ramdisk: modules, answers for an installer, the overlay."""
    ramdisk, found = parameters.ramdisk, list[Entry]()
    if ramdisk is None:
        return found
    if "modules" in paths and ramdisk.install_modules:
        with work.action("extract-modules"):
            found += modules_entries(paths["modules"])
    name = IN_RAMDISK.get(parameters.os)
    if name and "preseed" in paths:
        found.append(text(f"/{name}", paths["preseed"].read_text(errors="replace")))
        work.session.remember(namespaced(work.session, PRESEED_LOCAL), name)
    return found + (overlay if ramdisk.install_overlay else [])


def _ramdisk(work: Work, ramdisk: TftpRamdisk, path: Path, entries: list[Entry]) -> Path:
    """Return the ramdisk to serve: a copy with the entries, and with U-Boot's header if need be.

    One that neither overlay nor modules may go into stays as it is.
    """
    wraps = options_of(work).get("add_header") == "u-boot"
    stays = not ramdisk.install_overlay and not ramdisk.install_modules
    if stays or not (entries or wraps or ramdisk.header):
        return path
    made = with_overlay(work, entries, path)
    if wraps:
        wrap(made, architecture_of(work))
    return made


def _serve(session: Session, paths: Mapping[str, Path]) -> tuple[Path, dict[str, Path]]:
    """Put the files below the device's TFTP folder as `<job>/tftp-deploy-<random>/<label>/<file>`.

    Boards share the server of their host: the random part keeps each to the files of its own run.
    """
    clean(session.plan.device)
    root = tftp_folder(session.plan.device) / str(session.plan.job)
    root /= f"tftp-deploy-{secrets.token_hex(4)}"
    served = {}
    for label, path in paths.items():
        served[label] = root / ("kernel" if label == "fit" else label) / path.name
        place(path, served[label], writable=False)
    return root, served


def _remember(
    session: Session, parameters: TftpParameters, root: Path, served: Mapping[str, Path]
) -> None:
    """Remember for the boot what there is and where."""
    named = {label: str(path) for label, path in served.items() if "/" not in label}
    remember_images(session, named)
    session.remember(namespaced(session, KERNEL_TYPE), parameters.kernel.type or "")
    if parameters.extra_files:
        session.remember(namespaced(session, EXTRA_FILES), str(root / EXTRA_FILES))
    if parameters.persistent_nfs is not None:
        address, _, path = parameters.persistent_nfs.address.partition(":")
        session.remember(namespaced(session, NFS), {"address": address, "path": path})


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
