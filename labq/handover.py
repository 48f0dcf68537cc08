"""How a web process hands a connection over to the stream process of its machine.

One message on a socket in the file system: the request's head as bytes, and the descriptor.
"""

from __future__ import annotations

import socket
from pathlib import Path

MOST_HEAD_BYTES = 64 * 1024
TAKEN = b"1"
ANSWER_SECONDS = 2.0


def hand_over(place: Path, client: socket.socket, head: bytes) -> bool:
    """Give a connection away, with the head of its request; False when nobody takes it.

    The caller closes its own descriptor without another word on the connection.
    """
    if len(head) > MOST_HEAD_BYTES:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.settimeout(ANSWER_SECONDS)
        try:
            link.connect(str(place))
            socket.send_fds(link, [head], [client.fileno()])
        except OSError:
            return False
        try:
            return link.recv(len(TAKEN)) == TAKEN
        except OSError:
            # It may still be taken: two must not answer.
            return True
