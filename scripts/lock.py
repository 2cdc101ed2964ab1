"""Write requirements.lock and requirements-dev.lock: every platform, every hash, each release a week old."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

UV = "uv==0.13.9"
week_ago = (datetime.now(UTC) - timedelta(days=7)).date().isoformat()
subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", UV], check=True)
common = [
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-header",
]
for target, extra in (("requirements.lock", []), ("requirements-dev.lock", ["--group", "dev"])):
    subprocess.run(
        [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "compile",
            "--quiet",
            *common,
            "--exclude-newer",
            week_ago,
            *extra,
            "pyproject.toml",
            "-o",
            target,
        ],
        check=True,
    )
    print(f"{target}: releases up to {week_ago}")
