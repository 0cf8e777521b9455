"""The views of photos, sightings and webhooks against rows put there by hand."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, text
from sqlalchemy.orm import Session

from .conftest import NOON, Ask, Put

pytestmark = pytest.mark.usefixtures("camera")


@pytest.fixture
def camera(shop: str, put: Put) -> str:
    put("camera", camera="c1", store=shop, location="shelf", key_pattern="c1/")
    return "c1"


def shot(put: Put, minute: int, *answers: str, camera: str = "c1", **more: Any) -> int:
    """A photo of minute `minute` with these answers at positions 0, 1, ...; returns its id."""
    at = NOON + timedelta(minutes=minute)
    values = {"camera": camera, "store": "s1", "location": "shelf", "captured_at": at, "event_time": at, **more}
    photo = put("photo", key=f"{camera}/{minute}.jpg", **values)
    for position, answer in enumerate(answers):
        outcome = {"product": "matched", "unknown": "unknown"}.get(answer)
        sku = "tea" if answer == "product" else None
        put("sighting", photo_id=photo.id, position=position, answer=answer, outcome=outcome, sku=sku)
    return int(photo.id)


def test_photo_log_says_how_long_it_took(put: Put, ask: Ask) -> None:
    shot(put, 0, finished_at=NOON + timedelta(seconds=2.5), attempts=1)
    [row] = ask("select * from photo_log where camera = 'c1'")
    assert (row["seconds"], row["state"], row["attempts"], row["next_attempt_at"]) == (2.5, "done", 1, None)
    assert row["age"] > timedelta(days=1)


def test_photo_log_says_when_a_waiting_photo_is_tried_again(put: Put, ask: Ask) -> None:
    shot(put, 0, state="registered", cause="ServiceUnavailable: S3", next_attempt_at=NOON)
    [row] = ask("select * from photo_log")
    assert (row["next_attempt_at"], row["seconds"], row["cause"]) == (NOON, None, "ServiceUnavailable: S3")


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        pytest.param({"state": "done"}, None, id="done"),
        pytest.param({"state": "rejected", "cause": "not an image"}, None, id="nothing more will happen"),
        pytest.param({"state": "unrouted"}, "a camera that claims its key", id="unrouted"),
        pytest.param({"state": "needs_review"}, "a person: needs review", id="needs review"),
        pytest.param({"state": "dead"}, "a person: all its attempts are used up; .*redrive.*", id="dead"),
        pytest.param({"due": -12, "kicked": 3}, r"its turn since 00:00:12 \(kicked 00:00:03 ago\)", id="kicked"),
        pytest.param({"due": -12}, "the sweep, to kick it, since 00:00:12", id="not kicked"),
        pytest.param(
            {"due": 40, "attempts": 2, "cause": "ServiceUnavailable: S3"},
            "attempt 3 of 8 in 00:00:40, after ServiceUnavailable: S3",
            id="failed for a while",
        ),
        pytest.param(
            {"state": "processing", "due": 90, "attempts": 2},
            "a worker that has it in hand: attempt 2 of 8, lease for another 00:01:30",
            id="in hand",
        ),
        pytest.param(
            {"state": "processing", "due": -5, "attempts": 2},
            "another worker since 00:00:05: the one that had it did not finish attempt 2 of 8 in its lease",
            id="its worker died",
        ),
        pytest.param({"due": -5, "attempts": 8}, "the sweep, to be put down as dead after 8 attempts", id="used up"),
    ],
)
def test_photo_log_says_what_a_photo_waits_for(
    session: Session, put: Put, ask: Ask, photo: dict[str, Any], words: str | None
) -> None:
    now = session.execute(text("select now()")).scalar_one()
    put("chore", chore="sweep", figures={"attempts": 8})
    due, kicked = photo.pop("due", 0), photo.pop("kicked", None)
    moments = {"next_attempt_at": now + timedelta(seconds=due)}
    moments["kicked_at"] = None if kicked is None else now - timedelta(seconds=kicked)
    shot(put, 0, **{"state": "registered", **moments, **photo})
    [row] = ask("select waiting_for from photo_log")
    assert row["waiting_for"] is None if words is None else re.fullmatch(words, row["waiting_for"])


def test_photo_log_needs_no_sweep_to_have_run(put: Put, ask: Ask) -> None:
    shot(put, 0, state="registered", attempts=1, cause="S3", next_attempt_at=func.now() + timedelta(seconds=40.5))
    [row] = ask("select waiting_for from photo_log")
    assert row["waiting_for"] == "attempt 2 in 00:00:40, after S3"


def test_sighting_log_has_all_it_takes_to_replay(put: Put, ask: Ask) -> None:
    encoder = put("encoder")
    photo = shot(put, 0)
    candidates = [{"sku": "tea", "similarity": 0.9}, {"sku": "rice", "similarity": 0.7}]
    thresholds = {"accept": 0.5, "margin": 0.1}
    put(
        "sighting", photo_id=photo, position=0, answer="product", outcome="matched", sku="tea", similarity=0.9,
        margin=0.2, candidates=candidates, thresholds=thresholds, encoder_id=encoder.id,
    )  # fmt: skip
    [row] = ask("select * from sighting_log where sku = 'tea'")
    assert (row["photo_key"], row["camera"], row["captured_at"]) == ("c1/0.jpg", "c1", NOON)
    assert (row["name"], row["second_sku"], row["second_similarity"], row["encoder"]) == ("Tea", "rice", 0.7, "tiny")
    assert (row["candidates"], row["thresholds"]) == (candidates, thresholds)
    assert (row["x0"], row["y0"], row["x1"], row["y1"]) == (0.1, 0.2, 0.3, 0.4)


@pytest.mark.parametrize(
    ("shots", "unexplained"),
    [
        pytest.param([["unknown"]], [(0, 0)], id="never explained"),
        pytest.param([["unknown"], ["product"]], [], id="known later"),
        pytest.param([["unknown"], ["void"]], [], id="gone later"),
        pytest.param([["unknown"], ["not_assessable"]], [(0, 0)], id="a covered lens explains nothing"),
        pytest.param([["unknown"], ["unknown"]], [(1, 0)], id="the newest look speaks for the region"),
        pytest.param([["unknown", "unknown"], ["product"]], [(0, 1)], id="another region explains nothing"),
    ],
)
def test_unknown_on_a_shelf(put: Put, ask: Ask, shots: list[list[str]], unexplained: list[tuple[int, int]]) -> None:
    for minute, answers in enumerate(shots):
        shot(put, minute, *answers)
    rows = ask("select captured_at, position from unknown_products")
    assert [((row["captured_at"] - NOON).seconds // 60, row["position"]) for row in rows] == unexplained


def test_a_late_photo_does_not_bring_an_explained_region_back(put: Put, ask: Ask) -> None:
    shot(put, 5, "product")
    shot(put, 1, "unknown")
    assert ask("select * from unknown_products") == []


def test_product_photos_stay_unknown_one_by_one_newest_first(put: Put, ask: Ask) -> None:
    put("camera", camera="phone", store="s1", location="back", key_pattern="phone/", kind="product")
    for minute in (0, 1):
        shot(put, minute, "unknown", camera="phone")
    rows = ask("select captured_at from unknown_products")
    assert [row["captured_at"] for row in rows] == [NOON + timedelta(minutes=1), NOON]


def test_the_best_guess_is_named(put: Put, ask: Ask) -> None:
    photo = shot(put, 0)
    put(
        "sighting", photo_id=photo, position=0, answer="unknown", outcome="ambiguous", similarity=0.8, margin=0.01,
        candidates=[{"sku": "rice", "similarity": 0.8}, {"sku": "tea", "similarity": 0.79}],
    )  # fmt: skip
    [row] = ask("select * from unknown_products")
    assert (row["best_guess"], row["best_guess_name"], row["outcome"]) == ("rice", "Rice", "ambiguous")


def told(put: Put, url: str | None = "https://example.com/hook", **delivery: Any) -> Any:
    message = put("message", id="msg_1", type="stock.low", store="s1", sku="tea", data={"level": 1})
    if url is None:
        return message
    endpoint = put("webhook_endpoint", url=url)
    put("webhook_secret", endpoint_id=endpoint.id, secret="whsec_hidden")
    return put("delivery", message_id=message.id, endpoint_id=endpoint.id, **delivery)


def test_webhook_log_shows_the_last_attempt(put: Put, ask: Ask) -> None:
    delivery = told(put, attempts=2, next_attempt_at=NOON)
    put("delivery_attempt", delivery_id=delivery.id, error="ConnectionRefusedError", duration_ms=1)
    put("delivery_attempt", delivery_id=delivery.id, status=503, duration_ms=1)
    [row] = ask("select * from webhook_log where type = 'stock.low'")
    assert (row["state"], row["attempts"], row["last_status"], row["last_error"]) == ("pending", 2, 503, None)
    assert (row["next_attempt_at"], row["data"]) == (NOON, {"level": 1})


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:hidden@example.com:8443/services/hidden?token=hidden#hidden",
        "https://example.com:8443/hidden",
        "https://hidden@example.com:8443",
        "https://example.com:8443?hidden",
        "https://a:b@hidden@example.com:8443/x",
        "HTTPS://example.com:8443/hidden",
    ],
)
def test_webhook_log_shows_no_secret_of_an_address(put: Put, ask: Ask, url: str) -> None:
    delivery = told(put, url)
    put("delivery_attempt", delivery_id=delivery.id, error=f"OSError: no way to {url}", duration_ms=1)
    [row] = ask("select * from webhook_log")
    assert row["endpoint"].lower() == "https://example.com:8443"
    assert "hidden" not in str(row)


def test_webhook_log_says_why_a_message_went_nowhere(put: Put, ask: Ask) -> None:
    told(put, None)
    put("message", id="msg_2", type="stock.digest", store="s1")
    put("message", id="msg_3", type="stock.low", store="s1", held=True)
    put("message", id="msg_4", type="stock.low", store="s1", held=True, digest_id="msg_2")
    states = {row["message_id"]: row["state"] for row in ask("select message_id, state from webhook_log")}
    assert states == {"msg_1": "no endpoint", "msg_2": "no endpoint", "msg_3": "held", "msg_4": "in digest"}
