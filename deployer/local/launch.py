"""Runs a program as another user and ties it to its parent's life. Run by path, with nothing but the standard library.

    python -I -S launch.py UID GID SIGNAL PARENT -- PROGRAM ARGUMENT...

UID and GID of -1 leave the user as it is. SIGNAL (a number, 0 for none) is sent to the program when its parent, the
process PARENT, dies: Linux only, elsewhere nothing happens and the next start finds the orphan. Changing the
user keeps one capability, CAP_DAC_READ_SEARCH: PostgreSQL refuses to run as root, while its binaries and its
data may lie below a directory that only root may enter (/root/...). Without it, exit 126 means that the program
cannot be reached as that user.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Data(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def _become(uid: int, gid: int, libc: ctypes.CDLL | None) -> None:
    """Change the user for good; keep CAP_DAC_READ_SEARCH over it where the kernel allows.

    NO_SETUID_FIXUP rather than KEEPCAPS: without it access(2), which PostgreSQL asks of its own binaries, ignores
    the capabilities of a user who is not root.
    """
    if libc is not None:
        libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if libc is None:
        return
    header = _Header(_CAPABILITY_VERSION_3, 0)
    bit = 1 << _CAP_DAC_READ_SEARCH
    kept = (_Data * 2)(_Data(bit, bit, bit), _Data(0, 0, 0))
    if libc.capset(ctypes.byref(header), kept) != 0:
        # A container without the capability: go on without any, and the program may be out of reach.
        if libc.capset(ctypes.byref(header), (_Data * 2)()) != 0:
            sys.exit("cannot drop root's capabilities")
        return
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_READ_SEARCH, 0, 0)


def main(arguments: list[str]) -> None:
    uid, gid, signal, parent = (int(word) for word in arguments[:4])
    command = arguments[5:]
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    os.umask(0o077)
    if uid >= 0:
        _become(uid, gid, libc)
    if libc is not None and signal:
        # After the change of user, which clears it.
        libc.prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the parent is gone")
    try:
        os.execv(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        os._exit(126)


if __name__ == "__main__":
    main(sys.argv[1:])
