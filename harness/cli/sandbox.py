"""`harness sandbox`: the stand-in for Apple as a server."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.common import WorkspaceOption, clean, note, open_workspace


def sandbox(
    policy: Annotated[
        str | None, typer.Option(help="Policy file; default: the one of the relay called sandbox.")
    ] = None,
    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 2525,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the stand-in for Apple's MX on loopback until Ctrl-C.

    Example: harness sandbox --policy sandbox.yaml --port 2525
    """
    import asyncio
    from pathlib import Path

    from harness.edge.policy_file import load_policy
    from harness.edge.sandbox import Decision, serve

    domains: dict[str, str] = {}
    if policy:
        path = Path(policy)
    else:
        place = open_workspace(workspace)
        relay = next((r for r in place.relays.values() if r.kind == "sandbox"), None)
        path = place.path(relay.policy if relay else "sandbox.yaml")
        domains = {seed.address: seed.domain for segment in place.segments.values() for seed in segment.seeds}
    rules = load_policy(path, str(policy or path.name))

    def tell(one: Decision) -> None:
        note(clean(f"{one.recipient} ({one.domain}), {one.size} bytes: {one.reply.splitlines()[0]}"))

    def ready(number: int) -> None:
        note(f"sandbox: SMTP on {host}:{number}, policy {path}; Ctrl-C ends it")

    asyncio.run(serve(rules, host, port, domains=domains, tell=tell, ready=ready))
