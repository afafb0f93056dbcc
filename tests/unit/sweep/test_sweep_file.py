"""The file of a sweep: what it may hold, and one line with place and remedy for everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from degas.errors import UserError
from degas.sweep.plan import Halving
from degas.sweep.sweep_file import key_lines, read_sweep

GOOD = """\
command = ["train", "evaluate"]
import = "mine.py"

[options]
data = "digits"
"data.max-images" = 200
gan.num_steps = 40
gan.betas = [0.0, 0.9]

[grid]  # every combination
seed = [0, 1]

[grid.gan]
width = [
  8,
  16,
]

[[list]]
name = "fast"
gan.critic-steps = 1

[[list]]
name = "slow"
gan.critic-steps = 5

[halving]
marks = [10, 40]
keep = 1
score = "fid"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "sweep.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_as_a_plan(tmp_path: Path) -> None:
    plan = read_sweep(written(tmp_path, GOOD)).plan
    assert (plan.commands, plan.imports) == (("train", "evaluate"), ("mine.py",))
    assert plan.halving == Halving((10, 40), (1,), "seed", "fid")
    assert [trial.name for trial in plan.trials] == [
        *("fast,seed=0,width=8", "fast,seed=0,width=16", "fast,seed=1,width=8", "fast,seed=1,width=16"),
        *("slow,seed=0,width=8", "slow,seed=0,width=16", "slow,seed=1,width=8", "slow,seed=1,width=16"),
    ]
    assert plan.trials[0].settings == {
        "data": "digits",
        "data.max-images": 200,
        "gan.num-steps": 40,
        "gan.betas": [0.0, 0.9],
        "gan.critic-steps": 1,
        "seed": 0,
        "gan.width": 8,
    }


def test_a_file_needs_no_more_than_a_grid(tmp_path: Path) -> None:
    plan = read_sweep(written(tmp_path, "\ufeff[grid]\r\nseed = [1]\r\n")).plan
    assert (plan.commands, plan.halving, [trial.name for trial in plan.trials]) == (("run",), None, ["seed=1"])


HEAD = "[grid]\nseed = [0, 1]\ngan.width = [8, 16]\n"
BAD = [
    ("", "has neither [grid] nor [[list]]; write [grid] with, for example, seed = [0, 1, 2]"),
    ("[grid]\nseed = [0, 1\n", ", at its end: unclosed array; close the list with ]"),
    ("[grid]\nx = conv\n", ", line 2, column 5: invalid value; text stands in quotes, a list in [ ]"),
    ("[grid]\nseed\n", ", line 2, column 5: expected '=' after a key in a key/value pair; write key ="),
    ("[grid\n", ", line 1, column 6: expected ']' at the end of a table declaration; write [grid]"),
    ("[grid]\na = [1]\n[grid]\n", "cannot declare ('grid',) twice; put both tables into one"),
    (
        '[options]\ndata = "x"\ndata.size = 8\n',
        'write a key with a dot in quotes beside a key of its first word, as "data.',
    ),
    ("gird = 1\n" + HEAD, ", line 1: unknown key 'gird'; did you mean 'grid'?"),
    ("[grid]\nseed = 3\n", ", line 2: seed has one value; write seed = [3], or put it into [options]"),
    ('[grid]\ngan.objective = "mmd"\n', ', line 2: gan.objective has one value; write gan.objective = ["mmd"], or put'),
    ("[grid]\nseed = []\n", ", line 2: seed is an empty list; write text, a number, true or false, or a list of these"),
    ("[grid]\nseed = [1, 1]\n", ", line 2: seed has a value twice; leave one of them out"),
    ("[grid]\nseed = [2026-11-30]\n", ", line 2: seed is a list; write text, a number, true or false, or a list of"),
    ("[grid]\na_b = [1]\na-b = [1]\n", ", line 3: a-b is given twice; - and _ are the same"),
    ("grid = 3\n", ", line 1: grid is a table; write [grid] on a line of its own, and its settings below"),
    ("list = 3\n", ", line 1: list is one or more tables; write [[list]] on a line of its own"),
    (
        "[grid]\nout = ['x']\n",
        ", line 2: out is not for a sweep's file: degas sweep names every run folder; leave it out",
    ),
    ("[grid]\ngan.stop-step = [1]\n", ", line 2: gan.stop-step is not for a sweep's file: write [halving] with marks"),
    ("[grid]\nseed = [1]\n[[list]]\nname = 3\n", ', line 4: name is text; write name = "3"'),
    (
        "[grid]\nseed = [1]\n[[list]]\n[[list]]\nseed = 2\n",
        ", line 5: seed is in [grid] too; leave it out of one of the",
    ),
    ('command = "serach"\n' + HEAD, ", line 1: no trial can be degas serach; did you mean 'search'?"),
    ("command = 3\n" + HEAD, ', line 1: command is text or a list of texts; write command = "run" or ["train", "eval'),
    (
        'command = "evaluate"\n' + HEAD,
        ', line 1: a trial makes a generator first; write command = ["train", "evaluate"]',
    ),
    ('command = ["run", "run"]\n' + HEAD, ", line 1: command names one twice; leave one of them out"),
    ("import = 3\n" + HEAD, ', line 1: import is a module or a list of modules; write import = "my_networks.py"'),
    (HEAD + "[halving]\n", ", line 4: marks are two or more rising generator steps; write marks = [500, 1000, 2000]"),
    (HEAD + "[halving]\nmarks = [9, 3]\n", ", line 5: marks are two or more rising generator steps; write marks ="),
    (
        HEAD + "[halving]\nmarks = [3, 9]\nkeep = 0\n",
        ", line 6: keep is a share or a number for each mark but the last",
    ),
    (
        HEAD + "[halving]\nmarks = [3, 9]\nkeep = [1, 1]\n",
        ", line 6: keep is a share or a number for each mark but the l",
    ),
    (HEAD + '[halving]\nmarks = [3, 9]\nblock = "sede"\n', ", line 6: not every trial has the setting 'sede'; write"),
    (
        HEAD + "[halving]\nmarks = [3, 9]\nscore = 1\n",
        ', line 6: score is a name in scores.json; write score = "fid_5k',
    ),
    (HEAD + "[halving]\nmraks = [3, 9]\n", ", line 5: unknown key 'mraks'; did you mean 'marks'?"),
    (
        'command = "search"\n' + HEAD + "[halving]\nmarks = [3, 9]\n",
        ", line 5: halving needs a training; write command",
    ),
    ('command = "train"\n' + HEAD + "[halving]\nmarks = [3, 9]\n", ", line 5: halving needs scores; write command = ["),
    (
        "[options]\ngan.num-steps = 5\n" + HEAD + "[halving]\nmarks = [3, 9]\n",
        ", line 7: the last mark, 9, is beyond gan.num-",
    ),
    (
        "[[list]]\nseed = 0\nx = 1\n[[list]]\nseed = 1\nx = 2\n[halving]\nmarks = [1, 2]\n",
        "trials differ in their values of",
    ),
    ("[[list]]\nx = 1\n[[list]]\nx = 1\n", "trials x=1 and x=1 have the same settings; leave one of them out"),
    (
        "[grid]\n" + "".join(f"k{k} = [1,2,3,4,5,6,7,8,9,10]\n" for k in range(6)),
        ", line 1: gives 1,000,000 trials, more",
    ),
]


@pytest.mark.parametrize(("text", "said"), BAD, ids=[said[:50] for _, said in BAD])
def test_a_bad_file_gets_one_line_with_place_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read_sweep(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert said in message
    assert "\n" not in message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none.toml: cannot be read \(No such file"):
        read_sweep(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes("x = 'é'".encode("latin-1"))
    with pytest.raises(UserError, match=r"latin.toml: is not UTF-8 text; save it as UTF-8"):
        read_sweep(tmp_path / "latin.toml")


def test_the_line_of_every_key_is_known() -> None:
    lines = key_lines(GOOD)
    text = GOOD.splitlines()
    assert text[lines["grid.gan.width"] - 1] == "width = ["
    assert text[lines["options.data.max-images"] - 1] == '"data.max-images" = 200'
    assert text[lines["list[1].gan.critic-steps"] - 1] == "gan.critic-steps = 5"
    assert text[lines["list"] - 1] == "[[list]]"
    assert text[lines["halving"] - 1] == "[halving]"


def test_a_command_s_complaint_gets_the_line_of_the_option_that_it_names(tmp_path: Path) -> None:
    file = read_sweep(written(tmp_path, GOOD))
    with pytest.raises(UserError, match=r"sweep.toml, line 7: --gan.num-steps: must be at least 1"):
        file.fail_with("--gan.num-steps: must be at least 1, not 0")
    with pytest.raises(UserError, match=r"sweep.toml: something else"):
        file.fail_with("something else")
