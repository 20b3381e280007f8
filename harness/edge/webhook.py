"""The HTTP endpoint that providers post events to: POST /<provider>, on loopback unless told otherwise.

It answers 2xx only after the ledger has the events, for then the provider forgets them; 401 to what does not prove
where it comes from; 503 when something failed here, so that the provider tries again.
"""

from __future__ import annotations

import io
import json
import re
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from harness.edge.feed import identify, split_events
from harness.edge.inlet import Piece
from harness.edge.signature import BadSignature, Checker, Posted, is_sns_url
from harness.errors import ConfigError, EventError
from harness.model.relay import BounceSource

MAX_BODY = 5 * 2**20
MAX_AT_ONCE = 16
TIMEOUT = 15.0  # of a client that stops in the middle
TYPES = (
    "application/json",
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "text/csv",
    "text/plain",
)
_CLOUD_EVENTS = re.compile(r"application/cloudevents(-batch)?\+json")
_EVENT_GRID = "eventgrid.azure.net"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the operator should see: a refused request, a subscription that waits for confirmation."""

    kind: str  # refused | confirm | confirmed
    text: str


@dataclass(frozen=True)
class Hook:
    """What is served: the sources by provider, and who takes what they post."""

    sources: Mapping[str, BounceSource]
    take: Callable[[Piece], object]  # has kept it when it returns
    notice: Callable[[Notice], None]
    confirm: bool = False  # confirm SNS subscriptions without asking


class Listener:
    """The running endpoint; a context manager."""

    def __init__(self, host: str, port: int, hook: Hook) -> None:
        """Bind the address.

        Raises:
            ConfigError: it is taken or not ours, or it can be reached from outside and a source has no secret.
        """
        open_ones = [name for name, source in hook.sources.items() if not source.secret]
        if open_ones and not is_loopback(host):
            raise ConfigError(
                f"--listen {host}: webhook {', '.join(open_ones)} has no secret, and this address can be reached from "
                "outside; add secret: ${NAME} to it in relay.yaml, or listen on 127.0.0.1"
            )
        try:
            self._server = _Server((host, port), hook)
        except OSError as error:
            raise ConfigError(
                f"--listen {host}:{port}: can't listen there ({error.strerror or error}); choose another port"
            ) from None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()  # waits for requests in hand: what was taken is answered
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], hook: Hook) -> None:
        self.hook = hook
        self.checkers = {
            name: Checker(name, source.secret, _certificates(source)) for name, source in hook.sources.items()
        }
        self.places = threading.BoundedSemaphore(MAX_AT_ONCE)
        if ":" in address[0]:
            import socket

            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class _Refusal(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "harness"
    sys_version = ""
    timeout = TIMEOUT

    def do_POST(self) -> None:
        """Take the events of one request."""
        if not self.server.places.acquire(blocking=False):
            self._answer(503, {"error": "busy; try again"})
            return
        try:
            provider = self._provider()
            posted = self._posted()
            self._check(provider, posted)
            self._answer(200, self._take(provider, posted))
        except _Refusal as refusal:
            self._answer(refusal.status, {"error": refusal.why})
        except TimeoutError:
            self._answer(408, {"error": "the body did not come"})
        except Exception as error:  # the ledger is locked, the disk is full: the provider must try again
            self._tell("refused", f"{self._name()}: not kept ({type(error).__name__}: {error}); it will come again")
            self._answer(503, {"error": "not kept; try again"})
        finally:
            self.server.places.release()

    def do_OPTIONS(self) -> None:
        """Answer the handshake of CloudEvents (Event Grid), and of nobody else."""
        try:
            provider = self._provider()
            self._check(provider, self._posted(empty=True))
            origin = self.headers.get("WebHook-Request-Origin", "")
            if provider != "acs" or origin != _EVENT_GRID:
                raise _Refusal(405, "only Event Grid shakes hands here")
            self._answer(200, {}, {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "120"})
        except _Refusal as refusal:
            self._answer(refusal.status, {"error": refusal.why})

    def _name(self) -> str:
        return urlsplit(self.path).path.strip("/")[:40] or "/"

    def _provider(self) -> str:
        name, sources = urlsplit(self.path).path.strip("/").lower(), self.server.hook.sources
        if name in sources:
            return name
        if not name and len(sources) == 1:
            return next(iter(sources))
        raise _Refusal(404, "no such webhook; post to /" + ", /".join(sorted(sources)))

    def _posted(self, empty: bool = False) -> Posted:
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(urlsplit(self.path).query, max_num_fields=20))
        if empty:
            return Posted(headers, query, b"")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in TYPES and not _CLOUD_EVENTS.fullmatch(kind):
            raise _Refusal(415, "events are JSON, one JSON a line, or CSV")
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            raise _Refusal(411, "Content-Length is missing")
        if len(length) > 12 or int(length) > MAX_BODY:
            raise _Refusal(413, f"more than {MAX_BODY} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise _Refusal(400, "the body is shorter than was announced")
        return Posted(headers, query, body)

    def _check(self, provider: str, posted: Posted) -> None:
        try:
            self.server.checkers[provider].check(posted)
        except BadSignature as bad:
            self._tell("refused", f"{provider}: a request from {self.client_address[0]} was refused: {bad}")
            raise _Refusal(401, str(bad)) from None

    def _take(self, provider: str, posted: Posted) -> dict[str, object]:
        handshake = self._handshake(provider, posted)
        if handshake is not None:
            return handshake
        count = 0
        for piece in _pieces(provider, posted.body):
            self.server.hook.take(piece)
            count += 1
        return {"events": count}

    def _handshake(self, provider: str, posted: Posted) -> dict[str, object] | None:
        """Answer the requests that carry no events: the handshakes of Event Grid and SNS."""
        if provider not in ("acs", "ses"):
            return None
        try:
            value = json.loads(posted.body)
        except (ValueError, RecursionError):
            return None
        first = value[0] if isinstance(value, list) and value else value
        if not isinstance(first, dict):
            return None
        if provider == "acs" and first.get("eventType") == "Microsoft.EventGrid.SubscriptionValidationEvent":
            data = first.get("data")
            self._tell("confirmed", "acs: Event Grid validated this endpoint")
            return {"validationResponse": str(data.get("validationCode", "")) if isinstance(data, dict) else ""}
        if provider == "ses" and first.get("Type") in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
            return self._subscription(first)
        return None

    def _subscription(self, message: dict[str, Any]) -> dict[str, object]:
        url = str(message.get("SubscribeURL", ""))
        if not is_sns_url(url):
            raise _Refusal(403, "the URL to confirm with does not lead to Amazon")
        secret = self.server.hook.sources["ses"].secret
        if message["Type"] == "SubscriptionConfirmation" and self.server.hook.confirm and secret.startswith("arn:"):
            _fetch(url)
            self._tell("confirmed", f"ses: the subscription to {message.get('TopicArn')} is confirmed")
        else:
            self._tell("confirm", f"ses: {message['Type']} of {message.get('TopicArn')}; open this to confirm: {url}")
        return {"events": 0}

    def _tell(self, kind: str, text: str) -> None:
        self.server.hook.notice(Notice(kind, "".join(c if c.isprintable() else " " for c in text)[:1000]))

    def _answer(self, status: int, value: Mapping[str, object], headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.close_connection = True
        self.send_response(status)
        for name, text in {**(headers or {}), "Content-Type": "application/json", "Connection": "close"}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing is logged: a query may hold a secret."""


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine only."""
    return host in ("localhost", "::1") or host.startswith("127.")


def _pieces(provider: str, body: bytes) -> Iterator[Piece]:
    """Cut a body into events; what can not be cut is kept whole, for it would not be sent again."""
    events: list[bytes] = []
    try:
        events.extend(split_events(io.BytesIO(body)))
    except EventError:
        events.append(body)
    for number, event in enumerate(events, start=1):
        yield Piece(identify(event), event, f"webhook {provider} event {number}", provider)


def _certificates(source: BounceSource) -> Callable[[str], bytes]:
    """Return how SNS certificates are had: from the configured file, or once from Amazon."""
    if source.ca_file:
        pinned = Path(source.ca_file)
        return lambda url: pinned.read_bytes()
    known: dict[str, bytes] = {}

    def fetch(url: str) -> bytes:
        if not is_sns_url(url) or not urlsplit(url).path.endswith(".pem"):
            raise BadSignature("its certificate does not come from Amazon")
        if url not in known:
            if len(known) > 50:
                known.clear()
            known[url] = _fetch(url)
        return known[url]

    return fetch


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _fetch(url: str) -> bytes:
    """Fetch a small document from Amazon over verified TLS, following no redirect."""
    with urllib.request.build_opener(_NoRedirect).open(url, timeout=10) as answer:
        content: bytes = answer.read(65_536)
    return content
