"""One soak from start to end: prepare and begin in peace, upload in a storm, then calm, the operator's work, and the count.

The order of the calm is a runbook's: scan for what no event told, wait, give another try to what was given up, and resend.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from inventory_match.checkup import QUEUES, queues_served
from inventory_match.domain.errors import ServiceUnavailable
from inventory_match.rendering.designs import PackDesign
from inventory_match.soak.acts import Saboteur, make_acts
from inventory_match.soak.crew import Crew
from inventory_match.soak.pictures import designs, photo_bytes
from inventory_match.soak.plan import Shot, make_plan, products_for
from inventory_match.soak.report import Course, Report, expected_alerts, make_report, received
from inventory_match.soak.stand import Stand, standing
from inventory_match.soak.subject import Subject

AHEAD = 40
"""Photos that may be on their way before the next is uploaded."""
PAUSE_S = 0.6
"""The longest a photo waits for that, so that a subject that loses photos does not hold up the storm."""
READY_S, SENT_S = 120.0, 30.0
_AGE = timedelta(days=2)
"""How old the day's photos are: younger than any retention, and never ahead of a clock."""

Progress = Callable[[str, int, int], None]
"""Called with what is going on, how much of it is done, and of how much."""


@dataclass(slots=True)
class _Soak:
    stand: Stand
    packs: dict[str, PackDesign]
    subject: Subject
    crew: Crew
    progress: Progress
    uploaded: int = 0

    def storm(self, saboteur: Saboteur) -> None:
        """Uploads everything while faults happen; ends with the faults."""
        plan, untold = self.stand.plan, 0
        saboteur.start()
        try:
            for number, shot in enumerate(plan.storm, 1):
                self.upload(shot)
                saboteur.uploaded(number / len(plan.storm))
                self.progress("storm", number, len(plan.storm))
                untold += shot.telling in ("late", "never")  # nobody is on the way with these
                until = time.monotonic() + PAUSE_S
                while time.monotonic() < until and self.unfinished() - untold > AHEAD:
                    time.sleep(0.2)
        finally:
            saboteur.finish()
            self.stand.calm()

    def upload(self, shot: Shot) -> None:
        """As its camera would."""
        self.stand.upload(shot.key, photo_bytes(shot, self.packs))
        self.uploaded += 1

    def unfinished(self) -> int:
        """Uploads that are not at rest."""
        return self.uploaded - self.subject.at_rest(self.stand)

    def drain(self) -> float:
        """Seconds until all of them are at rest, or until nothing has moved for as long as the subject ever pauses."""
        began = moved = time.monotonic()
        last = -1
        while (left := self.unfinished()) and time.monotonic() - moved < self.subject.pause_s:
            if left != last:
                last, moved = left, time.monotonic()
            self.progress("calm", self.uploaded - left, self.uploaded)
            time.sleep(0.2)
        return time.monotonic() - began

    def sent(self) -> None:
        """Waits until no alert waits."""
        until = time.monotonic() + SENT_S
        while self.subject.undelivered(self.stand) and time.monotonic() < until:
            time.sleep(0.1)

    def uneventful(self, shots: tuple[Shot, ...]) -> None:
        """The first and the last photos of the day, one of each shelf at a time."""
        together = len(self.stand.plan.shelves)
        for first in range(0, len(shots), together):
            round_ = shots[first : first + together]
            for shot in round_:
                self.upload(shot)
            self.drain()


def soak(photos: int, seed: int, subject: Subject, folder: Path, progress: Progress = lambda *_: None) -> Report:
    """`folder` keeps the processes' log, `soak.log`.

    Raises ServiceUnavailable where the subject's processes do not come up, ValueError for too few photos.
    """
    began = time.monotonic()
    packs = {design.sku: design for design in designs(products_for(photos))}
    plan = make_plan(photos, seed, list(packs), datetime.now(UTC).replace(microsecond=0) - _AGE)
    with ExitStack() as held:
        progress("starting", 0, 1)
        stand = held.enter_context(standing(plan, list(packs.values()), folder))
        subject.prepare(stand)
        crew = held.enter_context(Crew(subject.commands(), stand.environment_of_processes, folder / "soak.log"))
        _await_workers(stand)
        run = _Soak(stand, packs, subject, crew, progress)
        run.uneventful(plan.opening)
        saboteur = Saboteur(stand, crew, make_acts(photos, seed), seed)
        run.storm(saboteur)
        calm = time.monotonic()
        found = subject.catch_up(stand)
        run.drain()
        drained = time.monotonic() - calm
        tried = subject.try_again(stand)
        run.drain()
        run.uneventful(plan.closing)
        run.sent()
        again = subject.try_again(stand)
        run.drain()
        run.sent()
        before = len(stand.receiver.posts)
        subject.send_again(stand)
        run.sent()
        facts = subject.facts(stand)
        resent = received(expected_alerts(plan, facts), stand.receiver.posts[before:])
        course = Course(
            seconds=time.monotonic() - began, seconds_to_drain=drained, peak_mib=crew.peak_mib, found_by_scan=found,
            tried_again=tried + again, received_after_resend=resent, sabotage=saboteur.done, troubles=stand.s3.met,
            told=stand.news.told, moods=stand.receiver.moods,
        )  # fmt: skip
        return make_report(subject.name, plan, facts, list(stand.receiver.posts), course)


def _await_workers(stand: Stand) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        with suppress(ServiceUnavailable):
            if set[str]().union(*queues_served(stand.app, seconds=0.5).values()) >= QUEUES:
                return
        time.sleep(0.2)
    raise ServiceUnavailable(f"no worker answered within {READY_S:g} s")
