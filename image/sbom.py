#!/usr/bin/env python3
"""What is in an image: `packages.tsv` with licences for people, `sbom.cdx.json` (CycloneDX 1.5) for programs.

sbom.py PACKAGES PROJECT VERSION EPOCH OUT EXTRA...  reads `name version` lines of Debian packages; PACKAGES is the
folder that they were unpacked in.
"""

import json
import re
import subprocess
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote


def debian_licences(unpacked, name):
    """Short names of a package's machine-readable copyright file; what is not machine-readable is said to be so."""
    path = unpacked / "usr/share/doc" / name / "copyright"
    if not path.is_file():
        return ["see Debian's copyright file"]
    text = path.read_text(errors="replace")
    if not re.search(r"^Format:.*copyright-format", text, re.M | re.I):
        return sorted(set(re.findall(r"/usr/share/common-licenses/([A-Za-z0-9.-]*[A-Za-z0-9])", text))) or ["see copyright file"]
    names = re.findall(r"^License:[ \t]*(\S[^\n]*)$", text, re.M)
    return sorted({name.strip() for name in names})


def crates(project):
    """Crates that the daemon for the board is linked from."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--offline", "--filter-platform=aarch64-unknown-linux-gnu"]
    found = json.loads(subprocess.run(command, cwd=project, check=True, capture_output=True).stdout)
    packages = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    reached, left = set(), [key for key, package in packages.items() if package["name"] == "branchline-pbx"]
    while left:
        key = left.pop()
        if key in reached:
            continue
        reached.add(key)
        for dependency in nodes[key]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                left.append(dependency["pkg"])
    return sorted((packages[key]["name"], packages[key]["version"], packages[key]["license"] or "see source") for key in reached)


def main():
    unpacked, project, version, epoch, out = Path(sys.argv[1]), *sys.argv[2:5], Path(sys.argv[5])
    debian = sorted(tuple(line.split()) for line in [*sys.stdin, *sys.argv[6:]] if line.strip())
    rows, components = [], []
    for name, package_version in debian:
        licences = debian_licences(unpacked, name)
        rows.append(("debian", name, package_version, ", ".join(licences)))
        components.append({
            "type": "library",
            "name": name,
            "version": package_version,
            "purl": f"pkg:deb/debian/{quote(name)}@{quote(package_version)}?arch=arm64",
            "licenses": [{"license": {"name": licence}} for licence in licences],
        })
    for name, crate_version, licence in crates(project):
        rows.append(("crate", name, crate_version, licence))
        components.append({
            "type": "library",
            "name": name,
            "version": crate_version,
            "purl": f"pkg:cargo/{name}@{crate_version}",
            "licenses": [{"expression": licence.replace("/", " OR ")}],
        })
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, 'branchline ' + version)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(int(epoch), timezone.utc).isoformat(),
            "component": {"type": "firmware", "name": "branchline", "version": version},
        },
        "components": components,
    }
    (out / "sbom.cdx.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    (out / "packages.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))


main()
