"""The statement: one scan of an export that counts every value of every field and keeps what has to be looked at whole.

It is written once, in DuckDB's words; `warehouse` has other engines' dialects made of it. `GROUPING SETS` counts all
fields in one pass. One more set keeps each row that was not delivered, and a sample of those that were, as one text:
its key is NULL for all other rows, so it costs little.
"""

# ruff: noqa: S608 (the statements are put together here; names and values from outside are quoted by export.py)

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.model.seed import APPLE_DOMAINS
from harness.triage.columns import Field, Form, Layout, temporary, words
from harness.triage.eventword import word_sql
from harness.triage.export import Table, quote
from harness.triage.finding import NOT_MERGED

CUT = "\x1f"  # between the cells of a kept row
LETTERS = {"delivered": "v", "bounced": "b", "deferred": "d", "suppressed": "s", "sent": "p", "ignored": ""}
RANK = "CASE r.kind WHEN 'p' THEN 0 WHEN 'd' THEN 1 WHEN 'v' THEN 2 WHEN '?' THEN 3 WHEN 's' THEN 3 ELSE 4 END"
# The later word, where times can be compared as they stand; that a message was handed over is never the last word.
# The blank sorts before all that may follow the same second in a longer time.
LATER = "CASE r.kind WHEN 'p' THEN '' ELSE coalesce(r.said_at, '') END || ' ' || {rank}"
PORTABLE = {  # of a list of links the first, of a long text its beginning
    Form.HOST: "lower(regexp_extract({x}, '://([^/?#:]+)', 1))",
    Form.HOSTS: "lower(regexp_extract({x}, '://([^/?#: ]+)', 1))",
    Form.URL: "regexp_extract({x}, '^([^?#]*)', 1)",
    Form.URLS: "regexp_extract({x}, '(https?://[^?# ]*)', 1)",
    Form.LONG: "CASE WHEN length({x}) <= 300 THEN {x} ELSE substring({x}, 1, 120) || ' #' END",
    Form.TEXT_HOUR: "regexp_extract({x}, '^([^:]*):', 1)",
}
SHORTENED = re.compile(r".{60} #[0-9a-f]{10}|.{120} #", re.DOTALL)  # what Form.LONG makes of a long text
KEYS = ("message_id", "recipient")
_WHY = {"reply", "code", "status", "bounce_category"}
_ENDS = 8  # domains of the sample that are looked for before an address is taken apart
MOST_SETS = 60  # fields that one scan counts; GROUPING and the memory of so many sets end near there


@dataclass(frozen=True, slots=True)
class Plan:
    """What is read: tables with their layouts, the fields in order, and the file of merged values, if there is one."""

    tables: tuple[tuple[Table, Layout], ...]
    fields: tuple[Field, ...]  # by name; the first is the recipient domain
    merge: tuple[Table, Layout] | None = None
    merge_on: str = "recipient"
    apple: tuple[str, ...] = ()  # further domains hosted at Apple
    said: Mapping[str, str] | None = None  # the user's own words for what became of a message
    keys: tuple[str, ...] = ("message_id", "recipient")  # roles that all tables have; together they name a message
    portable: bool = False  # only functions that every engine has under some name

    def parts(self, wide: frozenset[int]) -> range:
        """How many times the rows are scanned: once for sixty fields."""
        return range(1 + (len(self.fields) - len(wide) - 1) // MOST_SETS)

    @property
    def events(self) -> str:
        """Where the event words stand, for people."""
        named = [f"{t.path}, column {x.roles['event'][0]!r}" for t, x in self.tables if "event" in x.roles]
        return "; ".join(named)

    @property
    def replies(self) -> bool:
        """Some file says why a message was refused."""
        return any(_WHY & set(layout.roles) for _, layout in self.tables)

    @property
    def keyed(self) -> bool:
        """Rows of one message can be told to be of one."""
        return bool(self.keys)

    @property
    def rows(self) -> int:
        """About how many rows the files hold."""
        return sum(table.rows for table, _ in self.tables)


def fields_of(layouts: Sequence[Layout]) -> tuple[Field, ...]:
    """Return the fields of several tables, each once, the recipient domain first."""
    every: dict[str, Field] = {"recipient_domain": Field("recipient_domain", Form.PLAIN, "")}
    for layout in layouts:
        for one in layout.fields:
            every.setdefault(one.name, one)
    return tuple(every.values())


def scan(plan: Plan, *, reduce: bool, one_in: int, wide: frozenset[int] = frozenset(), part: int = 0) -> str:
    """Write the statement.

    Args:
        plan: what is read.
        reduce: make one row of all that was said of a message.
        one_in: how many delivered rows there are to one that is kept.
        wide: fields of nearly as many values as rows; they are kept, not counted (`few` does that).
        part: which sixty of the fields are counted; rows are kept by the first part.
    """
    ids = [f"f{i}" for i in range(len(plan.fields))]
    counted = [(n, i) for n, i in enumerate(ids) if n not in wide][part * MOST_SETS :][:MOST_SETS]
    which = " ".join(f"WHEN GROUPING({i}) = 0 THEN {n}" for n, i in counted)
    value = ", ".join(f"CAST({i} AS VARCHAR)" for _, i in counted)
    sets = ", ".join(f"({i})" for i in (*(i for _, i in counted), *(["kept"] if not part else [])))
    if reduce or plan.merge:
        kept = _kept(plan, "reply", "key", "key", one_in)
        marked = f"SELECT {', '.join(ids)}, {kept} AS kept FROM ({rows(plan, reduce=reduce)}) AS outcomes"
    else:
        marked = " UNION ALL ".join(_direct(plan, table, layout, one_in) for table, layout in plan.tables)
    return (
        f"SELECT CASE {which} ELSE -1 END AS field, coalesce({value}) AS value, {'NULL AS kept' if part else 'kept'}, "
        "count(*) AS n "
        f"FROM ({marked}) AS marked GROUP BY GROUPING SETS ({sets})"
    )


def few(plan: Plan, *, reduce: bool, wide: Sequence[int]) -> str:
    """Write the second scan: of wide fields, only values that some bounced row has (table `wanted`) are counted.

    All their other values fall into one group, so memory depends on the bounces, not on the values.
    """
    listed = ", ".join(
        f"CASE WHEN CAST(f{i} AS VARCHAR) IN (SELECT value FROM wanted WHERE field = {i}) THEN CAST(f{i} AS "
        f"VARCHAR) END AS w{i}, "
        f"hash(f{i}) AS h{i}"
        for i in wide
    )
    which = " ".join(f"WHEN GROUPING(w{i}) = 0 THEN {i}" for i in wide)
    sets = ", ".join(f"(w{i})" for i in wide)
    distinct = " ".join(f"WHEN GROUPING(w{i}) = 0 THEN approx_count_distinct(h{i})" for i in wide)
    return (
        f"SELECT CASE {which} END AS field, coalesce({', '.join(f'w{i}' for i in wide)}) AS value, count(*) AS n, "
        f"CASE {distinct} END AS many FROM (SELECT {listed} FROM ({rows(plan, reduce=reduce)}) AS outcomes) AS marked "
        f"GROUP BY GROUPING SETS ({sets})"
    )


def _kept(plan: Plan, reply: str, key: str, sampled_by: str, one_in: int) -> str:
    """Write the text of a kept row, NULL for others; a CASE works its branch out only for rows that take it."""
    cells = ["kind", f"CASE WHEN kind <> 'v' THEN coalesce({reply}, '') ELSE '' END", f"coalesce({key}, '')"]
    cells += [f"coalesce(CAST(f{i} AS VARCHAR), '')" for i in range(len(plan.fields))]
    text = "concat_ws(chr(31), " + ", ".join(f"replace({cell}, chr(31), ' ')" for cell in cells) + ")"
    sampled = (
        "true" if one_in == 1 else f"hash({sampled_by}) % {one_in} = 0" if plan.keyed else f"random() < {1 / one_in}"
    )
    return f"CASE WHEN kind <> 'v' OR {sampled} THEN {text} END"


def _direct(plan: Plan, table: Table, layout: Layout, one_in: int) -> str:
    """Write the SELECT of a file that needs no joining and reducing: keys and replies of kept rows only.

    The key is the recipient alone where there is one: message ids are the widest column of all, and only exports
    that name a recipient twice need them (`said_of`).
    """
    ids = ", ".join(f"f{i}" for i in range(len(plan.fields)))
    kept = _kept(
        plan, reply_of(table, layout), _key(plan, table, layout, KEYS[1:]), _drawn(plan, table, layout), one_in
    )
    inner = _outcomes(plan, table, layout, "* EXCLUDE (triage_kind)", last=True)
    return f"SELECT {ids}, {kept} AS kept FROM ({inner}) AS o"


def said_of(plan: Plan, one_in: int) -> str:
    """Write the SELECT that counts the rows, and the messages, of what `scan` keeps."""
    every = []
    for table, layout in plan.tables:
        inner = _outcomes(plan, table, layout, "* EXCLUDE (triage_kind)", last=True)
        kept = f"kind <> 'v' OR hash({_drawn(plan, table, layout)}) % {one_in} = 0"
        every.append(f"SELECT {_key(plan, table, layout)} AS key FROM ({inner}) AS o WHERE {kept}")
    return f"SELECT count(*), count(DISTINCT key) FROM ({' UNION ALL '.join(every)}) AS said"


def _drawn(plan: Plan, table: Table, layout: Layout) -> str:
    """Write what decides whether a row belongs to the sample: the same for all rows of a recipient."""
    if not plan.keyed:
        return "1"
    return table.expressions[layout.roles[plan.keys[-1]][0]]


def rows(plan: Plan, *, reduce: bool) -> str:
    """Write the SELECT of all rows for Apple recipients: kind, reply, key and the fields f0, f1, ..."""
    ids = [f"f{i}" for i in range(len(plan.fields))]
    every = " UNION ALL ".join(_table(plan, table, layout) for table, layout in plan.tables)
    source = f"({every}) AS r"
    listed = ", ".join(f"r.{i}" for i in ids)
    if reduce:
        picked = ", ".join(f"any_value(r.{i}) AS {i}" for i in ids)
        ranked = LATER.format(rank=RANK) if _timed(plan) else RANK
        source = (
            f"(SELECT arg_max(r.kind, {ranked}) AS kind, arg_max(r.reply, {ranked}) AS reply, r.key, "
            f"any_value(r.joined) AS joined, {picked} FROM {source} GROUP BY r.key) AS r"
        )
    kind = "CASE WHEN r.kind = 'p' THEN 'v' ELSE r.kind END AS kind"
    if plan.merge is None:
        return f"SELECT {kind}, r.reply, r.key, {listed} FROM {source}"
    merged = _merged(plan)
    return (
        f"SELECT {kind}, r.reply, r.key, {', '.join(_either(plan, i) for i in range(len(plan.fields)))} "
        f"FROM {source} LEFT JOIN ({merged}) AS m ON m.joined = r.joined"
    )


def _either(plan: Plan, i: int) -> str:
    """Write a field's value from the export, or from the merge file."""
    there = plan.merge is not None and any(f.name == plan.fields[i].name for f in plan.merge[1].fields)
    lone = f", CASE WHEN m.joined IS NULL THEN {quote(NOT_MERGED)} END" if there else ""
    return f"coalesce(r.f{i}, m.f{i}{lone}) AS f{i}"


def _merged(plan: Plan) -> str:
    """Write the SELECT of the merge file: one row a recipient (or message), though the file hold several."""
    table, layout = plan.merge or plan.tables[0]
    own = {field.name: field for field in layout.fields}
    picked = [
        f"any_value({value_of(own[field.name], table, portable=plan.portable)}) AS f{i}"
        if field.name in own
        else f"NULL AS f{i}"
        for i, field in enumerate(plan.fields)
    ]
    key = joined(plan, table, layout)
    return f"SELECT {key} AS joined, {', '.join(picked)} FROM {table.sql} WHERE {key} IS NOT NULL GROUP BY 1"


def meeting(one: tuple[Table, Layout], merge: tuple[Table, Layout], role: str) -> str:
    """Write the SELECT that counts how many of the first rows have their key in the merge file."""
    (here, layout), (there, other) = one, merge
    mine, theirs = (folded_key([t.expressions[x.roles[role][0]]]) for t, x in ((here, layout), (there, other)))
    first = f"SELECT {mine} AS key FROM {here.sql} LIMIT 500"
    return f"SELECT count(*) FROM ({first}) AS r WHERE key IN (SELECT {theirs} FROM {there.sql})"


def joined(plan: Plan, table: Table, layout: Layout) -> str:
    """Write what a row is joined to the merge file by."""
    columns = layout.roles.get(plan.merge_on, ())
    return folded_key([table.expressions[c] for c in columns[:1]]) if columns else "CAST(NULL AS VARCHAR)"


def folded_key(expressions: Sequence[str]) -> str:
    """Fold an address or a message id to what is joined on: lower case, no brackets and blanks."""
    return " || ' ' || ".join(
        f"lower(trim(replace(split_part(CAST({e} AS VARCHAR), '<', -1), 'mailto:', ''), ' <>'))" for e in expressions
    )


def _table(plan: Plan, table: Table, layout: Layout) -> str:
    """Write the SELECT of one file, in our words, for all files to be put together."""
    listed = ", ".join(f"f{i}" for i in range(len(plan.fields)))
    by = joined(plan, table, layout) if plan.merge else "CAST(NULL AS VARCHAR)"
    inner = f"{reply_of(table, layout)} AS reply, {_key(plan, table, layout)} AS key, {by} AS joined"
    if _timed(plan):
        inner += f", CAST({table.expressions[layout.roles['time'][0]]} AS VARCHAR) AS said_at"
        listed = f"said_at, {listed}"
    return f"SELECT kind, reply, key, joined, {listed} FROM ({_outcomes(plan, table, layout, inner)}) AS o"


def _timed(plan: Plan) -> bool:
    """Tell whether all files give times of one form that sorts as it is written."""
    forms = {next((field.form for field in layout.fields if field.name == "hour"), None) for _, layout in plan.tables}
    return len(forms) == 1 and forms <= {Form.ISO_HOUR, Form.TYPED_HOUR, Form.EPOCH_HOUR, Form.MILLI_HOUR}


def _outcomes(plan: Plan, table: Table, layout: Layout, also: str, *, last: bool = False) -> str:
    """Write the SELECT of kind and fields; other domains and rows of no delivery (opens, clicks) stay out."""
    own = {field.name: field for field in layout.fields}
    picked = ["triage_domain AS f0"]
    for i, field in enumerate(plan.fields[1:], start=1):
        made = (
            value_of(own[field.name], table, portable=plan.portable) if field.name in own else "CAST(NULL AS VARCHAR)"
        )
        picked.append(f"{made} AS f{i}")
    apple = ", ".join(quote(d) for d in (*APPLE_DOMAINS[:-1], *(d.lower() for d in plan.apple), "custom"))
    kind = "CASE WHEN triage_kind = 'p' THEN 'v' ELSE triage_kind END" if last else "triage_kind"
    return (
        f"SELECT {also}, {kind} AS kind, {', '.join(picked)} FROM (SELECT *, "
        f"{domain_of(plan, table, layout)} AS triage_domain, {kind_of(plan, table, layout)} AS triage_kind FROM "
        f"{table.sql}"
        f") AS t WHERE triage_domain IN ({apple}) AND triage_kind IS NOT NULL"
    )


def _key(plan: Plan, table: Table, layout: Layout, roles: Sequence[str] = KEYS) -> str:
    """Write what names a message: its id, recipient and job, whichever are there and wanted."""
    if not plan.keyed:
        return "CAST(NULL AS VARCHAR)"
    there = [role for role in roles if role in plan.keys] or plan.keys[:1]
    keys = [table.expressions[layout.roles[role][0]] for role in there]
    if all(any(field.name == "job" for field in one.fields) for _, one in plan.tables):
        keys += [table.expressions[field.column] for field in layout.fields if field.name == "job"]
    return "lower(" + " || ' ' || ".join(f"coalesce(CAST({k} AS VARCHAR), '')" for k in keys) + ")"


def domain_of(plan: Plan, table: Table, layout: Layout) -> str:
    """Write the recipient's domain; `custom` where Apple's hosts took the mail of another domain."""
    if "recipient" in layout.roles:
        address = table.expressions[layout.roles["recipient"][0]]
        domain = after_at(address, table.sample.values.get(layout.roles["recipient"][0], ()), portable=plan.portable)
    else:
        domain = f"lower({table.expressions[layout.roles['recipient_domain'][0]]})"
    if "mx" not in layout.roles:
        return domain
    mx = table.expressions[layout.roles["mx"][0]]
    known = ", ".join(quote(d) for d in (*APPLE_DOMAINS[:-1], *plan.apple))
    theirs = f"WHEN lower({mx}) LIKE '%.icloud.com%' THEN 'custom'"
    return f"CASE WHEN {domain} IN ({known}) THEN {domain} {theirs} ELSE {domain} END"


def after_at(text: str, seen: Sequence[str], *, portable: bool) -> str:
    """Write the domain of an address.

    The domains that the sample shows are looked for first, as they are: an ending that is there is read off in one
    comparison, and only what has none of them is taken apart.
    """
    if portable:
        return f"lower(regexp_extract({text}, '([^@> ]+)[> ]*$', 1))"
    careful = f"lower(trim(split_part({text}, '@', -1), '> '))"
    ends = Counter(value.rpartition("@")[2] for value in seen if "@" in value)
    plain = [end for end, _ in ends.most_common(_ENDS) if re.fullmatch(r"[a-z0-9.-]+", end)]
    if not plain:
        return careful
    known = " ".join(f"WHEN suffix({text}, {quote('@' + end)}) THEN {quote(end)}" for end in plain)
    return f"CASE {known} ELSE {careful} END"


def kind_of(plan: Plan, table: Table, layout: Layout) -> str:
    """Write what became of a row: v, b, d, s, p, ? and an unknown word (its reply will tell), NULL (no delivery)."""
    theirs = {**words(), **{word.lower(): kind for word, kind in (plan.said or {}).items()}}
    if not {"event", *_WHY} & set(layout.roles):
        return "'p'"
    by_reply = f"CASE WHEN ({reply_of(table, layout)}) IS NULL THEN 'v' ELSE '?' END"
    if "event" not in layout.roles:
        return by_reply
    column = layout.roles["event"][0]
    event = table.expressions[column]
    seen = Counter(table.sample.values.get(column, ()))
    soft = temporary(layout.product)

    def letter(word: str) -> str:
        if theirs[word] == "bounced" and soft and "severity" in layout.roles:
            severity = table.expressions[layout.roles["severity"][0]]
            return f"CASE WHEN lower({severity}) IN ({', '.join(map(quote, soft))}) THEN 'd' ELSE 'b' END"
        return quote(LETTERS[theirs[word]]) if LETTERS[theirs[word]] else "NULL"

    # The spellings of the sample first and as they are: a CASE is read from the top, ten million times.
    first = " ".join(
        f"WHEN {quote(word)} THEN {letter(word.strip().lower())}"
        for word, _ in seen.most_common(20)
        if word.strip().lower() in theirs
    )
    others = " ".join(f"WHEN {quote(word)} THEN {letter(word)}" for word in theirs)
    any_other = f"CASE WHEN {event} IS NULL OR trim({event}) = '' THEN {by_reply} ELSE {word_sql(event)} END"
    every = f"CASE lower(trim({event})) {others} ELSE {any_other} END"
    return f"CASE {event} {first} ELSE {every} END" if first else every


def reply_of(table: Table, layout: Layout) -> str:
    """Write the reply's text, the code and status before it where the text lacks them, or the product's category."""

    def first(role: str) -> str | None:
        found = [f"nullif(trim(CAST({table.expressions[c]} AS VARCHAR)), '')" for c in layout.roles.get(role, ())]
        return (f"coalesce({', '.join(found)})" if len(found) > 1 else found[0]) if found else None

    reply, code, status, category = first("reply"), first("code"), first("status"), first("bounce_category")
    parts = [p for p in (reply,) if p]
    if code:
        said = reply or "CAST(NULL AS VARCHAR)"
        before = f"{code} || coalesce(' ' || {status or 'CAST(NULL AS VARCHAR)'}, '') || coalesce(' ' || {said}, '')"
        lacks = f"{code} IS NOT NULL AND coalesce({said}, '') NOT LIKE '%' || {code} || '%'"
        parts = [f"CASE WHEN {lacks} THEN {before} ELSE {said} END"]
    elif status:
        parts = [*parts, status]
    if category:
        parts.append(f"'category:' || {category}")
    if not parts:
        return "CAST(NULL AS VARCHAR)"
    return f"coalesce({', '.join(parts)})" if len(parts) > 1 else parts[0]


def value_of(field: Field, table: Table, *, portable: bool = False) -> str:
    """Write a field's value as it is compared."""
    x = table.expressions[field.column]
    text = x if table.format == "csv" else f"CAST({x} AS VARCHAR)"
    if portable and field.form in PORTABLE:
        return PORTABLE[field.form].format(x=text)
    match field.form:
        case Form.PLAIN | Form.LIST:
            return text
        case Form.DOMAIN:
            return after_at(text, table.sample.values.get(field.column, ()), portable=portable)
        case Form.HOST:
            rest = f"CASE WHEN {text} LIKE '%//%' THEN split_part({text}, '//', 2) ELSE {text} END"
            authority = f"split_part(split_part(split_part({rest}, '/', 1), '?', 1), '#', 1)"
            return f"lower(split_part(split_part({authority}, '@', -1), ':', 1))"
        case Form.URL:
            return f"split_part(split_part({text}, '?', 1), '#', 1)"
        case Form.HOSTS:
            found = f"regexp_extract_all(lower({text}), 'https?://(?:[^/?#\"''<>, @]*@)?([^/?#:\"''<>, ]+)', 1)"
            return f"array_to_string(list_sort(list_distinct({found})), ' ')"
        case Form.URLS:
            found = f"regexp_extract_all({text}, '[Hh][Tt][Tt][Pp][Ss]?://[^?#\"''<>, |]+')"
            return f"array_to_string(list_sort(list_distinct({found})), ' ')"
        case Form.LONG:
            short = f"left({text}, 60) || ' #' || left(md5({text}), 10)"
            return f"CASE WHEN length({text}) <= 300 THEN {text} ELSE {short} END"
        case Form.ISO_HOUR:
            return f"substring({text}, 1, 13)"
        case Form.TYPED_HOUR:
            return f"date_trunc('hour', {x})"
        case Form.EPOCH_HOUR:
            return f"date_trunc('hour', to_timestamp(TRY_CAST({x} AS DOUBLE)))"
        case Form.MILLI_HOUR:
            return f"date_trunc('hour', to_timestamp(TRY_CAST({x} AS DOUBLE) / 1000))"
        case Form.TEXT_HOUR:
            return f"regexp_extract({text}, '^(.*?[0-9]{{1,2}}):[0-9][0-9]', 1)"
