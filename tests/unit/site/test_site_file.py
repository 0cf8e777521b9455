"""A site file becomes a Site; whatever is wrong with it is told with file, line, key and cure, all of it at once."""

from __future__ import annotations

import re
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest

from inventory_match import site_file
from inventory_match.domain.errors import InvalidInput
from inventory_match.domain.photos import Box
from inventory_match.domain.rules import Rule
from inventory_match.domain.site import Camera, Site, Store, problems

GOOD = """\
[defaults.policy]
reorder_point = 2
clear_point = 4
target_level = 6
[categories.juice.policy]
pack_size = 6
[products.cola.policy]
depth = 3
snooze_until = 2027-01-05T08:00:00+01:00
[stores.s1]
name = "Main street"
timezone = "Europe/Berlin"
assortment = ["cola", "rice"]
alerts_per_hour = 20
keep_photos_days = 30
[stores.s1.policy]
confirmations = 2
[stores.s1.categories.juice.policy]
level_source = "book"
[stores.s1.products.cola.policy]
target_level = 8
[stores.s1.locations.shelf-1]
name = "Aisle 1"
[stores.s1.locations.door]
[[stores.s1.cameras]]
id = "top"
location = "shelf-1"
kind = "shelf"
keys = "{store}/{camera}/{captured_at}.jpg"
expected_every = "15m"
regions = [[0, 0, 0.5, 1.0], [0.5, 0, 1, 1]]
[[stores.s1.cameras]]
id = "dock"
location = "door"
kind = "product"
keys = "dock/"
records = "received"
"""


def test_a_whole_site() -> None:
    site = site_file.parse(GOOD, "site.toml").site
    assert site == Site(
        (
            Store(
                "s1",
                "Main street",
                "Europe/Berlin",
                frozenset({"cola", "rice"}),
                20,
                30,
                {"shelf-1": "Aisle 1", "door": "door"},
            ),
        ),
        (
            Camera(
                "top",
                "s1",
                "shelf-1",
                "shelf",
                "s1/top/{captured_at}.jpg",
                None,
                (Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)),
                timedelta(minutes=15),
            ),
            Camera("dock", "s1", "door", "product", "dock/", "received"),
        ),
        (
            Rule("s1", None, None, {"confirmations": 2}),
            Rule("s1", "juice", None, {"level_source": "book"}),
            Rule("s1", None, "cola", {"target_level": 8}),
        ),
        (
            Rule(None, None, None, {"reorder_point": 2, "clear_point": 4, "target_level": 6}),
            Rule(None, "juice", None, {"pack_size": 6}),
            Rule(None, None, "cola", {"depth": 3, "snooze_until": "2027-01-05T07:00:00Z"}),
        ),
    )


def test_the_example_in_the_documentation_is_right() -> None:
    block = (site_file.__doc__ or "").split("\n\n", 1)[1].split("\nThe more specific")[0]
    site = site_file.parse(textwrap.dedent(block), "docs").site
    assert [camera.camera for camera in site.cameras] == ["aisle-1-top"]
    assert len(site.cameras[0].regions) == 2


def test_shelf_cameras_may_share_a_location_and_say_which_of_its_rows_they_see() -> None:
    low = CAMERA.format("d", "a", "shelf", "l/") + "rows = [3, 4]"
    upper, lower = site_file.parse(SHOP + CAMERA.format("c", "a", "shelf", "k/") + low, "f").site.cameras
    assert (upper.location, upper.rows) == ("a", ())
    assert (lower.location, lower.rows) == ("a", (3, 4))


def test_a_file_without_rules_for_all_stores_says_nothing_about_them() -> None:
    assert site_file.parse('[stores.s1]\nname = "x"', "f").site.common is None
    assert site_file.parse("[categories]", "f").site.common == ()


SHOP = '[stores.s1]\nname = "x"\n[stores.s1.locations.a]\n[stores.s1.locations.b]\n'
CAMERA = '[[stores.s1.cameras]]\nid = "{}"\nlocation = "{}"\nkind = "{}"\nkeys = "{}"\n'


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        ("a = \n", "f:1:", "is not TOML"),
        ("x = 1", "f:1: x:", "is not a key of the site file"),
        ('[stores.s1]\nname = "x"\ncolor = 3', "f:3: stores.s1.color:", "is not a key of the site file"),
        ('[stores.s1]\ntimezone = "UTC"', "f:1: stores.s1.name:", "is missing"),
        ('[stores."s 1"]\nname = "x"', 'f:1: stores."s 1":', "match pattern"),
        (
            '[stores.s1]\nname = "x"\ntimezone = "Mars/Base"',
            "f:3: stores.s1.timezone:",
            "time zone 'Mars/Base' is unknown",
        ),
        ('[stores.s1]\nname = "x"\nassortment = "some"', "f:3: stores.s1.assortment:", "valid list"),
        (
            '[stores.s1]\nname = "x"\nalerts_per_hour = -1',
            "f:3: stores.s1.alerts_per_hour:",
            "greater than or equal to 0",
        ),
        ("[defaults.policy]\nreorder_point = true", "f:2: defaults.policy.reorder_point:", "valid integer"),
        ('[defaults.policy]\nlevel_source = "eye"', "f:2: defaults.policy.level_source:", "'camera' or 'book'"),
        (
            "[defaults.policy]\nsnooze_until = 2027-01-05T08:00:00",
            "f:2: defaults.policy.snooze_until:",
            "needs an offset",
        ),
        ("[defaults.policy]\nreorder_point = 2", "f:1: defaults.policy:", "clear_point and target_level missing"),
        (
            "[defaults.policy]\nreorder_point = 2\nclear_point = 2\ntarget_level = 9",
            "f:3: defaults.policy.clear_point:",
            "clear_point 2 must be above the reorder point (2)",
        ),
        (
            "[products.cola.policy]\npack_size = 6",
            "f:2: products.cola.policy.pack_size:",
            "has no effect without points",
        ),
        (
            SHOP + CAMERA.format("c", "nowhere", "shelf", "k/"),
            "f:7: stores.s1.cameras[1].location:",
            "no location 'nowhere'",
        ),
        (SHOP + CAMERA.format("c", "a", "eye", "k/"), "f:8: stores.s1.cameras[1].kind:", "'product' or 'shelf'"),
        (SHOP + CAMERA.format("c", "a", "shelf", "k/{day}"), "f:9: stores.s1.cameras[1].keys:", "unknown field"),
        (SHOP + CAMERA.format("c", "a", "shelf", "k/{any"), "f:9: stores.s1.cameras[1].keys:", "a brace too many"),
        (SHOP.replace('name = "', 'name = "\\u0000'), "f:2: stores.s1.name:", "holds a NUL character"),
        ('[stores]\ns1 = "x"', "f:2: stores.s1:", "is not a table"),
        (
            "[defaults.policy]\nsnooze_until = 0001-01-01T00:00:00+14:00",
            "f:2: defaults.policy.snooze_until:",
            "before all time",
        ),
        (
            SHOP + CAMERA.format("c", "a", "shelf", "k/") + 'records = "received"',
            "f:5: stores.s1.cameras[1]:",
            "a shelf camera counts; remove records",
        ),
        (
            SHOP + CAMERA.format("c", "a", "product", "k/") + "regions = [[0, 0, 1, 1]]",
            "f:5: stores.s1.cameras[1]:",
            "remove regions",
        ),
        (
            SHOP + CAMERA.format("c", "a", "shelf", "k/") + "regions = [[0, 0, 1, 1], [0, 0, 2, 1]]",
            "f:10: stores.s1.cameras[1].regions[2]:",
            "is not inside the image",
        ),
        (
            SHOP + CAMERA.format("c", "a", "shelf", "k/") + "regions = [[0, 0, 1, 1], [0, 0, 1, 1]]",
            "f:10: stores.s1.cameras[1].regions:",
            "regions 1 and 2 are the same",
        ),
        (
            SHOP + CAMERA.format("c", "a", "shelf", "k/") + 'expected_every = "soon"',
            "f:10: stores.s1.cameras[1].expected_every:",
            "is no interval",
        ),
        (
            SHOP + CAMERA.format("c", "a", "shelf", "k/") + CAMERA.format("c", "b", "shelf", "l/"),
            "f:11: stores.s1.cameras[2].id:",
            "camera id 'c' is taken",
        ),
        (
            SHOP + CAMERA.format("c", "a", "shelf", "k/{any}.jpg") + CAMERA.format("d", "b", "shelf", "k/"),
            "f:14: stores.s1.cameras[2].keys:",
            "claimed by camera 'c' too",
        ),
        (
            SHOP + CAMERA.format("c", "a", "product", "k/") + "rows = [1]",
            "f:5: stores.s1.cameras[1]:",
            "remove rows",
        ),
        (
            SHOP + CAMERA.format("c", "a", "shelf", "k/") + "rows = [2, 1]",
            "f:10: stores.s1.cameras[1].rows:",
            "does not go from the top down",
        ),
        (
            SHOP + CAMERA.format("c", "a", "shelf", "k/") + "rows = []",
            "f:10: stores.s1.cameras[1].rows:",
            "names no row",
        ),
        (
            SHOP + CAMERA.format("c", "a", "shelf", "k/") + "rows = [0]",
            "f:10: stores.s1.cameras[1].rows[1]:",
            "greater than or equal to 1",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, where: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        site_file.parse(text, "f")
    assert str(caught.value).startswith(where)
    assert says in str(caught.value)


def test_all_mistakes_are_told_at_once_in_order_of_lines() -> None:
    text = GOOD.replace("reorder_point = 2", "reorder_point = -2").replace('"dock/"', '"{what}"').replace("15m", "now")
    with pytest.raises(InvalidInput, match=r"^f: 3 mistakes\n") as caught:
        site_file.parse(text, "f")
    assert [int(line) for line in re.findall(r"^f:(\d+):", str(caught.value), re.MULTILINE)] == [2, 30, 36]


def test_rules_are_judged_where_they_meet_and_the_last_word_is_blamed() -> None:
    base = "[defaults.policy]\nreorder_point = 2\nclear_point = 4\ntarget_level = 6\n"
    text = base + "[categories.juice.policy]\nreorder_point = 3\n" + SHOP + "[stores.s1.policy]\nclear_point = 3\n"
    with pytest.raises(InvalidInput) as caught:
        site_file.parse(text, "f")
    assert str(caught.value) == (
        "f:12: stores.s1.policy.clear_point: clear_point 3 must be above the reorder point (3), "
        "merged for store s1, category juice"
    )


def test_rules_of_a_store_alone_are_judged_only_beside_the_common_ones() -> None:
    site = site_file.parse('[stores.s1]\nname = "x"\n[stores.s1.policy]\nreorder_point = 3\n', "f").site
    kept = Rule(None, None, None, {"reorder_point": 1, "clear_point": 3, "target_level": 6})
    (found,) = problems(site.beside(Site(common=(kept,))))
    assert found.key == ("stores", "s1", "policy", "reorder_point")
    (missing,) = problems(site.beside(Site(common=())))
    assert missing.problem.startswith("clear_point and target_level missing")


def test_a_product_is_judged_with_its_category_where_that_is_known() -> None:
    rules = (
        Rule(None, None, None, {"reorder_point": 2, "clear_point": 4, "target_level": 6}),
        Rule(None, "juice", None, {"target_level": 4}),
        Rule(None, None, "cola", {"clear_point": 5}),
    )
    assert problems(Site(common=rules)) == []
    (found,) = problems(Site(common=rules), {"cola": "juice"})
    assert found.key == ("products", "cola", "policy", "clear_point")
    assert found.problem.startswith("target_level 4 must be at or above the clear point (5)")


def test_a_missing_or_unreadable_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        site_file.read(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes('name = "Ä"'.encode("latin-1"))
    with pytest.raises(InvalidInput, match="is not UTF-8"):
        site_file.read(tmp_path / "latin.toml")
