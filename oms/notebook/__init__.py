"""Plots of books, prices and recordings, with matplotlib: the extra `notebook`.

Each takes `ax` and returns it; without one it makes a figure of its own with pyplot, which a notebook shows
and a script closes. Integers stay integers until they are drawn: an `instrument` (of a recording, its own)
says what ticks and lots are, else the axes count them. Where nothing rests the axes are empty and say so.

>>> from matplotlib.figure import Figure
>>> from oms import Order, OrderManagement, Side
>>> om = OrderManagement()
>>> om.add_orders([Order(1, "JPM", Side.BUY, 20, 20), Order(2, "JPM", Side.SELL, 15, 19)])
>>> ax = depth_chart(om, "JPM", ax=Figure().add_subplot())
>>> ax.get_xlabel(), ax.get_ylabel()
('price (ticks)', 'cumulative amount (lots)')

"""

try:
    from oms.notebook.cost_curve import cost_curve
    from oms.notebook.depth_chart import depth_chart
    from oms.notebook.heatmap import heatmap
    from oms.notebook.ladder import ladder
    from oms.notebook.liquidity_bands import liquidity_bands
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] in {"matplotlib"}:
        error.add_note(
            "oms.notebook needs the extra notebook: in a checkout of the project, pip install '.[notebook]'"
        )
    raise

__all__ = ["cost_curve", "depth_chart", "heatmap", "ladder", "liquidity_bands"]
