"""Jobs for the virtual boards with real kernels, and the images that they boot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.lab.files import FileServer
from tests.lab.jobs import Block, boot, definition, deploy

PROMPT = r"root@labq:\S*#"
LOGIN = {"login_prompt": "login:", "username": "root"}
APPEND = "console=ttyS0 panic=5 quiet tsc=reliable mitigations=off nokaslr"


def image(name: str) -> Path:
    """Return an image that `make setup` has built."""
    base = os.environ.get("XDG_CACHE_HOME")
    cache = Path(base) if base else Path.home() / ".cache"
    path = cache / "labq" / "images" / name
    assert path.exists(), f"{path} is missing: run `make setup`"
    return path


def serve_x86(files: FileServer) -> tuple[str, str]:
    """Return the URLs of kernel and ramdisk for the x86 board."""
    return _serve(files, "x86_64/vmlinux", "x86_64/rootfs.cpio.gz")


def serve_arm(files: FileServer) -> tuple[str, str]:
    """Return the URLs of kernel and ramdisk for the arm64 board."""
    return _serve(files, "arm64/Image", "arm64/rootfs.cpio.gz")


def serve_uml(files: FileServer) -> tuple[str]:
    """Return the URL of the ramdisk for user-mode Linux."""
    return (files.link("uml/rootfs.cpio.gz", image("uml/rootfs.cpio.gz")),)


def _serve(files: FileServer, kernel: str, ramdisk: str) -> tuple[str, str]:
    return files.link(kernel, image(kernel)), files.link(ramdisk, image(ramdisk))


def x86_job(urls: tuple[str, str], *tests: Block, **keys: Any) -> str:
    """Return a job that boots the x86 board to a login and runs tests."""
    return definition("qemu", x86_deploy(urls), qemu_boot(), *tests, **x86_context(keys))


def x86_context(keys: dict[str, Any]) -> dict[str, Any]:
    """Return top-level keys with the context of the x86 board."""
    return {"context": {"arch": "amd64"}, **keys}


def x86_deploy(urls: tuple[str, str]) -> Block:
    """Return the deploy block of the x86 board."""
    kernel, ramdisk = urls
    images = {
        "kernel": {"url": kernel, "image_arg": f"-kernel {{kernel}} -append '{APPEND}'"},
        "ramdisk": {"url": ramdisk, "image_arg": "-initrd {ramdisk}"},
    }
    return deploy("tmpfs", images=images)


def qemu_boot(**keys: Any) -> Block:
    """Return the boot block of an emulator that starts the kernel itself."""
    silent = {"kernel-start-message": ""}
    return boot(
        "qemu", media="tmpfs", prompts=[PROMPT], auto_login=LOGIN, parameters=silent, **keys
    )


def arm_job(urls: tuple[str, str], *tests: Block, **keys: Any) -> str:
    """Return a job that boots the arm64 board by U-Boot and TFTP and runs tests."""
    kernel, ramdisk = urls
    return definition(
        "qemu-uboot",
        deploy(
            "tftp",
            kernel={"url": kernel, "type": "image"},
            ramdisk={"url": ramdisk, "compression": "gz"},
        ),
        boot("u-boot", commands="ramdisk", prompts=[PROMPT], auto_login=LOGIN),
        *tests,
        **keys,
    )


def uml_job(urls: tuple[str], *tests: Block, **keys: Any) -> str:
    """Return a job that boots user-mode Linux and runs tests."""
    return definition(
        "uml",
        deploy("tmpfs", images={"ramdisk": {"url": urls[0]}}),
        boot("minimal", prompts=[PROMPT], auto_login=LOGIN),
        *tests,
        **keys,
    )
