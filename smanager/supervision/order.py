"""Which services come before which, and live with which: the order of starts and stops, and what each draws in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from smanager.supervision.catalogue import Catalogue, Service
from smanager.supervision.graph import beyond
from smanager.supervision.keeper import Keeper
from smanager.supervision.states import State


class Dependencies:
    """Questions about the services that there are, as their settings are now."""

    def __init__(self, catalogue: Catalogue, keepers: Mapping[str, Keeper]) -> None:
        self._catalogue = catalogue
        self._keepers = keepers

    def needed(self, keepers: Iterable[Keeper]) -> list[Keeper]:
        """These, and all that they need, directly or through others."""
        names = beyond([keeper.name for keeper in keepers], self._needs())
        return [self._keepers[name] for name in names if name in self._keepers]

    def start_order(self, keepers: Iterable[Keeper]) -> list[Keeper]:
        """These, the ones first that others of them wait for."""
        asked = {keeper.name: keeper for keeper in keepers}
        return [asked[name] for name in beyond(asked, self._order()) if name in asked]

    def stopped_with(self, keepers: Sequence[Keeper]) -> list[Keeper]:
        """What a stop of these would stop: they and what needs them, those first that nothing else needs."""
        needed_by: dict[str, list[str]] = {name: [] for name in self._keepers}
        for name, needs in self._needs().items():
            for need in needs:
                needed_by.setdefault(need, []).append(name)
        running = {name for name, keeper in self._keepers.items() if not keeper.down.is_set()}
        asked = [keeper.name for keeper in keepers]
        names = beyond(asked, needed_by)
        return [self._keepers[name] for name in reversed(names) if name in running or name in asked]

    def stopped_before(self, keeper: Keeper, among: Sequence[Keeper]) -> list[Keeper]:
        """Which of `among` have to be down before this one is stopped; in a circle nobody waits for anybody."""
        if keeper.name in self._catalogue.circles():
            return []
        order = self._order()
        return [other for other in among if keeper.name in order.get(other.name, ())]

    def sharing(self, keepers: Sequence[Keeper]) -> list[Keeper]:
        """These services, and those that live in the same processes."""
        names = {keeper.name for keeper in keepers}
        for keeper in keepers:
            if keeper.service.source:  # a program that has no class needs no fresh process but its own
                names.update(keeper.slot.residents)
        return [keeper for name, keeper in self._keepers.items() if name in names]

    def lacking(self, service: Service) -> list[str]:
        """The services that have to be up before this one may begin, and are not."""
        needs = [name for name in service.settings.needs if not self._is_up(name)]
        after = [name for name in service.settings.after if self.is_to_come(name)]
        return list(dict.fromkeys([*needs, *after]))

    def is_to_come(self, name: str) -> bool:
        """Whether a service that is not up is on its way there."""
        keeper = self._keepers.get(name)
        if keeper is None:  # it may be in a file that is not known yet
            return not all(file.adopted.is_set() for file in self._catalogue.files.values())
        if not keeper.service.file.adopted.is_set():
            return True
        return keeper.state is State.BACKOFF or (keeper.state is State.STARTING and not keeper.is_stuck)

    def _is_up(self, name: str) -> bool:
        service = self._catalogue.services.get(name)
        return bool(service and service.state is State.RUNNING and service.file.adopted.is_set())

    def _needs(self) -> dict[str, tuple[str, ...]]:
        return {name: keeper.service.settings.needs for name, keeper in self._keepers.items()}

    def _order(self) -> dict[str, tuple[str, ...]]:
        settings = {name: keeper.service.settings for name, keeper in self._keepers.items()}
        return {name: (*given.needs, *given.after) for name, given in settings.items()}
