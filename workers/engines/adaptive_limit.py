"""How many requests an endpoint gets at once, as a pure state machine: no task, client or clock.

Additive increase, multiplicative decrease: Chiu and Jain 1989, section 3. A decrease answers a
whole round of requests, as in TCP (Jacobson 1988, section 1), not each refusal of that round.
"""

from dataclasses import dataclass

DECREASE = 0.5
"""What congestion multiplies the limit by; the value of Jacobson 1988, section 1."""


@dataclass(slots=True)
class AdaptiveLimit:
    """The limit moves in [1, most]. Times are seconds on any one clock that the caller keeps.

    Each request is `sent` once, for a ticket, and then exactly one of `succeeded`, `congested` or
    `released` (it ended in a way that tells nothing about load) with that ticket.
    """

    most: int
    limit: float = 0.0
    in_flight: int = 0
    held_until: float = 0.0
    _next_ticket: int = 0
    _round: int = 0

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError(f"at least one request must be allowed at once, not {self.most}")
        self.limit = float(self.most)

    def may_send(self, now: float) -> bool:
        """Whether one more request may go out."""
        return now >= self.held_until and self.in_flight < int(self.limit)

    def sent(self) -> int:
        """Note that a request goes out; its ticket."""
        self.in_flight += 1
        self._next_ticket += 1
        return self._next_ticket

    def succeeded(self, ticket: int) -> None:
        """One round of successes raises the limit by one. Old successes tell nothing of it."""
        self.released(ticket)
        if ticket > self._round:
            self.limit = min(float(self.most), self.limit + 1 / self.limit)

    def congested(self, ticket: int, hold_until: float = 0.0) -> None:
        """Lower the limit, once for all that was out when it was last lowered.

        Nothing may be sent before `hold_until`, for which the endpoint asked.
        """
        self.released(ticket)
        self.held_until = max(self.held_until, hold_until)
        if ticket > self._round:
            self.limit = max(1.0, self.limit * DECREASE)
            self._round = self._next_ticket

    def released(self, ticket: int) -> None:
        """A request is out no more."""
        if not 0 < ticket <= self._next_ticket or self.in_flight == 0:
            raise ValueError(f"request {ticket} is not in flight")
        self.in_flight -= 1
