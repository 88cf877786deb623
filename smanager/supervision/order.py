"""The order of starts and stops, and the services that a start or stop draws in: by needs, by `after`, by process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import NamedTuple

from smanager.supervision.catalogue import Catalogue, Service
from smanager.supervision.graph import reachable
from smanager.supervision.keeper import Keeper
from smanager.supervision.states import Prospect, State

HALVINGS = 20
"""How often a time is halved to find the longest that fits: until it is known to a millionth."""


class Order(NamedTuple):
    """Answers questions about the present services and settings."""

    catalogue: Catalogue
    keepers: Mapping[str, Keeper]

    def with_needs(self, keepers: Iterable[Keeper]) -> list[Keeper]:
        """These services, and all that they need, directly or through others, unless it is done already."""
        asked = [keeper.name for keeper in keepers]
        found = [self.keepers[name] for name in reachable(asked, self._needs()) if name in self.keepers]
        return [keeper for keeper in found if keeper.name in asked or keeper.state is not State.DONE]

    def start_order(self, keepers: Iterable[Keeper]) -> list[Keeper]:
        """These services, each after those among them that it waits for."""
        by_name = {keeper.name: keeper for keeper in keepers}
        return [by_name[name] for name in reachable(by_name, self._predecessors()) if name in by_name]

    def stopped_with(self, keepers: Sequence[Keeper]) -> list[Keeper]:
        """The services that a stop of these stops: these, and the running ones that need them, which come first."""
        needed_by: defaultdict[str, list[str]] = defaultdict(list)
        for name, needs in self._needs().items():
            for need in needs:
                needed_by[need].append(name)
        asked = [keeper.name for keeper in keepers]
        names = [name for name in reachable(asked, needed_by) if name in self.keepers]
        return [self.keepers[name] for name in names if name in asked or not self.keepers[name].state.down]

    def stopped_before(self, keeper: Keeper, among: Sequence[Keeper]) -> list[Keeper]:
        """The services in `among` that have to be down before this one is stopped; none for a service on a cycle."""
        if keeper.name in self.catalogue.cycles():
            return []
        predecessors = self._predecessors()
        return [other for other in among if keeper.name in predecessors.get(other.name, ())]

    def stop_seconds(self, keepers: Sequence[Keeper], most: float = inf) -> float:
        """How long a stop of these may take until the last is killed: their own times along the longest chain.

        Of each service's own time only the first `most` seconds count.
        """
        predecessors = self._predecessors()
        until: dict[str, float] = {}
        for keeper in self.start_order(keepers):
            others = [until.get(name, 0.0) for name in predecessors[keeper.name]]
            until[keeper.name] = min(keeper.stop_seconds, most) + max(others, default=0.0)
        return max(until.values(), default=0.0)

    def most_for_each(self, keepers: Sequence[Keeper], bound: float) -> float:
        """The most seconds that each of these may have for its stop, so that all stop within `bound` seconds."""
        if self.stop_seconds(keepers) <= bound:
            return inf
        fits, too_much = 0.0, bound
        for _ in range(HALVINGS):
            most = (fits + too_much) / 2
            if self.stop_seconds(keepers, most) <= bound:
                fits = most
            else:
                too_much = most
        return fits

    def sharing(self, keepers: Sequence[Keeper]) -> list[Keeper]:
        """These services, and those that share a process with them."""
        names = {keeper.name for keeper in keepers}
        for keeper in keepers:
            if keeper.service.source:  # a program without a class is restarted without its host
                names.update(keeper.slot.residents)
        return [keeper for name, keeper in self.keepers.items() if name in names]

    def lacking(self, service: Service) -> list[str]:
        """The services that have to be up before this one may begin, and are not.

        Those in `after` only have their turn: once an attempt has failed, this service waits for them no longer.
        """
        needs = [name for name in service.settings.needs if not self._is_up(name)]
        after = [name for name in service.settings.after if self.prospect(name) is Prospect.SOON]
        return list(dict.fromkeys([*needs, *after]))

    def prospect(self, name: str) -> Prospect:
        """Whether a service, known or not, will be up."""
        keeper = self.keepers.get(name)
        files = [keeper.service.file] if keeper else self.catalogue.files.values()
        if not all(file.adopted.is_set() for file in files):  # it may be in a file that is not known yet
            return Prospect.SOON
        return keeper.prospect if keeper else Prospect.NONE

    def why_absent(self, name: str) -> str:
        """Why a service is not on its way to running, as a clause; empty if it is, or may be."""
        keeper = self.keepers.get(name)
        if self.prospect(name) is not Prospect.NONE or (keeper and keeper.state not in (State.STOPPED, State.FAILED)):
            return ""
        if keeper is None:
            return "which does not exist"
        if keeper.state is State.FAILED:
            return "which has failed"
        return "which is stopped" if keeper.service.settings.enabled else "which is not enabled"

    def _is_up(self, name: str) -> bool:
        service = self.catalogue.services.get(name)
        return bool(service and service.state.up and service.file.adopted.is_set())

    def _needs(self) -> dict[str, tuple[str, ...]]:
        return {name: keeper.service.settings.needs for name, keeper in self.keepers.items()}

    def _predecessors(self) -> dict[str, tuple[str, ...]]:
        settings = {name: keeper.service.settings for name, keeper in self.keepers.items()}
        return {name: (*given.needs, *given.after) for name, given in settings.items()}
