"""Fastboot on a real bench: Debian's client against the virtual board."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from labq.bench.cores import cgroup_cpus, usable_cores
from labq.bench.slots import own
from labq.benchlink.child import OWNER_NICE
from labq.cli.checks.programs import cache_folder
from labq.config import Settings
from labq.domain.plan import Plan
from labq.runner.step import Outcome, run_step
from labq.supervisor.virtual import loopback_address, with_cached_programs
from tests.integration.bench_lab import until
from tests.integration.step_lab import PROMPT, Ended, Runs, runs_on
from tests.lab.jobs import shell_test

MIB = 1024 * 1024
CAP_SYS_NICE = 23  # Linux: include/uapi/linux/capability.h
MKE2FS = shutil.which("mke2fs", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or "mke2fs"


@pytest.fixture
def runs(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """Return a host that finds the client."""
    path = with_cached_programs(os.environ["PATH"], cache_folder())
    monkeypatch.setenv("PATH", path)
    with runs_on(tmp_path, redis_url, monkeypatch, LABQ_FILE_FOLDERS=str(tmp_path)) as made:
        yield made


def board(runs: Runs, *options: str, **more: object) -> dict[str, Any]:
    """Return keywords for a job on a board of its own with these options."""
    address = loopback_address(runs.lab.folder, runs.last + 1)
    variables = {"fastboot_address": address, "fastboot_board_options": list(options), **more}
    text = "\n".join(f"{{% set {name} = {value!r} %}}" for name, value in variables.items())
    return {"device_type": "fastboot-board", "variables": text}


def image(runs: Runs, name: str, size: int) -> str:
    """Return the URL of an image with bytes that are its own."""
    path = runs.lab.folder / name
    path.write_bytes(random.Random(name).randbytes(size))
    return f"file://{path}"


def deploy(**images: dict[str, object]) -> dict[str, object]:
    """Return a deploy block."""
    return {"deploy": {"to": "fastboot", "images": images, "timeout": {"seconds": 30}}}


def boot(**keys: object) -> dict[str, object]:
    """Return a boot block."""
    block = {"method": "fastboot", "prompts": [PROMPT], "timeout": {"seconds": 30}, **keys}
    return {"boot": block}


def typed(command: str, wanted: str) -> dict[str, object]:
    """Return a test block that types a command and waits for what it has to print."""
    script = [{"command": command, "name": "typed", "successes": [{"message": wanted}]}]
    return {"test": {"interactive": [{"name": "talk", "prompts": [PROMPT], "script": script}]}}


def fails(*, device: dict[str, Any], runs: Runs, seconds: int = 2) -> str:
    """Return why a flash of one small image fails, in an action of so many seconds."""
    block = deploy(boot={"url": image(runs, "boot.img", MIB)})
    block["deploy"]["timeouts"] = {"fastboot-flash-action": {"seconds": seconds}}  # type: ignore[index]  # a mapping
    ended = runs.run([block], **device)
    assert ended.verdicts["lava/fastboot-flash-action"] == "fail"
    assert clients() == []
    return ended.failure


def clients() -> list[int]:
    """Return the processes of this test's own that are fastboot clients at work."""
    own = {one.pid for one in psutil.Process().children(recursive=True)}
    return [pid for pid in living() if pid in own]


def living() -> list[int]:
    """Return all fastboot clients of this machine, those left out that wait for their parent."""
    found = psutil.process_iter(["name", "status"])
    return [
        one.pid
        for one in found
        if one.info["name"] == "fastboot" and one.info["status"] != psutil.STATUS_ZOMBIE
    ]


def digest_of(name: str, size: int) -> str:
    """Return the digest of an image."""
    return hashlib.sha256(random.Random(name).randbytes(size)).hexdigest()


def said(ended: Ended) -> str:
    return "\n".join(str(line) for level in ("info", "debug") for line in ended.log(level))


def test_what_was_flashed_is_what_the_booted_system_finds(runs: Runs) -> None:
    device = board(runs, "--max-download", str(MIB))
    images = {
        "boot": {"url": image(runs, "boot.img", MIB // 2)},
        "rootfs": {"url": image(runs, "rootfs.img", 5 * MIB)},
    }
    check = typed("sha256sum by-name/rootfs | cut -c 1-64", digest_of("rootfs.img", 5 * MIB))
    ended = runs.run([deploy(**images), boot(), check], **device)
    assert ended.failure == ""
    assert ended.verdicts["0_talk/typed"] == "pass"
    assert ended.verdicts["lava/fastboot-flash-action"] == "pass"
    assert ended.verdicts["lava/fastboot-reboot"] == "pass"
    assert "Sending sparse 'rootfs' 1/6" in said(ended)


def test_lava_definitions_run_on_what_was_booted(runs: Runs) -> None:
    test = shell_test("lava-test-case flashed --shell cmp ~/by-name/boot ~/booted")
    device = board(runs)
    images = {"boot": {"url": image(runs, "boot.img", MIB)}}
    ended = runs.run([deploy(**images), boot(), test], **device)
    assert ended.failure == ""
    assert ended.verdicts["0_smoke/flashed"] == "pass"


def test_tests_are_written_into_the_file_system_of_an_image(runs: Runs) -> None:
    root = runs.lab.folder / "root.ext4"
    root.write_bytes(bytes(8 * MIB))
    subprocess.run([MKE2FS, "-q", "-t", "ext4", "-F", root], check=True)
    images = {
        "boot": {"url": image(runs, "boot.img", MIB)},
        "rootfs": {"url": f"file://{root}", "apply-overlay": True},
    }
    device = board(runs, lava_test_results_dir="/lava-%s")
    look = "debugfs -R 'stat /lava-1/bin/lava-test-case' by-name/rootfs | cat"
    check = typed(f"PATH=$PATH:/usr/sbin {look}", "Mode:  0755")
    ended = runs.run(
        [deploy(**images), boot(), check, shell_test("true", timeout={"seconds": 1})], **device
    )
    assert ended.verdicts["0_talk/typed"] == "pass", ended.failure
    assert ended.verdicts["lava/apply-overlay-sparse-image"] == "pass"


def test_an_image_without_a_file_system_takes_no_overlay(runs: Runs) -> None:
    block = deploy(rootfs={"url": image(runs, "noise", MIB), "apply-overlay": True})
    ended = runs.run([block, boot(), shell_test("true")], **board(runs))
    assert ended.failure.startswith("Job: noise holds no ext2, ext3 or ext4 file system: ")


def test_a_device_that_is_silent_after_the_handshake_is_given_up(runs: Runs) -> None:
    device = board(runs, "--hang-at", "getvar")
    failure = fails(runs=runs, device=device)
    assert failure.startswith("Infrastructure: fastboot took too long; its last output: ")


def test_a_device_that_does_not_listen_is_given_up_with_the_clients_last_words(runs: Runs) -> None:
    failure = fails(runs=runs, device=board(runs, "--hang-at", "listen"))
    assert failure.startswith("Infrastructure: fastboot took too long; its last output: ")
    assert "< waiting for tcp:127." in failure


def test_a_link_that_drops_in_the_middle_of_a_flash_is_the_labs_failure(runs: Runs) -> None:
    failure = fails(runs=runs, device=board(runs, "--drop-at", "download"))
    assert failure.startswith("Infrastructure: fastboot ")
    assert "took too long" in failure or "was killed by SIGPIPE" in failure or "ended" in failure
    assert "Sending 'boot'" in failure


def test_a_device_that_stalls_for_longer_than_the_action_lasts_is_given_up(runs: Runs) -> None:
    failure = fails(runs=runs, device=board(runs, "--stall-ms", "60000"))
    assert failure.startswith("Infrastructure: fastboot took too long; its last output: ")
    assert "Sending 'boot'" in failure


def test_a_short_stall_does_no_harm(runs: Runs) -> None:
    block = deploy(boot={"url": image(runs, "boot.img", MIB)})
    assert runs.run([block], **board(runs, "--stall-ms", "300")).failure == ""


@pytest.mark.parametrize(
    ("options", "label", "failure"),
    [
        (
            ("--fail-at", "flash"),
            "boot",
            "Infrastructure: fastboot flash boot {}: the device refused: flash failed",
        ),
        (
            (),
            "nosuch",
            "Job: fastboot flash nosuch {}: the device refused: no such partition: nosuch",
        ),
        (
            ("--partition-bytes", "4096"),
            "boot",
            "Job: fastboot flash boot {}: the device refused: image too large for partition boot",
        ),
    ],
)
def test_what_the_device_refuses_is_told_by_who_must_act(
    runs: Runs, options: tuple[str, ...], label: str, failure: str
) -> None:
    block = deploy(**{label: {"url": image(runs, "x.img", MIB)}})
    ended = runs.run([block], **board(runs, *options))
    folder = runs.lab.folder / "runs" / "1" / "files" / "common"
    assert ended.failure == failure.format(folder / label / "x.img")


def test_a_refused_command_of_the_job_is_its_submitters(runs: Runs) -> None:
    block = deploy(boot={"url": image(runs, "boot.img", MIB)})
    ended = runs.run([block, boot(commands=["getvar nosuch"])], **board(runs))
    assert ended.failure == "Job: fastboot getvar nosuch: the device refused: unknown variable"


def test_slots_reboots_and_commands_do_what_the_job_says(runs: Runs) -> None:
    images = {
        "boot_a": {"url": image(runs, "a.img", MIB), "reboot": "hard-reset"},
        "boot_b": {"url": image(runs, "b.img", MIB), "reboot": "fastboot-reboot-bootloader"},
    }
    device = board(runs, "--slots", flash_cmds_order=["boot_b"])
    check = typed("sha256sum booted | cut -c 1-64", digest_of("b.img", MIB))
    ended = runs.run([deploy(**images), boot(commands=["--set-active=b"]), check], **device)
    assert ended.failure == ""
    log = said(ended)
    assert ended.verdicts["0_talk/typed"] == "pass"
    assert log.index("flash boot_b") < log.index("flash boot_a")
    assert "Rebooting into bootloader" in log


def test_a_device_goes_to_fastboot_by_u_boot(runs: Runs) -> None:
    device = board(runs, "--loader", fastboot_via_uboot=True)
    ended = runs.run([deploy(boot={"url": image(runs, "boot.img", MIB)}), boot()], **device)
    assert ended.failure == ""


def test_an_image_that_is_not_flashed_is_booted_from_memory(runs: Runs) -> None:
    device = board(
        runs, fastboot_sequence=["no-flash-boot"], fastboot_interrupt_prompt="Fastboot mode"
    )
    boots = deploy(boot={"url": image(runs, "boot.img", MIB)})
    check = typed("ls by-name | wc -l; ls -L booted", "0\r?\n.*booted")
    ended = runs.run([boots, boot(), check], **device)
    assert ended.verdicts["0_talk/typed"] == "pass", ended.failure
    assert "Booting" in said(ended)


def flashing(runs: Runs) -> tuple[Plan, subprocess.Popen[bytes]]:
    """Start a run whose deploy never ends, in a worker of its own; return plan and worker."""
    device = board(runs, "--hang-at", "flash")
    made = runs.plan([deploy(boot={"url": image(runs, "boot.img", MIB)})], **device)
    runs.lab.announce(made)
    assert runs.step(made.run, 0) is Outcome.DONE
    return made, runs.spawn_step(made.run, 1)


def hung(runs: Runs, times: int) -> list[int]:
    """Return the clients that have nothing more to say: their boards have hung so often by now."""
    records = runs.lab.folder.glob("runs/*/files/board/sessions")
    if sum(path.read_text().count("hang") for path in records) < times:
        return []
    return clients()


def may_go_first() -> bool:
    """Tell whether this user may put programs before others."""
    status = Path("/proc/self/status").read_text()
    rights = int(next(line for line in status.splitlines() if line.startswith("CapEff"))[7:], 16)
    return bool(rights & 1 << CAP_SYS_NICE)


def affinity(pid: int) -> tuple[int, ...]:
    """Return the CPUs that a process may use, as the kernel says."""
    return tuple(sorted(psutil.Process(pid).cpu_affinity() or ()))


def test_a_killed_worker_leaves_no_client_and_its_core_comes_back(runs: Runs) -> None:
    made, worker = flashing(runs)
    (client,) = until(lambda: hung(runs, 1))
    core = affinity(client)
    assert core in usable_cores()
    assert psutil.Process(client).nice() == (OWNER_NICE if may_go_first() else 0)
    worker.kill()
    worker.wait()
    until(lambda: client not in living())
    again = runs.spawn_step(made.run, 1)
    (second,) = until(lambda: hung(runs, 2))
    assert affinity(second) == core
    again.kill()
    again.wait()
    until(lambda: not clients())


def test_a_cancel_in_the_middle_of_a_flash_ends_the_client(runs: Runs) -> None:
    made, worker = flashing(runs)
    (client,) = until(lambda: hung(runs, 1))
    runs.lab.announce(made, epoch=2, following=made.collect, reason="canceled")
    until(lambda: client not in living())
    assert worker.wait(10) == 0
    collect = run_step(made.run, 2, made.collect, socket=runs.lab.socket)
    assert collect.outcome is Outcome.DONE
    assert collect.session is not None
    collect.session.release()


def test_never_more_clients_than_cores_are_at_work_each_on_its_own(runs: Runs) -> None:
    cores = usable_cores()
    workers = [flashing(runs)[1] for _ in range(len(cores) + 1)]
    found = until(lambda: hung(runs, len(cores)))
    assert sorted(affinity(pid) for pid in found) == sorted(cores)
    report = until(lambda: runs.lab.reports[-1].slots["fastboot"])
    until(lambda: runs.lab.reports[-1].slots["fastboot"].waiting == 1)
    assert (report.limit, len(clients())) == (len(cores), len(cores))
    lost = psutil.Process(found[0]).parent()
    assert lost is not None
    lost.kill()
    until(lambda: found[0] not in clients() and len(clients()) == len(cores))
    for worker in workers:
        worker.kill()
        worker.wait()
    until(lambda: not clients())


def test_the_setting_can_only_lower_the_number_of_push_deploys(tmp_path: Path) -> None:
    cores = len(usable_cores())
    assert own(Settings(state=tmp_path)).fastboot == cores
    assert own(Settings(state=tmp_path, fastboot_slots=1)).fastboot == 1
    assert own(Settings(state=tmp_path, fastboot_slots=1000)).fastboot == cores


@pytest.mark.parametrize(("text", "cpus"), [("150000 100000", 1.5), ("400000 100000", 4.0)])
def test_the_quota_of_a_cgroup_is_read(tmp_path: Path, text: str, cpus: float) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert cgroup_cpus(tmp_path) == cpus
