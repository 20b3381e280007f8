"""How mail programs write: the tables of `wording.yaml`, and the lines that name a recipient.

The words are a data file because people review them; the lines are patterns. `plainreport` applies both.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import yaml

_TABLES: dict[str, Any] = yaml.load(
    resources.files("harness.bounce").joinpath("wording.yaml").read_text(encoding="utf-8"),
    Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader),
)

RETURNED_STARTS: tuple[str, ...] = tuple(_TABLES["returned_starts"])
RETURNED_WHOLE: frozenset[str] = frozenset(_TABLES["returned_whole"])
FAILURE: tuple[str, ...] = tuple(_TABLES["failure"])
DELAY: tuple[str, ...] = tuple(_TABLES["delay"])
FINAL: tuple[str, ...] = tuple(_TABLES["final"])
ANSWER: tuple[str, ...] = tuple(_TABLES["answer"])
CHATTER: tuple[str, ...] = tuple(_TABLES["chatter"])
SENTENCES: tuple[str, ...] = tuple(_TABLES["sentences"])
TWICE: tuple[str, ...] = tuple(_TABLES["twice"])
STEPS: tuple[tuple[str, tuple[str, ...]], ...] = tuple((step, tuple(words)) for step, words in _TABLES["steps"].items())

ADDRESS = (
    r"((?:\"[^\"\s]{1,64}\"|[^\s<>()\[\],;:\"@（）：，。；、「」]{1,128})@[^\s<>()\[\],;:\"@（）：，。；、「」]{1,255})"
)
_I = re.IGNORECASE

# How a line names a recipient. The text after the address, if any, is the beginning of what is said of it.
# `strong` lines stand where only a failed recipient stands; `weak` ones may name somebody else.
STRONG = (
    re.compile(rf"<{ADDRESS}>(?:\.\.\.|:)?(.*)"),
    re.compile(rf"(?:\*{{1,3}}|[•·o+-]|->|--|>>>) ?<?{ADDRESS}>?(?:[:,;.]|$| <|)(.*)"),
    re.compile(rf"[\"'(]?{ADDRESS}[\"')]?(?:<mailto:[^>]{{1,300}}>|\s?<[^>\s]{{1,300}}>)?[:.]?()$"),
    re.compile(
        rf"{ADDRESS}(?::|,| \[|\s+\(| (?:on|am|le|el|em|il|op) (?=\w{{1,10}}[,./ -])"
        r"| (?=Invalid Address)| (?=.{0,80}ERROR_CODE))(.*)"
    ),
    re.compile(rf"[245]\d\d (?:[245]\.\d{{1,3}}\.\d{{1,3}} )?<?{ADDRESS}>?\.\.\. ?(.*)"),
    re.compile(
        r"(?:recipients?|recipient address|final recipient|failed recipient|failed address(?:es)?|rcpt to"
        r"|original address|recipient email address|intended recipient|addressed to|could not be delivered to"
        r"|not delivered to|undeliverable to|unable to deliver (?:message )?to|delivery failed to|unknown user"
        r"|user unknown|unknown recipient|no such user|mailbox full|failed to deliver to|delivery to"
        r"|error-for|undeliverable address|delivery failed|mailbox is full|did not reach the following recipient"
        r"|收件人|收信人|宛先|送信先|destinataire|destinatario|empfänger|получатель)"
        rf"\s?[:：]?\s+'?(?:\[smtp:)?<?{ADDRESS}>?'?\]?(.*)",
        _I,
    ),
    re.compile(rf"[^<@]{{0,200}}\bsmtp=<?{ADDRESS}>?(.*)", _I),
    re.compile(rf"\[status: [^<]{{1,60}}<{ADDRESS}>(.*)", _I),
    re.compile(rf"\S{{1,60}}:\d{{1,8}}:<{ADDRESS}> ?(.*)"),
)
FIND_ADDRESS = re.compile(ADDRESS)
