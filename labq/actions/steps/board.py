"""What boots of microcontroller boards share: reset, console and prompt."""

from __future__ import annotations

from collections.abc import Sequence

from labq.actions.parameters import LoginBoot, PromptBoot
from labq.actions.steps.login import Login
from labq.actions.steps.work import Work, expired, namespaced
from labq.hw.expect import Expect, alternative


def reset(work: Work) -> bool:
    """Reset the board by its power, where it has power; tell whether it has."""
    if not work.session.power.can_reset():
        return False
    with work.action("reset-device"), work.action("pdu-reboot"):
        work.session.power.reset()
    return True


def open_console(work: Work) -> Expect:
    """Open the primary console, whatever the board does."""
    with work.action("connect-device"):
        return Expect(work.session.console())


def close_console(work: Work) -> None:
    """Close all consoles: what the board says while it is flashed is of no use."""
    with work.action("disconnect-device"):
        for spec in work.session.plan.consoles:
            work.session.disconnect(spec.channel)


def await_prompt(work: Work, expect: Expect, prompts: Sequence[str], action: str) -> None:
    """Wait for one of the prompts as the inner action and case, and remember them; none: no wait."""
    if not prompts:
        return
    wanted = [alternative("prompt", prompt) for prompt in prompts]
    seconds = work.seconds(action)
    with work.action(action, case=True) as deadline:
        if expect.wait(wanted, deadline, work.session.step.timeouts.silence(action)) is None:
            last = expect.tail() or "nothing"
            facts = f"no prompt ({', '.join(prompts)}) came; last on the console: {last}"
            raise expired(action, seconds, facts)
    work.session.remember(namespaced(work.session, "prompts"), list(prompts))


def log_in(work: Work, expect: Expect, parameters: PromptBoot) -> None:
    """Follow the boot to its prompt, as for a boot with a login but without one."""
    Login(work, expect, LoginBoot.model_construct(**dict(parameters))).run()
