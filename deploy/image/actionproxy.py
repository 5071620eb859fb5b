# Images derived from dockerskeleton restate its command, which starts this file: it becomes the server.
import os

if __name__ != "__main__":
    # A server here would ignore what a subclass builds, and answer for it.
    raise ImportError(
        "actionproxy can't be imported: subclasses of ActionRunner are not supported;"
        " for code that is compiled use the ActionLoop protocol with OW_COMPILER"
    )
os.execvp("hyperskeleton", ["hyperskeleton", "serve"])
