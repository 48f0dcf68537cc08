"""The OpenAPI document covers what the API does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine

from labq.config import Settings
from labq.web.api import ENDPOINTS
from labq.web.app import API_PREFIX, create_app
from labq.web.endpoint import Level
from labq.web.openapi import make_document, path_of

DOCUMENT = make_document(API_PREFIX, ENDPOINTS)


def references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"]
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def test_every_registered_rule_of_the_api_is_in_the_document() -> None:
    engine = create_engine("postgresql+psycopg2://", pool_size=1)
    app = create_app(Settings(secret_key="x", redis_url="redis://"), engine)
    rules = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.removeprefix(API_PREFIX)), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(API_PREFIX) and rule.endpoint != "api.openapi"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    documented = {
        (path, method) for path, operations in DOCUMENT["paths"].items() for method in operations
    }
    assert rules == documented


def test_each_reference_leads_to_a_schema() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    found = set(references(DOCUMENT))
    assert found
    for reference in found:
        prefix, _, name = reference.rpartition("/")
        assert prefix == "#/components/schemas"
        assert name in schemas, reference


def test_operations_have_names_of_their_own() -> None:
    names = [
        operation["operationId"]
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
    ]
    assert len(names) == len(set(names)) == len(ENDPOINTS)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_an_operation_says_what_it_takes_and_gives(endpoint: Any) -> None:
    operation = DOCUMENT["paths"][path_of(endpoint)][endpoint.method.lower()]
    in_path = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
    assert in_path == set(re.findall(r"{(\w+)}", path_of(endpoint)))
    in_query = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
    assert in_query == set(endpoint.query.model_fields if endpoint.query else ())
    has_body = endpoint.body is not None or endpoint.is_upload
    assert ("requestBody" in operation) == has_body
    assert str(endpoint.status) in operation["responses"]
    assert "application/problem+json" in operation["responses"]["default"]["content"]
    is_open = endpoint.level is Level.ANONYMOUS and not endpoint.is_upload
    assert ({} in operation["security"]) == is_open


def test_the_document_is_plain_json() -> None:
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
    assert DOCUMENT["openapi"] == "3.1.0"
