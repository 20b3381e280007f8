"""A real name server (NSD) on loopback, with one zone for everything: the root. What is not in it does not exist."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

NSD = shutil.which("nsd") or ("/usr/sbin/nsd" if Path("/usr/sbin/nsd").is_file() else None)
WITHOUT_NSD = "no name server to ask: install Debian's nsd"

ZONE = """
$ORIGIN .
$TTL 60
. SOA a. b. 1 60 60 60 60
. NS a.
; a sender in order
good.test. MX 10 mx.good.test.
mx.good.test. A 192.0.2.1
good.test. TXT "v=spf1 ip4:192.0.2.0/28 include:esp.test -all"
esp.test. TXT "v=spf1 ip4:198.51.100.0/24 ~all"
k1._domainkey.good.test. TXT {rsa2048}
own._domainkey.good.test. TXT {own}
ed._domainkey.good.test. TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
big._domainkey.good.test. TXT {rsa4096}
esp._domainkey.good.test. CNAME k1._domainkey.esp.test.
k1._domainkey.esp.test. TXT {rsa2048}
gone._domainkey.good.test. CNAME gone._domainkey.esp.test.
dead._domainkey.good.test. CNAME k1._domainkey.failing.test.
other._domainkey.good.test. A 192.0.2.1
round._domainkey.good.test. CNAME round._domainkey.good.test.
sub.dname.test. DNAME good.test.
_dmarc.good.test. TXT "v=DMARC1; p=reject; rua=mailto:d@good.test"
_mta-sts.good.test. TXT "v=STSv1; id=1"
_smtp._tls.good.test. TXT "v=TLSRPTv1; rua=mailto:t@good.test"
default._bimi.good.test. TXT "v=BIMI1; l=https://good.test/l.svg"
www.good.test. A 192.0.2.80
here.test. A 127.0.0.1
six.good.test. AAAA 2001:db8::80
1.2.0.192.in-addr.arpa. PTR mx.good.test.
; one of each that is wrong
2.2.0.192.in-addr.arpa. PTR lost.good.test.
lost.good.test. A 192.0.2.99
4.2.0.192.in-addr.arpa. PTR 192-0-2-4.dynamic.isp.test.
192-0-2-4.dynamic.isp.test. A 192.0.2.4
5.2.0.192.in-addr.arpa. PTR aaa.good.test.
5.2.0.192.in-addr.arpa. PTR mx5.good.test.
aaa.good.test. A 192.0.2.98
mx5.good.test. A 192.0.2.5
6.2.0.192.in-addr.arpa. PTR spooling.handsload.test.
spooling.handsload.test. A 192.0.2.6
7.2.0.192.in-addr.arpa. PTR ip192.0.2.7.isp.test.
ip192.0.2.7.isp.test. A 192.0.2.7
8.2.0.192.in-addr.arpa. PTR 8.2.0.192.static.isp.test.
8.2.0.192.static.isp.test. A 192.0.2.8
9.2.0.192.in-addr.arpa. PTR mx192-0-2-90.isp.test.
mx192-0-2-90.isp.test. A 192.0.2.9
aliased.test. MX 10 alias.aliased.test.
alias.aliased.test. CNAME mx.good.test.
weak._domainkey.bad.test. TXT {rsa512}
short._domainkey.bad.test. TXT {rsa1024}
revoked._domainkey.bad.test. TXT "v=DKIM1; p="
sha1._domainkey.bad.test. TXT {sha1}
tlsrpt._domainkey.bad.test. TXT {tlsrpt}
wide._domainkey.bad.test. TXT {wide}
two._domainkey.bad.test. TXT {rsa2048}
two._domainkey.bad.test. TXT {rsa1024}
beside._domainkey.bad.test. TXT {rsa2048}
beside._domainkey.bad.test. TXT "a note"
broken._domainkey.bad.test. TXT "v=DKIM1; p=!!"
second._domainkey.bad.test. TXT "v=DKIM2; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
kind._domainkey.bad.test. TXT "v=DKIM1; k=dsa; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
short25519._domainkey.bad.test. TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg=="
testing._domainkey.bad.test. TXT {testing}
both._domainkey.bad.test. TXT {both}
two.test. TXT "v=spf1 -all"
two.test. TXT "v=spf1 ~all"
_dmarc.two.test. TXT "v=DMARC1; p=none"
_dmarc.two.test. TXT "v=DMARC1; p=reject"
open.test. TXT "v=spf1 +all"
_dmarc.open.test. TXT "v=DMARC1; p=none"
byname.test. TXT "v=spf1 ptr:good.test -all"
opened.test. TXT "v=spf1 redirect=openly.test"
openly.test. TXT "v=spf1 include:open.test -all"
typo.test. TXT "v=spf1 ipv4:192.0.2.1 -all"
_dmarc.typo.test. TXT "v=DMARC1; p=nothing"
_dmarc.unsaid.test. TXT "v=DMARC1; rua=mailto:x@unsaid.test"
_dmarc.later.test. TXT "v=DMARC10; p=reject"
_dmarc.away.test. CNAME _dmarc.good.test.
loop.test. TXT "v=spf1 include:loop.test -all"
void.test. TXT "v=spf1 a:n1.test a:n2.test a:n3.test -all"
sixes.test. TXT "v=spf1 mx a:mx.sixes.test a:six.good.test a:n1.test -all"
sixes.test. MX 10 mx.sixes.test.
mx.sixes.test. AAAA 2001:db8::25
lateword.test. TXT "v=spf1 include:esp.test include:typo.test -all"
firstword.test. TXT "v=spf1 include:typo.test ip4:192.0.2.1 -all"
nobody.test. TXT "v=spf1 ip4:192.0.2.1/33 -all"
closed.test. TXT "v=spf1 -all"
_dmarc.closed.test. TXT "v=DMARC1; p=reject; rua=mailto:a@closed.test"
redirect.test. TXT "v=spf1 redirect=esp.test"
macro.test. TXT "v=spf1 exists:%{{i}}._spf.macro.test -all"
byip.test. TXT "v=spf1 exists:%{{i}}.allowed.byip.test -all"
192.0.2.1.allowed.byip.test. A 127.0.0.2
bydomain.test. TXT "v=spf1 include:%{{dr}}.of.byip.test ?all"
test.bydomain.of.byip.test. TXT "v=spf1 ip4:192.0.2.1 -all"
bylocal.test. TXT "v=spf1 exists:%{{l}}.allowed.byip.test -all"
unknown.test. TXT "v=spf1 foo-bar=a/b ip4:192.0.2.1 -all"
nothing.test. TXT "v=spf1 include: -all"
twice.test. TXT "v=spf1 redirect=esp.test redirect=good.test"
late.test. TXT "v=spf1 ip4:192.0.2.1 ipv4:192.0.2.2 -all"
length.test. TXT "v=spf1 a:mx.good.test/99 -all"
kind.test. TXT "v=spf1 ip4:2001:db8::/32 -all"
part.test. TXT "v=spf1 include:x.failing.test -all"
crowd.test. TXT "v=spf1 mx -all"
{crowd}
mxspf.test. TXT "v=spf1 mx -all"
mxspf.test. MX 10 mx.good.test.
many.test. TXT "v=spf1 {includes} -all"
{included}
null.test. MX 0 .
null.test. A 192.0.2.7
cname.test. CNAME good.test.
split.test. TXT "v=spf1 ip4:192.0.2" ".0/24 -a" "ll"
huge.test. TXT {padding}
huge.test. TXT "v=spf1 ip4:192.0.2.1 -all"
edge.test. TXT "v=spf1 {ten} -all"
implicit.test. A 192.0.2.7
six.test. AAAA 2001:db8::7
deadmx.test. MX 10 gone.deadmx.test.
unsure.test. MX 10 x.failing.test.
empty.test. TXT "hello"
_dmarc.strict.test. TXT "v=DMARC1; p=quarantine; adkim=s; aspf=s; rua=mailto:a@strict.test"
_dmarc.nosemi.test. TXT "v=DMARC1 p=reject"
_dmarc.order.test. TXT "p=reject; v=DMARC1"
_dmarc.quoted.test. TXT "\\"v=DMARC1; p=reject\\""
_dmarc.noted.test. TXT "a note"
_dmarc.spelled.test. TXT "v=DMARC1; p=reject; adkim=x; pct=200; rua=mailto:a@strict.test!10m,mailto:a@good.test,https://x"
spelled.test._report._dmarc.good.test. TXT "v=DMARC1"
_dmarc.sponly.test. TXT "v=DMARC1; p=reject; sp=bogus"
_dmarc.parent.test. TXT "v=DMARC1; p=none; sp=reject; rua=mailto:a@parent.test"
; lists
listed.test.dbl.test. A 127.0.1.2
listed.test.s3cretkey.dbl.test. A 127.0.1.2
listed.test.s3cretkey.dbl.test. TXT "see https://dbl.test/?key=S3CRETKEY"
test.s3cretkey.dbl.test. A 127.0.1.2
listed.test.bits.test. A 127.0.0.88
click.good.test. A 192.0.2.80
click.good.test.dbl.test. A 127.0.1.2
listed.test.dbl.test. TXT "listed for the test"
test.dbl.test. A 127.0.1.2
*.refusing.test. A 127.255.255.254
*.unserved.test. A 127.0.0.1
*.parked.test. A 203.0.113.9
*.all.test. A 127.0.0.2
66.2.0.192.ipbl.test. A 127.0.0.4
2.0.0.127.ipbl.test. A 127.0.0.2
"""


OWN = generate_private_key(65537, 2048)  # whose public half is published under `own`


def own_pem() -> str:
    """Return the key whose public half is published under `own`."""
    return OWN.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _key(bits: int, extra: str = "") -> str:
    """Make a DKIM record with a real key."""
    if bits < 1024:  # no library makes one so weak; a published one is only read
        raw = base64.b64decode(
            "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL51rsvkbd0pKHPbIfZSoOcTSuTyaN+QcsvKl3f5MVGe/i0N+y04FXYYAMcKqtrpnr6ICHbIkWNL45o6BIzNK18CAwEAAQ=="
        )
    else:
        raw = _public(generate_private_key(65537, bits))
    return _record(raw, extra)


def _public(key: RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _record(raw: bytes, extra: str = "") -> str:
    """Write a DKIM record, cut into strings of 200."""
    text = f"v=DKIM1; k=rsa; {extra}p={base64.b64encode(raw).decode()}"
    return " ".join(f'"{text[i : i + 200]}"' for i in range(0, len(text), 200))


def free_port() -> int:
    """Find a port that nobody uses, for a server over UDP or TCP."""
    while True:
        with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            stream.bind(("127.0.0.1", 0))
            port = int(stream.getsockname()[1])
            with suppress(OSError):  # another's over UDP
                datagrams.bind(("127.0.0.1", port))
                return port


@contextmanager
def name_server(folder: Path) -> Iterator[int]:
    """Start NSD in a folder and return its port."""
    port = free_port()
    included = "\n".join(f'i{n}.test. TXT "v=spf1 ip4:203.0.113.{n} -all"' for n in range(12))
    zone = ZONE.format(
        own=_record(_public(OWN)), rsa2048=_key(2048), rsa4096=_key(4096), padding=" ".join([f'"{"x" * 200}"'] * 20), ten=" ".join(f"include:i{n}.test" for n in range(10)),
        rsa1024=_key(1024), rsa512=_key(512), testing=_key(2048, "t=y; "), sha1=_key(2048, "h=sha1; "),
        tlsrpt=_key(2048, "s=tlsrpt; "), wide=_key(2048, "s=tlsrpt:email; h=sha1:sha256; "), both=_key(1024, "t=y; "),
        crowd="\n".join(f"crowd.test. MX {n} mx.good.test." for n in range(11)),
        includes=" ".join(f"include:i{n}.test" for n in range(12)), included=included,
    )  # fmt: skip
    (folder / "root.zone").write_text(zone)
    (folder / "nsd.conf").write_text(f"""
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  zonesdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  logfile: "{folder}/nsd.log"
  server-count: 1
  hide-version: yes
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "root.zone"
zone:
  name: "failing.test"
  zonefile: "there-is-none.zone"
""")
    assert NSD
    server = subprocess.Popen(
        [NSD, "-d", "-c", str(folder / "nsd.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(port, server, folder)
        yield port
    finally:
        server.terminate()
        server.wait(10)


def _wait(port: int, server: subprocess.Popen[bytes], folder: Path) -> None:
    import dns.message
    import dns.query

    question = dns.message.make_query("good.test", "MX")
    for _ in range(100):
        if server.poll() is not None:
            break
        try:
            if dns.query.udp(question, "127.0.0.1", port=port, timeout=0.2).answer:
                return
        except Exception:  # not up yet
            time.sleep(0.05)
    log = folder / "nsd.log"
    raise RuntimeError(f"nsd did not start: {log.read_text() if log.exists() else 'no log'}")
