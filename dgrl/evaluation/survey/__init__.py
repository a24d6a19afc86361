"""Attention joined to error, picture by picture: the numbers of each pass over a folder, as a table and as a page.

| file | what |
|---|---|
| `columns.py` | the names, titles and meanings of the numbers |
| `numbers.py` | the numbers of one attention map, object and set of kernels |
| `passes.py` | one picture through one network: its maps and what each part does |
| `reason.py` | why a picture is bad, in one sentence |
| `answers.py` | the questions that a survey is for, answered from all rows |
| `run.py` | many pictures, several networks: a stream of rows |
| `table.py` | the rows as a table: CSV, JSON, the page's data |
| `store.py` | rows in files, so that a survey that was stopped goes on |
| `page.py` | the table as one HTML file |
"""

from dgrl.evaluation.survey.answers import answers
from dgrl.evaluation.survey.run import Subject, survey
from dgrl.evaluation.survey.table import Survey, SurveyRow

__all__ = ["Subject", "Survey", "SurveyRow", "answers", "survey"]
