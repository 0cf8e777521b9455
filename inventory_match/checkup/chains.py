"""Checks in chains: those that share a server run one after the other; chains run side by side, each in its own thread with
its own time, so that one dead server delays no other. What cannot be judged because an earlier check of its chain failed
says so. Asked again and again, a chain that hangs holds up one thread and not more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.exc import DBAPIError

from inventory_match.bootstrap import App
from inventory_match.domain.errors import InventoryMatchError
from inventory_match.timely import Timely

CHAIN_SECONDS = 20.0


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Found:
    """What a look found; `cure` is empty where nothing needs mending."""

    verdict: Verdict
    detail: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    name: str
    verdict: Verdict
    detail: str
    cure: str


@dataclass(frozen=True, slots=True)
class Step:
    """A look at one thing. `cure` is for when it raises; `needs` names the step of the same chain it cannot do without."""

    name: str
    look: Callable[[App], Found]
    cure: str
    needs: str | None = None


Chain = Sequence[Step]


class Checkup:
    """Looks whenever it is asked; `keep`: seconds for which what was found is told again. Safe to ask from many threads."""

    def __init__(self, app: App, chains: Sequence[Chain], keep: float = 0.0) -> None:
        self._walks = [_Walk(app, chain, keep) for chain in chains]

    def checks(self, seconds: float = CHAIN_SECONDS) -> list[Check]:
        """Every check, in the order of its chains; takes at most `seconds`."""
        asked = [(walk, walk.timely.begin()) for walk in self._walks]
        until = time.monotonic() + seconds
        return [check for walk, begun in asked for check in walk.checks(until - time.monotonic(), begun)]


class _Walk:
    """One chain: what it found so far stays visible while it hangs."""

    def __init__(self, app: App, chain: Chain, keep: float) -> None:
        self._app, self._chain = app, chain
        self._found: dict[str, Check] = {}
        self.timely = Timely(self._walk, keep)

    def checks(self, seconds: float, asked: Future[dict[str, Check]]) -> list[Check]:
        late = ""
        try:
            found = self.timely.answer(seconds, asked)
        except TimeoutError as error:
            found, late = dict(self._found), str(error)
        return [found.get(s.name, Check(s.name, Verdict.FAIL, late, s.cure)) for s in self._chain]

    def _walk(self) -> dict[str, Check]:
        found = self._found = {}
        down = set[str]()
        for step in self._chain:
            blocked = step.needs in down
            seen = (
                Found(Verdict.WARN, f"not looked at: {step.needs} comes first") if blocked else _look(self._app, step)
            )
            if blocked or seen.verdict is Verdict.FAIL:
                down.add(step.name)
            found[step.name] = Check(step.name, seen.verdict, seen.detail, seen.cure)
        return found


def _look(app: App, step: Step) -> Found:
    try:
        return step.look(app)
    except InventoryMatchError as error:
        return Found(Verdict.FAIL, str(error), step.cure)
    except DBAPIError as error:
        return Found(Verdict.FAIL, str(error.orig).splitlines()[0], step.cure)
    except Exception as error:  # noqa: BLE001 - whatever is wrong is what this report is about; the others go on
        # The type only: the message of an unforeseen error may quote an address with its password.
        return Found(Verdict.FAIL, f"{type(error).__name__} (details would show secrets)", step.cure)
