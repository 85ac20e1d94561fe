"""Play: one chaos run from beginning to end: rage, peace, judgement, and what is left behind."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final

from rqflow.backend.opening import create_hub, open_backend
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.options import ClientOptions
from rqflow.core.states import OPEN
from rqflow.errors import BackendError
from tests.chaos.book import Book
from tests.chaos.checks import Examiner
from tests.chaos.crew import Crew
from tests.chaos.customers import Customer, let_end
from tests.chaos.errands import Wanderer
from tests.chaos.expectations import UNDONE, hold
from tests.chaos.findings import Finding, read_all
from tests.chaos.ground import HUB, Deed, Ground
from tests.chaos.grounds import GROUNDS
from tests.chaos.remains import audit, remains
from tests.chaos.report import Report
from tests.chaos.timekeepers import begin, catch_up, slots_of, wrong_with
from tests.chaos.villain import Villain
from tests.promises.verbs import effects

PEACE: Final = 90.0
"""Seconds in which everything must have ended, once there is peace: generous, for loaded machines."""

FINISHING: Final = 5.0
"""Seconds that customers have for what they have begun, when it is over."""
ZOMBIES: Final = ("worker frozen past its lease", "road holds everything", "road holds replies", "redis frozen")
"""Deeds after which workers are there again whose leases are not."""
FORGETTING: Final = 30.0
"""Seconds in which the short retention of some has passed, and what is due because of it is done."""

AUDIT: Final = 10.0
"""Seconds between two looks at all keys while chaos reigns."""


@dataclass(frozen=True)
class Plan:
    """What a run is made of. All its decisions follow from the seed."""

    seed: int
    minutes: float
    server: str = "standalone"
    fsync: str = "always"
    partitions: int | None = None
    """None: 1 or 4, as the seed says."""
    cache: int | None = None
    """Executors that a worker keeps. None: each worker draws."""
    workers: int = 4
    customers: int = 16

    @property
    def also(self) -> str:
        """What else was chosen, as the command line takes it."""
        chosen = {"partitions": self.partitions, "cache": self.cache}
        usual = {field.name: field.default for field in fields(self)}
        chosen |= {name: getattr(self, name) for name in ("workers", "customers") if getattr(self, name) != usual[name]}
        return "".join(f" --{name} {value}" for name, value in chosen.items() if value is not None)


class Play:
    """One run."""

    def __init__(self, plan: Plan, folder: Path, tell: Callable[[str], None]) -> None:
        self.plan = plan
        self._folder = folder
        self._tell = tell
        self._chance = Random(f"chaos {plan.seed}")
        self._partitions = plan.partitions or self._chance.choice([1, 4])
        self._ground: Ground = GROUNDS[plan.server](Random(self._chance.random()), plan.fsync)
        self._book = Book()
        self._calm = ClientOptions(retry_for=timedelta(seconds=30))
        self.report = Report(plan.seed, plan.server, plan.fsync, self._partitions, plan.minutes, plan.also)

    async def run(self) -> Report:
        """All of it."""
        await asyncio.to_thread(self._ground.start)
        try:
            url = self._ground.url
            create_hub(
                url, HUB, partitions=self._partitions, retention=timedelta(hours=6), durability=self._ground.durability
            )
            crew = Crew(
                self._ground.roads, HUB, self._folder, size=self.plan.workers, cache=self.plan.cache,
                chance=Random(self._chance.random()),
            )  # fmt: skip
            try:
                async with AsyncClient(url, hub=HUB, options=self._calm) as client:
                    await begin(client, str(self._folder))
                await self._rage(crew)
                async with AsyncClient(url, hub=HUB, options=self._calm) as client:
                    await self._peace(crew, client)
                    await self._judge(client)
                    await self._leave(crew, client)
                self._blame("P6", crew.faults)
            finally:
                crew.remove()
        finally:
            await asyncio.to_thread(self._ground.stop)
        return self.report

    # ---- rage

    async def _rage(self, crew: Crew) -> None:
        crew.fill()
        enough = asyncio.Event()
        customers = [self._customer(number) for number in range(self.plan.customers)]
        villains = [self._villain(deeds) for deeds in (crew.deeds, self._ground.deeds)]
        async with asyncio.TaskGroup() as group:
            care = group.create_task(crew.look_after())
            living = [group.create_task(customer.live(enough)) for customer in customers]
            audits = group.create_task(self._audit())
            raging = [group.create_task(villain.rage()) for villain in villains]
            await asyncio.sleep(self.plan.minutes * 60)
            for task in raging:
                task.cancel()
            await asyncio.wait(raging)
            enough.set()
            self._tell("peace: customers finish what they have begun, or die in the middle of it")
            _, late = await asyncio.wait(living, timeout=FINISHING)
            for task in late:
                task.cancel()
            audits.cancel()
            care.cancel()
        for villain in villains:
            self.report.deeds |= villain.counts
            self.report.recoveries |= villain.recoveries
            self._blame("P6", villain.stuck)
        self.report.workers = dict(crew.engaged)

    async def _audit(self) -> None:
        """Now and then somebody reads all keys, in the middle of it."""
        while True:
            await asyncio.sleep(AUDIT)
            try:
                wrong = await asyncio.to_thread(audit, self._ground.url, HUB)
            except BackendError:
                continue  # the server is away
            self.report.audits += 1
            self._blame("", [f"{each} (in mid-play)" for each in wrong])

    def _customer(self, number: int) -> Customer:
        url = self._chance.choice(self._ground.roads)
        chance = Random(self._chance.random())
        return Wanderer(url, HUB, str(self._folder), self._book, name=f"c{number}", chance=chance)

    def _villain(self, deeds: Sequence[Deed]) -> Villain:
        return Villain(deeds, self._book, Random(self._chance.random()), self._tell)

    # ---- peace

    async def _peace(self, crew: Crew, client: AsyncClient) -> None:
        began = time.monotonic()
        await crew.peace()
        self._blame("P9", await catch_up(client))
        rows = [row.instance async for row in client.list() if row.status in OPEN]
        for name in rows:
            page = self._book.pages.get(name)
            if page is not None:
                await let_end(client, page)
        while left := await self._open(client):
            if time.monotonic() - began > PEACE:
                self._tell(f"{left} instances do not end")
                break
            await asyncio.sleep(0.2)
        self.report.calm_seconds = time.monotonic() - began

    async def _open(self, client: AsyncClient) -> int:
        stats = await client.stats()
        if stats.broken:
            self._blame("P7", [f"{stats.broken} due members or messages were set aside"])
        return sum(count for status, count in stats.statuses.items() if status in OPEN) + stats.outbox

    # ---- judgement

    async def _judge(self, client: AsyncClient) -> None:
        self._tell("judgement")
        self._blame("", await asyncio.to_thread(audit, self._ground.url, HUB))
        backend = await open_backend(self._ground.url, HUB)
        try:
            findings = await read_all(client, backend)
            await self._await_results(client, findings)
        finally:
            await backend.close()
        lossy = self.plan.fsync != "always"
        left = await asyncio.to_thread(effects, self._folder)
        examiner = Examiner(left, lossy=lossy)
        slots = slots_of(findings)
        examiner.counts["P9"] = len(slots)
        if not self._ground.fails_over:
            self._blame("P9", wrong_with(slots, left))
        for finding in findings.values():
            examiner.examine(finding, findings)
            self._blame("", finding.problems)
        for page in self._book.pages.values():
            found = findings.get(page.id)
            if lossy and found is None and page.start == "accepted" and page.retention is None:
                self.report.lost += 1
            said = hold(page, found, examiner.counts, fails_over=self._ground.fails_over)
            if not lossy:
                self._blame("", said)
        self.report.undone = examiner.counts.pop(UNDONE, 0)
        stalls = [each async for each in client.events(follow=False) if each.type == "stalled"]
        self.report.stalled = len(stalls)
        self._sum_up(findings, examiner.counts)

    async def _await_results(self, client: AsyncClient, findings: dict[str, Finding]) -> None:
        """Clients get in the end what they have not seen yet, and again what they have."""
        for page in self._book.pages.values():
            if page.id in findings and findings[page.id].row.status not in OPEN:
                await page.await_result(client.handle(page.id).result(timeout=10))

    def _sum_up(self, findings: dict[str, Finding], counts: Counter[str]) -> None:
        report, book = self.report, self._book
        for finding in findings.values():
            ends = report.instances.setdefault(finding.row.workflow, {})
            ends[finding.row.status] = ends.get(finding.row.status, 0) + 1
        report.starts = dict(Counter(page.start for page in book.pages.values()))
        orders = Counter[str](told.answer for page in book.pages.values() for told in page.told)
        report.orders = dict(orders)
        report.results, report.waits = book.results, book.waits
        # Whoever was declared dead and went on all the same left no trace in any history (P3); nothing was set aside
        # (P7, see _open).
        report.checked = dict(counts) | {"P3": sum(report.deeds.get(name, 0) for name in ZOMBIES), "P7": len(findings)}

    # ---- what is left

    async def _leave(self, crew: Crew, client: AsyncClient) -> None:
        self._tell("everything is purged, everybody leaves")
        await client.purge_many()
        end = time.monotonic() + FORGETTING
        while (await client.stats()).due and time.monotonic() < end:  # noqa: ASYNC110 (Redis is waited for)
            await asyncio.sleep(0.1)
        await crew.leave()
        self._blame("P10", await crew.left_behind())
        self._blame("P10", await asyncio.to_thread(remains, self._ground.masters, HUB, self._partitions))
        self._blame("", await asyncio.to_thread(audit, self._ground.url, HUB))
        self.report.checked["P10"] = self._partitions

    def _blame(self, promise: str, what: Iterable[object]) -> None:
        self.report.violations += [f"{promise} {each}".strip() for each in what]


async def play(plan: Plan, folder: Path, tell: Callable[[str], None]) -> Report:
    """One run."""
    return await Play(plan, folder, tell).run()
