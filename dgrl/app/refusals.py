"""Refused requests: one sentence for people, a kind for programs."""

from pathlib import Path

from dgrl.images import ImageError

REFUSED, PHOTO_GONE, BUSY = "refused", "photo-gone", "busy"


class Refused(Exception):  # noqa: N818 (a normal response, not an error of the app)
    """A request that is refused.

    Attributes:
        sentence: the message for the user.
        title: two to four words above the sentence.
        kind: REFUSED; PHOTO_GONE if sending the photo again helps; BUSY if waiting helps.
        status: HTTP status of the response.
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
