"""A proxy in front of Postgres that loses one COMMIT: on its way to the server, or its answer."""

import socket
import threading
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Self

#: The message that psycopg2 sends, by Postgres's protocol: its kind, its length, and the text.
_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"


class Loss(StrEnum):
    """What gets lost."""

    REQUEST = "request"
    ANSWER = "answer"


class CommitProxy:
    """Forwards every connection to a port. Use it as a context manager.

    Attributes
    ----------
    lost
        What has been lost so far.
    """

    def __init__(self, port: int) -> None:
        self.lost: list[Loss] = []
        self._server = port
        self._next: Loss | None = None
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.port: int = self._listening.getsockname()[1]

    def lose(self, loss: Loss) -> None:
        """Lose the next COMMIT, and close its connection."""
        self._next = loss

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # shutdown ends a blocked accept, which close alone does not
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self._sockets:
            _end(one)
        for thread in self._threads:
            thread.join(10)

    def _start(self, run: object, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                self._sockets += [client, server]
                answered = threading.Event()
                losing = threading.Event()
                self._start(self._to_server, client, server, losing, answered)
                self._start(self._to_client, server, client, losing, answered)

    def _to_server(
        self, client: socket.socket, server: socket.socket, losing: threading.Event, answered: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                if _COMMIT in data and self._next is not None:
                    loss, self._next = self._next, None
                    self.lost.append(loss)
                    if loss is Loss.ANSWER:
                        losing.set()
                        server.sendall(data)
                        answered.wait(30)
                    break
                server.sendall(data)
        _end(client)
        _end(server)

    def _to_client(
        self, server: socket.socket, client: socket.socket, losing: threading.Event, answered: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                if losing.is_set():
                    answered.set()
                    return
                client.sendall(data)
        _end(client)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
