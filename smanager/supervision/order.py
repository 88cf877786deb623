"""The order of starts and stops, and the services that a start or stop draws in: by needs, by `after`, by process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from smanager.supervision.catalogue import Catalogue, Service
from smanager.supervision.graph import reachable
from smanager.supervision.keeper import Keeper
from smanager.supervision.states import State


@dataclass(frozen=True, slots=True)
class Order:
    """Answers questions about the present services and settings."""

    catalogue: Catalogue
    keepers: Mapping[str, Keeper]

    def with_needs(self, keepers: Iterable[Keeper]) -> list[Keeper]:
        """These services, and all that they need, directly or through others."""
        names = reachable([keeper.name for keeper in keepers], self._needs())
        return [self.keepers[name] for name in names if name in self.keepers]

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

    def sharing(self, keepers: Sequence[Keeper]) -> list[Keeper]:
        """These services, and those that share a process with them."""
        names = {keeper.name for keeper in keepers}
        for keeper in keepers:
            if keeper.service.source:  # a program without a class is restarted without its host
                names.update(keeper.slot.residents)
        return [keeper for name, keeper in self.keepers.items() if name in names]

    def lacking(self, service: Service) -> list[str]:
        """The services that have to be up before this one may begin, and are not."""
        needs = [name for name in service.settings.needs if not self._is_up(name)]
        after = [name for name in service.settings.after if self.is_coming(name)]
        return list(dict.fromkeys([*needs, *after]))

    def is_coming(self, name: str) -> bool:
        keeper = self.keepers.get(name)
        if keeper is None:  # it may be in a file that is not known yet
            return not all(file.adopted.is_set() for file in self.catalogue.files.values())
        return keeper.is_coming or not keeper.service.file.adopted.is_set()

    def why_absent(self, name: str) -> str:
        """Why a service is not on its way to running, as a clause; empty if it is, or may be."""
        keeper = self.keepers.get(name)
        if self.is_coming(name) or (keeper and keeper.state not in (State.STOPPED, State.FAILED)):
            return ""
        if keeper is None:
            return "which does not exist"
        if keeper.state is State.FAILED:
            return "which has failed"
        return "which is stopped" if keeper.service.settings.enabled else "which is not enabled"

    def _is_up(self, name: str) -> bool:
        service = self.catalogue.services.get(name)
        return bool(service and service.state is State.RUNNING and service.file.adopted.is_set())

    def _needs(self) -> dict[str, tuple[str, ...]]:
        return {name: keeper.service.settings.needs for name, keeper in self.keepers.items()}

    def _predecessors(self) -> dict[str, tuple[str, ...]]:
        settings = {name: keeper.service.settings for name, keeper in self.keepers.items()}
        return {name: (*given.needs, *given.after) for name, given in settings.items()}
