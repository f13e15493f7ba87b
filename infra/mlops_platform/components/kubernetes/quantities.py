"""Kubernetes' quantities as numbers and back, in the form in which the API server gives them back."""

from __future__ import annotations

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def millicores(cpu: str) -> int:
    """CPU as thousandths of a core: "250m" is 250, "2" is 2000."""
    return int(cpu[:-1]) if cpu.endswith("m") else int(cpu) * 1000


def size(text: str) -> int:
    """Memory or storage as bytes: "1Gi" is 1073741824. Only Ki, Mi, Gi and Ti are known; no suffix is bytes."""
    factor = _BINARY.get(text[-2:])
    return int(text[:-2]) * factor if factor else int(text or "0")


def cpu_text(thousandths: int) -> str:
    """Thousandths of a core as the API server writes them, so that nothing looks changed that isn't."""
    cores, rest = divmod(thousandths, 1000)
    return f"{thousandths}m" if rest else str(cores)


def size_text(number: int) -> str:
    """Bytes as the API server writes them: whole numbers of the largest unit that fits."""
    for suffix, factor in reversed(_BINARY.items()):
        if number and number % factor == 0:
            return f"{number // factor}{suffix}"
    return str(number)
