/*
 * An action that logs a gibibyte: as lines of 100 bytes, as one single line when its arguments hold
 * "one-line", and nothing when they hold "nothing".
 */
#include <string.h>
#include <unistd.h>

enum { LOG_BYTES = 1 << 30, LINE_BYTES = 100, BLOCK_BYTES = LINE_BYTES * 640 };

static int asked_for(int argc, char **argv, const char *what) {
  return argc > 1 && strstr(argv[1], what) != NULL;
}

static int write_all(const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(1, bytes, length);
    if (written < 0) return -1;
    bytes += written;
    length -= (size_t)written;
  }
  return 0;
}

int main(int argc, char **argv) {
  static char block[BLOCK_BYTES];
  static const char end[] = "\n{\"logged\":1}\n";
  int one_line = asked_for(argc, argv, "one-line");
  memset(block, 'x', sizeof block);
  for (size_t at = LINE_BYTES - 1; !one_line && at < sizeof block; at += LINE_BYTES) block[at] = '\n';
  for (size_t left = asked_for(argc, argv, "nothing") ? 0 : LOG_BYTES - 1; left > 0;) {
    size_t part = left < sizeof block ? left : sizeof block;
    if (write_all(block, part) != 0) return 1;
    left -= part;
  }
  return write_all(end, sizeof end - 1) == 0 ? 0 : 1;
}
