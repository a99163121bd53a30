"""The script that creates Trino's secrets. A second run recreates removed files and the files derived from them."""

import subprocess
import sys
from hashlib import pbkdf2_hmac
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parents[2] / "docker" / "trino" / "make_secrets.py"


def make(folder: Path) -> dict[str, str]:
    """Run the script and return the files' contents."""
    subprocess.run([sys.executable, str(_SCRIPT), str(folder), "localhost", "127.0.0.1"], check=True)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    return {path.name: path.read_text() for path in folder.iterdir()}


def lets_in(files: dict[str, str], user: str, password: str) -> bool:
    """Whether Trino would accept it: https://trino.io/docs/current/security/password-file.html."""
    (line,) = [line for line in files["trino_passwords"].splitlines() if line.startswith(f"{user}:")]
    _, rounds, salt, key = line.split(":")
    return pbkdf2_hmac("sha1", password.encode(), bytes.fromhex(salt), int(rounds)).hex() == key


def test_second_run_changes_nothing(tmp_path: Path) -> None:
    files = make(tmp_path)
    assert lets_in(files, "engineer", files["trino_engineer_password"])
    assert lets_in(files, "analyst", files["trino_analyst_password"])
    assert make(tmp_path) == files


def test_a_password_that_was_removed_no_longer_logs_in(tmp_path: Path) -> None:
    before = make(tmp_path)
    with (tmp_path / "trino_passwords").open("a") as hashes:
        hashes.write("guest:1:00:00\n")
    (tmp_path / "trino_engineer_password").unlink()
    after = make(tmp_path)
    assert lets_in(after, "engineer", after["trino_engineer_password"])
    assert not lets_in(after, "engineer", before["trino_engineer_password"])
    assert lets_in(after, "analyst", before["trino_analyst_password"])
    assert "guest:1:00:00" in after["trino_passwords"]


@pytest.mark.parametrize("removed", ["trino_passwords", "trino_ca.pem", "trino_certificate.pem"])
def test_removed_file_is_recreated(tmp_path: Path, removed: str) -> None:
    before = make(tmp_path)
    (tmp_path / removed).unlink()
    after = make(tmp_path)
    assert after.keys() == before.keys()
    assert lets_in(after, "engineer", before["trino_engineer_password"])
    verified = ["openssl", "verify", "-CAfile", str(tmp_path / "trino_ca.pem"), str(tmp_path / "trino_certificate.pem")]
    subprocess.run(verified, check=True)
