"""A graph in the form that a file's ending asks for: a picture, a page, or text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pql.faces.render import appended, begun, write

if TYPE_CHECKING:
    from pql.graphview import GraphView


def is_drawn(output: Path | None) -> bool:
    """True for the endings of pictures and pages."""
    return output is not None and output.suffix.lower() in (".svg", ".html", ".htm")


def draw(view: GraphView, output: Path | None) -> None:
    """Write the graph: `.svg` a picture, `.html` a page, else text. Raises PqlError `file_not_writable`."""
    if output is None or not is_drawn(output):
        return write(view, "box", output, 0)
    begun(output)
    if output.suffix.lower() == ".svg":
        return appended(view.picture().svg(), output)
    from pql.html_views import graph_page

    return appended(graph_page(view), output)
