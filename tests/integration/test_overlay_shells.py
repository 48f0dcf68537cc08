"""The overlay's helpers under each shell that a device may have, run on this machine."""

from __future__ import annotations

import gzip
import io
import lzma
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import zstandard

from labq.actions.overlay.archive import append_to_ramdisk, write_cpio, write_folder, write_tar
from labq.actions.overlay.definition import read_definition
from labq.actions.overlay.entries import Entry, tree
from labq.actions.overlay.tree import DeviceFacts, Prepared, overlay_entries
from labq.actions.overlay.uimage import add_header
from labq.actions.steps.signals import RunnerSays, Signal, SignalScanner, Token
from labq.domain.plan import OverlaySpec, TestDefinition, TestStage
from labq.supervisor.programs import cache_folder

BUSYBOX = cache_folder() / "system" / "amd64" / "bin" / "busybox"
SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox ash": [str(BUSYBOX), "ash"]}


def prepared(*steps: str, **definition: object) -> Prepared:
    """Return an inline definition with these steps."""
    document = {"run": {"steps": list(steps)}, **definition.pop("document", {})}  # type: ignore[dict-item]  # a mapping
    made = TestDefinition(index=0, name="smoke", source="inline", repository={}, **definition)  # type: ignore[arg-type]  # any field
    script = read_definition(document, made.parameters)
    return Prepared(definition=made, script=script, stage=0, uuid="7_1.0.0")


def entries(root: str, one: Prepared, shell: str, **spec: object) -> list[Entry]:
    """Return the overlay with one definition."""
    stage = TestStage(stage=0, definitions=(one.definition,))
    made = OverlaySpec(namespace="common", stages=(stage,), shell=shell, **spec)  # type: ignore[arg-type]  # any field
    facts = DeviceFacts(values={"TARGET_IP": "10.1.2.3", "TARGET_STORAGE": "sda\t/dev/sda"})
    return overlay_entries(made, root, [one], facts)


class Device:
    """A folder in which an overlay lies, and a shell."""

    def __init__(self, folder: Path, shell: str) -> None:
        if not BUSYBOX.exists() and "busybox" in shell:
            pytest.fail("busybox is not unpacked: run deploy/system-programs images")
        self.root = str(folder / "lava-7")
        self.wrapper = folder / "shell"
        self.wrapper.write_text(f'#!/bin/sh\nexec {" ".join(SHELLS[shell])} "$@"\n')
        self.wrapper.chmod(0o755)

    def run(self, *steps: str, **definition: object) -> str:
        """Run the steps as a definition and return what the console would show."""
        one = prepared(*steps, **definition)
        spec = {"environment": {"GREETING": "it's me"}}
        write_folder(entries(self.root, one, str(self.wrapper), **spec))
        command = f". {self.root}/environment; {self.root}/bin/lava-test-runner {self.root}/0"
        done = subprocess.run(
            [*self.wrapper_words, "-c", command],
            env={"PATH": "/usr/bin:/bin", "SHELL": str(self.wrapper)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    @property
    def wrapper_words(self) -> Sequence[str]:
        """Return how the shell is called."""
        return [str(self.wrapper)]

    def tokens(self, *steps: str, **definition: object) -> list[Token]:
        """Return the signals of a run."""
        return SignalScanner().feed(self.run(*steps, **definition).encode())


@pytest.fixture(params=sorted(SHELLS))
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Device:
    """Return a device with this shell."""
    return Device(tmp_path, request.param)


def test_a_whole_definition_says_what_lava_says(device: Device) -> None:
    tokens = device.tokens(
        "lava-test-case one --shell true",
        "lava-test-case two --shell 'echo a; false'",
        "lava-test-case three --result skip --measurement 3 --units s",
        "lava-test-set start all",
        "lava-test-reference four --result pass --reference http://a/b",
        "lava-test-set stop",
        "lava-test-event half way",
    )
    assert tokens == [
        RunnerSays("START"),
        Signal("STARTRUN", ("0_smoke", "7_1.0.0")),
        Signal("STARTTC", ("one",)),
        Signal("ENDTC", ("one",)),
        Signal("TESTCASE", ("TEST_CASE_ID=one", "RESULT=pass")),
        Signal("STARTTC", ("two",)),
        Signal("ENDTC", ("two",)),
        Signal("TESTCASE", ("TEST_CASE_ID=two", "RESULT=fail")),
        Signal("TESTCASE", ("TEST_CASE_ID=three", "RESULT=skip", "UNITS=s", "MEASUREMENT=3")),
        Signal("TESTSET", ("START", "all")),
        Signal("TESTREFERENCE", ("four", "pass", "http://a/b")),
        Signal("TESTSET", ("STOP",)),
        Signal("TESTEVENT", ("half", "way")),
        Signal("ENDRUN", ("0_smoke", "7_1.0.0")),
        RunnerSays("EXIT"),
    ]


def test_a_failing_step_ends_the_definition_but_not_the_runner(device: Device) -> None:
    names = [getattr(one, "name", one) for one in device.tokens("false", "echo never")]
    assert names == [RunnerSays("START"), "STARTRUN", RunnerSays("EXIT")]


def test_parameters_and_environment_reach_the_steps(device: Device) -> None:
    output = device.run(
        'echo "$GREETING: $WORD"',
        document={"params": {"WORD": "default"}},
        parameters={"WORD": "a'b"},
    )
    assert "it's me: a'b" in output


def test_words_of_a_shell_case_are_kept_apart(device: Device) -> None:
    output = device.run("lava-test-case words --shell printf '%s.' 'a b' c")
    assert "a b.c." in output
    assert "TEST_CASE_ID=words RESULT=pass" in output


def test_positionals_in_a_shell_case_belong_to_the_inner_command(device: Device) -> None:
    output = device.run("""lava-test-case awk --shell 'echo x y | awk "{print $2}"'""")
    assert "\ny\n" in output


def test_the_output_of_a_file_stands_between_the_signals(device: Device) -> None:
    tokens = device.run("echo content > file; lava-test-case f --result pass --output file")
    assert "<LAVA_SIGNAL_STARTTC f>\ncontent\n<LAVA_SIGNAL_ENDTC f>" in tokens


def test_wrong_use_is_an_error_that_ends_the_definition(device: Device) -> None:
    output = device.run("lava-test-case only-a-name")
    assert "usage: lava-test-case" in output
    assert "ENDRUN" not in output


def test_a_failing_installation_is_told_and_the_test_runs(device: Device) -> None:
    tokens = device.tokens("true", document={"install": {"steps": ["exit 3"]}})
    assert RunnerSays("INSTALL_FAIL") in tokens
    assert Signal("ENDRUN", ("0_smoke", "7_1.0.0")) in tokens


def test_a_skipped_installation_does_not_run(device: Device) -> None:
    document = {"install": {"steps": ["echo INSTALLED"], "deps": ["nothing"]}}
    assert "INSTALLED" not in device.run("true", document=document, skip_install=("all",))


def test_a_background_process_runs_beside_the_test_until_it_is_stopped(device: Device) -> None:
    output = device.run(
        "lava-background-process-start clock --cmd 'echo ticking; exec sleep 60'",
        "until grep -q ticking ../../../results/*/clock.log; do sleep 0.05 || sleep 1; done",
        "lava-background-process-stop clock",
        "echo stopped",
    )
    assert "ticking\n" in output
    assert "stopped\n" in output


def test_the_dictionary_answers_on_the_device(device: Device) -> None:
    output = device.run("lava-target-ip", "lava-target-storage sda", "lava-os-build")
    assert "10.1.2.3\n" in output
    assert "/dev/sda\n" in output


def test_a_test_reads_no_line_of_the_runners_list(device: Device) -> None:
    names = [
        getattr(one, "name", one) for one in device.tokens("cat > /dev/null < /dev/stdin || true")
    ]
    assert names[-2:] == ["ENDRUN", RunnerSays("EXIT")]


def test_kmsg_mode_is_marked_in_run_sh(tmp_path: Path) -> None:
    made = entries("/lava-7", prepared("true", kmsg=True), "/bin/sh")
    (script,) = [one for one in made if one.path.endswith("/run.sh")]
    assert isinstance(script.source, bytes)
    assert script.source.startswith(b"# USE_KMSG\n")


def test_the_archive_has_the_layout_of_lava(tmp_path: Path) -> None:
    made = entries("/lava-7", prepared("true"), "/bin/sh", secrets={"KEY": "value"})
    write_tar(made, tmp_path / "overlay.tar.gz", 1)
    with tarfile.open(tmp_path / "overlay.tar.gz") as tar:
        names = set(tar.getnames())
        assert tar.getmember("lava-7/bin/lava-test-case").mode & 0o111
    folder = "lava-7/0/tests/0_smoke"
    wanted = {"testdef.yaml", "testdef_metadata", "uuid", "install.sh", "run.sh"}
    assert {f"{folder}/{name}" for name in wanted} <= names
    assert {"lava-7/environment", "lava-7/secrets", "lava-7/results", "lava-7/tests"} <= names
    assert "lava-7/0/lava-test-runner.conf" in names


def test_a_repository_is_packed_with_its_links_and_modes(tmp_path: Path) -> None:
    (tmp_path / "repo" / "sub").mkdir(parents=True)
    (tmp_path / "repo" / "sub" / "run").write_text("x")
    (tmp_path / "repo" / "sub" / "run").chmod(0o755)
    (tmp_path / "repo" / "link").symlink_to("/etc/passwd")
    found = {one.path: one for one in tree(tmp_path / "repo", "/t")}
    assert found["/t/link"].link == "/etc/passwd"
    assert found["/t/sub/run"].mode == 0o755
    assert found["/t/sub"].source is None


@pytest.mark.parametrize("pack", ["raw", "gz", "xz", "zstd", "u-boot"])
def test_the_kernel_would_find_the_overlay_behind_each_kind_of_ramdisk(
    tmp_path: Path, pack: str
) -> None:
    base, more = io.BytesIO(), io.BytesIO()
    write_cpio([Entry("/init", 0o755, b"#!/bin/sh\n" * 3)], base, 1)
    write_cpio([Entry("/lava-7", 0o755), Entry("/lava-7/a", 0o644, b"abc")], more, 1)
    ramdisk = tmp_path / "rd"
    ramdisk.write_bytes(packed(base.getvalue(), pack, tmp_path))
    append_to_ramdisk(ramdisk, more.getvalue())
    assert cpio_names(unpacked(ramdisk.read_bytes(), pack)) == ["init", "lava-7", "lava-7/a"]


def packed(data: bytes, kind: str, folder: Path) -> bytes:
    """Return a ramdisk of one kind."""
    match kind:
        case "gz":
            return gzip.compress(data)
        case "xz":
            return lzma.compress(data, check=lzma.CHECK_CRC32)
        case "zstd":
            return zstandard.ZstdCompressor().compress(data)
        case "u-boot":
            file = folder / "wrapped"
            file.write_bytes(gzip.compress(data))
            add_header(file, "arm64")
            return file.read_bytes()
        case _:
            return data + b"\0"


def unpacked(data: bytes, kind: str) -> bytes:
    """Return what the members of a ramdisk hold, one after the other."""
    match kind:
        case "gz" | "u-boot":
            return gzip.decompress(data)
        case "xz":
            return lzma.decompress(data)
        case "zstd":
            reader = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True)
            return reader.read()
        case _:
            return data


def cpio_names(data: bytes) -> list[str]:
    """Return the names in concatenated newc archives."""
    names, at = [], 0
    while at < len(data):
        if data[at] == 0:
            at += 1
            continue
        assert at % 4 == 0
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        size, length = fields[6], fields[11]
        names.append(data[at + 110 : at + 110 + length - 1].decode())
        at += (110 + length + 3) // 4 * 4 + (size + 3) // 4 * 4
    return [name for name in names if name != "TRAILER!!!"]
