"""Prepare a run: check everything that can be checked before the first byte leaves."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice, product

from harness import __version__
from harness.campaign.expand import Expansion, expand
from harness.edge.config import Workspace, digest, is_address
from harness.edge.policy_file import load_policy
from harness.errors import ConfigError
from harness.model.campaign import Campaign, Profile
from harness.model.problem import Budget, Together
from harness.model.record import RunRecord
from harness.model.relay import Answers, Relay
from harness.model.seed import Segment, is_reserved

MOST_TOGETHER = 400  # combinations of a set's groups that are followed up
DEFAULT_BATCH = 4  # messages chosen at once where answers come as bounces: fewer rounds for few more sends


@dataclass(frozen=True)
class Wishes:
    """What the operator asked for on the command line."""

    strategy: str = "adaptive"
    max_sends: int | None = None
    max_refusals: int | None = 40
    refusal_price: float = 8.0
    batch: int | None = None
    asked: tuple[str, ...] = ()  # factors of the sender stage
    exact: bool = False
    shuffle_key: str | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    together: tuple[Together, ...] = ()
    profiles: tuple[Profile, ...] = ()
    wear: str | None = None  # all, none, a profile's name; None: profiles fill only what seeds lack


@dataclass(frozen=True)
class Prepared:
    """A run that may begin: its record for the ledger, and how its messages are made."""

    run: RunRecord
    campaign: Campaign
    segment: Segment
    relay: Relay
    expansion: Expansion


def prepare(
    workspace: Workspace, name: str, segment_name: str | None, relay_name: str | None, wishes: Wishes, now: datetime
) -> Prepared:
    """Read campaign, segment and relay, find the factors, and write down what the run will be.

    Raises:
        ConfigError: something is wrong; nothing was sent and nothing was recorded.
    """
    segment = workspace.segment(segment_name)
    relay = workspace.relay(relay_name)
    campaign = workspace.campaign(name)
    segment = dress(segment, (*wishes.profiles, *campaign.profiles), wishes.wear)
    campaign = undressed(campaign)
    check_addresses(campaign, segment, relay)
    expansion = expand(campaign, segment, asked=wishes.asked)
    check_domains(expansion, segment)
    run_id = new_run_id(now)
    run = RunRecord(
        id=run_id,
        campaign=campaign.name,
        segment=segment,
        relay=relay.name,
        strategy=wishes.strategy,
        state="running",
        started=now,
        ended=None,
        factors=expansion.factors,
        ladder=expansion.ladder(),
        values={seed.address: dict(expansion.values(seed.address)) for seed in segment.seeds},
        wears={seed.address: tuple(sorted(expansion.wears(seed.address))) for seed in segment.seeds},
        budget=budget(wishes, segment, relay),
        shuffle_key=wishes.shuffle_key or run_id,
        transactional=campaign.transactional,
        answers=relay.answers.value,
        settle=relay.settle,
        relay_facts=relay_facts(relay),
        digests=digests(campaign, segment),
        envelope_sender=campaign.envelope_sender,
        sender=campaign.sender,
        weights=weights_by_factor(wishes.weights, expansion),
        together=together_by_factor(wishes.together, expansion),
        options={"exact": wishes.exact, "asked": list(wishes.asked), "retries": relay.pace.retries},
        version=__version__,
    )
    return Prepared(run, campaign, segment, relay, expansion)


def new_run_id(now: datetime) -> str:
    """Make a run id that sorts by time and fits a token: 261120-1150-k3f9."""
    letters = "abcdefghijkmnpqrstuvwxyz23456789"
    return f"{now:%y%m%d-%H%M}-" + "".join(secrets.choice(letters) for _ in range(4))


def dress(segment: Segment, profiles: Sequence[Profile], wear: str | None) -> Segment:
    """Let the seeds wear production recipients' merge rows, in turn: what a customer got, sent to a mailbox of ours.

    Raises:
        ConfigError: no profile has the name that is asked for.
    """
    if wear not in (None, "all", "none"):
        profiles = [profile for profile in profiles if profile.name == wear]
        if not profiles:
            raise ConfigError(
                f"--wear {wear}: no profile of the campaign or the suspects has this name; or say all, none"
            )
    if not profiles or wear == "none":
        return segment
    seeds = []
    for number, seed in enumerate(segment.seeds):
        worn = profiles[number % len(profiles)].merge
        merge = {**seed.merge, **worn} if wear else {**worn, **seed.merge}
        seeds.append(replace(seed, merge=merge))
    return replace(segment, seeds=tuple(seeds))


def undressed(campaign: Campaign) -> Campaign:
    """Take off profiles that seeds wear now; an imported message keeps its own: they say what was merged into it."""
    return campaign if campaign.message is not None else replace(campaign, profiles=())


def weights_by_factor(weights: Mapping[str, float], expansion: Expansion) -> dict[str, float]:
    """Spread the weight of a group (a host) over its links; what the campaign does not have is left out."""
    known = {factor.id for factor in expansion.factors}
    spread: dict[str, float] = {}
    for name, weight in weights.items():
        for member in expansion.groups.get(name, (name,)):
            if member in known:
                spread[member] = max(weight, spread.get(member, 0.0))
    return spread


def together_by_factor(together: Sequence[Together], expansion: Expansion) -> tuple[Together, ...]:
    """Spread sets of groups (a host) over their links, one of each; what the campaign does not have is left out."""
    known = {factor.id for factor in expansion.factors}
    spread: dict[tuple[str, ...], float] = {}
    for one in together:
        choices = [[m for m in expansion.groups.get(name, (name,)) if m in known] for name in one.factors]
        for members in islice(product(*choices), MOST_TOGETHER):
            names = tuple(sorted(set(members)))
            if len(names) == len(one.factors) > 1:
                spread[names] = max(one.weight, spread.get(names, 0.0))
    return tuple(Together(names, weight) for names, weight in spread.items())


def budget(wishes: Wishes, segment: Segment, relay: Relay) -> Budget:
    """Turn wishes into caps; a sandbox has no daily cap."""
    batch = wishes.batch or (DEFAULT_BATCH if relay.answers is Answers.BOUNCES else 1)
    return Budget(
        sends=wishes.max_sends,
        refusals=None if wishes.strategy == "ladder" and relay.kind == "sandbox" else wishes.max_refusals,
        per_seed=None,
        refusal_price=wishes.refusal_price,
        batch=batch,
    )


def check_addresses(campaign: Campaign, segment: Segment, relay: Relay) -> None:
    """Refuse what must not leave: reserved addresses to a real relay, an envelope sender that is no address."""
    if not is_address(campaign.envelope_sender):
        raise ConfigError(
            f"variants/{campaign.name}/campaign.yaml: envelope_sender: {campaign.envelope_sender!r} is no address; "
            "write one such as bounces@mail.shop.example"
        )
    if relay.loopback:
        return
    for seed in segment.seeds:
        if is_reserved(seed.address):
            raise ConfigError(
                f"seeds.yaml: {seed.address} (segment {segment.name}) is on a reserved domain, which goes "
                f"to a sandbox or a loopback relay only, and relay {relay.name!r} is {relay.host}; "
                "use --relay sandbox, or seeds at Apple"
            )
    for what, address in (("envelope_sender", campaign.envelope_sender), ("from", campaign.sender)):
        if is_reserved(address.rstrip("> ")):
            raise ConfigError(
                f"variants/{campaign.name}/campaign.yaml: {what}: {address} is on a reserved domain, and relay "
                f"{relay.name!r} is {relay.host}; bounces could not come back. Use a domain of yours"
            )


def check_ready(workspace: Workspace, relay: Relay) -> None:
    """Hold the sandbox's policy, or whatever secret the relay and its bounces need, before a run is written down."""
    if relay.kind == "sandbox":
        load_policy(workspace.path(relay.policy), relay.policy)
        return
    if relay.answers is Answers.BOUNCES and not relay.bounces:
        raise ConfigError(
            f"relay.yaml: relays.{relay.name}: answers: bounces needs a list of bounces: (imap, maildir, mbox, eml, "
            "events or webhook): where nobody listens, silence means nothing"
        )
    workspace.unlock(relay)
    for source in relay.bounces:
        workspace.unlock_source(relay, source)


def check_domains(expansion: Expansion, segment: Segment) -> None:
    """Build one message for every seed, so that a merge value that can't be used is found now."""
    if not expansion.factors:
        raise ConfigError("nothing of this campaign can be put back to plain: there is nothing to test")
    for seed in segment.seeds:
        expansion.values(seed.address)


def relay_facts(relay: Relay) -> dict[str, object]:
    """Return what the ledger keeps of a relay: no secret, nothing that one could log in with."""
    return {
        "name": relay.name,
        "kind": relay.kind,
        "host": relay.host if relay.kind != "sandbox" else "sandbox",
        "port": relay.port if relay.kind != "sandbox" else 0,
        "tls": relay.tls.value,
        "answers": relay.answers.value,
        "settle": relay.settle,
        "headers": sorted(relay.headers),
        "sending_ips": list(relay.sending_ips),
        "company": relay.company,
        "contact": relay.contact,
        "gap": relay.pace.gap,
        "per_hour": relay.pace.per_hour,
        "retries": relay.pace.retries,
    }


def digests(campaign: Campaign, segment: Segment) -> dict[str, str]:
    """Name what is run by content, so that a comparison can say what else changed."""
    return {
        "template": digest(
            [campaign.subject, campaign.preheader, campaign.html, campaign.text, _sha(campaign.message)]
        ),
        "headers": digest([campaign.sender, campaign.envelope_sender, campaign.reply_to, dict(campaign.headers)]),
        "attachments": digest([[a.name, _sha(a.content), a.content_type] for a in campaign.attachments]),
        "plain": digest([campaign.plain.subject, campaign.plain.text, campaign.plain.merge, campaign.plain.redirects]),
        "seeds": digest([[seed.address, seed.domain] for seed in segment.seeds]),
        "merge": digest([[seed.address, dict(seed.merge)] for seed in segment.seeds]),
    }


def expand_again(workspace: Workspace, run: RunRecord) -> tuple[Campaign, Expansion]:
    """Find the factors of a run's campaign once more, to go on with it.

    Raises:
        ConfigError: the campaign's files changed since; new messages would not belong to this run's experiment.
    """
    campaign = undressed(workspace.campaign(run.campaign))
    now = digests(campaign, run.segment)
    changed = [name for name in ("template", "headers", "attachments", "plain") if now[name] != run.digests.get(name)]
    if changed:
        raise ConfigError(
            f"variants/{run.campaign}: {', '.join(changed)} changed since run {run.id} began, and half an "
            "experiment on one message and half on another proves nothing; put the files back, or begin a new run"
        )
    asked = run.options.get("asked")
    return campaign, expand(campaign, run.segment, asked=tuple(asked) if isinstance(asked, (list, tuple)) else ())


def _sha(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()
