"""`python -m nano_lsp`: the same as the `nano-lsp` command."""

from nano_lsp.cli import main

if __name__ == "__main__":
    main()
