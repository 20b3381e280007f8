"""Webhooks posted by a real HTTP client: kept before they are answered, and refused when they prove nothing."""

import base64
import hashlib
import hmac
import http.client
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from harness.edge import webhook
from harness.edge.inlet import Piece
from harness.edge.ledger import Ledger
from harness.edge.signature import is_sns_url
from harness.edge.webhook import MAX_BODY, Hook, Listener, Notice
from harness.errors import ConfigError
from harness.model.relay import BounceSource
from harness.run.collect import Collector
from tests.integration.collecting.scene import a_run, now, sent
from tests.shared import SHARED, WITHOUT

TOPIC = "arn:aws:sns:eu-west-1:123456789012:retest-events"


@dataclass
class Desk:
    """A listener with what it took and told."""

    port: int
    taken: list[Piece] = field(default_factory=list)
    told: list[Notice] = field(default_factory=list)

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None, method: str = "POST"
    ) -> tuple[int, dict[str, object], dict[str, str]]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        client.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
        answer = client.getresponse()
        return answer.status, json.loads(answer.read() or b"{}"), {k.lower(): v for k, v in answer.getheaders()}


@pytest.fixture
def serve() -> Iterator[Callable[..., Desk]]:
    """Start listeners for sources; they stop with the test."""
    running: list[Listener] = []

    def start(*sources: BounceSource, take: Callable[[Piece], object] | None = None, confirm: bool = False) -> Desk:
        desk = Desk(0)
        by_provider = {str(source.provider): source for source in sources}
        listener = Listener("127.0.0.1", 0, Hook(by_provider, take or desk.taken.append, desk.told.append, confirm))
        listener.__enter__()
        running.append(listener)
        desk.port = listener.port
        return desk

    yield start
    for listener in running:
        listener.__exit__()


def hook(provider: str, secret: str = "", ca_file: str | None = None) -> BounceSource:
    return BounceSource("webhook", provider=provider, secret=secret, ca_file=ca_file)


EVENT = json.dumps([{"event": "bounce", "email": "a@seeds.example", "reason": "554 [CS01]"}]).encode()


def test_an_answer_is_in_the_ledger_before_the_provider_hears_ok(serve: Callable[..., Desk], ledger: Ledger) -> None:
    run = a_run(ledger)
    trial = sent(ledger, run)
    collector = Collector(ledger, now)
    desk = serve(hook("sendgrid"), take=collector.take)
    body = json.dumps([{"event": "bounce", "type": "blocked", "email": trial.recipient, "timestamp": 1794992495, "sg_event_id": "a",
                        "retest_id": trial.token, "reason": "554 5.7.1 [CS01] Message rejected"}])  # fmt: skip
    assert desk.post("/sendgrid", body.encode())[:2] == (200, {"events": 1})
    assert [answer.reading.tag for answer in ledger.facts(run.id).trials[0].answers] == ["CS01"]
    assert desk.post("/sendgrid", body.encode())[0] == 200
    assert len(ledger.facts(run.id).trials[0].answers) == 1


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_curl_can_post_a_large_body(serve: Callable[..., Desk], tmp_path: Path) -> None:
    events = [{"event": "delivered", "n": i, "pad": "x" * 1000} for i in range(2000)]
    (tmp_path / "body.json").write_text(json.dumps(events))
    desk = serve(hook("sendgrid", "user:pass"))
    url = f"http://user:pass@127.0.0.1:{desk.port}/sendgrid"
    command = ["curl", "-sS", "-H", "Content-Type: application/json", "--data-binary", f"@{tmp_path}/body.json", url]
    assert json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout) == {"events": 2000}
    assert len(desk.taken) == 2000


def test_what_could_not_be_kept_is_asked_for_again(serve: Callable[..., Desk]) -> None:
    def full(piece: Piece) -> None:
        raise OSError("no space left on device")

    desk = serve(hook("sendgrid"), take=full)
    assert desk.post("/sendgrid", EVENT)[0] == 503
    assert "no space left" in desk.told[0].text


def test_a_body_that_is_no_event_is_kept_for_people(serve: Callable[..., Desk], ledger: Ledger) -> None:
    collector = Collector(ledger, now)
    desk = serve(hook("postmark"), take=collector.take)
    assert desk.post("/postmark", b"{broken")[0] == 200
    run = a_run(ledger)
    assert len(ledger.facts(run.id).unmatched) == 1


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/other", EVENT, {}, 404),
        ("/sendgrid/../x", EVENT, {}, 404),
        ("/sendgrid", EVENT, {"Content-Type": "application/xml"}, 415),
        ("/sendgrid", EVENT, {"Content-Type": "multipart/form-data"}, 415),
        ("/sendgrid", b"x", {"Content-Length": str(MAX_BODY + 1)}, 413),
        ("/sendgrid", b"x", {"Content-Length": "9" * 5000}, 413),
        ("/sendgrid", b"x", {"Content-Length": "-1"}, 411),
    ],
)
def test_what_is_no_event_post_is_turned_away(
    serve: Callable[..., Desk], path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    desk = serve(hook("sendgrid"), hook("postmark"))
    assert desk.post(path, body, headers)[0] == status
    assert desk.taken == []


def test_other_methods_are_not_served(serve: Callable[..., Desk]) -> None:
    desk = serve(hook("sendgrid"))
    client = http.client.HTTPConnection("127.0.0.1", desk.port, timeout=10)
    client.request("GET", "/sendgrid")
    assert client.getresponse().status == 501


def test_a_client_that_stops_in_the_middle_is_let_go(
    serve: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook._Handler, "timeout", 0.3)
    desk = serve(hook("sendgrid"))
    with socket.create_connection(("127.0.0.1", desk.port)) as client:
        client.sendall(b"POST /sendgrid HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\nabc")
        assert b" 408 " in client.recv(1000)
    assert desk.taken == []


def test_many_posts_at_once_all_arrive(serve: Callable[..., Desk]) -> None:
    desk = serve(hook("sendgrid"))
    bodies = [json.dumps([{"event": "bounce", "n": i}]).encode() for i in range(60)]

    def post(body: bytes) -> None:
        while desk.post("/sendgrid", body)[0] == 503:  # busy: a provider comes again
            time.sleep(0.02)

    threads = [threading.Thread(target=post, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({piece.identity for piece in desk.taken}) == 60


# -- who posted it -----------------------------------------------------------


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize("provider", ["postmark", "sparkpost", "mailjet", "brevo", "acs", "kumomta", "powermta"])
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("", basic("user:s3cret")),
        ("", {"Authorization": "Bearer user:s3cret"}),
        ("", {"X-Webhook-Secret": "user:s3cret"}),
        ("?token=user%3As3cret", {}),
    ],
)
def test_a_shared_secret_opens_and_a_wrong_one_does_not(
    serve: Callable[..., Desk], provider: str, path: str, headers: dict[str, str]
) -> None:
    desk = serve(hook(provider, "user:s3cret"))
    assert desk.post(f"/{provider}{path}", EVENT, headers)[0] == 200
    wrong = serve(hook(provider, "user:other"))
    status, answer, _ = wrong.post(f"/{provider}{path}", EVENT, headers)
    assert status == 401
    assert wrong.post(f"/{provider}", EVENT)[0] == 401
    assert wrong.taken == []
    assert [notice.kind for notice in wrong.told] == ["refused", "refused"]
    assert "s3cret" not in json.dumps(answer) + str(wrong.told)
    assert "other" not in json.dumps(answer) + str(wrong.told)


def sendgrid_headers(key: ec.EllipticCurvePrivateKey, body: bytes, stamp: str = "1794992495") -> dict[str, str]:
    signature = key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
    }


def test_sendgrids_signature_is_checked_over_body_and_time(serve: Callable[..., Desk]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    desk = serve(hook("sendgrid", public))
    good = sendgrid_headers(key, EVENT)
    assert desk.post("/sendgrid", EVENT, good)[0] == 200
    bad = [
        (EVENT + b" ", good),
        (EVENT, good | {"X-Twilio-Email-Event-Webhook-Timestamp": "1794992496"}),
        (EVENT, good | {"X-Twilio-Email-Event-Webhook-Signature": "AAAA"}),
        (EVENT, good | {"X-Twilio-Email-Event-Webhook-Signature": "no base64!"}),
        (EVENT, sendgrid_headers(ec.generate_private_key(ec.SECP256R1()), EVENT)),
        (EVENT, {}),
        (EVENT, {"X-Webhook-Secret": public}),  # a public key is no secret
        (EVENT, basic(f"user:{public}")),
    ]
    assert [desk.post("/sendgrid", body, headers)[0] for body, headers in bad] == [401] * len(bad)
    assert len(desk.taken) == 1


def mailgun(secret: str, event: str = "failed", stamp: int | None = None, token: str = "t" * 50) -> bytes:
    at = str(int(time.time()) if stamp is None else stamp)
    signature = hmac.new(secret.encode(), (at + token).encode(), hashlib.sha256).hexdigest()
    signed = {"timestamp": at, "token": token, "signature": signature}
    return json.dumps({"signature": signed, "event-data": {"event": event, "recipient": "a@seeds.example"}}).encode()


def test_mailguns_signature_is_checked_and_its_token_used_for_one_event(serve: Callable[..., Desk]) -> None:
    desk = serve(hook("mailgun", "key-1"))
    assert desk.post("/mailgun", mailgun("key-1"))[0] == 200
    assert desk.post("/mailgun", mailgun("key-1"))[0] == 200  # Mailgun tries again
    bad = [
        mailgun("key-1", event="delivered"),  # the token of the first, on another event
        mailgun("key-2", token="u" * 50),
        mailgun("key-1", stamp=int(time.time()) - 2 * 86400, token="v" * 50),
        mailgun("key-1", token=""),
        b'{"event-data": {"event": "failed"}}',
        b'{"signature": "x", "event-data": {}}',
        b'{"signature": {"timestamp": "\xc2\xb2", "token": "\\ud800", "signature": ""}}',
        b"[]",
    ]
    assert [desk.post("/mailgun", body)[0] for body in bad] == [401] * len(bad)
    assert {piece.identity for piece in desk.taken} == {desk.taken[0].identity}


@pytest.fixture(scope="module")
def amazon(tmp_path_factory: pytest.TempPathFactory) -> tuple[rsa.RSAPrivateKey, str]:
    """A key and certificate such as SNS signs with."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(datetime.now(UTC)).not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("sns") / "sns.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    return key, str(path)


def sns(key: rsa.RSAPrivateKey, version: str = "2", sign: bool = True, **changes: str) -> bytes:
    message = {"Type": "Notification", "MessageId": "m1", "TopicArn": TOPIC, "Subject": "SES", "Message": '{"eventType": "Bounce"}',
               "Timestamp": "2026-11-20T12:00:00.000Z", "SignatureVersion": version,
               "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-x.pem", **changes}  # fmt: skip
    fields = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in fields if name in message
                   and not (name == "Subject" and message["Type"] != "Notification"))  # fmt: skip
    digest = hashes.SHA1() if version == "1" else hashes.SHA256()
    message["Signature"] = (
        base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), digest)).decode() if sign else "AA=="
    )
    return json.dumps(message).encode()


TEXT = {"Content-Type": "text/plain; charset=UTF-8"}  # SNS posts JSON under this name


@pytest.mark.parametrize("version", ["1", "2"])
def test_an_sns_message_of_our_topic_is_taken(
    serve: Callable[..., Desk], amazon: tuple[rsa.RSAPrivateKey, str], version: str
) -> None:
    key, certificate = amazon
    desk = serve(hook("ses", TOPIC, certificate))
    assert desk.post("/ses", sns(key, version), TEXT)[0] == 200
    assert len(desk.taken) == 1


def test_an_sns_message_that_is_not_ours_is_refused(
    serve: Callable[..., Desk], amazon: tuple[rsa.RSAPrivateKey, str]
) -> None:
    key, certificate = amazon
    desk = serve(hook("ses", TOPIC, certificate))
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    bad = [
        sns(other),
        sns(key, TopicArn="arn:aws:sns:eu-west-1:999999999999:someone-elses"),
        sns(key, sign=False),
        sns(key, version="3"),
        sns(key).replace(b"Bounce", b"Delive"),
        b'{"eventType": "Bounce", "mail": {}}',  # raw delivery bears no signature
        b'{"Type": ["Notification"]}',
    ]
    assert [desk.post("/ses", body, TEXT)[0] for body in bad] == [401] * len(bad)
    assert desk.post("/ses", sns(other), TEXT | {"X-Webhook-Secret": TOPIC})[0] == 401  # a topic's name is no secret
    assert desk.taken == []


def test_certificates_are_fetched_from_amazon_alone(
    serve: Callable[..., Desk], amazon: tuple[rsa.RSAPrivateKey, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = amazon
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return Path(certificate).read_bytes()

    monkeypatch.setattr(webhook, "_fetch", fetch)
    desk = serve(hook("ses", TOPIC))
    for url in ("https://sns.eu-west-1.amazonaws.com.evil.example/x.pem", "http://sns.eu-west-1.amazonaws.com/x.pem",
                "https://evil.example/sns.eu-west-1.amazonaws.com/x.pem", "file:///etc/passwd.pem",
                "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem"):  # fmt: skip
        assert desk.post("/ses", sns(key, SigningCertURL=url), TEXT)[0] == 401
    assert fetched == []
    assert desk.post("/ses", sns(key), TEXT)[0] == desk.post("/ses", sns(key), TEXT)[0] == 200
    assert len(fetched) == 1


def test_hosts_that_are_amazons_are_told_from_those_that_look_alike() -> None:
    assert is_sns_url("https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription")
    assert is_sns_url("https://sns.cn-north-1.amazonaws.com.cn/x")
    for url in ("https://sns.amazonaws.com.evil.example/", "https://xsns.us-east-1.amazonaws.com:444/", "https://[", "",
                "https://bucket.s3.amazonaws.com/x.pem", "https://sns.a.b.amazonaws.com/"):  # fmt: skip
        assert not is_sns_url(url), url


@pytest.mark.parametrize("confirm", [False, True])
def test_a_subscription_is_shown_and_confirmed_only_when_asked_to(
    serve: Callable[..., Desk], amazon: tuple[rsa.RSAPrivateKey, str], monkeypatch: pytest.MonkeyPatch, confirm: bool
) -> None:
    key, certificate = amazon
    opened: list[str] = []
    monkeypatch.setattr(webhook, "_fetch", lambda url: opened.append(url))
    desk = serve(hook("ses", TOPIC, certificate), confirm=confirm)
    url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336"
    body = sns(key, Type="SubscriptionConfirmation", SubscribeURL=url, Token="2336")
    assert desk.post("/ses", body, TEXT)[0] == 200
    assert opened == ([url] if confirm else [])
    assert desk.told[0].kind == ("confirmed" if confirm else "confirm")
    assert confirm or url in desk.told[0].text
    elsewhere = sns(key, Type="SubscriptionConfirmation", SubscribeURL="https://evil.example/", Token="2336")
    assert desk.post("/ses", elsewhere, TEXT)[0] == 403
    assert desk.taken == []


def test_event_grid_shakes_hands_and_then_posts(serve: Callable[..., Desk]) -> None:
    desk = serve(hook("acs", "s3cret"))
    hello = json.dumps([{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
                         "data": {"validationCode": "512d38b6"}}]).encode()  # fmt: skip
    assert desk.post("/acs", hello, {"aeg-event-type": "SubscriptionValidation"})[0] == 401
    status, answer, _ = desk.post("/acs?token=s3cret", hello, {"aeg-event-type": "SubscriptionValidation"})
    assert (status, answer) == (200, {"validationResponse": "512d38b6"})
    assert desk.taken == []
    assert desk.post("/acs?token=s3cret", EVENT)[0] == 200


def test_cloud_events_shake_hands_by_options(serve: Callable[..., Desk]) -> None:
    desk = serve(hook("acs", "s3cret"), hook("postmark", "s3cret"))
    origin = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    status, _, headers = desk.post("/acs?token=s3cret", b"", origin, method="OPTIONS")
    assert (status, headers.get("webhook-allowed-origin")) == (200, "eventgrid.azure.net")
    assert desk.post("/acs", b"", origin, method="OPTIONS")[0] == 401
    assert desk.post("/acs?token=s3cret", b"", {"WebHook-Request-Origin": "evil.example"}, method="OPTIONS")[0] == 405
    assert desk.post("/postmark?token=s3cret", b"", origin, method="OPTIONS")[0] == 405
    batch = {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"}
    assert desk.post("/acs?token=s3cret", EVENT, batch)[0] == 200


def test_without_a_secret_only_loopback_is_served() -> None:
    with pytest.raises(ConfigError, match="has no secret"):
        Listener("0.0.0.0", 0, Hook({"postmark": hook("postmark")}, print, print))


def test_a_port_that_is_taken_is_an_error_with_advice(serve: Callable[..., Desk]) -> None:
    desk = serve(hook("postmark"))
    with pytest.raises(ConfigError, match="choose another port"):
        Listener("127.0.0.1", desk.port, Hook({"postmark": hook("postmark")}, print, print))


@pytest.mark.skipif(SHARED is None, reason=WITHOUT)
def test_the_samples_of_all_providers_are_kept_when_posted(serve: Callable[..., Desk], ledger: Ledger) -> None:
    assert SHARED is not None
    collector = Collector(ledger, now)
    heard: list[object] = []
    files = [path for path in sorted((SHARED / "data" / "esp_events").iterdir()) if path.suffix != ".md"]
    desk = serve(*(hook(path.stem) for path in files), take=lambda piece: heard.extend(collector.take(piece)))
    for path in files:
        kind = {".csv": "text/csv", ".jsonl": "application/x-ndjson"}.get(path.suffix, "application/json")
        assert desk.post(f"/{path.stem}", path.read_bytes(), {"Content-Type": kind})[:2] == (200, {"events": 2})
    assert len(heard) == 2 * len(files) == 20
