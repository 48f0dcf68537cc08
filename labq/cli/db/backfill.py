"""`labq db backfill`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from labq.cli.database import answering, reached
from labq.cli.output import Progress, json_option, show_json, wants_json
from labq.services import backfills
from labq.services.database import Role, make_engine, session_factory
from labq.services.upgrading import finish_backfill


@click.command()
@click.argument("name")
@click.option(
    "--again", is_flag=True, help="Look at all rows once more, also at those done before."
)
@json_option
def command(name: str, *, again: bool) -> None:
    """Carry out a back-fill here, to its end, instead of leaving it to core workers.

    It rests under load. Interrupted, it goes on later, here or there.
    """
    progress = Progress()
    with reached() as url, answering():
        engine = make_engine(url, Role.MIGRATION)
        try:
            if again:
                with session_factory(engine).begin() as session:
                    backfills.start_over(session, name, datetime.now(UTC))
            finish_backfill(engine, name, progress.show)
        finally:
            engine.dispose()
    progress.clear()
    if wants_json():
        show_json({"name": name, "finished": True})
    else:
        click.echo(f"the back-fill {name} is finished")
