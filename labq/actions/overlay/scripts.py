"""The generated files of an overlay: install.sh, run.sh, environment, secrets."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from labq.actions.overlay.definition import TestScript
from labq.domain.plan import TestDefinition

_POSITIONAL = re.compile(r"\$(\d+)\b")


def environment(values: Mapping[str, str]) -> str:
    """Return `export K=V` lines."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def secrets(values: Mapping[str, str]) -> str:
    """Return `K=V` lines."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def install_script(script: TestScript, definition: TestDefinition, folder: str) -> str:
    """Return install.sh: keys, sources, packages, then the steps, minus what the job skips."""
    skip = set(definition.skip_install)
    skip = {"keys", "sources", "deps", "steps"} if "all" in skip else skip
    lines = _parameters(script)
    lines += _calls("lava-add-keys", script.keys, "keys" in skip)
    lines += _calls("lava-add-sources", script.sources, "sources" in skip)
    if script.deps and "deps" not in skip:
        lines.append("lava-install-packages " + " ".join(map(shlex.quote, script.deps)))
    lines += [f"cd {shlex.quote(folder)}", "pwd"]
    if "steps" not in skip:
        lines += script.install_steps
    return "###test parameters###\n" + "\n".join(lines) + "\n"


def _calls(helper: str, values: Sequence[str], skipped: object) -> list[str]:
    return [] if skipped else [f"{helper} {shlex.quote(value)}" for value in values]


def run_script(script: TestScript, definition: TestDefinition, folder: str) -> str:
    """Return run.sh: the steps between STARTRUN and ENDRUN, ended by the first that fails."""
    lines = ["# USE_KMSG"] if definition.kmsg else []
    lines += [
        *_parameters(script),
        "set -e",
        "set -x",
        f"export TESTRUN_ID={definition.index}_{definition.name}",
        f"cd {shlex.quote(folder)}",
        "UUID=`cat uuid`",
        "set +x",
        _signal("STARTRUN"),
        "set -x",
        *(_verbatim(step) for step in script.run_steps),
        "set +x",
        _signal("ENDRUN"),
    ]
    return "\n".join(lines) + "\n"


def _parameters(script: TestScript) -> list[str]:
    return [f"{name}={shlex.quote(value)}" for name, value in script.parameters.items()]


def _signal(name: str) -> str:
    """Return the line that prints a signal of the run, through the kernel's log in kmsg mode."""
    text = f"<LAVA_SIGNAL_{name} $TESTRUN_ID $UUID>"
    return f'if [ -n "$KMSG" ]; then echo "<0>{text}" > "$KMSG"; else echo "{text}"; fi'


def _verbatim(step: str) -> str:
    if "--shell" in step or "--cmd" in step:
        return _POSITIONAL.sub(r"\\$\1", step)
    return step
