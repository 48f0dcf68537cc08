"""Kinds of tests."""

from labq.actions.test import definitions, interactive

METHODS = (definitions.METHOD, interactive.METHOD)
