"""Put on PYTHONPATH, this keeps a Python process from reaching any network: it refuses names and connections."""

import socket


def _refuse(*_args: object, **_kwargs: object) -> None:
    raise OSError("this process has no network")


socket.socket.connect = _refuse
socket.socket.connect_ex = _refuse
socket.create_connection = _refuse
socket.getaddrinfo = _refuse
