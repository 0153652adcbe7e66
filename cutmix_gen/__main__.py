"""`python -m cutmix_gen` is `cutmix-gen`."""

from cutmix_gen.cli import main

if __name__ == "__main__":
    main(prog_name="cutmix-gen")
