"""Words of mail programs: how reports that have no fields begin, name a recipient, give a reason and end.

Tables only, in the languages that mail programs speak. They come from the programs' sources and manuals
(Exim, qmail, sendmail, Postfix, Courier, Exchange, Domino, James, the big providers); `plainreport` applies them.
"""

from __future__ import annotations

import re

# Lines after which the returned message begins, compared in lower case with decoration (`---`, `***`) taken off.
RETURNED_STARTS = (
    *(
        "below this line is a copy",
        "below is a copy",
        "this is a copy of",
        "here is a copy of",
        "a copy of the original",
    ),
    *("original message follows", "original message header", "original message headers", "original mail as follows"),
    *("returned message", "unsent message follows", "undelivered message follows", "message header follows"),
    *(
        "message headers follow",
        "message header is as follow",
        "the header of the original",
        "the headers of the original",
    ),
    *("the attachment contains the original", "included is a copy", "no message was collected", "original mail info"),
    *("rejected message headers", "headers of your message", "start of returned message", "message text follows"),
    *("your original message", "the body of the message is", "message body follows", "begin forwarded message"),
    *("the following is a copy", "the original message headers", "header of the original message", "original headers"),
    *(
        "received: from ",
        "received: by ",
        "received: (qmail",
        "return-path: <",
        "return-path:<",
        "--- original message follows",
    ),
    *("undeliverable message", "オリジナルメール", "元のメッセージ", "исходное сообщение", "ursprüngliche nachricht"),
)
RETURNED_WHOLE = frozenset(
    (
        *(
            "original message",
            "original mail",
            "message header",
            "message headers",
            "unsent message",
            "original message:",
        ),
        *("original message headers:", "message follows", "returned mail", "returned mail follows", "original email"),
    )
)
# A report without fields must say one of these somewhere; nothing that people write to each other does.
FAILURE = (
    *(
        "could not be delivered",
        "couldn't be delivered",
        "cannot be delivered",
        "can't be delivered",
        "could not deliver",
    ),
    *(
        "not be delivered",
        "wasn't delivered",
        "was not delivered",
        "not delivered",
        "were not delivered",
        "undeliverable",
    ),
    *(
        "wasn't able to deliver",
        "was not able to deliver",
        "unable to deliver",
        "unable to send",
        "unable to complete delivery",
    ),
    *(
        "delivery failed",
        "delivery has failed",
        "delivery failure",
        "delivery to the following",
        "delivery of your",
        "failed to deliver",
    ),
    *("did not reach", "didn't reach", "has been delayed", "permanent error", "permanent fatal error", "fatal errors"),
    *(
        "transcript of session",
        "delivery problems",
        "delivery error",
        "error delivering",
        "trouble delivering",
        "failed permanently",
    ),
    *(
        "was rejected",
        "were rejected",
        "been rejected",
        "rejected by",
        "failed address",
        "address failed",
        "address(es) failed",
    ),
    *(
        "addresses failed",
        "non-delivered",
        "nondelivery",
        "non-delivery",
        "undelivered",
        "delivery attempts",
        "failed to send",
    ),
    *(
        "returned to you",
        "returned to sender",
        "bounced",
        "no valid recipients",
        "incorrectly constructed",
        "failure reasons",
    ),
    *("error message below", "not a member of", "not permitted to post", "permission to post", "unable to relay"),
    *(
        "did not receive this message",
        "account is disabled",
        "is temporarily over quota",
        "unknown user",
        "user unknown",
    ),
    *("address not found", "message blocked", "message not delivered", "not yet been delivered", "still undelivered"),
    *("unknown recipient", "duplicated message-id", "has been frozen", "server message", "error transferring"),
    *(
        "couldn't reach",
        "problem delivering",
        "delivery incomplete",
        "message rejected",
        "errors occurred",
        "error occurred",
    ),
    *(
        "配信できません",
        "送信できません",
        "届けられません",
        "配送できません",
        "配達できません",
        "送れません",
        "送信に失敗",
        "配信に失敗",
    ),
    *(
        "エラーのため",
        "見つかりません",
        "送信されません",
        "配信不能",
        "投稿する権限",
        "доставлено",
        "не может быть",
        "не удалось",
    ),
    *(
        "nicht zugestellt",
        "unzustellbar",
        "konnte nicht",
        "n'a pas pu",
        "n'a pu être",
        "non remis",
        "pas été remis",
        "échec",
    ),
    *(
        "no se pudo",
        "no ha podido",
        "no se ha podido",
        "não pôde",
        "não foi entregue",
        "non è stato possibile",
        "non recapitat",
    ),
    *(
        "退信",
        "无法投递",
        "無法投遞",
        "投递失败",
        "发送失败",
        "kunde inte",
        "kunne ikke",
        "niet bezorgd",
        "nie można",
        "niedostarcz",
    ),
)
# Words of a report that somebody is still trying.
DELAY = (
    *(
        "warning: message",
        "has been delayed",
        "delivery delayed",
        "delayed mail",
        "will continue to try",
        "will keep trying",
    ),
    *(
        "not yet been delivered",
        "will be retried",
        "still being retried",
        "this is a warning message only",
        "no action is required",
    ),
    *(
        "do not need to resend",
        "don't need to resend",
        "delivery is delayed",
        "delivery attempts will continue",
        "(delay)",
    ),
    *(
        "could not send message for past",
        "will retry",
        "we will attempt",
        "temporary failure",
        "temporarily unable",
        "delivery incomplete",
    ),
    *("delays in delivering", "не доставлено пока", "配信が遅れ", "遅延"),
)
FINAL = (
    *(
        "permanent error",
        "permanent failure",
        "failed permanently",
        "given up",
        "giving up",
        "been returned",
        "will not be retried",
    ),
    *("no further delivery attempts", "could not be delivered", "has been stopped", "permanent fatal", "permanently"),
)
# Words after which a server's own words stand, most telling first.
ANSWER = (
    *("error that the other server returned was:", "the response from the remote server was:", "the response was:"),
    *(
        "responded as follows:",
        "remote host said:",
        "response of the remote server:",
        "remote server returned",
        "diagnostic code:",
    ),
    *(
        "error message below:",
        "body of message generated response:",
        "-------server message",
        "(reason:",
        "failed with:",
    ),
    *(
        "for the following reason:",
        "the reason for the problem:",
        "following reason:",
        "additional information follows :",
    ),
    *("technical details:", "rejected your message with the following error:", "reason:", "because of", "because:"),
    *(
        "error text:",
        "error message:",
        "the error was:",
        "error:",
        "received >>>",
        " >>> ",
        "server said:",
        "said:",
        "cause:",
    ),
    *("failure reasons", "non-delivered information", "transcript of session follows", "server response:", "details:"),
)
# Sentences of the mail program itself that would mislead whoever reads them as an answer.
CHATTER = (
    "rejected by the recipient domain",
    "we recommend contacting the other email provider",
    "this is a permanent error",
    "if you do so, please include this problem report",
    "please do not reply to this message",
    "please, do not reply to this message",
    "delete your own text from the attached returned message",
    "for further assistance, please send mail to",
    "could not be delivered to one or more",
    "could not be delivered to all",
    "it's attached below",
    "no action is required on your part",
    "attempts to deliver the message will continue",
    "this message was created automatically",
    "please verify the addresses and try again",
    "sorry it didn't work out",
    "contact customer support",
    "the original message was received at",
    "unable to deliver message to the following",
    "delivery to the following recipient",
    "your message could not be delivered for",
    "the following address",
    "has permanent fatal errors",
    "had permanent fatal errors",
    "transient non-fatal errors",
    "transcript of session follows",
    "was automatically generated",
    "this is an automatically generated",
    "please contact your",
    "multi-part message in mime format",
    "mime-encapsulated message",
    "delivery problems",
    "delivery errors",
    "check for typos",
    "i've given up",
    "please do not reply to this email",
    "only a temporary failure report",
    "message is kept in the queue for",
)

ADDRESS = r"((?:\"[^\"\s]{1,64}\"|[^\s<>()\[\],;:\"@]{1,128})@[^\s<>()\[\],;:\"@]{1,255})"
_I = re.IGNORECASE

# How a line names a recipient. The text after the address, if any, is the beginning of what is said of it.
# `strong` lines stand where only a failed recipient stands; `weak` ones may name somebody else.
STRONG = (
    re.compile(rf"<{ADDRESS}>(?:\.\.\.|:)?(.*)"),
    re.compile(rf"(?:[*•·o+-]|->|--|>>>) ?<?{ADDRESS}>?(?:[:,;.]|$| <|)(.*)"),
    re.compile(rf"{ADDRESS}(?:<mailto:[^>]{{1,300}}>|\s?<[^>\s]{{1,300}}>)?[:.]?()$"),
    re.compile(rf"{ADDRESS}(?::|,| \[|\s+\(| (?:on|am|le|el|em|il|op) (?=\w{{1,10}}[,./ -])| (?=Invalid Address)| (?=.{{0,80}}ERROR_CODE))(.*)"),
    re.compile(rf"[245]\d\d (?:[245]\.\d{{1,3}}\.\d{{1,3}} )?<?{ADDRESS}>?\.\.\. ?(.*)"),
    re.compile(
        r"(?:recipient|recipient address|recipients|final recipient|failed recipient|failed addresse?s?|rcpt to|original address"
        r"|recipient email address|intended recipient|addressed to|could not be delivered to|not delivered to|undeliverable to"
        r"|unable to deliver (?:message )?to|delivery failed to|unknown user|user unknown|unknown recipient|no such user"
        rf"|mailbox full|failed to deliver to|delivery to)\s?:?\s+'?<?{ADDRESS}>?'?(.*)",
        _I,
    ),
    re.compile(rf"\[status: [^<]{{1,60}}<{ADDRESS}>(.*)", _I),
    re.compile(rf"\S{{1,60}}:\d{{1,8}}:<{ADDRESS}> ?(.*)"),
)
# Phrases that an address follows somewhere in a sentence.
SENTENCES = (
    *(
        "delivering your mail to ",
        "rejected recipient ",
        "wasn't delivered to ",
        "was not delivered to ",
        "be delivered to ",
    ),
    *("couldn't be delivered to ", "permanent errors: ", "message to ", "deliver to ", "mail to ", "delivered to: "),
    *(
        "members only mailing list ",
        "this mailing list ",
        "duplicated message-id in ",
        "address is unknown: ",
        "for recipient ",
    ),
    *(
        "recipient: ",
        "email account ",
        "addressed to ",
        "sending to ",
        "send to ",
        "sent to ",
        "delivery to ",
        "rcpt to:",
    ),
    *("the user ", "user ", "account ", "mailbox ", "recipient "),
)
FIND_ADDRESS = re.compile(ADDRESS)

# Steps of the dialogue, as relays name the command that was answered; compared in lower case.
STEPS = (
    (
        "end_of_data",
        ("in reply to end of data", "after end of data", "end of data command", "end-of-data", "pipelined end"),
    ),
    (
        "rcpt_to",
        ("in reply to rcpt", "after rcpt to", "rcpt to command", "pipelined rcpt", "[rcpt_to]", "rcpt command"),
    ),
    (
        "mail_from",
        ("in reply to mail from", "after mail from", "mail from command", "pipelined mail", "sender was rejected"),
    ),
    ("data", ("in reply to data command", "after data", "data command")),
    ("helo", ("in reply to ehlo", "in reply to helo", "after ehlo", "after helo")),
    ("connect", ("refused to talk to me", "initial connection", "while connecting", "connect to ")),
)
# What relays say when copies may have gone out although this report says otherwise.
TWICE = ("sent more than once", "delivered more than once", "duplicate copies")
