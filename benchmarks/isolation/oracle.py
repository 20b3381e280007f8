# ruff: noqa
# fmt: off
"""Synthetic oracle for the campaign-variant isolation benchmark.  Pure Python, standard library only.

    problems = load("problems.json")
    o = Oracle(problems[0], replica=0)
    o.view                       # everything a solver may look at (no truth, no class name)
    out = o.send({0, 4, 7}, o.view["seeds"][0]["id"])
    out.code                     # accepted | cs01 | blocked | rate_limited | unknown_user
    o.wait(30)                   # let time pass (ticks) without sending
    o.stats()                    # sends, rejections, deferred, unknown, ticks, max_per_seed ...
    grade(problems[0], verdict, o.stats())

A variant is the set of factor indices switched to PRODUCTION; the empty set is the plain control and
range(n) is the full production message.  One send = one message to one seed address = one tick.

Outcomes are a pure function of (problem rng, replica, variant, seed, values_of, how many times that exact
combination was sent before) plus the clock-driven parts (block, rate limit).  So two solvers that send the
same thing see the same thing (common random numbers), whatever order they use.
See README.md beside this file for the JSON schema and the grading rules.
"""
import hashlib
import json
import math
from collections import defaultdict, deque

ACCEPTED, CS01, BLOCKED, RATE, UNKNOWN = "accepted", "cs01", "blocked", "rate_limited", "unknown_user"

TEXT = {
    ACCEPTED: "250 2.0.0 Ok: queued",
    CS01: "554 5.7.1 [CS01] Message rejected due to local policy.",
    BLOCKED: "554 5.7.0 Blocked - sender reputation.",
    RATE: "421 4.7.1 Messages deferred due to excessive volume. Try again later.",
    UNKNOWN: "550 5.1.1 user does not exist",
}


def load(path):
    with open(path, encoding="utf-8") as fh:
        doc = json.load(fh)
    return doc["problems"] if isinstance(doc, dict) else doc


class Outcome:
    __slots__ = ("code", "text", "tick", "seed", "variant")

    def __init__(self, code, tick, seed, variant):
        self.code, self.text, self.tick, self.seed, self.variant = code, TEXT[code], tick, seed, variant

    def __repr__(self):
        return f"Outcome({self.code}, tick={self.tick}, seed={self.seed}, variant={sorted(self.variant)})"


class BudgetExceeded(Exception):
    pass


def public_view(problem):
    """The part of a problem a solver may see."""
    return {k: problem[k] for k in ("id", "n", "factors", "seeds", "budget", "needs") if k in problem}


class Oracle:
    def __init__(self, problem, replica=0, enforce=False):
        self.problem, self.replica, self.enforce = problem, int(replica), enforce
        self.view = public_view(problem)
        self._h = problem["hidden"]
        self._seeds = {s["id"]: s for s in problem["seeds"]}
        self._count = defaultdict(int)        # replicate index of an exact combination
        self._per_seed = defaultdict(int)
        self._recent = defaultdict(deque)     # domain -> ticks of recent sends (rate limit)
        self.tick = 0
        self.sends = self.accepted = self.rejections = self.deferred = self.unknown = 0
        self.plain_sends = self.waited = self.unclosed = 0
        self._rej_since_arm = 0
        self._block_until = None              # None: no block now; inf: permanent
        self.first_block_tick = None
        self.log = []

    # ---- randomness -------------------------------------------------------------------------------
    def _u(self, *key):
        raw = "|".join(str(k) for k in (self.problem["rng"], self.replica) + key).encode()
        return int.from_bytes(hashlib.blake2b(raw, digest_size=7).digest(), "big") / float(1 << 56)

    def _u_fixed(self, *key):                 # does not depend on the replica (sticky recipients)
        raw = "|".join(str(k) for k in (self.problem["rng"], "fixed") + key).encode()
        return int.from_bytes(hashlib.blake2b(raw, digest_size=7).digest(), "big") / float(1 << 56)

    # ---- hidden mechanics -------------------------------------------------------------------------
    def _in_scope(self, k, trig, seed, persona):
        sc = trig["scope"]
        if sc["type"] == "all":
            return True
        if sc["type"] == "domain":
            return seed["domain"] in sc["domains"]
        if sc["type"] == "value":             # personalised value actually placed in the message
            return persona["values"].get(str(sc["factor"])) == sc["value"]
        if sc["type"] == "sticky":            # a fixed, invisible subset of the recipients
            return self._u_fixed("sticky", k, seed["id"]) < sc["fraction"]
        raise ValueError(sc)

    def _block_active(self):
        b = self._h.get("block")
        if not b:
            return False
        dur = float("inf") if b.get("duration") is None else b["duration"]
        if b.get("start") is not None:        # clock-driven: [start, start + duration)
            return b["start"] <= self.tick < b["start"] + dur
        if self._block_until is not None:     # rejection-driven, already running?
            if self.tick < self._block_until:
                return True
            self._block_until = None          # cooled down: re-armed, counting from zero
            self._rej_since_arm = 0
        if b.get("after_rejections") is not None and self._rej_since_arm >= b["after_rejections"]:
            self._block_until = self.tick + dur
            return True
        return False

    def wait(self, ticks):
        self.tick += int(ticks)
        self.waited += int(ticks)

    def send(self, variant, seed_id, values_of=None):
        variant = frozenset(int(i) for i in variant)
        if variant and (min(variant) < 0 or max(variant) >= self.problem["n"]):
            raise ValueError("factor index out of range")
        seed = self._seeds[seed_id]
        persona = self._seeds[values_of] if values_of is not None else seed
        if self.enforce and (self.sends >= self.view["budget"]["max_sends"]
                             or self.rejections >= self.view["budget"]["max_rejections"]):
            raise BudgetExceeded()
        mask = sum(1 << i for i in variant)
        self.sends += 1
        self._per_seed[seed_id] += 1
        if not variant:
            self.plain_sends += 1
        if any(a in variant and b not in variant for a, b in self.view.get("needs", ())):
            self.unclosed += 1                # no real message looks like that: a factor without what it stands in
        code = self._evaluate(variant, mask, seed, persona)
        out = Outcome(code, self.tick, seed_id, variant)
        self.log.append(out)
        self.tick += 1
        if code == ACCEPTED:
            self.accepted += 1
        elif code in (CS01, BLOCKED):
            self.rejections += 1
            self._rej_since_arm += 1
        elif code == RATE:
            self.deferred += 1
        else:
            self.unknown += 1
        return out

    def _evaluate(self, variant, mask, seed, persona):
        h = self._h
        rate = h.get("rate")
        if rate:
            dq = self._recent[seed["domain"]]
            while dq and dq[0] <= self.tick - rate["window"]:
                dq.popleft()
            if len(dq) >= rate["burst"] or self._u("rl", self.tick) < rate.get("p_random", 0.0):
                return RATE
            dq.append(self.tick)
        if seed["id"] in h.get("dead", []):
            return UNKNOWN
        blocked = self._block_active()
        key = (format(mask, "x"), seed["id"], persona["id"])
        k = self._count[key]
        self._count[key] += 1
        if blocked and self.first_block_tick is None:
            self.first_block_tick = self.tick
        if blocked and self._u("blk", self.tick) < h["block"].get("prob", 1.0):
            return BLOCKED if h["block"].get("text") == "distinct" else CS01
        if self._u("f0", *key, k) < h.get("f0", 0.0):
            return CS01
        for j, trig in enumerate(h["triggers"]):
            if set(trig.get("unless", ())) & variant:    # artefact of a half-plain message: off once these are on
                continue
            if set(trig["factors"]) <= variant and self._in_scope(j, trig, seed, persona):
                if self._u("fire", j, *key, k) < trig["fire"]:
                    return CS01
        return ACCEPTED

    def stats(self):
        return {"sends": self.sends, "accepted": self.accepted, "rejections": self.rejections,
                "deferred": self.deferred, "unknown": self.unknown, "plain_sends": self.plain_sends,
                "ticks": self.tick, "waited": self.waited, "unclosed": self.unclosed, "first_block_tick": self.first_block_tick,
                "max_per_seed": max(self._per_seed.values(), default=0), "seeds_used": len(self._per_seed),
                "over_budget": self.sends > self.view["budget"]["max_sends"]
                or self.rejections > self.view["budget"]["max_rejections"]}


def capacity(f0, p):
    """bits per send of the channel: reject with probability p when a trigger is in, f0 when not"""
    def hb(x):
        return 0.0 if x <= 0 or x >= 1 else -(x * math.log2(x) + (1 - x) * math.log2(1 - x))
    return max(hb(q * p + (1 - q) * f0) - q * hb(p) - (1 - q) * hb(f0) for q in (i / 400 for i in range(1, 400)))


def bound(problem):
    """Lower bound on SEARCH sends for a solver that is told the class (sizes of the trigger sets) and the noise:
    bits = sum of log2 C(n, k); sends = bits / capacity.  None where nothing is to be found.
    Floors outside the search: >= 1 plain + >= 1 rejected production, and for a proof at E >= 20 with one set of
    one factor >= 6 sends of which 2 rejected (two blocks of 2 parents : 1 child)."""
    tr = [t for t in problem["hidden"]["triggers"] if not t.get("unless")]
    if problem["truth"]["kind"] != "triggers" or not tr:
        return None
    bits = sum(math.log2(math.comb(problem["n"], len(t["factors"]))) for t in tr)
    c = capacity(problem["hidden"].get("f0", 0.0), min(t["fire"] for t in tr))
    return {"bits": bits, "capacity": c, "search_sends": bits / c}


def _norm(ts):
    return {frozenset(int(i) for i in t["factors"]) for t in ts}


def grade(problem, verdict, stats=None):
    """verdict: {"kind": "triggers"|"none"|"sender_block"|"inconclusive",
                 "triggers": [{"factors": [..], "scope": {"type": "all"|"domain"|"value"|"sticky", ..}}]}
    outcome is exactly one of
      correct      the whole truth (every minimal trigger set and nothing else), or the right none/sender_block
      partial      at least one true minimal trigger set, nothing false, but not all of them
      acceptable   an honest non-answer that the problem allows (drift problems only)
      abstain      inconclusive
      wrong_accusation   names a set that is not a true minimal trigger set
      false_clear  says none although there is a trigger or a block
      false_block  says sender_block although there is none
    """
    truth = problem["truth"]
    kind = verdict.get("kind")
    # optional verdict["fix"]: factors to put back to plain so that production passes
    claimed = _norm(verdict.get("triggers", [])) if kind == "triggers" else set()
    true = _norm(truth.get("triggers", []))
    res: dict[str, object] = {"scope_ok": None, "fix_ok": None, "fix_minimal": None}
    if verdict.get("fix") is not None and true:
        fix = {int(i) for i in verdict["fix"]}
        res["fix_ok"] = all(t & fix for t in true)
        res["fix_minimal"] = res["fix_ok"] and not any(all(t & (fix - {i}) for t in true) for i in fix)
    if kind == "inconclusive":
        ok = "inconclusive" in truth.get("acceptable", [])
        # a drift problem forgives giving up only if the block really had begun
        res["outcome"] = "acceptable" if ok and (stats is None or stats.get("first_block_tick") is not None) else "abstain"
    elif kind == "none":
        res["outcome"] = "correct" if truth["kind"] == "none" else "false_clear"
    elif kind == "sender_block":
        if truth["kind"] == "sender_block":
            res["outcome"] = "correct"
        elif "sender_block" in truth.get("acceptable", []) and (stats is None or stats.get("first_block_tick") is not None):
            res["outcome"] = "acceptable"
        else:
            res["outcome"] = "false_block"
    elif kind == "triggers":
        if not claimed:
            res["outcome"] = "abstain"
        elif claimed - true:
            res["outcome"] = "wrong_accusation"
        elif claimed == true:
            res["outcome"] = "correct"
        else:
            res["outcome"] = "partial"
        if res["outcome"] in ("correct", "partial"):
            ok = True
            for t in verdict["triggers"]:
                tt = next(x for x in truth["triggers"] if set(x["factors"]) == set(t["factors"]))
                a, b = tt["scope"], t.get("scope", {"type": "all"})
                same = a["type"] == b.get("type")
                if same and a["type"] == "domain":
                    same = set(a["domains"]) == set(b.get("domains", []))
                if same and a["type"] == "value":
                    same = a["value"] == b.get("value")
                ok = ok and same
            res["scope_ok"] = ok
    else:
        raise ValueError("bad verdict kind: %r" % (kind,))
    return res
