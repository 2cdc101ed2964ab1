"""Make the checkout importable in its own environment and give it the console script.

This is what an editable install does, without a build backend to fetch first.
"""

import site
import sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
packages = Path(next(p for p in site.getsitepackages() if p.startswith(sys.prefix)))
(packages / "jira_agent_gateway.pth").write_text(f"{root}\n", encoding="utf-8")
script = Path(sys.executable).parent / "jira-agent-gateway"
script.write_text(
    f"#!{sys.executable}\nimport sys\nfrom gateway.cli import main\nsys.exit(main())\n", encoding="utf-8"
)
script.chmod(0o755)
