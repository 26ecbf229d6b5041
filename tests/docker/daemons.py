"""A Docker daemon of the tests' own: on its own socket, with its own data, gone at the end."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

NEEDED = ("dockerd", "docker", "containerd", "runc", "debootstrap", "unshare")
IMAGE = "renex-test-base:latest"
PACKAGES = "python3"
LEFT_OUT = ("doc", "locale", "man", "info", "zoneinfo", "perl")  # below /usr/share: nothing there that a test needs
SECONDS_TO_START = 60


@dataclass
class Daemon:
    """A running dockerd."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def host(self) -> str:
        return f"unix://{self.folder / 'docker.sock'}"

    def ask(self, *argv: str) -> str:
        """Return what `docker ARGV` prints."""
        command = ["docker", "--host", self.host, *argv]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        if done.returncode:
            log = (self.folder / "log").read_text(errors="replace")[-1500:]
            raise RuntimeError(f"{done.stderr.strip()}; dockerd: {self.process.poll()}\n{log}")
        return done.stdout

    def containers(self) -> list[str]:
        """Return the ids of all containers, running or not."""
        return self.ask("ps", "--all", "--quiet", "--no-trunc").split()

    def kill(self) -> None:
        """End the daemon at once, as a crash would; its containers and their shims go on."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End the daemon, all that it started, and its data."""
        if self.process.poll() is None:
            with suppress(Exception):
                if left := self.containers():
                    self.ask("rm", "--force", *left)
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        _kill_what_names(self.folder)
        _unmount_below(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


def missing() -> str:
    """Return why no daemon can be had here; nothing when one can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "dockerd needs root"
    names = [each for each in NEEDED if not shutil.which(each)]
    return f"{', '.join(names)} not on the PATH (apt install docker.io debootstrap)" if names else ""


def start(folder: Path) -> Daemon:
    """Start a daemon with its socket and data in a folder; it answers when this returns.

    Raises
    ------
    RuntimeError : with the last lines of its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    # In a network namespace of its own, with a docker0 of its own: that of a daemon of the machine stays as it is.
    command = ["unshare", "--net", "dockerd", "--host", f"unix://{folder / 'docker.sock'}"]
    command += ["--data-root", str(folder / "data"), "--exec-root", str(folder / "run")]
    command += ["--pidfile", str(folder / "pid"), "--iptables=false", "--ip6tables=false", "--log-level", "warn"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    daemon = Daemon(process, folder)
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(RuntimeError, subprocess.SubprocessError):
            daemon.ask("version")
            return daemon
        time.sleep(0.2)
    daemon.stop()
    raise RuntimeError(f"dockerd did not start:\n{log.read_text()[-3000:] if log.exists() else ''}")


def base_archive() -> Path:
    """Return a tar of a small Debian with Python, made by debootstrap once for this machine.

    Raises
    ------
    RuntimeError : it cannot be made, as where no mirror can be reached.
    """
    codename, mirror = _release()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "renex-tests"
    key = hashlib.sha256(f"{codename} {PACKAGES}".encode()).hexdigest()[:8]
    archive = cache / f"base-{codename}-{key}.tar"
    if archive.exists():
        return archive
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:  # it takes minutes: another process of the tests waits for it
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            _make_archive(archive, codename, mirror)
    return archive


def _make_archive(archive: Path, codename: str, mirror: str) -> None:
    cache = archive.parent
    root, part = cache / f"root-{os.getpid()}", archive.with_suffix(f".{os.getpid()}")
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", codename, str(root), mirror]
    try:
        made = subprocess.run(command, capture_output=True, text=True, timeout=600, env=_with_proxy(), check=False)
        if made.returncode:
            raise RuntimeError(f"debootstrap failed:\n{made.stdout[-1500:]}{made.stderr[-1500:]}")
        left_out = [
            f"--exclude=./{each}"
            for each in (
                "dev/*",
                "var/cache/apt/*",
                "var/lib/apt/lists/*",
                *(f"usr/share/{each}/*" for each in LEFT_OUT),
            )
        ]
        subprocess.run(["tar", "--numeric-owner", *left_out, "-C", str(root), "-cf", str(part), "."], check=True)
        part.rename(archive)
    finally:
        part.unlink(missing_ok=True)
        _unmount_below(root)
        shutil.rmtree(root, ignore_errors=True)


def _release() -> tuple[str, str]:
    """Return the code name of this Debian, and the mirror that apt takes it from."""
    lines = Path("/etc/os-release").read_text().splitlines()
    codename = next(line.partition("=")[2].strip('"') for line in lines if line.startswith("VERSION_CODENAME="))
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"]
    rows = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split("\n")
    mirrors = [row.split()[0] for row in rows if row.split()[1:] == [codename]]
    if not mirrors:
        raise RuntimeError(f"apt knows no mirror of {codename}")
    return codename, mirrors[0]


def _with_proxy() -> dict[str, str]:
    """Return the environment with the proxy that apt uses, which debootstrap does not ask for."""
    found = subprocess.run(
        ["apt-config", "shell", "proxy", "Acquire::http::Proxy"], capture_output=True, text=True, check=False
    )
    proxy = found.stdout.partition("=")[2].strip().strip("'")
    return {**os.environ, "http_proxy": proxy} if proxy else dict(os.environ)


def _kill_what_names(folder: Path) -> None:
    """Kill the daemon's containerd, shims and containers: the processes whose command line names its folder, and theirs."""
    shims = []
    for each in Path("/proc").iterdir():
        if each.name.isdecimal() and int(each.name) != os.getpid():
            with suppress(OSError):
                words = (each / "cmdline").read_bytes().split(b"\0")
                if b"containerd" in words[0] and any(str(folder).encode() in word for word in words):
                    shims.append(int(each.name))
    for pid in [*(child for shim in shims for child in _children(shim)), *shims]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if shims:
        time.sleep(0.3)


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return []


def _unmount_below(folder: Path) -> None:
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        place = line.split()[1]
        if place == str(folder) or place.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)
