"""The campaign's devices: each records who uses it, and refuses two users at once.

What a device writes in its own folder is the campaign's only source about it: `record` has one line
for each session, touch and power off, `lock` is held by everything that a session or touch starts.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SHELL, UML = "recorder-shell", "recorder-uml"
LOCKS = Path("/proc/locks")
# A long touch outlives its worker and bench, if nobody ends it.
TOUCH_SECONDS, LONG_SECONDS = 0.5, 9

BOARD = """\
#!/bin/sh
# board FOLDER connect|touch|off|kernel [RUN'S FOLDER | SECONDS | KERNEL'S ARGUMENTS...]
folder=$1 what=$2
shift 2
say() {
    read -r now rest </proc/uptime
    echo "$now $*" >>"$folder/record"
}
take() {
    if ! flock -n 9; then
        say "violation $what $1 while it is used by $(cat "$folder/holder")"
        exit 1
    fi
    echo "$1" >"$folder/holder"
}
session() {
    take "$1"
    read -r number <"$folder/count"
    export S=$((number + 1))
    echo "$S" >"$folder/count"
    say "session $1 $S"
}
run_of() {
    run=${1%/files}
    run=${run##*/}
}
exec 9>>"$folder/lock"
case $what in
connect)
    run_of "$1"
    session "$run"
    cd "$1" && exec env -u ENV 'PS1=labq-shell:$ ' sh -i
    ;;
kernel)
    for word; do
        case $word in uml_dir=*) run_of "${word#uml_dir=}" ;; esac
    done
    session "$run"
    exec linux.uml "$@" "session=$S"
    ;;
touch)
    take touch
    say "touch - begin"
    sleep "$1"
    say "touch - end"
    ;;
off)
    run_of "$1"
    if ! flock -n 9; then
        read -r holder <"$folder/holder"
        [ "$holder" = "$run" ] || say "violation off $run while it is used by $holder"
    fi
    say "off $run"
    ;;
esac
"""
SHELL_FILE = """\
{{% extends 'shell.jinja2' %}}
{{% set user_commands = {{
  'hold': {{'do': {touch}, 'undo': 'true'}}, 'hold-long': {{'do': {long}, 'undo': 'true'}}
}} %}}
{{% block commands %}}
  connect: {connect}
  power_off: {off}
{{% endblock %}}
"""
UML_FILE = """\
{{% extends 'uml.jinja2' %}}
{{% set uml_command = {kernel} %}}
{{% set user_commands = {{
  'hold': {{'do': {touch}, 'undo': 'true'}}, 'hold-long': {{'do': {long}, 'undo': 'true'}}
}} %}}
{{% block commands %}}
{{{{ super() }}}}
  power_off: {off}
{{% endblock %}}
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a device's record; `run` is `-` for a touch."""

    what: str
    run: str
    rest: str


@dataclass(frozen=True, slots=True)
class Device:
    """One device: its kind, host and folder."""

    name: str
    kind: str
    host: str
    folder: Path

    def record(self) -> list[Line]:
        """Return what the device has written down."""
        lines = (self.folder / "record").read_text().splitlines()
        return [Line(*_three(line)) for line in lines]

    def violations(self) -> list[str]:
        """Return the device's own words about users beside each other."""
        return [f"{line.run} {line.rest}" for line in self.record() if line.what == "violation"]

    def is_off(self) -> bool:
        """Tell whether the last thing that was done to it is to switch it off."""
        done = [line.what for line in self.record() if line.what != "violation"]
        return not done or done[-1] == "off"

    def is_used(self, held: set[int]) -> bool:
        """Tell whether a session or touch is there; `held` are the inodes of held locks."""
        return (self.folder / "lock").stat().st_ino in held

    def file(self) -> str:
        """Return the text of its device file."""
        board = ("sh", str(self.folder.parent / "board.sh"), str(self.folder))
        words = {
            "connect": _yaml(f"exec {shlex.join([*board, 'connect'])} {{FOLDER}}"),
            "off": _yaml(f"{shlex.join([*board, 'off'])} {{FOLDER}}"),
            "touch": _yaml(f"exec {shlex.join([*board, 'touch'])} {TOUCH_SECONDS}"),
            "long": _yaml(f"exec {shlex.join([*board, 'touch'])} {LONG_SECONDS}"),
            "kernel": _yaml(str(self.folder / "linux")),
        }
        return (SHELL_FILE if self.kind == SHELL else UML_FILE).format(**words)


def make(folder: Path, hosts: tuple[str, ...], shells: int, umls: int) -> tuple[Device, ...]:
    """Make the devices' folders, spread over the hosts."""
    folder.mkdir()
    (folder / "board.sh").write_text(BOARD)
    kinds = [(SHELL, n) for n in range(shells)] + [(UML, n) for n in range(umls)]
    return tuple(
        _make_one(folder, kind, number, hosts[number % len(hosts)]) for kind, number in kinds
    )


def held_locks() -> set[int]:
    """Return the inodes of all files that somebody holds by flock."""
    fields = (line.split() for line in LOCKS.read_text().splitlines())
    return {
        int(words[5].rpartition(":")[2])
        for words in fields
        if len(words) > 5 and words[1] == "FLOCK"
    }


def used(devices: tuple[Device, ...]) -> Iterator[Device]:
    """Yield the devices that have a session or touch at this moment."""
    held = held_locks()
    return (device for device in devices if device.is_used(held))


def _make_one(folder: Path, kind: str, number: int, host: str) -> Device:
    device = Device(
        f"{kind.rpartition('-')[2]}-{number:02}", kind, host, folder / f"{kind}-{number}"
    )
    device.folder.mkdir()
    (device.folder / "count").write_text("0\n")
    for name in ("lock", "record", "holder"):
        (device.folder / name).touch()
    linux = device.folder / "linux"
    board = shlex.join(["sh", str(folder / "board.sh"), str(device.folder), "kernel"])
    linux.write_text(f'#!/bin/sh\nexec {board} "$@"\n')
    linux.chmod(0o755)
    return device


def _three(line: str) -> tuple[str, str, str]:
    _, what, run, *rest = line.split()
    return what, run, " ".join(rest)


def _yaml(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
