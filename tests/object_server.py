"""A web server and object store of a few files, for the tests: GET and HEAD with ranges, lists, refusals."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

KEY = "AKIDTEST"


@contextmanager
def object_server(files: Mapping[str, bytes], *, slow: str = "slow") -> Iterator[str]:
    """host:port of a server of `files`, by bucket/key. /private needs `KEY`'s signature; what holds `slow` never
    answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(is_head=True)

        def do_GET(self) -> None:
            self._answer(is_head=False)

        def _answer(self, *, is_head: bool) -> None:
            parts = urlsplit(self.path)
            name, asked = unquote(parts.path).lstrip("/"), parse_qs(parts.query)
            if slow in name:
                time.sleep(3)
            if name.startswith("private/") and KEY not in self.headers.get("Authorization", ""):
                self._say(403, b"<Error><Code>AccessDenied</Code></Error>", is_head=is_head)
            elif "list-type" in asked:
                bucket, prefix = name.split("/")[0], asked.get("prefix", [""])[0]
                self._say(200, _list(files, bucket, prefix), is_head=is_head)
            elif name not in files:
                self._say(404, b"", is_head=is_head)
            else:
                self._send(files[name], is_head=is_head)

        def _send(self, content: bytes, *, is_head: bool) -> None:
            said = self.headers.get("Range", "")
            if not said.startswith("bytes="):
                self._say(200, content, is_head=is_head)
                return
            first, last = said.removeprefix("bytes=").split("-")
            end = min(int(last or len(content)), len(content) - 1)
            piece = content[int(first) : end + 1]
            self._say(206, piece, is_head=is_head, span=f"bytes {first}-{end}/{len(content)}")

        def _say(self, status: int, content: bytes, *, is_head: bool, span: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", '"1"')
            self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            if span:
                self.send_header("Content-Range", span)
            self.end_headers()
            if not is_head:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Tests say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _list(files: Mapping[str, bytes], bucket: str, prefix: str) -> bytes:
    found = [
        (name.partition("/")[2], len(content)) for name, content in sorted(files.items()) if name.startswith(bucket)
    ]
    entries = "".join(
        f"<Contents><Key>{quote(key)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;1&quot;</ETag><Size>{size}</Size></Contents>"
        for key, size in found
        if key.startswith(prefix)
    )
    return (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket}</Name><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
    ).encode()
