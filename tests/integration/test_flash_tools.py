"""Flash tools and containers on a real bench, with stand-ins that take no wrong argument."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labq.runner.step import Outcome
from tests.integration.step_lab import PROMPT, Runs, runs_on
from tests.lab.jobs import shell_test

BOARD_FLASH = """\
[ $# -eq 4 ] && [ "$1" = --image ] && [ "$3" = --reset ] || { echo "usage: $*"; exit 64; }
[ "$(cat "$2")" = firmware ] || { echo "no image: $2"; exit 65; }
[ "$4" = 'off 1 && on 1' ] || { echo "no way to reset: $4"; exit 66; }
echo "flashed $2"
"""
JLINK = """\
[ "$1 $2 $3 $4" = '-device MK64 -if SWD' ] && shift 4 || exit 64
[ "$1 $2 $3 $4 $5" = '-autoconnect 1 -NoGui 1 -CommanderScript' ] || exit 65
[ "$7 $8" = '-SelectEmuBySN 0240' ] && [ $# -eq 8 ] || exit 66
sed 's/ .*//' "$6" | tr '\\n' ' ' | grep -qx 'r h sleep erase loadfile verifybin r qc *' || exit 67
[ "$(cat "$(sed -n 's/^loadfile \\(.*\\) 0x10$/\\1/p' "$6")")" = firmware ] || exit 68
echo O.K.
"""
# `run` on a terminal is the shell or the model; nothing is mounted, as all is on this machine.
DOCKER = """\
echo "$*" >>"$STAND_INS/calls"
usage() { echo "unknown: $*" >&2; exit 125; }
case "$1" in
  pull) [ $# -eq 2 ] && [ "$2" = debian:trixie ] || usage "$@"; exit 0 ;;
  image) [ "$2" = inspect ] && [ "$5" = "${6:-$5}" ] || usage "$@"; exit 0 ;;
  rm) [ "$2 $3" = '--force --volumes' ] && [ $# -eq 4 ] || usage "$@"; exit 0 ;;
  exec)
    [ "$2 $3" = '--interactive --tty' ] || usage "$@"
    [ "$5 $6 $7" = 'telnet localhost 5000' ] && [ -t 0 ] || usage "$@"
    exec env -u ENV PS1='labq-shell:$ ' sh -i ;;
  run) shift ;;
  *) usage "$@" ;;
esac
tty=no
while [ $# -gt 0 ]; do
  case "$1" in
    --tty) [ -t 0 ] || usage 'the input device is not a TTY'; tty=yes ;;
    --interactive|--rm|--init|--name=lava-*|--label=labq.*=*|--hostname=lava) ;;
    --mount=type=bind,source=*,destination=*)
      source=${1#*source=}; [ -e "${source%%,*}" ] || usage "no such $source" ;;
    -*) usage "$@" ;;
    *) break ;;
  esac
  shift
done
case "$tty $*" in
  'yes debian:trixie bash -l') exec env -u ENV PS1='labq-shell:$ ' sh -i ;;
  'no fvp:1 /opt/FVP --version') echo 'Fast Models [11.22]' ;;
  'yes fvp:1 /opt/FVP -C fname=/lava-'*'/fip.bin')
    echo 'terminal_0: Listening for serial connection on port 5000'; exec cat ;;
  *) usage "$tty $*" ;;
esac
"""
TOOLS = {"board-flash": BOARD_FLASH, "JLinkExe": JLINK, "docker": DOCKER}


@pytest.fixture
def runs(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """Return a host that finds the stand-ins."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name, script in TOOLS.items():
        (folder / name).write_text(f"#!/bin/sh\nSTAND_INS={folder}\n{script}")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    with runs_on(tmp_path, redis_url, monkeypatch, LABQ_FILE_FOLDERS=str(tmp_path)) as made:
        yield made


def image(runs: Runs, name: str) -> dict[str, object]:
    """Return an artifact."""
    path = runs.lab.folder / name
    path.write_text("firmware")
    return {"url": f"file://{path}"}


def device(actions: str, commands: str = "", extra: str = "") -> dict[str, Any]:
    """Return keywords for a job on a shell with these parts of its dictionary."""
    blocks = {"actions": actions, "extra": f"connecting_starts: true\n{extra}"}
    if commands:
        blocks["commands"] = commands
    text = "".join(f"{{% block {key} %}}\n{one}\n{{% endblock %}}\n" for key, one in blocks.items())
    return {"device_type": "shell", "variables": text}


FLASHER = """\
  deploy:
    methods:
      flasher:
        commands: ['board-flash --image {KERNEL} --reset "{HARD_RESET_COMMAND}"']
  boot:
    methods: {minimal: null}
"""
SWITCHED = "  connect: env -u ENV PS1='labq-shell:$ ' sh -i\n  hard_reset: ['off 1', 'on 1']"


def test_tools_get_the_images_and_what_the_dictionary_says(runs: Runs) -> None:
    block = {"to": "flasher", "images": {"kernel": image(runs, "my kernel")}}
    ended = runs.run([{"deploy": block}], **device(FLASHER, SWITCHED))
    assert ended.failure == ""
    assert ended.verdicts["lava/flasher"] == "pass"
    said = ended.log("debug")
    assert ">> flashed kernel/my kernel" in said
    assert "Returned 0 in 0 seconds" in said
    _flashes_by_jlink(runs)


JLINK_ACTIONS = """\
  deploy:
    methods: {image: null}
  boot:
    methods:
      jlink:
        parameters: {command: JLinkExe, address: 0x10, processor: MK64, options: [-if SWD],
                     erase_command: [erase], reset_command: [r]}
"""


def _flashes_by_jlink(runs: Runs) -> None:
    actions: list[Any] = [
        {"deploy": {"to": "tmpfs", "images": {"zephyr": image(runs, "z.bin")}}},
        {"boot": {"method": "jlink", "prompts": ["labq-shell:"]}},
    ]
    ended = runs.run(actions, **device(JLINK_ACTIONS, extra="board_id: '0240'"))
    assert ended.failure == ""
    assert ended.verdicts["lava/flash-jlink"] == "pass"
    assert ended.verdicts["lava/expect-shell-connection"] == "pass"


CONTAINER = """\
  deploy:
    methods: {docker: {options: {remote: null}}, fvp: null}
  boot:
    methods:
      docker: {options: {remote: null, cpus: 0.0, memory: 0, privileged: false, capabilities: [],
                         devices: [], networks: [], volumes: [], extra_arguments: []}}
      fvp: {options: {cpus: 0.0, memory: 0, privileged: false}}
"""
NO_CONSOLE = "  {}"


def test_a_container_is_a_device_and_is_removed_in_the_end(runs: Runs) -> None:
    actions: list[Any] = [
        {"deploy": {"to": "docker", "image": "debian:trixie", "os": "debian"}},
        {"boot": {"method": "docker", "command": "bash -l", "prompts": [PROMPT]}},
        shell_test("lava-test-case one --result pass"),
    ]
    ended = runs.run(actions, **device(CONTAINER, NO_CONSOLE))
    assert ended.failure == ""
    assert ended.verdicts["0_smoke/one"] == "pass"
    lines = (runs.lab.folder / "tools/calls").read_text().splitlines()
    calls = [line for line in lines if f"lava-{ended.run}-" in line]
    names = [call.rsplit(" ", 1)[1] for call in calls if call.startswith("rm ")]
    assert len(names) == 2
    assert len(set(names)) == 1
    assert calls[-1].startswith("rm ")
    _boots_a_model(runs)


def _boots_a_model(runs: Runs) -> None:
    boot = {
        "method": "fvp",
        "docker": {"name": "fvp:1", "local": True},
        "image": "/opt/FVP",
        "console_string": r"terminal_0: Listening for serial connection on port (?P<PORT>\d+)",
        "arguments": ["-C fname='{FIP}'"],
        "prompts": [PROMPT],
    }
    actions: list[Any] = [
        {"deploy": {"to": "fvp", "images": {"fip": image(runs, "fip.bin")}}},
        {"boot": boot},
    ]
    ended = runs.run(actions, **device(CONTAINER, NO_CONSOLE))
    assert ended.failure == ""
    assert ended.outcomes == [Outcome.DONE] * 4
    assert ended.verdicts["lava/fvp-version"] == "pass"
    assert ended.verdicts["lava/login-action"] == "pass"
    assert any("terminal_0: Listening" in str(line) for line in ended.log("feedback"))
