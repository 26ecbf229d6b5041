"""Real refusals of the kernel: a seccomp filter answers some calls of this process with EIO, modes hold for root."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

CALLS = {  # linux/arch/*/include/uapi/asm/unistd.h
    "x86_64": {"write": 1, "fsync": 74, "fdatasync": 75, "pwrite64": 18},
    "aarch64": {"write": 64, "fsync": 82, "fdatasync": 83, "pwrite64": 68},
}
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h: BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
NUMBER, FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
PR_CAPBSET_DROP, CAPABILITIES = 24, (1, 2, 3)  # linux/capability.h: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
VERSION_3 = 0x20080522


def possible() -> bool:
    """Say whether this kernel takes filters."""
    return platform.system() == "Linux" and platform.machine() in CALLS and os.path.exists("/proc/sys/kernel/seccomp")  # noqa: PTH110


def refuse(*names: str, code: int = errno.EIO) -> None:
    """Make the kernel refuse calls from now on, for ever, on every file that this process opens from now on."""
    numbers = [CALLS[platform.machine()][name] for name in names]
    spared = [each for each in range(200) if _is_open(each)]
    program = [(LOAD, 0, 0, NUMBER)]
    program += [(JUMP_IF_EQUAL, len(numbers) - i, 0, number) for i, number in enumerate(numbers)]
    program += [(RETURN, 0, 0, ALLOW), (LOAD, 0, 0, FIRST_ARGUMENT)]
    program += [(JUMP_IF_EQUAL, len(spared) - i, 0, each) for i, each in enumerate(spared)]
    program += [(RETURN, 0, 0, ERRNO | code), (RETURN, 0, 0, ALLOW)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(text)))
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_SECCOMP, FILTER, ctypes.addressof(head))


def obey_modes() -> None:
    """Let the modes of files hold for this process and its children although they are root."""
    if os.geteuid() != 0:
        return
    for each in CAPABILITIES:
        _prctl(PR_CAPBSET_DROP, each)
    libc = ctypes.CDLL(None, use_errno=True)
    head = ctypes.create_string_buffer(struct.pack("Ii", VERSION_3, 0))
    sets = ctypes.create_string_buffer(24)  # effective, permitted, inheritable, each of 32 bits; then the upper halves
    assert libc.capget(head, sets) == 0
    every = sum(1 << each for each in CAPABILITIES)
    values = [value & ~every if i < 3 else value for i, value in enumerate(struct.unpack("6I", sets.raw))]
    sets.raw = struct.pack("6I", *values)
    assert libc.capset(head, sets) == 0


def _prctl(*given: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(*(ctypes.c_ulong(each) for each in (*given, 0, 0, 0)[:5])):
        raise OSError(ctypes.get_errno(), f"prctl{given} is refused")


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
