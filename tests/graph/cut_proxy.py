"""A server that vanishes in the middle of an answer."""

from __future__ import annotations

import contextlib
import socket
import threading


class Proxy:
    """A TCP proxy before the server that cuts every connection once so many bytes came back."""

    def __init__(self, port: int) -> None:
        self.target, self.allowed = port, 1 << 60
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open: list[socket.socket] = [self.listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for end in self.open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                self.open += [client, server]
                for source, sink, counted in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pump, args=(source, sink, counted), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4_096):
                if counted:
                    self.allowed -= len(data)
                    if self.allowed < 0:
                        break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
