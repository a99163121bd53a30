"""Creates Trino's secrets as files of one folder: `python3 make_secrets.py FOLDER HOST...`.

The hosts are the names and addresses under which clients and workers reach the coordinator. Existing files are kept, so
a second run creates only removed files and their dependents. A removed password is replaced by a new one, and the old
one is no longer valid. The script needs only Python and openssl.

| file | read by |
|---|---|
| `trino_internal_secret` | the servers, to authenticate each other |
| `trino_ca.pem` | clients, to authenticate the coordinator; the CA's key is not kept |
| `trino_certificate.pem` | the coordinator: its certificate and key |
| `trino_engineer_password`, `trino_analyst_password` | users who log in as engineer or analyst |
| `trino_passwords` | the coordinator: hashes of the passwords |
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
# The only hash that both Trino and Python support. SHA-1 is not a weakness here. These passwords are too long to guess,
# so the hash only has to be fast enough that wrong passwords cannot keep the server busy. For a password chosen by a
# person use `htpasswd -B -C 12`, which Trino supports as well.
_HASH, _ROUNDS = "sha1", 100_000


def main(folder: Path, hosts: list[str]) -> None:
    """Create the missing files."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "trino_internal_secret").exists():
        _write(folder / "trino_internal_secret", secrets.token_urlsafe(32))
    hashes = folder / "trino_passwords"
    # users added by hand are kept
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
    """Create a certificate, signed by a CA that signs no other: its key is deleted when this function returns."""
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
    # a file that was made read-only for containers cannot be overwritten
    path.unlink(missing_ok=True)
    # never readable for others, even while it is still empty
    path.touch(0o600)
    path.write_text(content)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
