"""Where orders are filled. Outside of this package nobody knows how a venue does it."""

from hub_order.venue.protocol import Exchange, Sending, Venue
from hub_order.venue.simulated import FillModel, SimulatedVenue
from hub_order.venue.slow import Faults, SlowVenue

__all__ = ["Exchange", "Faults", "FillModel", "Sending", "SimulatedVenue", "SlowVenue", "Venue"]
