"""`inventory-match cameras`: what each shelf camera usually looks at."""

from __future__ import annotations

import click

from inventory_match import camera_view, intake
from inventory_match.bootstrap import App
from inventory_match.cli.frame import say, with_app


@click.group()
def cameras() -> None:
    """Cameras and their usual views."""


@cameras.command("accept")
@click.argument("photo_id", type=int)
@with_app
def accept(app: App, photo_id: int) -> None:
    """What PHOTO_ID shows is what its camera looks at from now on; the photo is tried again.

    For a camera that was moved for good: `photos draw PHOTO_ID` shows what it sees. Places it found by itself are found anew;
    fixed regions are as the site file has them.
    """
    with app.unit_of_work() as session:
        camera = camera_view.accept(session, photo_id)
    intake.kick_all(app.kicker, [photo_id])
    say(f"camera {camera}: photo {photo_id} is its usual view now, and is tried again")
    say(f"the others that wait: inventory-match photos redrive --state needs_review --camera {camera}")
