"""Which variables a job's context may set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labq.jobdef import context


@pytest.fixture
def of_site(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the site add names, for this test alone."""
    monkeypatch.setenv("LABQ_CONTEXT_VARIABLES", "favourite, rack:shelf")
    context._site_variables.cache_clear()
    yield
    context._site_variables.cache_clear()


@pytest.mark.usefixtures("of_site")
@pytest.mark.parametrize("name", ["arch", "favourite", "rack", "shelf"])
def test_a_site_adds_names_to_those_of_lava(name: str) -> None:
    assert context.is_known(name)


@pytest.mark.parametrize("name", ["favourite", "", 5])
def test_other_names_are_not_known(name: object) -> None:
    assert not context.is_known(name)
