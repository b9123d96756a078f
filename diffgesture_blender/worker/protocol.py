# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON-RPC 2.0, one message per line, UTF-8: what the add-on writes and reads."""

import json
from dataclasses import dataclass
from typing import Any, Final

PROTOCOL_VERSION: Final = 1
MAX_LINE_BYTES: Final = 1 << 22

CANCELLED: Final = -32800
APPLICATION_ERROR: Final = -32000


class NotProtocol(ValueError):
    """The line is not a JSON-RPC 2.0 message."""


@dataclass(frozen=True)
class RemoteError:
    """The ``error`` member of a reply."""

    code: int
    message: str
    kind: str | None
    hint: str | None


@dataclass(frozen=True)
class Reply:
    """An answer to request ``id``: a result or an error."""

    id: int | None
    result: dict[str, Any]
    error: RemoteError | None


@dataclass(frozen=True)
class Notification:
    """A message that nobody asked for: ``progress`` or ``log``."""

    method: str
    params: dict[str, Any]


def encode_request(request_id: int, method: str, params: dict[str, Any]) -> bytes:
    """One line, ASCII-only JSON (so that no encoding on the way can spoil it)."""
    message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    return json.dumps(message, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def decode(line: bytes) -> Reply | Notification:
    """Parse one line from the worker; raises NotProtocol."""
    try:
        message = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # ValueError: encoding, syntax, a number too long
        raise NotProtocol(str(error)) from error
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise NotProtocol("not a JSON-RPC 2.0 message")
    if "method" in message:
        params = message.get("params", {})
        if not isinstance(message["method"], str) or not isinstance(params, dict):
            raise NotProtocol("a notification without method or params")
        return Notification(message["method"], params)
    request_id = message.get("id")
    if request_id is not None and not isinstance(request_id, int):
        raise NotProtocol("a reply to no request of ours")
    if "error" in message:
        return Reply(request_id, {}, _remote_error(message["error"]))
    result = message.get("result")
    if not isinstance(result, dict):
        raise NotProtocol("a reply without result")
    return Reply(request_id, result, None)


def _remote_error(error: Any) -> RemoteError:
    if not isinstance(error, dict) or not isinstance(error.get("code"), int):
        raise NotProtocol("an error without code")
    data = error.get("data")
    data = data if isinstance(data, dict) else {}
    return RemoteError(
        code=error["code"],
        message=str(error.get("message", "")),
        kind=data.get("type") if isinstance(data.get("type"), str) else None,
        hint=data.get("hint") if isinstance(data.get("hint"), str) else None,
    )
