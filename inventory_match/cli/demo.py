"""`inventory-match demo`: a rendered shop's day through the whole product, judged against its known truth."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table
from sqlalchemy import text

from inventory_match.cli.frame import console, plain_errors, table

if TYPE_CHECKING:
    from inventory_match.bootstrap import App
    from inventory_match.demo.day import Day, Shot
    from inventory_match.webhooks.receiver import Received, WebhookReceiver

_VIEWS = {
    "stock_history of the product that ran low": """
        select local_time, kind, effect, units, actor from inventory_match.stock_history
        where sku = (select min(sku) from inventory_match.open_reorders) and effect = 'moved' order by observed_at""",
    "open_reorders": """
        select id, sku, name, state, units, level_when_opened, level_now from inventory_match.open_reorders""",
    "stock_on_hand": """
        select sku, name, level, stage, seen_at from inventory_match.stock_on_hand order by level, sku limit 8""",
    "photo_log": """
        select state, count(*) as photos, min(cause) as cause from inventory_match.photo_log group by state""",
    "sighting_log": """
        select answer, outcome, count(*) as regions, round(min(similarity)::numeric, 2) as least_similarity
        from inventory_match.sighting_log group by 1, 2 order by 3 desc""",
}


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path(".demo"), show_default=True)
def demo(out: Path) -> None:
    """Render a shop, let cameras upload a day of photos, and check every count, reorder and alert.

    Exit code 0 only if everything equals the script's truth, each exactly once. Pictures, the summary and the data stay in
    OUT; `inventory-match up --data OUT/data` opens them again.
    """
    with plain_errors():
        judged = _demo(out)
    if judged:
        for complaint in judged:
            console.print(f"[red]differs:[/red] {complaint}")
        raise SystemExit(1)
    console.print("[green]every count, reorder and alert equals the truth, each exactly once[/green]")


def _demo(out: Path) -> list[str]:
    from inventory_match.demo.album import write_album
    from inventory_match.demo.day import scripted_day
    from inventory_match.demo.play import painting, play
    from inventory_match.demo.services import running
    from inventory_match.demo.truth import judge

    out.mkdir(parents=True, exist_ok=True)
    day = scripted_day()
    ahead = ThreadPoolExecutor(1)
    catalog = ahead.submit(_catalog, day, out)
    console.print(f"[bold]1[/bold] starting Postgres, Redis, S3 + SQS, worker, intake and beat (log: {out / 'up.log'})")
    with painting(day) as painted, running(out / "data", out / "up.log") as app:
        console.print(f"[bold]2[/bold] {len(day.products)} products into the catalog, the site into the database")
        _prepare(app, day, out, catalog.result())
        received: list[Received] = []
        with _receiver(app, received):
            console.print(f"[bold]3[/bold] {len(day.shots)} photos of one day go up to s3://{app.settings.bucket}")
            started = time.monotonic()
            with _LiveDay(app, day, received) as live:
                play(app, day, painted, live.played)
            seconds = time.monotonic() - started
        console.print("[bold]4[/bold] what the inventory team sees in SQL")
        _show_views(app)
        rows = [(one.type, one.payload["data"]["sku"], one.message_id, "verified" if one.verified else one.complaint)
                for one in received]  # fmt: skip
        table("webhooks received", ("type", "sku", "webhook-id", "signature"), rows)
        pictures = write_album(app, out, day.cameras[0].code)
        judged = judge(app, day, received, seconds)
    (out / "summary.json").write_text(json.dumps(judged.as_json(), indent=2) + "\n", encoding="utf-8")
    table("summary", ("figure", "value"), list(judged.as_json().items()))
    console.print(f"pictures: {pictures[0]} and {len(pictures) - 1} more; figures: {out / 'summary.json'}")
    return judged.complaints


def _catalog(day: Day, out: Path) -> Path:
    """Renders the packshots and imports torch, both while the servers start."""
    from inventory_match.rendering.catalog import write_catalog

    import_module("torchvision")
    return write_catalog(out / "catalog", day.products)


def _prepare(app: App, day: Day, out: Path, catalog: Path) -> None:
    from inventory_match import site_file
    from inventory_match.apply_site import apply_site
    from inventory_match.cli.catalog import import_file
    from inventory_match.demo.site_text import site_toml

    import_file(app, catalog, strict=True)
    written = out / "site.toml"
    written.write_text(site_toml(day), encoding="utf-8")
    apply_site(app.unit_of_work, app.kicker, site_file.read(written), datetime.now(UTC))


def _receiver(app: App, received: list[Received]) -> WebhookReceiver:
    """A receiver on loopback, added like any other endpoint."""
    import secrets

    from inventory_match.db import outbox
    from inventory_match.webhooks import signing
    from inventory_match.webhooks.receiver import WebhookReceiver

    secret = signing.new_secret(secrets.token_bytes(32))
    receiver = WebhookReceiver([secret], received.append)
    app.sender.check_url(receiver.url)
    with app.unit_of_work() as session:
        outbox.add_endpoint(session, receiver.url, secret, [])
    return receiver


def _show_views(app: App) -> None:
    with app.unit_of_work() as session:
        for name, query in _VIEWS.items():
            found = session.execute(text(query))
            columns = list(found.keys())
            table(name, columns, [tuple(row) for row in found])


class _LiveDay:
    """The table that moves while the day is played."""

    def __init__(self, app: App, day: Day, received: list[Received]) -> None:
        self._app, self._day, self._received = app, day, received
        self._played: Counter[str] = Counter()
        self._latest: dict[str, Shot] = {}
        self._live = Live(self._drawn(), console=console, refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.update(self._drawn())
        self._live.stop()

    def played(self, shot: Shot) -> None:
        """One more photo has come to rest."""
        self._played[shot.camera] += 1
        self._latest[shot.camera] = shot
        self._live.update(self._drawn())

    def _drawn(self) -> Group:
        cameras = Table(title="cameras", title_justify="left")
        for name in ("camera", "photos", "captured", "note"):
            cameras.add_column(name)
        for camera in self._day.cameras:
            shot = self._latest.get(camera.code)
            total = sum(one.camera == camera.code for one in self._day.shots)
            captured = f"{shot.captured_at:%H:%M}" if shot else "–"
            cameras.add_row(camera.code, f"{self._played[camera.code]}/{total}", captured, _note(shot))
        return Group(cameras, *(f"  webhook {one.type} {one.payload['data'].get('sku')}" for one in self._received))


def _note(shot: Shot | None) -> str:
    if shot is None:
        return ""
    notes = {
        "a shopper stands in front": shot.occluder is not None,
        "came late": shot.late,
        "a broken file": shot.broken,
        "its event came twice": shot.events > 1,
    }
    return ", ".join(note for note, holds in notes.items() if holds)
