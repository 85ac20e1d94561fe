"""Demo: workers count a tree, one of them is killed, and the totals are right or the exit code says no."""

from __future__ import annotations

import os
import random
import re
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from rqflow.cli.report import differences
from rqflow.cli.tree import Totals, count_tree, walk_tree
from tests.cli.shell import really
from workers.inventory import PAGE, Inventory, Total, kind_of, list_folder, measure, to_system, to_text


def grow(root: Path, folders: int, files: int, size: int = 2_000) -> Path:
    """A tree of text files."""
    generator = random.Random(7)
    for folder in range(folders):
        here = root / f"folder-{folder % 5}" / f"{folder}"
        here.mkdir(parents=True)
        for file in range(files):
            text = "line\n" * generator.randrange(size)
            (here / f"{file}{generator.choice(['.py', '.txt', '.c', ''])}").write_text(text)
    return root


def test_a_worker_dies_and_the_totals_are_right(tmp_path: Path) -> None:
    """[G2] SIGKILL in mid-work: said, taken over by another, and not a line is missing or counted twice."""
    ran = really("demo", str(grow(tmp_path / "tree", 60, 40)), seconds=55)
    assert ran.code == 0, ran
    assert re.search(r"killed worker-\d \(process \d+\) with SIGKILL while it held \d+", ran.out), ran.out
    assert re.search(r"s later worker-\d.* had taken over all of it", ran.out), ran.out
    assert "The totals are those of a plain walk: 66 folders, 2,400 files" in ran.out
    assert re.search(r"66 instances, 2,466 activities, [1-9]\d* takeovers, [\d.]+ seconds", ran.out), ran.out


def odd_tree(root: Path) -> Path:
    """What a real disk may hold."""
    (root / "empty").mkdir(parents=True)
    (root / "100% of it").mkdir()
    (root / "100% of it" / "%41.txt").write_text("x\n")
    (root / "注文\n🛒").mkdir()
    (root / "注文\n🛒" / "\x1b[31m.py").write_text("a\nb")
    os.mkdir(os.fsencode(root) + b"/\xff\xfe")
    with open(os.fsencode(root) + b"/\xff\xfe/\xe9.txt", "wb") as file:
        file.write(b"\xff\n" * 10)
    (root / "loop").symlink_to(root)
    (root / "dangling").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(root)
        listener.bind("socket")
        os.chdir(here)
    (root / "left out").mkdir()
    (root / "left out" / "secret.txt").write_text("no")
    deep = root.joinpath(*["d" * 50] * 30)
    deep.mkdir(parents=True)
    (deep / "deep.toml").write_text("a = 1\n")
    return root


def test_odd_names_links_and_pipes_do_no_harm(tmp_path: Path) -> None:
    """Any bytes in names, links in a circle, pipes that would block, folders deep and empty."""
    tree = odd_tree(tmp_path / "tree")
    ran = really("demo", str(tree), "--no-kill", "--workers", "1", "--skip", "left out", seconds=55)
    assert ran.code == 0, ran
    assert "36 folders, 4 files" not in ran.out
    walked = count_tree(str(tree), ("left out",))
    assert f"{walked.folders} folders, {walked.files} files" in ran.out
    assert walked.files == 4
    assert "4 links and special files were left alone" in ran.out
    assert "\x1b[31m" not in ran.out


def test_totals_that_differ_are_told() -> None:
    """The demo would exit with 1: each difference is a sentence."""
    walked = Totals(folders=1, files=2, bytes=30, lines=4, kinds={"python": (2, 30, 4)})
    found = {
        "folders": 1,
        "files": 2,
        "bytes": 30,
        "lines": 4,
        "kinds": {"python": {"files": 2, "bytes": 30, "lines": 4}},
    }
    assert differences(found, walked) == []
    assert differences(found, replace(walked, lines=5)) == ["lines: the workflow found 4, the walk 5"]
    assert len(differences(found, replace(walked, kinds={"c": (2, 30, 4)}))) == 2


def test_a_tree_that_changes_meanwhile_fails_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1, with the reason."""
    from click.testing import CliRunner

    from rqflow.cli import demo
    from rqflow.cli.main import cli

    tree = grow(tmp_path / "tree", 2, 2)

    def changed(path: str, *rest: object) -> Totals:
        (tree / "new.txt").write_text("new\n")
        return walk_tree(path, (), kind_of)

    monkeypatch.setattr(demo, "walk_tree", changed)
    ran = CliRunner().invoke(cli, ["demo", str(tree), "--no-kill", "--workers", "1"])
    assert ran.exit_code == 1, ran.stderr
    assert "The totals differ from those of a plain walk" in ran.stdout
    assert "files: the workflow found 4, the walk 5" in ran.stdout
    assert "the tree itself changed meanwhile" in ran.stdout


def test_a_large_folder_is_listed_page_by_page(tmp_path: Path) -> None:
    """No name is missed or given twice, and each page is of bearable size."""
    names = sorted(f"{number:05}{'x' * (number % 200)}" for number in range(PAGE * 2 + 7))
    for name in names:
        (tmp_path / name).touch()
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = list_folder.fn(to_text(str(tmp_path)), [], after)
        assert len(page.files) <= PAGE
        found += page.files
        after = page.next
    assert found == names


@pytest.mark.parametrize("name", [b"plain.txt", b"100%", b"%41", b"\xff\xfe.txt", "é🛒".encode(), b"a\nb"])
def test_names_survive_as_text(name: bytes) -> None:
    """Whatever bytes a path is made of, JSON can hold it, and it comes back."""
    text = to_text(os.fsdecode(name))
    text.encode()
    assert os.fsencode(to_system(text)) == name


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A folder and a file that are gone, a link and a pipe where a file was listed."""
    assert "No such file" in list_folder.fn(str(tmp_path / "gone"), [], "").problem
    assert "No such file" in measure.fn(str(tmp_path / "gone.py")).problem
    (tmp_path / "link").symlink_to(tmp_path)
    assert measure.fn(str(tmp_path / "link")).problem
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in measure.fn(str(tmp_path / "pipe")).problem


def test_values_do_not_grow_with_the_tree() -> None:
    """Kinds are few, and only the ten largest files and ten problems travel upward."""
    from workers.inventory import Measure, add_file, add_inventory

    whole = Inventory()
    for folder in range(50):
        part = Inventory(folders=1)
        for file in range(50):
            add_file(part, Measure(f"{folder}/{file}.{file}", kind_of(f".{file}"), bytes=folder * file))
            add_file(part, Measure("x", "other", problem=f"{file}"))
        add_inventory(whole, part)
    assert (whole.folders, whole.files, whole.unreadable) == (50, 2_500, 2_500)
    assert (len(whole.largest), len(whole.problems)) == (10, 10)
    assert whole.largest[0].bytes == 49 * 49
    assert whole.kinds == {"other": Total(files=2_500, bytes=whole.bytes, lines=0)}
