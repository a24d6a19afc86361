"""Known data sets by name: their folder layouts, and where they are published."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dgrl.data.checking import Folders
from dgrl.data.masks import HALF
from dgrl.data.pairs import DataError

JPG, PNG = frozenset({".jpg"}), frozenset({".png"})


@dataclass(frozen=True)
class Archive:
    """A zip file that the authors of a data set publish.

    Attributes:
        url: its address.
        checksum: "sha256:…" or "md5:…" of the file, or None if it is not published.
    """

    url: str
    checksum: str | None = None


@dataclass(frozen=True)
class KnownSet:
    """A data set of the field.

    Attributes:
        name: its name in the literature.
        pairs: number of pairs.
        layouts: folders of pictures and masks in its archives, the official layout first.
        home: the page of its authors.
        archives: files to download; none if no stable address is known.
        missing: the reason, if there are none.
        threshold: see `Pair`.
    """

    name: str
    pairs: int
    layouts: tuple[tuple[str, str], ...]
    home: str
    archives: tuple[Archive, ...] = ()
    missing: str = ""
    threshold: int = HALF


# Layouts of mirrors and other projects; "Imgs" holds both pictures (.jpg) and masks (.png).
COMMON_LAYOUTS = (
    ("image", "mask"),
    ("images", "masks"),
    ("imgs", "gt"),
    ("img", "gt"),
    ("Image", "GT"),
    ("Images", "GT"),
    ("Imgs", "GT"),
    ("Imgs", "Imgs"),
)

# Sources of the checksums: ECSSD's from antoinehabis/Deep-ContourFlow (scripts/download_datasets.py), those of PASCAL-S
# and DUT-OMRON's pictures from matthias-k/pysaliency (external_datasets).
KNOWN_SETS = {
    known.name: known
    for known in (
        KnownSet(
            "DUTS-TR",
            10553,
            # Copies from before 2018-01-22 have three masks twice: right as .jpg, wrong as .png. The check finds them.
            (("DUTS-TR-Image", "DUTS-TR-Mask"),),
            "http://saliencydetection.net/duts/",
            (Archive("http://saliencydetection.net/duts/download/DUTS-TR.zip"),),
        ),
        KnownSet(
            "DUTS-TE",
            5019,
            (("DUTS-TE-Image", "DUTS-TE-Mask"),),
            "http://saliencydetection.net/duts/",
            (Archive("http://saliencydetection.net/duts/download/DUTS-TE.zip"),),
        ),
        KnownSet(
            "ECSSD",
            1000,
            (("images", "ground_truth_mask"),),
            "https://www.cse.cuhk.edu.hk/leojia/projects/hsaliency/dataset.html",
            (
                Archive(
                    "https://www.cse.cuhk.edu.hk/leojia/projects/hsaliency/data/ECSSD/images.zip",
                    "sha256:7d5dce1a21c6d82e2f9617c00ad7eae2de5ded9320e8c59a01b4c731d210ea47",
                ),
                Archive(
                    "https://www.cse.cuhk.edu.hk/leojia/projects/hsaliency/data/ECSSD/ground_truth_mask.zip",
                    "sha256:dc0a9f11f2adee2737d95b28f9567a0a5de33f78743447c097ceb4d42f281a31",
                ),
            ),
        ),
        KnownSet(
            "PASCAL-S",
            850,
            (("datasets/imgs/pascal", "datasets/masks/pascal"),),
            "http://cbs.ic.gatech.edu/salobj/",
            (Archive("http://cbs.ic.gatech.edu/salobj/download/salObj.zip", "md5:e48b4e5deac08bddcaec55ce56e4d420"),),
            # A mask's grey value is the share of the twelve annotators' votes. More than half of them means salient;
            # half the votes, 127.5, are rounded up to 128.
            threshold=128,
        ),
        KnownSet(
            "DUT-OMRON",
            5168,
            (
                ("DUT-OMRON-image", "pixelwiseGT-new-PNG"),
                ("DUT-OMRON-image/DUT-OMRON-image", "DUT-OMRON-gt-pixelwise.zip/pixelwiseGT-new-PNG"),
            ),
            "http://saliencydetection.net/dut-omron/",
            (
                Archive(
                    "http://saliencydetection.net/dut-omron/download/DUT-OMRON-image.zip",
                    "md5:a8951db9297afacf78bc0e5079103cf1",
                ),
                Archive("http://saliencydetection.net/dut-omron/download/DUT-OMRON-gt-pixelwise.zip.zip"),
            ),
        ),
        KnownSet(
            "HKU-IS",
            4447,
            (("imgs", "gt"),),
            "https://i.cs.hku.hk/~gbli/deep_saliency.html",
            missing="its authors share it only through a file host that wants a person to click",
        ),
        KnownSet(
            "SOD",
            300,
            (("Imgs", "Imgs"),),
            "https://www.elderlab.yorku.ca/resources/salient-objects-dataset-sod/",
            missing="its authors publish the annotators' outlines, and other people have made masks of them",
        ),
    )
}


def known_set(name: str) -> KnownSet:
    """Return the data set of that name, in any case; raise DataError, which lists all names, if there is none."""
    for data_set in KNOWN_SETS.values():
        if data_set.name.casefold() == name.casefold():
            return data_set
    raise DataError(f"there is no known data set {name!r}; choose from {', '.join(KNOWN_SETS)}, or use any two folders")


def folders_of(name: str, root: Path, download: bool = False, say: Callable[[str], None] = print) -> Folders:
    """Find the pictures and masks of a known data set in `root`, or in the folder of its name in `root`.

    Args:
        name: one of `KNOWN_SETS`.
        root: the data set's folder, or its parent.
        download: download the set into `root` if it is not there.
        say: called with each line of progress.

    Raises:
        DataError: the set is unknown, not there, or cannot be downloaded.
    """
    data_set = known_set(name)
    folders = _find(data_set, root)
    if folders is None and download:
        _download(data_set, root, say)
        folders = _find(data_set, root)
    if folders is None:
        images, masks = data_set.layouts[0]
        hint = "; --download downloads it" if data_set.archives and not download else ""
        if download:
            hint = f"; {root / data_set.name} exists and is something else"
        together = f"pictures and masks in {images}" if images == masks else f"pictures in {images}, masks in {masks}"
        raise DataError(f"{data_set.name} is not in {root}: it has {together} (image and mask do as well){hint}")
    return folders


def _find(data_set: KnownSet, root: Path) -> Folders | None:
    for base in (root, root / data_set.name):
        for images, masks in (*data_set.layouts, *COMMON_LAYOUTS):
            if not ((base / images).is_dir() and (base / masks).is_dir()):
                continue
            folders = Folders(
                base / images, base / masks, threshold=data_set.threshold, name=data_set.name, published=data_set.pairs
            )
            # On case-insensitive disks "imgs" also matches "Imgs".
            together = folders.images.samefile(folders.masks)
            return dataclasses.replace(folders, image_suffixes=JPG, mask_suffixes=PNG) if together else folders
    return None


def _download(data_set: KnownSet, root: Path, say: Callable[[str], None]) -> None:
    from dgrl.data.download import install

    if not data_set.archives:
        raise DataError(f"{data_set.name} cannot be downloaded: {data_set.missing}; see {data_set.home}")
    install(
        [(archive.url, archive.checksum) for archive in data_set.archives], root / data_set.name, data_set.home, say
    )
