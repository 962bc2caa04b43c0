"""Install torch: the CPU build, unless this machine has an NVIDIA GPU.

On Linux a plain `pip install torch` fetches a CUDA build of several GB, whatever the machine. The CPU build is the
release with the local version `+cpu`. It lies on PyTorch's own index, so it is asked for by that exact version: pip
then either finds a CPU build or fails, and never falls back to CUDA in silence. Any other place that pip is
configured to look in (a mirror, a folder of wheels) is searched as well.

Only the wheel itself is installed here (--no-deps): what it depends on comes with the package, from the usual index.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys

VERSION = "2.13.0"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PATIENCE = ["--retries", "2", "--timeout", "15"]  # an index that does not answer costs seconds, not minutes


def has_nvidia_gpu() -> bool:
    """Whether the NVIDIA driver answers and lists a GPU."""
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return False
    listing = subprocess.run([smi, "-L"], capture_output=True, text=True, check=False)
    return listing.returncode == 0 and "GPU" in listing.stdout


def choose_build(wanted: str, *, system: str, gpu: bool) -> str:
    """Resolve "auto": "cpu" where the registry's default wheel would be a CUDA build that nobody can use."""
    if wanted != "auto":
        return wanted
    return "default" if gpu or system == "Darwin" else "cpu"


def attempts(build: str) -> list[list[str]]:
    """Arguments of the `pip install` calls to try, in this order, until one succeeds."""
    if build == "default":
        return [[f"torch=={VERSION},!={VERSION}+cpu"]]  # pip prefers +cpu where it sees both
    return [[*PATIENCE, "--extra-index-url", CPU_INDEX, f"torch=={VERSION}+cpu"], [f"torch=={VERSION}"]]


def install(build: str) -> int:
    """Try each way in turn; returns pip's last exit code."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps"]
    code = 1
    for number, arguments in enumerate(attempts(build)):
        if number > 0:
            say(
                "the CPU build could not be had. Taking the package registry's default build instead, which on Linux "
                f"may be a CUDA build of several GB. To avoid that, stop this and install torch {VERSION} yourself."
            )
        code = subprocess.run([*pip, *arguments], check=False).returncode
        if code == 0:
            break
    return code


def check() -> int:
    """Import what was installed and say what it is."""
    import torch

    cuda = torch.version.cuda
    say(f"torch {torch.__version__}, " + (f"CUDA {cuda}" if cuda else "without CUDA"))
    if cuda and not has_nvidia_gpu():
        say("warning: this is a CUDA build, and no NVIDIA GPU was found. It works, and takes several GB.")
    if cuda is None and has_nvidia_gpu():
        say("warning: this machine has an NVIDIA GPU, and this build cannot use it.")
    return 0


def say(text: str) -> None:
    """Print one line that shows where it comes from among pip's output."""
    print(f"install_torch: {text}", flush=True)


def main() -> int:
    """Command line; see `--help`."""
    parser = argparse.ArgumentParser(description="Install torch: the CPU build, unless there is an NVIDIA GPU.")
    parser.add_argument("--build", choices=["auto", "cpu", "default"], default="auto")
    parser.add_argument("--check", action="store_true", help="install nothing, print what is there")
    options = parser.parse_args()
    if options.check:
        return check()
    build = choose_build(options.build, system=platform.system(), gpu=has_nvidia_gpu())
    say(f"installing torch {VERSION}, {build} build")
    return install(build)


if __name__ == "__main__":
    sys.exit(main())
