"""A lake whose models Trino builds, interrupted at a known point of the build.

The point is reached reliably: another session locks the catalog's table, so a model cannot commit before the fault
occurs.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from unittest.mock import patch

import psycopg2
import tenacity
from sqlalchemy.engine import make_url

from foss_platform.cli.shared.pages import find_feed
from foss_platform.ingest.recording.recording import RecordedPoll
from foss_platform.lake.table.positions import position_keys
from foss_platform.settings import load_settings
from foss_platform.transform.project.parsed import prepare_project
from foss_platform.transform.results import NodeResult, NodeStatus
from foss_platform.transform.runner import build
from foss_platform.transform.trino.run import TrinoRun
from foss_platform_tests.pipeline.transform.test_incremental_equivalence import (
    NODES,
    SILVER,
    Pipeline,
    compare,
    expected,
    made_up_polls,
)
from foss_platform_tests.services.lake.polling import BOUND_SECONDS
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake
from foss_platform_tests.tables import content

#: The seed, silver, and one gold model that reads it.
FEW = [node for node in NODES if node.endswith(("sites", "readings", "feed_health"))]
TABLES = (SILVER, "gold.parking_feed_health")

_URI = "PYICEBERG_CATALOG__LAKE__URI"
_FIRST, _MORE, _POLLS = 20, 3, 80
_WAIT_SECONDS = 120.0
# by whether silver is rebuilt
_VERBS = {True: "create or replace table", False: "merge into"}


class TrinoPipeline(Pipeline):
    """A lake that Trino has built once. `more` adds polls that the build does not contain."""

    def __init__(self, stand: TrinoOnLake) -> None:
        super().__init__(load_settings(), find_feed("stavanger_parking"))
        self.stand = stand
        prepare_project(self.settings)
        self._polls = made_up_polls(23, _POLLS)
        self.seen: list[RecordedPoll] = []
        self.more(_FIRST)
        self.heal()

    def more(self, count: int = _MORE) -> None:
        """Commit the next polls."""
        new = self._polls[len(self.seen) :][:count]
        assert new, "there are no more polls"
        self.seen += new
        self.ingest(new)

    def results(self, *, full_refresh: bool = False) -> list[NodeResult]:
        """Build, and return the results of the nodes."""
        return list(build(self.settings, FEW, full_refresh=full_refresh))

    def at(self) -> dict[str, int | None]:
        """Return the current snapshot of each table."""
        return {name: self.catalog.load_table(name).metadata.current_snapshot_id for name in TABLES}

    def read_to(self, name: str = SILVER) -> dict[str, str]:
        """Return the properties in which a table records its source positions."""
        table = self.catalog.load_table(name)
        return {key: table.properties[key] for key in position_keys(table)}

    def heal(self, *, late: bool = False) -> None:
        """Run a normal build, and check that all tables equal the independent oracle.

        Parameters
        ----------
        late
            Whether a server that was frozen may commit an earlier request during this run, which then has to be
            repeated.
        """
        failed = [result for result in self.results() if result.status.is_failure]
        if late and failed:
            assert all("changed while this run was building" in result.message for result in failed), failed
            failed = [result for result in self.results() if result.status.is_failure]
        assert failed == []
        wanted = expected(self, self.seen)
        compare(content(self.settings, TABLES), {name: wanted[name] for name in TABLES})

    def failed_by(
        self,
        fault: Callable[[], None],
        is_there: Callable[["TrinoPipeline", str], bool],
        *,
        full_refresh: bool,
        seconds: float = BOUND_SECONDS,
        release: Callable[[], None] = lambda: None,
    ) -> NodeResult:
        """Build, and cause the fault at a point of silver. Return silver's result, checked for time and wording.

        `release` is called if the test fails, so that a build that waits for something can end.
        """
        with ThreadPoolExecutor(1) as pool:
            built = pool.submit(self.results, full_refresh=full_refresh)
            try:
                until(lambda: built.done() or is_there(self, _VERBS[full_refresh]))
                assert not built.done(), built.result()
                fault()
                results = built.result(timeout=seconds)
            except BaseException:
                release()
                raise
        assert results[-1].status is NodeStatus.SKIPPED
        return self.told(results)

    def told(self, results: list[NodeResult]) -> NodeResult:
        """Return silver's failure, after checking that it is one line without a secret."""
        (result,) = [result for result in results if result.unique_id.endswith("parking_readings")]
        assert result.status is NodeStatus.ERROR
        assert "Trino" in result.message
        assert len(result.message.splitlines()) == 1
        raw = ("TrinoUserError", "HTTPSConnectionPool", "Max retries", "Database Error", *self.stand.lake.secrets)
        assert not any(word in result.message for word in raw)
        return result

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the catalog against writes. Reads still work."""
        with closing(self._session()) as session:
            session.cursor().execute("lock table iceberg_tables in share row exclusive mode")
            yield
            # the server may be gone by now
            with suppress(psycopg2.Error):
                session.rollback()

    def waiting(self) -> int:
        """Return the number of catalog statements that wait for a lock."""
        with closing(self._session()) as session, session.cursor() as cursor:
            cursor.execute(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ilike 'update%'"
            )
            (count,) = cursor.fetchone() or (0,)
            return int(count)

    def _session(self) -> "psycopg2.extensions.connection":
        address = make_url(self.stand.lake.environment[_URI]).set(drivername="postgresql")
        return psycopg2.connect(address.render_as_string(hide_password=False))


@contextmanager
def when_the_run_has_begun(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` after the lake has been inspected, and before the first statement."""
    variables = TrinoRun.variables

    def acting(self: TrinoRun) -> dict[str, str]:
        act()
        return variables(self)

    with patch.object(TrinoRun, "variables", acting):
        yield


def is_running(trino_pipeline: TrinoPipeline, verb: str) -> bool:
    """Return whether Trino executes the statement that writes silver's rows."""
    found = trino_pipeline.stand.access.rows(
        "select count(*) from system.runtime.queries where source like 'dbt-trino%' "
        f"and state = 'RUNNING' and query like '%{verb}%parking_readings%'"
    )
    return found != [[0]]


def is_committing(trino_pipeline: TrinoPipeline, verb: str) -> bool:
    """Return whether Trino has written all files and sent the commit to the catalog."""
    return trino_pipeline.waiting() > 0 and is_running(trino_pipeline, verb)


def until(is_so: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda so: not so),
        stop=tenacity.stop_after_delay(_WAIT_SECONDS),
        wait=tenacity.wait_fixed(0.1),
    )(is_so)
