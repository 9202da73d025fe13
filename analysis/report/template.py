"""Fills the templates that lie beside this file."""

from pathlib import Path

from dsprof.analysis.numerals import plural, rated, significant
from dsprof.analysis.report import markdown


def render(template: str, view: object) -> str:
    """The named template with ``view`` as its only variable.

    Markdown templates escape data with the filters of the markdown module; Jinja
    escapes what goes into HTML. A name that the view lacks is an error.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "text": markdown.text,
        "code": markdown.code,
        "block": markdown.block,
        "names": markdown.names,
        "table": markdown.table,
        "number": significant,
        "rated": rated,
        "plural": plural,
    }
    return environment.get_template(template).render(view=view)
