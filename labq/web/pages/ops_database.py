"""`/ops/transactions`, `/ops/statements`, `/ops/tables`: what the database does."""

from __future__ import annotations

from labq.metrics.ledger import views
from labq.services.ops import relation_sizes
from labq.web import observing
from labq.web.endpoint import Call, Level, Page
from labq.web.parsing import Input
from labq.web.rendering import render

SHOWN = 100


class ExplainForm(Input):
    """Whether the statement is run for its plan."""

    analyze: bool


def transactions(call: Call) -> str:
    """Show transactions by call site and minute, open ones, and who waits for a lock."""
    gathering = observing.current().gathering
    view = views.find_transactions(call.session, gathering)
    return render(
        call,
        "ops_transactions.html",
        view=view,
        waits=views.find_waits(call.session),
        texts=views.texts_of(gathering, {one.id for row in view.slow for one in row.statements}),
        is_complete=view.is_complete,
    )


def statements(call: Call) -> str:
    """Show the statements that took the most time."""
    view = views.find_statements(call.session, observing.current().gathering, limit=SHOWN)
    return render(call, "ops_statements.html", view=view, is_complete=view.is_complete)


def statement(call: Call, statement_id: str) -> str:
    """Show a statement and its plan."""
    row = views.find_statement(observing.current().gathering, statement_id)
    return render(call, "ops_statement.html", row=row, explained=None)


def explain(call: Call, statement_id: str, form: ExplainForm) -> str:
    """Explain a statement and show it."""
    gathering = observing.current().gathering
    url = call.settings.report_database
    explained = views.explain_statement(gathering, url, statement_id, runs=form.analyze)
    row = views.find_statement(gathering, statement_id)
    return render(call, "ops_statement.html", row=row, explained=explained)


def tables(call: Call) -> str:
    """Show how large tables and indexes are."""
    found = relation_sizes.find(call.session, call.now)
    return render(call, "ops_tables.html", relations=found)


PAGES = (
    Page(path="/ops/transactions", run=transactions, level=Level.ADMIN),
    Page(path="/ops/statements", run=statements, level=Level.ADMIN),
    Page(path="/ops/statements/<statement_id>", run=statement, level=Level.ADMIN),
    Page(
        path="/ops/statements/<statement_id>/explain",
        run=explain,
        method="POST",
        level=Level.ADMIN,
        form=ExplainForm,
    ),
    Page(path="/ops/tables", run=tables, level=Level.ADMIN),
)
