"""Every page in a real browser, at desk and phone width: no overflow, no error, the log follows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.acceptance.conftest import Lab
from tests.lab.client import Client
from tests.lab.devices import shell_job
from tests.lab.jobs import say, wait_for_file

WIDTHS = (1280, 390)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PASSWORD = "correct horse"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def _chromium() -> str:
    base = os.environ.get("XDG_CACHE_HOME")
    cache = Path(base) if base else Path.home() / ".cache"
    path = f"{os.environ['PATH']}:{cache / 'labq' / 'system' / 'bin'}"
    found = shutil.which("chromium", path=path)
    if found is None:
        pytest.fail("no chromium: run deploy/system-programs chromium")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=_chromium(), args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def job(lab: Lab) -> int:
    """Return a job that ran to its end."""
    client = Client(lab.server.url, lab.server.token)
    ended = client.run(shell_job(say("echo hello from the device", "hello")))
    client.close()
    return int(ended["id"])


@pytest.fixture(params=WIDTHS)
def page(browser: Browser, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Return a page of a browser window in which the admin is logged in."""
    lab.server.cli("user", "passwd", lab.server.user, stdin=f"{PASSWORD}\n")
    size = {"width": request.param, "height": 844}
    context = browser.new_context(viewport=size, base_url=lab.server.url)
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    opened.goto("/login")
    opened.fill("input[name=name]", lab.server.user)
    opened.fill("input[name=password]", PASSWORD)
    opened.click("main button[type=submit]")
    # Another navigation before the answer came would break off logging in.
    opened.wait_for_selector("form[action='/logout']", state="attached")
    yield opened
    context.close()


def _problems(page: Page) -> list[str]:
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else 0)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def test_every_page_fits_and_says_no_error(page: Page, lab: Lab, job: int) -> None:
    reason = "no_place_to_break_a_line_" * 10
    command = ("device", "set", "shell-1", "--health", "good", "--reason", reason)
    assert lab.server.cli(*command).returncode == 0
    problems = _problems(page)
    tabs = [f"/jobs/{job}{tab}" for tab in ("", "/results", "/definition", "/device", "/plan")]
    lists = ["/", "/jobs", "/jobs?mine=1", "/devices", "/devices/shell-1", "/hosts"]
    lists += ["/hosts/local", "/queue", "/queue?type=shell", "/results"]
    for path in (*lists, *tabs, "/submit", f"/submit?job={job}", "/tokens", "/api/docs"):
        page.goto(path)
        page.wait_for_load_state("load")
        assert page.evaluate(OVERFLOW) <= 0, path
        assert page.locator("h1").count() == 1, path
        assert problems == [], path


def test_the_log_of_a_running_job_follows_without_a_reload(
    page: Page, lab: Lab, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    client = Client(lab.server.url, lab.server.token)
    made = client.submit(shell_job(say(f"{wait_for_file(gate)}; echo the-gate-is-open", "gate")))
    problems = _problems(page)
    page.goto(f"/jobs/{made}")
    page.wait_for_selector("#log .input")
    page.wait_for_selector("#live:not([hidden])")
    gate.touch()
    page.wait_for_selector("#log .target:has-text('the-gate-is-open')")
    page.wait_for_selector("#progress [data-over]")
    page.wait_for_selector("#live[hidden]", state="attached")
    assert page.locator("#progress .badge.is-good").count() >= 1
    assert problems == []
    client.close()


def test_a_link_to_a_line_shows_and_marks_it(page: Page, job: int) -> None:
    page.goto(f"/scheduler/job/{job}#L3")
    page.wait_for_selector("#L3")
    assert page.url.endswith(f"/jobs/{job}#L3")
    assert page.locator("#L3:target").count() == 1


def test_the_level_filter_hides_lines(page: Page, job: int) -> None:
    page.goto(f"/jobs/{job}")
    shown = page.locator("#log div:visible").count()
    page.select_option("#level", "error")
    assert page.locator("#log div:visible").count() < shown


def test_a_keyboard_user_sees_where_the_focus_is(page: Page) -> None:
    page.goto("/jobs")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").startswith("Skip")
    page.keyboard.press("Tab")
    style = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(style) == "solid"
