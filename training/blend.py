"""Two adapters of one shape as one: between a stage and the short one after it.

    python -m training.blend FIRST SECOND SHARE OUT

The weights become (1 - SHARE) of those of FIRST plus SHARE of SECOND; training.json names both.
A short stage on one kind of row teaches it and unlearns others; halfway both are there (arXiv 2109.01903).
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from speeddial.filehash import sha256_of

WEIGHTS = "adapter_model.safetensors"


def blend(first: Path, second: Path, share: float, out: Path) -> None:
    """Write the adapter between two.

    Args:
        share: of `second`, from 0 to 1.
    """
    one, other = load_file(str(first / WEIGHTS)), load_file(str(second / WEIGHTS))
    blended = {
        name: ((1 - share) * weight.astype(np.float32) + share * other[name].astype(np.float32)).astype(
            weight.dtype
        )
        for name, weight in one.items()
    }
    out.mkdir(parents=True, exist_ok=True)
    save_file(blended, str(out / WEIGHTS), metadata={"format": "pt"})
    shutil.copyfile(second / "adapter_config.json", out / "adapter_config.json")
    told = json.loads((second / "training.json").read_text(encoding="utf-8"))
    told["blended"] = {
        "first": sha256_of([first / WEIGHTS]),
        "second": sha256_of([second / WEIGHTS]),
        "share": share,
    }
    (out / "training.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("share", type=float)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    blend(options.first, options.second, options.share, options.out)


if __name__ == "__main__":
    main()
