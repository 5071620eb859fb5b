# Images derived from dockerskeleton restate its command, which starts this file: it becomes the server.
import os

os.execvp("hyperskeleton", ["hyperskeleton", "serve"])
