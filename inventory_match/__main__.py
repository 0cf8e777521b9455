"""`python -m inventory_match` is `inventory-match`, wherever the interpreter's scripts are installed."""

from __future__ import annotations

from inventory_match.cli import main

if __name__ == "__main__":
    main(prog_name="inventory-match")
