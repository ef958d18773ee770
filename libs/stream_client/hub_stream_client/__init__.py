"""A client of GET /api/v1/stream: keeps a document with the quotes it follows, and comes back by itself."""

from hub_stream_client.client import StreamClient, StreamEndedError
from hub_stream_client.document import Document

__all__ = ["Document", "StreamClient", "StreamEndedError"]
