"""Matplotlib plots of books, prices, profits, and recordings (requires the `notebook` extra).

Each function draws on `ax` and returns it. If you do not pass `ax`, the function creates a pyplot figure. A
notebook displays this figure automatically, but a script must close it. A plot of books is in the decimals
of the symbol's instrument, or of the `instrument` that you pass. A recording already contains its instrument.
With `ticks=True`, a plot is in ticks and lots. If there is nothing to plot, the axes show a message instead.
All numbers are exact until they are drawn.

>>> from matplotlib.figure import Figure
>>> from oms import Order, OrderManagement, Side
>>> om = OrderManagement()
>>> om.add_orders([Order(1, "JPM", Side.BUY, 20, 20), Order(2, "JPM", Side.SELL, 15, 19)])
>>> ax = depth_chart(om, "JPM", ax=Figure().add_subplot())
>>> ax.get_xlabel(), ax.get_ylabel()
('price (ticks)', 'cumulative amount (lots)')

"""

from oms import extras

try:
    from oms.notebook.cost_curve import cost_curve
    from oms.notebook.depth_chart import depth_chart
    from oms.notebook.heatmap import heatmap
    from oms.notebook.ladder import ladder
    from oms.notebook.liquidity_bands import liquidity_bands
    from oms.notebook.profit_chart import profit_chart
    from oms.notebook.simulation_chart import simulation_chart
except ModuleNotFoundError as error:
    extras.add_note(error, "oms.notebook", "notebook")
    raise

__all__ = [
    "cost_curve",
    "depth_chart",
    "heatmap",
    "ladder",
    "liquidity_bands",
    "profit_chart",
    "simulation_chart",
]
