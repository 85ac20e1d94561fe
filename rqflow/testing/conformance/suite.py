"""Suite: all tests of what a backend promises, and how to run them against one.

In a test module of yours:

    import pytest
    from rqflow.testing.conformance.suite import SUITE

    globals().update({test.__name__: test for test in SUITE})

    @pytest.fixture
    async def backend(): ...          # a Backend on an empty hub of its own, with the default limits

    @pytest.fixture
    async def tight_backend(): ...    # the same, with rqflow.testing.conformance.limits.TIGHT as its limits

    @pytest.fixture
    def clock(backend): ...           # StoreClock(backend), or SuiteVirtualClock for a store on a virtual clock

Tests are asynchronous (pytest-asyncio in auto mode). They ask nothing of a backend but what `Backend` has, give each
instance and run of a hub an own id, and let tenths of seconds pass at most. Run it for hubs with one and with several
partitions: with one, what instances send to each other takes another way than with several.
`pytest.register_assert_rewrite("rqflow.testing.conformance")` before the import makes failures tell more.
"""

from __future__ import annotations

from typing import Any, Final

from rqflow.testing.conformance.activities import TestActivity, TestActivityTimeLimits, TestCanceledActivity
from rqflow.testing.conformance.children import TestChild, TestParentClose
from rqflow.testing.conformance.continuing import TestContinueAsNew
from rqflow.testing.conformance.crossing import TestOutbox, TestSending
from rqflow.testing.conformance.firing import TestEndOfRun, TestEndsAgain, TestFiring
from rqflow.testing.conformance.ids import TestStrangeIds
from rqflow.testing.conformance.keeping import TestPurge, TestRetention
from rqflow.testing.conformance.kept import TestKeptTurn
from rqflow.testing.conformance.limits import TestLimits
from rqflow.testing.conformance.listing import TestListing, TestPaging
from rqflow.testing.conformance.news import TestNews
from rqflow.testing.conformance.poison import TestPoison
from rqflow.testing.conformance.queries import TestQuery, TestUpdate
from rqflow.testing.conformance.reruns import TestRerun
from rqflow.testing.conformance.schedules import TestDueSchedules, TestSchedule, TestScheduleLimits
from rqflow.testing.conformance.spans import TestAbsurdSpans
from rqflow.testing.conformance.starts import TestDelayedStart, TestIdPolicies, TestStart
from rqflow.testing.conformance.stats import TestLifecycle, TestStats
from rqflow.testing.conformance.steering import TestStall, TestSuspend, TestTerminate
from rqflow.testing.conformance.taking import TestLoading, TestTake
from rqflow.testing.conformance.timers import TestDeadline, TestTimer
from rqflow.testing.conformance.turns import TestCommit, TestFence
from rqflow.testing.conformance.unknown import TestUnknownFates, TestUnknownNames
from rqflow.testing.conformance.waiting import TestBrought, TestWaiting
from rqflow.testing.conformance.watching import TestWatch
from rqflow.testing.conformance.workers import TestLease, TestLeaving, TestSweep, TestTakeover

SUITE: Final[tuple[type[Any], ...]] = (
    TestStart,
    TestIdPolicies,
    TestDelayedStart,
    TestNews,
    TestCommit,
    TestKeptTurn,
    TestFence,
    TestActivity,
    TestCanceledActivity,
    TestActivityTimeLimits,
    TestTimer,
    TestDeadline,
    TestChild,
    TestParentClose,
    TestSending,
    TestOutbox,
    TestSuspend,
    TestTerminate,
    TestStall,
    TestContinueAsNew,
    TestLease,
    TestTakeover,
    TestPoison,
    TestRerun,
    TestSweep,
    TestLeaving,
    TestTake,
    TestLoading,
    TestUnknownNames,
    TestUnknownFates,
    TestWaiting,
    TestBrought,
    TestStrangeIds,
    TestAbsurdSpans,
    TestQuery,
    TestUpdate,
    TestListing,
    TestPaging,
    TestStats,
    TestLifecycle,
    TestRetention,
    TestPurge,
    TestLimits,
    TestWatch,
    TestSchedule,
    TestDueSchedules,
    TestFiring,
    TestEndOfRun,
    TestEndsAgain,
    TestScheduleLimits,
)
"""Every class of the suite."""
