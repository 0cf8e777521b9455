"""GTINs (the number under a barcode): 8, 12, 13 or 14 digits, the last one a check digit (GS1 General Specifications, 7.9)."""

from __future__ import annotations

LENGTHS = (8, 12, 13, 14)


def check_digit(body: str) -> int:
    """The digit that follows `body`: weights 3 and 1 in turn from the right, filled up to a multiple of ten."""
    return -sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(body))) % 10


def complaint(gtin: str) -> tuple[str, str] | None:
    """What is wrong and how to mend it, or None."""
    if not (gtin.isascii() and gtin.isdigit()):
        return f"gtin {gtin!r} is not a number", "write digits only; a spreadsheet must keep the column as text"
    if len(gtin) not in LENGTHS:
        return f"gtin {gtin} has {len(gtin)} digits, not 8, 12, 13 or 14", "did a spreadsheet drop its leading zeros?"
    if check_digit(gtin[:-1]) != int(gtin[-1]):
        return (
            f"gtin {gtin} ends in {gtin[-1]}, its check digit is {check_digit(gtin[:-1])}",
            "read it off the barcode again",
        )
    return None


def padded(gtin: str) -> str:
    """To 14 digits: the same product may be written with more or fewer leading zeros."""
    return gtin.zfill(14)
