"""`python -m deepseek_fusion` is the command line."""

from deepseek_fusion.cli import main

if __name__ == "__main__":
    main()
