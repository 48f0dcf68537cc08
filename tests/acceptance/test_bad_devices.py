"""Devices that misbehave: the job ends with the right error and the device is free again."""

from __future__ import annotations

from tests.acceptance.conftest import Lab
from tests.acceptance.outcomes import case, complete, incomplete, messages, verdicts
from tests.lab import boards
from tests.lab.client import Client
from tests.lab.devices import overlay_job, shell_boot, shell_job
from tests.lab.jobs import boot, definition, say, shell_test

PANIC = "Kernel panic - not syncing: Attempted to kill init!"
END_OF_PANIC = "---[ end Kernel panic - not syncing: Attempted to kill init! ]---"
MEGABYTE = 2**20


def test_a_device_that_never_shows_its_prompt_fails_the_boot(client: Client) -> None:
    silent = boot("minimal", prompts=["never-this-prompt"], timeout={"seconds": 4})
    message = incomplete(client, client.run(definition("shell", silent)), "Job")
    assert "never-this-prompt" in message


def test_a_command_that_stays_silent_ends_the_test(client: Client) -> None:
    job = client.run(shell_job(say("sleep 600", "silence"), timeout_seconds=4))
    message = incomplete(client, job, "Test")
    assert "timed out" in message


def test_garbage_bytes_pass_through(client: Client) -> None:
    noise = "head -c 100000 /dev/urandom; echo; echo after-noise"
    job = client.run(
        shell_job(say(noise, "noise", successes=[{"message": "after-noise"}]), say("true", "next"))
    )
    complete(client, job)
    assert verdicts(client, job, "0_session") == {"noise": "pass", "next": "pass"}


def test_a_megabyte_without_a_newline_is_one_replaced_line(client: Client) -> None:
    flood = f"head -c {MEGABYTE} /dev/zero | tr '\\0' x; echo; echo after-flood"
    job = client.run(shell_job(say(flood, "flood", successes=[{"message": "after-flood"}])))
    complete(client, job)
    assert all(len(str(line)) <= 100_000 for line in messages(client, job, "target"))
    assert any("line way too long" in str(line) for line in messages(client, job, "target"))


def test_a_signal_with_a_huge_name_harms_nothing(client: Client) -> None:
    name = "$(head -c 100000 /dev/zero | tr '\\0' n)"
    job = client.run(
        overlay_job(
            shell_test(
                f'echo "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID={name} RESULT=pass>"',
                "lava-test-case after --result pass",
            )
        )
    )
    assert job["state"] == "finished"
    assert verdicts(client, job, "0_smoke").get("after") == "pass"


def test_a_panic_in_the_middle_of_a_test_ends_the_job(client: Client) -> None:
    panic = f"printf '%s\\n' '{PANIC}' 'CPU: 0 PID: 1' '{END_OF_PANIC}'; sleep 600"
    job = client.run(shell_job(say("true", "before"), say(panic, "panic")))
    assert PANIC in incomplete(client, job, "Job")
    assert verdicts(client, job, "0_session")["before"] == "pass"


def test_a_panic_is_kept_in_the_kernel_messages(client: Client) -> None:
    panic = f"printf '%s\\n' '{PANIC}' '{END_OF_PANIC}'; sleep 600"
    job = client.run(overlay_job(shell_test("lava-test-case before --result pass", panic)))
    assert PANIC in incomplete(client, job, "Job")
    assert verdicts(client, job, "0_smoke") == {"before": "pass"}


def test_a_console_that_closes_is_the_labs_error(client: Client) -> None:
    job = client.run(shell_job(say("true", "before"), say("exit 3", "gone")))
    message = incomplete(client, job, "Infrastructure")
    assert "console" in message


def test_an_emulator_that_does_not_start_is_told_with_its_words(client: Client, lab: Lab) -> None:
    urls = boards.serve_x86(lab.files)
    context = {"arch": "amd64", "extra_options": ["-no-such-option"]}
    job = client.run(boards.x86_job(urls, context=context))
    message = incomplete(client, job, job["error"]["type"])
    assert job["error"]["type"] in ("Infrastructure", "Job")
    assert "no-such-option" in message


def test_an_emulator_that_exits_in_a_test_ends_the_job(client: Client, lab: Lab) -> None:
    urls = boards.serve_x86(lab.files)
    context = {"arch": "amd64", "extra_options": ["-no-reboot"]}
    test = shell_test("lava-test-case before --result pass", "poweroff -f", "sleep 600")
    job = client.run(boards.x86_job(urls, test, context=context))
    incomplete(client, job, "Infrastructure")
    assert case(client, job, "0_smoke", "before")["result"] == "pass"


def test_a_job_after_all_that_finds_every_device_well(client: Client) -> None:
    jobs = [client.submit(shell_job(say("true", "well"))) for _ in range(4)]
    for job in jobs:
        complete(client, client.finish(job))


def test_a_shell_that_floods_while_it_boots_still_boots(client: Client) -> None:
    job = client.run(definition("shell", shell_boot()))
    complete(client, job)
