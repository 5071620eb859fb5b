/* Arguments, environment, streams, files, heap, exit handlers: what nearly every program does. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static int constructed;

__attribute__((constructor)) static void construct(int argc, char **argv) {
  constructed = getpid() == (int)syscall(SYS_getpid) && argc > 0 && argv[0] != NULL;
}
static void at_exit(void) { printf("exit handler\n"); }
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

int main(int argc, char **argv) {
  atexit(at_exit);
  setlocale(LC_ALL, "");
  printf("constructed %d argc %d name %s short %s\n", constructed, argc, strrchr(program_invocation_name, '/') + 1,
         program_invocation_short_name);
  for (int at = 1; at < argc; at++) printf("argument %zu %s\n", strlen(argv[at]), argv[at]);
  for (char **entry = environ; *entry != NULL; entry++)
    if (strncmp(*entry, "PWD=", 4) != 0) printf("variable %s\n", *entry);
  printf("ids %d %d\n", getpid() == (int)syscall(SYS_gettid), getpgrp() == getpid());
  printf("exec name is argv[0] %d\n", argc < 2 || strcmp((char *)getauxval(AT_EXECFN), argv[0]) == 0);
  int stdin_bytes = 0, byte;
  while ((byte = getchar()) != EOF) stdin_bytes += byte != 0;
  printf("stdin %d\n", stdin_bytes);
  srand(7);
  int *numbers = malloc(100000 * sizeof *numbers);
  for (int at = 0; at < 100000; at++) numbers[at] = rand();
  qsort(numbers, 100000, sizeof *numbers, compare);
  numbers = realloc(numbers, 4000000);
  printf("middle %d\n", numbers[50000]);
  free(numbers);
  for (int at = 0; at < 2000; at++) {
    void *block = malloc((size_t)at * 37 % 5000);
    if (at % 3 != 0) free(block);
  }
  struct timespec one, two;
  clock_gettime(CLOCK_MONOTONIC, &one);
  usleep(1000);
  clock_gettime(CLOCK_MONOTONIC, &two);
  printf("time goes on %d\n", two.tv_sec > one.tv_sec || two.tv_nsec > one.tv_nsec);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  printf("files %lu next descriptor %d\n", (unsigned long)files.rlim_cur, dup(0));
  FILE *effects = fopen("effects", "a");
  fprintf(effects, "%s\n", argc > 1 ? argv[1] : "none");
  fclose(effects);
  char link[512] = {0};
  static char text[1 << 20];
  size_t at = 0, count;
  FILE *shown = fopen("/proc/self/cmdline", "r");
  count = fread(text, 1, sizeof text, shown);
  fclose(shown);
  for (int index = 0; index < argc && strcmp(text + at, argv[index]) == 0; index++) at += strlen(argv[index]) + 1;
  printf("cmdline is argv %d\n", at == count);
  shown = fopen("/proc/self/environ", "r");
  count = fread(text, 1, sizeof text, shown);
  fclose(shown);
  at = 0;
  for (char **entry = environ; *entry != NULL && strcmp(text + at, *entry) == 0; entry++) at += strlen(*entry) + 1;
  printf("environ is the environment %d\n", at == count);
  printf("exe %d\n", readlink("/proc/self/exe", link, sizeof link - 1) > 0 && strcmp(link, argv[0]) == 0);
  fprintf(stderr, "on stderr\n");
  errno = 0;
  printf("missing %d %s\n", open("/nowhere", O_RDONLY), strerror(errno));
  const char *last = argc > 1 ? argv[1] + strlen(argv[1]) - 1 : "0";
  return *last % 7;
}
