"""How untidily deliveries arrive: doubled, overtaken, forged, late, or not at all."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from sandbox.asked import Asked, BadControlError

SHARES = ("double", "forge", "lose", "overtake")


@dataclass(frozen=True)
class Habits:
    """The defaults are a good day. Shares are from 0 to 1, of all deliveries."""

    together: int = 1  # the most events in one delivery
    at_once: int = 4  # the most deliveries under way
    double: float = 0.0  # delivered once more
    forge: float = 0.0  # followed by one that tells of the same organisation and bears a wrong signature
    lose: float = 0.0  # never delivered: the next one's number shows it
    overtake: float = 0.0  # held back until later ones have gone
    delay_seconds: float = 0.0  # from the event to its delivery
    again_seconds: float = 900.0  # after the second failure; the first is followed at once
    fraction: bool = True  # whether times have thousandths

    def turned(self, asked: Asked) -> "Habits":
        """The same with what a control request names; raises BadControlError for what makes no sense."""
        given: dict[str, Any] = {
            name: asked.number(name) for name in (*SHARES, "delay_seconds", "again_seconds")
        }
        given |= {name: asked.whole(name, least=1) for name in ("together", "at_once")}
        times = asked.text("times", ("thousandths", "seconds"))
        if times is not None:
            given["fraction"] = times == "thousandths"
        given = {name: value for name, value in given.items() if value is not None}
        if too_much := [name for name in SHARES if given.get(name, 0) > 1]:
            raise BadControlError(f"{too_much[0]} is a share of all deliveries, from 0 to 1.")
        return replace(self, **given)

    def told(self) -> dict[str, Any]:
        """For people to read."""
        return asdict(self)
