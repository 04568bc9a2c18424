"""Run by the gate in an environment that holds the wheel without extras, and nothing else."""

import sys
from importlib.metadata import distributions

from oms import OrderManagement, Side

installed = {each.metadata["Name"].lower() for each in distributions()} - {"pip", "setuptools", "wheel"}
assert installed == {"oms-orderbook", "sortedcontainers"}, installed
assert "site-packages" in sys.modules["oms"].__file__, "the installed package is the one that is tested"

om = OrderManagement()
om.add_order(1, "JPM", Side.BUY, 20, 20)
om.add_order(4, "JPM", Side.BUY, 10, 21)
assert [om.calculate_price("JPM", Side.BUY, amount) for amount in (20, 10, 22)] == [400, 200, 442]
assert om.place_trade("JPM", Side.BUY, 22).total_price == 442
om.remove_order(4)
assert len(om) == 0
adapters = {name for name in sys.modules if name.startswith("oms.") and name.count(".") > 1}
assert not adapters, adapters
print("four verbs work with", sorted(installed))
