"""A photo registered while the site changes: whichever comes first, it ends with its camera."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Thread

from inventory_match import site_file
from inventory_match.apply_site import apply_site
from inventory_match.db import photos, site
from inventory_match.domain.photos import Captured, ObjectRef, PhotoUploaded

from .conftest import OPENS, Shop


def test_a_site_change_waits_for_a_photo_being_registered_and_routes_it(empty_shop: Shop) -> None:
    shop = empty_shop
    uploaded = PhotoUploaded(ObjectRef(shop.app.settings.bucket, f"{shop.prefix}/new/1.jpg", None, "e1"), OPENS)
    text = f'''
        [stores.s1]
        name = "Shop 1"
        [stores.s1.locations.new]
        [[stores.s1.cameras]]
        id = "new"
        location = "new"
        kind = "product"
        keys = "{shop.prefix}/new/"
    '''
    change = Thread(
        target=apply_site,
        args=(shop.app.unit_of_work, shop.kicks, site_file.parse(text, "site.toml"), datetime.now(UTC)),
    )
    with shop.app.unit_of_work() as session:
        assert not site.cameras_held(session), "the intake saw no camera"
        change.start()
        change.join(timeout=1.0)
        assert change.is_alive(), "the change waits"
        photos.register(session, uploaded, "event", Captured(OPENS + timedelta(0), "event"), None)
    change.join(timeout=10)
    assert shop.rows("select state, camera from inventory_match.photo") == [("registered", "new")]
    assert shop.kicks.photos, "and it is on its way"
