"""Kernels as a boot loader takes them: with a device tree behind, as uImage, as FIT image."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from labq.actions.overlay import uimage
from labq.actions.steps.dictionary import lookup
from labq.actions.steps.loader_values import UIMAGE, kernel_command
from labq.actions.steps.work import Work
from labq.domain.errors import ConfigurationError, InfrastructureError, JobError

_XIP_OFFSET = 64
"""A kernel that runs where it is stored begins behind the header."""


def options_of(work: Work) -> Mapping[str, object]:
    """Return what the dictionary says of deploys."""
    found = lookup(work.session.plan.dictionary, "actions", "deploy", "parameters")
    return found if isinstance(found, Mapping) else {}


def prepare_kernel(work: Work, paths: Mapping[str, Path], kind: str) -> dict[str, Path]:
    """Return the files to serve in place of these or beside them, by label.

    `kind` is the type of the kernel in the job, empty for none.
    """
    methods = lookup(work.session.plan.dictionary, "actions", "boot", "methods")
    known = methods if isinstance(methods, Mapping) else {}
    with work.action("prepare-kernel"):
        if "u-boot" in known and kind:
            return {"kernel": _for_uboot(work, paths, kind)}
        if (
            "depthcharge" in known
            and "u-boot" not in known
            and options_of(work).get("mkimage_arch")
        ):
            return {"fit": _fit(work, paths)}
    return {}


def architecture_of(work: Work) -> str:
    """Return the architecture in headers, as mkimage names it."""
    return str(options_of(work).get("mkimage_arch") or "arm64")


def wrap(path: Path, architecture: str, content: uimage.Content = uimage.RAMDISK) -> None:
    """Put U-Boot's header in front of the file; raises ConfigurationError."""
    try:
        uimage.add_header(path, architecture, content)
    except KeyError as error:
        raise ConfigurationError(f"mkimage_arch {architecture!r} is unknown") from error


def _for_uboot(work: Work, paths: Mapping[str, Path], kind: str) -> Path:
    kernel = paths["kernel"]
    if options_of(work).get("append_dtb"):
        kernel = _with_device_tree(paths)
    command, table = kernel_command(work.session, kind)
    if command != UIMAGE or kind == "uimage":
        return kernel
    load = _load_address(work, table)
    entry = load + (_XIP_OFFSET if options_of(work).get("use_xip") else 0)
    made = _made(paths, "uImage")
    shutil.copyfile(kernel, made)
    wrap(made, architecture_of(work), uimage.kernel(load, entry))
    work.info(f"made a uImage of {kernel.name}: load {load:#x}, entry {entry:#x}")
    return made


def _with_device_tree(paths: Mapping[str, Path]) -> Path:
    if "dtb" not in paths:
        raise JobError("the device appends the device tree to the kernel: the job needs a dtb")
    made = _made(paths, "kernel-dtb")
    shutil.copyfile(paths["kernel"], made)
    with made.open("ab") as out, paths["dtb"].open("rb") as source:
        shutil.copyfileobj(source, out)
    return made


def _load_address(work: Work, table: Mapping[str, object]) -> int:
    text = lookup(work.session.plan.dictionary, "parameters", "text_offset") or table.get("kernel")
    try:
        return int(str(text), 16)
    except ValueError as error:
        raise ConfigurationError(f"parameters.bootm.kernel: {text!r} is no address") from error


def _fit(work: Work, paths: Mapping[str, Path]) -> Path:
    """Put kernel, device tree and ramdisk into one image, by U-Boot's mkimage."""
    made = _made(paths, "image.itb")
    load = lookup(work.session.plan.dictionary, "parameters", "load_address")
    command = ["mkimage", "-D", "-I dts -O dtb -p 2048", "-f", "auto"]
    command += ["-A", architecture_of(work), "-O", "linux", "-T", "kernel", "-C", "none"]
    command += ["-d", str(paths["kernel"]), "-a", str(load or "0")]
    for option, label in (("-b", "dtb"), ("-i", "ramdisk")):
        command += [option, str(paths[label])] if label in paths else []
    with work.action("prepare-fit") as deadline:
        done = work.session.run([*command, str(made)], deadline)
    if done.returncode:
        raise InfrastructureError(f"mkimage failed: {done.output.strip()[-300:]}")
    return made


def _made(paths: Mapping[str, Path], name: str) -> Path:
    """Return where a file that is made of the kernel goes."""
    path = paths["kernel"].parent / "prepared" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return path
