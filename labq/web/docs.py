"""The OpenAPI document and the page that shows it to people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache

from flask import Flask, Response, render_template

from labq.web.endpoint import HTML, JSON, Endpoint
from labq.web.openapi import Schema, make_document


def register_docs(app: Flask, prefix: str, endpoints: Sequence[Endpoint]) -> None:
    """Add `<prefix>/openapi.json` and /api/docs; the document is made when it is first asked for."""

    @cache
    def document() -> Schema:
        return make_document(prefix, endpoints)

    def openapi() -> Response:
        return Response(json.dumps(document(), ensure_ascii=False), content_type=JSON)

    def docs() -> Response:
        page = render_template("api_docs.html", document=document(), prefix=prefix)
        return Response(page, content_type=f"{HTML}; charset=utf-8")

    app.add_url_rule(f"{prefix}/openapi.json", "api.openapi", openapi)
    app.add_url_rule("/api/docs", "api.docs", docs)
