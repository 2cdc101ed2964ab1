"""kill -9 at random instants."""

import asyncio
import json
import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KILLS = 100


async def test_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    """Each kill leaves a whole tree and every acknowledged record; the open calls alone are in doubt."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    command = [sys.executable, "-m", "tests.audit.killing", str(tmp_path), str(KILLS), str(seed)]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    folders = json.loads(done.stdout)
    print(folders)
    assert sum(found["acknowledged"] for found in folders) > 10 * KILLS
    assert sum(found["doubts"] for found in folders) > 0
    for found in folders:
        assert found["lost"] == [] and found["broken"] == [] and found["ok"]
        assert found["doubts_wrong"] == [] and found["doubts_left"] == [] and found["closed_twice"] == 0
