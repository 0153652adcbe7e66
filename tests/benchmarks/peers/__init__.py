"""What users write instead: for each library a script as most people write it, and one that is tuned to it.

The plain scripts are short and do the obvious thing: a pool makes samples and hands them to the process that writes
them; torchvision's is the loop of its documentation. The tuned ones (`*_tuned.py`) keep images within their process,
write whole shards in the workers, and leave out what costs time for nothing. All use two processes, write the same
pictures at the same quality with a soft label each, and decode an image anew for every sample. None of them
resumes, records or checks anything.
"""
