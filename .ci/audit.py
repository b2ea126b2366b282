"""Audits the pinned packages against known vulnerabilities: pip-audit asks PyPI, and npm its registry.

Prints the findings, or one line for what could not be asked, as without a network. Ends with 1 for a finding.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PIP_AUDIT = "uvx --quiet pip-audit@2.10.1 --progress-spinner off --disable-pip --require-hashes --format json"
NPM_AUDIT = "npm audit --package-lock-only --json"


def answer(command: list[str], folder: Path) -> dict[str, Any]:
    """Returns the JSON that a command prints; nothing if it prints none."""
    try:
        printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300).stdout
        return json.loads(printed)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return {}


def audit_python() -> list[str]:
    """Returns the findings in requirements.txt; says how many packages could not be asked about."""
    packages = answer([*PIP_AUDIT.split(), "--requirement", "requirements.txt"], ROOT).get("dependencies", [])
    asked = [package for package in packages if "vulns" in package]
    skipped = len(packages) - len(asked)
    print(f"requirements.txt: {len(asked)} packages audited, {skipped or 'none' if packages else 'all'} could not be")
    return [f"{each['name']} {each['version']}: {found['id']}" for each in asked for found in each["vulns"]]


def audit_javascript() -> list[str]:
    """Returns the findings in the lock of exports/web; says whether it could be audited."""
    found = answer(NPM_AUDIT.split(), ROOT / "exports" / "web")
    print(f"exports/web: {'audited' if 'vulnerabilities' in found else 'could not be audited'}")
    return [f"{name}: {each['severity']}" for name, each in found.get("vulnerabilities", {}).items()]


def main() -> int:
    findings = [*audit_python(), *audit_javascript()]
    for finding in findings:
        print(f"vulnerable: {finding}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
