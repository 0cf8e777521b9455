"""A catalog file into real Postgres and S3: every good row, once, and nothing of a strict import that has a bad one."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from sqlalchemy import text

from inventory_match import catalog_file
from inventory_match.bootstrap import App
from inventory_match.db import catalog
from inventory_match.domain.errors import ConfigurationError, ServiceUnavailable
from inventory_match.domain.photos import ObjectRef
from inventory_match.enrol import Imported, Studio, import_catalog


def written(shop: Path, body: str, head: str = "sku,image,name,category,gtin,x0,y0,x1,y1") -> catalog_file.CatalogFile:
    (shop / "catalog.csv").write_text(f"{head}\n{body}", encoding="utf-8")
    return catalog_file.read(shop / "catalog.csv")


def rows(app: App, statement: str) -> list[tuple[Any, ...]]:
    with app.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def stored(app: App) -> set[str]:
    return {found.ref.key for found in app.store.list_objects(app.settings.bucket, "catalog/")}


def summary(done: Imported) -> tuple[int, int, int, int, int]:
    return done.products, done.new_products, done.references, done.unchanged, len(done.bad)


TWO = "apple,red.png,Apple,fruit,40170725,,,,\napple,green.png,,,,,,,\nsky,blue.png,,,,,,,\n"


def test_every_row_becomes_a_reference_that_is_found(app: App, studio: Studio, shop: Path) -> None:
    steps: list[None] = []
    done = import_catalog(studio, app.unit_of_work, written(shop, TWO), progress=lambda: steps.append(None))
    assert summary(done) == (2, 2, 3, 0, 0)
    assert len(steps) == 3
    with app.unit_of_work() as session:
        apple, sky = catalog.list_products(session)
        assert (apple.sku, apple.name, apple.category, apple.gtin, apple.references) == (
            "apple",
            "Apple",
            "fruit",
            "40170725",
            2,
        )
        assert (sky.sku, sky.name, sky.category, sky.gtin, sky.references) == ("sky", "sky", None, None, 1)
        asked = [studio.decode((shop / f"{name}.png").read_bytes()).image for name in ("green", "blue")]
        encoder = catalog.active_encoder(session, studio.encoder.sha256)
        found = catalog.nearest(session, encoder, studio.encoder.embed(asked), 2, None, 100)
    assert [each[0].sku for each in found] == ["apple", "sky"]
    assert [round(each[0].similarity, 3) for each in found] == [1, 1]


def test_a_second_import_changes_nothing_and_embeds_nothing(app: App, studio: Studio, shop: Path, colours: Any) -> None:
    file = written(shop, TWO)
    import_catalog(studio, app.unit_of_work, file)
    before, colours.seen = rows(app, "select * from inventory_match.reference_photo order by id"), []
    assert summary(import_catalog(studio, app.unit_of_work, file)) == (2, 0, 0, 3, 0)
    assert rows(app, "select * from inventory_match.reference_photo order by id") == before
    assert colours.seen == []


def test_the_reference_is_kept_under_the_name_of_its_content(app: App, studio: Studio, shop: Path) -> None:
    before = stored(app)
    import_catalog(studio, app.unit_of_work, written(shop, "a,red.png,,,,,,,\nb,red.png,,,,,,,\na,red.png,,,,,,,\n"))
    data = (shop / "red.png").read_bytes()
    key = f"catalog/{hashlib.sha256(data).hexdigest()}.png"
    assert rows(app, "select distinct key from inventory_match.reference_photo") == [(key,)]
    assert stored(app) - before <= {key}
    assert studio.store.fetch(ObjectRef(app.settings.bucket, key, None, "")) == data
    assert rows(app, "select sku, source from inventory_match.reference_photo order by 1") == [
        ("a", "red.png"),
        ("b", "red.png"),
    ]


def test_a_box_cuts_the_product_out(app: App, studio: Studio, shop: Path, colours: Any) -> None:
    wide = Pillow.new("RGB", (100, 50), (20, 20, 200))
    wide.paste((200, 20, 20), (60, 10, 100, 50))
    wide.save(shop / "wide.png")
    file = written(shop, "apple,wide.png,,,,60,10,100,50\nsky,wide.png,,,,0,0,60,50\n")
    assert summary(import_catalog(studio, app.unit_of_work, file)) == (2, 2, 2, 0, 0)
    assert colours.seen == [(40, 40, 3), (50, 60, 3)]
    ((key,),) = rows(app, "select key from inventory_match.reference_photo where sku = 'apple'")
    kept = studio.store.fetch(ObjectRef(app.settings.bucket, key, None, ""))
    with Pillow.open(BytesIO(kept)) as cut:
        assert (cut.format, cut.size) == ("JPEG", (40, 40))
    assert key == f"catalog/{hashlib.sha256(kept).hexdigest()}.jpg"
    again = studio.encoder.embed([studio.decode(kept).image])[0]
    ((vector,),) = rows(app, "select embedding from inventory_match.reference_embedding where sku = 'apple'")
    assert np.array_equal(vector.to_numpy(), again.astype(np.float16)), "the vector is that of the picture as kept"


BAD = (
    "apple,red.png,Apple,,40170725,,,,\n"  # 2: good
    "gone,missing.png,,,,,,,\n"  # 3
    "text,notes.txt,,,,,,,\n"  # 4
    "half,half.jpg,,,,,,,\n"  # 5
    "far,red.png,,,,0,0,41,30\n"  # 6
    ",red.png,,,,,,,\n"  # 7
    "pear,green.png,,,40170725,,,,\n"  # 8
    "cloud,s3://{bucket}/no/such.png,,,,,,,\n"  # 9
    "folder,.,,,,,,,\n"  # 10
    "sky,blue.png,,,,,,,\n"  # 11: good
    "rain,s3://no-such-bucket/rain.png,,,,,,,\n"  # 12
    "snow,s3://{bucket},,,,,,,\n"  # 13
)


def spoiled(app: App, shop: Path) -> catalog_file.CatalogFile:
    (shop / "notes.txt").write_text("not a picture", encoding="utf-8")
    whole = BytesIO()
    Pillow.effect_noise((64, 64), 80).save(whole, "JPEG")
    (shop / "half.jpg").write_bytes(whole.getvalue()[:700])
    return written(shop, BAD.format(bucket=app.settings.bucket))


def test_bad_rows_are_told_and_the_rest_goes_in(app: App, studio: Studio, shop: Path) -> None:
    done = import_catalog(studio, app.unit_of_work, spoiled(app, shop))
    assert summary(done) == (2, 2, 2, 0, 10)
    assert rows(app, "select sku from inventory_match.product order by 1") == [("apple",), ("sky",)]
    told = {error.line: (error.key, error.problem) for error in done.bad}
    assert list(told) == [3, 4, 5, 6, 7, 8, 9, 10, 12, 13]
    assert all(error.cure for error in done.bad)
    assert "No such file" in told[3][1]
    assert "is not accepted" in told[4][1]
    assert "damaged JPEG" in told[5][1]
    assert told[6] == ("x1, y1", "the box reaches to 41 x 30, the picture red.png is 40 x 30 px")
    assert told[7][0] == "sku"
    assert told[8] == ("gtin", "40170725 is the gtin of apple already")
    assert "no longer holds an object" in told[9][1]
    assert "NoSuchBucket" in told[12][1]


def test_strict_is_all_or_nothing(app: App, studio: Studio, shop: Path, colours: Any) -> None:
    before = stored(app)
    done = import_catalog(studio, app.unit_of_work, spoiled(app, shop), strict=True)
    assert not done.written
    assert [error.line for error in done.bad] == [3, 4, 5, 6, 7, 8, 9, 10, 12, 13]
    for table in ("product", "reference_photo", "reference_embedding"):
        assert rows(app, f"select count(*) from inventory_match.{table}") == [(0,)]
    assert stored(app) == before
    assert colours.seen == []
    assert summary(import_catalog(studio, app.unit_of_work, written(shop, TWO), strict=True)) == (2, 2, 3, 0, 0)


def test_an_import_that_is_broken_off_leaves_no_row(app: App, studio: Studio, shop: Path) -> None:
    class Failing:
        sha256 = studio.encoder.sha256

        def embed(self, crops: Any) -> Any:
            raise ServiceUnavailable(f"out of memory at {len(crops)} crops")

    file = written(shop, TWO)
    with pytest.raises(ServiceUnavailable):
        import_catalog(replace(studio, encoder=Failing()), app.unit_of_work, file)
    assert rows(app, "select count(*) from inventory_match.product") == [(0,)]
    assert summary(import_catalog(studio, app.unit_of_work, file)) == (2, 2, 3, 0, 0)


def test_a_gtin_of_another_product_in_the_database_is_a_bad_row(app: App, studio: Studio, shop: Path) -> None:
    import_catalog(studio, app.unit_of_work, written(shop, TWO))
    done = import_catalog(studio, app.unit_of_work, written(shop, "pear,grey.png,,,000040170725,,,,\n"))
    (error,) = done.bad
    assert error.problem == "000040170725 is the gtin of apple, which is in the catalog"
    assert rows(app, "select count(*) from inventory_match.product where sku = 'pear'") == [(0,)]


def test_what_a_file_does_not_say_stays_and_what_it_says_is_corrected(app: App, studio: Studio, shop: Path) -> None:
    import_catalog(studio, app.unit_of_work, written(shop, TWO))
    import_catalog(studio, app.unit_of_work, written(shop, "apple,red.png,Orchard\n", "sku,image,brand"))
    import_catalog(studio, app.unit_of_work, written(shop, "apple,red.png,Big apple,,,,,,\n"))
    found = rows(app, "select name, category, brand, gtin from inventory_match.product where sku = 'apple'")
    assert found == [("Big apple", "fruit", "Orchard", "40170725")]


def test_importing_a_retired_product_brings_it_back(app: App, studio: Studio, shop: Path) -> None:
    file = written(shop, TWO)
    import_catalog(studio, app.unit_of_work, file)
    with app.unit_of_work() as session:
        assert catalog.retire(session, "sky", datetime(2026, 1, 1, tzinfo=UTC))
        assert not catalog.retire(session, "sky", datetime(2026, 1, 2, tzinfo=UTC))
    assert summary(import_catalog(studio, app.unit_of_work, file)) == (2, 0, 0, 3, 0)
    assert rows(app, "select retired_at from inventory_match.product where sku = 'sky'") == [(None,)]


def test_pictures_may_come_from_the_bucket(app: App, studio: Studio, shop: Path) -> None:
    data = (shop / "blue.png").read_bytes()
    app.store.put(app.settings.bucket, "shots/blue & co.png", data, "image/png")
    file = written(shop, f"sky,s3://{app.settings.bucket}/shots/blue & co.png,,,,,,,\n")
    assert summary(import_catalog(studio, app.unit_of_work, file)) == (1, 1, 1, 0, 0)


def test_another_encoder_is_refused_before_anything_is_looked_at(
    app: App, studio: Studio, shop: Path, colours: Any
) -> None:
    file = written(shop, TWO)
    import_catalog(studio, app.unit_of_work, file)
    colours.seen = []
    other = replace(colours, sha256="d" * 64)
    with pytest.raises(ConfigurationError, match="made by the encoder colours"):
        import_catalog(replace(studio, encoder=other, record=other), app.unit_of_work, file)
    assert colours.seen == []


def test_many_references_get_an_index(app: App, studio: Studio, shop: Path) -> None:
    import_catalog(studio, app.unit_of_work, written(shop, TWO), index_above=2)
    indexes = "select count(*) from pg_indexes where tablename = 'reference_embedding' and indexname like 'hnsw%'"
    assert rows(app, indexes) == [(1,)]


def test_more_rows_than_one_batch(app: App, studio: Studio, shop: Path) -> None:
    body = []
    for number in range(70):
        Pillow.new("RGB", (8, 8), (number, 2 * number, 255 - number)).save(shop / f"{number}.png")
        body.append(f"p{number:02},{number}.png,,,,,,,")
    assert summary(import_catalog(studio, app.unit_of_work, written(shop, "\n".join(body)))) == (70, 70, 70, 0, 0)
    pairs = rows(
        app,
        "select p.sku, p.source from inventory_match.reference_embedding e"
        " join inventory_match.reference_photo p on p.id = e.reference_id and p.sku = e.sku order by 1",
    )
    assert pairs == [(f"p{number:02}", f"{number}.png") for number in range(70)]
