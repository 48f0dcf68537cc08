"""Kinds of tests."""

from labq.actions.test import definitions, docker, interactive, monitors, services

METHODS = (
    definitions.METHOD,
    docker.METHOD,
    interactive.METHOD,
    monitors.METHOD,
    services.METHOD,
)
