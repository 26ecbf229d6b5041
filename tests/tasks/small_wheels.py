"""Wheels of a few lines, in a folder that is all that pip and uv may look at."""

import zipfile
from pathlib import Path


def small_wheel(folder: Path, name: str, version: str = "1.0", requires: tuple[str, ...] = (), code: str = "") -> Path:
    """Write a wheel of one module that knows its version."""
    folder.mkdir(parents=True, exist_ok=True)
    home = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", *(f"Requires-Dist: {r}\n" for r in requires)]
    files = {
        f"{name}.py": f"VERSION = {version!r}\n{code}",
        f"{home}/METADATA": "".join(lines),
        f"{home}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{home}/RECORD"] = "".join(f"{each},,\n" for each in (*files, f"{home}/RECORD"))
    with zipfile.ZipFile(path, "w") as wheel:
        for each, text in files.items():
            wheel.writestr(each, text)
    return path
