"""What a competent user writes today: three short scripts, each with the libraries of its kind.

All of them use two processes, write the same pictures at the same quality with a soft label each, and read the plan
from the file list alone. None of them resumes, records or checks anything.
"""
