"""The wheel carries the data and the chapters: it must read p3 from a folder that has nothing else."""

import os
import subprocess
import sys
import zipfile

READ_P3 = """
from regiometrics import chapters
from regiometrics.data.files import data_folder, notebooks_folder

table = chapters.load("p3").tables["coagglomeration"]
print(len(table), data_folder().name, (notebooks_folder() / "p3_coagglomeration.ipynb").is_file())
"""


def test_an_installed_wheel_reads_the_chapter_without_the_checkout(root, tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=root, check=True, capture_output=True, text=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    env = {k: v for k, v in os.environ.items() if not k.startswith("REGIOMETRICS_")} | {"PYTHONPATH": str(site)}
    run = subprocess.run(
        [sys.executable, "-c", READ_P3], cwd=tmp_path, env=env, check=True, capture_output=True, text=True
    )
    assert run.stdout.split() == ["2069", "_data", "True"]
