"""Measuring the maps of many pictures: in threads, in several processes, never holding more than a few maps."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from torch import distributed

from dgrl.data.pairs import Pair
from dgrl.evaluation.metrics import Bytes, Mask, Measured, measure
from dgrl.images import ImageError
from dgrl.running.progress import bar

WORST = 12
"""How many of the worst pictures are kept."""

Refuse = Callable[[Exception], None]
Nested = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Sample:
    """The mask and the maps of one picture.

    Attributes:
        truth: the mask (H, W) of 0 and 1.
        maps: (H, W) uint8 by kind, as saved maps have it.
        attention: see `Evaluation`.
        resized: whether the maps had another size than the mask.
        cutout: whether the maps are the alpha channel of a cut-out.
    """

    truth: Mask
    maps: dict[str, Bytes]
    attention: Nested = field(default_factory=dict)
    resized: bool = False
    cutout: bool = False


@dataclass(frozen=True)
class Row:
    """One map of one picture.

    Attributes:
        index: the picture's place among the pairs.
        pair: its files.
        kind: see `Evaluation`.
        scores: its metrics.
    """

    index: int
    pair: Pair
    kind: str
    scores: dict[str, float]


@dataclass(frozen=True)
class Worst:
    """A picture whose last map is among the worst: its row, and the map (H, W) uint8."""

    row: Row
    saliency: Bytes

    @property
    def order(self) -> tuple[float, int]:
        """The larger the MAE, the earlier."""
        return -self.row.scores["MAE"], self.row.index


@dataclass
class Tally:
    """The measurements so far: sums, and a row for each map.

    Attributes:
        scores: sums of metrics by kind of map.
        attention: sums, see `Evaluation`.
        rows, worst, pictures, refused, resized, cutouts: see `Evaluation`.
    """

    scores: dict[str, Measured] = field(default_factory=dict)
    attention: Nested = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    worst: list[Worst] = field(default_factory=list)
    pictures: int = 0
    refused: int = 0
    resized: int = 0
    cutouts: int = 0

    def include(self, index: int, pair: Pair, sample: Sample, measured: dict[str, Measured]) -> None:
        """Add one picture."""
        rows = [Row(index, pair, kind, scores.results()) for kind, scores in measured.items()]
        last = Worst(rows[-1], sample.maps[rows[-1].kind])
        self.merge(Tally(measured, sample.attention, rows, [last], 1, 0, int(sample.resized), int(sample.cutout)))

    def merge(self, other: "Tally") -> None:
        """Add what another process, or one more picture, has given."""
        for kind, scores in other.scores.items():
            self.scores[kind] = self.scores[kind] + scores if kind in self.scores else scores
        for t, levels in other.attention.items():
            sums = self.attention.setdefault(t, {})
            for level, value in levels.items():
                sums[level] = sums.get(level, 0.0) + value
        self.rows += other.rows
        self.worst = sorted(self.worst + other.worst, key=lambda worst: worst.order)[:WORST]
        self.pictures += other.pictures
        self.refused += other.refused
        self.resized += other.resized
        self.cutouts += other.cutouts


def measure_all(
    look: Callable[[Pair], Sample],
    pairs: Sequence[Pair],
    stretch: bool,
    refuse: Refuse | None = None,
    threads: int = 4,
    progress: bool = False,
    share: bool = False,
) -> Tally:
    """Measure the maps that `look` finds for each pair.

    Args:
        look: gives the maps and the mask of a pair.
        pairs: pictures and masks.
        stretch: see `evaluate`.
        refuse: see `evaluate`.
        threads: how many compute metrics while `look` is busy with the next pictures.
        progress: show a bar.
        share: each process of `torch.distributed` measures its share, and all get the whole; all must call this.
    """
    rank, count = (distributed.get_rank(), distributed.get_world_size()) if share else (0, 1)
    tally = Tally()
    unfinished: deque[tuple[int, Pair, Sample, Future[dict[str, Measured]]]] = deque()

    def drain(left: int) -> None:
        while len(unfinished) > left:
            index, pair, sample, future = unfinished.popleft()
            tally.include(index, pair, sample, future.result())

    own_pairs = list(islice(enumerate(pairs), rank, None, count))
    with ThreadPoolExecutor(threads) as pool:
        for index, pair in bar(own_pairs, unit="picture", disable=not progress or rank > 0):
            try:
                sample = look(pair)
            except ImageError as error:
                if refuse is None:
                    raise
                refuse(error)
                tally.refused += 1
                continue
            unfinished.append((index, pair, sample, pool.submit(_measure, sample, stretch)))
            drain(2 * threads)
        drain(0)
    if share:
        tally = _gather(tally)
    return tally


def _measure(sample: Sample, stretch: bool) -> dict[str, Measured]:
    return {kind: measure(saliency, sample.truth, stretch) for kind, saliency in sample.maps.items()}


def _gather(tally: Tally) -> Tally:
    tallies: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(tallies, tally)
    total = Tally()
    for part in tallies:
        total.merge(part)
    return total
