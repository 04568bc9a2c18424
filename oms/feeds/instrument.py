"""What a tick and a lot are: decimal strings to exact integers, and back."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Instrument"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """What 1 in a price (`tick_size`) and 1 in an amount (`lot_size`) stand for, as decimal text.

    >>> instrument = Instrument(tick_size="0.5", lot_size="0.001")
    >>> instrument.tick * 3, instrument.lot * 1500
    (Decimal('1.5'), Decimal('1.500'))

    """

    tick_size: str = "1"
    lot_size: str = "1"

    @property
    def tick(self) -> Decimal:
        """What 1 in a price stands for."""
        return Decimal(self.tick_size)

    @property
    def lot(self) -> Decimal:
        """What 1 in an amount stands for."""
        return Decimal(self.lot_size)
