"""The same rows as each product exports them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.unit.triage.builders import ACCEPTED, CS01, Row, write_csv, write_lines


def _time(row: Row) -> str:
    return f"2026-11-18T{row['minute'] // 60:02}:{row['minute'] % 60:02}:00Z"


def sendgrid(folder: Path, made: Sequence[Row]) -> list[Path]:
    table = []
    for r in made:
        base = {
            "processed": _time(r), "message_id": r["id"], "event": "processed", "api_key_id": "k", "recv_message_id": "x", "subject": r["subject"],
            "from": "news@shop.example", "email": r["address"], "asm_group_id": "7", "template_id": "d-1", "reason": "", "outbound_ip": r["ip"],
            "mx": "mx01.mail.icloud.com", "url": f"https://{r['host']}/sale?u={r['id']}", "categories": "spring", "product": r["product"],
        }  # fmt: skip
        table.append(base)
        table.append(
            {**base, "event": "bounce" if r["refused"] else "delivered", "reason": CS01 if r["refused"] else ACCEPTED}
        )
        if not r["refused"]:
            table.append({**base, "event": "open"})
    return [write_csv(folder / "sendgrid.csv", table)]


def sfmc(folder: Path, made: Sequence[Row]) -> list[Path]:
    sent = [{"JobID": "9", "BatchID": "1", "SubscriberKey": r["id"], "EmailAddress": r["address"], "EventDate": _time(r), "EventType": "Sent",
             "LinkHost": r["host"], "Product": r["product"], "Subject": r["subject"]} for r in made]  # fmt: skip
    bounced = [{"JobID": "9", "SubscriberKey": r["id"], "EmailAddress": r["address"], "EventDate": _time(r), "BounceCategory": "Block bounce",
                "BounceSubcategory": "Spamblocked", "SMTPCode": "554", "SMTPBounceReason": CS01[4:]} for r in made if r["refused"]]  # fmt: skip
    return [write_csv(folder / "sent.csv", sent), write_csv(folder / "bounce.csv", bounced, encoding="utf-16")]


def braze(folder: Path, made: Sequence[Row]) -> list[Path]:
    table = [{"id": f"e{r['id']}", "dispatch_id": "d1", "time": 1794992495 + r["minute"] * 60, "email_address": r["address"],
              "event_type": "users.messages.email.Bounce" if r["refused"] else "users.messages.email.Delivery", "sending_ip": r["ip"],
              "bounce_reason": CS01 if r["refused"] else None, "message_variation_id": "v1", "canvas_id": "c", "link_host": r["host"],
              "product": r["product"]} for r in made]  # fmt: skip
    return [write_lines(folder / "braze.jsonl", table)]


def mailgun(folder: Path, made: Sequence[Row]) -> list[Path]:
    table = []
    for r in made:
        status = (
            {"code": 554, "message": CS01, "enhanced-code": "5.7.1"} if r["refused"] else {"code": 250, "message": "OK"}
        )
        table.append({"event": "failed" if r["refused"] else "delivered", "severity": "permanent" if r["refused"] else None, "timestamp": 1794992495.5,
                      "recipient": r["address"], "recipient-domain": r["address"].split("@")[1], "delivery-status": status, "log-level": "info",
                      "message": {"headers": {"message-id": r["id"], "subject": r["subject"]}}, "envelope": {"sending-ip": r["ip"]},
                      "user-variables": {"product": r["product"], "url": f"https://{r['host']}/x"}})  # fmt: skip
        if not r["refused"] and r["minute"] % 9 == 0:
            table.append(
                {
                    **table[-1],
                    "event": "failed",
                    "severity": "temporary",
                    "delivery-status": {"code": 421, "message": "421 4.7.0 try again"},
                }
            )
    return [write_lines(folder / "mailgun.jsonl", table)]


def klaviyo(folder: Path, made: Sequence[Row]) -> list[Path]:
    table = [{"Metric": "Bounced Email" if r["refused"] else "Received Email", "Email": r["address"], "Profile ID": r["id"], "Campaign Name": "Spring",
              "Timestamp": _time(r), "Bounce Type": "Hard" if r["refused"] else "", "Bounce Reason": CS01 if r["refused"] else "", "Subject": r["subject"],
              "Link Host": r["host"], "Product": r["product"]} for r in made]  # fmt: skip
    return [write_csv(folder / "klaviyo.csv", table, delimiter=";")]


def powermta(folder: Path, made: Sequence[Row]) -> list[Path]:
    table = [{"type": "b" if r["refused"] else "d", "timeLogged": _time(r), "orig": f"bounce+{r['id']}@mail.shop.example", "rcpt": r["address"],
              "dsnAction": "failed" if r["refused"] else "relayed", "dsnStatus": "5.7.1 (delivery not authorized)" if r["refused"] else "2.0.0 (success)",
              "dsnDiag": f"smtp;{CS01 if r['refused'] else ACCEPTED}", "dsnMta": "mx01.mail.icloud.com (203.0.113.8)", "bounceCat": "policy-related",
              "dlvSourceIp": r["ip"], "vmta": "v1", "envId": r["id"], "header_X-Host": r["host"], "header_X-Product": r["product"]} for r in made]  # fmt: skip
    return [write_csv(folder / "powermta.csv", table, end="\r\n")]


def kumomta(folder: Path, made: Sequence[Row]) -> list[Path]:
    table = []
    for r in made:
        base = {"id": r["id"], "sender": f"b+{r['id']}@mail.shop.example", "recipient": r["address"], "timestamp": 1794992495, "egress_pool": "p",
                "peer_address": {"name": "mx01.mail.icloud.com.", "addr": "203.0.113.8"}, "source_address": {"address": r["ip"]},
                "meta": {"host": r["host"], "product": r["product"]}, "num_attempts": 0, "bounce_classification": "Uncategorized"}  # fmt: skip
        table.append({**base, "type": "Reception", "response": {"code": 250, "content": ""}})
        content = (
            {"code": 554, "enhanced_code": {"class": 5, "subject": 7, "detail": 1}, "content": CS01[10:]}
            if r["refused"]
            else {"code": 250, "content": "ok"}
        )
        table.append({**base, "type": "Bounce" if r["refused"] else "Delivery", "response": content})
    return [write_lines(folder / "kumo.jsonl", table)]


def ses(folder: Path, made: Sequence[Row]) -> list[Path]:
    table: list[dict[str, Any]] = []
    for r in made:
        mail = {"messageId": r["id"], "timestamp": _time(r), "source": "b@mail.shop.example", "destination": [r["address"]],
                "commonHeaders": {"subject": r["subject"]}, "tags": {"ses:outgoing-ip": [r["ip"]], "host": [r["host"]], "product": [r["product"]]}}  # fmt: skip
        if r["refused"]:
            table.append({"eventType": "Bounce", "mail": mail, "bounce": {"bounceType": "Transient", "bounceSubType": "ContentRejected", "bouncedRecipients": [
                {"emailAddress": r["address"], "status": "5.7.1", "diagnosticCode": f"smtp; {CS01}"}]}})  # fmt: skip
        else:
            table.append(
                {
                    "eventType": "Delivery",
                    "mail": mail,
                    "delivery": {"smtpResponse": ACCEPTED, "recipients": [r["address"]]},
                }
            )
    return [write_lines(folder / "ses.jsonl", table)]


def sparkpost(folder: Path, made: Sequence[Row]) -> list[Path]:
    table = [{"msys": {"message_event": {
        "type": "bounce" if r["refused"] else "delivery", "message_id": r["id"], "transmission_id": "7", "event_id": f"e{r['id']}", "timestamp": "1794992495",
        "rcpt_to": r["address"], "raw_rcpt_to": r["address"], "friendly_from": "news@shop.example", "sending_ip": r["ip"], "subject": r["subject"],
        "raw_reason": CS01 if r["refused"] else ACCEPTED, "error_code": "554" if r["refused"] else None,
        "rcpt_meta": {"host": r["host"], "product": r["product"]}}}} for r in made]  # fmt: skip
    opened = [
        {"msys": {"track_event": {"type": "open", "message_id": r["id"], "rcpt_to": r["address"]}}} for r in made[::7]
    ]
    return [write_lines(folder / "sparkpost.jsonl", [*table, *opened])]


def azure(folder: Path, made: Sequence[Row]) -> list[Path]:
    table = [{"id": f"e{r['id']}", "topic": "/subscriptions/0", "subject": f"sender/x/message/{r['id']}", "eventType": "Microsoft.Communication.EmailDeliveryReportReceived",
              "data": {"sender": "news@shop.example", "recipient": r["address"], "messageId": r["id"], "internetMessageId": f"<{r['id']}@shop.example>",
                       "status": "Bounced" if r["refused"] else "Delivered", "deliveryAttemptTimeStamp": _time(r), "link_host": r["host"],
                       "deliveryStatusDetails": {"statusMessage": CS01 if r["refused"] else ACCEPTED}}} for r in made]  # fmt: skip
    return [write_lines(folder / "azure.jsonl", table)]


def wrapped(
    make: Callable[[Path, Sequence[Row]], list[Path]], wrap: Callable[[str], dict[str, Any]]
) -> Callable[[Path, Sequence[Row]], list[Path]]:
    """Put every line of an export into what a webhook sends."""

    def made(folder: Path, rows: Sequence[Row]) -> list[Path]:
        (path,) = make(folder, rows)
        lines = [wrap(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [write_lines(folder / f"wrapped-{path.name}", lines)]

    return made


EXPORTS: dict[str, Callable[[Path, Sequence[Row]], list[Path]]] = {
    "SendGrid": sendgrid, "Salesforce Marketing Cloud": sfmc, "Braze": braze, "Mailgun": mailgun,
    "Klaviyo": klaviyo, "PowerMTA": powermta, "KumoMTA": kumomta, "Amazon SES": ses,
    "SparkPost": sparkpost, "Azure Communication Services": azure,
    "Mailgun, webhooks": wrapped(mailgun, lambda line: {"signature": {"token": hashlib.md5(line.encode()).hexdigest()}, "event-data": json.loads(line)}),
    "Amazon SES, notifications": wrapped(ses, lambda line: {"Type": "Notification", "MessageId": hashlib.md5(line.encode()).hexdigest(), "Subject": "x", "Message": line}),
    "Amazon SES, EventBridge": wrapped(ses, lambda line: {"id": hashlib.md5(line.encode()).hexdigest(), "detail-type": "Email", "detail": json.loads(line)}),
}  # fmt: skip
