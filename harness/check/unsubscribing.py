"""Unsubscribing: words by which links that end a subscription are known, in the languages of Apple's larger markets.

Such a list never ends, so nothing relies on it alone: `walk` opens no link that may name its reader unless it also
stands among the content.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

# How such links are called, by the beginnings of words.
_ENDS = re.compile(
    "|".join(
        (
            r"un-?sub|opt(?:ing|ed)?[-_ ]?(?:\w{1,8}[-_ ])?out",
            r"remove[-_ ](?:me|my)|list-?remove|no longer (?:wish|want)",
            r"(?<![a-z])(?:stop|end|cancel|quit|leave|exit|turn(?:ing)? off|switch off)[-_ ]?(?:\w{1,12}[-_ ]){0,2}"
            r"(?:e-?mail|mail|receiving|newsletter|subscri|member|notif|alert|update|list|these)",
            r"take (?:me|my \w{1,12}) off|off (?:this|the|our|your) (?:\w{1,12} )?list|unfollow|unregister|say goodbye",
            r"abmeld|abbestell|austragen|abbestellen|kündig|abonnement[-_ ]?(?:beenden|kündigen)|nicht mehr erhalten",
            r"keine (?:weiteren |\w{1,12} )?(?:e-?mails|newsletter|nachrichten)|aus (?:dem|der|diesem) verteiler",
            r"d[ée]s[-_ ]?inscri|d[ée]s[-_ ]?abonn|r[ée]sili|ne (?:souhaitez|voulez|désirez) plus|ne plus recevoir",
            r"dar(?:me|se|te)?[-_ ](?:me[-_ ])?de[-_ ]baja|/baja|desuscri",
            r"cancel(?:ar)?[-_ ](?:[alstm]\w{0,2} )?(?:suscri|inscri)",
            r"ya no (?:quier|dese)|dejar de recibir|no (?:quiero|deseo) recibir",
            r"(?:não|nao) (?:quer|dese)|deixar de receber",
            r"cancel(?:ar)?[-_ ](?:[asm]\w{0,4} )?(?:assina|subscri|inscri)|descadastr|remover[-_ ](?:a )?inscri",
            r"disiscri|annulla(?:re)?[-_ ](?:l['’])?iscrizion|cancella(?:mi|rsi|ti)|non (?:vuoi|desideri|voglio) più",
            r"afmeld|uitschrijv|uitschrev|geen (?:\w{1,12} )?(?:e-?mails|nieuwsbrie)|opzeggen",
            r"avmeld|avregistrer|avprenumerer|avsluta[-_ ]prenum|frameld|meld[-_ ](?:d[ie]g|meg|mig)[-_ ](?:ud|av)",
            r"peruuta[-_ ]tilau|lopeta[-_ ]tilau|en halua enää|et halua enää|wypisz|rezygn|zrezygnuj|anuluj[-_ ]subskr",
            r"odhl[áa]si|zru[šs]it odb[ěe]r|leiratkoz|dezabon|odjavi|απεγγραφ|διαγραφ|отпис|отказаться от|відпис",
            r"abonelikten|aboneliği[-_ ]iptal|listeden [cç][iı]k|berhenti[-_ ]berlangganan|h[uủ]y[-_ ]đăng",
            r"配信(?:を)?(?:停止|解除|中止)|(?:登録|購読)(?:を)?(?:解除|停止)|退会|受け取りたくない|不要な方",
            r"退订|退訂|取消(?:订阅|訂閱)|不想(?:再)?(?:收到|接收)|不再(?:收到|接收)",
            r"수신[- ]?거부|구독[- ]?(?:취소|해지)|받고 싶지|원치 않",
            r"ยกเลิก|إلغاء الاشتراك|להסיר|הסרה|सदस्यता (?:समाप्त|रद्द)",
        )
    ),
    re.IGNORECASE,
)

# What such links are about: the mailing itself. Content seldom speaks of it, so this list is short, and it holds for
# all ways in which a sentence may say that somebody wants no more of it.
_MAILING = re.compile(
    "|".join(
        (
            r"mail|newsletter|mailing|subscri|subscrib|notif|\blists?\b|preferenc|\bmessages?\b|communicat|inbox|spam",
            r"nachricht|verteiler|zusendung|abonn|benachrichtig|einstellung|correo|bolet[íi]n|suscri|mensaje|lista\b",
            r"courriel|infolettre|lettre d|liste\b|préféren|messaggi|iscri(?:tt|zion)|comunicazion|preferenz",
            r"assina|inscri|mensage|comunicaç|nieuwsbrie|berichten|voorkeur|prenumer|utskick|nyhetsb|nyhedsb",
            r"meddelande|besked|melding|viest|uutiskir|sähköpost|postitus|tilau|wiadomo|subskryp|odběr|odber",
            r"zpráv|e-?pošt|levele|hírlev|értesít|mesaje|abona|poruk|obavijest|pretplat|sporočil|prijav|teated",
            r"απεγγραφ|μηνύματ|ενημερωτικ|λίστα|ηλεκτρονικ|рассыл|письм|сообщени|уведомлен|подпис|розсил|лист[иаів]\b",
            r"e-?posta|ileti|bülten|bildirim|abonelik|langganan|surel|thư\b|bản tin|đăng ký",
            r"メール|メルマガ|配信|購読|通知|邮件|郵件|电邮|電郵|订阅|訂閱|信件|메일|뉴스레터|구독|수신|알림",
            r"อีเมล|จดหมาย|ข่าวสาร|बरीद|البريد|رسائل|النشرة|الاشتراك|דוא|הודע|דיוור|ניוזלטר|ईमेल|मेल|सदस्यता",
        )
    ),
    re.IGNORECASE,
)


def may_unsubscribe(words: str) -> bool:
    """Tell a URL, or words, that may be of a link that ends a subscription."""
    return _ENDS.search(unquote(words)) is not None


def is_of_mailing(words: str) -> bool:
    """Tell words that speak of the mailing itself, as those around a link that ends it do."""
    return _ENDS.search(words) is not None or _MAILING.search(words) is not None
