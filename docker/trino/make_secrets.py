"""The secrets of Trino, each a file of one folder: `python3 make_secrets.py FOLDER HOST...`.

The hosts are the names and addresses by which clients and workers call the coordinator. What is there already stays, so
that running it again adds only what was removed, and what follows from it: a password that was removed is another, and
the old one no longer logs in. It wants nothing but Python and openssl.

| file | who reads it |
|---|---|
| `trino_internal_secret` | the servers, to know each other |
| `trino_ca.pem` | clients, to know the coordinator; its key is not kept |
| `trino_certificate.pem` | the coordinator: its certificate and key |
| `trino_engineer_password`, `trino_analyst_password` | whoever logs in as these |
| `trino_passwords` | the coordinator: their hashes |
"""

import hashlib
import ipaddress
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

USERS = ("engineer", "analyst")
_DAYS = "825"
# The one kind that both Trino and Python know; SHA-1 is no weakness in it. These passwords are too long to be guessed,
# so it only has to be quick enough that wrong ones cannot keep the server busy. For one that a person chose take
# `htpasswd -B -C 12`, which Trino reads as well.
_HASH, _ROUNDS = "sha1", 100_000


def main(folder: Path, hosts: list[str]) -> None:
    """Make what is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "trino_internal_secret").exists():
        _write(folder / "trino_internal_secret", secrets.token_urlsafe(32))
    hashes = folder / "trino_passwords"
    # users whom somebody else added stay
    lines = hashes.read_text().splitlines(keepends=True) if hashes.exists() else []
    for user in USERS:
        password = folder / f"trino_{user}_password"
        is_known = any(line.startswith(f"{user}:") for line in lines)
        if password.exists() and is_known:
            continue
        if not password.exists():
            _write(password, secrets.token_urlsafe(32))
        lines = [line for line in lines if not line.startswith(f"{user}:")]
        lines.append(_password_line(user, password.read_bytes()))
        _write(hashes, "".join(lines))
    if not all((folder / name).exists() for name in ("trino_ca.pem", "trino_certificate.pem")):
        _make_certificate(folder, hosts)


def _password_line(user: str, password: bytes) -> str:
    salt = secrets.token_bytes(16)
    key = hashlib.pbkdf2_hmac(_HASH, password, salt, _ROUNDS)
    return f"{user}:{_ROUNDS}:{salt.hex()}:{key.hex()}\n"


def _make_certificate(folder: Path, hosts: list[str]) -> None:
    """A certificate of an authority that signs this one alone: its key is gone when this returns."""
    names = ",".join(f"{_kind(host)}:{host}" for host in hosts)
    with tempfile.TemporaryDirectory() as aside:
        inside = Path(aside)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", _DAYS]
        _openssl(inside, "req", "-x509", *key, "-subj", "/CN=foss Trino CA", "-keyout", "ca.key", "-out", "ca.pem")
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"subjectAltName={names}"]
        extensions = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth"]
        made = ["-subj", f"/CN={hosts[0]}", "-keyout", "server.key", "-out", "server.pem"]
        _openssl(inside, "req", "-x509", *key, *signed, *extensions, *made)
        _write(folder / "trino_ca.pem", (inside / "ca.pem").read_text())
        pair = (inside / "server.pem", inside / "server.key")
        _write(folder / "trino_certificate.pem", "".join(part.read_text() for part in pair))


def _kind(host: str) -> str:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "DNS"
    return "IP"


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)


def _write(path: Path, content: str) -> None:
    # one that was made for containers to read may not be written to
    path.unlink(missing_ok=True)
    # never readable for others, not even while it is empty
    path.touch(0o600)
    path.write_text(content)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
