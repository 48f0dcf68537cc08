"""What a sweep proposes, and how it is drawn."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from labq.cli.sweep.arms import Measured, median, propose
from labq.cli.sweep.plot import draw


def an_arm(boots: int | None, seconds: float, failed: int = 0, tests: int = 8) -> Measured:
    return Measured(
        boots=boots,
        tests=tests,
        jobs=100,
        failed=failed,
        suspect=0,
        seconds=seconds,
        boot_seconds=1.0,
        test_seconds=None,
    )


def test_the_quickest_arm_is_proposed():
    arms = [an_arm(1, 100), an_arm(2, 50), an_arm(4, 40), an_arm(8, 60)]
    assert propose(arms) == arms[2]


def test_an_arm_with_more_failures_is_none_however_quick():
    arms = [an_arm(2, 50), an_arm(8, 10, failed=2)]
    assert propose(arms) == arms[0]
    assert propose([an_arm(2, 50), an_arm(8, 10, failed=1)]).boots == 8


def test_of_arms_that_are_about_as_quick_the_one_with_fewest_at_once_is_proposed():
    arms = [an_arm(2, 41), an_arm(4, 40), an_arm(8, 40)]
    assert propose(arms) == arms[0]


def test_an_adaptive_arm_is_no_proposal():
    assert propose([an_arm(None, 10)]) is None


def test_a_median_of_nothing_is_none():
    assert median([]) is None
    assert median([3.0, 1.0, 2.0]) == 2.0


def test_the_picture_is_sound_and_shows_every_arm():
    text = draw("host <lab> & co", [an_arm(1, 100), an_arm(16, 30, failed=12), an_arm(None, 40)])
    root = ET.fromstring(text)
    words = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "host <lab> & co" in words
    assert {"1", "16", "100", "30", "12", "adaptive: 40"} <= set(words)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}circle"))) == 4
