"""What a run learns from and is judged by: the sources of a preset, read, split and counted, before any photo is opened."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from inventory_match.catalog_file import CatalogFile, CatalogRow
from inventory_match.domain.errors import InvalidInput
from inventory_match.learning.labelled import Labelled, read_labelled
from inventory_match.learning.preset import Preset, Source, Validation

_PICTURES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True, slots=True)
class Pool:
    """The photos of one source that are learned from (those held out are elsewhere), and how an epoch draws from them."""

    source: Source
    photos: list[Labelled]


@dataclass(frozen=True, slots=True)
class Trial:
    """A validation set: `queries` are asked, the photos of the pools numbered `references` answer."""

    name: str
    queries: list[Labelled]
    references: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """All photos of a run. The last pool holds the unlabelled ones, where there are any; their sku is empty."""

    pools: list[Pool]
    trials: list[Trial]

    @property
    def classes(self) -> list[str]:
        """The products that are learned, in order."""
        return sorted({photo.sku for pool in self.pools for photo in pool.photos} - {""})

    def digests(self, besides: Iterable[Path] = ()) -> dict[str, str]:
        """sha256 of every CSV and photo, and of the files `besides` that there are, by path as given."""
        photos = [photo for pool in self.pools for photo in pool.photos]
        photos += [photo for trial in self.trials for photo in trial.queries]
        paths = (
            {photo.folder / photo.row.image for photo in photos} | {photo.file.path for photo in photos} | {*besides}
        )
        return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(paths) if p.is_file()}


def read_sources(preset: Preset, roots: Sequence[Path], excluded: Iterable[str] = ()) -> Sources:
    """Reads every CSV, looked for below each of `roots`; products in `excluded` are neither learned nor asked for. Photos that
    are asked, or that show an excluded product, are learned from nowhere: not from another CSV, not without label either.

    Raises InvalidInput for a file that is missing or wrong, for an excluded product that no file names, and where nothing is
    left to learn from.
    """
    left_out, named, hidden = frozenset(excluded), set[str](), set[Path]()

    def listed(one: Source | Validation) -> list[Labelled]:
        photos = _read(one, roots)
        named.update(photo.sku for photo in photos)
        hidden.update(_path(photo) for photo in photos if photo.sku in left_out)
        return [photo for photo in photos if photo.sku not in left_out]

    pools: list[Pool] = []
    trials: list[Trial] = []
    for source in preset.source:
        rows = [photo for photo in listed(source) if _wide(photo, source.min_side)]
        sides = [_fraction(_kin(photo.row.image, source.hold_out_by)) < source.hold_out for photo in rows]
        kept = [photo for photo, out in zip(rows, sides, strict=True) if not out]
        held = [photo for photo, out in zip(rows, sides, strict=True) if out]
        if held:
            trials.append(Trial(f"{source.csv}, held out", held, (len(pools),)))
        pools.append(Pool(source, kept))
    names = [source.csv for source in preset.source]
    for wanted in preset.validation:
        queries = listed(wanted)
        if queries:
            trials.append(Trial(wanted.csv, queries, tuple(names.index(name) for name in wanted.references)))
    if strange := sorted(left_out - named):
        raise InvalidInput(
            f"{', '.join(strange)}: no such sku", key="--exclude-skus", cure="spell skus as the CSV files do"
        )
    if preset.unlabelled is not None:
        pools.append(Pool(Source(csv=preset.unlabelled.folder), _pictures(Path(preset.unlabelled.folder))))
    hidden.update(_path(photo) for trial in trials for photo in trial.queries)
    pools = [Pool(pool.source, [photo for photo in pool.photos if _path(photo) not in hidden]) for pool in pools]
    if not any(pool.photos for pool in pools):
        raise InvalidInput(
            "no photo is left to learn from", key="source", cure="mind --exclude-skus, min_side, hold_out"
        )
    return Sources(pools, trials)


def epoch_plan(sources: Sources, seed: int, epoch: int) -> list[tuple[int, int]]:
    """What epoch `epoch` learns: (pool, photo in the pool), shuffled. The same arguments give the same plan; every epoch
    has as many."""
    draw = Random(f"plan {seed} {epoch}")
    plan = [(number, photo) for number, pool in enumerate(sources.pools) for photo in _drawn(pool, draw)]
    draw.shuffle(plan)
    return plan


def _drawn(pool: Pool, draw: Random) -> list[int]:
    chosen = list(range(len(pool.photos)))
    if pool.source.per_class:
        draw.shuffle(chosen)
        taken: dict[str, list[int]] = {}
        for number in chosen:
            taken.setdefault(pool.photos[number].sku, []).append(number)
        chosen = [number for sku in sorted(taken) for number in taken[sku][: pool.source.per_class]]
    if pool.source.per_epoch and pool.source.per_epoch < len(chosen):
        chosen = draw.sample(chosen, pool.source.per_epoch)
    return chosen * pool.source.repeat


def _read(source: Source | Validation, roots: Sequence[Path]) -> list[Labelled]:
    path = _find(source.csv, roots, getattr(source, "made_by", ""))
    return read_labelled(path, _find(source.images, roots) if source.images else None)


def _find(name: str, roots: Sequence[Path], made_by: str = "") -> Path:
    found = next((root / name for root in roots if (root / name).exists()), None)
    if found is None:
        looked = ", ".join(map(str, roots))
        cure = f"make it with `{made_by}`, or" if made_by else "get it, or"
        raise InvalidInput(f"is not there (looked in {looked})", file=name, cure=f"{cure} name its folder with --data")
    return found


def _path(photo: Labelled) -> Path:
    return (photo.folder / photo.row.image).absolute()


def _kin(name: str, pattern: str) -> str:
    """What the names of photos that stay together share."""
    found = re.match(pattern, name) if pattern else None
    return found.group() if found else name


def _fraction(name: str) -> float:
    """A photo's place in 0..1, the same for ever: which side of a split it falls on."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def _wide(photo: Labelled, least: int) -> bool:
    box = photo.row.box
    return box is None or min(box.x1 - box.x0, box.y1 - box.y0) >= least


def _pictures(folder: Path) -> list[Labelled]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PICTURES)
    if not paths:
        raise InvalidInput(
            "holds no picture", file=str(folder), key="unlabelled", cure=f"one of {', '.join(_PICTURES)}"
        )
    return [Labelled(CatalogFile(path, [], []), CatalogRow(1, "", path.name), path.parent) for path in paths]
