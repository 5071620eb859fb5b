/*
 * Looks for a secret in all of its own memory. The secret comes disguised, so that the program itself does not hold it:
 * each byte of the argument behind the colon is one of the secret's plus one. `plant:` makes a copy first, to show that
 * it would be found.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
  const char *disguised = strchr(argv[argc - 1], ':');
  if (disguised == NULL) {
    printf("{\"ran\":1}\n");
    return 0;
  }
  disguised++;
  size_t length = strlen(disguised);
  char *planted = NULL;
  if (strncmp(argv[argc - 1], "plant", 5) == 0) {
    planted = malloc(length);
    for (size_t at = 0; at < length; at++) planted[at] = (char)(disguised[at] - 1);
  }
  FILE *maps = fopen("/proc/self/maps", "r");
  int memory = open("/proc/self/mem", O_RDONLY);
  static char line[1024];
  long found = 0, bytes = 0;
  while (fgets(line, sizeof line, maps) != NULL) {
    unsigned long begin, end;
    char access[8];
    if (sscanf(line, "%lx-%lx %7s", &begin, &end, access) != 3 || access[0] != 'r') continue;
    if (strstr(line, "[v") != NULL) continue;
    char *copy = malloc(end - begin);
    ssize_t got = pread(memory, copy, end - begin, (off_t)begin);
    for (ssize_t at = 0; at + (ssize_t)length <= got; at++) {
      size_t same = 0;
      while (same < length && copy[at + (ssize_t)same] == (char)(disguised[same] - 1)) same++;
      found += same == length;
    }
    if (got > 0) bytes += got;
    /* A copy that holds copies is not to be looked through later. */
    explicit_bzero(copy, end - begin);
    free(copy);
  }
  printf("{\"found\":%ld,\"looked\":%d,\"planted\":%d}\n", found, bytes > 100000, planted != NULL);
  return 0;
}
