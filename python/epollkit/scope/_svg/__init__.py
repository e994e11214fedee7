"""Draw a trace as SVG: one string, without script, style sheet, font or anything else beside it.

From top to bottom: the calls, then each source with its level, its queues, what arrived, and a row
for each probe with what it was told. The columns in which a set was asked are shaded. A stroke
leads from an arrival to the delivery that it caused; where a wait came back without a source that
is ready, no stroke leads there, and a hollow ring says so.

`layout` says where everything stands, `document` draws the frame with the title, the legend and the
notes, `body` what is in it, and each kind of lane has a module of its own.
"""

from epollkit.scope._svg.document import MOST_BYTES, render

__all__ = ["MOST_BYTES", "render"]
