"""The kernel's TCP, or MPTCP, which Node has no call for: what side.ts does, with a line of JSON at the end.

    tcp.py server HOST mptcp|tcp CONGESTION          prints its port
    tcp.py client HOST mptcp|tcp CONGESTION PORT BYTES
"""
import json
import socket
import sys
import time

GAP_MILLIS = 20
IPPROTO_MPTCP = 262

role, host, protocol, congestion, *rest = sys.argv[1:]
number = IPPROTO_MPTCP if protocol == "mptcp" else socket.IPPROTO_TCP
endpoint = socket.socket(socket.AF_INET, socket.SOCK_STREAM, number)
endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())


def serve():
    endpoint.bind((host, 0))
    endpoint.listen()
    print(endpoint.getsockname()[1], flush=True)
    chunk = bytes(65536)
    while True:
        peer, _ = endpoint.accept()
        left = int(peer.recv(64))
        while left > 0:
            left -= peer.send(chunk[: min(left, len(chunk))])
        peer.close()


def fetch(port, size):
    started = time.monotonic()
    endpoint.connect((host, port))
    connect_millis = (time.monotonic() - started) * 1000
    endpoint.send(str(size).encode())
    gaps = []
    received = 0
    last = time.monotonic()
    while received < size:
        chunk = endpoint.recv(65536)
        if not chunk:
            sys.exit(f"{received} bytes of {size}")
        now = time.monotonic()
        millis = (now - last) * 1000
        if received > 0 and millis >= GAP_MILLIS:
            gaps.append({"untilMillis": time.time() * 1000, "millis": millis})
        last = now
        received += len(chunk)
    used = time.process_time() * 1000
    print(
        json.dumps(
            {
                "bytes": received,
                "millis": (time.monotonic() - started) * 1000,
                "connectMillis": connect_millis,
                "gaps": gaps,
                "cpuMillis": used,
            }
        )
    )


if role == "server":
    serve()
else:
    fetch(int(rest[0]), int(rest[1]))
