"""`degas COMMAND …`: finds the command, and turns every way to end into an exit status.

0 done, 1 internal error, 2 the user's input or usage, 130 interrupted, 143 terminated after saving.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence

from degas.errors import UserError, nearest

# Command → (one line of help, module of `degas.cli`). A module has `Options` and `main(options)`; the order is help's.
COMMANDS = {
    "run": ("the whole job in order: search, train, evaluate, sample, report", "run"),
    "search": ("search a generator architecture for your images", "search"),
    "train": ("train an architecture, or a baseline, as the generator of a GAN", "train"),
    "evaluate": ("measure a generator: Fréchet distance, KID, …", "evaluate"),
    "sample": ("draw samples from a generator", "sample"),
    "export": ("write a generator for ONNX Runtime or torch.export", "export"),
    "report": ("write one HTML page about one run or several", "report"),
    "describe": ("an architecture in words, numbers and a picture", "describe"),
    "random": ("draw a random architecture", "random"),
    "space": ("the search space and its counts", "space"),
    "data": ("what a data source holds; download an official one", "data"),
    "features": ("train a classifier to measure with", "features"),
    "benchmark": ("time our steps beside the textbook's and the machine's roofline", "benchmark"),
    "experiment": ("run one of our measurements, trial by trial", "experiment"),
}
USAGE = "usage: degas COMMAND [OPTIONS]      degas COMMAND --help shows a command's options"
OUT_OF_MEMORY = "out of memory; lower --search.width, --search.batch-images, --gan.width or --gan.batch-images"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status and never lets a traceback out for a mistake of the user's."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(arguments)
    except UserError as error:
        return _fail(str(error), 2)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except BrokenPipeError:  # `degas space | head`
        sys.stderr.close()
        return 0
    except MemoryError:
        return _fail(OUT_OF_MEMORY, 1)
    except Exception as error:
        return _unexpected(error)


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(help_text())
        return 0
    if arguments[0] in ("-V", "--version"):
        from degas import __version__

        print(f"degas {__version__}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        raise UserError(f"unknown command {name!r}{nearest(name, COMMANDS)}")
    from degas.cli.parse import parse

    module = importlib.import_module(f"degas.cli.{COMMANDS[name][1]}")
    module.main(parse(module.Options, name, rest))
    return 0


def help_text() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, (summary, _) in COMMANDS.items()]
    head = "degas: find a small GAN generator for your images by differentiable architecture search"
    start = "start with: degas run --data digits --out runs/digits --preset quick"
    return "\n".join([head, "", USAGE, "", *lines, "", start])


def _unexpected(error: Exception) -> int:
    """Map what the runtime raises by name, so that this module need not import it, nor torch."""
    name = type(error).__name__
    if name == "Terminated":
        return _fail("terminated; the state is saved, go on with --resume", 143)
    if name == "Interrupted":
        return _fail("interrupted; the state is saved, go on with --resume", 130)
    if name == "OutOfMemoryError" or "DefaultCPUAllocator: can't allocate memory" in str(error):
        return _fail(OUT_OF_MEMORY, 1)
    traceback.print_exc()
    return _fail("internal error; please report the lines above", 1)


def _fail(message: str, status: int) -> int:
    print(f"degas: {' '.join(message.split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
