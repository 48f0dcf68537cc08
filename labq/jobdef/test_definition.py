"""Test definitions, checked as LAVA's `validate-testdef` checks them: unknown keys pass."""

from __future__ import annotations

from pydantic import ValidationError

from labq.actions import model_errors
from labq.actions.overlay.definition_keys import DefinitionKeys
from labq.actions.values import Level
from labq.domain.errors import InvalidInputError, Problem
from labq.jobdef import source


def problems(text: str | bytes) -> list[Problem]:
    """Return everything that is wrong with the text of a test definition."""
    try:
        document = source.read(text)
    except InvalidInputError as error:
        return error.problems
    try:
        DefinitionKeys.model_validate(document.value, context=Level.LAX)
    except ValidationError as error:
        return [document.problem(*finding) for finding in model_errors.findings(error)]
    return []
