"""A replicated log in a NATS JetStream stream. One stream holds the messages of one shard."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from nats.errors import MaxPayloadError

from oms.cluster.jetstream.jetstream_connection import FAILURES, ApiError, JetStreamConnection, text_of
from oms.cluster.log.replicated_log import (
    Message,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
    WrongPositionError,
)
from oms.cluster.log.subjects import stream_of

__all__ = ["JetStreamLog"]

_BATCH = 16 * 2**20  # bytes; the client drops messages if more than 128 MB wait to be processed


class JetStreamLog(JetStreamConnection):
    """The log of a shard. JetStreamConnection describes the other arguments, and the errors."""

    def __init__(
        self,
        servers: Sequence[str],
        shard: str,
        place: str,
        *,
        options: Mapping[str, Any] | None = None,
        request_seconds: float = 2.0,
        open_seconds: float = 30.0,
    ) -> None:
        self.name = shard
        self.stream = stream_of(shard)
        self.known_length = 0  # the length of the longest copy on a server before the log was opened
        super().__init__(
            servers,
            f"oms cluster {shard}",
            place,
            options=options,
            request_seconds=request_seconds,
            open_seconds=open_seconds,
        )

    def append(self, subject: str, payload: bytes, expected: int, message_id: str) -> int:
        """Store a message directly after position `expected`. See ReplicatedLog."""
        headers = {
            "Nats-Expected-Stream": self.stream,
            "Nats-Expected-Last-Sequence": str(expected),
            "Nats-Msg-Id": message_id,
        }
        try:
            answer = self.publish(subject, payload, headers)
        except MaxPayloadError as error:
            limit = "the servers accept at most {:,}; raise max_payload in their configuration"
            raise RejectedError(
                f"it has {len(payload):,} bytes, and " + limit.format(self.longest())
            ) from error
        except ApiError as error:
            if error.is_conflict:
                raise WrongPositionError(str(error)) from error
            raise UnknownOutcomeError(str(error)) from error
        except FAILURES as error:
            raise UnknownOutcomeError(text_of(error)) from error
        position = answer.get("seq")
        if answer.get("stream") != self.stream or type(position) is not int:
            raise UnknownOutcomeError(f"the acknowledgement is not valid: {answer}")
        return position

    def read(self, after: int, limit: int) -> Sequence[Message]:
        """Return messages after position `after`. Any machine may respond. See ReplicatedLog."""
        try:
            stored = self.batch(self.stream, {"seq": after + 1, "batch": limit, "max_bytes": _BATCH}, limit)
        except FAILURES as error:
            raise UnavailableError(text_of(error)) from error
        return _without_gaps([Message(each.position, each.payload) for each in stored], after)

    def message_at(self, position: int) -> Message | None:
        """Return the leader's version of the message at a position. See ReplicatedLog."""
        try:
            answer = self.request(f"$JS.API.STREAM.MSG.GET.{self.stream}", {"seq": position})
        except ApiError as error:
            if error.has_no_message or error.has_no_stream:
                return None
            raise UnavailableError(str(error)) from error
        try:
            message = answer["message"]
            return Message(int(message["seq"]), base64.b64decode(message.get("data", ""), validate=True))
        except (LookupError, TypeError, ValueError, binascii.Error) as error:
            raise UnavailableError(f"the response is not valid: {error}") from error

    def last(self) -> int:
        """Return the position of the last message. See ReplicatedLog."""
        try:
            return int(self.request(f"$JS.API.STREAM.INFO.{self.stream}")["state"]["last_seq"])
        except (ApiError, LookupError, TypeError) as error:
            raise UnavailableError(text_of(error)) from error


def _without_gaps(messages: list[Message], after: int) -> list[Message]:
    """Return the messages before the first gap. If the gap is at the start, return the message after it."""
    length = next((n for n, each in enumerate(messages) if each.position != after + 1 + n), len(messages))
    return messages[: max(length, 1)]
