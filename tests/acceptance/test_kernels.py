"""Real kernels: user-mode Linux, QEMU, and U-Boot with TFTP, each from its images to results."""

from __future__ import annotations

from tests.acceptance.conftest import Lab
from tests.acceptance.outcomes import case, complete, incomplete, verdicts
from tests.lab import boards
from tests.lab.client import Client
from tests.lab.jobs import definition, deploy, inline, interactive, say, shell_test

BOOT_SECONDS = 240
KERNEL = "lava-test-case kernel --shell uname -r"


def test_user_mode_linux_runs_definitions(client: Client, lab: Lab) -> None:
    steps = (
        "lava-test-case version --shell grep -q Linux /proc/version",
        "lava-test-case boot-time --result pass --measurement 1.25 --units seconds",
        "lava-test-set start files",
        "lava-test-case root --shell ls /",
        "lava-test-set stop",
        "lava-test-reference bug --result fail --reference http://localhost/bug/1",
    )
    urls = boards.serve_uml(lab.files)
    job = client.run(boards.uml_job(urls, shell_test(*steps)), BOOT_SECONDS)
    complete(client, job)
    assert verdicts(client, job, "0_smoke") == {
        "version": "pass",
        "boot-time": "pass",
        "root": "pass",
        "bug": "fail",
    }
    assert case(client, job, "0_smoke", "root")["set"] == "files"
    assert verdicts(client, job, "lava")["auto-login-action"] == "pass"
    assert verdicts(client, job, "lava")["kernel-messages"] == "pass"


def test_a_test_on_user_mode_linux_can_end_the_job(client: Client, lab: Lab) -> None:
    urls = boards.serve_uml(lab.files)
    job = client.run(boards.uml_job(urls, shell_test("lava-test-raise stop-here")), BOOT_SECONDS)
    assert "stop-here" in incomplete(client, job, "Test")


def test_qemu_boots_and_reports_through_the_kernels_log(client: Client, lab: Lab) -> None:
    urls = boards.serve_x86(lab.files)
    item = {**inline(KERNEL), "lava-signal": "kmsg"}
    job = client.run(boards.x86_job(urls, {"test": {"definitions": [item]}}), BOOT_SECONDS)
    complete(client, job)
    assert verdicts(client, job, "0_smoke") == {"kernel": "pass"}


def test_qemu_fetches_its_overlay_over_http(client: Client, lab: Lab) -> None:
    urls = boards.serve_x86(lab.files)
    images = boards.x86_deploy(urls)["deploy"]["images"]
    # A ramdisk under a label that labq does not know as one gets no overlay.
    renamed = {"kernel": images["kernel"], "disk": {**images["ramdisk"]}}
    renamed["disk"]["image_arg"] = "-initrd {disk}"
    boot = boards.qemu_boot(
        transfer_overlay={
            "download_command": "cd /tmp; sleep 1; wget",
            "unpack_command": "tar -C / -xzf",
        }
    )
    text = definition(
        "qemu",
        deploy("tmpfs", images=renamed),
        boot,
        shell_test(KERNEL),
        context={"arch": "amd64"},
    )
    job = complete(client, client.run(text, BOOT_SECONDS))
    assert verdicts(client, job, "0_smoke") == {"kernel": "pass"}


def test_a_board_boots_by_u_boot_and_tftp(client: Client, lab: Lab) -> None:
    urls = boards.serve_arm(lab.files)
    tests = (
        shell_test(KERNEL, "lava-test-case arch --shell test $(uname -m) = aarch64"),
        interactive(say("echo by-hand", "hand"), prompts=[boards.PROMPT]),
    )
    job = complete(client, client.run(boards.arm_job(urls, *tests), BOOT_SECONDS))
    assert verdicts(client, job, "0_smoke") == {"kernel": "pass", "arch": "pass"}
    assert "pass" in verdicts(client, job, "1_session").values() or verdicts(
        client, job, "0_session"
    ) == {"hand": "pass"}


def test_a_board_whose_kernel_is_missing_ends_with_its_url(client: Client, lab: Lab) -> None:
    _, ramdisk = boards.serve_arm(lab.files)
    missing = f"{lab.files.url}/no/Image"
    job = client.run(boards.arm_job((missing, ramdisk)), BOOT_SECONDS)
    assert missing in incomplete(client, job, "Job")
