"""Photos that hang the decoder, crash it or eat all memory: each rests with its cause, and the others go on.

Through the real pipeline, Postgres and S3. The decoder is the real one in its real child process, or, where a photo must find a
hole, the same program with a codec that has some (`poison_decoder`).
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO

import psutil
import pytest
from PIL import Image

from inventory_match import chores
from inventory_match.domain.errors import DecoderDied, OutOfMemory, OutOfTime
from inventory_match.domain.photos import PhotoState, QualityLimits
from inventory_match.vision.images import judged
from inventory_match.vision.isolation import COMMAND, IsolatedDecoder

from ..integration.pipeline.conftest import Kicks, shelf_photo
from . import seeing
from .seeing import POISON, Shop, ended, isolated, patiently, poisoned

app, template, empty_shop, shop = seeing.app, seeing.template, seeing.empty_shop, seeing.shop
GOOD = shelf_photo(*"AABC")


@pytest.fixture
def closed() -> Iterator[ExitStack]:
    """Ends every decoder that is entered."""
    with ExitStack() as held:
        yield held


def rest(shop: Shop, photo_id: int) -> tuple[str, int, str | None]:
    [row] = shop.rows("select state, attempts, cause from inventory_match.photo where id = :id", id=photo_id)
    return row[0], row[1], row[2]


@pytest.mark.parametrize(("mark", "seconds", "cause"), [
    ("HANG", 1.5, "OutOfTime: decoding took longer than 1.5 s and was put down"),
    ("CRASH", 30, "DecoderDied: the decoder died with this photo in hand: SIGSEGV (Segmentation fault)"),
    ("EAT", 30, "OutOfMemory: decoding needed more than 200 MiB and was put down"),
])  # fmt: skip
def test_a_photo_that_hangs_crashes_or_eats_is_put_down_and_the_others_go_on(
    shop: Shop, closed: ExitStack, mark: str, seconds: float, cause: str
) -> None:
    decode = judged(closed.enter_context(closing(isolated(seconds=seconds))), QualityLimits())
    shop.patience = replace(shop.patience, attempts=2)
    shop.put(poisoned(mark), minute=0)
    for minute in (1, 2):
        shop.upload(*"AABC", minute=minute)
    bad, *good = shop.take().registered

    for one in good:
        assert shop.process(bad, decode=decode) is PhotoState.REGISTERED
        assert shop.process(one, decode=decode) is PhotoState.DONE, "the next photo of the same worker"
    assert shop.process(bad, decode=decode) is None, "its attempts are used up"

    chores.sweep(shop.app.unit_of_work, Kicks(), shop.patience.attempts, timedelta(0), datetime.now(UTC))
    assert rest(shop, bad) == ("dead", 2, cause)
    assert shop.one("select data from inventory_match.message where type = 'photo.dead'")["cause"] == cause
    assert shop.levels() == {"A": 2, "B": 1, "C": 1}


@pytest.mark.parametrize(("blow", "says"), [
    (signal.SIGSEGV, r"SIGSEGV \(Segmentation fault\)"), (signal.SIGKILL, r"SIGKILL \(Killed\)"),
])  # fmt: skip
def test_the_real_decoder_struck_down_in_the_middle_of_a_photo_is_started_again(
    closed: ExitStack, blow: signal.Signals, says: str
) -> None:
    """SIGKILL is also what the kernel sends when the machine's memory is used up."""
    decode = closed.enter_context(closing(isolated(COMMAND)))
    decode(GOOD)
    struck = stopped(decode)
    with ThreadPoolExecutor(1) as pool:
        photo = pool.submit(decode, GOOD)
        struck.send_signal(blow)
        struck.resume()
        with pytest.raises(DecoderDied, match=f"with this photo in hand: {says}"):
            photo.result()
    assert decode(GOOD).image.shape == (104, 264, 3)
    assert decode.pid not in {None, struck.pid}


def test_the_real_decoder_that_hangs_is_put_down_after_its_limit(closed: ExitStack) -> None:
    decode = closed.enter_context(closing(isolated(COMMAND, seconds=1)))
    decode(GOOD)
    hung = stopped(decode)
    with pytest.raises(OutOfTime, match="decoding took longer than 1 s and was put down"):
        decode(GOOD)
    assert ended(hung.pid)
    assert decode(GOOD).image.shape == (104, 264, 3)


def test_a_real_photo_that_needs_more_than_the_cap_is_put_down(closed: ExitStack) -> None:
    out = BytesIO()
    Image.new("RGB", (3000, 3000), (9, 99, 199)).save(out, "PNG", compress_level=1)
    small = closed.enter_context(closing(isolated(COMMAND, max_mib=60)))
    with pytest.raises(OutOfMemory, match="decoding needed more than 60 MiB and was put down"):
        small(out.getvalue())
    assert small(GOOD).image.shape == (104, 264, 3)
    enough = closed.enter_context(closing(isolated(COMMAND, max_mib=24 * 9)))
    assert enough(out.getvalue()).image[0, 0].tolist() == [9, 99, 199]


WORKER = """
import sys
from inventory_match.vision.decoding import Limits
from inventory_match.vision.isolation import IsolatedDecoder
seconds, size, *command = sys.argv[1:]
decode = IsolatedDecoder(Limits(seconds=float(seconds)), command)
decode(sys.stdin.buffer.read(int(size)))
print(decode.pid, flush=True)
decode(sys.stdin.buffer.read())
"""


@pytest.mark.parametrize(("mark", "seconds", "within"), [("HANG", 60, 10), ("HANG-LOCKED", 1, 15)])
def test_a_decoder_that_hangs_is_gone_once_its_worker_is_killed(mark: str, seconds: float, within: float) -> None:
    """At once where other threads of it run; by the kernel's alarm, a second after its limit, where none does."""
    argv = [sys.executable, "-c", WORKER, str(seconds), str(len(GOOD)), *POISON]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe) as worker:
        assert worker.stdin
        assert worker.stdout
        assert worker.stderr
        worker.stdin.write(GOOD + poisoned(mark))
        worker.stdin.close()
        decoder = int(worker.stdout.readline())
        assert worker.stderr.readline() == b"in the hole\n"
        assert not ended(decoder)
        worker.kill()
    patiently(lambda: ended(decoder), within)


def stopped(decode: IsolatedDecoder) -> psutil.Process:
    """Its child, stopped: what it is given now it has in hand and does not get on with."""
    assert decode.pid is not None
    child = psutil.Process(decode.pid)
    child.suspend()
    patiently(lambda: child.status() == psutil.STATUS_STOPPED)
    return child
