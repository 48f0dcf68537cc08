"""Input of a request to its model: query, body, form and path. Everything wrong is told at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar, get_origin

from flask import request
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import NotFound, UnsupportedMediaType

from labq.domain.errors import InvalidInputError, Problem
from labq.services.paging import LARGEST_ID, LARGEST_PAGE
from labq.web.endpoint import JSON, Endpoint

_MOST_PROBLEMS = 50
M = TypeVar("M", bound=BaseModel)


def _without_nul(text: str) -> str:
    if "\0" in text:
        message = "has a NUL character"
        raise ValueError(message)
    return text


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Text = Annotated[str, AfterValidator(_without_nul)]
Moment = Annotated[datetime, AfterValidator(_aware)]
"""One without a zone is UTC."""
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+@-]*$", max_length=100)]
_NAME: TypeAdapter[str] = TypeAdapter(Name)
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]


class Input(BaseModel):
    """The base of query, body and form models: unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PageQuery(Input):
    """Which page of a list."""

    limit: int = Field(default=25, ge=1, le=LARGEST_PAGE, description="items a page")
    after: Text | None = Field(
        default=None, max_length=400, description="`next` of the page before"
    )


def parse_query(model: type[M]) -> M:
    """Return the query parameters; raises InvalidInputError."""
    return _validated(model, _values(model, request.args))


def parse_form(model: type[M]) -> M:
    """Return the fields of a form, without the CSRF token; raises InvalidInputError."""
    values = _values(model, request.form)
    values.pop("csrf_token", None)
    return _validated(model, values)


def parse_body(endpoint: Endpoint, model: type[M]) -> M:
    """Return the body; raises InvalidInputError, UnsupportedMediaType, RequestEntityTooLarge."""
    accepted = (JSON, *endpoint.raw_body)
    if request.mimetype not in accepted:
        message = f"{request.mimetype or 'a missing content type'}: send {' or '.join(accepted)}"
        raise UnsupportedMediaType(message)
    if endpoint.largest_body is not None:
        request.max_content_length = endpoint.largest_body
    data = request.get_data(cache=False)
    if request.mimetype != JSON:
        return _validated(model, {endpoint.raw_field: _decoded(data, endpoint.raw_field)})
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise invalid(error) from error


def as_name(text: str) -> str:
    """Return a text that can name a user or a group; raises InvalidInputError."""
    try:
        return str(_NAME.validate_python(text))
    except ValidationError as error:
        raise InvalidInputError([Problem("name", f"{text!r} cannot be a name")]) from error


def check_path(values: Mapping[str, object]) -> None:
    """Refuse text in the path that cannot be the name of anything."""
    if any(isinstance(value, str) and "\0" in value for value in values.values()):
        raise NotFound


def invalid(error: ValidationError) -> InvalidInputError:
    """Return a model's complaints as the one error of inputs."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return InvalidInputError([_problem(item) for item in details[:_MOST_PROBLEMS]])


def _validated(model: type[M], values: Mapping[str, object]) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid(error) from error


def _values(model: type[BaseModel], given: MultiDict[str, str]) -> dict[str, Any]:
    """Return lists for fields that are lists, and for others that were given twice."""
    values: dict[str, Any] = {}
    for key, texts in given.lists():
        field = model.model_fields.get(key)
        is_list = field is not None and get_origin(field.annotation) in {tuple, list}
        values[key] = texts if is_list or len(texts) > 1 else texts[0]
    return values


def _decoded(data: bytes, field: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"not UTF-8: byte {error.start} is 0x{data[error.start]:02x}"
        raise InvalidInputError([Problem(field, message, line)]) from error


def _problem(item: ErrorDetails) -> Problem:
    path = ""
    for part in item["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return Problem(path, item["msg"].removeprefix("Value error, "))
