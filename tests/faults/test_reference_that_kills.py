"""A reference photo that kills whoever embeds it: it is found, told by name and left out, and the build goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inventory_match import reembed
from inventory_match.bootstrap import App
from inventory_match.db.catalog import builds
from inventory_match.domain.errors import ServiceUnavailable
from inventory_match.domain.photos import ObjectRef
from inventory_match.ports import Decoded

from ..integration.encoders.conftest import MakeEncoder, encoder, rows, served, take_in

__all__ = ["encoder", "served"]
PROGRESS = (
    "select state, done::int, total::int, failed::int from inventory_match.encoder_builds where encoder like 'tiny-16%'"
)


class Killed(BaseException):
    """What a process does not survive: nothing of ours that handles errors sees it."""


class Deadly:
    """Satisfies `ports.PhotoStore` and `ports.Decoder`: the reference under `key` ends the process when it is decoded."""

    def __init__(self, app: App, key: str) -> None:
        self._app, self._key = app, key
        self.deaths = 0

    def fetch(self, ref: ObjectRef) -> bytes:
        return b"deadly" if ref.key == self._key else self._app.store.fetch(ref)

    def __call__(self, data: bytes) -> Decoded:
        if data == b"deadly":
            self.deaths += 1
            raise Killed
        return self._app.reference_decoder(data)


def build(workshop: reembed.Workshop, app: App, encoder_id: int) -> None:
    """As a worker and its chores would: whoever takes up a build that stood still goes carefully."""
    alone = False
    for _ in range(20):
        try:
            if reembed.step(workshop, app.unit_of_work, encoder_id, alone=alone) is None:
                return
            alone = False
        except Killed:
            alone = True
    pytest.fail(f"it never ended: {rows(app, PROGRESS)}")


def test_a_reference_that_kills_its_worker_is_told_and_the_build_goes_on(
    served: App, encoder: MakeEncoder, tmp_path: Path
) -> None:
    take_in(served, tmp_path, 12)
    [(key,)] = rows(served, "select key from inventory_match.reference_photo where sku = 'p005'")
    deadly = Deadly(served, key)
    workshop = replace(served.workshop, store=deadly, decode=deadly)
    begun = reembed.begin(workshop, served.unit_of_work, encoder(dim=16))
    build(workshop, served, begun.id)

    assert deadly.deaths == 3, "once among the others, twice alone"
    assert rows(served, PROGRESS) == [("building", 11, 12, 1)]
    [(cause,)] = rows(served, "select last_failure from inventory_match.encoder_builds where failed > 0")
    assert cause == f"p005: {builds.TWICE}"

    begun = reembed.begin(served.workshop, served.unit_of_work, encoder(dim=16))
    build(served.workshop, served, begun.id)
    assert rows(served, PROGRESS) == [("ready", 12, 12, 0)], "tried again by hand, where it kills nobody any more"


def test_a_database_restarted_during_a_careful_step_leaves_no_reference_out(
    served: App, encoder: MakeEncoder, tmp_path: Path
) -> None:
    """What was noted cannot be withdrawn then: the next careful step tries that reference again, and withdraws it."""
    take_in(served, tmp_path, 3)

    class Ends:
        """Satisfies `ports.PhotoStore`; its process ends at the first fetch, whatever it was to fetch."""

        def fetch(self, _ref: ObjectRef) -> bytes:
            raise Killed

    begun = reembed.begin(served.workshop, served.unit_of_work, encoder(dim=16))
    ends: Any = Ends()
    with pytest.raises(Killed):
        reembed.step(replace(served.workshop, store=ends), served.unit_of_work, begun.id, alone=True)
    assert rows(served, PROGRESS) == [("building", 0, 3, 1)], "noted"
    while reembed.step(served.workshop, served.unit_of_work, begun.id, alone=True) is not None:
        pass
    assert rows(served, PROGRESS) == [("ready", 3, 3, 0)]


def test_a_server_that_is_away_during_a_careful_step_is_held_against_no_reference(
    served: App, encoder: MakeEncoder, tmp_path: Path
) -> None:
    take_in(served, tmp_path, 3)

    class Away:
        """Satisfies `ports.PhotoStore`."""

        def fetch(self, ref: ObjectRef) -> bytes:
            raise ServiceUnavailable(f"{ref.key} did not come")

    begun = reembed.begin(served.workshop, served.unit_of_work, encoder(dim=16))
    away: Any = Away()
    with pytest.raises(ServiceUnavailable):
        reembed.step(replace(served.workshop, store=away), served.unit_of_work, begun.id, alone=True)
    assert rows(served, PROGRESS) == [("building", 0, 3, 0)]
    assert reembed.step(served.workshop, served.unit_of_work, begun.id, alone=True) is not None
    assert rows(served, PROGRESS) == [("building", 3, 3, 0)]
