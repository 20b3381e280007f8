"""A real mail stack on high ports of loopback, for tests: Postfix, Dovecot and the scripted MX.

    python -m tests.mailstack.stack start [--dir DIR]     prints JSON with all ports
    python -m tests.mailstack.stack stop | status | log | queue | hold | release [--dir DIR]

Needs root and the Debian packages postfix, dovecot-imapd and openssl. README.md beside this file tells more.
"""

import argparse
import contextlib
import fcntl
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from tests.mailstack.layout import HERE, StackError, listening, write_files

DEFAULT_DIR = "/tmp/mailstack"
PACKAGES = "apt-get install postfix dovecot-imapd openssl"


def alive(pid):
    """True if the process exists and is no zombie."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def read_pid(path):
    try:
        return int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


class MailStack:
    """One stack in a folder of its own; a context manager."""

    def __init__(
        self,
        directory=None,
        base_port=0,
        queue_lifetime=20,
        rate_limit=5,
        rate_unit=10,
        mx_args=(),
    ):
        self.temporary = directory is None
        if self.temporary:
            directory = tempfile.mkdtemp(prefix="mailstack-", dir="/tmp")
            os.chmod(directory, 0o755)
        self.root = pathlib.Path(directory).resolve()
        self.base_port = base_port
        self.queue_lifetime = queue_lifetime
        self.rate_limit = rate_limit
        self.rate_unit = rate_unit
        self.mx_args = list(mx_args)
        self.etc = self.root / "etc"
        self.tls = self.root / "tls"
        self.mail = self.root / "mail"
        self.log = self.root / "log"
        self.spool = self.root / "spool"
        self.mx_out = self.root / "mx"
        self.info_path = self.root / "stack.json"
        self.marker = self.root / ".mailstack"
        self.mx_pid = self.root / "scripted_mx.pid"
        self.info = {}

    # -- life cycle ----------------------------------------------------------

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.stop(keep=not self.temporary)

    def start(self):
        """Start everything; if it already runs, return its description."""
        self.check_machine()
        self.root.mkdir(parents=True, exist_ok=True)
        with self.locked():
            if self.running():
                return self.info
            self.stop_processes()
            self.wipe()
            self.marker.touch()
            try:
                self.info = write_files(self)
                self.start_processes()
            except BaseException:
                self.stop_processes()
                raise
        return self.info

    def stop(self, keep=False):
        """Stop all processes; remove the state unless `keep`."""
        if not self.root.exists():
            return
        with self.locked():
            self.stop_processes()
            self.info_path.unlink(missing_ok=True)
            if not keep:
                self.wipe()
                self.root.rmdir()

    def running(self):
        try:
            self.info = json.loads(self.info_path.read_text())
        except (OSError, ValueError):
            return False
        pids = self.pids()
        return all(alive(pid) for pid in pids.values()) and all(listening(port) for port in self.info["ports"].values())

    def pids(self):
        return {
            "postfix": read_pid(self.spool / "pid" / "master.pid"),
            "dovecot": read_pid(self.root / "dovecot" / "run" / "master.pid"),
            "scripted_mx": read_pid(self.mx_pid),
        }

    @contextlib.contextmanager
    def locked(self):
        path = self.root.with_name(self.root.name + ".lock")
        with open(path, "w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def wipe(self):
        """Empty the directory, if it is ours."""
        if any(self.root.iterdir()) and not self.marker.exists():
            raise StackError(f"{self.root} is neither empty nor made by mailstack")
        for path in self.root.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != self.marker:
                path.unlink()
        self.marker.unlink(missing_ok=True)

    # -- preparation ---------------------------------------------------------

    def check_machine(self):
        if os.geteuid() != 0:
            raise StackError("must run as root: Postfix and Dovecot change user")
        for program in ("postfix", "dovecot", "doveadm", "openssl"):
            if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin"):
                raise StackError(f"{program} is not installed; {PACKAGES}")
        if not importlib.util.find_spec("aiosmtpd"):
            raise StackError(f"aiosmtpd is not installed for {sys.executable}")
        if len(str(self.root)) > 50:
            raise StackError("directory name too long for unix sockets (50 at most)")
        for parent in (self.root, *self.root.parents):
            if parent.exists() and not parent.stat().st_mode & 0o001:
                raise StackError(
                    f"{parent} is closed to other users (chmod o+x), and the daemons "
                    "run as other users; pytest's tmp_path is such a place"
                )

    # -- processes -----------------------------------------------------------

    def command(self, *args, check=True):
        env = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
        env.pop("MAIL_CONFIG", None)
        # A file, not a pipe: daemons keep it open and a pipe would never end.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                list(map(str, args)),
                check=False,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=60,
            )
            output.seek(0)
            text = output.read()
        if check and done.returncode:
            raise StackError(f"{' '.join(map(str, args))} failed:\n{text}")
        return text

    def start_processes(self):
        ports = self.info["ports"]
        # 1. Postfix makes its queue folders, Dovecot needs spool/private.
        (self.spool / "private").mkdir(mode=0o700)
        shutil.chown(self.spool / "private", "postfix")
        self.command("dovecot", "-c", self.etc / "dovecot.conf")
        # 2. The destination.
        listen = ",".join(f"{n}={p}" for n, p in ports.items() if n.startswith("mx"))
        with open(self.log / "scripted_mx.log", "ab") as log:
            process = subprocess.Popen(
                [
                    sys.executable, str(HERE / "scripted_mx.py"), "--listen", listen,
                    "--out", str(self.mx_out), "--rules", self.info["rules"],
                    "--cert", str(self.tls / "server.pem"),
                    "--key", str(self.tls / "server.key"), *self.mx_args,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )  # fmt: skip
        self.mx_pid.write_text(f"{process.pid}\n")
        self._mx_process = process
        # 3. The relay.
        self.command("postfix", "-c", self.etc, "start")
        deadline = time.monotonic() + 20
        for name, port in ports.items():
            while not listening(port):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise StackError(f"{name} (port {port}) did not start\n{self.tail()}")
                time.sleep(0.02)
        self.info["pids"] = self.pids()
        self.info_path.write_text(json.dumps(self.info, indent=1) + "\n")

    def stop_processes(self):
        pids = self.pids()
        for name, pid in pids.items():
            if pid and alive(pid) and self.ours(name, pid):
                os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        for name, pid in pids.items():
            while pid and alive(pid) and self.ours(name, pid):
                process = getattr(self, "_mx_process", None)
                if process and process.pid == pid:
                    process.poll()
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                    deadline += 1
                time.sleep(0.02)

    def ours(self, name, pid):
        """A pid file may be stale: kill only a process of this stack."""
        try:
            cmdline = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            cwd = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            return False
        if name == "postfix":
            return b"master" in cmdline and cwd.startswith(str(self.spool))
        if name == "dovecot":
            return str(self.etc / "dovecot.conf").encode() in cmdline
        return b"scripted_mx.py" in cmdline and str(self.mx_out).encode() in cmdline

    # -- helpers for tests ---------------------------------------------------

    def tail(self, lines=30):
        text = ""
        for path in sorted(self.log.glob("*.log")):
            last = path.read_text(errors="replace").splitlines()[-lines:]
            text += f"--- {path}\n" + "\n".join(last) + "\n"
        return text

    def queue(self):
        """What is still in Postfix's queue, one dict per message."""
        output = self.command("postqueue", "-c", self.etc, "-j")
        return [json.loads(line) for line in output.splitlines() if line.strip()]

    def hold(self):
        """Accept mail but deliver nothing to the MX until release()."""
        self.command("postconf", "-c", self.etc, "-e", "defer_transports=smtp")
        self.command("postfix", "-c", self.etc, "reload")

    def release(self):
        self.command("postconf", "-c", self.etc, "-e", "defer_transports=")
        self.command("postfix", "-c", self.etc, "reload")
        self.command("postqueue", "-c", self.etc, "-f")

    def mx_rows(self):
        """All transactions that the scripted MX saw."""
        path = self.mx_out / "mx.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines()]

    def bounces(self, count=1, timeout=15):
        """Wait for `count` mails in the bounce Maildir; return their bytes."""
        maildir = self.mail / "bounce" / "Maildir"
        deadline = time.monotonic() + timeout
        while True:
            found = [*(maildir / "new").iterdir(), *(maildir / "cur").iterdir()]
            if len(found) >= count:
                found.sort(key=lambda path: path.stat().st_mtime_ns)
                return [path.read_bytes() for path in found]
            if time.monotonic() > deadline:
                raise StackError(f"{len(found)} of {count} bounces\n{self.tail()}")
            time.sleep(0.05)

    def set_rules(self, rules):
        """Replace the scripted MX's content policy, at once and atomically."""
        path = self.etc / "rules.json"
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(rules))
        temporary.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("verb", choices=["start", "stop", "status", "log", "queue", "hold", "release"])
    parser.add_argument("--dir", default=DEFAULT_DIR)
    parser.add_argument("--base-port", type=int, default=0, help="0: any free run")
    parser.add_argument("--queue-lifetime", type=int, default=20, metavar="SECONDS")
    parser.add_argument("--rate-limit", type=int, default=5, metavar="MESSAGES")
    parser.add_argument("--rate-unit", type=int, default=10, metavar="SECONDS")
    parser.add_argument("--keep", action="store_true", help="stop: keep the state")
    parser.add_argument("mx_args", nargs="*", help="after --: options for scripted_mx.py")
    args = parser.parse_args()
    stack = MailStack(
        args.dir,
        args.base_port,
        args.queue_lifetime,
        args.rate_limit,
        args.rate_unit,
        args.mx_args,
    )
    try:
        if args.verb == "start":
            print(json.dumps(stack.start(), indent=1))
        elif args.verb == "stop":
            stack.stop(keep=args.keep)
        elif args.verb == "status":
            up = stack.running()
            print(json.dumps({"running": up, "pids": stack.pids()}))
            return 0 if up else 1
        elif args.verb == "log":
            print(stack.tail(200), end="")
        elif args.verb == "queue":
            for row in stack.queue():
                print(json.dumps(row))
        else:
            getattr(stack, args.verb)()
    except StackError as error:
        print(f"mailstack: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
