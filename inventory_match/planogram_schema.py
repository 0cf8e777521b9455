"""The shapes a planogram may be written in, for pydantic, and how each becomes the same list of planned slots.

One is our own, rows from the top with their positions from the left; the other that of the retired Planogram Compliance service
of Azure, products, fixtures and positions in coordinates, which planning tools still write (`domain.fixtures`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from inventory_match.domain.fixtures import Extent, columns_of, rows_of
from inventory_match.domain.rules import Key, Problem
from inventory_match.site_schema import Least1, Text


@dataclass(frozen=True, slots=True)
class Planned:
    """A slot as a file says it. `codes`: what it calls the product, the likelier first; `key`: where it says so."""

    row: int
    place: int
    codes: tuple[str, ...]
    facings: int
    key: Key


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _bare(value: object) -> object:
    return {"sku": value} if isinstance(value, str) else value


class SlotModel(_Table):
    sku: Text
    facings: Least1 = 1


class RowModel(_Table):
    positions: list[Annotated[SlotModel, BeforeValidator(_bare)]]


class PlanModel(_Table):
    """Our own shape."""

    name: Text | None = None
    rows: list[RowModel]

    def planned(self) -> list[Planned]:
        return [
            Planned(row, place, (slot.sku,), slot.facings, ("rows", row - 1, "positions", place - 1))
            for row, model in enumerate(self.rows, 1)
            for place, slot in enumerate(model.positions, 1)
        ]

    def problems(self) -> list[Problem]:
        return [
            Problem(("rows", number, "positions"), "plans nothing", "remove the row, or say what stands there")
            for number, row in enumerate(self.rows)
            if not row.positions
        ]


class _Foreign(BaseModel):
    """Keys of others' that we have no use for are passed over."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)


Size = Annotated[float, Field(gt=0, allow_inf_nan=False)]
At = Annotated[float, Field(allow_inf_nan=False)]


class ProductModel(_Foreign):
    id: Text
    name: Text | None = None
    w: Size
    h: Size


class FixtureModel(_Foreign):
    id: Text
    w: Size
    h: Size
    x: At
    y: At


class PositionModel(_Foreign):
    id: Text
    productId: Text  # noqa: N815 - the names of the format
    fixtureId: Text  # noqa: N815
    x: At
    y: At


class CoordinatesModel(_Foreign):
    """The shape of the retired service."""

    name: Text | None = None
    products: list[ProductModel]
    fixtures: list[FixtureModel]
    positions: list[PositionModel]

    def planned(self) -> list[Planned]:
        """One facing a position: from the left, and from the lowest up where they are stacked. A product is called by its
        id, else by its name: the service knew it by the one, its pictures by the other. A shelf that holds nothing is
        no row, as nobody will see one there."""
        products = {product.id: product for product in self.products}
        rows = rows_of([Extent(one.x, one.y, one.w, one.h) for one in self.fixtures])
        row_of = {fixture.id: row for fixture, row in zip(self.fixtures, rows, strict=True)}
        numbered = sorted(enumerate(self.positions), key=lambda each: row_of[each[1].fixtureId])
        found: list[Planned] = []
        for row, (_, members) in enumerate(groupby(numbered, key=lambda each: row_of[each[1].fixtureId]), 1):
            listed = list(members)
            extents = [Extent(one.x, one.y, products[one.productId].w, products[one.productId].h) for _, one in listed]
            for place, at in enumerate((at for column in columns_of(extents) for at in column), 1):
                number, one = listed[at]
                product = products[one.productId]
                codes = (product.id, product.name) if product.name else (product.id,)
                found.append(Planned(row, place, codes, 1, ("positions", number)))
        return found

    def problems(self) -> list[Problem]:
        found: list[Problem] = []
        for what in ("products", "fixtures", "positions"):
            ids = [one.id for one in getattr(self, what)]
            found += [
                Problem((what, number, "id"), f"{one!r} is taken by {what}[{ids.index(one) + 1}]", "ids are unique")
                for number, one in enumerate(ids)
                if ids.index(one) != number
            ]
        known: dict[str, set[str]] = {
            "productId": {one.id for one in self.products},
            "fixtureId": {one.id for one in self.fixtures},
        }
        for number, position in enumerate(self.positions):
            found += [
                Problem(("positions", number, key), f"{code!r} is not among the {key[:-2]}s", "correct it, or list it")
                for key, ids_ in known.items()
                if (code := getattr(position, key)) not in ids_
            ]
        return found


def model_for(data: dict[str, Any]) -> type[PlanModel | CoordinatesModel]:
    """The shape that data is in, by the keys that only one of them has."""
    return CoordinatesModel if data.keys() & {"fixtures", "positions", "products"} else PlanModel
