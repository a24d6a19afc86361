"""How the app says that a request cannot be met: one sentence for people, a kind for programs."""

from pathlib import Path

from dgrl.images import ImageError

REFUSED, PHOTO_GONE, BUSY = "refused", "photo-gone", "busy"


class Refused(Exception):  # noqa: N818 (it is an answer, not a fault)
    """A request that cannot be met.

    Attributes:
        sentence: the message that the visitor reads.
        title: two to four words above the sentence.
        kind: REFUSED; PHOTO_GONE where sending the photo again helps; BUSY where waiting helps.
        status: HTTP status of the answer.
    """

    def __init__(self, sentence: str, title: str = "No result", kind: str = REFUSED, status: int = 422) -> None:
        super().__init__(sentence)
        self.sentence, self.title, self.kind, self.status = sentence, title, kind, status


def refused_picture(error: ImageError, path: str, title: str) -> Refused:
    """Say what is wrong with a picture, by the picture's name instead of its path on the server."""
    return Refused(str(error).replace(path, Path(path).name), title)


def refused_argument(error: Exception, title: str) -> Refused:
    """Say what is wrong with an argument."""
    text = str(error)
    return Refused(f"{text[:1].upper()}{text[1:]}.", title)
