"""What follows from rights that were given: LAVA's rules, said plainly and compared."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labq.domain.rights import Grant, Right, holders

GRANTS = st.lists(st.builds(Grant, st.integers(1, 3), st.sampled_from(Right)), max_size=3)
VIEW, SUBMIT, CHANGE = Right
MINE, OTHERS = 1, 2


def test_without_a_grant_everybody_may_view_and_submit_and_nobody_may_change() -> None:
    assert holders(VIEW, [], []) is None
    assert holders(SUBMIT, [], []) is None
    assert holders(CHANGE, [], []) == frozenset()


def test_a_grant_restricts_the_right_that_it_names_and_no_other() -> None:
    grants = [Grant(MINE, SUBMIT)]
    assert holders(VIEW, [], grants) is None
    assert holders(SUBMIT, [], grants) == {MINE}
    assert holders(CHANGE, [], grants) == frozenset()


def test_each_right_includes_those_before_it() -> None:
    grants = [Grant(OTHERS, VIEW), Grant(MINE, CHANGE)]
    assert holders(VIEW, grants) == {MINE, OTHERS}
    assert holders(CHANGE, grants) == {MINE}


def test_a_restricted_device_asks_nothing_of_its_type() -> None:
    assert holders(VIEW, [Grant(MINE, VIEW)], [Grant(OTHERS, CHANGE)]) == {MINE}


def test_a_device_lets_in_whom_its_type_keeps_out() -> None:
    assert holders(VIEW, [Grant(MINE, SUBMIT)], [Grant(OTHERS, VIEW)]) == {MINE, OTHERS}


def _may(right: Right, group: int, device: list[Grant], kind: list[Grant]) -> bool:
    """Say for a user in one group, one question after the other, as LAVA asks them."""
    order = tuple(Right)

    def has(grants: list[Grant]) -> bool:
        return any(
            one.group == group and order.index(one.right) >= order.index(right) for one in grants
        )

    def is_restricted(grants: list[Grant]) -> bool:
        return right in [one.right for one in grants]

    if has(device):
        return True
    if is_restricted(device):
        return False
    if has(kind):
        return True
    return right is not CHANGE and not is_restricted(kind)


@given(st.sampled_from(Right), st.integers(1, 4), GRANTS, GRANTS)
def test_holders_are_those_whom_lava_would_let(
    right: Right, group: int, device: list[Grant], kind: list[Grant]
) -> None:
    found = holders(right, device, kind)
    assert (found is None or group in found) == _may(right, group, device, kind)
