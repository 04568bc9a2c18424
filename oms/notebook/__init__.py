"""Plots of books, prices, and recordings, with matplotlib. They need the extra `notebook`.

Each function draws into `ax` and returns `ax`. Without `ax` the function creates a figure with pyplot. A
notebook shows that figure, and a script must close it. Pass an `instrument` to label the axes with the tick
size and the lot size. A recording has its own instrument. If a book is empty, the axes show only a message.
All numbers are integers until they are drawn.

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
except ModuleNotFoundError as error:
    extras.add_note(error, "oms.notebook", "notebook")
    raise

__all__ = ["cost_curve", "depth_chart", "heatmap", "ladder", "liquidity_bands"]
