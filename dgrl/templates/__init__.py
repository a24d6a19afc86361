"""Every piece of HTML, for app, notebooks and reports alike: Jinja2 templates with escaping on."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_environment = Environment(
    loader=PackageLoader("dgrl"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def render(template: str, **values: Any) -> Markup:
    """Render `template`.html with these values, each escaped unless it is HTML (`Markup`) already."""
    return Markup(_environment.get_template(f"{template}.html").render(values))
