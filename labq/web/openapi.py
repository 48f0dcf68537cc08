"""The OpenAPI 3.1 document, made from the endpoints' records and their models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from labq import __version__
from labq.web.endpoint import BYTES, JSON, Endpoint, Level, adapter_of
from labq.web.errors import PROBLEM_JSON, ProblemDetails

Schema = dict[str, Any]
_REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")
_SECURITY: tuple[Mapping[str, list[str]], ...] = ({"token": []}, {"session": []})


def path_of(endpoint: Endpoint) -> str:
    """Return the path with OpenAPI's braces."""
    return _PARAMETER.sub(r"{\2}", endpoint.path)


def make_document(prefix: str, endpoints: Sequence[Endpoint]) -> Schema:
    """Return the document of all endpoints."""
    schemas, components = _schemas(endpoints)
    paths: Schema = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, schemas)
        paths.setdefault(path_of(endpoint), {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "labq",
            "version": __version__,
            "description": "Jobs on a hardware test lab. Errors are problem details (RFC 9457); "
            "lists are paged by key: pass `next` of a page as `after` of the following one.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": prefix}],
        "tags": [{"name": tag} for tag in dict.fromkeys(map(_tag, endpoints))],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _security_schemes()},
    }


def _schemas(endpoints: Iterable[Endpoint]) -> tuple[Mapping[Any, Schema], Schema]:
    """Return the schema of each type by its identity, and the components that they refer to."""
    inputs: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = [
        (_key(endpoint.body), "validation", adapter_of(endpoint.body))
        for endpoint in endpoints
        if endpoint.body is not None
    ]
    outputs: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = [
        (_key(answer), "serialization", adapter_of(answer))
        for answer in (ProblemDetails, *(each.answer for each in endpoints))
        if answer is not None
    ]
    unique = {(key, mode): (key, mode, adapter) for key, mode, adapter in (*inputs, *outputs)}
    found, definitions = TypeAdapter.json_schemas(unique.values(), ref_template=_REF)
    return {key: schema for (key, _mode), schema in found.items()}, definitions.get("$defs", {})


def _key(model: object) -> str:
    return repr(model)


def _operation(endpoint: Endpoint, schemas: Mapping[Any, Schema]) -> Schema:
    operation: Schema = {
        "operationId": endpoint.name.removeprefix("api."),
        "summary": endpoint.summary,
        "tags": [_tag(endpoint)],
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint.query)],
        "responses": {
            str(endpoint.status): _answer(endpoint, schemas),
            "default": {
                "description": "what went wrong",
                "content": {PROBLEM_JSON: {"schema": schemas[_key(ProblemDetails)]}},
            },
        },
        "security": list(_SECURITY) if endpoint.level else [{}, *_SECURITY],
    }
    if endpoint.level is Level.ADMIN:
        operation["description"] = "For admins only."
    if endpoint.body is not None:
        raw = {media: {"schema": {"type": "string"}} for media in endpoint.raw_body}
        content = {JSON: {"schema": schemas[_key(endpoint.body)]}, **raw}
        operation["requestBody"] = {"required": True, "content": content}
    if endpoint.is_upload:
        content = {BYTES: {"schema": {"type": "string", "format": "binary"}}}
        operation["requestBody"] = {"required": True, "content": content}
        operation["security"] = [{"token": []}]
    return operation


def _answer(endpoint: Endpoint, schemas: Mapping[Any, Schema]) -> Schema:
    answer: Schema = {"description": "done" if endpoint.status < 300 else "look there"}
    if endpoint.answer is None:
        texts = {media: {"schema": {"type": "string"}} for media in endpoint.media}
        return answer | ({"content": texts} if endpoint.status == 200 else {})
    return answer | {"content": {JSON: {"schema": schemas[_key(endpoint.answer)]}}}


def _path_parameters(endpoint: Endpoint) -> list[Schema]:
    kinds = {"id": {"type": "integer", "minimum": 0}}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": kinds.get(converter, {"type": "string"}),
        }
        for converter, name in _PARAMETER.findall(endpoint.path)
    ]


def _query_parameters(model: type[BaseModel] | None) -> list[Schema]:
    if model is None:
        return []
    schema = model.model_json_schema(mode="validation")
    definitions = schema.get("$defs", {})
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": field.get("description", ""),
            "schema": _inlined(field, definitions),
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _inlined(schema: Any, definitions: Schema) -> Any:
    """Return the schema with its own definitions put in place: parameters have no `$defs`."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items()}


def _tag(endpoint: Endpoint) -> str:
    return endpoint.name.split(".")[1]


def _security_schemes() -> Schema:
    return {
        "token": {"type": "http", "scheme": "bearer", "description": "`labq token create`"},
        "session": {"type": "apiKey", "in": "cookie", "name": "labq_session"},
    }
