"""A naive account: a list of fills, from which every number is computed from scratch, lot by lot."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from oms import CostBasis, Event, FeeSchedule, FeeVolume, Position, TradePlaced
from oms.engine_events import EngineEvent

__all__ = ["PartyFill", "naive_fee", "naive_position", "naive_positions", "party_fills"]


class PartyFill(NamedTuple):
    """A fill of one party. `amount` is negative for a sale."""

    symbol: str
    owner: str | None
    amount: int
    price: int
    is_taker: bool


def party_fills(events: Iterable[Event]) -> list[PartyFill]:
    """Return both parties of each fill of a MatchingEngine, and the taker of each of an OrderManagement."""
    fills: list[PartyFill] = []
    for event in events:
        if isinstance(event, EngineEvent):
            for fill in event.fills():
                signed = fill.side.sign * fill.amount
                fills.append(PartyFill(fill.symbol, fill.taker_owner, signed, fill.price, True))
                fills.append(PartyFill(fill.symbol, fill.maker_owner, -signed, fill.price, False))
        elif isinstance(event, TradePlaced):
            trade = event.trade
            fills += [
                PartyFill(trade.symbol, None, trade.side.sign * fill.amount, fill.price, True)
                for fill in trade.fills
            ]
    return fills


def naive_fee(schedule: FeeSchedule, fill: PartyFill, volume: int) -> Fraction:
    """Return the fee of a fill at the tier that the volume before it has reached."""
    tier = max(
        (each for each in schedule.tiers if each.volume <= volume),
        key=lambda each: each.volume,
        default=schedule,
    )
    of_value, of_lots = (
        (tier.taker_bps, tier.taker_per_lot) if fill.is_taker else (tier.maker_bps, tier.maker_per_lot)
    )
    lots = abs(fill.amount)
    fee = Fraction(of_value) / 10_000 * lots * fill.price + Fraction(of_lots) * lots
    if schedule.round_to is None:
        return fee
    steps = fee / schedule.round_to
    below = steps.numerator // steps.denominator
    rounded = {"NEAREST": round(steps), "DOWN": below, "UP": below + (steps != below)}[schedule.rounding]
    return Fraction(rounded * schedule.round_to)


def naive_position(
    fills: Iterable[PartyFill],
    symbol: str,
    owner: str | None,
    cost_basis: CostBasis,
    schedule: FeeSchedule,
) -> Position:
    """Return a position, computed with one list entry per open lot."""
    entries: list[Fraction] = []  # the entry price of each open lot, oldest first
    sign = volume = cash = bought = sold = 0
    realized = fees = Fraction(0)
    last_price = None
    for fill in fills:
        if fill.symbol != symbol:
            continue
        last_price = fill.price
        if fill.owner != owner:
            continue
        fees += naive_fee(schedule, fill, volume)
        lots = abs(fill.amount)
        volume += lots if schedule.tier_by is FeeVolume.AMOUNT else lots * fill.price
        cash -= fill.amount * fill.price
        bought, sold = bought + max(fill.amount, 0), sold + max(-fill.amount, 0)
        direction = 1 if fill.amount > 0 else -1
        for _ in range(lots):
            if entries and sign != direction:
                realized += sign * (fill.price - entries.pop(0))
            else:
                sign = direction
                entries.append(Fraction(fill.price))
        if entries and cost_basis is CostBasis.AVERAGE:
            entries = [sum(entries, Fraction(0)) / len(entries)] * len(entries)
    average = sum(entries, Fraction(0)) / len(entries) if entries else None
    return Position(
        owner, symbol, sign * len(entries), cash, average, realized, fees, bought, sold, last_price
    )


def naive_positions(
    fills: list[PartyFill], cost_basis: CostBasis, schedule: FeeSchedule
) -> tuple[Position, ...]:
    """Return all positions with a fill, sorted by symbol and owner, with None first."""
    keys = {(fill.symbol, fill.owner) for fill in fills}
    ordered = sorted(keys, key=lambda key: (key[0], () if key[1] is None else (key[1],)))
    return tuple(naive_position(fills, symbol, owner, cost_basis, schedule) for symbol, owner in ordered)
