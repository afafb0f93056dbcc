"""A job like a stage: a tiny network trained step by step, logged and saved. Run by test_kill_and_resume.py.

    python counting_job.py FOLDER LAST_STEP MEGABYTES [--resume]

Says "step N" on standard output after each step, so that a harness knows where it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from degas.errors import UserError
from degas.runtime.interrupts import StopRequest, Terminated
from degas.runtime.rng import forked_rng, torch_generator
from degas.runtime.run_folder import StageFolder


def work(folder: StageFolder, last_step: int, megabytes: int) -> None:
    with forked_rng(0, "weights"):
        net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(), torch.nn.Linear(8, 1))
    optimizer = torch.optim.Adam(net.parameters(), betas=(0.0, 0.9))
    latents = torch.zeros(megabytes * 1024, 256)  # (N, 256): one MiB for 1024 rows
    step = 0
    found = folder.restore(lambda line: print(f"warning: {line}", flush=True))
    if found is not None:
        step, state = found
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        latents = state["sharded"]["latents"]
    print(f"start {step}", flush=True)
    with StopRequest() as stop:
        while step < last_step:
            noise = torch.rand(16, 4, generator=torch_generator(0, "noise", step))
            with forked_rng(0, "dropout", step):
                loss = (net(noise) - noise.sum(1, keepdim=True)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            latents[step % len(latents)] += loss.detach()
            step += 1
            folder.log_metrics(step, loss=loss.item())
            folder.log_timing(step, rate=float("inf"))
            state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "sharded": {"latents": latents}}
            if step % 2 == 0 or stop.requested:
                folder.save(step, state)
            print(f"step {step}", flush=True)
            if stop.requested:
                stop.leave()
    folder.write_json("result.json", {name: value.tolist() for name, value in net.state_dict().items()})
    torch.save(latents.sum(1), folder.path / "latents.pt")
    folder.mark_done()


def main() -> int:
    path, last_step, megabytes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    try:
        with StageFolder(path, settings={"last": last_step}, resume="--resume" in sys.argv, kind="count") as folder:
            work(folder, last_step, megabytes)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except Terminated as stopped:
        return stopped.exit_code
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
