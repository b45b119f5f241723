"""Remote storage is real: push, a fresh clone, pull, and nothing is left to run; what is corrupted is refused."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.toy_repository import Repository
from typer.testing import CliRunner

from assay.errors import AssayError
from stages import verify_store as script
from tools.up_to_date import SENTENCE

SSHD = shutil.which("sshd", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"]))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("remotes")


@pytest.fixture(scope="module")
def toy(base: Path, toy_template: Repository) -> Repository:
    return toy_template.copy(base / "toy")


@pytest.fixture(scope="module")
def ssh_url(base: Path) -> Iterator[tuple[str, Path]]:
    """(address, private key) of an sshd of our own, on loopback."""
    if SSHD is None:
        pytest.skip("openssh-server is not installed")
    folder = base / "sshd"
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized_keys\n"
        "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        "Subsystem sftp internal-sftp\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(
            mode=0o755, exist_ok=True
        )  # sshd as root insists on it; the service would make it
    with open(folder / "log", "w") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    try:
        _wait_for(port, server, folder / "log")
        yield f"ssh://{getpass.getuser()}@127.0.0.1:{port}", folder / "user"
    finally:
        server.terminate()
        server.wait(timeout=10)


def _wait_for(port: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(100):
        assert server.poll() is None, log.read_text()
        with socket.socket() as client:
            client.settimeout(1)
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"sshd does not answer: {log.read_text()}")


def verify_store(store: Path) -> str:
    return CliRunner().invoke(script.app, ["--store", str(store)], catch_exceptions=False).output


@dataclass(frozen=True)
class Remote:
    """A remote that was pushed to. `settings` is the .dvc/config.local that chooses it, `storage` its folder."""

    settings: str
    storage: Path
    pristine: Path

    def choose(self, repository: Repository) -> None:
        (repository.path / ".dvc/config.local").write_text(self.settings)

    def largest_object(self) -> Path:
        return max((p for p in self.storage.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)

    def damage(self, content: bytes) -> Path:
        """Put `content` in place of the largest object (data/one.bin), with its mode, as a failing disk would.

        DVC distrusts a writable object of a directory anyway; the read-only ones that it wrote are the danger.
        """
        path = self.largest_object()
        mode = path.stat().st_mode
        path.chmod(0o644)
        path.write_bytes(content)
        path.chmod(mode)
        return path


@pytest.fixture(scope="module", params=["directory", "ssh"])
def pushed(request: pytest.FixtureRequest, base: Path, toy: Repository) -> Remote:
    if request.param == "directory":  # what the committed .dvc/config names, beside the repository
        storage, settings = base / "assay-storage", ""
    else:
        address, key = request.getfixturevalue("ssh_url")
        storage = base / "ssh-storage"
        settings = f"['remote \"storage\"']\n    url = {address}{storage}\n    keyfile = {key}\n    allow_agent = false\n"
    remote = Remote(settings, storage, base / f"pristine-{request.param}")
    remote.choose(toy)
    assert "pushed" in toy.dvc("push")
    shutil.copytree(storage, remote.pristine)
    return remote


@pytest.fixture
def remote(pushed: Remote) -> Remote:
    shutil.rmtree(pushed.storage)
    shutil.copytree(pushed.pristine, pushed.storage)
    return pushed


@pytest.fixture
def clone(base: Path, toy: Repository, remote: Remote) -> Repository:
    """A fresh clone beside the toy, so that the relative url of the remote means the same folder.

    A name of its own each time: DVC remembers, by path, what a repository's remote held.
    """
    fresh = toy.clone(base / f"clone-{time.monotonic_ns()}")
    remote.choose(fresh)
    return fresh


def test_push_clone_pull_leaves_nothing_to_run(clone: Repository, toy: Repository, remote: Remote) -> None:
    assert not (clone.path / "data/one.bin").exists()
    clone.dvc("pull")
    assert (clone.path / "data/one.bin").read_bytes() == (toy.path / "data/one.bin").read_bytes()
    assert sorted(p.name for p in (clone.path / "data/many").iterdir()) == [f"{i}.txt" for i in range(5)]
    output = clone.dvc("repro")
    assert SENTENCE in output
    assert "Running stage" not in output
    for store in (remote.storage, clone.path / ".dvc/cache"):
        assert "all 8 objects are intact" in verify_store(store)


@pytest.mark.parametrize("damage", ["flipped", "truncated"])
def test_a_damaged_object_is_refused_and_named(damage: str, clone: Repository, remote: Remote) -> None:
    content = remote.largest_object().read_bytes()
    damaged = remote.damage(
        content[:1000] if damage == "truncated" else bytes([content[0] ^ 1]) + content[1:]
    )
    with pytest.raises(AssayError, match="1 problems among 8 files"):
        verify_store(remote.storage)
    assert "one.bin" in clone.dvc("pull", fails=True)
    assert not (clone.path / "data/one.bin").exists()
    assert not (clone.path / ".dvc/cache/files/md5" / damaged.parent.name / damaged.name).exists()


def test_without_verify_dvc_takes_a_damaged_object(clone: Repository, remote: Remote) -> None:
    """The reason for `verify = true` in .dvc/config; when this fails, DVC has learnt to check by itself."""
    remote.damage(b"short")
    settings = remote.settings or "['remote \"storage\"']\n"
    (clone.path / ".dvc/config.local").write_text(f"{settings}    verify = false\n")
    clone.dvc("pull")
    assert (clone.path / "data/one.bin").read_bytes() == b"short"
