"""The page of `jaxanon ui` as a Hugging Face Space (SDK gradio).

`requirements.txt` of the Space is one line: jaxanon[demo,ui]
"""

import sys

from jaxanon.cli import main

if __name__ == "__main__":
    sys.exit(main(["ui", "--host", "0.0.0.0", "--port", "7860"]))  # a Space is public
