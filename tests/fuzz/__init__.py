"""A fuzz of every reader. Run `python -m tests.fuzz`.

A target is one reader: a function that is handed bytes and gives them to the program as the file that it reads
(`targets`). The inputs are the seeds in `corpus/`, changed (`mutation`), their checksums put right again (`mending`),
so that what was changed gets as far as it can. A child process reads one input after the other under limits of time
and memory (`child`); its parent counts how each ended, and goes on with another child where one hangs or dies
(`watch`). Where `atheris` is installed (`pip install -e ".[fuzz]"`), it steers the changes by the code they reach.

What ends otherwise than well or in this program's own error is kept as a file: `--replay FILE` reads it again.
"""
