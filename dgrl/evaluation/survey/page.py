"""A survey as one HTML file that needs nothing else; the app shows the same view (`dgrl/page/survey`)."""

import json
from pathlib import Path

from markupsafe import Markup

from dgrl.evaluation.survey.table import Survey
from dgrl.page.inlining import loader, survey_sources
from dgrl.templates import render

HERE = Path(__file__).parents[2] / "page" / "survey"


def script() -> str:
    """Return the script that loads the view: it defines `mountSurvey`."""
    sources = json.dumps(survey_sources()).replace("<", "\\u003c")  # "</script>" would end the script
    return f'{loader()}\nconst {{ mountSurvey }} = await loadInline({sources}, "survey/survey.js");\n'


def style() -> str:
    """Return the view's style sheet."""
    return (HERE / "survey.css").read_text(encoding="utf-8")


def page(survey: Survey, title: str) -> str:
    """Write the HTML page of a survey.

    Args:
        survey: the table.
        title: what was surveyed.
    """
    # "<" would end the script that holds the data.
    table = json.dumps(survey.for_page(), separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return render("survey", title=title, table=Markup(table), script=Markup(script()), style=Markup(style()))
