"""The endpoints under ``/api/``: the objects of forensics as JSON, in the shape that the command line prints."""
