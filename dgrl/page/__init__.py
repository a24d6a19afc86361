"""The page: HTML, CSS and JavaScript that the app, the static site, the report and the notebook widget share."""

from pathlib import Path

FOLDER = Path(__file__).parent
"""Folder of `index.html`, `page.css` and the ES modules. README.md in it describes the files."""
