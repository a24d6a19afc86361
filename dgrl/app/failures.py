"""When a request cannot be answered: words for the visitor, and a note for the log that holds nothing of theirs."""

import logging
import traceback

WRONG_KIND = "An argument is of the wrong kind; the link to the API below says what each one may be."
FAULT = "The app could not do this. Whoever runs it finds the reason in its log."
FAILED = "The server cannot answer this request; the link to the API at the foot of the page says what it may be."
OF_ARGUMENTS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What handlers raise for arguments of the wrong kind."""
log = logging.getLogger(__name__)
_noted: set[str] = set()


def note(error: BaseException) -> None:
    """Write down where something failed, once for each place, and nothing of what a visitor sent."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    kind = f"{type(error).__name__}{place}"
    if kind not in _noted:
        _noted.add(kind)
        log.warning("a request could not be answered: %s (this is said once)", kind)
