"""The body of a request: declared as JSON, within its limit, whole.

Nothing beyond the limits is ever held: a declared length is checked before a byte is read, an undeclared one while
reading. A body that came in one piece is passed on as it is.
"""

from __future__ import annotations

from starlette.types import Message

from hanzo_queues.server.call import Call, ClientGone
from hanzo_queues.server.connection import arrived
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.problems import Refused

JSON = b"application/json"


async def read_json_body(edge: Edge, call: Call) -> bytes:
    """The body's bytes, not parsed; the edge's budget holds them until the call ends. Raises Refused
    (`unsupported_media_type`, `request_too_large`), Overloaded and ClientGone."""
    headers = call.headers
    bytes_max = edge.request_bytes_max
    if headers.get(b"content-type") != JSON or b"content-encoding" in headers:
        _check_media_type(headers)
    length = headers.get(b"content-length")
    if length is not None:
        size = int(length)
        if size > bytes_max:
            raise _too_large(bytes_max)
        edge.bodies.take(size)
        call.body_bytes = size
    message = await call.receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if length is None or message.get("more_body"):
        body = await _rest_of_body(edge, call, message, bytes_max)
    call.body_is_read = True
    return body


async def read_optional_body(edge: Edge, call: Call) -> bytes:
    """As `read_json_body`; a request without a body counts as one with an empty object."""
    headers = call.headers
    if b"transfer-encoding" not in headers and headers.get(b"content-length", b"0") == b"0":
        return b"{}"
    return await read_json_body(edge, call)


def is_unread(call: Call) -> bool:
    """Whether some of the body has yet to come: the connection can't carry another request. Never waits, and throws
    away what is there."""
    headers = call.headers
    if call.body_is_read or (headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers):
        return False
    if b"expect" in headers:
        return True  # to look would be to ask for it
    while (message := arrived(call.receive)) is not None:
        if not message.get("more_body"):
            return False
    return True


async def _rest_of_body(edge: Edge, call: Call, message: Message, bytes_max: int) -> bytes:
    """The whole body; `message` brought its first piece. A declared length is held already."""
    declared = call.body_bytes > 0
    pieces = []
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        pieces.append(message.get("body", b""))
        if not declared:
            edge.bodies.take(len(pieces[-1]))
            call.body_bytes += len(pieces[-1])
            if call.body_bytes > bytes_max:
                raise _too_large(bytes_max)
        if not message.get("more_body"):
            return b"".join(pieces)
        message = await call.receive()


def _too_large(bytes_max: int) -> Refused:
    return Refused("request_too_large", f"The body is larger than {bytes_max} bytes (request_bytes_max).")


def _check_media_type(headers: dict[bytes, bytes]) -> None:
    declared = headers.get(b"content-type", b"").decode("latin-1")
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
    if encoding.strip().lower() != "identity":
        raise Refused("unsupported_media_type", f"The body is encoded as {encoding!r}; send it uncompressed.")
    media_type, *parameters = (part.strip().lower() for part in declared.split(";"))
    if not media_type:
        raise Refused("unsupported_media_type", "The Content-Type header is missing.")
    if media_type != "application/json":
        raise Refused("unsupported_media_type", f"The Content-Type is {declared!r}, not application/json.")
    for parameter in filter(None, parameters):
        name, _, value = parameter.partition("=")
        if name.strip() != "charset" or value.strip().strip('"') not in ("utf-8", "utf8"):
            raise Refused("unsupported_media_type", f"The Content-Type is {declared!r}; JSON is sent in UTF-8.")
