"""What sort of mail came into the bounce mailbox: a report, a machine's answer, a complaint, or a letter.

Reports are recognised by what only mail systems send (their parts, their sender together with their words);
a person who quotes or forwards a report writes no report.
"""

from __future__ import annotations

import re

from harness.bounce.mailparts import RETURNED, Mail, Part
from harness.model.answer import Kind

STATUS_PARTS = ("message/delivery-status", "message/global-delivery-status")

_REPORT_TYPE = re.compile(r"report-type\s*=\s*\"?([\w-]+)")
_ANSWERS = re.compile(r"\s*(?:re|aw|fwd?|wg|tr)\s*:", re.IGNORECASE)
_DAEMON = re.compile(
    r"mailer-daemon|mailer_daemon|mailerdaemon|postmaster|post_master|mail delivery|mail deliver|mail system"
    r"|mail administrator|delivery subsystem|mail-daemon|maildaemon|mdaemon|interscan|content-filter"
    r"|courier mail server|internet mail|system administrator|microsoft outlook|mailsystem|non-?delivery"
    r"|undelivered mail|double-bounce|mmsc ndr|delivery notification|mail gateway|mail router|mail transport"
    r"|delivery-status|^<?>?$",
    re.IGNORECASE,
)
# Senders that programs have, and people who write newsletters, too.
_PROGRAM = re.compile(r"bounce|no-?reply@|root@|admin@|mta@|mail service|delivery report", re.IGNORECASE)
_SUBJECT = re.compile(
    r"undeliver|returned mail|return(?:ed|ing) (?:e-?mail|message|to sender)|failure notice|delivery|deliverable"
    r"|failed|failure"
    r"|could not|couldn't|error|rejected|refused|bounce|mail system|not delivered|warning|delayed|blocked|frozen"
    r"|unknown user|user unknown"
    r"|エラー|配信|送信|届|unzustellbar|zustell|доставл|сообщение|remis|distribu|entrega|devuelto|recapit|退信|投递"
    r"|nie dostarcz|leverans",
    re.IGNORECASE,
)
_AWAY_SUBJECT = re.compile(
    r"^auto:|auto(?:matic|mated|-|matically)?[ -]?(?:reply|respon|generated|antwort|svar)|autoreply"
    r"|out of (?:the )?office"
    r"|out-of-office|vacation|ooo:|away from"
    r"|abwesen|automatische antwort|réponse automatique|absence|respuesta automática|risposta automatica"
    r"|fuera de la oficina"
    r"|自動(?:応答|返信)|不在|автоответ|automatisch antwoord|afwezig|autosvar|automatiskt svar|自动回复"
    r"|自動回覆|resposta automática",
    re.IGNORECASE,
)
_CHALLENGE = (
    *("challenge", "confirm that you", "confirm your", "confirm you are", "confirm this", "please confirm"),
    *("verify that you", "verify your", "verify yourself", "verification required", "verification request"),
    *("requires confirmation", "require confirmation", "requires your confirmation", "sender verification"),
    *("click here", "click the link", "click below", "approve your", "is using boxbe", "spamarrest", "tmda"),
)
_REPORT_FILE = re.compile(r"![\w.-]{1,255}!\d{6,12}!\d{6,12}", re.IGNORECASE)


def from_daemon(mail: Mail) -> bool:
    """Tell whether a mail system is the author."""
    sender = mail.get("from")
    return bool(_DAEMON.search(sender) or "x-failed-recipients" in mail.headers or "x-mlserver" in mail.headers)


def empty_path(mail: Mail) -> bool:
    """Tell whether the envelope sender was empty (RFC 5321 section 4.5.5)."""
    path = mail.headers.get("return-path")
    return path is not None and path.strip().strip("<>").strip().upper() in ("", "MAILER-DAEMON")


def report_type(mail: Mail) -> str:
    """Return the report type of a multipart/report, "" for other mails (RFC 6522)."""
    content_type = mail.headers.get("content-type", "").lower()
    found = _REPORT_TYPE.search(content_type) if "report-type" in content_type else None
    return found[1] if found else ""


def kind_of_mail(mail: Mail) -> Kind | None:
    """Name a mail that is certainly no bounce; None if it may be one."""
    kinds = {part.kind for part in mail.parts}
    type_ = report_type(mail)
    if "message/feedback-report" in kinds or type_ == "feedback-report" or _is_complaint(mail):
        return Kind.COMPLAINT
    if ("message/disposition-notification" in kinds or type_ == "disposition-notification") and not _refuses(mail):
        return Kind.MDN
    if _is_aggregate(mail):
        return Kind.OTHER
    return None


def kind_of_letter(mail: Mail) -> Kind:
    """Name a mail that is no bounce: an automatic answer, or something else."""
    return Kind.AUTO_REPLY if _is_automatic(mail) else Kind.OTHER


def may_be_report(mail: Mail) -> bool:
    """Tell whether a mail without status fields comes from where reports come from.

    Two of: a mail system as author, an empty path, a subject as reports have it; and no sign of a list,
    of a letter that answers ours, or of a robot that wants to be convinced that we are human.
    """
    if "list-unsubscribe" in mail.headers or ("list-id" in mail.headers and "x-mlserver" not in mail.headers):
        return False
    if "x-failed-recipients" in mail.headers or "x-ms-embedded-report" in mail.headers:
        return True
    if report_type(mail) == "delivery-status":
        return True
    subject = mail.get("subject")
    if _AWAY_SUBJECT.search(subject) or mail.headers.get("x-apple-action", "").upper() == "VACATION":
        return False
    daemon, empty = from_daemon(mail), empty_path(mail)
    if daemon:
        return True
    if _ANSWERS.match(subject) or "x-auto-response-suppress" in mail.headers or not _SUBJECT.search(subject):
        return False
    if empty:
        return True
    returned = any(part.kind in RETURNED for part in mail.parts)
    return bool(_PROGRAM.search(mail.get("from"))) and (returned or "auto-submitted" in mail.headers)


def is_notification(mail: Mail) -> bool:
    """Tell whether a mail carries a provider's event, as SNS sends them to an address."""
    return bool(_PROGRAM.search(mail.get("from"))) and "list-unsubscribe" not in mail.headers


def is_challenge(text: str) -> bool:
    """Tell whether a text asks the sender to confirm that he exists."""
    low = " ".join(text[:4000].lower().split())
    return any(phrase in low for phrase in _CHALLENGE)


def is_forwarded(mail: Mail, status: Part) -> bool:
    """Tell whether a status part stands in a person's letter rather than in a report of its own."""
    content_type = mail.headers.get("content-type", "").lower()
    if content_type.startswith("multipart/report") or status is mail.parts[0]:
        return False
    return not (from_daemon(mail) or empty_path(mail) or _SUBJECT.match(mail.get("subject")))


def _refuses(mail: Mail) -> bool:
    """Tell a refusal in an MDN's clothes, as Dovecot's delivery agent writes it, from a reader's notice."""
    return from_daemon(mail) and any(b"automatically rejected" in part.body[:2000] for part in mail.parts)


def _is_complaint(mail: Mail) -> bool:
    if "feedback-type" in mail.headers or "x-hmxmroriginalrecipient" in mail.headers:
        return True
    if mail.get("subject").lower().startswith("complaint about message from"):
        return True  # Microsoft's junk mail reports
    return any(part.body[:14].lower() == b"feedback-type:" for part in mail.parts)


def _is_aggregate(mail: Mail) -> bool:
    if "report domain:" in mail.get("subject").lower():
        return True
    return any(
        part.kind.startswith("application/")
        and ("zip" in part.kind or "xml" in part.kind)
        and _REPORT_FILE.search(part.content_type)
        for part in mail.parts
    )


def _is_automatic(mail: Mail) -> bool:
    headers = mail.headers
    submitted = headers.get("auto-submitted", "no").lower()  # RFC 3834 section 5
    if submitted.startswith(("auto-replied", "auto-generated", "auto-notified")):
        return True
    if headers.get("precedence", "").lower() in ("auto_reply", "auto-reply"):
        return True
    if headers.get("x-apple-action", "").upper() == "VACATION":
        return True
    if any(
        name in headers
        for name in ("x-autoreply", "x-autorespond", "x-autoresponder", "x-ms-exchange-inbox-rules-loop")
    ):
        return True
    return bool(_AWAY_SUBJECT.search(mail.get("subject")))
