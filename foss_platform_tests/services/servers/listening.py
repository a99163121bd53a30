"""Where a process listens, as the kernel has it. Not here: what answers there."""

from pathlib import Path


def listening(pid: int) -> set[tuple[str, int]]:
    """Its addresses and ports."""
    opened = [_target(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {target[len("socket:[") : -1] for target in opened if target.startswith("socket:[")}
    found = set()
    for table, width in (("tcp", 8), ("tcp6", 32)):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            # 0A is "listening"; the last four bytes are those of IPv4, in the machine's byte order
            if fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].split(":")
                assert len(address) == width
                octets = bytes.fromhex(address[-8:])[::-1]
                found.add((".".join(str(octet) for octet in octets), int(port, 16)))
    return found


def _target(link: Path) -> str:
    """What an open file is; nothing where it was closed meanwhile."""
    try:
        return str(link.readlink())
    except OSError:
        return ""
