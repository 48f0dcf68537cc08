"""Rendering of device files: the sandbox, its limits, and errors with file and line."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from labq.domain.errors import ErrorType, JobError
from labq.jobdef import templates
from labq.jobdef.context import VARIABLES
from labq.jobdef.device import check_device, render_device
from labq.jobdef.templates import InvalidDeviceError, Library

TYPES = ["qemu", "qemu-uboot", "uml", "shell"]
ACTIONS = "actions: {}"


def render(text: str, search_path: tuple[Path, ...] = (), **context: object) -> dict[str, object]:
    """Return what a text renders to; one that has no actions gets some."""
    return rendered(text, Library(search_path), **context)


def rendered(text: str, library: Library, **context: object) -> dict[str, object]:
    found = render_device(
        f"{text}\n{ACTIONS}" if "extends" not in text else text,
        name="board-01",
        device_type="board",
        context=context,
        library=library,
    )
    return found if "extends" in text else {key: found[key] for key in found if key != "actions"}


def problem(text: str) -> str:
    (found,) = check_device(text, name="board-01", device_type="board", library=Library()).errors
    return found.describe()


@pytest.mark.parametrize("name", TYPES)
def test_own_types_render_without_a_context(name: str) -> None:
    text = f"{{% extends '{name}.jinja2' %}}"
    assert not check_device(text, name="board-01", device_type=name, library=Library()).errors
    assert render(text)["hostname"] == "board-01"


def test_a_device_file_sets_variables_of_its_type() -> None:
    text = "{% extends 'base.jinja2' %}\n{% set connection_command = 'telnet lab 2001' %}\n"
    assert render(text)["commands"] == {"connect": "telnet lab 2001"}


def test_context_variables_reach_the_template() -> None:
    found = render(
        "a: {{ arch }}\nb: {{ scheduled_device_name }}-{{ scheduled_device_type }}", arch="x"
    )
    assert found == {"a": "x", "b": "board-01-board"}


def test_templates_of_the_site_come_before_own_ones(tmp_path: Path) -> None:
    (tmp_path / "base.jinja2").write_text(f"a: site\n{ACTIONS}")
    (tmp_path / "board.jinja2").write_text("{% extends 'base.jinja2' %}")
    assert render("{% extends 'board.jinja2' %}", (tmp_path,))["a"] == "site"
    assert "constants" in render("{% extends 'qemu.jinja2' %}", (tmp_path,))


def test_stored_templates_come_before_folders_and_the_first_folder_wins(tmp_path: Path) -> None:
    folders = tuple(tmp_path / name for name in ("lab", "lava"))
    for folder in folders:
        folder.mkdir()
        for name in ("a", "b"):
            (folder / f"{name}.jinja2").write_text(f"from: {folder.name}\n{ACTIONS}")
    library = Library(folders=folders, stored=(("b", f"from: stored\n{ACTIONS}"),))
    assert rendered("{% extends 'a.jinja2' %}", library)["from"] == "lab"
    assert rendered("{% extends 'b.jinja2' %}", library)["from"] == "stored"
    assert "constants" in rendered("{% extends 'labq/base.jinja2' %}", library)


def test_an_error_in_a_stored_template_names_it() -> None:
    library = Library(stored=(("kind", "a: 1\nb: {{ x.y.z }}\n"),))
    with pytest.raises(InvalidDeviceError, match=r"kind\.jinja2 \(line 2\): 'x' is undefined"):
        rendered("{% extends 'kind.jinja2' %}", library)


def test_filters_for_commands_and_yaml_are_there() -> None:
    text = "a: {{ 'two words' | shlex_quote }}\nb: {{ 'x: \"y' | yaml_quote }}\n"
    assert render(text) == {"a": "two words", "b": 'x: "y'}
    assert render("a: {{ 'arm64' | qemu_guest_fs_interface(none) }}") == {"a": "virtio"}
    assert render("a: {{ 'amd64' | qemu_guest_fs_interface('') }}") == {"a": "ide"}
    assert render("a: {{ 'amd64' | qemu_guest_fs_interface('scsi') }}") == {"a": "scsi"}


def test_filters_that_lay_out_text_work_within_bounds() -> None:
    text = "a: {{ '%04x' | format(255) }}\nb: {{ 'x' | center(3) | trim }}\nc: {{ '%s-%d' % ('a', 1) }}"
    assert render(text) == {"a": "00ff", "b": "x", "c": "a-1"}
    assert render("a:\n  {{ 'b: 1' | indent(2) }}") == {"a": {"b": 1}}


def test_a_syntax_error_has_its_file_and_line() -> None:
    assert problem("a: 1\nb: {{ x\n").startswith("board-01 (line 2): unexpected end")


def test_an_error_in_the_middle_has_its_line() -> None:
    assert problem("a: 1\nb: {{ x.y.z }}\n") == "board-01 (line 2): 'x' is undefined"
    assert problem("a: 1\n\nb: {{ 1 / 0 }}\n") == "board-01 (line 3): division by zero"


def test_an_error_in_a_type_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "type.jinja2").write_text("a: 1\nb: {{ x.y.z }}\n")
    with pytest.raises(InvalidDeviceError, match=r"type\.jinja2 \(line 2\): 'x' is undefined"):
        render("{% extends 'type.jinja2' %}", (tmp_path,))


def test_a_missing_type_is_named() -> None:
    assert problem("\n{% extends 'nothing.jinja2' %}") == (
        "board-01 (line 2): no template nothing.jinja2"
    )


@pytest.mark.parametrize("name", ["../pyproject.toml", "/etc/passwd", "../../config.py"])
def test_templates_come_from_the_folders_only(name: str) -> None:
    assert "no template" in problem(f"{{% include '{name}' %}}")


@pytest.mark.parametrize(
    "expression",
    ["().__class__.__base__.__subclasses__()", "cycler.__init__.__globals__", "[].append(1)"],
)
def test_the_sandbox_holds(expression: str) -> None:
    assert "unsafe" in problem(f"a: {{{{ {expression} }}}}") or "undefined" in problem(
        f"a: {{{{ {expression} }}}}"
    )


TURNS = "more than 100000 loop turns and calls"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{% for a in range(999) %}{% for b in range(999) %}{% endfor %}{% endfor %}", TURNS),
        ("{% for a in range(9999) %}{{ 'x' * 9999 }}{% endfor %}", "renders to more than"),
        (
            "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(40) }}",
            TURNS,
        ),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion"),
        ("{{ 'x' * 999999999 }}", "operand over 10000"),
        ("{{ 9 ** 9 ** 9 }}", "operand over 10000"),
        ("{{ '%999999999d' % 1 }}", "a width of more than 4 digits"),
        ("{{ 'x' | center(999999999) }}", "operand over 10000"),
        ("{{ '%999999999d' | format(1) }}", "a width of more than 4 digits"),
        ("{{ '%(a)-99999d' % {'a': 1} }}", "a width of more than 4 digits"),
        ("{{ '%*d' | format(999999999, 1) }}", "a width of more than 4 digits"),
        ("{{ 'a b' | indent(999999999) }}", "operand over 10000"),
        ("{{ 'x'.ljust(999999999) }}", "operand over 10000"),
        ("{{ range(999999999) | list }}", "Range too big"),
        (
            "{% set a = namespace(n='x') %}{% for i in range(60) %}{% set a.n = a.n ~ a.n %}{% endfor %}",
            "joined text over",
        ),
        (
            "{% set a = namespace(n='x') %}{% for i in range(60) %}{% set a.n = a.n + a.n %}{% endfor %}",
            "operands of + over",
        ),
    ],
)
def test_runaway_templates_are_stopped(text: str, reason: str) -> None:
    assert reason in problem(text)


def test_loops_of_honest_templates_fit_the_limit() -> None:
    text = "a: [{% for a in range(300) %}{% for b in range(300) %}{% endfor %}{{ a }},{% endfor %}]"
    assert len(list(render(text)["a"])) == 300  # type: ignore[call-overload]  # it is a list


def test_what_renders_to_no_yaml_is_refused_with_the_rendered_line() -> None:
    assert problem("a: 1\nb: [\n").startswith("document (line 3): not YAML")
    assert problem("- a").startswith("document (line 1): must be a mapping")


def test_an_invalid_device_is_an_error_of_the_configuration() -> None:
    with pytest.raises(InvalidDeviceError) as caught:
        render("a: [")
    assert caught.value.type is ErrorType.CONFIGURATION
    assert str(caught.value).startswith("device board-01: ")


@pytest.mark.parametrize(
    "value", ["x\ncommands: {hard_reset: reboot}", "x\r", "x\u2028y", ["a\nb"]]
)
def test_a_context_value_cannot_add_lines_to_the_dictionary(value: object) -> None:
    with pytest.raises(JobError, match=r"context\.memory holds a line break"):
        render("a: {{ memory }}", memory=value)


def test_a_context_that_spoils_a_right_dictionary_is_the_fault_of_the_job() -> None:
    with pytest.raises(JobError, match="the context spoils device board-01"):
        render("a: {{ memory }}", memory="[")
    with pytest.raises(InvalidDeviceError):
        render("a: [{{ memory }}", memory="1")


def operators(dictionary: dict[str, object]) -> dict[str, list[str]]:
    """Return the shell operators of each command of a dictionary."""
    commands = dictionary["commands"] or {}
    assert isinstance(commands, dict)
    return {
        name: [
            word
            for word in shlex.shlex(command, posix=True, punctuation_chars=True)
            if word and set(word) <= set(";&|()<>")
        ]
        for name, command in commands.items()
    }


@pytest.mark.parametrize("name", TYPES)
def test_context_values_cannot_change_the_commands_of_own_types(name: str) -> None:
    evil = "1, hard_reset: evil} #' \"; touch /tmp/evil; echo {{ x }} ${IFS}$(id)"
    context = dict.fromkeys(sorted(VARIABLES - {"extra_options"}), evil)
    text = f"{{% extends '{name}.jinja2' %}}"
    plain, changed = render(text), render(text, **context)
    assert operators(changed) == operators(plain)
    assert changed["character_delays"] == plain["character_delays"]


def test_an_environment_is_kept_for_each_search_path(tmp_path: Path) -> None:
    assert templates.TYPES_FOLDER.is_dir()
    (tmp_path / "a.jinja2").write_text(f"x: 1\n{ACTIONS}")
    assert render("{% extends 'a.jinja2' %}", (tmp_path,))["x"] == 1
    assert "no template" in problem("{% extends 'a.jinja2' %}")
