"""A lake whose models Trino builds, met in the middle of it. Not here: what happens to Trino then.

A build is met without luck: another session holds the catalog's table, so that what a model writes cannot be committed
before the fault is there.
"""

import time
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
from foss_platform.transform.manifest import prepare_manifest
from foss_platform.transform.results import NodeResult, NodeStatus
from foss_platform.transform.runner import build
from foss_platform.transform.trino.run import TrinoRun
from foss_platform_tests.pipeline.transform.test_law import NODES, SILVER, Pipeline, compare, expected, made_up_polls
from foss_platform_tests.services.lake.polling import BOUND_SECONDS
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake
from foss_platform_tests.tables import content

#: The seed, silver, and one model of gold on it.
FEW = [node for node in NODES if node.endswith(("sites", "readings", "feed_health"))]
TABLES = (SILVER, "gold.parking_feed_health")

_URI = "PYICEBERG_CATALOG__LAKE__URI"
_FIRST, _MORE, _POLLS = 20, 3, 80
_WAIT_SECONDS = 120.0
# by whether silver is built anew
_VERBS = {True: "create or replace table", False: "merge into"}


class Standing(Pipeline):
    """A lake that Trino has built once; `more` polls are what it does not hold yet."""

    def __init__(self, stand: TrinoOnLake) -> None:
        super().__init__(load_settings(), find_feed("stavanger_parking"))
        self.stand = stand
        prepare_manifest(self.settings)
        self._polls = made_up_polls(23, _POLLS)
        self.seen: list[RecordedPoll] = []
        self.more(_FIRST)
        self.heal()

    def more(self, count: int = _MORE) -> None:
        """Take the next polls in."""
        new = self._polls[len(self.seen) :][:count]
        assert new, "there are no more polls"
        self.seen += new
        self.take_in(new)

    def results(self, *, full_refresh: bool = False) -> list[NodeResult]:
        """What became of the nodes."""
        return list(build(self.settings, FEW, full_refresh=full_refresh))

    def at(self) -> dict[str, int | None]:
        """The snapshot at which each table is."""
        return {name: self.catalog.load_table(name).metadata.current_snapshot_id for name in TABLES}

    def read_to(self, name: str = SILVER) -> dict[str, str]:
        """The properties by which a table says how far it has read."""
        table = self.catalog.load_table(name)
        return {key: table.properties[key] for key in position_keys(table)}

    def heal(self, *, late: bool = False) -> None:
        """An ordinary run; then all is what an independent oracle says.

        Parameters
        ----------
        late
            A server that was frozen may commit beside this run what it was asked before; it is then told to run again.
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
        is_there: Callable[["Standing", str], bool],
        *,
        full_refresh: bool,
        seconds: float = BOUND_SECONDS,
    ) -> NodeResult:
        """Build, and where silver is at some point let the fault happen; silver's result, told in time and in words."""
        with ThreadPoolExecutor(1) as pool:
            built = pool.submit(self.results, full_refresh=full_refresh)
            until(lambda: built.done() or is_there(self, _VERBS[full_refresh]))
            assert not built.done(), built.result()
            began = time.monotonic()
            fault()
            results = built.result()
            took = time.monotonic() - began
        assert took < seconds, took
        assert results[-1].status is NodeStatus.SKIPPED
        return self.told(results)

    def told(self, results: list[NodeResult]) -> NodeResult:
        """Silver's failure: one line of words, without a secret."""
        (result,) = [result for result in results if result.unique_id.endswith("parking_readings")]
        assert result.status is NodeStatus.ERROR
        assert "Trino" in result.message
        assert len(result.message.splitlines()) == 1
        raw = ("TrinoUserError", "HTTPSConnectionPool", "Max retries", "Database Error", *self.stand.lake.secrets)
        assert not any(word in result.message for word in raw)
        return result

    @contextmanager
    def held(self) -> Iterator[None]:
        """The catalog can be read and not written to."""
        with closing(self._session()) as session:
            session.cursor().execute("lock table iceberg_tables in share row exclusive mode")
            yield
            # it may be gone by now
            with suppress(psycopg2.Error):
                session.rollback()

    def waiting(self) -> int:
        """How many statements of the catalog's wait for a lock."""
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
    """Act when the lake has been looked at, and before the first statement."""
    variables = TrinoRun.variables

    def acting(self: TrinoRun) -> dict[str, str]:
        act()
        return variables(self)

    with patch.object(TrinoRun, "variables", acting):
        yield


def is_running(standing: Standing, verb: str) -> bool:
    """Whether Trino is at the statement that makes silver's rows."""
    found = standing.stand.access.rows(
        "select count(*) from system.runtime.queries where source like 'dbt-trino%' "
        f"and state = 'RUNNING' and query like '%{verb}%parking_readings%'"
    )
    return found != [[0]]


def is_committing(standing: Standing, verb: str) -> bool:
    """Whether it has written all, and the catalog has been told."""
    return standing.waiting() > 0 and is_running(standing, verb)


def until(is_so: Callable[[], bool]) -> None:
    """Wait for it."""
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda so: not so),
        stop=tenacity.stop_after_delay(_WAIT_SECONDS),
        wait=tenacity.wait_fixed(0.1),
    )(is_so)
