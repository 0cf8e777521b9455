"""`python -m inventory_match.soak.skewed SECONDS MODULE ARGS...`: runs a module on a clock that many seconds off.

Only what asks for the time of day is deceived (date, time, certificates); what measures how long something takes is not.
"""

from __future__ import annotations

import runpy
import sys
from datetime import UTC, datetime, timedelta

import time_machine


def main() -> None:
    off, module, *rest = sys.argv[1:]
    sys.argv = [module, *rest]
    # Its children are forked later, and inherit the clock.
    time_machine.travel(datetime.now(UTC) + timedelta(seconds=float(off)), tick=True).start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
