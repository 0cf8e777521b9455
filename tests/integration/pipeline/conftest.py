"""A small shop on the real Postgres, S3 and SQS, looked at by an encoder that only knows colours.

`Shop` uploads drawn shelf photos to the bucket, takes the bucket's own messages from the queue, and processes photos as a
worker would. Only ports are replaced: the encoder (mean colour instead of a network), the kicker (a list instead of Redis).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from io import BytesIO
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image as Pillow
from sqlalchemy import text

from inventory_match import intake, pipeline, ports
from inventory_match.bootstrap import App
from inventory_match.db import models
from inventory_match.domain.matching import Thresholds
from inventory_match.domain.photos import Box, ObjectRef, PhotoState, PhotoUploaded, QualityLimits
from inventory_match.intake import Taken
from inventory_match.pipeline import Eyes, Patience, Rules
from inventory_match.s3.queue import SqsQueue
from inventory_match.vision.facings import Facings
from inventory_match.vision.images import crop, decoder

OPENS = datetime(2026, 3, 2, 8, tzinfo=UTC)
COLOURS = {
    "A": (200, 40, 40),
    "B": (40, 180, 40),
    "C": (40, 40, 200),
    "D": (190, 190, 30),
    "?": (200, 60, 200),  # a product the catalog does not know
}
WIDTH, HEIGHT, EDGE = 60, 80, 12


class ColourEncoder:
    """Satisfies `ports.Encoder`: the mean colour, without its brightness, as a unit vector of shape (3,)."""

    sha256 = "c0" * 32

    def embed(self, crops: Sequence[ports.Image]) -> ports.Embeddings:
        means = np.array([one.reshape(-1, 3).mean(axis=0) for one in crops], np.float32).reshape(-1, 3)
        hues = means - means.mean(axis=1, keepdims=True)
        vectors: ports.Embeddings = hues / np.maximum(np.linalg.norm(hues, axis=1, keepdims=True), 1e-6)
        return vectors


def pack(name: str) -> ports.Image:
    """A place on the shelf: a product's colour in stripes, `.` the bare shelf, `#` a lens flare."""
    if name in COLOURS:
        place = np.full((HEIGHT, WIDTH, 3), COLOURS[name], np.uint8)
        place[::8] = place[1::8] = place[::8] // 3
        return place
    return np.full((HEIGHT, WIDTH, 3), {".": 120, "#": 255}[name], np.uint8)


def shelf_photo(*places: str) -> bytes:
    """A PNG with one place beside the other, between textured edges."""
    draw = np.random.default_rng(len(places))
    photo = draw.integers(40, 160, (HEIGHT + 2 * EDGE, WIDTH * len(places) + 2 * EDGE, 3), np.uint8)
    for i, name in enumerate(places):
        photo[EDGE : EDGE + HEIGHT, EDGE + i * WIDTH : EDGE + (i + 1) * WIDTH] = pack(name)
    out = BytesIO()
    Pillow.fromarray(photo).save(out, "PNG")
    return out.getvalue()


def regions(places: int) -> list[list[float]]:
    """The boxes of a camera that watches that many places."""
    width, height = WIDTH * places + 2 * EDGE, HEIGHT + 2 * EDGE
    return [
        [(EDGE + i * WIDTH) / width, EDGE / height, (EDGE + (i + 1) * WIDTH) / width, (EDGE + HEIGHT) / height]
        for i in range(places)
    ]


@dataclass
class Kicks:
    """Satisfies `ports.Kicker`."""

    photos: list[int] = field(default_factory=list)

    def kick(self, photo_id: int) -> None:
        self.photos.append(photo_id)


@dataclass
class Drawings:
    """Satisfies `ports.PhotoStore`."""

    photos: dict[ObjectRef, bytes] = field(default_factory=dict)

    def fetch(self, ref: ObjectRef) -> bytes:
        return self.photos[ref]


@dataclass
class Told:
    """Satisfies `ports.Finder`: finds what it was told stands in a picture, and nothing in any other."""

    boxes: dict[int, list[Box]] = field(default_factory=dict)

    def tell(self, image: ports.Image, boxes: Sequence[Box]) -> None:
        self.boxes[hash(image.tobytes())] = list(boxes)

    def __call__(self, image: ports.Image) -> list[ports.Found]:
        return [ports.Found(box, 0.9) for box in self.boxes.get(hash(image.tobytes()), [])]


@dataclass
class Shop:
    """One shop with its own database, and its own prefix in the shared bucket."""

    app: App
    prefix: str = field(default_factory=lambda: f"shop-{uuid4().hex[:8]}")
    kicks: Kicks = field(default_factory=Kicks)
    drawings: Drawings = field(default_factory=Drawings)
    finder: Told = field(default_factory=Told)
    patience: Patience = field(default_factory=lambda: Patience(3, timedelta(minutes=5), timedelta(0)))
    rules: Rules = field(default_factory=lambda: Rules(Thresholds(accept=0.9, margin=0.1), 5, 20_000))

    @cached_property
    def queue(self) -> SqsQueue:
        """The machine's queue, without waiting for what may still come."""
        return App(self.app.settings.model_copy(update={"queue_wait": 0})).queue

    @property
    def eyes(self) -> Eyes:
        limits = QualityLimits(12, 4, 4)
        decode = decoder(max_bytes=1_000_000, max_pixels=1_000_000, limits=limits)
        return Eyes(self.app.store, decode, Facings(self.finder), ColourEncoder(), crop)

    def add(self, *rows: models.Base) -> None:
        with self.app.unit_of_work() as session:
            for row in rows:
                session.add(row)
                session.flush()

    def camera(self, code: str, places: int, location: str | None = None, **more: Any) -> None:
        """A shelf camera with a location of its own."""
        place = location or code
        if not self.rows("select 1 from inventory_match.location where location = :place", place=place):
            self.add(models.Location(store="s1", location=place, name=place))
        pattern = f"{self.prefix}/{code}/{{captured_at}}{{any}}"
        given = {"kind": "shelf", "regions": regions(places), "key_pattern": pattern} | more
        self.add(models.Camera(camera=code, store="s1", location=place, **given))

    def add_level(self, sku: str, facings: int, location: str = "cam") -> None:
        """A product that a camera counted before opening, whatever became of its region."""
        level = {"units": facings, "facings": facings, "counted_at": OPENS, "seen_at": OPENS, "camera": "cam"}
        self.add(models.StockLevel(store="s1", location=location, sku=sku, **level))

    def policy(self, sku: str | None = None, **settings: Any) -> None:
        with self.app.unit_of_work() as session:
            session.query(models.PolicyRule).filter_by(store=None, category=None, sku=sku).delete()
            session.add(models.PolicyRule(sku=sku, settings=settings))

    def upload(self, *places: str, minute: float, camera: str = "cam", suffix: str = ".png") -> ObjectRef:
        """A shelf photo taken `minute` minutes after opening, put into the bucket."""
        return self.put(shelf_photo(*places), minute=minute, camera=camera, suffix=suffix)

    def put(self, data: bytes, *, minute: float, camera: str = "cam", suffix: str = ".png") -> ObjectRef:
        at = OPENS + timedelta(minutes=minute)
        key = f"{self.prefix}/{camera}/{at:%Y%m%dT%H%M%S}{suffix}"
        return self.app.store.put(self.app.settings.bucket, key, data, "image/png")

    def take(self) -> Taken:
        """Intake of everything the bucket has announced."""
        taken = Taken()
        while messages := self.queue.receive():
            buckets = self.app.settings.buckets
            taken += intake.take_messages(messages, self.app.unit_of_work, self.kicks, buckets)
            self.queue.delete(messages)
        return taken

    def draw(self, *places: str, minute: float, camera: str = "cam") -> int:
        """A photo that a scan finds, in `drawings` instead of the bucket: for tests that need many, quickly."""
        [photo_id] = self.draw_each(*places, minutes=[minute], camera=camera)
        return photo_id

    def draw_each(self, *places: str, minutes: Iterable[float], camera: str = "cam") -> list[int]:
        """The same picture at each of these minutes."""
        found, data = [], shelf_photo(*places)
        for minute in minutes:
            key = f"{self.prefix}/{camera}/{OPENS + timedelta(minutes=minute):%Y%m%dT%H%M%S}-{uuid4().hex}"
            found.append(PhotoUploaded(ObjectRef(self.app.settings.bucket, key, None, uuid4().hex), datetime.now(UTC)))
            self.drawings.photos[found[-1].ref] = data
        return intake.scan(found, self.app.unit_of_work, self.kicks, lambda _: None).registered

    def process(self, photo_id: int, **changed: Any) -> PhotoState | None:
        eyes = replace(self.eyes, **changed)
        return pipeline.process(photo_id, eyes, self.rules, self.patience, self.app.unit_of_work, datetime.now(UTC))

    def run(self) -> list[PhotoState | None]:
        """Takes what is in the queue and processes it in order of registration."""
        return [self.process(photo_id) for photo_id in self.take().registered]

    def see(self, *places: str, minute: float, camera: str = "cam") -> PhotoState | None:
        """One photo from the bucket to its rest."""
        self.upload(*places, minute=minute, camera=camera)
        [state] = self.run()
        return state

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.app.unit_of_work() as session:
            return [tuple(row) for row in session.execute(text(sql), values)]

    def one(self, sql: str, **values: Any) -> Any:
        [[value]] = self.rows(sql, **values)
        return value

    def levels(self) -> dict[str, int | None]:
        return dict(self.rows("select sku, sum(units)::int from inventory_match.stock_level group by sku"))

    def told(self) -> list[tuple[str, str | None]]:
        """(type, sku) of every message in the outbox, in the order of writing."""
        return [
            (row[0], row[1])
            for row in self.rows("select type, sku from inventory_match.message order by created_at, ctid")
        ]

    def effects(self, sku: str) -> list[str]:
        sql = "select effect from inventory_match.stock_event where sku = :sku order by id"
        return [row[0] for row in self.rows(sql, sku=sku)]

    def stock(self) -> None:
        """Four products, each with one reference, known to the encoder."""
        encoder = models.Encoder(
            name="colours", arch="mean", sha256=ColourEncoder.sha256, dim=3, metric="cosine", record={},
            thresholds={"accept": 0.9, "margin": 0.1}, state="active",
        )  # fmt: skip
        self.add(models.Store(store="s1", name="Shop 1"), encoder)
        for sku in "ABCD":
            photo = models.ReferencePhoto(sku=sku, content_hash=sku, bucket="b", key=f"catalog/{sku}", source=sku)
            self.add(models.Product(sku=sku, name=f"Product {sku}", category="packs"), photo)
            [vector] = ColourEncoder().embed([pack(sku)])
            self.add(models.ReferenceEmbedding(encoder_id=encoder.id, reference_id=photo.id, sku=sku, embedding=vector))


@pytest.fixture
def empty_shop(app: App) -> Shop:
    """A catalog and a store, and nothing that watches it; whatever other tests left in the queue is gone."""
    made = Shop(app)
    made.stock()
    while messages := made.queue.receive():
        made.queue.delete(messages)
    return made


@pytest.fixture
def shop(empty_shop: Shop) -> Shop:
    """One shelf of four places watched by `cam`; every product is low at 1, clear at 3, ordered up to 6 in packs of 2."""
    empty_shop.camera("cam", 4)
    empty_shop.policy(reorder_point=1, clear_point=3, target_level=6, pack_size=2)
    return empty_shop


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits, at most ten seconds, for something that other threads do."""
    import time

    def wait(true: Callable[[], bool]) -> None:
        ends = time.monotonic() + 10
        while not true():
            assert time.monotonic() < ends, "it did not happen within ten seconds"
            time.sleep(0.01)

    return wait
