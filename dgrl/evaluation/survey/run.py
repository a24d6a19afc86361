"""Many pictures through one or several networks: a stream of rows that holds a few pictures at a time."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dgrl.data.masks import read_mask
from dgrl.data.pairs import file_of_stem, stem_of
from dgrl.evaluation.metrics import Mask
from dgrl.evaluation.survey.passes import THUMBNAIL, Pass, disagreement, jpeg, run_pass
from dgrl.evaluation.survey.reason import reason
from dgrl.evaluation.survey.table import Plan, Survey, SurveyRow
from dgrl.images import RGB, ImageError, read_image
from dgrl.model import DGRL
from dgrl.taps import LEVELS

Refuse = Callable[[Exception], None]
AHEAD = 2
"""Pictures that are read ahead of the networks, and that wait for their numbers behind them."""


@dataclass(frozen=True)
class Subject:
    """One picture of a survey.

    Attributes:
        name: what it is called in the table.
        photo: its file.
        mask: the file of its mask, or None.
    """

    name: str
    photo: Path
    mask: Path | None = None

    def read(self) -> tuple[RGB, Mask | None]:
        """Return the picture (H, W, 3) and its mask (H, W) of 0 and 1; ImageError if one cannot be used."""
        photo = read_image(self.photo)
        truth = None if self.mask is None else read_mask(self.mask)
        if truth is not None and truth.shape != photo.shape[:2]:
            raise ImageError(f"{self.mask}: the mask's size differs from that of {self.photo.name}")
        return photo, truth


def survey(
    models: Mapping[str, DGRL],
    photos: Sequence[Path],
    masks: Path | None = None,
    steps: int | None = None,
    parts: bool = True,
    refuse: Refuse | None = None,
) -> Survey:
    """Measure attention and error, picture by picture.

    Args:
        models: networks by the names that they have in the table; all run on every picture.
        photos: the pictures' files.
        masks: a folder with a mask for each picture, under its stem; without it the object found stands for the true
            one, and there are no scores.
        steps: T; by default the number that the first network was trained with.
        parts: measure what each part of a network does, which takes three times as long.
        refuse: called with the error of each picture that is skipped; by default such a picture raises its error.

    Raises:
        ImageError: a picture or a mask cannot be used.
        DataError: the folder of masks is missing, or two masks share a stem.
        FloatingPointError: a network gave NaN or infinite values.
    """
    plan = plan_of(models, masks is not None, steps, parts)
    return Survey(plan, list(rows(models, plan, subjects(photos, masks, refuse), refuse)))


def survey_picture(
    models: Mapping[str, DGRL],
    name: str,
    photo: RGB,
    truth: Mask | None,
    parts: bool,
    known: MutableMapping[str, Pass] | None = None,
) -> Survey:
    """Measure attention and error of one picture.

    Args:
        models: see `survey`.
        name: what the picture is called in the table.
        photo: (H, W, 3).
        truth: its mask (H, W) of 0 and 1, or None.
        parts: see `survey`.
        known: passes of this picture with the same mask, T and parts, by network; new ones are added.
    """
    plan = plan_of(models, truth is not None, None, parts)
    passes = {} if known is None else known
    missing = {network: model for network, model in models.items() if network not in passes}
    passes.update(_passes(missing, plan, photo, truth))
    return Survey(plan, _finish(name, {network: passes[network] for network in models}, plan))


def plan_of(models: Mapping[str, DGRL], masks: bool, steps: int | None, parts: bool) -> Plan:
    """Return the plan of a survey with these networks."""
    first = next(iter(models.values()))
    levels = LEVELS if any(model.config.context for model in models.values()) else ()
    return Plan(tuple(models), first.config.steps if steps is None else steps, tuple(levels), masks, parts)


def subjects(
    photos: Sequence[Path], masks: Path | None, refuse: Refuse | None = None, root: Path | None = None
) -> list[Subject]:
    """Return the pictures with their masks; pictures without one are refused.

    Args:
        photos: files.
        masks: folder of masks.
        refuse: see `survey`.
        root: folder that names are relative to; by default a picture's name is its file's.
    """
    mask_of_stem = {} if masks is None else file_of_stem(masks)
    kept_subjects = []
    for photo in photos:
        mask = mask_of_stem.get(stem_of(photo))
        if masks is not None and mask is None:
            error = ImageError(f"{photo}: there is no mask for it in {masks}")
            if refuse is None:
                raise error
            refuse(error)
            continue
        inside = root is not None and photo.is_relative_to(root)
        name = photo.relative_to(root).as_posix() if inside and root is not None else photo.name
        kept_subjects.append(Subject(name, photo, mask))
    return kept_subjects


def rows(
    models: Mapping[str, DGRL],
    plan: Plan,
    pictures: Iterable[Subject],
    refuse: Refuse | None = None,
    done: Collection[str] = (),
) -> Iterator[SurveyRow]:
    """Yield the rows of each picture, in order; pictures whose name is in `done` are skipped."""
    unfinished: deque[Future[list[SurveyRow]]] = deque()
    with ThreadPoolExecutor(2) as pool:
        for subject, reading in _ahead(pool, (subject for subject in pictures if subject.name not in done)):
            try:
                photo, truth = reading.result()
            except ImageError as error:
                if refuse is None:
                    raise
                refuse(error)
                continue
            unfinished.append(pool.submit(_finish, subject.name, _passes(models, plan, photo, truth), plan))
            while len(unfinished) > AHEAD:
                yield from unfinished.popleft().result()
        while unfinished:
            yield from unfinished.popleft().result()


def _ahead(
    pool: ThreadPoolExecutor, pictures: Iterator[Subject]
) -> Iterator[tuple[Subject, Future[tuple[RGB, Mask | None]]]]:
    being_read: deque[tuple[Subject, Future[tuple[RGB, Mask | None]]]] = deque()
    for subject in pictures:
        being_read.append((subject, pool.submit(subject.read)))
        if len(being_read) > AHEAD:
            yield being_read.popleft()
    yield from being_read


def _passes(models: Mapping[str, DGRL], plan: Plan, photo: RGB, truth: Mask | None) -> dict[str, Pass]:
    return {name: run_pass(model, photo, truth, plan.steps, plan.parts) for name, model in models.items()}


def _finish(picture: str, passes: Mapping[str, Pass], plan: Plan) -> list[SurveyRow]:
    rows = []
    first, *others = passes.values()
    photo = jpeg(first.photo, THUMBNAIL)
    mask = "" if first.truth is None else jpeg(255 * first.truth, THUMBNAIL)
    height, width = first.photo.shape[:2]
    for name, network_pass in passes.items():
        values = network_pass.finish()
        if others:
            values["disagreement"] = disagreement(network_pass, others[0] if network_pass is first else first)
        why = reason(values, plan.steps, plan.levels)
        rows.append(SurveyRow(picture, name, values, why, (width, height), photo, jpeg(network_pass.tiles), mask))
    return rows
