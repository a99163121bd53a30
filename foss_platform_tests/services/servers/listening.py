"""Addresses on which a process listens, as reported by the kernel."""

from pathlib import Path


def listening(pid: int) -> set[tuple[str, int]]:
    """Return the addresses and ports of a process."""
    opened = [_target(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {target[len("socket:[") : -1] for target in opened if target.startswith("socket:[")}
    found = set()
    for table, width in (("tcp", 8), ("tcp6", 32)):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            # 0A is "listening". The last four bytes are the IPv4 address, in the machine's byte order.
            if fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].split(":")
                assert len(address) == width
                octets = bytes.fromhex(address[-8:])[::-1]
                found.add((".".join(str(octet) for octet in octets), int(port, 16)))
    return found


def _target(link: Path) -> str:
    """Return the target of an open file, or an empty text if it was closed meanwhile."""
    try:
        return str(link.readlink())
    except OSError:
        return ""
