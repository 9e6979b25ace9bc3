"""One cache for both: check-hub.py HUB WORK RESULTS

HUB is a local hub with the model `org/tiny` and the data set `org/rows`, which TypeScript has downloaded into WORK/ours
(check-hub.ts). Python's `huggingface_hub` scans that cache and reads it offline, then fills WORK/python, which TypeScript
reads offline (check-hub.ts again), and both look at what TypeScript pushed as `me/titan`.
"""

import json
import os
import sys
from pathlib import Path

hub, work, results = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
os.environ["HF_ENDPOINT"] = hub
os.environ["HF_TOKEN"] = "hf_local"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_XET"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import huggingface_hub
from huggingface_hub import HfApi, hf_hub_download, scan_cache_dir, snapshot_download

ours, python = work / "ours" / "hub", work / "python" / "hub"
repos = {"model": "org/tiny", "dataset": "org/rows"}
api = HfApi(endpoint=hub, token="hf_local")
rows = []


def check(what: str, problem: str | None) -> None:
    if problem:
        raise SystemExit(f"check-hub: {what}: {problem}")
    rows.append({"what": what, "found": "as expected"})


def tree(folder: Path) -> dict[str, tuple[str, str]]:
    """Paths, where links lead, and what files hold; without what is ours or Python's alone."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or name.split("/")[0] in (".locks", "CACHEDIR.TAG") or "/trees/" in f"/{name}":
            continue
        link = os.readlink(path) if path.is_symlink() else ""
        found[name] = (link, path.read_bytes().hex()[:64])
    return found


scan = scan_cache_dir(ours)
check("scan_cache_dir reads the cache that TypeScript filled", "; ".join(map(str, scan.warnings)) or None)
seen = {(repo.repo_type, repo.repo_id): repo for repo in scan.repos}
for kind, name in repos.items():
    repo = seen.get((kind, name))
    revision = next(iter(repo.revisions), None) if repo else None
    sha = api.repo_info(name, repo_type=kind).sha
    problem = None if revision and revision.commit_hash == sha and "main" in revision.refs else f"{repo}"
    check(f"{kind}: its commit and branch are found", problem)
    for info in api.list_repo_tree(name, repo_type=kind, recursive=True):
        if not hasattr(info, "size") or info.path.endswith((".bin", "test.jsonl")):
            continue
        path = hf_hub_download(name, info.path, repo_type=kind, cache_dir=ours, local_files_only=True)
        size = Path(path).stat().st_size
        check(f"{kind}: {info.path} is read offline", None if size == info.size else f"{size}, not {info.size} bytes")

before = {path: path.stat().st_mtime_ns for path in ours.rglob("blobs/*")}
for kind, name in repos.items():
    skipped = ["*.bin", "*test.jsonl"]
    snapshot_download(name, repo_type=kind, cache_dir=ours, ignore_patterns=skipped)
    snapshot_download(name, repo_type=kind, cache_dir=python, ignore_patterns=skipped)
after = {path: path.stat().st_mtime_ns for path in ours.rglob("blobs/*")}
check("snapshot_download has nothing to download there", None if after == before else f"{after} {before}")
mine, theirs = tree(ours), tree(python)
check(
    "the two caches have the same files, links and contents",
    None if mine == theirs else f"{set(mine.items()) ^ set(theirs.items())}",
)

titan = snapshot_download("me/titan", cache_dir=work / "pushed")
source = work / "titan"
pushed = sorted(str(path.relative_to(titan)) for path in Path(titan).rglob("*") if path.is_file())
same = all((Path(titan) / name).read_bytes() == (source / name).read_bytes() for name in pushed)
expected = ["README.md", "adapter_model.safetensors", "config.json"]
check("what tptt push uploaded is downloaded by Python", None if same and set(expected) <= set(pushed) else f"{pushed}")

results.mkdir(parents=True, exist_ok=True)
title = f"One cache with huggingface_hub {huggingface_hub.__version__}"
text = "Over a local hub; what is not as expected ends the script."
(results / "hub.json").write_text(json.dumps({"title": title, "text": text, "rows": rows}, indent=2) + "\n")
