"""Local stand-ins for what jobs of the corpus download, and which jobs have them.

What is rewritten in a job: its URLs and git repositories, its device type, its callback's URL, and
the container of an emulator, which becomes the emulator of this machine.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.benchmarks import standin_images as images
from tests.benchmarks.standin_devices import add_board, add_minimal
from tests.lab import boards
from tests.lab.files import FileServer
from tests.lab.jobs import lava_test
from tests.lab.repositories import Forge
from tests.lab.server import Server

SMOKE = ("lava-test-case linux-posix-pwd --shell pwd", "lava-test-case uname --shell uname -a")
SIGNAL_STEPS = ("lava-test-case version --shell cat /proc/version", 'echo "shard $SHARD_INDEX"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where stand-ins are put: served files, repositories, devices of a running server."""

    files: FileServer
    forge: Forge
    server: Server
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusJob:
    """One job of the corpus: the type of device it gets, what its images and repository become."""

    file: str
    device_type: str
    images: Callable[[Places], Mapping[str, str]]
    repository: Mapping[str, str]
    tag: str = ""
    prepare: Callable[[Places], None] | None = None

    def rewrite(self, text: str, places: Places) -> str:
        """Return the job with everything it needs on this machine."""
        if self.prepare is not None:
            self.prepare(places)
        job = yaml.safe_load(text)
        job["device_type"] = self.device_type
        urls = self.images(places)
        for artifact, label in _artifacts(job):
            artifact["url"] = urls[label]
        for definition in _definitions(job):
            if definition["from"] == "git":
                name = f"{Path(self.file).stem}.git"
                files = {definition["path"]: next(iter(self.repository.values()))}
                definition["repository"] = _repository(places, name, files, self.tag)
        _localize(job, places)
        return yaml.safe_dump(job, sort_keys=False)


def _artifacts(job: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each thing that is downloaded, with its label."""
    for block in _blocks(job, "deploy"):
        labelled = block.get("images", block)
        for label, artifact in labelled.items():
            if isinstance(artifact, dict) and "url" in artifact:
                yield artifact, label


def _definitions(job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for block in _blocks(job, "test"):
        yield from block.get("definitions", [])


def _blocks(job: Mapping[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    for action in job["actions"]:
        if kind in action:
            yield action[kind]


def _localize(job: dict[str, Any], places: Places) -> None:
    for block in _blocks(job, "boot"):
        block.pop("docker", None)
    callback = job.get("notify", {}).get("callback")
    if callback:
        callback["url"] = f"{places.files.url}/callback"


def _repository(places: Places, name: str, files: Mapping[str, str], tag: str) -> str:
    if (places.forge.folder / name).exists():
        return f"{places.forge.url}/{name}"
    return places.forge.add(name, files, tag)


def _test_file(*steps: str) -> Mapping[str, str]:
    return {"test": yaml.safe_dump(lava_test(*steps))}


def _zcu102(places: Places) -> Mapping[str, str]:
    ramdisk = images.ramdisk("arm64", hostname="zcu102-zynqmp")
    return {
        "kernel": places.files.link("zcu102/Image", boards.image("arm64/Image")),
        "modules": places.files.add("zcu102/modules.tgz", _modules()),
        "ramdisk": places.files.add(
            "zcu102/rootfs.cpio.gz.u-boot", images.with_header(ramdisk, images.RAMDISK)
        ),
        "dtb": places.files.add("zcu102/board.dtb", images.device_tree(places.folder)),
    }


def _b2260(places: Places) -> Mapping[str, str]:
    kernel = boards.image("arm64/Image").read_bytes()
    return {
        "kernel": places.files.add("b2260/uImage", images.with_header(kernel, images.KERNEL)),
        "ramdisk": places.files.add(
            "b2260/rootfs.cpio.gz", images.ramdisk("arm64", shell=images.PLAIN_PROMPT)
        ),
        "dtb": places.files.add("b2260/board.dtb", images.device_tree(places.folder)),
    }


def _baseline_x86(places: Places) -> Mapping[str, str]:
    return {
        "kernel": places.files.link("baseline/bzImage", boards.image("x86_64/bzImage")),
        "ramdisk": places.files.add(
            "baseline/x86/rootfs.cpio.gz", images.ramdisk("x86_64", shell=images.PLAIN_PROMPT)
        ),
    }


def _baseline_arm64(places: Places) -> Mapping[str, str]:
    return {
        "kernel": places.files.link("baseline/Image", boards.image("arm64/Image")),
        "ramdisk": places.files.add(
            "baseline/arm64/rootfs.cpio.gz", images.ramdisk("arm64", shell=images.PLAIN_PROMPT)
        ),
    }


def _stm32(places: Places) -> Mapping[str, str]:
    return {
        "dtb": places.files.add("stm32/board.dtb", images.device_tree(places.folder)),
        "modules": places.files.add("stm32/modules.tgz", _modules()),
    }


def _modules() -> bytes:
    """Return an archive as a kernel build leaves it, with one file in it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        content = b"kernel/none.ko:\n"
        member = tarfile.TarInfo("lib/modules/stand-in/modules.dep")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


JOBS = (
    CorpusJob(
        file="lava-tests__zcu102-ramdisk.yaml",
        device_type="qemu-uboot",
        images=_zcu102,
        repository=_test_file(*SMOKE),
    ),
    CorpusJob(
        file="lava-tests__b2260-user-command.yaml",
        device_type="stand-in-b2260",
        images=_b2260,
        repository=_test_file(*SMOKE),
        prepare=lambda places: add_board(places.server),
    ),
    CorpusJob(
        file="kernelci__kci-baseline-x86-baylibre-qemu-x86_64.yaml",
        device_type="qemu",
        images=_baseline_x86,
        repository={},
    ),
    CorpusJob(
        file="kernelci__kci-baseline-arm64-android-qemu-arm64.yaml",
        device_type="qemu",
        images=_baseline_arm64,
        repository={},
    ),
    CorpusJob(
        file="linaro-ltp__stm32mp157c-dk2_kselftest-net.yaml",
        device_type="stand-in-stm32",
        images=_stm32,
        repository=_test_file(*SIGNAL_STEPS),
        tag="tdefinitions-revision",
        prepare=lambda places: add_minimal(places.server, places.folder),
    ),
)
