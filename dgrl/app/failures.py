"""Messages about failed requests: sentences for users, and log entries that contain nothing users sent."""

import logging
import traceback

WRONG_KIND = "An argument has the wrong type; the link to the API below describes every argument."
FAULT = "The app could not do this. The person who runs the app finds the reason in its log."
FAILED = "The server cannot answer this request; the link to the API at the foot of the page describes valid requests."
ARGUMENT_ERRORS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""Errors that handlers raise for arguments of the wrong type."""
log = logging.getLogger(__name__)
_noted: set[str] = set()


def note(error: BaseException) -> None:
    """Log where something failed, once for each place, without anything that a user sent."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    kind = f"{type(error).__name__}{place}"
    if kind not in _noted:
        _noted.add(kind)
        log.warning("a request could not be answered: %s (logged once)", kind)
