"""Fuzzes the parser of queue messages: `python tests/faults/fuzz_envelope.py --seconds 600`.

The oracle: whatever the bytes, `parse` returns or raises MessageUnreadable, within a second and within the memory cap, and
what comes out can be stored and matched against key patterns. Guided by coverage (atheris) where that is installed, by blind
mutation elsewhere; half of the mutations keep to JSON. It begins with the recorded envelopes; its corpus, and an input that
breaks the oracle, are in the folder of `--findings`. Such an input ends the run with an exit code that is not 0.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

ENVELOPES = Path(__file__).parents[1] / "unit" / "s3" / "envelopes"
LONGEST_S = 1.0
CAP_MIB = 1024
PATTERNS = ("{store}/{camera}/{captured_at}.jpg", "{any}-{any}-{any}-{captured_at}{any}x", "{rest}-{any}-{any}.jpg")
TOKENS = (
    '"Records"', '"Type":"Notification"', '"Message"', '"detail-type":"Object Created"', '"detail"', '"Event"',
    '"s3:TestEvent"', '"eventName":"ObjectCreated:Put"', '"ObjectRemoved:Delete"', '"eventSource":"ceph:s3"', '"eventTime"',
    '"9999-12-31T23:59:59-23:59"', '"0001-01-01T00:00:00+14:00"', '"s3"', '"bucket"', '"name"', '"object"', '"key"', '"eTag"',
    '"versionId":"null"', '"sequencer"', '"size"', "%00", "%ED%A0%80", "+", "\\u0000",
    "\\ud800", "1e999", "NaN", "[", "{", "]", "}",
)  # fmt: skip

NAMES = (
    "Records",
    "Type",
    "Message",
    "Event",
    "detail-type",
    "detail",
    "time",
    "source",
    "s3",
    "eventName",
    "key",
    "etag",
)
VALUES: tuple[object, ...] = (
    None, True, -1, 2**63, 10**4000, 1e308, float("nan"), "", "\0", "\ud800", "%FF", "%00", "a" * 1025, "null",
    '"e"', [], {}, [[]],
    "ObjectCreated:Put", "ObjectRemoved:Delete", "s3:ObjectTagging:Put", "ceph:s3", "Object Created", "Object Deleted",
    "2026-03-14T09:26:53Z", "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59Z", "s3:TestEvent", "Notification", "../../etc",
)  # fmt: skip


def check(body: bytes) -> None:
    """Raises AssertionError, or whatever the parser should not have raised."""
    from inventory_match.domain.errors import MessageUnreadable
    from inventory_match.domain.photos import KeyPattern, PhotoUploaded
    from inventory_match.s3.events import parse

    started = time.perf_counter()
    try:
        found = parse(body)
    except MessageUnreadable as error:
        str(error).encode()
    else:
        assert found.events or found.ignored or found.is_test
        for event in found.events:
            bucket, key = (
                (event.ref.bucket, event.ref.key) if isinstance(event, PhotoUploaded) else (event.bucket, event.key)
            )
            assert bucket
            assert 0 < len(key.encode()) <= 1024
            assert "\0" not in bucket + key
            for pattern in PATTERNS:
                KeyPattern(pattern).match(key, store="s1", camera="c1")
    took = time.perf_counter() - started
    assert took < LONGEST_S, f"{took:.1f} s for {len(body)} bytes"


def guided(seconds: int, findings: Path) -> None:
    """Does not return: libFuzzer ends the process, with its figures on stderr."""
    import atheris

    with atheris.instrument_imports(include=["inventory_match.s3", "inventory_match.domain", "urllib.parse"]):
        import inventory_match.s3.events
    del inventory_match
    corpus = findings / "corpus"
    corpus.mkdir(exist_ok=True)
    for envelope in ENVELOPES.glob("*.json"):
        shutil.copy(envelope, corpus)
    dictionary = findings / "tokens.dict"
    dictionary.write_text("".join(f'"{_escaped(token)}"\n' for token in TOKENS), encoding="utf-8")
    options = [
        f"-max_total_time={seconds}", f"-timeout={LONGEST_S * 5:.0f}", f"-rss_limit_mb={CAP_MIB}", "-max_len=16384",
        f"-dict={dictionary}", f"-artifact_prefix={findings}/", "-print_final_stats=1", "-reduce_inputs=1",
    ]  # fmt: skip

    def mutated(data: bytes, longest: int, seed: int) -> bytes:
        draw = random.Random(seed)
        return in_json(data, draw)[:longest] if draw.random() < 0.5 else bytes(atheris.Mutate(data, longest))

    atheris.Setup([sys.argv[0], *options, str(corpus)], check, custom_mutator=mutated)
    atheris.Fuzz()


def blind(seconds: int, findings: Path, seed: int = 0) -> None:
    """Mutates the recorded envelopes at random: flips, cuts, repeats, and tokens put in anywhere."""
    draw, runs, ends = random.Random(seed), 0, time.monotonic() + seconds
    bodies = [envelope.read_bytes() for envelope in sorted(ENVELOPES.glob("*.json"))]
    while time.monotonic() < ends:
        body = bytearray(draw.choice(bodies))
        for _ in range(draw.randint(1, 8)):
            at = draw.randrange(len(body) + 1)
            kind = draw.randrange(5)
            if kind == 0:
                body[at:at] = draw.choice(TOKENS).encode() * draw.choice((1, 1, 2, 2000))
            elif kind == 1:
                del body[at : at + draw.choice((1, 4, 64))]
            elif kind == 2:
                body[at : at + 1] = bytes([draw.randrange(256)])
            elif kind == 3:
                body[:] = in_json(bytes(body), draw)
            else:
                body[at:at] = body[at : at + draw.choice((8, 64, 512))]
        runs += 1
        try:
            check(bytes(body))
        except BaseException:
            (findings / f"crash-{seed}-{runs}").write_bytes(body)
            raise
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert peak < CAP_MIB, f"{peak:.0f} MiB"
    sys.stderr.write(f"Done {runs} runs in {seconds} second(s), {peak:.0f} MiB, without guidance\n")


def in_json(body: bytes, draw: random.Random) -> bytes:
    """One value anywhere in the document becomes another one, is wrapped, or is said again under another name."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return body + draw.choice(TOKENS).encode()
    holders: list[dict[str, object] | list[object]] = []
    look: list[object] = [document]
    while look:
        one = look.pop()
        if isinstance(one, dict | list) and one:
            holders.append(one)
            look += one.values() if isinstance(one, dict) else one
    if holders:
        holder = draw.choice(holders)
        name: Any = draw.choice(list(holder)) if isinstance(holder, dict) else draw.randrange(len(holder))
        value = draw.choice([*VALUES, [holder[name]], {"Records": holder[name]}, json.dumps(document)])
        if isinstance(holder, dict) and draw.random() < 0.3:
            name = draw.choice(NAMES)
        holder[name] = value
    if draw.random() < 0.1:
        document = {"Type": "Notification", "Message": json.dumps(document)}
    return json.dumps(document).encode()


def _escaped(token: str) -> str:
    return token.replace("\\", "\\\\").replace('"', '\\"')


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=600)
    options.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    options.add_argument("--blind", action="store_true", help="without atheris")
    chosen = options.parse_args()
    chosen.findings.mkdir(parents=True, exist_ok=True)
    try:
        import atheris
    except ImportError:
        chosen.blind = True
    else:
        del atheris
    (blind if chosen.blind else guided)(chosen.seconds, chosen.findings)


if __name__ == "__main__":
    main()
