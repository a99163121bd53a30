"""Plain HTTP requests to Trino are refused without the right password, and so are requests for other users' data."""

import socket
import threading
from collections.abc import Iterator

import pytest
import tenacity
import trino.exceptions

from foss_platform_tests.services.servers.listening import listening
from foss_platform_tests.services.servers.trino import ANALYST, ENGINEER, HOST
from foss_platform_tests.services.trino.trino_on_lake import TrinoOnLake
from foss_platform_tests.services.trino_security.attacks import ANSWER_SECONDS, ask


@pytest.mark.parametrize(
    ("user", "password", "reason"),
    [
        (ENGINEER, "", "Unauthorized"),
        (ENGINEER, "a-guess-of-mine", "Access Denied: Invalid credentials"),
        ("nobody", "a-guess-of-mine", "Access Denied: Invalid credentials"),
    ],
)
def test_a_wrong_or_missing_password_is_refused(attacked: TrinoOnLake, user: str, password: str, reason: str) -> None:
    for method, path in (("POST", "/v1/statement"), ("GET", "/v1/query"), ("GET", "/v1/jmx/mbean")):
        answer = ask(attacked, method, path, user=user, password=password, headers={"X-Trino-User": ENGINEER})
        assert (answer.status_code, reason in answer.text) == (401, True), path


def test_another_users_password_is_refused(attacked: TrinoOnLake) -> None:
    own = attacked.access.passwords[ANALYST]
    assert ask(attacked, "POST", "/v1/statement", user=ENGINEER, password=own).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Trino-Internal-Bearer": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwb3J0LTEifQ.c2lnbmVk"},
        {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJlbmdpbmVlciJ9."},
    ],
)
def test_a_forged_token_is_refused(attacked: TrinoOnLake, headers: dict[str, str]) -> None:
    for path in ("/v1/query", "/v1/task"):
        answer = ask(attacked, "GET", path, password="", headers={"X-Trino-User": ENGINEER, **headers})
        assert answer.status_code in (401, 403), path


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("password", [None, ""])
def test_a_forged_proxy_header_is_refused(attacked: TrinoOnLake, scheme: str, password: str | None) -> None:
    headers = {"X-Trino-User": ENGINEER, "X-Forwarded-Proto": scheme, "X-Forwarded-For": "127.0.0.1"}
    answer = ask(attacked, "GET", "/v1/query", password=password, headers=headers)
    assert answer.status_code == 406
    assert "X-Forwarded" in answer.text


def test_a_role_chosen_by_the_user_is_refused(attacked: TrinoOnLake) -> None:
    answer = ask(attacked, "POST", "/v1/statement", headers={"X-Trino-Role": "system=ROLE{engineers}"}, data="select 1")
    assert "Access Denied: Cannot set role engineers" in answer.text


def test_plain_http_gets_no_answer(attacked: TrinoOnLake) -> None:
    asked = f"GET /v1/query HTTP/1.1\r\nHost: {HOST}\r\nX-Trino-User: {ENGINEER}\r\n\r\n"
    with socket.create_connection((HOST, attacked.access.port), timeout=ANSWER_SECONDS) as connection:
        connection.sendall(asked.encode())
        # the connection ends, with or without a TLS alert
        assert b"HTTP" not in connection.recv(1000)


def test_it_listens_only_for_https_and_only_on_this_machine(attacked: TrinoOnLake) -> None:
    assert listening(attacked.server.pid) == {("127.0.0.1", attacked.access.port)}


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("GET", "/v1/task", "Internal only resource"),
        ("POST", "/v1/task/a.0.0.0", "Internal only resource"),
        ("GET", "/v1/memory", "Internal only resource"),
        ("PUT", "/v1/announcement/evil", "Internal only resource"),
        ("PUT", "/v1/info/state", "Management only resource"),
        ("GET", "/v1/service", "Management only resource"),
        ("GET", "/v1/node", "Management only resource"),
        ("GET", "/v1/thread", "Management only resource"),
        ("GET", "/v1/jmx/mbean", "Management only resource"),
        ("GET", "/v1/resourceGroupState/all", "Management only resource"),
        ("GET", "/metrics", "Management only resource"),
    ],
)
# engineers build tables, but do not operate the servers
@pytest.mark.parametrize("user", [ANALYST, ENGINEER])
def test_internal_endpoints_are_refused_for_users(
    attacked: TrinoOnLake, user: str, method: str, path: str, reason: str
) -> None:
    answer = ask(attacked, method, path, user=user, json="SHUTTING_DOWN" if method == "PUT" else None)
    assert (answer.status_code, reason in answer.text) == (403, True)


@pytest.fixture
def foreign_query(attacked: TrinoOnLake) -> Iterator[str]:
    """The id of a running query of the engineer, which must still run after the test."""
    endless = "select sum(a.n * b.n) from table(sequence(1, 1000000)) as a(n), table(sequence(1, 1000000)) as b(n)"
    connection = attacked.access.connection(ENGINEER)
    cursor = connection.cursor()
    ended: list[Exception] = []

    def run() -> None:
        try:
            cursor.execute(endless)
        except trino.exceptions.Error as error:
            ended.append(error)

    asking = threading.Thread(target=run)
    asking.start()
    running = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda found: not found),
        stop=tenacity.stop_after_delay(60),
        wait=tenacity.wait_fixed(0.1),
    )
    found = f"select query_id from system.runtime.queries where state = 'RUNNING' and query = '{endless}'"
    try:
        (name,) = running(lambda: attacked.access.rows(found))[0]
        yield str(name)
        assert attacked.access.rows(found) == [[name]]
    finally:
        for (left,) in attacked.access.rows(found):
            attacked.access.rows(f"call system.runtime.kill_query('{left}', 'the test is over')")
        asking.join(60)
        connection.close()
    assert "the test is over" in str(ended)


def test_another_users_query_cannot_be_seen_or_ended(attacked: TrinoOnLake, foreign_query: str) -> None:
    attacked.access.rows("select 1", ANALYST)
    seen = ask(attacked, "GET", "/v1/query").json()
    assert {query["session"]["user"] for query in seen} == {ANALYST}
    for method, path in (("GET", ""), ("DELETE", ""), ("PUT", "/killed"), ("PUT", "/preempted")):
        assert ask(attacked, method, f"/v1/query/{foreign_query}{path}", data="x").status_code == 403, path
    # the rows of a query require its own token
    for place in ("queued", "executing"):
        answer = ask(attacked, "GET", f"/v1/statement/{place}/{foreign_query}/guessed/1")
        assert answer.status_code == 404
