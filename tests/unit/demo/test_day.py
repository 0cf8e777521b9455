"""The script of the day: its truth, and that a perfect observer of its photos, by the system's rules, comes to that
truth.

The observer is the pure domain fed with what the script put into each slot; nothing is recognised here. So a wrong
script and a wrong rule both fail, before any picture is drawn.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from inventory_match.demo.day import CONFIRMATIONS, STORE, TICKS, Day, Shot, scripted_day, standing
from inventory_match.demo.pictures import photo_bytes, photograph
from inventory_match.demo.site_text import site_toml
from inventory_match.domain.counting import Answer, RegionSeen, count, reassign
from inventory_match.domain.ledger import Effect, Level, Observed, apply_count
from inventory_match.domain.photos import KeyPattern
from inventory_match.domain.reorder import Policy, Stage, judge
from inventory_match.rendering.shopper import draw_shopper
from inventory_match.site_file import parse

DAY = scripted_day()
HERO, PICKED_UP = "CER-001", "SOD-008"
COVERED = 0.75
"""A slot less open than this cannot be judged."""


def _openness(day: Day, shot: Shot) -> list[float]:
    layout = day.camera(shot.camera).layout
    if shot.occluder is None:
        return [1.0] * len(layout.labels)
    cover = draw_shopper(shot.occluder, (640, 480)).getchannel("A")
    boxes = [layout.slot(slot).pixels(640, 480) for slot in range(len(layout.labels))]
    return [1 - sum(pixels) / 255 / len(pixels) for pixels in (cover.crop(box).tobytes() for box in boxes)]


def _seen(day: Day, shot: Shot) -> list[RegionSeen]:
    answers = []
    for slot, open_share in enumerate(_openness(day, shot)):
        if open_share < COVERED:
            answers.append(RegionSeen(slot, Answer.NOT_ASSESSABLE))
        elif slot in shot.contents:
            answers.append(RegionSeen(slot, Answer.PRODUCT, shot.contents[slot].sku))
        else:
            answers.append(RegionSeen(slot, Answer.VOID))
    return answers


class Observer:
    """Follows a day by the domain's rules, in the order of upload."""

    def __init__(self, day: Day, confirmations: int) -> None:
        self.day, self.confirmations = day, confirmations
        self.levels: dict[tuple[str, str], Level] = {}
        self.belongs: dict[str, dict[int, str]] = {}
        self.stages: dict[str, Stage] = {}
        self.reorders: dict[str, int] = {}
        self.webhooks: list[tuple[str, str]] = []

    def look(self, shot: Shot) -> None:
        owners = self.belongs.setdefault(shot.camera, {})
        seen = _seen(self.day, shot)
        believed = {
            sku: level.facings or 0
            for (place, sku), level in self.levels.items()
            if place == shot.camera and (level.facings or level.pending_photos)
        }
        effects: dict[str, Effect | None] = {}
        for facings in count(seen, owners, believed):
            effects[facings.sku] = None
            if facings.facings is not None:
                place = (shot.camera, facings.sku)
                observed = Observed(facings.facings, 1, shot.captured_at)
                before = self.levels.get(place, Level())
                self.levels[place], effects[facings.sku] = apply_count(before, observed, self.confirmations)
                self._judge(facings.sku)
        owners.update(reassign(seen, owners, effects))

    def _judge(self, sku: str) -> None:
        rule = self.day.rules[sku]
        policy = Policy(rule.reorder_point, rule.clear_point, rule.target_level, rule.pack_size)
        verdict = judge(self.stages.get(sku, Stage.OK), self.totals()[sku], policy, on_order=self.reorders.get(sku, 0),
                        has_open_reorder=sku in self.reorders, now=datetime(2026, 3, 3, tzinfo=UTC))  # fmt: skip
        self.stages[sku] = verdict.stage
        self.webhooks += [(str(alert), sku) for alert in verdict.alerts]
        if verdict.order_units is not None:
            self.reorders[sku] = verdict.order_units
            self.webhooks.append(("reorder.opened", sku))

    def totals(self) -> Mapping[str, int]:
        sums: dict[str, int] = {}
        for (_, sku), level in self.levels.items():
            sums[sku] = sums.get(sku, 0) + (level.units or 0)
        return sums


def _observed(shots: Iterable[Shot], confirmations: int = CONFIRMATIONS) -> Observer:
    observer = Observer(DAY, confirmations)
    for shot in shots:
        if not shot.broken:
            observer.look(shot)
    return observer


def _announced(pause: timedelta) -> Iterator[Shot]:
    """The shots as their events announce them; a repeated one seems taken `pause` later."""
    for shot in DAY.shots:
        for repeat in range(shot.events):
            yield replace(shot, captured_at=shot.captured_at + repeat * pause)


def test_the_story_is_the_one_told() -> None:
    assert len(DAY.products) == 24
    assert len(DAY.shots) == 2 * TICKS + 1
    story = ("stock.low", "reorder.opened", "stock.out", "stock.recovered")
    assert DAY.expected_webhooks == tuple((kind, HERO) for kind in story)
    assert DAY.expected_reorders == {HERO: 12}
    assert DAY.expected_levels[HERO] == 4
    in_two_places = [DAY.expected_at[place, "CRI-005"] for place in ("shelf-1", "shelf-2")]
    assert (in_two_places, DAY.expected_levels["CRI-005"]) == ([2, 1], 3)
    assert sum(DAY.expected_levels.values()) == 48 - 1 - 7


@pytest.mark.parametrize("shots", [DAY.shots, tuple(_announced(timedelta(0)))], ids=["once", "as announced"])
def test_a_perfect_observer_comes_to_the_truth(shots: tuple[Shot, ...]) -> None:
    observer = _observed(shots)
    assert {place: level.units for place, level in observer.levels.items()} == DAY.expected_at
    assert observer.totals() == DAY.expected_levels
    assert observer.reorders == DAY.expected_reorders
    assert sorted(observer.webhooks) == sorted(DAY.expected_webhooks)
    assert len(observer.webhooks) == 4


def test_the_traps_catch_who_breaks_a_rule() -> None:
    without_confirmation = _observed(DAY.shots, confirmations=1)
    repeat_taken_for_a_new_photo = _observed(_announced(timedelta(seconds=1)))
    assert ("stock.low", PICKED_UP) in without_confirmation.webhooks
    assert ("stock.low", PICKED_UP) in repeat_taken_for_a_new_photo.webhooks


def test_each_trap_is_set_once() -> None:
    shots = DAY.shots
    traps = ("broken", "late", "occluder")
    assert [sum(bool(getattr(shot, trap)) for shot in shots) for trap in traps] == [1, 1, 2]
    assert [shot.events for shot in shots if shot.events != 1] == [2]
    place = next(i for i, shot in enumerate(shots) if shot.late)
    late, before = shots[place], shots[:place]
    newer = [shot for shot in before if shot.camera == late.camera and shot.captured_at > late.captured_at]
    assert len(newer) == 3
    assert newer[-1].contents.keys() < late.contents.keys(), "the late photo shows packs that are gone"
    on_time = [shot.captured_at for shot in shots if not shot.late]
    assert on_time == sorted(on_time)


@pytest.mark.parametrize("code", ["shelf-1", "shelf-2"])
def test_every_state_lasts_two_open_photos(code: str) -> None:
    chosen = DAY.camera(code)
    shots = [s for s in DAY.shots if s.camera == chosen.code and not s.broken and not s.late]
    for sku in {design.sku for design in chosen.products}:
        own = [slot for slot, design in enumerate(chosen.products) if design.sku == sku]
        run, previous = CONFIRMATIONS, [True] * len(own)
        for shot in shots:
            openness = _openness(DAY, shot)
            if min(openness[slot] for slot in own) < COVERED or shot.events == 2:
                continue
            state = [slot in shot.contents for slot in own]
            assert state == previous or run >= CONFIRMATIONS, f"{sku} changes too soon at {shot.key}"
            run, previous = (run + 1, state) if state == previous else (1, state)
        assert run >= CONFIRMATIONS, f"the last state of {sku} is never confirmed"


def test_the_shopper_hides_the_hero_and_whole_slots() -> None:
    first, second = (photograph(DAY, shot) for shot in DAY.shots if shot.occluder)
    assert min(first.uncovered[:4]) < COVERED, "the hero is partly hidden"
    for photo in (first, second):
        assert sum(share < 0.1 for share in photo.uncovered) >= 3
        assert sum(share == 1.0 for share in photo.uncovered) >= 12


def test_keys_carry_the_time_and_belong_to_their_camera() -> None:
    site = parse(site_toml(DAY), "site.toml").site
    patterns = {camera.camera: KeyPattern(camera.key_pattern) for camera in site.cameras}
    for shot in DAY.shots:
        answers = {code: pattern.match(shot.key, store=STORE, camera=code) for code, pattern in patterns.items()}
        times = {code: found.captured_at for code, found in answers.items() if found}
        assert times == {shot.camera: shot.captured_at}
    assert len({shot.key for shot in DAY.shots}) == len(DAY.shots)


def test_the_site_says_what_the_day_says() -> None:
    site = parse(site_toml(DAY), "site.toml").site
    for camera, written in zip(DAY.cameras, site.cameras, strict=True):
        assert (written.camera, written.kind, written.regions) == (camera.code, "shelf", ())
    rules = site.all_rules
    assert {rule.sku: rule.settings["reorder_point"] for rule in rules if rule.sku} == {HERO: 2, PICKED_UP: 1}
    assert [rule.settings["confirmations"] for rule in rules if not rule.sku] == [CONFIRMATIONS]


def test_files_are_photos_but_for_the_broken_one() -> None:
    broken = next(shot for shot in DAY.shots if shot.broken)
    whole = photo_bytes(DAY, DAY.shots[0])
    assert Image.open(io.BytesIO(whole)).convert("RGB").size == (1280, 960)
    assert whole == photo_bytes(scripted_day(), DAY.shots[0])
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(photo_bytes(DAY, broken))).load()


def test_only_the_first_shelf_is_refilled() -> None:
    full = {camera.code: [tick for tick in range(TICKS) if len(standing(camera, tick)) == 24] for camera in DAY.cameras}
    assert full == {"shelf-1": [0, 1, 18, 19, 20], "shelf-2": [0, 1, 2, 3]}
