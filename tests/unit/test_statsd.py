"""Names of figures, and that nothing is sent without a host."""

from __future__ import annotations

import pytest

from labq import statsd
from labq.config import Settings


@pytest.mark.parametrize("name", ["", "a b", "a..b", ".a", "a:1|c", "a\nb", "ä"])
def test_a_name_that_would_break_the_protocol_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a name of a figure"):
        statsd.timing(name, 1)


def test_any_text_becomes_a_segment_that_is_a_name() -> None:
    assert statsd.segment("qemu uboot.v2|c") == "qemu_uboot_v2_c"
    assert statsd.segment("") == "_"


def test_without_a_host_figures_go_nowhere() -> None:
    statsd.setup(Settings())
    with statsd.timer("block"):
        statsd.incr("count")
    statsd.gauge("value", 1.5)
