"""What is converted renders the same: expected outputs are written by hand from each syntax's documentation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.campaign.syntax.convert import SYNTAXES, convert, known_syntax
from harness.campaign.syntax.detect import detect
from harness.errors import ConfigError
from tests.shared import SHARED, WITHOUT, examples
from tests.unit.campaign_syntax.rendered import rendered

Row = dict[str, object]
ANA: Row = {"FNAME": "Ana", "CITY": "são paulo", "REWARDS": "12 points", "AGE": "42", "PLAN": "gold", "NONE": ""}

MAILCHIMP = {
    "a field": ("Hi *|FNAME|*!", "Hi Ana!"),
    "no value is escaped": ("*|HTML:LIST|*", "<b>5 & 6</b>"),
    "case forms": ("*|UPPER:FNAME|* *|LOWER:FNAME|* *|TITLE:CITY|*", "ANA ana São Paulo"),
    "an if with a value": ("*|IF:REWARDS|*You have *|REWARDS|*.*|ELSE:|*None.*|END:IF|*", "You have 12 points."),
    "an if without": ("*|IF:NONE|*yes*|ELSE:|*no*|END:IF|*", "no"),
    "an if of a field that nobody has": ("[*|IF:MISSING|*yes*|END:IF|*]", "[]"),
    "equal": ("*|IF:PLAN=gold|*G*|ELSEIF:PLAN=silver|*S*|ELSE:|*-*|END:IF|*", "G"),
    "unequal": ("*|IF:PLAN!=gold|*other*|ELSE:|*gold*|END:IF|*", "gold"),
    "larger": ("*|IF:AGE >= 18|*adult*|END:IF|*", "adult"),
    "smaller": ("[*|IF:AGE < 18|*minor*|END:IF|*]", "[]"),
    "ifnot": ("*|IFNOT:NONE|*nothing*|END:IF|*", "nothing"),
    "a message is no archive page": ("*|IFNOT:ARCHIVE_PAGE|*mail*|END:IF|*", "mail"),
    "system tags are fields": ("*|MC:SUBJECT|* by *|LIST:COMPANY|*", "Sale by Shop"),
    "nested": ("*|IF:FNAME|*a*|IF:NONE|*b*|ELSE:|*c*|END:IF|**|END:IF|*", "ac"),
    "css that Jinja2 would take for a tag": ("<style>@media x{#a{top:0}}{%b%}</style>*|FNAME|*",
                                             "<style>@media x{#a{top:0}}{%b%}</style>Ana"),
    "braces around a tag": ("{{*|FNAME|*}}{*|FNAME|*}", "{{Ana}}{Ana}"),
    "line ends at the end stay": ("*|FNAME|*\n\n", "Ana\n\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", MAILCHIMP)
def test_mailchimp_renders_the_same(name: str) -> None:
    source, expected = MAILCHIMP[name]
    row = ANA | {"LIST": "<b>5 & 6</b>", "MC:SUBJECT": "Sale", "LIST:COMPANY": "Shop"}
    assert rendered(source, row, "mailchimp") == expected


BO: Row = {"First": "Bo", "First Name": "Bo B.", "Plan": "Gold", "Empty": "", "Points": "150", "emailaddr": "x"}
SALESFORCE = {
    "a field": ("Hi %%First%%!", "Hi Bo!"),
    "a name with a space": ("%%First Name%%", "Bo B."),
    "capitals don't matter": ("%%First%% %%FIRST%% %%first%%", "Bo Bo Bo"),
    "a variable": ('%%[ SET @x = AttributeValue("First") ]%%Hi %%=v(@x)=%%', "Hi Bo"),
    "a fallback": (
        '%%[ VAR @n SET @n = AttributeValue("Missing") IF EMPTY(@n) THEN SET @n = "friend" ENDIF ]%%%%=v(@n)=%%', "friend",
    ),
    "a block over several tags": ('%%[ IF Plan == "gold" THEN ]%%G%%[ ELSEIF Plan == "x" THEN ]%%X%%[ ELSE ]%%-%%[ ENDIF ]%%', "G"),
    "the else": ('%%[IF Plan == "iron" THEN]%%I%%[ELSE]%%other%%[ENDIF]%%', "other"),
    "numbers": ("%%[ IF Points > 99 AND NOT EMPTY(First) THEN ]%%many%%[ ENDIF ]%%", "many"),
    "functions": ('%%=Concat(Uppercase(First), "-", Lowercase(Plan))=%%', "BO-gold"),
    "iif": ('%%=IIF(Empty(First), "you", First)=%%', "Bo"),
    "a comment": ("%%[ /* set things */ SET @a = 'b''c' ]%%%%=v(@a)=%%", "b'c"),
    "a link": ('<a href="%%=RedirectTo(Url)=%%">', '<a href="https://shop.example/?a=1&b=2">'),
    "bracketed attributes": ("%%=v([First Name])=%%", "Bo B."),
    "percent signs": ("100%% {%First%}", "100%% {%First%}"),
}  # fmt: skip


@pytest.mark.parametrize("name", SALESFORCE)
def test_salesforce_renders_the_same(name: str) -> None:
    source, expected = SALESFORCE[name]
    assert rendered(source, BO | {"Url": "https://shop.example/?a=1&b=2"}, "sfmc") == expected


SHOP: Row = {
    "name": "Tom & Jerry", "raw": "<b>x</b>", "Client-ID": "c-1", "Ìmage-Name": "i", "empty": "", "none": [], "yes": True,
    "no": False, "shop": "Trail", "company": {"name": "ACME", "city": {"name": "Oslo"}}, "tags": ["a", "b"],
    "items": [{"title": "Tent", "price": 3, "parts": [{"id": 1}, {"id": 2}]}, {"title": "Rope", "price": 4, "parts": []}],
    "map": {"k1": "v1", "k2": "v2"}, "score": 7,
}  # fmt: skip
MUSTACHE = {
    "a field is escaped": ("{{name}}", "Tom &amp; Jerry"),
    "three braces are not": ("{{{raw}}}{{&raw}}{{& raw }}", "<b>x</b><b>x</b><b>x</b>"),
    "names that Jinja2 can't take": ("{{Client-ID}} {{Ìmage-Name}}", "c-1 i"),
    "dotted": ("{{company.name}}, {{company.city.name}}", "ACME, Oslo"),
    "each": ("{{#each items}}{{title}}={{price}};{{/each}}", "Tent=3;Rope=4;"),
    "names look outward": ("{{#each items}}{{title}}@{{shop}} {{/each}}{{shop}}", "Tent@Trail Rope@Trail Trail"),
    "the item wins": ("{{name}}:{{#each people}}{{name}};{{/each}}", "Tom &amp; Jerry:Ann;Ben;"),
    "this": ("{{#each tags}}{{this}}{{.}}{{/each}}", "aabb"),
    "index": ("{{#each tags}}{{@index}}{{this}}{{#unless @last}},{{/unless}}{{/each}}", "0a,1b"),
    "keys": ("{{#each map}}{{@key}}={{this}} {{/each}}", "k1=v1 k2=v2 "),
    "each of nothing": ("[{{#each none}}x{{else}}nothing{{/each}}]", "[nothing]"),
    "each of what is missing": ("[{{#each missing}}x{{/each}}]", "[]"),
    "nested each and parents": (
        "{{#each items}}{{#each parts}}{{../title}}{{id}}{{title}} {{/each}}{{/each}}", "Tent1Tent Tent2Tent ",
    ),
    "root": ("{{#each tags}}{{@root.shop}}{{/each}}", "TrailTrail"),
    "if": ("{{#if yes}}a{{else}}b{{/if}}{{#if no}}a{{else}}b{{/if}}{{#if empty}}a{{else}}b{{/if}}", "abb"),
    "a part of what is missing": (
        "{{#if nobody.x.y}}a{{else}}b{{/if}}{{#each nobody.rows}}c{{/each}}{{^nobody.x}}d{{/nobody.x}}{{#with nobody.x}}e{{/with}}", "bd",
    ),
    "a missing field that a mapping has a method for": ("{{#each company.items}}a{{/each}}{{#if nobody.keys}}b{{/if}}", ""),
    "a part of an item": ("{{#each items}}{{#if this.a.b}}x{{else}}{{title}}{{/if}}{{#if a.b}}x{{/if}}{{/each}}", "TentRope"),
    "if of what is missing": ("{{#if missing}}a{{else}}b{{/if}}", "b"),
    "else if": ("{{#if no}}a{{else if yes}}b{{else}}c{{/if}}", "b"),
    "unless": ("{{#unless no}}a{{/unless}}{{#unless missing}}b{{/unless}}", "ab"),
    "with": ("{{#with company}}{{name}} {{city.name}}{{/with}}", "ACME Oslo"),
    "a section of a list": ("{{#items}}{{title}} {{/items}}", "Tent Rope "),
    "a section of a group": ("{{#company}}{{name}} of {{shop}}{{/company}}", "ACME of Trail"),
    "a section as a condition": ("{{#yes}}{{name}}{{/yes}}{{#no}}x{{/no}}{{#missing}}x{{/missing}}", "Tom &amp; Jerry"),
    "a section of texts": ("{{#tags}}<{{.}}>{{/tags}}", "<a><b>"),
    "inverted": ("{{^none}}n{{/none}}{{^items}}x{{/items}}{{^missing}}m{{/missing}}", "nm"),
    "inverted after each": ("{{#each none}}x{{^}}y{{/each}}", "y"),
    "comments": ("a{{! x }}b{{!-- {{name}} --}}c", "abc"),
    "lines of block tags go": ("a\n{{#if yes}}\n b\n{{/if}}\nc\n", "a\n b\nc\n"),
    "tags beside text keep their line": ("a {{#if yes}}\nb{{/if}}\n", "a \nb\n"),
    "tilde": ("a  {{~#if yes~}}  b  {{~/if~}}  c", "abc"),
    "block parameters": ("{{#each items as |it i|}}{{i}}{{it.title}} {{/each}}", "0Tent 1Rope "),
    "names of methods": ("{{#each rows}}{{items}}{{count}}{{title}};{{/each}}", "i1c1t1;"),
    "a bracket segment": ("{{company.[name]}}", "ACME"),
    "css": ("<style>a{b:c}@media{#x{y:z}}</style>{{shop}}", "<style>a{b:c}@media{#x{y:z}}</style>Trail"),
    "a tag of Jinja2 is text": ("{% if shop %}{# no #}{{shop}}", "{% if shop %}{# no #}Trail"),
    "an escaped tag is text": ("\\{{shop}} {{shop}}", "{{shop}} Trail"),
}  # fmt: skip
MORE: Row = {"people": [{"name": "Ann"}, {"name": "Ben"}], "rows": [{"items": "i1", "count": "c1", "title": "t1"}]}


@pytest.mark.parametrize("sampled", [False, True], ids=["without rows", "with rows"])
@pytest.mark.parametrize("name", MUSTACHE)
def test_mustache_and_handlebars_render_the_same(name: str, sampled: bool) -> None:
    """Sample rows make templates simpler; what they render to is the same without."""
    source, expected = MUSTACHE[name]
    row = SHOP | MORE
    assert rendered(source, row, "mustache", rows=[row] if sampled else []) == expected


def test_a_text_part_is_not_escaped() -> None:
    assert rendered("{{name}}", SHOP, "mustache", html=False) == "Tom & Jerry"


def test_rows_tell_whose_name_is_meant() -> None:
    """Without rows, the template asks the item first, and the field that is called for is the item's."""
    source = "{{#each items}}{{title}} by {{shop}};{{/each}}"
    assert rendered(source, SHOP, "mustache") == "Tent by Trail;Rope by Trail;"
    assert "default" not in convert(source, "p", "mustache", rows=[SHOP]).template.replace("default([])", "")
    assert convert(source, "p", "mustache").fields == ("items", "items[].title", "items[].shop")
    assert convert(source, "p", "mustache", rows=[SHOP]).fields == ("items", "items[].title", "shop")


def test_mustachio_keeps_the_lines_of_its_tags() -> None:
    assert rendered("a\n{{#each tags}}\n{{.}}\n{{/each}}\n", SHOP, "mustachio") == "a\n\na\n\nb\n\n"


SENDGRID = {
    "insert of a part of what is missing": ('{{insert nobody.first "default=friend"}}', "friend"),
    "insert": ('{{insert first "default=friend"}}, {{insert name "default=x"}}', "friend, Tom &amp; Jerry"),
    "equals": ('{{#equals shop "Trail"}}T{{else}}-{{/equals}}', "T"),
    "not equals": ('{{#notEquals score 7}}a{{else}}b{{/notEquals}}', "b"),
    "greater": ("{{#greaterThan score 5}}a{{else}}b{{/greaterThan}}", "a"),
    "less": ("{{#lessThan score 5}}a{{else}}b{{/lessThan}}", "b"),
    "and": ("{{#and yes shop}}a{{/and}}{{#and yes no}}b{{/and}}", "a"),
    "or": ("{{#or no shop}}a{{/or}}{{#or no missing}}b{{/or}}", "a"),
    "each": ("{{#each items}}{{this.title}} {{/each}}", "Tent Rope "),
}  # fmt: skip


@pytest.mark.parametrize("name", SENDGRID)
def test_sendgrid_renders_the_same(name: str) -> None:
    source, expected = SENDGRID[name]
    assert rendered(source, SHOP, "sendgrid") == expected


def test_substitution_tags_are_told_from_text_by_the_rows() -> None:
    source = "<style>a{-webkit-box: 1}</style>Hi -first- %last%, 5%off%"
    row: Row = {"first": "Ana", "last": "Li"}
    assert rendered(source, row, "substitution", rows=[row]) == "<style>a{-webkit-box: 1}</style>Hi Ana Li, 5%off%"
    with pytest.raises(ConfigError, match="--data"):
        convert(source, "p.html", "substitution")


LIQUID_ROW: Row = {
    "person": {"first_name": "Ana", "Favourite Colour": "red"}, "first_name": "ana", "html": "<i>", "empty": "", "n": 5,
    "items": [{"title": "Tent"}, {"title": "Rope"}, {"title": "Cup"}], "csv": "a,b,c", "long": "The quick brown fox",
    "tags": ["vip", "new"], "yes": True, "no": False, "nothing": [], "custom_attribute": {"plan": "gold"},
    "custom-name": "cn", "zero": 0,
}  # fmt: skip
LIQUID = {
    "a field": ("{{ person.first_name }}", "Ana"),
    "no value is escaped": ("{{ html }}", "<i>"),
    "default of what is there": ("{{ person.first_name | default: 'x' }}", "Ana"),
    "default of what is missing": ("{{ missing | default: 'x' }}", "x"),
    "default of what is empty": ("{{ empty | default: 'x' }}", "x"),
    "case": ("{{ first_name | upcase }} {{ 'ÀB' | downcase }} {{ 'aBC dE' | capitalize }}", "ANA àb Abc de"),
    "escape": ("{{ html | escape }}", "&lt;i&gt;"),
    "truncate counts the ellipsis": ("{{ long | truncate: 10 }}|{{ long | truncate: 9, '' }}", "The qui...|The quick"),
    "text": ('{{ first_name | append: "!" | prepend: "~" | replace: "a", "o" }}', "~ono!"),
    "white space": ("[{{ '  x ' | strip }}][{{ ' x ' | lstrip }}][{{ ' x ' | rstrip }}]", "[x][x ][ x]"),
    "lists": ("{{ csv | split: ',' | join: '-' }} {{ tags | first }} {{ tags | last }} {{ tags | size }}", "a-b-c vip new 2"),
    "if": ("{% if yes %}a{% elsif no %}b{% else %}c{% endif %}", "a"),
    "missing is false": ("{% if missing %}a{% else %}b{% endif %}", "b"),
    "an empty text is true": ("{% if empty %}a{% else %}b{% endif %}", "a"),
    "zero is true": ("{% if zero %}a{% else %}b{% endif %}", "a"),
    "false is false": ("{% if no %}a{% else %}b{% endif %}", "b"),
    "blank": ("{% if empty == blank %}a{% endif %}{% if person.first_name != blank %}b{% endif %}", "ab"),
    "comparisons": ("{% if n > 3 and n <= 5 %}a{% endif %}{% if n == 5 %}b{% endif %}{% if n <> 5 %}c{% endif %}", "ab"),
    "contains": ("{% if tags contains 'vip' %}a{% endif %}{% if csv contains 'z' %}b{% endif %}", "a"),
    "and, or from the right": ("{% if no and no or yes %}a{% else %}b{% endif %}", "b"),
    "unless": ("{% unless no %}a{% endunless %}{% unless yes %}b{% else %}c{% endunless %}", "ac"),
    "case and when": ("{% case n %}{% when 1 %}a{% when 4, 5 %}b{% else %}c{% endcase %}", "b"),
    "case on lines of its own": ("{% case n %}\n {% when 1 %}a{% else %}c{% endcase %}", "c"),
    "for": ("{% for i in items %}{{ forloop.index }}{{ i.title }}{% unless forloop.last %},{% endunless %}{% endfor %}",
            "1Tent,2Rope,3Cup"),
    "for with bounds": ("{% for i in items limit:1 offset:1 %}{{ i.title }}{% endfor %}", "Rope"),
    "for reversed": ("{% for i in items reversed %}{{ i.title }}{% endfor %}", "CupRopeTent"),
    "for of nothing": ("{% for i in nothing %}x{% else %}none{% endfor %}{% for i in missing %}x{% endfor %}", "none"),
    "a range": ("{% for i in (1..3) %}{{ i }}{% endfor %}", "123"),
    "assign": ("{% assign x = person.first_name | default: 'y' | upcase %}{{ x }}{{ x }}", "ANAANA"),
    "assign in an if": ("{% assign x = 'a' %}{% if yes %}{% assign x = 'b' %}{% endif %}{{ x }}", "b"),
    "capture": ("{% capture g %}Hi {{ first_name }}{% endcapture %}{{ g | upcase }}", "HI ANA"),
    "comment": ("a{% comment %} {{ x }} {% nope %} {% endcomment %}b", "ab"),
    "raw": ("{% raw %}{{ x }}{% if %}{% endraw %}{{ n }}", "{{ x }}{% if %}5"),
    "hyphens eat white space": ("a  {%- if yes -%}  b  {%- endif -%}  c {{- n -}} d", "abc5d"),
    "brackets": ("{{ person['Favourite Colour'] }} {{ items[1].title }}", "red Rope"),
    "hyphens in names": ("{{ custom-name }}", "cn"),
    "a name like a method": ("{% for i in items %}{{ i.title }}{% endfor %}", "TentRopeCup"),
    "css": ("<style>@media{#a{b:c}}</style>{{ n }}", "<style>@media{#a{b:c}}</style>5"),
    "a part of what is missing": ("{{ nobody.x.y | default: 'z' }}{% if nobody.x %}a{% endif %}{% if nobody.x == 1 %}b{% endif %}", "z"),
    "a missing field that a mapping has a method for": ("{% for i in person.items %}a{% else %}none{% endfor %}", "none"),
    "a loop over a part of it": ("{% for i in nobody.rows %}a{% else %}none{% endfor %}", "none"),
    "numbers": ("{{ n | plus: 1 }} {{ '2.5' | times: 3 }} {{ n | minus: 0.5 }} {{ n | plus: 1 | times: 2 }}", "6 7.5 4.5 12"),
    "rounding": ("{{ 2.5 | round }} {{ 3.14159 | round: 2 }} {{ 1.2 | ceil }} {{ 1.8 | floor }} {{ n | round: 2 }}", "3 3.14 2 1 5"),
    "words": ("{{ long | truncatewords: 2 }} {{ long | truncatewords: 9 }}", "The quick... The quick brown fox"),
    "url": ("{{ 'a b&c/d' | url_encode }}", "a+b%26c%2Fd"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIQUID)
def test_liquid_renders_the_same(name: str) -> None:
    source, expected = LIQUID[name]
    assert rendered(source, LIQUID_ROW, "liquid") == expected


BRAZE = {
    "a field": ("{{${first_name}}}, {{ ${first_name} }}", "ana, ana"),
    "a custom attribute": ("{{custom_attribute.${plan}}}", "gold"),
    "a default": ("{{ ${last_name} | default: 'friend' }}", "friend"),
    "a condition": ("{% if custom_attribute.${plan} == 'gold' %}G{% endif %}", "G"),
}


@pytest.mark.parametrize("name", BRAZE)
def test_braze_renders_the_same(name: str) -> None:
    source, expected = BRAZE[name]
    assert rendered(source, LIQUID_ROW) == expected


KLAVIYO = {
    "a default": ("{{ missing|default:'there' }} {{ person.first_name|default:'x' }}", "there Ana"),
    "a part of what is missing": ("{{ nobody.first_name|default:'there' }}{% if nobody.x %}a{% endif %}", "there"),
    "look-up": ("{{ person|lookup:'Favourite Colour' }}", "red"),
    "an empty text is false": ("{% if empty %}a{% else %}b{% endif %}", "b"),
    "and binds tighter than or": ("{% if yes or no and no %}a{% else %}b{% endif %}", "a"),
    "not": ("{% if not no and not missing %}a{% endif %}", "a"),
    "in": ("{% if 'vip' in tags %}a{% endif %}{% if 'x' not in tags %}b{% endif %}", "ab"),
    "a filter in a condition": ("{% if person|lookup:'Favourite Colour' == 'red' %}a{% endif %}", "a"),
    "numbered items": ("{{ items.1.title }}", "Rope"),
    "words": ("{{ long|truncatewords:2 }} {{ first_name|capfirst }} {{ n|add:2 }}", "The quick … Ana 7"),
    "counter": ("{% for i in items %}{{ forloop.counter }}{% empty %}x{% endfor %}", "123"),
    "with": ("{% with t=person.first_name %}{{ t }}{% endwith %}", "Ana"),
    "unsubscribe": ("{% unsubscribe %} {% unsubscribe 'Stop it' %}",
                    '<a href="https://u.example/1">Unsubscribe</a> <a href="https://u.example/1">Stop it</a>'),
}  # fmt: skip


@pytest.mark.parametrize("name", KLAVIYO)
def test_klaviyo_renders_the_same(name: str) -> None:
    source, expected = KLAVIYO[name]
    assert rendered(source, LIQUID_ROW | {"unsubscribe_link": "https://u.example/1"}, "klaviyo") == expected


HUBSPOT = {
    "a field": ("{{ contact.firstname }}", "Ana"),
    "a token with a default": ('{{ personalization_token("contact.lastname", "friend") }}', "friend"),
    "a token of a part of what is missing": ('{{ personalization_token("deal.name", "x") }}', "x"),
    "a token": ("{{ personalization_token('contact.firstname', 'x') }}", "Ana"),
    "operators": ("{% if contact.firstname == 'Ana' && !contact.gone || false %}a{% else %}b{% endif %}", "a"),
    "strings keep theirs": ("{% if contact.firstname != 'a && b!' %}a{% endif %}", "a"),
    "a loop": ("{% for d in contact.deals %}{{ d }}{{ loop.index }}{% endfor %}", "x1y2"),
    "comments": ("a{# c #}b", "ab"),
}


@pytest.mark.parametrize("name", HUBSPOT)
def test_hubspot_renders_the_same(name: str) -> None:
    source, expected = HUBSPOT[name]
    row: Row = {"contact": {"firstname": "Ana", "gone": False, "deals": ["x", "y"]}}
    assert rendered(source, row, "hubspot") == expected


def test_jinja2_stays_as_it_is() -> None:
    source = "{% if a %}{{ b|upper }}{% endif %}{# note #}\n"
    made = convert(source, "p", "jinja2")
    assert made.template == source
    assert made.fields == ("a", "b")


UNKNOWN = {
    "mailchimp": ("a\n*|RSSITEMS:|*", "*|RSSITEMS:|*"),
    "sfmc": ('a\n%%=Lookup("DE", "x", "y", 1)=%%', "%%=Lookup("),
    "mustache": ("a\n{{> footer}}", "{{> footer}}"),
    "sendgrid": ('a\n{{formatDate now "YYYY"}}', "{{formatDate"),
    "liquid": ("a\n{{ x | currency_code_to_symbol }}", "currency_code_to_symbol"),
    "braze": ("a\n{% connected_content https://x.example %}", "{% connected_content"),
    "klaviyo": ("a\n{% catalog x %}", "{% catalog x %}"),
    "hubspot": ('a\n{% module "x" %}', "{% module"),
}


@pytest.mark.parametrize("syntax", UNKNOWN)
def test_a_tag_that_cannot_be_converted_is_named_or_kept(syntax: str) -> None:
    source, tag = UNKNOWN[syntax]
    with pytest.raises(ConfigError) as error:
        convert(source, "mail.html", syntax)
    assert str(error.value).startswith("mail.html:2: ")
    assert tag in str(error.value)
    assert "--keep-unknown" in str(error.value)
    assert rendered(source, {}, syntax, keep_unknown=True) == source
    assert any("mail.html:2" in note for note in convert(source, "mail.html", syntax, True).notes)


BROKEN = {
    "mailchimp": "a\n*|IF:X|*b",
    "sfmc": "a\n%%[ IF X == 1 THEN ]%%b",
    "mustache": "a\n{{#each x}}b",
    "liquid": "a\n{% if x %}b",
    "klaviyo": "a\n{% for x in y %}b",
}


@pytest.mark.parametrize("syntax", BROKEN)
def test_a_block_that_is_never_closed_is_an_error_with_its_line(syntax: str) -> None:
    with pytest.raises(ConfigError, match=r"^p\.html:2: .*closed"):
        convert(BROKEN[syntax], "p.html", syntax, keep_unknown=True)


HOSTILE = {
    "brackets": ("liquid", "{% if " + "(" * 1500 + " %}{% endif %}"),
    "not": ("klaviyo", "{% if " + "not " * 450 + "x %}{% endif %}"),
    "calls": ("sfmc", "%%=" + "v(" * 5000 + "x" + ")" * 5000 + "=%%"),
    "blocks": ("mustache", "{{#if a}}" * 1000 + "{{/if}}" * 1000),
    "tags": ("mustache", "{{a}}" * 60_000),
    "an expression without end": ("jinja2", "{{ a" + "|b" * 5000 + " }}"),
    "sums without end": ("liquid", "{{ a" + " | append: 'b'" * 5000 + " }}"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_would_take_all_memory_or_stack_is_refused(name: str) -> None:
    syntax, source = HOSTILE[name]
    with pytest.raises(ConfigError, match=r"^p\.html"):
        convert(source, "p.html", syntax)


def test_an_error_holds_nothing_that_steers_a_terminal() -> None:
    with pytest.raises(ConfigError) as error:
        convert("{{> \x1b[31m\u202e}}", "p.html", "mustache")
    assert str(error.value).isprintable()


DETECTED = {
    "mailchimp": "Hi *|FNAME|*",
    "sfmc": "Hi %%First%%",
    "mustache": "{{name}} {{#each x}}{{y}}{{/each}}",
    "sendgrid": '{{insert name "default=x"}} {{#if a}}b{{/if}}',
    "liquid": "{{ person_name | default: 'x' }}{% if a %}b{% endif %}",
    "braze": "{{ ${first_name} | default: 'x' }}",
    "klaviyo": "{{ first_name|default:'there' }} {% unsubscribe %}",
    "hubspot": "{{ contact.firstname }} {% if contact.x is defined %}y{% endif %}",
    "jinja2": "{% set a = 1 %}{{ x|default('y') }}",
    "none": "<style>@media x{#a{b:c}}</style> 100% *|*",
}


@pytest.mark.parametrize("syntax", DETECTED)
def test_a_syntax_is_known_by_its_tags(syntax: str) -> None:
    assert detect(DETECTED[syntax], "p.html")[0] == syntax


MIXED = {
    "mustache": "{{contact.name}} {{#each person.items}}{{title}}{{/each}} {{person.name}}",
    "klaviyo": "Hi {{ first_name|default:'there' }}",
    "liquid": "{{ person.x | default: 'y' }}{% assign a = 'b' %}{% if a contains 'b' %}c{% endif %}",
    "jinja2": "{{ contact|default('x') }}{% set a = 1 %}",
    "sfmc": "%%[ SET @a = 1 ]%% 100%",
}


@pytest.mark.parametrize("syntax", MIXED)
def test_words_that_several_syntaxes_share_decide_nothing(syntax: str) -> None:
    assert detect(MIXED[syntax], "p.html")[0] == syntax


def test_tags_of_two_syntaxes_are_the_operators_to_settle() -> None:
    with pytest.raises(ConfigError, match=r"p\.html: .*mailchimp \(line 1: .*mustache \(line 2: .*--syntax"):
        detect("*|FNAME|*\n{{#each x}}", "p.html")


def test_a_guess_is_told() -> None:
    assert detect("{{name}}", "p.html")[0] == "mustache"
    assert detect("{{ name }}", "p.html")[0] == "jinja2"
    assert all("--syntax" in detect(text, "p.html")[1] for text in ("{{name}}", "{{ name }}"))


def test_a_syntax_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    assert known_syntax("AMPscript") == "sfmc"
    with pytest.raises(ConfigError, match=r"no such syntax .*mailchimp"):
        known_syntax("wordpress")


def test_two_names_that_become_one_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"Client-ID.*Client_ID"):
        convert("{{Client-ID}}{{Client_ID}}", "p.html", "mustache")


_TEXT = st.text(st.sampled_from("{}%#|*$ab\n\"'=[]@~-/&!<>\\ .:()1"), max_size=40)


@settings(max_examples=examples(2000), deadline=None)
@given(st.sampled_from(sorted(SYNTAXES)), _TEXT, st.booleans())
def test_any_text_is_converted_or_refused_in_one_line(syntax: str, source: str, keep: bool) -> None:
    refused = ""
    try:
        convert(source, "p.html", syntax, keep, rows=[{"a": [{"b": 1}]}])
    except ConfigError as error:
        refused = str(error)
    assert "\n" not in refused


@settings(max_examples=examples(1000), deadline=None)
@given(st.text(st.sampled_from("{}%#ab \n-+"), max_size=30))
def test_text_without_tags_renders_to_itself(source: str) -> None:
    """CSS and scripts hold what Jinja2 takes for tags; it must come out as it went in."""
    assert rendered(source, {}, "none") == source
    assert rendered(source + "*|FNAME|*" + source, {"FNAME": "{{x}}"}, "mailchimp") == source + "{{x}}" + source


@pytest.mark.skipif(SHARED is None, reason=WITHOUT)
def test_real_templates_are_known_for_what_they_are() -> None:
    assert SHARED is not None
    known = {}
    for file in sorted((SHARED / "data" / "campaigns").glob("*/content.html")):
        source = file.read_text(encoding="utf-8-sig")
        known[file.parent.name] = convert(source, file.name).syntax
    expected = {
        "cerberus-hybrid": "none", "leemunroe-responsive": "none", "konsav-promotional": "mustache",
        "mailchimp-fancy-1-2-3": "mailchimp", "postmark-receipt": "mustache", "postmark-password-reset": "mustache",
        "sendwithus-airmail-welcome": "jinja2",
    }  # fmt: skip
    assert {name: known.get(name) for name in expected} == expected
